"""The sources that a config can name, and the functions that create them.

To add a source: write a module with a config model and a class, see `blindtune.datasets.base.Source`, and add one line
here. Another package adds a source through an entry point of the group ``blindtune.datasets``, whose name is the value
of ``source`` and whose object is a `SourceEntry`.
"""

from dataclasses import dataclass
from typing import cast

from blindtune.core.errors import UserError
from blindtune.core.registry import Entry, Registry, load_object
from blindtune.datasets.base import DatasetConfig, Source
from blindtune.datasets.corpus.base import Corpus
from blindtune.datasets.corpus.config import CorpusConfig


@dataclass(frozen=True)
class SourceEntry(Entry):
    """Where to find a source.

    The simulator of a corpus has its own place, so that a change of it voids simulated data only.

    Attributes:
        create: ``module:name`` of the class, which is called with the config, and with the simulator if there is one.
        config: ``module:name`` of the config model.
        simulator: ``module:name`` of the class that writes a simulated corpus, which is called with the value of
            ``simulate``; None for a source that cannot be simulated.
    """

    simulator: str | None = None


SOURCES = Registry(
    "blindtune.datasets",
    "source",
    SourceEntry,
    {
        "drawing": SourceEntry("blindtune.datasets.drawing:DrawingSource", "blindtune.datasets.drawing:DrawingConfig"),
        "csv_folder": SourceEntry(
            "blindtune.datasets.csv_folder:CsvFolderSource", "blindtune.datasets.csv_folder:CsvFolderConfig"
        ),
        "table": SourceEntry(
            "blindtune.datasets.table.source:TableSource", "blindtune.datasets.table.config:TableConfig"
        ),
        "digits": SourceEntry("blindtune.datasets.digits:DigitsSource", "blindtune.datasets.digits:DigitsConfig"),
        "images": SourceEntry("blindtune.datasets.images:ImagesSource", "blindtune.datasets.images:ImagesConfig"),
        "eeg": SourceEntry(
            "blindtune.datasets.eeg.source:EegSource",
            "blindtune.datasets.eeg.config:EegConfig",
            simulator="blindtune.datasets.eeg.simulated.corpus:EegSimulator",
        ),
        "slides": SourceEntry(
            "blindtune.datasets.slides.source:SlidesSource",
            "blindtune.datasets.slides.config:SlidesConfig",
            simulator="blindtune.datasets.slides.simulated.corpus:SlidesSimulator",
        ),
    },
)


def create_source(config: DatasetConfig) -> Source:
    """Create the source of a dataset; nothing is read yet.

    Args:
        config: the config of the dataset, of any source.

    Raises:
        UserError: the corpus is to be simulated, but its source has no simulator.
    """
    create = SOURCES.load(config.source)
    place = _simulator_place(config)
    if place is None:
        return cast(Source, create(config))
    return cast(Source, create(config, load_object(place)(cast(CorpusConfig, config).simulate)))


def create_corpus(config: DatasetConfig) -> Corpus:
    """Create the source of a dataset that is cut from many raw files.

    Args:
        config: the config of the dataset.

    Raises:
        TypeError: the source is not a corpus.
    """
    source = create_source(config)
    if not isinstance(source, Corpus):
        raise TypeError(f"{config.source} is not a corpus")
    return source


def source_modules(config: DatasetConfig) -> tuple[str, ...]:
    """Return the modules whose code determines the data of a source, for the digest of code.

    Args:
        config: the config of the dataset.

    Returns:
        The module of the source, and that of the simulator if the corpus is simulated.
    """
    place = _simulator_place(config)
    return SOURCES[config.source].module, *([] if place is None else [place.partition(":")[0]])


def _simulator_place(config: DatasetConfig) -> str | None:
    """Return the place of the simulator that a config needs, or None."""
    if not isinstance(config, CorpusConfig) or not config.is_simulated:
        return None
    place = SOURCES[config.source].simulator
    if place is None:
        raise UserError(f"simulate: the source {config.source} cannot be simulated. Give a folder.")
    return place
