"""The config of the source `eeg`, and of the stand-in corpus that it can make."""

from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from blindtune.core.validation import Strict
from blindtune.datasets.base import Sizes, check_shares
from blindtune.datasets.corpus.config import Corpus, RawFile
from blindtune.datasets.corpus.filetree import check_annotated
from blindtune.datasets.corpus.survey import Candidate, Survey, check_apart

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from blindtune.datasets.eeg.discovery import Recording

CLASSES = ["background", "seizure"]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, lt=1)]
FaultName = Literal[
    "truncated",
    "too_many_records",
    "cut_header",
    "empty",
    "web_page",
    "no_data",
    "unknown_unit",
    "no_unit",
    "wrong_unit",
    "no_physical_range",
    "no_digital_range",
    "double_channel",
    "missing_channel",
    "unlike_rates",
    "interrupted",
    "annotated_past_the_end",
    "malformed_annotation",
    "no_annotation",
    "twin",
    "colon_date",
    "wrong_time",
    "open_records",
    "new_names",
    "annotated_to_the_full_second",
]


class StandIn(Strict):
    """A made corpus in the layout of TUSZ."""

    layout: Literal["v1", "v2"] = Field(
        default="v2", description="v2: train, dev and eval, .csv and .csv_bi; v1: train and dev_test, .tse and .tse_bi"
    )
    patients: int = Field(default=24, ge=6, le=99_999, description="patients, over all splits")
    recordings: int = Field(default=2, ge=1, le=99, description="recordings of each patient, besides those with faults")
    seconds: int = Field(default=180, ge=60, description="length of each recording; those with faults have 60")
    seed: int = Field(default=1, description="another seed gives other patients")
    faults: list[FaultName] = Field(
        default_factory=lambda: list[FaultName](["truncated", "interrupted", "twin", "colon_date", "new_names"]),
        description="one more recording for each, which has this fault on purpose",
    )


class Eeg(Corpus):
    """Segments of EEG recordings, seizure against background, as in dataset #12 of Shawki et al. 2021."""

    views: ClassVar[tuple[str, ...]] = ("samples", "features", "frames")
    dealt_by: ClassVar[tuple[str, ...]] = ("split", "dev", "eval")

    source: Literal["eeg"]
    folder: str | None = Field(
        default=None, description="a TUSZ tree (v1.5 or v2), or any folder of EDF files with annotations beside them"
    )
    made: StandIn | None = Field(default=None, description="a stand-in corpus, made by the workflow, instead of folder")
    split: Literal["corpus", "patients"] = Field(
        default="corpus",
        description="corpus: its own folders train, dev and eval, as far as it has them; patients: by patient",
    )
    dev: Share = Field(default=0.2, description="share of patients in dev, where the corpus does not say")
    eval: Share = Field(default=0.2, description="share of patients in eval, where the corpus does not say")
    sizes: Sizes = Field(description="segments per split, half of them of each class")
    montage: Literal["tcp20", "tcp22", "mono19", "mono21"] = Field(
        default="tcp20",
        description="tcp20: the 20 bipolar TCP channels without A1-T3 and T4-A2 (an assumption: the paper says "
        "'20 channels'); tcp22: with both; mono19, mono21: electrodes as recorded, without and with A1 and A2",
    )
    low: Positive = Field(default=0.5, description="lower edge of the band-pass, in Hz")
    high: Positive = Field(
        default=35.0, description="upper edge of the band-pass, in Hz; what rate cannot hold is removed in any case"
    )
    order: int = Field(default=4, ge=1, le=10, description="order of the Butterworth filter, which runs both ways")
    rate: int = Field(default=50, ge=10, description="sampling rate of the segments, in Hz")
    segment: float = Field(default=10.0, ge=1, allow_inf_nan=False, description="length of a segment, in seconds")
    longer_than: float = Field(
        default=15.0, ge=0, allow_inf_nan=False, description="segments are cut from longer stretches only, in seconds"
    )
    guard: float = Field(
        default=10.0, ge=0, allow_inf_nan=False, description="seconds around a seizure that are not background"
    )
    nesz: Literal["leave_out", "seizure"] = Field(
        default="leave_out", description="non-epileptic seizures: in no class, or in that of seizures"
    )
    flat: float = Field(
        default=0.5, ge=0, description="a segment is left out if a channel's raw range is below this, in uV"
    )
    loud: Positive = Field(
        default=5000.0, description="a segment is left out if a channel's raw range is above this, in uV"
    )
    clipped: Share = Field(
        default=0.01, description="a segment is left out if more of an electrode's samples are at its limits"
    )
    quietest: Positive = Field(
        default=1.0,
        description="a recording is bad if the median of its channels' standard deviations within a second is less, uV",
    )
    loudest: Positive = Field(default=500.0, description="a recording is bad if this median is more, in uV")
    window: Positive = Field(default=0.3, description="length of a frame, in seconds")
    step: Positive = Field(default=0.1, description="from one frame to the next, in seconds")

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_shares(self.dev, self.eval)
        if self.low >= min(self.high, self.rate / 2):
            raise ValueError(f"low: {self.low} Hz must be below high and half of rate")
        if self.quietest >= self.loudest or self.flat >= self.loud:
            raise ValueError("quietest must be below loudest, and flat below loud")
        for name in ("segment", "window", "step"):
            _whole_samples(name, getattr(self, name), self.rate)
        if self.window > self.segment:
            raise ValueError("window: must not be longer than segment")
        return self

    def names(self) -> list[str]:
        """Background and seizure."""
        return CLASSES

    def is_simulated(self) -> bool:
        """Whether the corpus is a stand-in."""
        return self.made is not None

    def list_files(self) -> list[RawFile]:
        """The recordings, each with the annotations that are known beside it."""
        from blindtune.datasets.eeg import annotations
        from blindtune.datasets.eeg import discovery as corpus
        from blindtune.datasets.eeg.simulated import corpus as standin

        found = list(self._recordings.values())
        splits = corpus.assign(found, self)
        if self.made is not None:
            own = {piece.file: standin.beside(piece, self.made) for piece in standin.pieces(self.made)}
        else:
            own = {one.file: annotations.names_beside(Path(str(self.folder)), one.file) for one in found}
            check_annotated(own.values(), annotations.SUFFIXES)
        check_apart((one.file, one.patient, splits[one.file]) for one in found)
        return [RawFile(one.file, tuple(own[one.file]), splits[one.file]) for one in found]

    def simulate(self, file: str, folder: Path) -> None:
        """Make one recording of the stand-in and its annotations."""
        from blindtune.datasets.eeg.simulated import corpus as standin

        if self.made is None:
            raise TypeError("this corpus is the user's own")
        standin.write(self.made, file, folder)

    def survey(self, folder: Path, raw: RawFile) -> Survey:
        """Where segments can be cut from a recording, or what is wrong with it."""
        from blindtune.datasets.eeg import survey

        return survey.survey(folder, self._recordings[raw.file], raw.split, self)

    def cut(self, folder: Path, survey: Survey, candidates: list[Candidate]) -> "NDArray[np.float32]":
        """The segments: (segments, channels, samples) in microvolts."""
        from blindtune.datasets.eeg.survey import cut

        return cut(folder, survey.file, candidates, self)

    def describe(self, surveys: list[Survey]) -> dict[str, Any]:
        """Axes, unit, the filter by its exact name, and how many recordings have which sampling rate, in Hz."""
        from blindtune.datasets.eeg import montages
        from blindtune.datasets.eeg import preprocessing as recordings

        return {
            "axes": ["sample", "channel", "time"],
            "units": "uV",
            "channels": montages.CHANNELS[self.montage],
            "filter": recordings.describe(self),
            "rates": dict(sorted(Counter(f"{survey.facts['rate']:g}" for survey in surveys).items())),
        }

    @cached_property
    def _recordings(self) -> "dict[str, Recording]":
        """The recordings, by their paths."""
        from blindtune.datasets.eeg import discovery as corpus
        from blindtune.datasets.eeg.simulated import corpus as standin

        if self.made is not None:
            found = corpus.recordings(standin.files(self.made), self)
        else:
            found = corpus.find(Path(str(self.folder)), self)
        return {one.file: one for one in found}


def _whole_samples(name: str, seconds: float, rate: int) -> None:
    samples = seconds * rate
    if abs(samples - round(samples)) > 1e-6 or round(samples) < 1:
        raise ValueError(f"{name}: {seconds} s hold no whole number of samples at {rate} Hz")
