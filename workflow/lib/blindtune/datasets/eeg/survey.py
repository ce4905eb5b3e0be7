"""What one recording offers, and the segments that are cut from it."""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from blindtune.core.errors import UserError
from blindtune.core.files import digest_file, open_regular_file, write_atomically
from blindtune.core.sums import add_in_order
from blindtune.datasets.corpus import recordings
from blindtune.datasets.corpus.base import OpenRawFile
from blindtune.datasets.corpus.recordings import WholeRecording
from blindtune.datasets.corpus.survey import Candidate, Survey, fold_group
from blindtune.datasets.eeg import edf_header, montages, preprocessing, segments
from blindtune.datasets.eeg.annotations.base import (
    AnnotationReader,
    Annotations,
    Interval,
    RecordingTimes,
    Unannotated,
    merge_intervals,
)
from blindtune.datasets.eeg.annotations.nedc import NedcReader
from blindtune.datasets.eeg.config import CLASSES, EegConfig
from blindtune.datasets.eeg.discovery import Recording
from blindtune.datasets.eeg.edf_header import Header, Stretch
from blindtune.datasets.eeg.errors import UnusableRecording
from blindtune.datasets.eeg.montages import Derivation
from blindtune.datasets.eeg.preprocessing import Signals, StretchFilter
from blindtune.datasets.eeg.recording_file import RecordingFile
from blindtune.datasets.eeg.segments import LabelledInterval

#: Letters of the shortest code of a patient that is compared: shorter ones are the same by chance.
MIN_CODE = 3
#: Output samples that are filtered at once of a recording that is not in memory.
MAX_FILTERED = 200_000


class OpenRecording(OpenRawFile):
    """An open recording: its file is read once, for the digests, the header, the survey and the segments.

    If the file is too large to be kept, the parts with segments are read a second time to cut them.
    """

    def __init__(
        self,
        folder: Path,
        recording: Recording,
        split: str,
        config: EegConfig,
        reader: AnnotationReader | None = None,
        patients: Collection[str] = (),
    ) -> None:
        """Open the file.

        Args:
            folder: folder of the corpus.
            recording: a recording of the corpus.
            split: the split of the recording.
            config: the config of the dataset.
            reader: what reads its annotations; None: those of TUSZ, next to it.
            patients: the patients of the corpus, each by `blindtune.datasets.corpus.survey.fold_group`.

        Raises:
            UserError: the file is gone.
        """
        self._folder, self._path = folder, folder / recording.file
        self._reader = reader or NedcReader(folder, (), config)
        self._patients = patients
        self._recording, self._split, self._config = recording, split, config
        self._opened: RecordingFile | None = None
        self._seizures: list[Interval] = []
        self._stream = open_regular_file(self._path)

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
        if self._opened is not None:
            self._opened.close()

    def survey(self) -> Survey:
        """Return where segments of which class can be cut, or what is wrong with the recording.

        Returns:
            The survey. ``bad`` is a fault of the file. ``left_out`` counts what each rule removed, by class, in the
            unit that the name of the rule tells.

        Raises:
            UserError: an annotation of all recordings cannot be used.
        """
        file = self._recording.file
        result = Survey(file=file, sha256={}, group=self._recording.patient, split=self._split)
        if self._recording.montage is not None:
            result.facts["montage"] = self._recording.montage
        try:
            if self._recording.twin is not None:
                raise UnusableRecording(f"is the same recording as {self._recording.twin}")
            self._fill(result)
            self._file.finish()
        except Unannotated as error:
            if self._config.unannotated == "skip":
                result.skipped, result.candidates, result.left_out = f"{error} (unannotated: skip)", [], {}
            else:
                result.bad, result.candidates, result.left_out = str(error), [], {}
        except UnusableRecording as error:
            result.bad, result.candidates, result.left_out = str(error), [], {}
        try:
            result.sha256[file] = self._digest()
        except UserError:
            # A disk that fails at one bad recording is no fault of the others.
            if result.bad is None:
                raise
        if self._opened is not None and "rate" in result.facts:
            # Another montage takes other channels of the same recording.
            result.content, result.origin = self._opened.channels_digest, self._opened.data_digest
        return result

    def cut(self, candidates: Sequence[Candidate]) -> NDArray[np.float32]:
        """Return the segments of some candidates.

        The recording is filtered as a whole, so that segments have no edge effects, or as if it were.

        Args:
            candidates: candidates of a survey of this recording.

        Returns:
            (n_candidates, n_channels, n_times) float32 in microvolts, in the order of the candidates.

        Raises:
            UserError: the recording is not the one that was surveyed.
        """
        length = segments.samples_per_segment(self._config)
        try:
            self._check_header()
            out = np.empty((len(candidates), len(self._derivation.names), length), dtype=np.float32)
            rows: dict[int, dict[int, int]] = {}
            for row, candidate in enumerate(candidates):
                number = self._number_at(candidate.place["start"])
                start = candidate.place["start"] - self._stretches[number].start
                rows.setdefault(number, {})[row] = round(start * self._config.sfreq)
            for number in sorted(rows):
                self._cut_stretch(self._stretches[number], rows[number], out)
        except UnusableRecording as error:
            raise UserError(f"{self._path}: {error}. It was good when it was surveyed; survey it again.") from error
        return out

    def _cut_stretch(self, stretch: Stretch, starts: dict[int, int], out: NDArray[np.float32]) -> None:
        """Write the segments of one stretch into their rows.

        Args:
            stretch: the stretch.
            starts: first sample of each segment, by its row.
            out: the segments of all stretches.
        """
        length = out.shape[2]
        end = int(stretch.seconds * self._config.sfreq + 1e-6)
        for start in starts.values():
            if start < 0 or start + length > end:
                at = stretch.start + start / self._config.sfreq
                raise UserError(f"{self._path}: has no segment at {at} s; survey it again.")
        if self._file.is_whole:
            x = preprocessing.filter_recording(self._signals, self._derivation, stretch, self._config)
            for row, start in starts.items():
                out[row] = x[:, start : start + length]
            return
        parts = StretchFilter(self._signals, self._derivation, stretch, self._config)
        for rows in _group_starts(starts, length, parts.margin):
            first = min(starts[row] for row in rows)
            x = parts.part(first, max(starts[row] for row in rows) + length)
            for row in rows:
                out[row] = x[:, starts[row] - first : starts[row] - first + length]

    def write_whole(self, path: Path) -> WholeRecording | None:
        """Write the whole recording, filtered as its segments are, for event-based scores if the config has them.

        Args:
            path: of the array, (n_times, n_channels) float32 in microvolts, one stretch after the other.

        Returns:
            What was written, or None.

        Raises:
            UserError: the recording is not the one that was surveyed.
        """
        config = self._config
        if config.event_step is None:
            return None
        found, total = [], 0
        for stretch in self._stretches:
            samples = self._count_samples(stretch)
            found.append(recordings.WrittenStretch(first=total, samples=samples, start=stretch.start))
            total += samples
        try:
            write_atomically(path, partial(self._write_stretches, found, total))
        except UnusableRecording as error:
            raise UserError(f"{self._path}: {error}. It was good when it was surveyed; survey it again.") from error
        return WholeRecording(
            rate=config.sfreq,
            window=segments.samples_per_segment(config),
            step=round(config.event_step * config.sfreq),
            label=CLASSES.index("seizure"),
            end=self._stretches[-1].end,
            stretches=found,
            events=self._seizures,
            sha256=digest_file(path),
        )

    def _write_stretches(self, found: list[recordings.WrittenStretch], total: int, path: Path) -> None:
        """Write the channels of all stretches, part by part of a recording that is not in memory."""
        head = {"descr": "<f4", "fortran_order": False, "shape": (total, len(self._derivation.names))}
        # Not through a memory map, which ends the process if the disk is full.
        with path.open("wb") as stream:
            np.lib.format.write_array_header_1_0(stream, head)
            for one, stretch in zip(found, self._stretches, strict=True):
                for x in self._filter_in_parts(stretch, one.samples):
                    np.ascontiguousarray(x.T, dtype="<f4").tofile(stream)

    def _filter_in_parts(self, stretch: Stretch, samples: int) -> Iterator[NDArray[np.float64]]:
        """Return the first samples of a stretch, filtered: at once if the recording is in memory."""
        if self._file.is_whole:
            yield preprocessing.filter_recording(self._signals, self._derivation, stretch, self._config)[:, :samples]
            return
        parts = StretchFilter(self._signals, self._derivation, stretch, self._config)
        for start in range(0, samples, MAX_FILTERED):
            yield parts.part(start, min(start + MAX_FILTERED, samples))

    def _number_at(self, seconds: float) -> int:
        """Return the number of the stretch that a segment begins in."""
        return max(0, bisect_right(self._starts, seconds + 1e-6) - 1)

    @cached_property
    def _file(self) -> RecordingFile:
        self._opened = RecordingFile(self._path, self._stream)
        return self._opened

    def _digest(self) -> str:
        """Return the SHA-256 of the file, good or bad.

        Raises:
            UserError: it cannot be read.
        """
        if self._opened is not None:
            try:
                self._opened.finish()
                return self._opened.file_digest
            except UnusableRecording:
                pass
        return digest_file(self._path)

    @property
    def _header(self) -> Header:
        return self._file.header

    @cached_property
    def _derivation(self) -> Derivation:
        """How the channels of the montage are derived from those of the file."""
        return montages.find_derivation(self._header.signal_labels, montages.create_montage(self._config.montage))

    @property
    def _channels(self) -> list[int]:
        """The numbers of the channels of the file that are needed."""
        return list(self._derivation.sources)

    @cached_property
    def _signals(self) -> Signals:
        return Signals(self._file, self._channels)

    @cached_property
    def _gaps(self) -> tuple[list[Stretch], list[str]]:
        """The stretches of the recording, and notes about them."""
        header = self._header
        rate = min(header.rate(header.signals[number]) for number in self._channels)
        return edf_header.find_stretches(header, self._file.peek, rate)

    @property
    def _stretches(self) -> list[Stretch]:
        return self._gaps[0]

    @cached_property
    def _starts(self) -> list[float]:
        return [one.start for one in self._stretches]

    def _check_header(self) -> list[str]:
        """Refuse a recording that cannot be trusted; return what does not matter, in words."""
        return edf_header.check_header(self._header, self._channels, self._config.sfreq)

    def _check_patient(self) -> list[str]:
        """Refuse a recording whose header has the code or name of another patient of the corpus; return it as a note.

        Any other code is not used, and stays in the header: it may be a name.
        """
        patient = self._recording.patient
        for code in (self._header.patient, self._header.name):
            folded = fold_group(code)
            if len(code) >= MIN_CODE and folded != fold_group(patient) and folded in self._patients:
                text = f"is of the patient {code} by its header, of {patient} by its path"
                if self._config.leaks == "report":
                    return [text]
                raise UnusableRecording(text)
        return []

    def _fill(self, result: Survey) -> None:
        config = self._config
        notes = self._check_header() + list(self._derivation.notes)
        header = self._header
        stretches, about_gaps = self._gaps
        notes += about_gaps + self._check_patient()
        self._file.watch(self._channels)
        seconds = stretches[-1].end
        annotated = self._annotations(header, seconds)
        within = annotated or Annotations([], [], 0.0, notes=("has no annotation; background (unannotated)",))
        result.sha256 |= {name: digest_file(self._folder / name) for name in within.files}
        notes += within.notes
        result.facts |= {
            "rate": float(self._signals.rate),
            "seconds": seconds,
            "labels": header.labels[self._channels[0]],
            "annotations": _name_sources(annotated),
            "events": dict(within.labels),
            "seizures": len(within.seizures),
            "notes": notes,
        }
        if config.montage == montages.AS_RECORDED:
            result.facts["channels"] = list(self._derivation.names)
        found = segments.find_intervals(within, seconds, config)
        self._seizures = [(one.start, one.stop) for one in found if one.label == "seizure"]
        if self._is_written_whole:
            self._keep_reachable(notes)
        if len(stretches) > 1:
            found = segments.split_at_gaps(found, stretches)
        left_out = _count_left_out(within, found, seconds, config)
        offered = [
            Candidate(label=one.label, place={"start": at})
            for one in found
            for at in segments.segment_starts(one, config)
        ]
        if offered:
            result.candidates = self._sound(offered, left_out, notes)
        elif self._is_written_whole:
            self._check_all(notes)
        result.left_out = {rule: by_class for rule, by_class in left_out.items() if any(by_class.values())}

    @property
    def _is_written_whole(self) -> bool:
        """Whether `write_whole` is called for a good recording."""
        return self._config.event_step is not None and self._split == "eval"

    def _count_samples(self, stretch: Stretch) -> int:
        """Return the number of output samples of a stretch."""
        return int(stretch.seconds * self._config.sfreq + 1e-6)

    def _keep_reachable(self, notes: list[str]) -> None:
        """Drop the seizures that no window of event-based scores overlaps, since no model could find them."""
        length = segments.samples_per_segment(self._config)
        answered = [one for one in self._stretches if self._count_samples(one) >= length]
        reached = dict.fromkeys(number for number, _ in segments.find_overlaps(self._seizures, answered))
        kept = [self._seizures[number] for number in reached]
        if len(kept) < len(self._seizures):
            notes.append(
                f"{len(self._seizures) - len(kept)} seizures are in gaps or in stretches shorter than a segment; "
                "event-based scores do not count them"
            )
        self._seizures = kept

    def _check_all(self, notes: list[str]) -> None:
        """Read a recording that offers no segment once, since it is written whole, and check its amplitude."""
        signals, amplitudes = self._signals, []
        length = min(self._config.segment, preprocessing.WINDOW)
        for stretch in self._stretches:
            for number in range(math.ceil(stretch.seconds / length)):
                start = number * length
                seconds = min(length, stretch.seconds - start)
                if seconds * min(signals.rates) < 1:
                    continue
                channels = self._derivation.derive(signals.between(stretch, stretch.start + start, seconds))
                if channels.shape[1] >= round(signals.rate):
                    amplitudes.append(segments.amplitude(channels, float(signals.rate)))
        notes += signals.warnings
        if amplitudes:
            self._check_amplitude(amplitudes)

    def _check_amplitude(self, amplitudes: list[float]) -> None:
        """Refuse a recording whose unit or scale must be wrong, by the amplitudes of its parts in microvolts."""
        config = self._config
        median = float(np.median(amplitudes))
        if median == 0:
            raise UnusableRecording("has a median amplitude of 0 uV: most of its channels are flat most of the time")
        if not config.min_amplitude <= median <= config.max_amplitude:
            raise UnusableRecording(
                f"has a median amplitude of {median:.3g} uV, outside {config.min_amplitude:g} to "
                f"{config.max_amplitude:g}: its unit or scale must be wrong"
            )

    def _annotations(self, header: Header, seconds: float) -> Annotations | None:
        """Return the annotations within the recording; None if it has none and is background for that.

        Raises:
            UnusableRecording: they cannot be used, or it has none and next to it are some of no recording.
        """
        times = RecordingTimes(self._recording.file, seconds, _time_of_day(header.time), self._file)
        try:
            return self._reader.read(times).within(seconds)
        except Unannotated as error:
            if self._config.unannotated != "background":
                raise
            # Seizures under a misspelt name would be background.
            if lost := self._reader.list_lost(PurePosixPath(self._recording.file).parent):
                raise UnusableRecording(
                    f"{error}, but {PurePosixPath(lost[0]).name} is there, which is of no recording; correct its name, "
                    "or move it away"
                ) from error
            return None

    def _sound(
        self, offered: list[Candidate], left_out: dict[str, dict[str, int]], notes: list[str]
    ) -> list[Candidate]:
        """Return the candidates whose raw signal is good; count the others in ``left_out`` and extend ``notes``."""
        config, signals = self._config, self._signals
        limits = np.array([_clipping_limits(self._header, number) for number in self._channels])
        checked, amplitudes = [], []
        for candidate in offered:
            start = float(candidate.place["start"])
            electrodes = signals.between(self._stretches[self._number_at(start)], start, config.segment)
            channels = self._derivation.derive(electrodes)
            amplitudes.append(segments.amplitude(channels, float(signals.rate)))
            checked.append(segments.check_segment(channels, electrodes, limits, config))
        notes += signals.warnings
        names = [montages.parse_label(self._header.labels[number]).first for number in self._channels]
        dropouts, references = segments.find_dropouts(checked, names)
        kept = []
        for candidate, quality, dropped in zip(offered, checked, dropouts, strict=True):
            reason = quality.reason or ("flat" if dropped else None)
            if reason is None:
                kept.append(candidate)
            else:
                counts = left_out.setdefault(f"{reason} segments", dict.fromkeys(CLASSES, 0))
                counts[candidate.label] += 1
        if kept and references:
            notes.append(f"{' and '.join(references)} flat in all segments; taken as the reference of the recording")
        self._check_amplitude(amplitudes)
        return kept


def _name_sources(annotated: Annotations | None) -> str:
    """Return where annotations were: suffixes of files, ``inside`` or ``none``."""
    if annotated is None:
        return "none"
    return ", ".join(PurePosixPath(name).suffix for name in annotated.files) or "inside"


def _time_of_day(text: str) -> float | None:
    """Return the start of a header in seconds after midnight; None if it is not valid."""
    parts = text.split(".")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts):
        return None
    hours, minutes, seconds = map(int, parts)
    return float(hours * 3600 + minutes * 60 + seconds) if hours < 24 and minutes < 60 and seconds < 60 else None


def _count_left_out(
    within: Annotations, found: list[LabelledInterval], seconds: float, config: EegConfig
) -> dict[str, dict[str, int]]:
    """Return what the rules about times alone remove, by rule and class."""
    short, tails = Counter[str](), Counter[str]()
    for interval in found:
        length = interval.stop - interval.start
        if length <= config.longer_than:
            short[interval.label] += 1
        else:
            tails[interval.label] += round(length - len(segments.segment_starts(interval, config)) * config.segment)
    events = merge_intervals([*within.seizures, *within.non_epileptic])
    margin = _total_length(segments.widen(events, config.seizure_margin, seconds)) - _total_length(events)
    non_epileptic = 0.0 if config.nesz == "seizure" else _total_length(within.non_epileptic)
    return {
        "intervals that are too short": dict(short),
        "seconds at the ends of intervals": dict(tails),
        "seconds in the seizure margin": {"background": round(margin)},
        "seconds labelled nesz": {"seizure": round(non_epileptic)},
    }


def _group_starts(starts: dict[int, int], length: int, margin: int) -> list[list[int]]:
    """Return rows of segments that are filtered together: those that are close, but not too many.

    Args:
        starts: first sample of each segment, by its row.
        length: number of samples of a segment.
        margin: number of samples that are filtered before and after each group.
    """
    groups: list[list[int]] = []
    for row in sorted(starts, key=lambda row: starts[row]):
        group = groups[-1] if groups else []
        near = group and starts[row] - starts[group[-1]] <= length + 2 * margin
        if near and starts[row] + length - starts[group[0]] <= max(MAX_FILTERED, 2 * margin):
            group.append(row)
        else:
            groups.append([row])
    return groups


def _total_length(intervals: Sequence[Interval]) -> float:
    return add_in_order(stop - start for start, stop in intervals)


def _clipping_limits(header: Header, number: int) -> tuple[float, float]:
    """Return the lowest and the highest value of a channel that does not count as clipped, in microvolts."""
    signal = header.signals[number]
    low, high = sorted(signal.physical)
    step = (high - low) / (signal.digital[1] - signal.digital[0])
    unit = edf_header.UNITS[signal.unit]
    # Half a step off the limit, because stored values are exact only up to that.
    return (low + step / 2) * unit, (high - step / 2) * unit
