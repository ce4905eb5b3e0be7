"""The interface of a corpus: a source that cuts its samples from many raw files.

Each raw file is surveyed and cut on its own; then samples are drawn from all surveys together. Jobs read batches of
files, because a job costs more to start than a file to read. All files of a batch are in one split, so that no sample
of eval is ever written outside the sealed folder.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from blindtune.core.errors import UserError
from blindtune.datasets.base import SPLITS, LoadedDataset, Source
from blindtune.datasets.corpus.batches import divide_files, select_files
from blindtune.datasets.corpus.config import CorpusConfig
from blindtune.datasets.corpus.filetree import Nameless, check_nameless, count_bytes, find_unusable, note_nameless
from blindtune.datasets.corpus.recordings import WholeRecording
from blindtune.datasets.corpus.splits import gather_splits
from blindtune.datasets.corpus.survey import Candidate, Survey

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from blindtune.core.paths import ResultPaths


#: Raw files that one job reads at most if the config does not say; and at most where they have so many bytes together.
FILES_PER_JOB, MAX_FILES_PER_JOB, BYTES_PER_JOB = 12, 256, 64 * 2**20


@dataclass(frozen=True)
class RawFile:
    """One raw file, as far as its path tells.

    Attributes:
        file: path below the folder of the corpus.
        companions: paths of the files that belong to it, such as annotations.
        split: the split that it is in.
        group: the patient, if the path tells; empty: nobody else's.
    """

    file: str
    companions: tuple[str, ...]
    split: str
    group: str = ""


class Simulator:
    """Base class of what writes the raw files of a simulated corpus.

    A simulator is created from the key ``simulate`` of a corpus. `list_files` is called while the workflow is planned
    and in each job, `write` by the job that writes the file.
    """

    def list_files(self) -> dict[str, list[str]]:
        """Return the companions of each raw file, by the raw file; all are paths below the folder of the corpus."""
        raise NotImplementedError

    def write(self, file: str, folder: Path) -> None:
        """Write one raw file and its companions.

        Args:
            file: one of `list_files`.
            folder: folder of the corpus.

        Raises:
            UserError: the corpus has no such file, or the disk refuses.
        """
        raise NotImplementedError


class OpenRawFile:
    """Base class of an open raw file, which is read once for its survey and its samples.

    `Corpus.open_file` creates it as a context manager. The extract job calls `survey` once, then `cut` once if the
    survey has candidates.
    """

    def __enter__(self) -> Self:
        """Return the open file itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Release what the file holds open; the default has nothing to release."""

    def survey(self) -> Survey:
        """Return what the file offers, or why it is bad.

        Raises:
            UserError: the run must stop.
        """
        raise NotImplementedError

    def write_whole(self, path: Path) -> WholeRecording | None:
        """Write the whole file for event-based scores; called after `survey` for a good file of eval.

        Args:
            path: of the array.

        Returns:
            What was written; None, since there are no such scores, unless a subclass overrides this method.

        Raises:
            UserError: the file is not the one that was surveyed.
        """
        return None

    def cut(self, candidates: list[Candidate]) -> "NDArray[Any]":
        """Return the samples of some candidates.

        Args:
            candidates: candidates of a survey of this file.

        Returns:
            The samples, (n_candidates, ...), in the order of the candidates.

        Raises:
            UserError: the file is not the one that was surveyed.
        """
        raise NotImplementedError


class Corpus(Source):
    """Base class of all corpora.

    Life cycle, in addition to that of `Source`:

    1. While the workflow is planned, `list_files` finds every raw file without opening any, and `batches` groups them
       into jobs.
    2. If the corpus is simulated, a job for each batch calls `simulate` for each of its files.
    3. A job for each batch opens each file once with `open_file`, surveys it, and cuts as many candidates of each class
       as ``max_per_file`` allows.
    4. The prepare job calls `load`, which draws the samples of each split from all surveys.
    5. The examples job calls `locate_samples` for the figures of the report.

    A subclass overrides `list_files`, `open_file` and `describe`, and `locate_samples` if it can draw a picture.

    Attributes:
        config: the config of the dataset; a subclass narrows the type.
        simulator: what writes the raw files if the corpus is simulated; else None.
        split_keys: config keys that assign raw files to splits.
        eval_keys: config keys that matter to the files of eval alone.
    """

    config: CorpusConfig
    split_keys: ClassVar[tuple[str, ...]] = ()
    eval_keys: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: CorpusConfig, simulator: Simulator | None = None) -> None:
        """Keep the config; nothing is read yet.

        Args:
            config: the config of the dataset.
            simulator: what writes the raw files; given if and only if the config says that the corpus is simulated.
        """
        super().__init__(config)
        if config.is_simulated != (simulator is not None):
            raise TypeError("a corpus needs a simulator if and only if it is simulated")
        self.simulator = simulator

    def is_simulated(self) -> bool:
        """Return whether the workflow writes the raw files itself."""
        return self.simulator is not None

    def list_files(self) -> list[RawFile]:
        """Return every raw file, without opening any.

        Raises:
            UserError: there is no such folder, it has no raw file, or the paths are wrong.
        """
        raise NotImplementedError

    def simulate(self, file: str, folder: Path) -> None:
        """Write one raw file of a simulated corpus, and its companions.

        Args:
            file: path below the folder of the corpus.
            folder: folder of the corpus.

        Raises:
            TypeError: the corpus is the user's own.
        """
        if self.simulator is None:
            raise TypeError("this corpus is the user's own")
        self.simulator.write(file, folder)

    def open_file(self, folder: Path, raw: RawFile) -> OpenRawFile:
        """Open one raw file; called once for each file, by the job that extracts it.

        Args:
            folder: folder of the corpus.
            raw: one of `list_files`.

        Raises:
            UserError: the file or a companion is gone.
        """
        raise NotImplementedError

    def locate_samples(
        self, folder: Path, survey: Survey, colors: dict[str, tuple[int, int, int]]
    ) -> "NDArray[np.uint8] | None":
        """Return a picture of a raw file that shows where the candidates of its survey are; None if there is none.

        Args:
            folder: folder of the corpus.
            survey: survey of the file; the picture shows its candidates.
            colors: red, green and blue from 0 to 255 for each class.

        Returns:
            (n_rows, n_columns, 3) uint8, or None.
        """
        return None

    def describe(self, surveys: list[Survey]) -> dict[str, Any]:
        """Return everything else that determines the samples, for the manifest; includes ``axes`` and ``units``.

        Args:
            surveys: surveys of the files that are not bad.
        """
        raise NotImplementedError

    def list_ignored(self) -> list[tuple[str, str]] | None:
        """Return the files below the folder that are not used, and why; called by the prepare job.

        Returns:
            Paths below the folder and reasons, sorted; None, not known, unless a subclass overrides this method.
        """
        return None

    def list_groups(self) -> dict[str, str]:
        """Return the groups of raw files that a file of the user gives, which no survey has read; by the raw file.

        Returns:
            None of them, unless a subclass overrides this method.
        """
        return {}

    def list_nameless(self) -> Nameless:
        """Return the raw files whose paths give no patient, so that they have no split; they are not used.

        Returns:
            None of them, unless a subclass overrides this method.
        """
        return Nameless({}, 0)

    def take_notes(self, surveys: list[Survey]) -> list[str]:
        """Return sentences about how the raw files were read, for the log; none unless a subclass overrides this.

        Args:
            surveys: surveys of the files that are used.
        """
        return []

    def batches(self) -> dict[str, list[RawFile]]:
        """Return the raw files of each job, by ``<split>-<number>``; they are searched once.

        A new file changes the batch that it belongs to and no other, see `blindtune.datasets.corpus.batches`.

        Raises:
            UserError: as `list_files`, or a split has no file, or too many files cannot be read or have no patient.
        """
        return self._batches

    def list_unusable(self, batch: str) -> dict[str, str]:
        """Return the raw files of a job that cannot be read, and why, as far as the file system tells.

        The job does not open them: they are bad files. They, and their companions, are none of its inputs.

        Args:
            batch: one of `batches`.
        """
        return {raw.file: self._unusable[raw.file] for raw in self._batches[batch] if raw.file in self._unusable}

    def list_inputs(self, batch: str) -> list[str]:
        """Return the files that a job reads: raw files and their companions, as paths below the folder.

        Args:
            batch: one of `batches`.
        """
        usable = [raw for raw in self._batches[batch] if raw.file not in self._unusable]
        return [name for raw in usable for name in (raw.file, *raw.companions)]

    def select_batch(self, batch: str) -> list[RawFile]:
        """Return the raw files of one job; which they are does not depend on the sizes of the files.

        Args:
            batch: one of `batches`.

        Raises:
            UserError: as `list_files`, or no file belongs to the batch.
        """
        split, _, number = batch.partition("-")
        of_split = {raw.file: raw for raw in self._raws if raw.split == split}
        found = [of_split[file] for file in select_files(list(of_split), int(number))]
        if not found:
            raise UserError(f"no file of {self.config.folder} belongs to {batch} any more. Start the run again.")
        return found

    @cached_property
    def _batches(self) -> dict[str, list[RawFile]]:
        config = self.config
        # First, since what else is wrong may follow from the names.
        check_nameless(self.list_nameless(), self._max_unusable)
        raws = self._raws
        found: dict[str, list[RawFile]] = {}
        for split in SPLITS:
            files = {raw.file: raw for raw in raws if raw.split == split}
            if not files:
                raise UserError(
                    f"folder: none of the {len(raws)} files of {config.folder} is in {split}; split it otherwise."
                )
            for number, some in divide_files(list(files), self._is_small).items():
                found[f"{split}-{number:04d}"] = [files[file] for file in some]
        # Planning stops here if too many files cannot be read, before any job runs.
        _ = self._unusable
        return found

    @cached_property
    def _unusable(self) -> dict[str, str]:
        """Why raw files cannot be the input of a job, by the raw file."""
        config = self.config
        if config.folder is None:
            return {}
        companions = {raw.file: raw.companions for raw in self._raws}
        return find_unusable(Path(config.folder), companions, self._max_unusable)

    @property
    def _max_unusable(self) -> float:
        """The fraction of the raw files that planning may leave out."""
        return 0.0 if self.config.strict else self.config.max_bad_fraction

    @cached_property
    def _raws(self) -> list[RawFile]:
        return sorted(self.list_files(), key=lambda raw: raw.file)

    def _is_small(self, files: Sequence[str]) -> bool:
        """Return whether one job reads some files: more where they are small, since a job takes seconds to start."""
        config = self.config
        if config.files_per_job is not None:
            return len(files) <= config.files_per_job
        if len(files) <= FILES_PER_JOB:
            return True
        # How large simulated files will be is not known.
        if len(files) > MAX_FILES_PER_JOB or config.folder is None:
            return False
        return count_bytes(Path(config.folder) / file for file in files) <= BYTES_PER_JOB

    def split_config(self) -> dict[str, Any]:
        """Return the part of the config that decides which raw files exist and in which split they are.

        Returns:
            Plain data that is a valid config of the same source.
        """
        keys = {"source", "folder", "stand_in", "simulate", "patient", "seed", *self.split_keys}
        return self.config.model_dump(mode="json", include=keys) | self._any_sizes()

    def extraction_config(self, batch: str | None = None) -> dict[str, Any]:
        """Return the part of the config that decides which samples are cut.

        Keys that only matter when samples are drawn are left out, so that other sizes do not read the corpus again, and
        so is how the files are divided into jobs.

        Args:
            batch: name of the batch that is extracted; None: any.

        Returns:
            Plain data that is a valid config of the same source.
        """
        is_eval = batch is None or batch.startswith("eval-")
        unread = {"published", "max_bad_fraction", "leaks", "files_per_job", *(() if is_eval else self.eval_keys)}
        return self.config.model_dump(mode="json", exclude=unread) | self._any_sizes()

    def _any_sizes(self) -> dict[str, Any]:
        """Return valid sizes, which do not matter to a job that reads raw files."""
        return {"sizes": dict.fromkeys(SPLITS, 2 * len(self.config.class_names))}

    def find_folder(self, paths: "ResultPaths", dataset: str) -> Path:
        """Return the folder of the corpus: the user's, or that of the simulated corpus.

        Args:
            paths: paths of all results of the config.
            dataset: name of the dataset.
        """
        return Path(self.config.folder) if self.config.folder else Path(paths.corpus(dataset))

    def user_files(self) -> dict[str, Path]:
        """Return nothing, since a corpus has no single files that the user names; refuse one without valid batches.

        Raises:
            UserError: as `batches`.
        """
        self.batches()
        return {}

    def inputs(self, paths: "ResultPaths", dataset: str) -> dict[str, Path]:
        """Return the extract of each batch, by the batch.

        Args:
            paths: paths of all results of the config.
            dataset: name of the dataset.
        """
        return {batch: Path(paths.extract(dataset, batch)) for batch in self.batches()}

    def load(self, files: dict[str, Path]) -> LoadedDataset:
        """Return the splits, drawn from the extracts of all batches.

        Args:
            files: the extract of each batch.

        Raises:
            UserError: too many files are bad, a patient is in two splits, or there are too few samples.
        """
        return gather_splits(
            self.config,
            list(files.values()),
            self.describe,
            self.list_ignored(),
            lambda surveys: [*note_nameless(self.list_nameless()), *self.take_notes(surveys)],
            self.list_groups(),
        )
