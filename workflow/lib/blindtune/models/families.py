"""The families of architectures that a search space can describe.

To add one: write a module with a constant ``FAMILY``, and add a line here.
"""

from typing import Annotated, Any

from pydantic import AfterValidator, WithJsonSchema

from blindtune.core.registry import Entry, Registry
from blindtune.core.validation import suggest_name
from blindtune.models.architecture import ArchitectureFamily

FAMILIES = Registry(
    "blindtune.families",
    "family",
    Entry,
    {
        "mlp": Entry("blindtune.models.mlp:FAMILY"),
        "convnet": Entry("blindtune.models.convnet:FAMILY"),
        "lstm": Entry("blindtune.models.lstm:FAMILY"),
    },
)


def load_family(name: str) -> ArchitectureFamily:
    """Return a family by its name; raises KeyError if there is no such family."""
    family: ArchitectureFamily = FAMILIES.load(name)
    return family


def _check_name(name: str) -> str:
    if name not in FAMILIES.names():
        raise ValueError(f"{name!r} is not a family: {suggest_name(name, FAMILIES.names())}")
    return name


_SCHEMA: dict[str, Any] = {"enum": FAMILIES.names(), "type": "string"}

#: The type of a config key that takes the name of a family.
FamilyName = Annotated[str, AfterValidator(_check_name), WithJsonSchema(_SCHEMA)]
