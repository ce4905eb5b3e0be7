"""The models that the config consists of, found from its types."""

from typing import Any, get_args

from pydantic import BaseModel


def collect_models(kind: Any, found: set[type[BaseModel]] | None = None) -> set[type[BaseModel]]:
    """Return every model that a type mentions, at any depth.

    Args:
        kind: a type.
        found: the models that were found before; they are not followed again.
    """
    found = set() if found is None else found
    if isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in found:
        found.add(kind)
        for field in kind.model_fields.values():
            collect_models(field.annotation, found)
    for part in get_args(kind):
        collect_models(part, found)
    return found
