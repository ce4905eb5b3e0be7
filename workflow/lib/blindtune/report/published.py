"""The published numbers (Shawki et al. 2021, Tables 1 to 5), as they ship in ``resources/published``."""

from dataclasses import dataclass
from functools import cache

from pydantic import RootModel

from blindtune.models.layers import Layer
from blindtune.resources import RESOURCES
from blindtune.strict import Strict, load


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


class TrainingText(Strict):
    """How the networks for #10 were trained, as section V says."""

    kind: str
    optimizer: str
    learning_rate: str
    batch_size: str
    epochs: str
    loss: str


class Arguments(Strict):
    """Table 2 and the text on training."""

    arguments: list[Argument]
    training: list[TrainingText]


class Layout(Strict):
    """A column of Table 4; the last layer is the output."""

    dataset: str
    system: str
    library: str
    features: int
    layers: list[Layer]


class TableTraining(Strict):
    """The last rows of Table 5, as printed."""

    optimizer: str
    learning_rate: str
    epochs: str
    batch_size: str


class PictureLayout(Strict):
    """A column of Table 5; the last layer is the output.

    Attributes:
        shape: rows, columns and channels of one sample; None where the paper does not tell.
    """

    dataset: str
    system: str
    library: str
    shape: list[int] | None
    layers: list[Layer]
    training: TableTraining


@dataclass(frozen=True)
class Published:
    """Everything published that stands in the report."""

    sizes: dict[str, Sizes]
    arguments: Arguments
    errors: dict[tuple[str, str], Errors]
    layouts: list[Layout]
    picture_layouts: list[PictureLayout]


class _SizesList(RootModel[list[Sizes]]):
    pass


class _ErrorsList(RootModel[list[Errors]]):
    pass


class _LayoutList(RootModel[list[Layout]]):
    pass


class _PictureLayoutList(RootModel[list[PictureLayout]]):
    pass


@cache
def published() -> Published:
    """The published tables: sizes by dataset number, errors by (dataset number, system).

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
        layouts=load(_LayoutList, folder / "table4.yaml").root,
        picture_layouts=load(_PictureLayoutList, folder / "table5.yaml").root,
    )
