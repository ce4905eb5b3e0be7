"""The part of a dataset's manifest that the report uses."""

from typing import Any, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from blindtune.datasets.base import SPLITS


class _Parameters(BaseModel):
    """What the report reads of the parameters, which are as the source wrote them otherwise."""

    bad_files: dict[str, str] | None = None
    left_out: list[tuple[str, str, str, int]] = []
    raw_sha256: dict[str, str] = {}
    unused: dict[str, int] = {}


class ReportLeaks(BaseModel):
    """How many samples are equal, as `blindtune.datasets.leaks.Leaks` counted them."""

    rule: str
    removed: dict[str, int]
    shared: dict[str, dict[str, int]]
    repeated: dict[str, int]
    repeated_in_class: dict[str, int]
    other_label: dict[str, int]
    elsewhere: list[str] = Field(default=[], description="evals that are open in another dataset, one sentence each")


class ReportManifest(BaseModel):
    """The part of a dataset's manifest that the report uses."""

    classes: list[str]
    counts: dict[str, dict[str, int]] = Field(description="samples by split and class")
    axes: list[str]
    sample_shape: list[int]
    units: str
    published: str | None
    stand_in: bool
    source: dict[str, Any]
    parameters: dict[str, Any]
    splits: dict[str, str]
    manifest_sha256: str | None = Field(default=None, description="digest of the manifest's own content")
    eval_content_sha256: str | None = Field(default=None, description="identifies eval's samples in any order")
    eval_recordings: dict[str, Any] | None = Field(default=None, description="whole recordings of eval, if any")
    versions: dict[str, str]
    leaks: ReportLeaks | None = Field(default=None, description="equal samples; None if they were not looked for")

    @field_validator("parameters")
    @classmethod
    def _check_parameters(cls, parameters: dict[str, Any]) -> dict[str, Any]:
        _Parameters.model_validate(parameters)
        return parameters

    @model_validator(mode="after")
    def _check_splits(self) -> Self:
        for split in SPLITS:
            if split not in self.splits or set(self.counts.get(split, {})) != set(self.classes):
                raise ValueError(f"counts, splits: {split} is missing or incomplete")
        return self

    @property
    def of_corpus(self) -> bool:
        """Whether the dataset was extracted from a corpus of many raw files."""
        return "raw_sha256" in self.parameters

    @property
    def bad_files(self) -> dict[str, str] | None:
        """The rejected raw files with the reasons; None if the dataset has no raw files."""
        return self.parameters.get("bad_files")

    @property
    def unused(self) -> dict[str, int]:
        """How many files, regions, slides, patients and labels of a corpus are not used without being bad."""
        return dict(self.parameters.get("unused", {}))

    @property
    def equal_files(self) -> list[tuple[str, str, str, str]]:
        """The raw files that hold the same as another: file, split, other file and its split."""
        found = self.parameters.get("equal_files", [])
        return [(str(file), str(split), str(other), str(of)) for file, split, other, of in found]

    @property
    def left_out(self) -> list[tuple[str, str, str, int]]:
        """What each filter left out of a corpus: split, rule, class and count."""
        found = self.parameters.get("left_out", [])
        return [(str(split), str(rule), str(label), int(count)) for split, rule, label, count in found]
