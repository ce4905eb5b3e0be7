"""The published numbers (Shawki et al. 2021, Tables 1 to 5), read from ``resources/published``."""

from dataclasses import dataclass
from functools import cache

from pydantic import RootModel

from blindtune.core.resources import RESOURCES
from blindtune.core.validation import Strict, load
from blindtune.models.layers import Layer


class PublishedSizes(Strict):
    """A row of Table 1: samples per split over all classes."""

    number: str
    description: str
    classes: int
    train: int
    dev: int
    eval: int


class PublishedErrors(Strict):
    """A row of Table 3: error rates in %."""

    dataset: str
    system: str
    train: float
    dev: float
    eval: float


class PublishedArgument(Strict):
    """A row of Table 2."""

    name: str
    meaning: str
    published: str


class PublishedTraining(Strict):
    """How a network was trained, as printed."""

    optimizer: str
    learning_rate: str
    epochs: str
    batch_size: str


class PublishedTrainingText(PublishedTraining):
    """How the networks for #10 were trained, from the text of section V."""

    kind: str
    loss: str


class PublishedArguments(Strict):
    """Table 2 and the text on training."""

    arguments: list[PublishedArgument]
    training: list[PublishedTrainingText]


class PublishedSettings(Strict):
    """Settings that give a row of Table 3 on the real set; the paper prints none.

    Attributes:
        dataset: the number of the dataset.
        system: the row.
        settings: by name, or by split and name.
    """

    dataset: str
    system: str
    settings: dict[str, int | dict[str, int]]


class PublishedNetwork(Strict):
    """A column of Table 4 or 5; the last layer is the output.

    Attributes:
        dataset: the number of the dataset.
        system: the name of the network, as in Table 3.
        library: the library that trained it.
        shape: the shape of one sample; None if the paper does not state it.
        layers: the layers.
        training: how it was trained, from the last rows of Table 5; None in Table 4, which has no such rows.
    """

    dataset: str
    system: str
    library: str
    shape: list[int] | None
    layers: list[Layer]
    training: PublishedTraining | None = None

    @property
    def kind(self) -> str:
        """The kind of the system: manual for networks of PyTorch, tuner for those of Keras, as in the paper."""
        return "manual" if self.library == "PyTorch" else "tuner"


@dataclass(frozen=True)
class PublishedTables:
    """All published numbers of the report.

    Attributes:
        sizes: the rows of Table 1 by dataset number.
        arguments: Table 2 and the text on training.
        errors: the rows of Table 3 by dataset number and system.
        networks: the columns of Tables 4 and 5 by table number.
        settings: the settings that give a row of Table 3, by dataset number and system.
    """

    sizes: dict[str, PublishedSizes]
    arguments: PublishedArguments
    errors: dict[tuple[str, str], PublishedErrors]
    networks: dict[int, list[PublishedNetwork]]
    settings: dict[tuple[str, str], dict[str, int | dict[str, int]]]

    def training(self, dataset: str | None, kind: str) -> PublishedTraining | None:
        """Return how the networks for a dataset were trained.

        Args:
            dataset: the number of the dataset.
            kind: manual or tuner.

        Returns:
            The published training settings; None if the paper does not state them.
        """
        if dataset == "10":
            return next(text for text in self.arguments.training if text.kind == kind)
        printed = [one.training for one in self.networks[5] if (one.dataset, one.kind) == (dataset, kind)]
        return printed[0] if printed else None


class _PublishedSizesList(RootModel[list[PublishedSizes]]):
    pass


class _ErrorsList(RootModel[list[PublishedErrors]]):
    pass


class _SettingsList(RootModel[list[PublishedSettings]]):
    pass


class _NetworkList(RootModel[list[PublishedNetwork]]):
    pass


@cache
def load_published() -> PublishedTables:
    """Read the published tables; the result is cached.

    Raises:
        UserError: a file of ``resources/published`` is missing or invalid.
    """
    folder = RESOURCES / "published"
    sizes = load(_PublishedSizesList, folder / "table1.yaml").root
    errors = load(_ErrorsList, folder / "table3.yaml").root
    settings = load(_SettingsList, folder / "settings.yaml").root
    return PublishedTables(
        sizes={row.number: row for row in sizes},
        arguments=load(PublishedArguments, folder / "table2.yaml"),
        errors={(row.dataset, row.system): row for row in errors},
        networks={number: load(_NetworkList, folder / f"table{number}.yaml").root for number in (4, 5)},
        settings={(row.dataset, row.system): row.settings for row in settings},
    )
