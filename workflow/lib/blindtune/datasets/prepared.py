"""The prepared dataset: what every source writes and every study reads.

Train and dev are in ``data/<dataset>``, eval is in ``sealed/<dataset>``. Both folders have one .npy for each array,
which can be memory-mapped, and a small JSON of hashes. Later stages depend on the JSON only, never on gigabytes.
"""

import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.core.arrays import digest_arrays, open_array
from blindtune.core.bounds import MAX_CLASSES
from blindtune.core.errors import UserError
from blindtune.core.files import FileTransaction, digest_file, json_writer
from blindtune.datasets.base import SPLITS, ChunkedSplit, LoadedDataset, Source, Split, list_some
from blindtune.datasets.channel_stats import ChannelStatistics
from blindtune.datasets.content import digest_content
from blindtune.datasets.corpus.recordings import (
    RECORDINGS,
    SealedRecording,
    SealedRecordings,
    digest_recordings,
)
from blindtune.datasets.elsewhere import digest_open_splits, find_open_evals, refuse_open_evals
from blindtune.datasets.leaks import Leaks, find_equal_samples, refuse_leaks, remove_leaks
from blindtune.datasets.split_writer import WrittenSplit, write_split, write_table
from blindtune.datasets.verification import (
    digest_of_split,
    open_split,
    open_verified,
    read_manifest,
    with_own_digest,
)

__all__ = [
    "EVAL_DIGESTS",
    "EVAL_ORIGINS",
    "Prepared",
    "check",
    "digest_of_split",
    "open_prepared",
    "open_split",
    "open_unverified",
    "prepare",
    "read_eval_digests",
    "read_eval_origins",
]

#: The file of the digests of the raw material of eval, sorted, next to the manifest.
EVAL_ORIGINS = "eval_origins.npy"

#: The file of the digests of the samples of eval, sorted, next to the manifest. A digest gives no sample away, but by
#: it any command can tell that a sample is one of eval's.
EVAL_DIGESTS = "eval_digests.npy"


@dataclass(frozen=True)
class Prepared:
    """Train and dev of a prepared dataset.

    Attributes:
        name: name of the dataset.
        train: the split that models are trained on, memory-mapped.
        dev: the split that models are chosen by, memory-mapped.
        classes: a name for each label.
        sha256: digest of the content of both splits.
        manifest: the whole manifest, as plain data.
        path: of the manifest; None: it was made in memory.
    """

    name: str
    train: Split
    dev: Split
    classes: list[str]
    sha256: str
    manifest: dict[str, Any]
    path: Path | None = None

    def eval_origins(self) -> NDArray[np.bytes_] | None:
        """Return the digests of the raw material of eval; None if the source does not know it.

        Raises:
            UserError: as `read_eval_origins`.
        """
        return None if self.path is None else read_eval_origins(self.path, self.manifest)

    def check_seal(self, sealed: Path, sha256: str) -> None:
        """Refuse sealed data that were not prepared together with train and dev.

        Args:
            sealed: path of ``seal.json``.
            sha256: of the sealed data.

        Raises:
            UserError: the manifest names other eval data.
        """
        if self.manifest["splits"]["eval"] != sha256:
            raise UserError(
                f"{sealed}: seals other eval data than the manifest of {self.name} names. Put back what was changed, "
                f"or remove {sealed} and the manifest and run again, which prepares the dataset again."
            )

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return tuple(self.train.x.shape[1:])


def prepare(
    name: str, source: Source, files: dict[str, Path], manifest: Path, seal: Path, results: Path | None = None
) -> str:
    """Load a dataset from its source, check it and write it; eval goes into the sealed folder.

    Samples are read, checked, hashed and written in chunks, so that a split need not fit into memory. They are read
    twice if the config says that leaks are removed.

    Args:
        name: name of the dataset.
        source: the source.
        files: the files that the source reads, by the names of `Source.inputs`.
        manifest: path of ``data/<dataset>/manifest.json``; train and dev are written next to it.
        seal: path of ``sealed/<dataset>/seal.json``; eval is written next to it.
        results: folder that holds the results of all configs, whose datasets are compared; None: none are.

    Returns:
        A line about the prepared dataset, for the log.

    Raises:
        UserError: the data are wrong or cannot be written; nothing was changed. Data are wrong if `check` refuses them,
            if a value is not finite, if two splits are the same, or if eval shares samples with another split, or
            with an open one of another dataset, and the config neither removes nor reports them.
    """
    loaded = _load(name, source, files)
    check(name, loaded)
    if getattr(loaded.splits["train"], "weight", None) is not None and not source.has_sample_weights:
        raise UserError(
            f"dataset {name}: its source {source.config.source} gives weights of samples and does not declare them; "
            "return True from `has_sample_weights` in the source."
        )
    rule, equal = source.config.leaks, None
    removed: dict[str, int] = {"train": 0, "dev": 0}
    sizes = {split: len(part.y) for split, part in loaded.splits.items()}
    if rule == "remove":
        equal = find_equal_samples(loaded)
        loaded, removed = remove_leaks(name, loaded, equal)
    if loaded.fit is not None:
        loaded = _fit(name, loaded.fit, loaded)
        if rule == "remove":
            # Rows that differ in rare categories alone are equal only now.
            loaded, again = remove_leaks(name, loaded, find_equal_samples(loaded))
            removed = {split: count + again[split] for split, count in removed.items()}
    if rule == "remove":
        _check_weights(name, loaded)
    folders = dict(zip(SPLITS, (manifest.parent, manifest.parent, seal.parent), strict=True))
    statistics = ChannelStatistics(loaded.axes.index("channel")) if "channel" in loaded.axes else None
    with FileTransaction() as transaction:
        written = {
            split: write_split(
                transaction,
                folder / split,
                f"dataset {name}, {split}",
                loaded.splits[split],
                statistics if split == "train" else None,
            )
            for split, folder in folders.items()
        }
        _check_same_data(name, written)
        equal = equal or find_equal_samples(loaded, {split: one.digests for split, one in written.items()})
        of_split = {split: one.digests for split, one in written.items()}
        elsewhere = (
            [] if results is None else find_open_evals(results, manifest, of_split, EVAL_DIGESTS, source.is_other_fold)
        )
        if rule == "refuse":
            refuse_leaks(name, loaded, equal)
            refuse_open_evals(name, elsewhere)
        leaks = equal.count()
        write_table(transaction, manifest.parent / "bad_files.tsv", loaded.bad_files)
        write_table(transaction, manifest.parent / "unused.tsv", loaded.unused)
        digests = np.sort(written["eval"].digests)
        transaction.write(manifest.parent / EVAL_DIGESTS, partial(_save, digests))
        content = {
            "dataset": name,
            "sha256": written["eval"].sha256,
            "content_sha256": digest_content(digests),
            "samples": len(digests),
        }
        recordings = _list_recordings(loaded, seal.parent)
        if recordings is None:
            transaction.remove(seal.parent / "eval" / RECORDINGS)
        else:
            transaction.write(seal.parent / "eval" / RECORDINGS, json_writer(recordings.model_dump(mode="json")))
            content["recordings_sha256"] = digest_recordings(recordings)
        transaction.write(seal, json_writer(content))
        origins = (loaded.origin_digests or {}).get("eval")
        if origins is None:
            transaction.remove(manifest.parent / EVAL_ORIGINS)
        else:
            transaction.write(manifest.parent / EVAL_ORIGINS, partial(_save, np.sort(origins)))
        moments = statistics.result() if statistics is not None else None
        more: dict[str, Any] = {
            "statistics": moments,
            "leaks": leaks.record(rule, removed) | ({"elsewhere": elsewhere} if elsewhere else {}),
            "contents": digest_open_splits(of_split),
            "eval_content_sha256": content["content_sha256"],
            **({} if origins is None else {"eval_origins_sha256": digest_content(origins)}),
            **({} if loaded.fitted is None else {"fitted": loaded.fitted}),
            **({} if recordings is None else {"eval_recordings": _describe_recordings(recordings)}),
        }
        # The manifest comes last: where it is, everything that it describes is.
        transaction.write(manifest, json_writer(with_own_digest(_manifest(name, source, loaded, written) | more)))
    return _summary(name, loaded, manifest.parent) + _describe_leaks(leaks, sizes, removed, [*loaded.notes, *elsewhere])


def check(name: str, loaded: LoadedDataset) -> None:
    """Refuse data on which no blind study can be run.

    Args:
        name: name of the dataset.
        loaded: the data.

    Raises:
        UserError: there are fewer than two classes or too many, an empty split, a class without samples, a label
            outside the classes, a group in two splits, or weights with which a class of train counts for nothing.
    """
    if len(loaded.classes) < 2:
        raise UserError(f"dataset {name}: has one class. A classifier needs samples of two or more.")
    if len(loaded.classes) > MAX_CLASSES:
        raise UserError(
            f"dataset {name}: has {len(loaded.classes):,} classes; the most is {MAX_CLASSES:,}, since each decode "
            "keeps a table of them all by all. Merge classes, or leave out the rare ones."
        )
    for split in SPLITS:
        _check_split(f"dataset {name}, {split}", loaded.splits[split], loaded.classes)
    _check_groups(name, loaded)
    _check_weights(name, loaded)


def open_prepared(manifest: Path, *, in_full: bool = False) -> Prepared:
    """Return train and dev of the dataset of a manifest, memory-mapped and verified against it.

    Args:
        manifest: path of the manifest.
        in_full: whether all arrays are digested, even if they are remembered as verified.

    Raises:
        UserError: a file of the dataset is missing, unreadable, or not what was prepared.
    """
    content = read_manifest(manifest)
    _check_total(manifest, content)
    return _describe(manifest, content, *open_verified(manifest, content, ("train", "dev"), in_full=in_full))


def open_unverified(manifest: Path) -> Prepared:
    """Return train and dev as `open_prepared`, but do not compare them with the manifest.

    For what says more clearly than a digest why the data cannot be used; nothing may be learned from them.

    Raises:
        UserError: a file of the dataset is missing or unreadable.
    """
    train, dev = (open_split(manifest.parent / split) for split in ("train", "dev"))
    return _describe(manifest, read_manifest(manifest), train, dev)


def read_eval_digests(manifest: Path, content: dict[str, Any]) -> NDArray[np.bytes_] | None:
    """Return the digests of the samples of eval, sorted; eval itself is not opened.

    Args:
        manifest: path of the manifest.
        content: of the manifest.

    Returns:
        (n_samples,) digests, or None if the dataset was prepared before they were written.

    Raises:
        UserError: they are missing, unreadable, or not those of the manifest.
    """
    return _read_kept(manifest, EVAL_DIGESTS, content.get("eval_content_sha256"))


def read_eval_origins(manifest: Path, content: dict[str, Any]) -> NDArray[np.bytes_] | None:
    """Return the digests of the raw material that eval was made of, sorted.

    Args:
        manifest: path of the manifest.
        content: of the manifest.

    Returns:
        (n_origins,) digests, or None if the source of the dataset gives none, or did not when it was prepared.

    Raises:
        UserError: as `read_eval_digests`.
    """
    return _read_kept(manifest, EVAL_ORIGINS, content.get("eval_origins_sha256"))


def _read_kept(manifest: Path, name: str, sha256: str | None) -> NDArray[np.bytes_] | None:
    """Return the digests in a file next to a manifest, which has the digest of their content."""
    if sha256 is None:
        return None
    path = manifest.with_name(name)
    digests = open_array(path, f"Remove {manifest} and run again.")
    if digests.dtype.kind != "S" or digest_content(digests) != sha256:
        raise UserError(
            f"{path}: not what the preparation wrote. Put back the file, or remove {manifest} and run again, which "
            "prepares the dataset again."
        )
    return np.sort(digests)  # a search needs them sorted, and the digest of the content does not


def _describe(manifest: Path, content: dict[str, Any], train: Split, dev: Split) -> Prepared:
    return Prepared(content["dataset"], train, dev, content["classes"], content["sha256"], content, manifest)


def _check_total(manifest: Path, content: dict[str, Any]) -> None:
    """Refuse a manifest whose digest of both splits, by which studies know their data, is not that of its splits."""
    if content["sha256"] != _digest_of_both(content["splits"]):
        raise UserError(
            f"{manifest}: its sha256 is not that of its splits. Put back the file, or remove it and run again, which "
            "prepares the dataset again."
        )


def _digest_of_both(hashes: dict[str, str]) -> str:
    return digest_arrays(
        {split: np.frombuffer(str(hashes.get(split)).encode(), np.uint8) for split in ("train", "dev")}
    )


def _check_split(where: str, split: Split | ChunkedSplit, classes: list[str]) -> None:
    if len(split.y) == 0:
        raise UserError(f"{where}: is empty. Each split needs samples of every class.")
    if len(split.x) != len(split.y):
        raise UserError(f"{where}: {len(split.x)} samples but {len(split.y)} labels.")
    if split.y.min() < 0 or split.y.max() >= len(classes):
        wrong = int(split.y.min() if split.y.min() < 0 else split.y.max())
        raise UserError(f"{where}: label {wrong} is not one of the {len(classes)} classes 0 to {len(classes) - 1}.")
    counts = np.bincount(split.y, minlength=len(classes))
    if not counts.all():
        absent = list_some([classes[label] for label in np.flatnonzero(counts == 0)])
        raise UserError(f"{where}: class {absent} has no sample. Each split needs samples of every class.")


def _check_groups(name: str, loaded: LoadedDataset) -> None:
    split_of: dict[int, str] = {}
    names = loaded.parameters.get("groups")
    for split in SPLITS:
        group = loaded.splits[split].group
        if group is not None and int(np.max(group)) > np.iinfo(np.int32).max:
            raise UserError(f"dataset {name}, {split}: numbers of groups are 0 to 2,147,483,647; count them from 0.")
        for value in () if group is None else np.unique(group):
            if int(value) in split_of:
                places = []
                for one in (split_of[int(value)], split):
                    rows = np.flatnonzero(np.asarray(loaded.splits[one].group) == value)
                    where = f" ({loaded.locate(one, int(rows[0]))})" if loaded.locate is not None else ""
                    places.append(f"in {one}{where}")
                shown = int(value) if names is None else repr(str(names[int(value)]))
                raise UserError(
                    f"dataset {name}: group {shown} is {' and '.join(places)}. A group (patient, slide) belongs to one "
                    "split only: move its samples, or let the splits be drawn."
                )
            split_of[int(value)] = split


def _check_weights(name: str, loaded: LoadedDataset) -> None:
    """Refuse weights that are no weights, and a class of train that has none above 0."""
    for split in SPLITS:
        part = loaded.splits[split]
        weight = part.weight if isinstance(part, Split) else None
        if weight is None:
            continue
        where = f"dataset {name}, {split}"
        if split != "train" or weight.shape != part.y.shape or not np.all(np.isfinite(weight) & (weight >= 0)):
            raise UserError(f"{where}: weights belong to train, one finite number of 0 or more for each sample.")
        present = np.bincount(part.y[weight > 0], minlength=len(loaded.classes))
        if not present.all():
            absent = list_some([loaded.classes[label] for label in np.flatnonzero(present == 0)])
            raise UserError(
                f"{where}: class {absent} has no sample with a weight above 0, so it would not be learned. Give some "
                "of its rows a weight, or leave its rows out of the table."
            )


def _check_same_data(name: str, written: dict[str, WrittenSplit]) -> None:
    for first, second in (("train", "dev"), ("train", "eval"), ("dev", "eval")):
        if _digest_samples_of(written[first]) == _digest_samples_of(written[second]):
            raise UserError(f"dataset {name}: {first} and {second} hold the same samples. Give each split its own.")


def _digest_samples_of(split: WrittenSplit) -> dict[str, str]:
    """Return the digests of a split's arrays but the weights, which only train has."""
    return {array: digest for array, digest in split.arrays.items() if array != "weight"}


def _load(name: str, source: Source, files: dict[str, Path]) -> LoadedDataset:
    try:
        return source.load(files)
    except UserError as error:
        raise UserError(f"dataset {name}: {error}") from error


def _fit(name: str, fit: Callable[[LoadedDataset], LoadedDataset], loaded: LoadedDataset) -> LoadedDataset:
    """Return the data with what is fitted on train applied."""
    try:
        return fit(loaded)
    except UserError as error:
        raise UserError(f"dataset {name}: {error}") from error


def _summary(name: str, loaded: LoadedDataset, folder: Path) -> str:
    sizes = " / ".join(f"{len(loaded.splits[split].y):,}" for split in SPLITS)
    bad = len(loaded.bad_files.rows) if loaded.bad_files is not None else 0
    listed = f"; bad files: {bad}, listed in {folder / 'bad_files.tsv'}" if bad else ""
    if loaded.unused is not None and loaded.unused.rows:
        counts = Counter(f"{row[0]}s" for row in loaded.unused.rows)
        unused = ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
        listed += f"; not or not wholly used: {unused}, listed in {folder / 'unused.tsv'}"
    return f"{name}: {sizes} samples of {len(loaded.classes)} classes in train / dev / eval{listed}"


def _describe_leaks(leaks: Leaks, sizes: dict[str, int], removed: dict[str, int], notes: Sequence[str]) -> str:
    """Return what was found of equal samples, and what was done; empty if there are none."""
    found = leaks.summary(sizes)
    done = [f"{count:,} removed from {split}" for split, count in removed.items() if count]
    return "".join(f"; {part}" for part in (found, ", ".join(done), *notes) if part)


def _save(array: NDArray[Any], part: Path) -> None:
    np.save(part, array, allow_pickle=False)


def _manifest(name: str, source: Source, loaded: LoadedDataset, written: dict[str, WrittenSplit]) -> dict[str, Any]:
    hashes = {split: one.sha256 for split, one in written.items()}
    counts = {
        split: dict(zip(loaded.classes, np.bincount(part.y, minlength=len(loaded.classes)).tolist(), strict=True))
        for split, part in loaded.splits.items()
    }
    sample = loaded.splits["train"].x
    return {
        "dataset": name,
        "classes": loaded.classes,
        "counts": counts,
        "axes": loaded.axes,
        "sample_shape": list(sample.shape[1:]),
        "dtype": str(sample.dtype),
        "units": loaded.units,
        "published": source.config.published,
        "stand_in": source.config.stand_in,
        "source": source.config.model_dump(mode="json"),
        "parameters": loaded.parameters,
        "files": _digests(loaded.files),
        "sha256": _digest_of_both(hashes),
        "splits": hashes,
        "arrays": {
            f"{split}/{array}.npy": sha256
            for split in ("train", "dev")
            for array, sha256 in written[split].arrays.items()
        },
        "versions": {"python": sys.version.split()[0], "numpy": np.__version__},
    }


def _list_recordings(loaded: LoadedDataset, folder: Path) -> SealedRecordings | None:
    """Return the whole recordings of eval; None if there are none."""
    if not loaded.recordings:
        return None
    patients = sorted({patient for _, patient, _, _ in loaded.recordings})
    return SealedRecordings(
        patients=patients,
        recordings=[
            SealedRecording(
                **whole.model_dump(),
                file=file,
                patient=patients.index(patient),
                array=Path(os.path.relpath(array, folder)).as_posix(),
            )
            for file, patient, whole, array in loaded.recordings
        ],
    )


def _describe_recordings(found: SealedRecordings) -> dict[str, Any]:
    """Return what the manifest has of the whole recordings of eval."""
    first = found.recordings[0]
    return {
        "sha256": digest_recordings(found),
        "patients": found.patients,
        "recordings": len(found.recordings),
        "window_seconds": first.window / first.rate,
        "step_seconds": first.step / first.rate,
    }


def _digests(files: list[Path]) -> dict[str, str]:
    """Return the sha256 of each file, by its path below the common folder: names may repeat."""
    folder = os.path.commonpath([path.parent for path in files]) if files else ""
    return {path.relative_to(folder).as_posix(): digest_file(path) for path in files}
