"""What one recording offers, and the segments that were drawn from it."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from blindtune.core.errors import UserError
from blindtune.core.files import digest_file
from blindtune.datasets.corpus.survey import Candidate, Survey
from blindtune.datasets.eeg import annotations, montages, segments
from blindtune.datasets.eeg import edf_header as headers
from blindtune.datasets.eeg import preprocessing as recordings
from blindtune.datasets.eeg.config import CLASSES, Eeg
from blindtune.datasets.eeg.discovery import Recording
from blindtune.datasets.eeg.edf_header import Header
from blindtune.datasets.eeg.errors import Fault
from blindtune.datasets.eeg.montages import Montage
from blindtune.datasets.eeg.segments import LabelledInterval


def survey(folder: Path, recording: Recording, split: str, settings: Eeg) -> Survey:
    """Where segments of which class can be cut from a recording, or what is wrong with it.

    A fault of the file ends up in ``bad``; ``left_out`` counts what each rule took, by class, in the unit that its name
    says.

    Args:
        folder: of the corpus.
        recording: one of it.
        split: where the recording stands.
        settings: of the dataset.

    Raises:
        UserError: the file is gone, or a label of its annotations is unknown.
    """
    path = folder / recording.file
    result = Survey(
        file=recording.file, sha256={recording.file: digest_file(path)}, group=recording.patient, split=split
    )
    if recording.montage is not None:
        result.facts["montage"] = recording.montage
    try:
        if recording.twin is not None:
            raise Fault(f"is the same recording as {recording.twin}")
        _fill(result, path, settings)
    except Fault as fault:
        result.bad, result.candidates, result.left_out = str(fault), [], {}
    return result


def cut(folder: Path, file: str, candidates: Sequence[Candidate], settings: Eeg) -> NDArray[np.float32]:
    """The segments of these candidates, in their order: (segments, channels, samples) float32 in microvolts.

    The recording is filtered whole, so that no segment has edges of its own.

    Raises:
        UserError: the recording is no longer what its survey saw.
    """
    path = folder / file
    try:
        header, montage, wanted, _ = _open(path, settings)
        x = recordings.condition(recordings.read(path, header, wanted), montage, settings)
    except Fault as fault:
        raise UserError(f"{path}: {fault}. It was good when it was surveyed; survey it again.") from fault
    length = segments.samples(settings)
    out = np.empty((len(candidates), len(x), length), dtype=np.float32)
    for row, candidate in zip(out, candidates, strict=True):
        start = round(candidate.place["start"] * settings.rate)
        if start < 0 or start + length > x.shape[1]:
            raise UserError(f"{path}: has no segment at {candidate.place['start']} s; survey it again.")
        row[:] = x[:, start : start + length]
    return out


def _open(path: Path, settings: Eeg) -> tuple[Header, Montage, list[int], list[str]]:
    """The header, the montage, where its electrodes stand, and what the check of the header noted."""
    header = headers.read(path)
    montage = montages.montage(settings.montage)
    wanted = montages.locate(header.labels, montage)
    return header, montage, wanted, headers.check(header, wanted, settings.rate)


def _fill(result: Survey, path: Path, settings: Eeg) -> None:
    header, montage, wanted, notes = _open(path, settings)
    seconds = float(header.seconds)
    beside = annotations.beside(path)
    result.sha256[PurePosixPath(result.file).with_name(beside.name).as_posix()] = digest_file(beside)
    listed = annotations.read(beside)
    within = listed.within(seconds)
    if listed.end > seconds:
        notes.append(f"annotated up to {listed.end:.4f} s, cut to the recording")
    result.facts |= {
        "rate": float(header.rate(header.signals[wanted[0]])),
        "seconds": seconds,
        "labels": header.labels[wanted[0]],
        "annotations": beside.suffix,
        "seizures": len(within.seizures),
        "notes": notes,
    }
    found = segments.stretches(within, seconds, settings)
    left_out = _left_out(within, found, seconds, settings)
    offered = [
        Candidate(label=one.label, place={"start": at}) for one in found for at in segments.starts(one, settings)
    ]
    result.candidates = _sound(path, header, montage, wanted, offered, left_out, settings, notes) if offered else []
    result.left_out = {rule: by_class for rule, by_class in left_out.items() if any(by_class.values())}


def _left_out(
    within: annotations.Annotations, found: list[LabelledInterval], seconds: float, settings: Eeg
) -> dict[str, dict[str, int]]:
    """What rules that know only times take away, by rule and class."""
    short, tails = Counter[str](), Counter[str]()
    for stretch in found:
        length = stretch.stop - stretch.start
        if length <= settings.longer_than:
            short[stretch.label] += 1
        else:
            tails[stretch.label] += round(length - len(segments.starts(stretch, settings)) * settings.segment)
    taken = annotations.union([*within.seizures, *within.non_epileptic])
    guard = _length(segments.guarded(taken, settings.guard, seconds)) - _length(taken)
    non_epileptic = 0.0 if settings.nesz == "seizure" else _length(within.non_epileptic)
    return {
        "stretches that are too short": dict(short),
        "seconds at the ends of stretches": dict(tails),
        "seconds in the guard": {"background": round(guard)},
        "seconds labelled nesz": {"seizure": round(non_epileptic)},
    }


def _length(intervals: Sequence[annotations.Interval]) -> float:
    return sum(stop - start for start, stop in intervals)


def _sound(
    path: Path,
    header: Header,
    montage: Montage,
    wanted: list[int],
    offered: list[Candidate],
    left_out: dict[str, dict[str, int]],
    settings: Eeg,
    notes: list[str],
) -> list[Candidate]:
    """Those of ``offered`` with whose raw signal nothing is wrong; ``left_out`` and ``notes`` are added to."""
    signals = recordings.read(path, header, wanted)
    notes += signals.warnings
    limits = np.array([_limits(header, number) for number in wanted])
    kept, amplitudes = [], []
    for candidate in offered:
        start = int(candidate.place["start"] * signals.rate)
        electrodes = signals.between(start, min(start + int(settings.segment * signals.rate), signals.samples))
        channels = montage.derive(electrodes)
        amplitudes.append(segments.amplitude(channels, float(signals.rate)))
        fault = segments.fault(channels, electrodes, limits, settings)
        if fault is None:
            kept.append(candidate)
        else:
            counts = left_out.setdefault(f"{fault} segments", dict.fromkeys(CLASSES, 0))
            counts[candidate.label] += 1
    median = float(np.median(amplitudes))
    if not settings.quietest <= median <= settings.loudest:
        raise Fault(
            f"has a median amplitude of {median:.3g} uV, outside {settings.quietest:g} to {settings.loudest:g}: "
            "its unit or scale must be wrong"
        )
    return kept


def _limits(header: Header, number: int) -> tuple[float, float]:
    """The least and the greatest value of a channel that do not count as clipped, in microvolts."""
    signal = header.signals[number]
    low, high = sorted(signal.physical)
    step = (high - low) / (signal.digital[1] - signal.digital[0])
    unit = headers.UNITS[signal.unit]
    # Half a step off the limit, since what is stored is exact only up to that.
    return (low + step / 2) * unit, (high - step / 2) * unit
