"""Event-based scores, as the field reports them for seizures: what of the events was detected, and the false alarms.

Windows become events in two steps. The time of each window that is answered with the class of the events is marked,
and marks that overlap or touch are one. timescoring then decides what counts as detected, with the parameters of SzCORE
(Dan et al., SzCORE: seizure community open-source research evaluation framework, Epilepsia 2024):
events less than 90 s apart are one, longer ones are divided every 5 minutes, and an event is detected if any alarm
overlaps it, from 30 s before it to 60 s after it. An alarm that overlaps no such time is a false one.
"""

import itertools
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from blindtune.core.errors import UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: The arrays of the windows of whole recordings, all float64: ``event_windows``, (n_windows, 3): number of the
#: recording, start in seconds, whether it was answered with the class of the events. ``event_recordings``,
#: (n_recordings, 4): number of the patient, answered seconds, end in seconds with gaps, seconds of a window.
#: ``event_references``, (n_events, 3): number of the recording, start and stop in seconds.
COLUMNS = {"event_windows": 3, "event_recordings": 4, "event_references": 3}
#: The version of these rules. Raise it with every change of what is counted in the same arrays: results of another
#: version are counted again and not refused.
SCORING = 2
#: Samples per second at which timescoring works.
_RATE = 10
#: Seconds by which an event may be too long or too near without a split or a merge, since decimal times are not exact
#: in binary.
_ROUNDING = 1e-6
#: The parameters of SzCORE by timescoring's names, given in full: other defaults of another version change no result.
_SZCORE = {
    "toleranceStart": 30,
    "toleranceEnd": 60,
    "minOverlap": 0,
    "maxEventDuration": 5 * 60 + _ROUNDING,
    "minDurationBetweenEvents": 90 - _ROUNDING,
}

Interval = tuple[float, float]


class PatientCounts(NamedTuple):
    """What was detected in the recordings of one patient.

    Attributes:
        patient: number of the patient.
        recordings: number of recordings.
        seconds: answered seconds.
        events: number of events.
        detected: number of them that were detected.
        false_alarms: number of alarms that belong to no event.
    """

    patient: int
    recordings: int
    seconds: float
    events: int
    detected: int
    false_alarms: int


def are_event_arrays(arrays: Mapping[str, "NDArray[Any]"]) -> bool:
    """Return whether arrays are those of `COLUMNS`, with numbers that `count_events` can take."""
    import numpy as np

    if set(arrays) != set(COLUMNS):
        return False
    for name, array in arrays.items():
        if array.dtype != np.float64 or array.ndim != 2 or array.shape[1] != COLUMNS[name]:
            return False
        if not np.isfinite(array).all() or (array < 0).any():
            return False
    # Numbers of recordings and patients.
    if any((array[:, 0] != np.floor(array[:, 0])).any() for array in arrays.values()):
        return False
    count = len(arrays["event_recordings"])
    return all((arrays[name][:, 0] < count).all() for name in ("event_windows", "event_references"))


def count_events(arrays: Mapping[str, "NDArray[Any]"]) -> list[PatientCounts]:
    """Return what was detected in the recordings of each patient, and the false alarms.

    Args:
        arrays: those of `COLUMNS`.
    """
    of_patient: dict[int, list[tuple[float, int, int, int]]] = {}
    windows, references = (
        _split_by_recording(arrays[name], len(arrays["event_recordings"]))
        for name in ("event_windows", "event_references")
    )
    for number, (patient, seconds, end, window) in enumerate(arrays["event_recordings"].tolist()):
        answered, events = windows[number], references[number]
        alarms = find_alarms(answered[answered[:, 2] > 0, 1].tolist(), window, end)
        counted = compare_events([(start, stop) for _, start, stop in events.tolist()], alarms, end)
        of_patient.setdefault(int(patient), []).append((seconds, *counted))
    return [
        PatientCounts(
            patient,
            recordings=len(found),
            seconds=math.fsum(seconds for seconds, _, _, _ in found),
            events=sum(events for _, events, _, _ in found),
            detected=sum(detected for _, _, detected, _ in found),
            false_alarms=sum(false_alarms for _, _, _, false_alarms in found),
        )
        for patient, found in sorted(of_patient.items())
    ]


def _split_by_recording(array: "NDArray[Any]", count: int) -> "list[NDArray[Any]]":
    """Return the rows of each recording, in their order; the first column has the number of the recording."""
    import numpy as np

    rows = array[np.argsort(array[:, 0], kind="stable")]
    at = np.searchsorted(rows[:, 0], np.arange(count + 1))
    return [rows[start:stop] for start, stop in itertools.pairwise(at)]


def load_timescoring() -> tuple[Any, Any]:
    """Return timescoring's classes of annotations and of scores by event.

    Raises:
        UserError: it is not installed.
    """
    try:
        from timescoring.annotations import Annotation
        from timescoring.scoring import EventScoring
    except ModuleNotFoundError as error:
        raise UserError(
            f"event_step: event-based scores need timescoring, and {error.name} is not installed. Run "
            "`make environment` and start the run again."
        ) from error
    return Annotation, EventScoring


def find_alarms(starts: list[float], seconds: float, end: float) -> list[Interval]:
    """Return the times that windows cover, as intervals that neither overlap nor touch.

    Args:
        starts: start of each window in seconds.
        seconds: length of a window.
        end: end of the recording.
    """
    found: list[Interval] = []
    for start in sorted(starts):
        stop = min(start + seconds, end)
        # A tolerance, because decimal times are not exact in binary.
        if found and start <= found[-1][1] + 1e-6:
            found[-1] = (found[-1][0], max(found[-1][1], stop))
        else:
            found.append((start, stop))
    return found


def compare_events(events: list[Interval], alarms: list[Interval], end: float) -> tuple[int, int, int]:
    """Return the numbers of events, of detected events and of false alarms in a recording, by timescoring.

    Args:
        events: in order, in seconds.
        alarms: in the same way.
        end: end of the recording.
    """
    Annotation, EventScoring = load_timescoring()  # noqa: N806
    samples = max(1, round(end * _RATE))
    # On timescoring's samples: it would take what is left of an alarm after 5 minutes for a false one, however short.
    reference, hypothesis = (
        Annotation(
            [(_to_sample(start) / _RATE, min(_to_sample(stop), samples) / _RATE) for start, stop in found],
            _RATE,
            samples,
        )
        for found in (events, alarms)
    )
    scores = EventScoring(reference, hypothesis, EventScoring.Parameters(**_SZCORE))
    return int(scores.refTrue), int(scores.tp), int(scores.fp)


def _to_sample(seconds: float) -> int:
    """Return the nearest sample of timescoring; of two the later one, so that whole numbers of them stay the same."""
    return math.floor(seconds * _RATE + 0.5 + _ROUNDING)


def sensitivity(events: int, detected: int) -> float | None:
    """Return the share of the events that were detected; None without events."""
    return detected / events if events else None


def precision(detected: int, false_alarms: int) -> float | None:
    """Return the share of detections among detections and false alarms; None without either."""
    return detected / (detected + false_alarms) if detected + false_alarms else None


def f1(events: int, detected: int, false_alarms: int) -> float | None:
    """Return the harmonic mean of sensitivity and precision; None without events and false alarms."""
    return 2 * detected / (detected + false_alarms + events) if events + false_alarms else None


def false_alarms_per_day(false_alarms: int, seconds: float) -> float | None:
    """Return the false alarms in a day of recording; None without a recording."""
    return false_alarms / (seconds / 86_400) if seconds else None
