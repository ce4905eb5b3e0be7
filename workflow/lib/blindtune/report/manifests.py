"""What the report says of a dataset, out of its manifest."""

from typing import Any

from pydantic import BaseModel, Field


class ReportManifest(BaseModel):
    """What the report says of a dataset, out of its manifest."""

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
    versions: dict[str, str]

    @property
    def of_corpus(self) -> bool:
        """Whether it was cut from a corpus of many raw files."""
        return "raw_sha256" in self.parameters

    @property
    def bad_files(self) -> dict[str, str] | None:
        """The raw files that gave no sample, each with the reason; None where files are not read one by one."""
        return self.parameters.get("bad_files")

    @property
    def left_out(self) -> list[tuple[str, str, str, int]]:
        """Split, rule, class and count of what each filter left out of a corpus."""
        found = self.parameters.get("left_out", [])
        return [(str(split), str(rule), str(label), int(count)) for split, rule, label, count in found]
