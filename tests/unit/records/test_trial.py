"""The trial log: whole records or none, in order, after any failure."""

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blindtune.core.errors import LostClaimError, UserError
from blindtune.core.timing import CpuWallTime
from blindtune.records.trial import EpochMetrics, Trial, TrialLog, find_best
from support import old_records
from support.builders import trial

SHARES = st.floats(0, 1)
LOSSES = st.none() | st.floats(0, allow_infinity=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
VALUES = st.one_of(st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False), TEXT)


@st.composite
def trials(draw: st.DrawFn) -> list[Trial]:
    count = draw(st.integers(1, 4))
    epochs = st.builds(
        EpochMetrics, train_loss=LOSSES, train_error=SHARES, dev_loss=LOSSES, dev_error=st.none() | SHARES
    )
    return [
        trial(
            number,
            draw(st.none() | SHARES),
            hyperparameters=draw(st.dictionaries(TEXT, VALUES, max_size=4)),
            reason=draw(st.none() | TEXT),
            curve=draw(st.lists(epochs, max_size=3)),
            exceptions=draw(st.lists(TEXT, max_size=2)),
            retries=draw(st.lists(TEXT, max_size=2)),
        )
        for number in range(count)
    ]


def written(path: Path, records: list[Trial]) -> TrialLog:
    path.unlink(missing_ok=True)
    log = TrialLog(path)
    for record in records:
        log.append(record)
    return log


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(trials())
def test_log_reads_what_was_appended(tmp_path: Path, records: list[Trial]) -> None:
    """Any records that are appended are read again, one per line."""
    log = written(tmp_path / "trials.jsonl", records)
    assert log.read() == records
    assert [record.reproducible_fields() for record in log.read()] == [
        record.reproducible_fields() for record in records
    ]
    assert log.path.read_bytes().count(b"\n") == len(records)


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\r", "\n"])
def test_log_keeps_separators_within_a_text(tmp_path: Path, separator: str) -> None:
    """A line separator within a text does not end the record."""
    record = trial(reason=f"one{separator}two")
    assert written(tmp_path / "trials.jsonl", [record]).read() == [record]


def test_log_without_records_is_empty(tmp_path: Path) -> None:
    """A missing file and an empty file hold no trials."""
    log = TrialLog(tmp_path / "trials.jsonl")
    assert log.read() == []
    log.path.touch()
    assert log.read() == []
    assert log.repair() is None


def test_repair_keeps_all_records_before_a_cut(tmp_path: Path) -> None:
    """Wherever a kill cuts the log, the records before the cut stay and the rest is kept in another file."""
    records = [trial(0, reason="größer"), trial(1, reason="ü")]
    log = written(tmp_path / "trials.jsonl", records)
    content = log.path.read_bytes()
    ends = [0, *(place + 1 for place, byte in enumerate(content) if byte == ord("\n"))]
    assert len(ends) == 3
    for cut in range(len(content) + 1):
        log.path.write_bytes(content[:cut])
        whole = max(end for end in ends if end <= cut or end == cut + 1)  # only a line feed may be missing
        moved = log.repair()
        assert log.path.read_bytes() == content[:whole]
        assert log.read() == records[: ends.index(whole)]
        if moved is None:
            assert whole - cut in (0, 1)
        else:
            assert moved.read_bytes() == content[whole:cut]
            moved.unlink()


def test_repair_keeps_every_torn_line(tmp_path: Path) -> None:
    """A second torn line does not overwrite the first."""
    path = tmp_path / "trials.jsonl"
    torn = []
    for text in (b"{1", b"{2"):
        path.write_bytes(text)
        torn.append(TrialLog(path).repair())
    assert [moved.read_bytes() for moved in torn if moved] == [b"{1", b"{2"]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"number": 1}',
        json.dumps(trial(1).model_dump(mode="json") | {"extra": 1}),
        json.dumps(trial(1).model_dump(mode="json") | {"status": "done"}),
    ],
)
def test_log_names_a_wrong_line(tmp_path: Path, line: str) -> None:
    """A line that is not a record is refused by its number."""
    log = written(tmp_path / "trials.jsonl", [trial(0), trial(1), trial(2)])
    lines = log.path.read_text(encoding="utf-8").splitlines()
    lines[1] = line
    log.path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"trials\.jsonl, line 2: is not a trial record"):
        log.read()


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"number":1,', '"number":7,"number":1,', "the key 'number' is there twice"),
        ('"score":0.25,', '"score":0.01,"score":0.25,', "the key 'score' is there twice"),
        ('"hyperparameters":{', '"hyperparameters":{"a":1,"a":2,', "the key 'a' is there twice"),
        ('"train":{"wall":', '"train":{"wall":1.0,"wall":', "the key 'wall' is there twice"),
        ('"score":0.25,', '"score":1e999,', "the number 1e999 is too large"),
    ],
)
def test_log_refuses_a_record_that_can_be_read_in_two_ways(tmp_path: Path, old: str, new: str, reason: str) -> None:
    """A key that is there twice and a number that no file can hold are refused, in a record of the present form too."""
    one = trial(1, 0.25, hyperparameters={"b": 1}, seconds={"train": CpuWallTime(wall=1.0)})
    log = written(tmp_path / "trials.jsonl", [trial(0), one])
    first, second = log.path.read_text(encoding="utf-8").splitlines()
    assert second.count(old) == 1
    log.path.write_text(f"{first}\n{second.replace(old, new)}\n", encoding="utf-8")
    with pytest.raises(UserError, match=rf"trials\.jsonl, line 2: is not a trial record \({re.escape(reason)}"):
        log.read()


@pytest.mark.parametrize("numbers", [[1], [0, 2], [1, 0], [0, 0, 2], [0, 1, 0, 3]])
def test_log_refuses_a_gap_in_the_numbers(tmp_path: Path, numbers: list[int]) -> None:
    """Trial numbers must be 0, 1, 2, ..."""
    log = written(tmp_path / "trials.jsonl", [trial(number) for number in numbers])
    with pytest.raises(UserError, match=r"trials\.jsonl: the trial numbers are not 0, 1, 2"):
        log.read()


@pytest.mark.parametrize("numbers", [[0, 0], [0, 1, 1], [0, 1, 0, 1, 2], [0, 0, 1, 1, 2, 2, 1], [0, 1, 2, 0, 1, 2, 3]])
def test_log_reads_a_record_once_that_two_runs_wrote(tmp_path: Path, numbers: list[int]) -> None:
    """Records of two runs at once differ in times and machine alone; each counts once, and the others are set aside."""
    records = [
        trial(number, 0.25, hyperparameters={"k": number}, started=f"run {row}", host=f"host {row}")
        for row, number in enumerate(numbers)
    ]
    log = written(tmp_path / "trials.jsonl", records)
    content = log.path.read_bytes()
    first = [records[numbers.index(number)] for number in range(max(numbers) + 1)]
    doubled = [row for row, number in enumerate(numbers, 1) if number in numbers[: row - 1]]
    assert log.scan() == (first, doubled)
    assert log.read() == first
    assert log.path.read_bytes() == content, "a reader changes nothing"
    moved = log.move_lines(doubled)
    assert moved == tmp_path / "trials.jsonl.doubled-1"
    lines = content.splitlines(keepends=True)
    assert moved.read_bytes() == b"".join(lines[row - 1] for row in doubled)
    assert log.path.read_bytes() == b"".join(line for row, line in enumerate(lines, 1) if row not in doubled)
    assert log.scan() == (first, [])
    assert log.move_lines([]) is None
    log.append(trial(len(first)))
    assert log.read() == [*first, trial(len(first))]


def test_log_names_two_different_records_of_one_trial(tmp_path: Path) -> None:
    """Two records of one number that contradict each other are refused by their lines and by what differs."""
    records = [trial(0), trial(1, 0.25), trial(2), trial(1, 0.5)]
    log = written(tmp_path / "trials.jsonl", records)
    with pytest.raises(
        UserError, match=r"jsonl: lines 2 and 4 are different records of trial 1: they differ in score\."
    ):
        log.read()
    log.path.rename(tmp_path / "away")
    assert log.read() == [], "the study can start again, as the message says"


def test_log_of_a_lost_claim_is_not_written(tmp_path: Path) -> None:
    """Without the claim nothing is appended, repaired or moved."""

    def lost() -> None:
        raise LostClaimError("lost")

    path = tmp_path / "trials.jsonl"
    written(path, [trial(0), trial(0)])
    with path.open("a") as stream:
        stream.write("{")
    content = path.read_bytes()
    log = TrialLog(path, lost)
    for write in (lambda: log.append(trial(1)), log.repair, lambda: log.move_lines([2])):
        with pytest.raises(LostClaimError):
            write()
    assert path.read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == ["trials.jsonl"]


def test_append_to_a_full_disk_leaves_whole_records(tmp_path: Path) -> None:
    """The kernel really cuts the write: the limit on the file's size lies within the third record."""
    path = tmp_path / "trials.jsonl"
    size = len(trial(0).model_dump_json()) + 1
    (tmp_path / "record.json").write_text(trial(0).model_dump_json(), encoding="utf-8")
    script = """
import resource, sys
from pathlib import Path
from blindtune.core.errors import LostClaimError, UserError
from blindtune.records.trial import Trial, TrialLog
folder, limit = Path(sys.argv[1]), int(sys.argv[2])
trial = Trial.model_validate_json((folder / "record.json").read_text())
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
log = TrialLog(folder / "trials.jsonl")
for number in range(3):
    try:
        log.append(trial.model_copy(update={"number": number}))
    except UserError as error:
        print(f"{number}: {error}")
"""
    limit = 2 * size + size // 2
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), str(limit)],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert done.stdout.startswith(f"2: {path}: trial 2 cannot be recorded (File too large)")
    assert path.stat().st_size == 2 * size
    assert [record.number for record in TrialLog(path).read()] == [0, 1]
    assert TrialLog(path).repair() is None


def test_append_names_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A folder that cannot be made is an error of the user."""
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="trial 0 cannot be recorded"):
        TrialLog(tmp_path / "file" / "trials.jsonl").append(trial())


def test_find_best_takes_the_earliest_of_equals() -> None:
    """The best trial has the lowest error; of equal ones it is the earliest."""
    records = [trial(0, None), trial(1, 0.3), trial(2, 0.2), trial(3, 0.2), trial(4, None)]
    assert find_best(records) == records[2]
    assert find_best(records[::-1]) == records[2]
    assert find_best([records[0], records[4]]) is None
    assert find_best([]) is None


def test_find_best_knows_a_score_of_zero() -> None:
    """An error of zero is a score; a trial without one has the worst objective value."""
    records = [trial(0, 0.1), trial(1, 0.0)]
    assert find_best(records) == records[1]
    assert (records[1].objective_value(), trial(0, None).objective_value()) == (0.0, 1.0)


def test_reproducible_fields_leave_out_what_differs() -> None:
    """Times, host, versions and retries differ from run to run and are left out."""
    one = trial(0)
    other = trial(0, started="later", host="there", versions={}, seconds={}, retries=["a worker died"])
    assert one.reproducible_fields() == other.reproducible_fields()
    assert one.reproducible_fields() != trial(0, 0.3).reproducible_fields()


def test_trial_refuses_a_negative_number_of_epochs() -> None:
    """A negative number of epochs is not a record."""
    with pytest.raises(ValueError, match="epochs"):
        trial(epochs=-1)
    assert math.isclose(trial().seconds["train"].wall, 1.5)


def test_log_reads_version_1(tmp_path: Path) -> None:
    """A record of version 1 is read under the present names, the layers of a manual model in a field of their own."""
    path = tmp_path / "trials.jsonl"
    path.write_text(old_records.trial_line(), encoding="utf-8")
    [record] = TrialLog(path).read()
    assert (record.n_parameters, record.schema_version) == (2834, 2)
    assert record.hyperparameters == old_records.TRAINING
    assert [layer.model_dump(mode="json") for layer in record.layers or []] == old_records.LAYERS
    assert record.configuration() == old_records.TRIAL["hyperparameters"]
    other = TrialLog(tmp_path / "new.jsonl")
    other.append(record)
    assert other.read() == [record]
    assert other.path.read_text(encoding="utf-8") != path.read_text(encoding="utf-8")


def test_log_of_version_1_can_be_continued(tmp_path: Path) -> None:
    """Records of both versions may follow each other, and a whole last line that lacks its line feed is kept."""
    log = TrialLog(tmp_path / "trials.jsonl")
    log.path.write_text(old_records.trial_line().removesuffix("\n"), encoding="utf-8")
    assert log.repair() is None
    log.append(trial(1))
    assert [(record.number, record.layers is None) for record in log.read()] == [(0, False), (1, True)]


def test_log_keeps_a_hyperparameter_of_the_name_layers(tmp_path: Path) -> None:
    """A tuner's number of layers is a hyperparameter in every version."""
    path = tmp_path / "trials.jsonl"
    path.write_text(old_records.trial_line(hyperparameters={"layers": 2, "units_1": 4}), encoding="utf-8")
    [record] = TrialLog(path).read()
    assert (record.hyperparameters, record.layers) == ({"layers": 2, "units_1": 4}, None)
    assert record.configuration() == record.hyperparameters


def test_log_refuses_a_later_version(tmp_path: Path) -> None:
    """A record of a later version is refused with a message that names the line and says so."""
    path = tmp_path / "trials.jsonl"
    path.write_text(old_records.trial_line() + old_records.trial_line(schema_version=3, number=1), encoding="utf-8")
    with pytest.raises(UserError, match=r"trials\.jsonl, line 2: was written by a later version .*schema version 3"):
        TrialLog(path).read()


@pytest.mark.parametrize("value", [True, 1, 1.0, 0.5, "1"])
def test_log_keeps_the_type_of_a_hyperparameter(tmp_path: Path, value: object) -> None:
    """Whole numbers, fractions, truth values and texts are read as what they were: they enter seeds."""
    log = TrialLog(tmp_path / "trials.jsonl")
    log.append(trial(hyperparameters={"value": value}))
    [record] = log.read()
    assert type(record.hyperparameters["value"]) is type(value) and record.hyperparameters["value"] == value
