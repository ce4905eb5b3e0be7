"""Results of a decode, of the present version and of version 1."""

from typing import Any

import numpy as np
import pytest

from blindtune.core.arrays import digest_arrays
from blindtune.core.errors import UserError
from blindtune.records.decode_result import (
    DecodeResult,
    Predictions,
    check_result,
    differing_fields,
    parse_decode_result,
)

OLD: dict[str, Any] = {
    "study": "smoke/set_10/bayes/42",
    "frozen_sha256": "f",
    "eval_sha256": "e",
    "samples": 1000,
    "error": 0.205,
    "wrong": 205,
    "confusion": [[400, 100], [105, 395]],
    "groups": [{"group": 3, "samples": 1000, "wrong": 205}],
    "estimates": {},
    "blind": True,
    "answers_sha256": "p",
    "looked": "2026-11-28T03:33:12.135+00:00",
}


def test_parse_decode_result_reads_version_1() -> None:
    """A result of version 1 is read under the present names, and is the same when written and read again."""
    result = parse_decode_result(OLD, "result.json")
    assert (result.decoded, result.predictions_sha256) == (OLD["looked"], "p")
    assert result.schema_version == 2
    assert parse_decode_result(result.model_dump(mode="json"), "result.json") == result


@pytest.mark.parametrize("name", ["looked", "answers_sha256"])
def test_parse_decode_result_knows_old_names_in_version_1_only(name: str) -> None:
    """A result that has a version must have the names of that version."""
    content = parse_decode_result(OLD, "result.json").model_dump(mode="json")
    with pytest.raises(UserError, match=name):
        parse_decode_result(content | {name: "x"}, "result.json")


@pytest.mark.parametrize("version", [3, 99])
def test_parse_decode_result_refuses_a_later_version(version: int) -> None:
    """A result of a later version is refused with a message that says so."""
    with pytest.raises(UserError, match=rf"result\.json: was written by a later version .*schema version {version}"):
        parse_decode_result(OLD | {"schema_version": version}, "result.json")


@pytest.mark.parametrize("content", [[], None, "text", {}])
def test_parse_decode_result_refuses_what_is_not_a_result(content: Any) -> None:
    """What is not a result is refused with its path."""
    with pytest.raises(UserError, match=r"result\.json"):
        parse_decode_result(content, "result.json")


#: Four samples of the classes 0, 0, 1, 1; the second is missed.
PREDICTIONS: Predictions = {
    "predicted": np.array([0, 1, 1, 1], dtype=np.int16),
    "wrong": np.array([False, True, False, False]),
}
SCORES: dict[str, Any] = {
    "samples": 4,
    "error": 0.25,
    "wrong": 1,
    "confusion": [[1, 1], [0, 2]],
    "groups": [{"group": 3, "samples": 3, "wrong": 1}, {"group": 5, "samples": 1, "wrong": 0}],
    "answers_sha256": digest_arrays(PREDICTIONS),
}
ESTIMATE: dict[str, Any] = {
    "error": 0.2,
    "estimates": {"closed_loop": 0.2},
    "wrong": None,
    "confusion": None,
    "groups": None,
    "answers_sha256": None,
}


def read_result(**changes: Any) -> DecodeResult:
    return parse_decode_result(OLD | SCORES | changes, "result.json")


def check(result: DecodeResult, predictions: Predictions | None) -> DecodeResult:
    return check_result(result, predictions, "result.json", "predictions.npz", "Remove both.")


def test_check_result_computes_the_scores() -> None:
    """A result that follows from its predictions is returned as it is; so is an estimate."""
    for groups in (SCORES["groups"], None):
        assert check(read_result(groups=groups), PREDICTIONS) == read_result(groups=groups)
    for predictions in (None, {}):
        assert check(read_result(**ESTIMATE), predictions) == read_result(**ESTIMATE)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("samples", 5),
        ("error", 0.0),
        ("error", 0.25 + 1e-12),
        ("wrong", 0),
        ("wrong", None),
        ("estimates", {"closed_loop": 0.1}),
        ("confusion", None),
        ("confusion", [[4]]),
        ("confusion", [[1, 1, 0], [0, 2, 0]]),
        ("confusion", [[2, 0], [0, 2]]),
        ("confusion", [[1, 2], [0, 1]]),
        ("confusion", [[1, -1], [0, 4]]),
        ("groups", []),
        ("groups", [{"group": 3, "samples": 4, "wrong": 0}]),
        ("groups", [{"group": 3, "samples": 5, "wrong": 1}]),
        ("groups", [{"group": 3, "samples": 2, "wrong": 1}, {"group": 3, "samples": 2, "wrong": 0}]),
        ("groups", [{"group": 3, "samples": 3, "wrong": -1}, {"group": 5, "samples": 1, "wrong": 2}]),
        ("events", []),
        ("event_scoring", 2),
        ("recordings_sha256", "it"),
    ],
)
def test_check_result_names_a_field_that_contradicts_the_predictions(field: str, value: Any) -> None:
    """Each score that does not follow from the predictions is named with both values."""
    with pytest.raises(UserError, match=rf"^result\.json: contradicts the answers: .*'{field}.* Remove both\.$"):
        check(read_result(**{field: value}), PREDICTIONS)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("error", 0.1),
        ("estimates", {}),
        ("wrong", 3),
        ("confusion", [[1]]),
        ("groups", []),
        ("events", []),
        ("event_scoring", 2),
        ("recordings_sha256", "it"),
    ],
)
def test_check_result_names_a_field_of_an_estimate(field: str, value: Any) -> None:
    """The error of an estimate is its closed loop, and it counts no samples."""
    with pytest.raises(UserError, match="contradicts the answers: '"):
        check(read_result(**ESTIMATE | {field: value}), None)


@pytest.mark.parametrize(
    ("predictions", "changes", "message"),
    [
        (None, {}, "predictions.npz has no predictions"),
        (PREDICTIONS, ESTIMATE, "has predictions of an estimate"),
        (PREDICTIONS | {"wrong": ~PREDICTIONS["wrong"]}, {}, "does not match the decode result"),
        ({"wrong": np.zeros(4, dtype=bool)}, None, "does not hold one label"),
        ({"wrong": np.zeros(3, dtype=bool), "predicted": np.zeros(4, dtype=np.int16)}, None, "does not hold one label"),
        ({"wrong": np.zeros(4), "predicted": np.zeros(4, dtype=np.int16)}, None, "does not hold one label"),
        ({"wrong": np.zeros(0, dtype=bool), "predicted": np.zeros(0, dtype=np.int16)}, None, "does not hold one label"),
    ],
)
def test_check_result_refuses_other_predictions(predictions: Any, changes: Any, message: str) -> None:
    """Predictions that are missing, changed or malformed are refused, even if their digest was recorded."""
    changes = {"answers_sha256": digest_arrays(predictions)} if changes is None else changes
    with pytest.raises(UserError, match=message):
        check(read_result(**changes), predictions)


def test_differing_fields_names_both_values() -> None:
    """Fields that differ are listed with both values."""
    assert differing_fields(read_result(), read_result()) == []
    assert differing_fields(read_result(), read_result(error=0.0, blind=False)) == [
        "'error' is 0.25, not 0.0",
        "'blind' is True, not False",
    ]
