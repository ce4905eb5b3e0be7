"""How large the data of a dataset are, as far as the config or the sizes of files tell."""

import math
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from blindtune.core.errors import UserError
from blindtune.datasets.base import Sizes, Source
from blindtune.datasets.corpus.base import Corpus
from blindtune.datasets.corpus.filetree import count_bytes
from blindtune.datasets.csv_folder import CsvFolderConfig
from blindtune.datasets.digits import DigitsConfig
from blindtune.datasets.drawing import DrawingConfig
from blindtune.datasets.eeg.config import EegConfig
from blindtune.datasets.images import ImagesConfig
from blindtune.datasets.slides.config import ANNOTATIONS, SlidesConfig

_MB = 1e6

#: What is assumed of data of which nothing is known before they are there.
UNKNOWN_MB = 100.0
#: Values of a sample if nothing is known.
UNKNOWN_VALUES = 64
#: Bytes in memory for each byte of a file: of text, and of a compressed or binary table.
_TEXT_FACTOR = 4.0
_COMPRESSED_FACTOR = 12.0
_COMPRESSED = (".gz", ".zip", ".bz2", ".xz", ".zst", ".xlsx", ".xls", ".parquet", ".npz", ".feather")
#: Channels of a montage without its name; tcp22 has the most.
_CHANNELS = 22
#: Bytes of a recording for each byte of its compressed file, and of a sample of it, at most and at least.
_RECORDING_FACTOR, _SAMPLE_BYTES = 4.0, 2


@dataclass(frozen=True)
class DataSize:
    """The size of a dataset; estimates are rather too large than too small.

    Attributes:
        mb: MB of the arrays of all splits, as they are stored.
        n_train: number of samples in train.
        n_samples: number of samples in all splits.
        n_values: number of values of a sample.
    """

    mb: float
    n_train: int
    n_samples: int
    n_values: int


@dataclass(frozen=True)
class WholeSize:
    """The size of the whole recordings that a decode answers for event-based scores; rather too large.

    Attributes:
        windows: number of windows.
        mb: MB of all recordings, as they are sealed.
        largest_mb: MB of the largest one.
    """

    windows: int
    mb: float
    largest_mb: float


def estimate_recordings(source: Source) -> WholeSize | None:
    """Return the size of the whole recordings of eval; None without event-based scores.

    How long a recording is, its header tells. If that cannot be read, the recording is taken to have no more channels
    than the montage needs, at the rate of the samples: no recording of its size is longer.

    Args:
        source: as the config creates it.
    """
    config = source.config
    if not isinstance(config, EegConfig) or config.event_step is None or not isinstance(source, Corpus):
        return None
    files = [raw.file for batch, raws in source.batches().items() if batch.startswith("eval-") for raw in raws]
    if config.simulate is not None:
        seconds = [float(config.simulate.seconds)] * len(files)
    else:
        second = _SAMPLE_BYTES * config.sfreq * _count_electrodes(config)
        seconds = [_estimate_seconds(Path(str(config.folder)) / file, second) for file in files]
    stored = _count_channels(config) * config.sfreq * 4 / _MB
    return WholeSize(
        windows=sum(math.ceil(one / config.event_step) + 1 for one in seconds),
        mb=math.fsum(seconds) * stored,
        largest_mb=max(seconds, default=0.0) * stored,
    )


def _estimate_seconds(path: Path, second: int) -> float:
    """Return the length of a recording, at most.

    Args:
        path: the file.
        second: bytes of a second of it, at least.
    """
    from blindtune.datasets.eeg.recording_file import peek_seconds

    longest = count_bytes([path]) * (_RECORDING_FACTOR if path.name.lower().endswith(".gz") else 1) / second
    found = peek_seconds(path)
    # A header may be wrong, and is compared with the file only when that is read.
    return longest if found is None else min(max(found, 0.0), longest)


def find_largest_annotation(source: Source) -> float:
    """Return the MB of the largest annotation of a slide; 0 for another source, for simulated slides and without any.

    Args:
        source: as the config creates it.
    """
    config = source.config
    if not isinstance(config, SlidesConfig) or config.simulate is not None or not isinstance(source, Corpus):
        return 0.0
    with suppress(UserError):
        raws = [raw for some in source.batches().values() for raw in some]
        names = {name for raw in raws for name in raw.companions if Path(name).suffix.lower() in ANNOTATIONS}
        return max((count_bytes([Path(str(config.folder)) / name]) / _MB for name in names), default=0.0)
    return 0.0


def _count_channels(config: EegConfig) -> int:
    """Return the number of channels of a sample, at most."""
    return len(config.montage) if isinstance(config.montage, list) else _CHANNELS


def _count_electrodes(config: EegConfig) -> int:
    """Return how many channels a recording has at least: electrodes, or pairs as recorded."""
    from blindtune.datasets.eeg.montages import OR, create_montage

    # Of alternatives the first: no recording has all.
    names = [name.partition(OR)[0] for name in create_montage(config.montage).channels]
    return max(1, min(len(names), len({name for pair in names for name in pair.upper().split("-")})))


def estimate_size(source: Source) -> DataSize:
    """Return the size of the data of a source; reads sizes of files at most.

    Args:
        source: as the config creates it.
    """
    config = source.config
    match config:
        case DrawingConfig():
            return _from_sizes(source, n_values=2, n_bytes=8)
        case EegConfig():
            return _from_sizes(source, _count_channels(config) * math.ceil(config.segment * config.sfreq), n_bytes=4)
        case SlidesConfig():
            return _from_sizes(source, 3 * config.patch**2, n_bytes=1)
        case DigitsConfig():
            return _from_counts(1800, 1200, n_values=64, n_bytes=4)
        case ImagesConfig():
            count = len(source.user_files()) + len(source.unwatched_files())
            return _from_counts(count, count, config.rows * config.columns * config.channels, n_bytes=4)
        case CsvFolderConfig() if config.fetch is not None:
            # The registered sets have 25,000 to 45,000 samples of two features.
            return _from_counts(45_000, 25_000, n_values=2, n_bytes=8)
    if isinstance(getattr(config, "sizes", None), Sizes):
        return _from_sizes(source, UNKNOWN_VALUES, n_bytes=8)
    return _from_files([*source.user_files().values(), *source.unwatched_files().values()])


def _from_sizes(source: Source, n_values: int, n_bytes: int) -> DataSize:
    sizes: Sizes = source.config.sizes  # type: ignore[attr-defined]
    return _from_counts(sizes.train + sizes.dev + sizes.eval, sizes.train, n_values, n_bytes)


def _from_counts(n_samples: int, n_train: int, n_values: int, n_bytes: int) -> DataSize:
    return DataSize(n_samples * n_values * n_bytes / _MB, n_train, n_samples, n_values)


def _from_files(files: list[Path]) -> DataSize:
    """Return the size of a table by the size of its files; that of a bundled one, or of no file, is assumed."""
    if not files:
        return DataSize(UNKNOWN_MB / 10, 10_000, 10_000, UNKNOWN_VALUES)
    mb = sum(
        count_bytes([path]) / _MB * (_COMPRESSED_FACTOR if path.suffix.lower() in _COMPRESSED else _TEXT_FACTOR)
        for path in files
    )
    if not mb:
        return DataSize(UNKNOWN_MB, 10_000, 10_000, UNKNOWN_VALUES)
    # Rows and columns are not counted: a few values a row are assumed, which gives many rows rather than few.
    n_values = 16
    n_samples = max(1, math.ceil(mb * _MB / 8 / n_values))
    return DataSize(mb, n_samples, n_samples, n_values)
