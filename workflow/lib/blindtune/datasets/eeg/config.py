"""The config of the source `eeg`, and of its simulated corpus."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from blindtune.core.bounds import (
    MAX_CHANNELS,
    MAX_LABEL,
    MAX_MICROVOLTS,
    MAX_RECORDED_SECONDS,
    MAX_SAMPLING_RATE,
    MAX_SEED,
)
from blindtune.core.validation import Strict, UserPath, is_none
from blindtune.datasets.base import Sizes, check_shares
from blindtune.datasets.corpus.config import CorpusConfig
from blindtune.datasets.corpus.globs import check_glob

CLASSES = ["background", "seizure"]
Hertz = Annotated[float, Field(gt=0, le=MAX_SAMPLING_RATE)]
Microvolts = Annotated[float, Field(gt=0, le=MAX_MICROVOLTS)]
Seconds = Annotated[float, Field(gt=0, le=MAX_RECORDED_SECONDS)]
Share = Annotated[float, Field(gt=0, lt=1)]
ChannelName = Annotated[str, Field(min_length=1, max_length=80, pattern=r"\S")]
ChannelNames = Annotated[list[ChannelName], Field(min_length=1, max_length=MAX_CHANNELS)]
EventLabel = Annotated[str, Field(min_length=1, max_length=MAX_LABEL)]
Kind = Literal["seizure", "non_epileptic", "other", "seizure_start", "seizure_stop"]
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


class EventLabelsConfig(Strict):
    """What the labels of annotations mean, beyond those that the layout knows.

    Case does not matter, and ``*`` stands for any text. A label that is listed goes before one with ``*``.
    """

    seizure: list[EventLabel] = Field(default_factory=list, description="labels of seizures")
    non_epileptic: list[EventLabel] = Field(
        default_factory=list, description="labels of non-epileptic seizures, which the key nesz puts in a class or none"
    )
    other: list[EventLabel] = Field(default_factory=list, description="labels of events that are not seizures")
    seizure_start: list[EventLabel] = Field(
        default_factory=list, description="edf_plus: texts at the start of a seizure; null or empty: none"
    )
    seizure_stop: list[EventLabel] = Field(default_factory=list, description="edf_plus: texts at the end of a seizure")

    def by_kind(self) -> dict[Kind, list[str]]:
        """Return the labels by what they mean."""
        return {
            "seizure": self.seizure,
            "non_epileptic": self.non_epileptic,
            "other": self.other,
            "seizure_start": self.seizure_start,
            "seizure_stop": self.seizure_stop,
        }

    @model_validator(mode="after")
    def _check_labels(self) -> Self:
        listed = [text.strip().casefold() for texts in self.by_kind().values() for text in texts]
        if twice := [text for text in listed if listed.count(text) > 1]:
            raise ValueError(f"event_labels: {twice[0]!r} is listed twice")
        if bool(self.seizure_start) != bool(self.seizure_stop):
            raise ValueError("seizure_start, seizure_stop: give both or none")
        return self


class EegConfig(CorpusConfig):
    """Segments of EEG recordings, seizure against background, as in dataset #12 of Shawki et al. 2021."""

    source: Literal["eeg"]
    folder: UserPath | None = Field(
        default=None,
        description="a tree of TUSZ (v1.5 or v2), BIDS, CHB-MIT or Siena, or any folder of EDF files with annotations; "
        "null: the corpus is simulated",
    )
    simulate: SimulatedEegConfig | None = Field(
        default=None, description="a simulated corpus, which the workflow writes; null: use folder"
    )
    files: str | None = Field(
        default=None,
        description="a pattern of the paths below the folder that are recordings, e.g. '**/*_eeg.edf': * is any text "
        "without a slash, ** any folders, ? one letter, case does not matter; null: all that are recordings by their "
        "suffix, but for other modalities of BIDS (_ecg, _emg, ...) and its derivatives",
    )
    same_patient: dict[str, str] = Field(
        default_factory=dict,
        description="names of patients who have another name too, and that name, e.g. {sub-21: sub-01}; of CHB-MIT, "
        "chb21 is chb01 without it",
    )
    annotations: Literal["auto", "tusz", "bids", "chbmit", "siena", "edf_plus", "table"] = Field(
        default="auto",
        description="where seizures are annotated: tusz: .csv_bi, .tse_bi, .csv, .tse next to a recording; bids: "
        "_events.tsv; chbmit: -summary.txt; siena: Seizures-list-*.txt; edf_plus: inside of the recordings, with "
        "event_labels; table: one table; auto: by the files that are there, if they are of one layout",
    )
    annotation_table: UserPath | None = Field(
        default=None,
        description="path of a table with the columns file, start, stop and label, in seconds; null: annotations.csv "
        "in the folder, if annotations is table or auto and it is there",
    )
    event_labels: EventLabelsConfig | None = Field(
        default=None, description="what labels mean that the layout does not know; null: only those that it knows"
    )
    unannotated: Literal["reject", "skip", "background"] = Field(
        default="reject",
        description="recordings without an annotation: reject: bad files; skip: not used, and listed in "
        "unused.tsv; background: they have no seizure",
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
        "channels, e.g. [Fp1-F7, F7-T7, Cz]; of 'BTEleft SD | BTEright SD' the first that a recording has is taken",
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
        description="a segment is left out if a channel's raw range is below this for a second, in uV",
    )
    reject: Microvolts = Field(
        default=5000.0, description="a segment is left out if a channel's raw range is above this, in uV"
    )
    clipped: Share = Field(
        default=0.01,
        description="a segment is left out if more than this share of an electrode's samples is at the limits of the "
        "file, or more than ten times this share of those in a second",
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

    event_step: Seconds | None = Field(
        default=None,
        exclude_if=is_none,
        description="event-based scores (sensitivity, precision, F1, false alarms per day): each whole recording of "
        "eval is answered in windows of the length segment, this many seconds apart (from a hundredth of segment "
        "to all of it), when a model is decoded; it must be set before; null: none",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_shares(self.dev, self.eval)
        self._check_annotations()
        if self.l_freq >= min(self.h_freq, self.sfreq / 2):
            raise ValueError(f"l_freq: {self.l_freq} Hz must be below h_freq and half of sfreq")
        if self.min_amplitude >= self.max_amplitude or self.flat >= self.reject:
            raise ValueError("min_amplitude must be below max_amplitude, and flat below reject")
        for name in ("segment", "frame_length", "frame_hop"):
            _check_whole_samples(name, getattr(self, name), self.sfreq)
        listed = [[part.strip().upper() for part in name.split("|")] for name in self.montage]
        if isinstance(self.montage, list) and len(set(map(tuple, listed))) < len(listed):
            raise ValueError("montage: names a channel twice")
        for name, parts in zip(self.montage, listed, strict=True) if isinstance(self.montage, list) else ():
            if not all(parts) or len(set(parts)) < len(parts):
                raise ValueError(f"montage: {name!r} needs different channels on both sides of |")
        if self.event_step is not None:
            _check_whole_samples("event_step", self.event_step, self.sfreq)
            if self.event_step > self.segment:
                raise ValueError("event_step: must not be longer than segment, or some time is in no window")
            if round(self.event_step * self.sfreq) * 100 < round(self.segment * self.sfreq):
                raise ValueError(
                    f"event_step: must be at least a hundredth of segment, {self.segment / 100:g} s; each second "
                    "would be answered more than a hundred times"
                )
        if self.frame_length > self.segment:
            raise ValueError("frame_length: must not be longer than segment")
        return self

    def _check_annotations(self) -> None:
        if self.annotation_table is not None and self.annotations not in ("auto", "table"):
            raise ValueError(f"annotation_table: is not used by annotations: {self.annotations}; take one of them out")
        labels = self.event_labels
        if self.annotations == "edf_plus" and not (labels and (labels.seizure or labels.seizure_start)):
            raise ValueError("event_labels: must say which texts are seizures, since annotations is edf_plus")
        if self.annotations != "edf_plus" and labels and labels.seizure_start:
            raise ValueError("seizure_start: only texts inside of recordings have it; set annotations: edf_plus")
        if self.is_simulated and self.annotations not in ("auto", "tusz"):
            raise ValueError("annotations: a simulated corpus has those of TUSZ")
        if self.is_simulated and (self.files is not None or self.annotation_table is not None):
            raise ValueError("files, annotation_table: a simulated corpus has its own")
        if self.files is not None:
            check_glob("files", self.files)
        if set(self.same_patient) & set(self.same_patient.values()):
            raise ValueError("same_patient: a name is on both sides; give the same name for all of a patient's")

    @property
    def class_names(self) -> list[str]:
        """Names of the classes: background and seizure."""
        return CLASSES


def _check_whole_samples(name: str, seconds: float, sfreq: int) -> None:
    samples = seconds * sfreq
    if abs(samples - round(samples)) > 1e-6 or round(samples) < 1:
        raise ValueError(f"{name}: {seconds} s are not a whole number of samples at {sfreq} Hz")
