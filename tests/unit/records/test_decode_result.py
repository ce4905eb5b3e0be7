"""Results of a decode, of the present version and of version 1."""

from typing import Any

import pytest

from blindtune.core.errors import UserError
from blindtune.records.decode_result import parse_decode_result

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
