"""Files that once ended a reader badly, and some new ones: each is read, or refused in one message."""

import random
import time
from pathlib import Path
from typing import Any

import pytest

from blindtune.core.errors import UserError
from fuzz import targets
from fuzz.targets import TARGETS, Target, TooSlowError, check, inputs

FINDINGS = sorted((Path(targets.__file__).parent / "findings").iterdir())
#: Changed files of each reader.
COUNT = 25


def test_findings_are_named_by_their_reader() -> None:
    """There are findings, and each names its reader."""
    assert FINDINGS
    assert {path.name.rpartition("-")[0] for path in FINDINGS} <= set(TARGETS)


@pytest.mark.parametrize("path", FINDINGS, ids=lambda path: path.name)
def test_finding_is_read_or_refused(path: Path, tmp_path: Path) -> None:
    """What fuzzing found once is mended."""
    check(path.name.rpartition("-")[0], path.read_bytes(), tmp_path)


@pytest.mark.parametrize("name", TARGETS)
def test_valid_file_is_read(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files that are changed are valid themselves; otherwise fuzzing would test one message alone."""
    monkeypatch.chdir(tmp_path)
    target = TARGETS[name]
    for content in target.seeds():
        (tmp_path / target.file).write_bytes(content)
        target.read(tmp_path / target.file)


@pytest.mark.parametrize("name", TARGETS)
def test_changed_file_is_read_or_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first changed files of a fixed seed end in a result or in one message."""
    monkeypatch.chdir(tmp_path)
    stream = inputs(name, random.Random(f"tests/{name}"))  # noqa: S311  no secret
    for _ in range(COUNT):
        check(name, next(stream), tmp_path)


def test_check_raises_what_is_no_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that a reader must not raise, an empty message and a hanging reader are findings."""

    def fail(error: Exception) -> Target:
        def read(path: Path) -> Any:
            raise error

        return Target("x", read, lambda: [b""])

    monkeypatch.setitem(TARGETS, "wrong", fail(KeyError("x")))
    monkeypatch.setitem(TARGETS, "silent", fail(UserError(" ")))
    monkeypatch.setitem(TARGETS, "clear", fail(UserError("x: is wrong.")))
    with pytest.raises(KeyError):
        check("wrong", b"", tmp_path)
    with pytest.raises(AssertionError):
        check("silent", b"", tmp_path)
    check("clear", b"", tmp_path)
    assert not list(tmp_path.iterdir())


def test_check_raises_what_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that computes too long, or waits, is a finding."""

    def compute(path: Path) -> None:
        while True:
            pass

    monkeypatch.setattr(targets, "LIMIT", 0.05)
    monkeypatch.setattr(targets, "_WAITING_LIMIT", 0.05)
    monkeypatch.setitem(TARGETS, "computing", Target("x", compute, lambda: [b""]))
    monkeypatch.setitem(TARGETS, "waiting", Target("x", lambda path: time.sleep(60), lambda: [b""]))
    for name in ("computing", "waiting"):
        with pytest.raises(TooSlowError):
            check(name, b"", tmp_path)
    assert not list(tmp_path.iterdir())
