"""The config of the source `eeg`, and of its simulated corpus."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from blindtune.core.bounds import MAX_CHANNELS, MAX_MICROVOLTS, MAX_RECORDED_SECONDS, MAX_SAMPLING_RATE, MAX_SEED
from blindtune.core.validation import Strict, UserPath
from blindtune.datasets.base import Sizes, check_shares
from blindtune.datasets.corpus.config import CorpusConfig

CLASSES = ["background", "seizure"]
Hertz = Annotated[float, Field(gt=0, le=MAX_SAMPLING_RATE)]
Microvolts = Annotated[float, Field(gt=0, le=MAX_MICROVOLTS)]
Seconds = Annotated[float, Field(gt=0, le=MAX_RECORDED_SECONDS)]
Share = Annotated[float, Field(gt=0, lt=1)]
ChannelName = Annotated[str, Field(min_length=1, max_length=80, pattern=r"\S")]
ChannelNames = Annotated[list[ChannelName], Field(min_length=1, max_length=MAX_CHANNELS)]
EegCorruption = Literal[
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


class SimulatedEegConfig(Strict):
    """The config of a simulated corpus with the layout and the file formats of TUSZ."""

    layout: Literal["v1", "v2"] = Field(
        default="v2", description="v2: train, dev and eval, .csv and .csv_bi; v1: train and dev_test, .tse and .tse_bi"
    )
    patients: int = Field(default=24, ge=6, le=99_999, description="number of patients, over all splits")
    recordings: int = Field(
        default=2, ge=1, le=99, description="number of recordings of each patient, without those of faults"
    )
    seconds: int = Field(
        default=180,
        ge=60,
        le=int(MAX_RECORDED_SECONDS),
        description="length of each recording, in seconds; recordings with faults have 60 s",
    )
    seed: int = Field(default=1, ge=0, le=MAX_SEED, description="another seed gives other patients")
    faults: list[EegCorruption] = Field(
        default_factory=lambda: list[EegCorruption](["truncated", "interrupted", "twin", "colon_date", "new_names"]),
        description="faults that real corpora have; one more recording is written for each",
    )

    @model_validator(mode="after")
    def _check_faults(self) -> Self:
        if len(set(self.faults)) < len(self.faults):
            raise ValueError("faults: names one twice")
        return self


class EegConfig(CorpusConfig):
    """Segments of EEG recordings, seizure against background, as in dataset #12 of Shawki et al. 2021."""

    source: Literal["eeg"]
    folder: UserPath | None = Field(
        default=None,
        description="a TUSZ tree (v1.5 or v2), or any folder of EDF files with an annotation next to each; null: the "
        "corpus is simulated",
    )
    simulate: SimulatedEegConfig | None = Field(
        default=None, description="a simulated corpus, which the workflow writes; null: use folder"
    )
    split: Literal["corpus", "patients"] = Field(
        default="corpus",
        description="corpus: by the folders train, dev and eval of the corpus, as far as it has them; patients: "
        "patients are assigned at random, in shares",
    )
    dev: Share = Field(default=0.2, description="share of the patients in dev, where the corpus has no folder for it")
    eval: Share = Field(default=0.2, description="share of the patients in eval, where the corpus has no folder for it")
    sizes: Sizes = Field(description="number of segments in each split, half of them of each class")
    montage: Literal["tcp20", "tcp22", "mono19", "mono21", "as_recorded"] | ChannelNames = Field(
        default="tcp20",
        description="tcp20: the 20 bipolar TCP channels without A1-T3 and T4-A2 (an assumption: the paper only names "
        "'20 channels'); tcp22: with both; mono19, mono21: electrodes as recorded, without and with A1 and A2; "
        "as_recorded: the channels of the recordings, which must be the same in all; or a list of pairs and single "
        "channels, e.g. [Fp1-F7, F7-T7, Cz]",
    )
    l_freq: Hertz = Field(default=0.5, description="lower edge of the band-pass, in Hz")
    h_freq: Hertz = Field(
        default=35.0, description="upper edge of the band-pass, in Hz; frequencies above sfreq / 2 are always removed"
    )
    order: int = Field(default=4, ge=1, le=10, description="order of the Butterworth filter, which is run both ways")
    sfreq: int = Field(default=50, ge=10, le=MAX_SAMPLING_RATE, description="sampling rate of the segments, in Hz")
    segment: float = Field(default=10.0, ge=1, le=MAX_RECORDED_SECONDS, description="length of a segment, in seconds")
    longer_than: float = Field(
        default=15.0,
        ge=0,
        le=MAX_RECORDED_SECONDS,
        description="segments are only cut from intervals of one class that are longer than this, in seconds",
    )
    seizure_margin: float = Field(
        default=10.0, ge=0, le=MAX_RECORDED_SECONDS, description="seconds around a seizure that are not background"
    )
    nesz: Literal["leave_out", "seizure"] = Field(
        default="leave_out", description="non-epileptic seizures: leave_out: in no class; seizure: seizures"
    )
    flat: float = Field(
        default=0.5,
        ge=0,
        le=MAX_MICROVOLTS,
        description="a segment is left out if a channel's raw range is below this, in uV",
    )
    reject: Microvolts = Field(
        default=5000.0, description="a segment is left out if a channel's raw range is above this, in uV"
    )
    clipped: Share = Field(
        default=0.01,
        description="a segment is left out if more than this share of an electrode's samples is at the limits of the "
        "file",
    )
    min_amplitude: Microvolts = Field(
        default=1.0,
        description="a recording is bad if the median standard deviation of its channels within a second is below "
        "this, in uV",
    )
    max_amplitude: Microvolts = Field(
        default=500.0, description="a recording is bad if this median is above this, in uV"
    )
    frame_length: Seconds = Field(default=0.3, description="length of a frame of the view frames, in seconds")
    frame_hop: Seconds = Field(default=0.1, description="time from one frame to the next, in seconds")

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_shares(self.dev, self.eval)
        if self.l_freq >= min(self.h_freq, self.sfreq / 2):
            raise ValueError(f"l_freq: {self.l_freq} Hz must be below h_freq and half of sfreq")
        if self.min_amplitude >= self.max_amplitude or self.flat >= self.reject:
            raise ValueError("min_amplitude must be below max_amplitude, and flat below reject")
        for name in ("segment", "frame_length", "frame_hop"):
            _check_whole_samples(name, getattr(self, name), self.sfreq)
        if isinstance(self.montage, list) and len({name.upper() for name in self.montage}) < len(self.montage):
            raise ValueError("montage: names a channel twice")
        if self.frame_length > self.segment:
            raise ValueError("frame_length: must not be longer than segment")
        return self

    @property
    def class_names(self) -> list[str]:
        """Names of the classes: background and seizure."""
        return CLASSES


def _check_whole_samples(name: str, seconds: float, sfreq: int) -> None:
    samples = seconds * sfreq
    if abs(samples - round(samples)) > 1e-6 or round(samples) < 1:
        raise ValueError(f"{name}: {seconds} s are not a whole number of samples at {sfreq} Hz")
