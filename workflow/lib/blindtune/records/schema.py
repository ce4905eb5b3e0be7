"""The version of the form in which trials and decode results are written, and how older records are read.

Version 1 had no ``schema_version``. Version 2 has new names for some fields, and a field for the layers of a manual
model. Model cards have a version 3, see `blindtune.records.model_card`.
"""

from collections.abc import Mapping
from typing import Any, Literal

from blindtune.core.errors import UserError

#: The version that is written.
SCHEMA_VERSION: Literal[2] = 2


def upgrade(content: Any, renamed: Mapping[str, str], where: str, latest: int = SCHEMA_VERSION) -> Any:
    """Return a record with the field names of the present version.

    Args:
        content: the record as it was read; anything but a dict is returned as it is, for the model to refuse.
        renamed: the present name of each field that version 1 called otherwise.
        where: the kind of record, for the message.
        latest: the latest version of this kind of record.

    Raises:
        UserError: a later version of blindtune wrote the record.
    """
    if not isinstance(content, dict):
        return content
    version = content.get("schema_version", 1)
    if isinstance(version, int) and version > latest:
        raise UserError(
            f"{where}: was written by a later version of blindtune (schema version {version}, this one reads up to "
            f"{latest}). Update blindtune."
        )
    if "schema_version" in content:
        return content
    return {renamed.get(name, name): value for name, value in content.items()}
