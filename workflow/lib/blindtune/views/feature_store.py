"""Features that a user's code computes, kept as files: those of train and dev next to the data, once for all studies.

``data/<dataset>/features/<key>`` holds ``train.npy``, ``dev.npy`` and ``features.json``, the record of the data
and of the code that they were computed from. Those of eval are kept below the sealed folder, by a decode alone.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.core.arrays import ArraysDigest, digest_arrays, open_array
from blindtune.core.claims import claim
from blindtune.core.errors import UserError
from blindtune.core.files import FileTransaction, digest_json, json_writer, read_json
from blindtune.datasets.prepared import Prepared
from blindtune.datasets.verification import describe_file
from blindtune.views.base import Floats
from blindtune.views.config import ExtractedView
from blindtune.views.extractor import PROBE_ROWS, Extractor
from blindtune.views.extractor_code import identify, plan_key

#: The name of the record in a folder of features.
RECORD = "features.json"

#: Seconds that a job waits for another one which computes the same features: a day.
_WAIT_SECONDS = 24 * 3600.0

#: Lines of progress in a job.
_N_LINES = 50

#: Libraries whose versions a record names if the code has imported them; they are in no identity.
_LIBRARIES = ("numpy", "torch", "torchvision", "timm", "tensorflow", "keras", "jax", "onnxruntime", "scikit-learn")


@dataclass(frozen=True)
class OpenFeatures:
    """The features of train and dev.

    Attributes:
        arrays: (n_samples, n_features) float32 of each split, memory-mapped.
        mean: (n_features,) float64 over train.
        deviation: (n_features,) float64 over train.
        extractor: what identifies the extractor.
        sha256: identifies the features of both splits.
        data: train and dev as they are stored.
    """

    arrays: Mapping[str, Floats]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    extractor: Mapping[str, Any]
    sha256: str
    data: Prepared = field(repr=False)

    def identity(self) -> dict[str, Any]:
        """Return what identifies the features and what computes them, as plain data."""
        return {"extractor": dict(self.extractor), "sha256": self.sha256}

    def statistics(self) -> dict[str, list[float]]:
        """Return the mean and the deviation of each feature over train, as plain data."""
        return {"mean": self.mean.tolist(), "deviation": self.deviation.tolist()}


def write_features(
    config: ExtractedView,
    data: Prepared,
    key: str,
    report: Callable[[str], None] = lambda line: None,
    progress: Callable[[float, str], None] = lambda share, line: None,
    wait_seconds: float = _WAIT_SECONDS,
) -> tuple[Path, dict[str, Any]]:
    """Compute the features of train and dev, unless they are there.

    Args:
        config: of the view.
        data: the dataset, which was opened from its manifest.
        key: the name of the features, as `plan_key` returns it.
        report: takes a line about what was done.
        progress: takes the share of the samples that are done, and a line.
        wait_seconds: how long to wait for another process that computes them.

    Returns:
        folder: of the features, which has another name if another key had the same.
        record: of the features.

    Raises:
        ClaimedError: another process computes them.
        UserError: the code fails or breaks its contract, or the files cannot be written.
    """
    folder = _folder_of(data) / key
    with claim(
        folder.with_name(f"{key}.json"), f"the features of {data.name}", wait_seconds=wait_seconds, notify=report
    ):
        known = _find_valid(config, data)
        if known is not None and _is_whole(*known, ("train", "dev")):
            report(f"{data.name}: the features of {config.build} are there already")
            return known
        record = _compute(config, data, folder, progress)
    report(
        f"{data.name}: {record['n_features']:,} features of each of {len(data.train.y) + len(data.dev.y):,} samples of "
        f"train and dev, computed by {config.build}"
    )
    return folder, record


def open_features(config: ExtractedView, data: Prepared) -> OpenFeatures:
    """Return the features of train and dev, which `write_features` has computed.

    Args:
        config: of the view.
        data: the dataset as it is stored; if it was not opened from a manifest, they are computed in memory.

    Raises:
        UserError: they were not computed, or a file is not what was written.
    """
    if data.path is None:
        return _compute_in_memory(config, data)
    found = _find_valid(config, data)
    if found is None:
        # Nothing is computed here: a study runs no code of the user, and its data may have the view applied.
        output = _folder_of(data) / f"{plan_key(config)}.json"
        first = f"Remove {output} and run" if output.exists() else "Run"
        raise UserError(
            f"dataset {data.name}, view: {_folder_of(data)} has no features by {config.build} as it is now: the code "
            f"or the weights changed meanwhile, or files were lost. {first} again: the job features computes them."
        )
    folder, record = found
    return _open_folder(folder, record, data)


#: What was opened in this process, by folder: its record, what the file system said, and the features.
_opened: dict[Path, tuple[dict[str, Any], list[list[int]], OpenFeatures]] = {}


def _open_folder(folder: Path, record: dict[str, Any], data: Prepared) -> OpenFeatures:
    """Return the features of a folder, of which each array is digested once in a process."""
    paths = {name: folder / f"{name}.npy" for name in ("train", "dev")}
    seen = [describe_file(path) for path in paths.values()]
    known = _opened.get(folder)
    if known is not None and known[0] == record and known[1] == seen and known[2].data.sha256 == data.sha256:
        return known[2]
    arrays = {name: open_array(path, _advice(folder)) for name, path in paths.items()}
    for name, array in arrays.items():
        if digest_arrays({name: array}) != record["splits"][name]["sha256"]:
            raise UserError(f"{paths[name]}: not what was computed, by {folder / RECORD}. {_advice(folder)}")
    mean, deviation = (np.array(record["statistics"][name], np.float64) for name in ("mean", "deviation"))
    opened = OpenFeatures(arrays, mean, deviation, record["extractor"], record["sha256"], data)
    _opened[folder] = record, seen, opened
    return opened


def _advice(folder: Path) -> str:
    return f"Put it back, or remove {folder} and run again, which computes the features again."


def keep_sealed(
    extractor: Extractor,
    config: ExtractedView,
    x: NDArray[Any],
    sha256: str,
    folder: Path,
) -> Floats:
    """Return the features of eval, computed by the first decode that needs them; called within a decode alone.

    Args:
        extractor: of the view.
        config: of the view.
        x: the samples of eval, (n_samples, ...).
        sha256: identifies eval.
        folder: in the sealed folder; each extractor has another folder below it.

    Returns:
        (n_samples, n_features) float32, memory-mapped.

    Raises:
        UserError: as `write_features`.
    """
    place = folder / plan_key(config)
    wanted = {"extractor": extractor.identity(), "data_sha256": sha256}
    with claim(place, "the features of eval", wait_seconds=_WAIT_SECONDS, notify=lambda line: None):
        record = _read_record(place)
        if record is None or not (_fits(record, wanted) and _is_whole(place, record, ("eval",))):
            with FileTransaction() as transaction:
                written = _SplitWriter("eval", len(x))
                transaction.write(place / "eval.npy", partial(written.write, extractor.iterate(x)))
                extractor.check_unchanged()
                content = wanted | {"splits": {"eval": written.describe()}, "n_features": written.n_features}
                transaction.write(place / RECORD, json_writer(_signed(content)))
        return open_array(place / "eval.npy", _advice(place))


def _folder_of(data: Prepared) -> Path:
    if data.path is None:
        raise TypeError("the data were not opened from a manifest")
    return data.path.parent / "features"


def _find_valid(config: ExtractedView, data: Prepared) -> tuple[Path, dict[str, Any]] | None:
    """Return the folder and the record of the features of a view, whichever name it has; None if there are none."""
    wanted = {"extractor": identify(config), "data_sha256": data.sha256}
    for path in sorted(_folder_of(data).glob(f"*/{RECORD}")):
        record = _read_record(path.parent)
        if record is not None and _fits(record, wanted):
            return path.parent, record
    return None


def _fits(record: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(record.get(name) == value for name, value in wanted.items())


def _read_record(folder: Path) -> dict[str, Any] | None:
    """Return the record in a folder; None if it is missing, or not as it was written."""
    try:
        content = read_json(folder / RECORD)
    except UserError:
        return None
    is_own = isinstance(content, dict) and _signed(content) == content
    return content if is_own else None


def _signed(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record with the digest of its content."""
    plain = {name: value for name, value in content.items() if name != "record_sha256"}
    return plain | {"record_sha256": digest_json(plain)}


def _is_whole(folder: Path, record: Mapping[str, Any], names: tuple[str, ...]) -> bool:
    """Return whether the arrays of a record have the digests in it."""
    try:
        return all(
            digest_arrays({name: open_array(folder / f"{name}.npy", "")}) == record["splits"][name]["sha256"]
            for name in names
        )
    except UserError:
        return False


def _compute(
    config: ExtractedView, data: Prepared, folder: Path, progress: Callable[[float, str], None]
) -> dict[str, Any]:
    """Compute and write the features of train and dev, and their record last."""
    extractor = Extractor(config, data.name, data.sample_shape)
    extractor.identity()
    splits = {"train": data.train.x, "dev": data.dev.x}
    total, done = sum(map(len, splits.values())), 0
    written = {name: _SplitWriter(name, len(x)) for name, x in splits.items()}
    with FileTransaction() as transaction:
        for name, x in splits.items():
            before = done

            def notify(count: int, name: str = name, before: int = before) -> None:
                share, last = (before + count) / total, (before + max(count - config.batch_size, 0)) / total
                if int(share * _N_LINES) > int(last * _N_LINES):
                    progress(share, f"{data.name}: features of {name}, {count:,} samples")

            features = extractor.iterate(x, notify)
            transaction.write(folder / f"{name}.npy", partial(written[name].write, features))
            done += len(x)
        record = _signed(_describe(extractor, data, written))
        transaction.write(folder / RECORD, json_writer(record))
    return record


def _describe(extractor: Extractor, data: Prepared, written: Mapping[str, "_SplitWriter"]) -> dict[str, Any]:
    extractor.check_unchanged()
    splits = {name: one.describe() for name, one in written.items()}
    mean, deviation = written["train"].statistics()
    return {
        "dataset": data.name,
        "data_sha256": data.sha256,
        "extractor": extractor.identity(),
        "n_features": written["train"].n_features,
        "splits": splits,
        "sha256": digest_json(splits),
        "statistics": {"mean": mean.tolist(), "deviation": deviation.tolist()},
        "versions": _find_versions(),
    }


def _compute_in_memory(config: ExtractedView, data: Prepared) -> OpenFeatures:
    extractor = Extractor(config, data.name, data.sample_shape)
    written, arrays = {}, {}
    for name, x in (("train", data.train.x), ("dev", data.dev.x)):
        written[name] = _SplitWriter(name, len(x))
        arrays[name] = np.concatenate(list(written[name].follow(extractor.iterate(x))))
    record = _describe(extractor, data, written)
    return OpenFeatures(arrays, *written["train"].statistics(), record["extractor"], record["sha256"], data)


class _SplitWriter:
    """Writes the features of a split batch by batch, with its digest and the moments of each feature.

    Args:
        name: of the split.
        n_samples: of the split.
    """

    def __init__(self, name: str, n_samples: int) -> None:
        self._name, self._n_samples = name, n_samples
        self._digest = ArraysDigest()
        self.n_features = 0

    def write(self, batches: Iterator[Floats], part: Path) -> None:
        """Write features to a .npy file; not as a memory map, since a full disk would then kill the process."""
        with part.open("wb") as stream:
            for features in self.follow(batches):
                if stream.tell() == 0:
                    header = {"descr": "<f4", "fortran_order": False, "shape": (self._n_samples, self.n_features)}
                    np.lib.format.write_array_header_1_0(stream, header)
                stream.write(features.astype("<f4", copy=False).tobytes())

    def follow(self, batches: Iterator[Floats]) -> Iterator[Floats]:
        """Yield features, of which the digest and the moments are taken."""
        for features in batches:
            if not self.n_features:
                self.n_features = features.shape[1]
                self._digest.begin(self._name, features.dtype, (self._n_samples, self.n_features))
                # Sums are taken around a value that is near the mean, so that squares lose no digits.
                self._shift = features.mean(axis=0, dtype=np.float64)
                self._sum, self._squares = np.zeros(self.n_features), np.zeros(self.n_features)
            self._digest.update(features)
            centred = features.astype(np.float64) - self._shift
            self._sum += centred.sum(axis=0)
            self._squares += (centred**2).sum(axis=0)
            yield features

    def describe(self) -> dict[str, Any]:
        """Return the part of a record about the split."""
        return {"samples": self._n_samples, "sha256": self._digest.hexdigest()}

    def statistics(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and standard deviation of each feature, (n_features,) each."""
        offset = self._sum / self._n_samples
        variance = np.maximum(self._squares / self._n_samples - offset**2, 0)
        return self._shift + offset, np.sqrt(variance)


def _find_versions() -> dict[str, str]:
    """Return the versions of the libraries that the code may have used."""
    found = {}
    for name in _LIBRARIES:
        if {"scikit-learn": "sklearn"}.get(name, name) in sys.modules:
            try:
                found[name] = version(name)
            except PackageNotFoundError:
                continue
    return found


def probe_of(features: OpenFeatures) -> tuple[NDArray[Any], Floats]:
    """Return the first samples of train and their features, by which an extractor is known again.

    Args:
        features: of train and dev.

    Returns:
        samples: (n_rows, ...) as they are stored.
        features: (n_rows, n_features) float32.
    """
    rows = slice(0, PROBE_ROWS)
    return np.array(features.data.train.x[rows]), np.array(features.arrays["train"][rows])
