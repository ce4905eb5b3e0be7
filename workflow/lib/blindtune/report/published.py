"""The published numbers (Shawki et al. 2021, Tables 1 to 5), as they ship in ``resources/published``."""

from dataclasses import dataclass
from functools import cache

from pydantic import RootModel

from blindtune.core.resources import RESOURCES
from blindtune.core.validation import Strict, load
from blindtune.models.layers import Layer


class Sizes(Strict):
    """A row of Table 1: samples per split over all classes."""

    number: str
    description: str
    classes: int
    train: int
    dev: int
    eval: int


class Errors(Strict):
    """A row of Table 3: error rates in %."""

    dataset: str
    system: str
    train: float
    dev: float
    eval: float


class Argument(Strict):
    """A row of Table 2."""

    name: str
    meaning: str
    published: str


class TableTraining(Strict):
    """How a network was trained, as printed."""

    optimizer: str
    learning_rate: str
    epochs: str
    batch_size: str


class TrainingText(TableTraining):
    """How the networks for #10 were trained, as section V says."""

    kind: str
    loss: str


class Arguments(Strict):
    """Table 2 and the text on training."""

    arguments: list[Argument]
    training: list[TrainingText]


class Layout(Strict):
    """A column of Table 4 or 5; the last layer is the output.

    Attributes:
        shape: of one sample; None where the paper does not tell.
        training: the last rows of Table 5; None for Table 4, which has none.
    """

    dataset: str
    system: str
    library: str
    shape: list[int] | None
    layers: list[Layer]
    training: TableTraining | None = None

    @property
    def kind(self) -> str:
        """manual or tuner: the paper used PyTorch for the one and Keras for the other."""
        return "manual" if self.library == "PyTorch" else "tuner"


@dataclass(frozen=True)
class Published:
    """Everything published that stands in the report."""

    sizes: dict[str, Sizes]
    arguments: Arguments
    errors: dict[tuple[str, str], Errors]
    layouts: dict[int, list[Layout]]

    def training(self, dataset: str | None, kind: str) -> TableTraining | None:
        """How the manual or the tuned networks (``kind``) for a dataset were trained, where the paper says so."""
        if dataset == "10":
            return next(said for said in self.arguments.training if said.kind == kind)
        printed = [one.training for one in self.layouts[5] if (one.dataset, one.kind) == (dataset, kind)]
        return printed[0] if printed else None


class _SizesList(RootModel[list[Sizes]]):
    pass


class _ErrorsList(RootModel[list[Errors]]):
    pass


class _LayoutList(RootModel[list[Layout]]):
    pass


@cache
def published() -> Published:
    """The published tables: sizes by dataset number, errors by (dataset number, system), layouts by table.

    Raises:
        UserError: a file of ``resources/published`` is missing or wrong.
    """
    folder = RESOURCES / "published"
    sizes = load(_SizesList, folder / "table1.yaml").root
    errors = load(_ErrorsList, folder / "table3.yaml").root
    return Published(
        sizes={row.number: row for row in sizes},
        arguments=load(Arguments, folder / "table2.yaml"),
        errors={(row.dataset, row.system): row for row in errors},
        layouts={number: load(_LayoutList, folder / f"table{number}.yaml").root for number in (4, 5)},
    )
