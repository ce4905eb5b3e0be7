"""Datasets of many raw files: each is surveyed and cut by itself, then samples are drawn from all of them at once.

The workflow gives the files out in batches, since a job costs more to start than a file to read. A batch holds files
of one split, so that nothing of eval is ever cut into the open.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from blindtune.datasets.base import SPLITS, Loaded, Sizes, Source, Split
from blindtune.datasets.surveys import Candidate, Survey, bad_files, check_bad, check_groups, draw, left_out, ranked
from blindtune.errors import UserError
from blindtune.files import digest_of_file, read_json, write_array, write_json
from blindtune.strict import parse_json

if TYPE_CHECKING:
    from blindtune.layout import Layout


@dataclass(frozen=True)
class Raw:
    """One raw file, as far as names tell.

    Attributes:
        file: path below the folder of the corpus.
        beside: those of the files that belong to it.
        split: where it stands.
    """

    file: str
    beside: tuple[str, ...]
    split: str


class Extract(BaseModel):
    """What a batch gave: the survey of each file; its samples lie beside, in an array for each file."""

    model_config = ConfigDict(extra="forbid")

    surveys: list[Survey]


class Corpus(Source):
    """The config of a source of many raw files: what every one has in common."""

    folder: str | None = Field(default=None, description="folder of the corpus")
    sizes: Sizes = Field(description="samples per split, as many of each class")
    seed: int = Field(default=1, description="another seed draws other samples, and other patients for each split")
    most_bad: float = Field(default=0.1, ge=0, le=1, description="a larger share of bad files stops the run")
    strict: bool = Field(default=False, description="true: the first bad file stops the run")
    candidates: int = Field(
        default=50, gt=0, description="most samples of one class that are taken from one file, drawn at random"
    )
    files_per_job: int = Field(default=8, gt=0, description="raw files that one job reads")

    def names(self) -> list[str]:
        """The classes, in the order of their labels."""
        raise NotImplementedError

    def raws(self) -> list[Raw]:
        """Every raw file, known without opening any."""
        raise NotImplementedError

    def is_made(self) -> bool:
        """Whether the corpus is a stand-in that the workflow makes."""
        raise NotImplementedError

    def make(self, file: str, folder: Path) -> None:
        """Make one raw file of a stand-in, and what belongs to it."""
        raise NotImplementedError

    def survey(self, folder: Path, raw: Raw) -> Survey:
        """What one raw file offers."""
        raise NotImplementedError

    def cut(self, folder: Path, survey: Survey, candidates: list[Candidate]) -> NDArray[Any]:
        """The samples of some candidates of a file, in their order."""
        raise NotImplementedError

    def describe(self) -> dict[str, Any]:
        """What else determines the samples, for the manifest; ``axes`` and ``units`` among it."""
        raise NotImplementedError

    def batches(self) -> dict[str, list[Raw]]:
        """The raw files of each job, by ``<split>-<number>``."""
        found: dict[str, list[Raw]] = {}
        for split in SPLITS:
            files = sorted((raw for raw in self.raws() if raw.split == split), key=lambda raw: raw.file)
            for first in range(0, len(files), self.files_per_job):
                found[f"{split}-{first // self.files_per_job:04d}"] = files[first : first + self.files_per_job]
        return found

    def place(self, layout: "Layout", dataset: str) -> Path:
        """The folder of the corpus, the user's or that of the stand-in."""
        return Path(self.folder) if self.folder else Path(layout.corpus(dataset))

    def given(self) -> dict[str, Path]:
        """Nothing that a config names file by file."""
        return {}

    def inputs(self, layout: "Layout", dataset: str) -> dict[str, Path]:
        """What each batch gave."""
        return {batch: Path(layout.extract(dataset, batch)) for batch in self.batches()}

    def load(self, files: dict[str, Path]) -> Loaded:
        """The splits, drawn from what the batches gave.

        Raises:
            UserError: too many files are bad, a patient stands in two splits, or there are too few samples.
        """
        surveys = {path: parse_json(Extract, read_json(path), str(path)).surveys for path in files.values()}
        found = [survey for batch in surveys.values() for survey in batch]
        check_bad(found, self.most_bad, self.strict)
        check_groups(found)
        drawn = draw(found, self.names(), self.sizes, self.seed)
        groups = {name: number for number, name in enumerate(sorted({survey.group for survey in found}))}
        described = self.describe()
        return Loaded(
            splits={split: self._split(split, surveys, drawn, groups) for split in SPLITS},
            classes=self.names(),
            axes=described.pop("axes"),
            units=described.pop("units"),
            parameters=described
            | {
                "bad_files": dict(bad_files(found)),
                "left_out": [[*key, count] for key, count in sorted(left_out(found).items())],
                "groups": sorted(groups),
                "raw_sha256": {name: sha256 for survey in found for name, sha256 in survey.sha256.items()},
            },
        )

    def _split(
        self,
        split: str,
        surveys: dict[Path, list[Survey]],
        drawn: dict[str, list[Candidate]],
        groups: dict[str, int],
    ) -> Split:
        parts, labels, owners = [], list[int](), list[int]()
        for path, survey in ((path, one) for path, batch in surveys.items() for one in batch if one.split == split):
            chosen = drawn.get(survey.file, [])
            if not chosen:
                continue
            stored = np.load(array_of(path, survey.file), mmap_mode="r", allow_pickle=False)
            parts.append(stored[[survey.candidates.index(candidate) for candidate in chosen]])
            labels += [self.names().index(candidate.label) for candidate in chosen]
            owners += [groups[survey.group]] * len(chosen)
        return Split(np.concatenate(parts), np.array(labels, dtype=np.int64), np.array(owners, dtype=np.int64))


def make_batch(source: Corpus, batch: str, folder: Path, marker: Path) -> None:
    """Make the raw files of a batch, and write down what was made."""
    made: dict[str, str] = {}
    for raw in source.batches()[batch]:
        source.make(raw.file, folder)
        made |= {name: digest_of_file(folder / name) for name in (raw.file, *raw.beside)}
    write_json(marker, made)


def extract_batch(source: Corpus, batch: str, folder: Path, path: Path) -> None:
    """Survey each raw file of a batch, and cut what may be drawn from it.

    Args:
        source: the dataset's config.
        batch: one of its batches.
        folder: of the corpus.
        path: of the JSON that is written last; the arrays go into a folder beside it.

    Raises:
        UserError: a file is gone, or what it says of itself stops the run.
    """
    surveys = [_extract(source, raw, folder, path) for raw in source.batches()[batch]]
    write_json(path, Extract(surveys=surveys).model_dump(mode="json"))


def _extract(source: Corpus, raw: Raw, folder: Path, path: Path) -> Survey:
    survey = source.survey(folder, raw)
    kept = [candidate for label in source.names() for candidate in _kept(source, survey, label)]
    survey = survey.model_copy(update={"candidates": kept})
    if kept:
        write_array(array_of(path, survey.file), source.cut(folder, survey, kept))
    return survey


def _kept(source: Corpus, survey: Survey, label: str) -> Iterator[Candidate]:
    of_file = ranked([survey], survey.split, label, source.seed)
    return (candidate for _, _, candidate in of_file[: source.candidates])


def array_of(path: Path, file: str) -> Path:
    """Where the samples of one raw file lie, beside the JSON of its batch."""
    if ".." in Path(file).parts or Path(file).is_absolute():
        raise UserError(f"{path}: names {file}, which is no path below the corpus. Remove it and run again.")
    return path.with_suffix("") / f"{file}.npy"
