"""The version of the form in which trials, model cards and decode results are written, and how older ones are read.

Version 1 had no ``schema_version``. Version 2 has new names for some fields, and a field for the layers of a manual
model.
"""

from collections.abc import Mapping
from typing import Any, Literal

from blindtune.core.errors import UserError

#: The version that is written.
SCHEMA_VERSION: Literal[2] = 2


def upgrade(content: Any, renamed: Mapping[str, str], where: str) -> Any:
    """Return a record with the field names of the present version.

    Args:
        content: the record as it was read; anything but a dict is returned as it is, for the model to refuse.
        renamed: the present name of each field that version 1 called otherwise.
        where: the kind of record, for the message.

    Raises:
        UserError: a later version of blindtune wrote the record.
    """
    if not isinstance(content, dict):
        return content
    version = content.get("schema_version", 1)
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise UserError(
            f"{where}: was written by a later version of blindtune (schema version {version}, this one reads up to "
            f"{SCHEMA_VERSION}). Update blindtune."
        )
    if "schema_version" in content:
        return content
    return {renamed.get(name, name): value for name, value in content.items()}
