"""Datasets of many raw files: each is surveyed and cut by itself, then samples are drawn from all of them at once.

The workflow gives the files out in batches, since a job costs more to start than a file to read. A batch holds files
of one split, so that nothing of eval is ever cut into the open.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field, model_validator

from blindtune.core.errors import UserError
from blindtune.datasets.base import SPLITS, Loaded, Sizes, Source, check_pattern
from blindtune.datasets.corpus.filetree import check_usable
from blindtune.datasets.corpus.survey import Candidate, Survey, per_class

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from blindtune.core.paths import ResultPaths


@dataclass(frozen=True)
class RawFile:
    """One raw file, as far as names tell.

    Attributes:
        file: path below the folder of the corpus.
        companions: those of the files that belong to it.
        split: where it stands.
    """

    file: str
    companions: tuple[str, ...]
    split: str


class Corpus(Source):
    """The config of a source of many raw files: what every one has in common."""

    #: Keys of the source that deal its files to splits.
    dealt_by: ClassVar[tuple[str, ...]] = ()

    folder: str | None = Field(default=None, description="folder of the corpus")
    patient: str | None = Field(
        default=None,
        description="a regular expression with one group in brackets that finds the patient in a file's path below the "
        "folder; none: names are those of the published corpus (TUSZ, TUDP)",
    )
    sizes: Sizes = Field(description="samples per split, as many of each class")
    seed: int = Field(default=1, description="another seed draws other samples, and other patients for each split")
    most_bad: float = Field(default=0.1, ge=0, le=1, description="a larger share of bad files stops the run")
    strict: bool = Field(default=False, description="true: the first bad file stops the run")
    candidates: int = Field(
        default=50, gt=0, description="most samples of one class that are taken from one file, drawn at random"
    )
    files_per_job: int = Field(default=8, gt=0, description="raw files that one job reads")

    @model_validator(mode="after")
    def _check_corpus(self) -> Self:
        if (self.folder is not None) == self.is_simulated():
            raise ValueError("folder, made: give one of the two")
        if self.is_simulated() and not self.stand_in:
            raise ValueError("stand_in: must be true where the corpus is made")
        check_pattern("patient", self.patient)
        for split in SPLITS:
            per_class(self.sizes, split, self.names())
        return self

    def names(self) -> list[str]:
        """The classes, in the order of their labels."""
        raise NotImplementedError

    def list_files(self) -> list[RawFile]:
        """Every raw file, known without opening any.

        Raises:
            UserError: there is no such folder, it holds none, or what their paths say is wrong.
        """
        raise NotImplementedError

    def is_simulated(self) -> bool:
        """Whether the corpus is a stand-in that the workflow makes."""
        raise NotImplementedError

    def simulate(self, file: str, folder: Path) -> None:
        """Make one raw file of a stand-in, and what belongs to it."""
        raise NotImplementedError

    def survey(self, folder: Path, raw: RawFile) -> Survey:
        """What one raw file offers."""
        raise NotImplementedError

    def cut(self, folder: Path, survey: Survey, candidates: list[Candidate]) -> "NDArray[Any]":
        """The samples of some candidates of a file, in their order."""
        raise NotImplementedError

    def locate_samples(
        self, folder: Path, survey: Survey, colours: dict[str, tuple[int, int, int]]
    ) -> "NDArray[np.uint8] | None":
        """A picture of a raw file that shows where the candidates of its survey lie; None where there is none.

        Args:
            folder: of the corpus.
            survey: of the file; its candidates are what is shown.
            colours: red, green and blue from 0 to 255 for each class.

        Returns:
            (rows, columns, 3).
        """
        return None

    def describe(self, surveys: list[Survey]) -> dict[str, Any]:
        """What else determines the samples, for the manifest; ``axes`` and ``units`` among it.

        Args:
            surveys: of the files that samples can come from.
        """
        raise NotImplementedError

    def batches(self) -> dict[str, list[RawFile]]:
        """The raw files of each job, by ``<split>-<number>``; found once.

        Raises:
            UserError: as `list_files`, or a split has no file, or one cannot be read.
        """
        return self._batches

    @cached_property
    def _batches(self) -> dict[str, list[RawFile]]:
        raws = sorted(self.list_files(), key=lambda raw: raw.file)
        found: dict[str, list[RawFile]] = {}
        for split in SPLITS:
            files = [raw for raw in raws if raw.split == split]
            if not files:
                raise UserError(
                    f"folder: none of the {len(raws)} files of {self.folder} stands in {split}; split it otherwise."
                )
            for first in range(0, len(files), self.files_per_job):
                found[f"{split}-{first // self.files_per_job:04d}"] = files[first : first + self.files_per_job]
        if self.folder is not None:
            check_usable(Path(self.folder), (name for raw in raws for name in (raw.file, *raw.companions)))
        return found

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """As pydantic's, but what was found for this config is found again for the other."""
        copy = super().model_copy(update=update, deep=deep)
        for name in set(vars(copy)) - set(type(self).model_fields):
            del vars(copy)[name]
        return copy

    def split_config(self) -> dict[str, Any]:
        """The part of the config by which raw files are made and dealt to jobs, as a config of its own."""
        keys = {"source", "folder", "stand_in", "made", "patient", "seed", "files_per_job", *self.dealt_by}
        return self.model_dump(mode="json", include=keys) | self._any_sizes()

    def extraction_config(self) -> dict[str, Any]:
        """The part of the config by which samples are cut, as a config of its own.

        What counts only when samples are drawn is left out: another size does not have a whole corpus read again.
        """
        return self.model_dump(mode="json", exclude={"published", "most_bad"}) | self._any_sizes()

    def _any_sizes(self) -> dict[str, Any]:
        """Sizes where they must be there and do not count: multiples of the classes, and of the default two."""
        return {"sizes": dict.fromkeys(SPLITS, 2 * len(self.names()))}

    def place(self, layout: "ResultPaths", dataset: str) -> Path:
        """The folder of the corpus, the user's or that of the stand-in."""
        return Path(self.folder) if self.folder else Path(layout.corpus(dataset))

    def given(self) -> dict[str, Path]:
        """Nothing that a config names file by file; a corpus that cannot be dealt to jobs is refused here."""
        self.batches()
        return {}

    def inputs(self, layout: "ResultPaths", dataset: str) -> dict[str, Path]:
        """What each batch gave."""
        return {batch: Path(layout.extract(dataset, batch)) for batch in self.batches()}

    def load(self, files: dict[str, Path]) -> Loaded:
        """The splits, drawn from what the batches gave.

        Raises:
            UserError: too many files are bad, a patient stands in two splits, or there are too few samples.
        """
        from blindtune.datasets.corpus.extraction import gather

        return gather(self, list(files.values()))
