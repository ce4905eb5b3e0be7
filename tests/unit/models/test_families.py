"""The registry of families."""

import pytest
from pydantic import TypeAdapter, ValidationError

from blindtune.core.code_digest import closure
from blindtune.models.architecture import ArchitectureFamily
from blindtune.models.families import FAMILIES, FamilyName, load_family


@pytest.mark.parametrize("name", FAMILIES.names())
def test_load_family_requires_names_that_it_understands(name: str) -> None:
    """Every entry names a family, and what it requires is among its hyperparameters."""
    family = load_family(name)
    assert isinstance(family, ArchitectureFamily)
    assert family.required <= family.hyperparameters


@pytest.mark.parametrize("name", FAMILIES.names())
def test_families_do_not_import_each_other(name: str) -> None:
    """A change of one family voids no record of another."""
    modules = closure(FAMILIES[name].module)
    assert not modules & {FAMILIES[other].module for other in FAMILIES.names() if other != name}


def test_family_name_refuses_an_unknown_family() -> None:
    """An unknown family is answered with the nearest known one."""
    assert TypeAdapter(FamilyName).validate_python("lstm") == "lstm"
    with pytest.raises(ValidationError, match="'mlpp' is not a family: did you mean 'mlp'"):
        TypeAdapter(FamilyName).validate_python("mlpp")
