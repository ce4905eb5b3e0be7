"""Event-based scores: from windows to alarms, and what of the events they detect."""

import sys

import numpy as np
import pytest
from timescoring.scoring import EventScoring

from blindtune.core.errors import UserError
from blindtune.metrics.events import (
    are_event_arrays,
    compare_events,
    count_events,
    f1,
    false_alarms_per_day,
    find_alarms,
    precision,
    sensitivity,
)

ARRAYS = {
    "event_recordings": np.array([[0, 3600, 3600, 10], [1, 1800, 2000, 10], [0, 600, 600, 10]], float),
    "event_windows": np.array([[0, 100, 1], [0, 110, 1], [0, 120, 0], [0, 3000, 1], [1, 50, 0], [2, 10, 0]], float),
    "event_references": np.array([[0, 90, 130], [2, 300, 320]], float),
}


def test_find_alarms_joins_windows() -> None:
    """Windows that overlap or touch are one alarm, and none is longer than the recording."""
    assert find_alarms([20.0, 0.1, 10.1, 55.0], 10.0, 60.0) == [(0.1, 30.0), (55.0, 60.0)]
    assert find_alarms([0.1 * number for number in range(20)], 0.1, 60.0) == [(0.0, pytest.approx(2.0))]
    assert find_alarms([], 10.0, 60.0) == []


@pytest.mark.parametrize(
    ("events", "alarms", "counts"),
    [
        ([(100, 120)], [(110, 115)], (1, 1, 0)),
        ([(100, 120)], [(71, 80)], (1, 1, 0)),
        ([(100, 120)], [(60, 69)], (1, 0, 1)),
        ([(100, 120)], [(179, 190)], (1, 1, 0)),
        ([(100, 120), (200, 220)], [(100, 110)], (1, 1, 0)),
        ([(100, 720)], [(100, 110)], (3, 1, 0)),
        ([], [(10, 20), (99, 110), (500, 510)], (0, 0, 2)),
        ([(990, 1000)], [(990, 1000)], (1, 1, 0)),
        ([], [], (0, 0, 0)),
    ],
)
def test_compare_events_is_that_of_szcore(
    events: list[tuple[float, float]], alarms: list[tuple[float, float]], counts: tuple[int, int, int]
) -> None:
    """Tolerances of 30 and 60 s, events joined below 90 s and divided at 5 minutes, as timescoring does by default."""
    assert compare_events(events, alarms, 1000.0) == counts


@pytest.mark.parametrize("start", [0.0, 0.05, 1.02, *np.round(np.linspace(0.123456, 2000, 60), 6).tolist()])
def test_compare_events_at_any_start(start: float) -> None:
    """Exactly 5 minutes are one event and exactly 90 s apart are two, in all decimals."""
    alarms = find_alarms([start + 10 * number for number in range(60)], 10.0, 5000.0)
    assert compare_events([], alarms, 5000.0) == (0, 0, 2)
    assert compare_events([(start, round(start + 300, 6))], [], 5000.0) == (1, 0, 0)
    apart = [(start, round(start + 10, 6)), (round(start + 100, 6), round(start + 120, 6))]
    assert compare_events(apart, [], 5000.0) == (2, 0, 0)


def test_count_events_by_patient() -> None:
    """Recordings of a patient are added up, and recorded seconds leave out gaps."""
    assert are_event_arrays(ARRAYS)
    assert count_events(ARRAYS) == [(0, 2, 4200.0, 2, 1, 1), (1, 1, 1800.0, 0, 0, 0)]


def test_count_events_in_any_order_of_rows() -> None:
    """Windows and events are those of their recording, whichever row they are in."""
    rng = np.random.default_rng(1)
    shuffled = ARRAYS | {name: rng.permutation(ARRAYS[name]) for name in ("event_windows", "event_references")}
    assert count_events(shuffled) == count_events(ARRAYS)
    empty = ARRAYS | {name: np.zeros((0, 3)) for name in ("event_windows", "event_references")}
    assert count_events(empty) == [(0, 2, 4200.0, 0, 0, 0), (1, 1, 1800.0, 0, 0, 0)]


def test_defaults_of_timescoring_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """A version of timescoring with other defaults gives the same counts."""
    other = EventScoring.Parameters(0, 0, 0.9, 1000, 0)
    monkeypatch.setattr(EventScoring.__init__, "__defaults__", (other,))
    monkeypatch.setattr(EventScoring.Parameters.__init__, "__defaults__", (0, 0, 0.9, 1000, 0))
    assert compare_events([(100, 120), (200, 720)], [(71, 80)], 1000.0) == (3, 1, 0)


def test_an_environment_without_timescoring_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names what to do."""
    monkeypatch.setitem(sys.modules, "timescoring.annotations", None)
    with pytest.raises(UserError, match=r"event_step: .*timescoring.*Run `make environment`"):
        count_events(ARRAYS)


def test_scores_of_nothing_are_undefined() -> None:
    """A share of nothing is None."""
    assert (sensitivity(2, 1), precision(1, 3), f1(2, 1, 1), false_alarms_per_day(2, 3600)) == (0.5, 0.25, 0.5, 48)
    assert (sensitivity(0, 0), precision(0, 0), f1(0, 0, 0), false_alarms_per_day(0, 0)) == (None, None, None, None)
    assert (f1(0, 0, 3), f1(3, 0, 0)) == (0, 0)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("event_windows", np.zeros((2, 2))),
        ("event_windows", np.zeros((2, 3), np.float32)),
        ("event_windows", np.array([[3, 0, 1]], float)),
        ("event_references", np.array([[0, np.nan, 1]])),
        ("event_recordings", np.array([[0, -1, 1, 10]], float)),
        ("event_recordings", ARRAYS["event_recordings"] + [0.5, 0, 0, 0]),
        ("event_windows", np.array([[0.5, 0, 1]], float)),
        ("event_references", np.array([[1.5, 0, 1]], float)),
    ],
)
def test_are_event_arrays_refuses_others(name: str, array: np.ndarray) -> None:
    """Arrays of another shape or type, or with impossible numbers, are refused."""
    assert not are_event_arrays(ARRAYS | {name: array})
    assert not are_event_arrays({key: value for key, value in ARRAYS.items() if key != name})
