"""The form ``architecture``: a family makes a list of layers from hyperparameters."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from blindtune.config.training import Training
from blindtune.core.bounds import MAX_LAYERS
from blindtune.core.validation import parse, suggest_name
from blindtune.models.architecture import Architecture, ArchitectureFamily, skip_invalid_layers
from blindtune.models.base import ModelForm
from blindtune.models.families import load_family
from blindtune.models.forms import ModelChoice
from blindtune.models.layers import AnyLayer, Dense, Dropout, MaxPool1D, MaxPool2D
from blindtune.search_space import (
    ChoiceDimension,
    FixedDimension,
    FloatDimension,
    Hyperparameters,
    IntDimension,
    Space,
    Value,
)

#: Classes of the architectures that planning builds.
_CLASSES = 3


@dataclass(frozen=True)
class ArchitectureForm(ModelForm):
    """Makes architectures of one family.

    Attributes:
        family: makes them.
        name: of the family, for messages.
        skips_invalid_layers: whether layers that cannot be built are left out.
    """

    trains_epochs = True
    family: ArchitectureFamily
    name: str
    skips_invalid_layers: bool = False

    def check_space(self, space: Space, where: str) -> None:
        """Refuse names that neither the family nor training has, and options that are not values of them."""
        # A trial records single values; class weights are the same for all trials of a search.
        known = self.family.hyperparameters | set(Training.model_fields) - {"class_weight"}
        for name, dimension in space.root.items():
            if name not in known:
                hint = suggest_name(name, sorted(known))
                raise ValueError(f"{where}: {name} is not a hyperparameter of {self.name}: {hint}")
            if isinstance(dimension, ChoiceDimension | FixedDimension):
                _check_options(f"{where}: {name}", name, dimension.values())
                _check_layers(f"{where}: {name}", name, dimension.values())
            elif isinstance(dimension, IntDimension | FloatDimension):
                _check_layers(f"{where}: {name}", name, (dimension.lowest, dimension.highest))
        for name in sorted(self.family.required - set(space.root)):
            raise ValueError(f"{where}: {self.name} needs the dimension {name}")

    def build(self, values: Hyperparameters, input_shape: tuple[int, ...], classes: int) -> Architecture:
        """Return the architecture that a hyperparameter set describes."""
        built = self.family.build(values, input_shape, classes)
        return skip_invalid_layers(built) if self.skips_invalid_layers else built

    def describe(self, values: Mapping[str, Any]) -> tuple[object, ...]:
        """Return the layers that a set describes, without those that give their inputs unchanged.

        Whether a layer can be built on the samples does not matter: the record of each set tells the invalid layers.
        """
        architecture = self.family.build(dict(values), self.family.example_shape, _CLASSES)
        return tuple(layer for layer in architecture.layers if not _passes_on(layer))


def create_form(choice: ModelChoice) -> ArchitectureForm:
    """Create the form of a family.

    Args:
        choice: names the family.
    """
    return ArchitectureForm(load_family(choice.name), choice.name, choice.skips_invalid_layers)


def _check_layers(where: str, name: str, values: Iterable[Value]) -> None:
    """Refuse numbers of layers that no memory holds."""
    for value in values if name in ("layers", "blocks") else ():
        if isinstance(value, int | float) and value > MAX_LAYERS:
            raise ValueError(f"{where}: {value} is too many; the most is {MAX_LAYERS}")


def _check_options(where: str, name: str, options: list[Value]) -> None:
    """Refuse a word that would make every trial that draws it invalid, such as a misspelt activation."""
    for option in options:
        if name in Training.model_fields:
            parse(Training, {name: option}, where)
        elif name.endswith("activation"):
            parse(Dense, {"kind": "dense", "units": 1, "activation": option}, where)


def _passes_on(layer: AnyLayer) -> bool:
    """Return whether a layer gives its inputs unchanged."""
    match layer:
        case Dropout():
            return layer.rate == 0
        case MaxPool1D() | MaxPool2D():
            return layer.size == 1
        case _:
            return False
