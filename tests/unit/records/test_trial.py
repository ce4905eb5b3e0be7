"""The trial log: whole records or none, in order, whatever happens."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blindtune.core.errors import UserError
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
def test_what_is_appended_is_read_again(tmp_path: Path, records: list[Trial]) -> None:
    log = written(tmp_path / "trials.jsonl", records)
    assert log.read() == records
    assert [record.reproducible_fields() for record in log.read()] == [
        record.reproducible_fields() for record in records
    ]
    assert log.path.read_bytes().count(b"\n") == len(records)


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\r", "\n"])
def test_a_separator_within_a_text_ends_no_line(tmp_path: Path, separator: str) -> None:
    record = trial(reason=f"one{separator}two")
    assert written(tmp_path / "trials.jsonl", [record]).read() == [record]


def test_no_file_and_an_empty_file_hold_no_trials(tmp_path: Path) -> None:
    log = TrialLog(tmp_path / "trials.jsonl")
    assert log.read() == []
    log.path.touch()
    assert log.read() == []
    assert log.repair() is None


def test_every_cut_leaves_the_records_before_it(tmp_path: Path) -> None:
    records = [trial(0, reason="größer"), trial(1, reason="ü")]
    log = written(tmp_path / "trials.jsonl", records)
    content = log.path.read_bytes()
    ends = [0, *(place + 1 for place, byte in enumerate(content) if byte == ord("\n"))]
    assert len(ends) == 3
    for cut in range(len(content) + 1):
        log.path.write_bytes(content[:cut])
        whole = max(end for end in ends if end <= cut or end == cut + 1)  # only a line feed may be missing
        aside = log.repair()
        assert log.path.read_bytes() == content[:whole]
        assert log.read() == records[: ends.index(whole)]
        if aside is None:
            assert whole - cut in (0, 1)
        else:
            assert aside.read_bytes() == content[whole:cut]
            aside.unlink()


def test_a_second_torn_line_does_not_overwrite_the_first(tmp_path: Path) -> None:
    path = tmp_path / "trials.jsonl"
    asides = []
    for text in (b"{1", b"{2"):
        path.write_bytes(text)
        asides.append(TrialLog(path).repair())
    assert [aside.read_bytes() for aside in asides if aside] == [b"{1", b"{2"]


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
def test_a_wrong_line_is_named_by_its_number(tmp_path: Path, line: str) -> None:
    log = written(tmp_path / "trials.jsonl", [trial(0), trial(1), trial(2)])
    lines = log.path.read_text(encoding="utf-8").splitlines()
    lines[1] = line
    log.path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"trials\.jsonl, line 2: is not a trial record"):
        log.read()


@pytest.mark.parametrize("numbers", [[1], [0, 2], [0, 0], [1, 0], [0, 1, 1]])
def test_a_gap_in_the_numbers_is_refused(tmp_path: Path, numbers: list[int]) -> None:
    log = written(tmp_path / "trials.jsonl", [trial(number) for number in numbers])
    with pytest.raises(UserError, match=r"trials\.jsonl: the trial numbers are not 0, 1, 2"):
        log.read()


def test_a_full_disk_leaves_whole_records_and_names_the_file(tmp_path: Path) -> None:
    """The kernel really cuts the write: the limit on the file's size lies within the third record."""
    path = tmp_path / "trials.jsonl"
    size = len(trial(0).model_dump_json()) + 1
    (tmp_path / "record.json").write_text(trial(0).model_dump_json(), encoding="utf-8")
    script = """
import resource, sys
from pathlib import Path
from blindtune.core.errors import UserError
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


def test_a_folder_that_cannot_be_made_is_an_error_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="trial 0 cannot be recorded"):
        TrialLog(tmp_path / "file" / "trials.jsonl").append(trial())


def test_best_is_the_earliest_of_the_lowest() -> None:
    records = [trial(0, None), trial(1, 0.3), trial(2, 0.2), trial(3, 0.2), trial(4, None)]
    assert find_best(records) == records[2]
    assert find_best(records[::-1]) == records[2]
    assert find_best([records[0], records[4]]) is None
    assert find_best([]) is None


def test_a_score_of_zero_is_a_score() -> None:
    records = [trial(0, 0.1), trial(1, 0.0)]
    assert find_best(records) == records[1]
    assert (records[1].objective_value(), trial(0, None).objective_value()) == (0.0, 1.0)


def test_an_outcome_leaves_out_what_differs_from_run_to_run() -> None:
    one = trial(0)
    other = trial(0, started="later", host="there", versions={}, seconds={}, retries=["a worker died"])
    assert one.reproducible_fields() == other.reproducible_fields()
    assert one.reproducible_fields() != trial(0, 0.3).reproducible_fields()


def test_a_negative_epoch_count_is_no_record() -> None:
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
