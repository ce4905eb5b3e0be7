"""The config keys that all corpora have in common."""

from typing import Self

from pydantic import Field, model_validator

from blindtune.core.bounds import MAX_PER_FILE, MAX_SEED
from blindtune.core.validation import Strict, UserPath
from blindtune.datasets.base import SPLITS, DatasetConfig, Sizes, check_pattern
from blindtune.datasets.corpus.survey import samples_per_class


class CorpusConfig(DatasetConfig):
    """The config of a corpus: the keys that all corpora have in common."""

    folder: UserPath | None = Field(default=None, description="folder of the corpus; null: it is simulated")
    simulate: Strict | None = Field(
        default=None, description="a simulated corpus, which the workflow writes; null: use folder"
    )
    patient: str | None = Field(
        default=None,
        description="a regular expression with one group in brackets that finds the patient in a file's path below the "
        "folder, e.g. '(S\\d+)R'; null: names are those of the published corpus (TUSZ, TUDP), and of slides in DICOM "
        "the Patient ID counts",
    )
    sizes: Sizes = Field(description="number of samples in each split, the same number of each class")
    seed: int = Field(
        default=1,
        ge=0,
        le=MAX_SEED,
        description="seed of the draw of samples and of the assignment of patients to splits",
    )
    max_bad_fraction: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="the run stops if more than this fraction of the files is bad, or has no patient",
    )
    strict: bool = Field(default=False, description="true: the first file that is bad or has no patient stops the run")
    max_per_file: int = Field(
        default=50,
        gt=0,
        le=MAX_PER_FILE,
        description="maximum number of samples of one class from one file, drawn at random",
    )
    files_per_job: int | None = Field(
        default=None,
        gt=0,
        le=MAX_PER_FILE,
        description="maximum number of raw files that one job reads; null: 12, or 256 where they are small",
    )

    @property
    def class_names(self) -> list[str]:
        """Names of the classes, in the order of their labels."""
        raise NotImplementedError

    @property
    def is_simulated(self) -> bool:
        """Whether the workflow writes the raw files itself."""
        return self.simulate is not None

    @model_validator(mode="after")
    def _check_corpus(self) -> Self:
        if (self.folder is not None) == self.is_simulated:
            raise ValueError("folder, simulate: give one of the two")
        if self.is_simulated and not self.stand_in:
            raise ValueError("stand_in: must be true where the corpus is simulated")
        check_pattern("patient", self.patient)
        for split in SPLITS:
            samples_per_class(self.sizes, split, self.class_names)
        return self
