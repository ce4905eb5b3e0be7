"""The comparison of two runs: what it finds, what it leaves out, and its text."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from blindtune.cli import main
from blindtune.compare.differences import RunComparison, compare_runs
from blindtune.compare.text import describe
from blindtune.core.errors import UserError
from blindtune.core.files import read_json, write_json
from blindtune.core.paths import ResultPaths
from blindtune.records.model_card import read_card, write_card
from blindtune.records.post_mortem import read_post_mortem, write_post_mortem
from blindtune.records.trial import Trial, TrialLog
from blindtune.report.margin import keep_margin
from blindtune.report.system_order import keep_system_order
from support import report_records
from support.post_mortems import write_post_mortems
from support.report_records import RecordsBuilder

SYSTEMS = ["knn", "mlp_m1", "mlp_a1", "bayes"]


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """A finished run of four systems with two seeds."""
    return RecordsBuilder(tmp_path / "a" / "tiny", systems=SYSTEMS, trials=4).write().record().root


def copy_run(before: Path, name: str = "tiny") -> Path:
    """Return a copy of a run, with its ledger, in another folder."""
    after = before.parents[1] / "b" / name
    shutil.copytree(before.parent / "ledger", after.parent / "ledger")
    shutil.copytree(before, after)
    return after


def change_card(root: Path, study: str, **changes: Any) -> None:
    """Write a card again with other fields."""
    path = root / "studies" / study / "card.json"
    write_card(path, read_card(path).model_copy(update=changes))


def change_trial(root: Path, study: str, number: int, **changes: Any) -> None:
    """Write one record of a trial log again with other fields."""
    path = root / "studies" / study / "trials.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[number] = json.dumps(json.loads(lines[number]) | changes)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def compare(before: Path, after: Path) -> RunComparison:
    """Compare two runs, and compare them the other way round: both differ, or none."""
    found = compare_runs(before, after)
    assert compare_runs(after, before).differs == found.differs
    return found


def test_equal_runs_have_no_difference(before: Path) -> None:
    """A copy of a run differs in nothing, and its comparison is one sentence."""
    after = copy_run(before)
    found = compare(before, after)
    assert not found.differs
    assert describe(found) == f"{before} and {after}: 8 studies with equal config, data, records and verdicts."


def test_verdict_that_is_only_marked_otherwise_is_summed_up(before: Path) -> None:
    """Two runs whose records are equal, and whose ledgers are not, differ in the marks of their verdicts."""
    after = copy_run(before)
    shutil.rmtree(after.parent / "ledger")
    found = compare(before, after)
    assert found.differs and all(change.is_same_decision for change in found.verdicts)
    first, *_ = describe(found).splitlines()
    assert first.endswith(" differ in the numbers or the marks of the verdict on set_10.")
    assert describe(found).count(", with other numbers or marks") == len(found.verdicts)


def test_verdicts_use_the_ledger_that_the_config_named(before: Path) -> None:
    """A run whose config names another ledger is marked by that one; if it is not there, its place is named."""
    after = copy_run(before)
    shared = after.parents[1] / "shared"
    (after.parent / "ledger").rename(shared)
    ResultPaths(str(after)).keep_ledger_place(str(shared))
    assert not compare(before, after).differs
    shared.rename(after.parents[1] / "gone")
    [reason] = compare(before, after).unknown_verdicts
    assert f"the ledger of these results is {shared}, which is not there. Mount or restore it" in reason


def test_times_and_hosts_are_not_compared(before: Path) -> None:
    """Two runs differ in times, hosts and dates alone: they are equal."""
    after = copy_run(before)
    change_trial(after, "set_10/mlp_a1/42", 1, started="2030-01-01", host="elsewhere", retries=["killed"])
    change_card(after, "set_10/mlp_a1/42", trials_sha256="0" * 64)
    assert not compare(before, after).differs


def test_libraries_and_code_are_shown_but_do_not_count(before: Path) -> None:
    """Another version of a library, or other code, is listed with the number of studies, and is no difference."""
    after = copy_run(before)
    versions = read_card(before / "studies/set_10/mlp_m1/42/card.json").versions
    name = next(iter(versions))
    for seed in (42, 43):
        change_card(after, f"set_10/mlp_m1/{seed}", versions=versions | {name: "99.0"}, code_sha256="c" * 64)
    found = compare(before, after)
    assert not found.differs
    assert [(one.name, one.after, one.places) for one in found.software] == [
        (name, "99.0", 2),
        ("code of frozen models", "", 2),
    ]
    text = describe(found)
    assert "libraries or code differ" in text and f"{versions[name]} -> 99.0" in text


def test_changed_settings_are_named_once_with_their_effect(before: Path) -> None:
    """A key that differs for all seeds of a system is one line, with what it affects; labels are told apart."""
    after = copy_run(before)
    for seed in (42, 43):
        path = f"set_10/mlp_a1/{seed}"
        settings = read_card(before / "studies" / path / "card.json").settings
        change_card(after, path, settings=settings | {"paper_row": "other", "training": {"epochs": 99}})
    found = compare(before, after)
    changes = {change.key: change for change in found.config}
    assert changes["systems.mlp_a1.paper_row"].effect == "report only"
    assert changes["systems.mlp_a1.paper_row"].datasets == ["set_10"]
    assert {change.effect for key, change in changes.items() if "training" in key} == {"training"}
    assert len(found.config) == len(changes)


def test_changed_trial_is_named_by_its_first_difference(before: Path) -> None:
    """A changed trial is counted, and what differs in it is named; so is a trial that one run lacks."""
    after = copy_run(before)
    change_trial(after, "set_10/mlp_m1/42", 0, epochs=7)
    log = TrialLog(before / "studies/set_10/mlp_a1/43/trials.jsonl").read()
    lines = (after / "studies/set_10/mlp_a1/43/trials.jsonl").read_text(encoding="utf-8").splitlines()
    (after / "studies/set_10/mlp_a1/43/trials.jsonl").write_text("\n".join(lines[:-1]) + "\n", encoding="utf-8")
    (after / "studies/set_10/mlp_a1/43/card.json").unlink()
    first, second = sorted(compare_runs(before, after).studies, key=lambda one: one.system)
    assert (first.system, first.equal, first.different, first.only) == ("mlp_a1", len(log) - 1, 0, (1, 0))
    assert first.states == ("complete", f"{len(log) - 1} trials, not frozen")
    assert (second.different, second.first) == (1, "trial 0: epochs 2 -> 7")


def test_other_frozen_model_and_eval_values(before: Path, tmp_path: Path) -> None:
    """Another eval error is shown with the difference, and a changed verdict with both answers."""
    systems = {"systems": SYSTEMS, "trials": 4, "samples": 400}
    errors = {"mlp_m1": 0.1, "mlp_a1": 0.45}
    better = RecordsBuilder(tmp_path / "c" / "tiny", errors=errors, **systems).write().record().root
    worse = (
        RecordsBuilder(tmp_path / "d" / "tiny", errors={"mlp_m1": 0.45, "mlp_a1": 0.1}, **systems).write().record().root
    )
    found = compare(better, worse)
    studies = {(one.system, one.seed): one for one in found.studies}
    change = studies["mlp_m1", 42]
    assert change.model == "" and "predictions" in change.answers
    assert change.eval.before is not None and change.eval.after is not None
    assert change.eval.after > change.eval.before + 0.2
    verdict = next(one for one in found.verdicts if one.question == "manual or tuned?")
    assert verdict.before is not None and verdict.after is not None
    assert (verdict.before.decision, verdict.after.decision) == ("manual better", "tuned better")
    text = describe(found)
    assert "differ in the verdict on set_10" in text
    assert "set_10, manual or tuned? manual better -> tuned better" in text


def test_verdicts_use_the_margin_of_each_report(tmp_path: Path) -> None:
    """Runs that differ in the margin alone are told so, and each is judged by its own; a run without one is noted."""
    builder = RecordsBuilder(
        tmp_path / "a" / "tiny", systems=SYSTEMS, trials=4, errors={"mlp_m1": 0.3, "mlp_a1": 0.3}
    ).write().record()  # fmt: skip
    before = builder.root
    keep_margin(before / "report", 1.0)
    after = copy_run(before)
    assert not compare(before, after).differs
    keep_margin(after / "report", 45.0)
    found = compare(before, after)
    assert [(one.key, one.before, one.after, one.effect) for one in found.config] == [
        ("report.margin", 1.0, 45.0, "report only")
    ]
    answers = next((one.before, one.after) for one in found.verdicts if one.question == "manual or tuned?")
    told = [answer is not None and "differ by less than 45 points" in answer.sentence for answer in answers]
    assert told == [False, True] and "note:" not in describe(found)
    other = {"mlp_m1": 0.1, "mlp_a1": 0.45}
    unreported = RecordsBuilder(tmp_path / "c" / "tiny", systems=SYSTEMS, trials=4, errors=other).write().record().root
    found = compare(unreported, after)
    assert found.config == [] and found.verdicts
    assert f"note: {unreported} has no report, which keeps the margin of equivalence" in describe(found)
    assert "that of the other run, 45, is taken" in describe(found)


@pytest.mark.parametrize("content", [{}, {"margin": "1"}, {"margin": 0}, {"margin": True}])
def test_damaged_margin_is_named(before: Path, content: dict[str, Any]) -> None:
    """A file of the margin without one is an error with its path and what to do."""
    write_json(before / "report" / "margin.json", content)
    with pytest.raises(UserError, match=r"margin\.json: does not hold a margin above 0\. Remove .*run again"):
        compare_runs(before, before)


def test_verdicts_take_the_first_of_equals_in_the_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two manual models with equal dev errors, the first in the config is judged, as in the report of the run."""

    def make_equal_trial(*given: Any) -> Trial:
        trial = make_trial(*given)
        curve = [epoch.model_copy(update={"dev_error": 0.2}) for epoch in trial.curve]
        return trial.model_copy(update={"score": None if trial.score is None else 0.2, "curve": curve})

    make_trial = report_records._trial
    monkeypatch.setattr(report_records, "_trial", make_equal_trial)
    systems = ["mlp_m2", "mlp_m1", "mlp_a1"]
    errors = {"mlp_m2": 0.1, "mlp_m1": 0.45, "mlp_a1": 0.3}
    root = RecordsBuilder(tmp_path / "a" / "tiny", systems=systems, trials=4, errors=errors).write().record().root
    keep_system_order(root / "report", [("set_10", systems)])
    other = copy_run(root)
    keep_system_order(other / "report", [("set_10", ["mlp_m1", "mlp_m2", "mlp_a1"])])
    verdicts = compare(root, other).verdicts
    decisions = [(one.before.decision, one.after.decision) for one in verdicts if one.before and one.after]
    assert decisions == [("manual better", "tuned better"), ("mlp_m2", "mlp_m1")]
    (other / "report" / "systems.json").write_text('{"systems": {"set_10": [1]}}', encoding="utf-8")
    with pytest.raises(UserError, match=r"systems\.json: does not hold the names of .*run again"):
        compare_runs(root, other)


def test_changed_data_are_counted_by_split(before: Path) -> None:
    """More samples, other samples and another file are named for each split."""
    after = copy_run(before)
    path = after / "data/set_10/manifest.json"
    manifest = read_json(path)
    manifest["splits"] |= {"train": "1" * 64, "dev": "2" * 64}
    label = next(iter(manifest["counts"]["train"]))
    manifest["counts"]["train"][label] += 1000
    manifest["files"]["train.csv"] = "3" * 64
    write_json(path, manifest)
    (data,) = compare(before, after).data
    assert data.dataset == "set_10"
    assert [change.partition(":")[0] for change in data.changes] == ["train", "dev", "files, other content"]
    assert "other samples, as many of each class" in data.changes[1]


def test_only_studies_and_seeds(before: Path, tmp_path: Path) -> None:
    """Systems and seeds that one run lacks are listed, and count as a difference."""
    less = RecordsBuilder(tmp_path / "c" / "tiny", systems=SYSTEMS[:-1], seeds=[42], trials=4).write().record().root
    found = compare(before, less)
    changes = {change.key: (change.before, change.after) for change in found.config}
    assert changes["seeds"] == ([42, 43], [42])
    assert changes["systems of set_10"] == (["bayes"], [])
    assert len(found.only_studies[0]) == 5 and found.only_studies[1] == []
    assert "only before" in describe(found)


def test_unfinished_run_is_compared_as_far_as_it_is(before: Path) -> None:
    """A run without decodes and cards is compared by its trials, and what is not finished is listed."""
    after = copy_run(before)
    shutil.rmtree(after / "decodes")
    for card in after.glob("studies/set_10/knn/*/card.json"):
        card.unlink()
    found = compare(before, after)
    assert {(one.system, one.state) for one in found.unfinished[1]} == {
        ("knn", "3 trials, not frozen"),
        ("bayes", "not decoded"),
        ("mlp_a1", "not decoded"),
        ("mlp_m1", "not decoded"),
    }
    assert all(one.different == 0 and one.only == (0, 0) for one in found.studies)
    assert "Not finished" in describe(found)


def test_dataset_without_a_system_of_every_seed_is_named(before: Path) -> None:
    """Where no system has all seeds of the run there is no verdict, and the text says why."""
    builder = RecordsBuilder(before, systems=SYSTEMS, seeds=[42], trials=4, datasets={"late": {}}).write()
    found = compare(before, builder.root)
    [reason] = found.unknown_verdicts
    assert reason == (
        f"{before}: late has no system with a result on eval for every seed of the run (42, 43), so that there is no "
        "verdict on it"
    )
    assert f"not compared: {reason}" in describe(found)
    assert (
        describe(found).splitlines()[0].endswith("with equal config, data and records; not all verdicts are compared.")
    )


def test_post_mortems_are_compared(tmp_path: Path) -> None:
    """A post-mortem that one run alone has differs, and so does another score; when it was made does not."""
    builders = [
        RecordsBuilder(tmp_path / side / "tiny", systems=SYSTEMS, trials=4).write().record() for side in ("a", "b")
    ]
    one, other = builders
    write_post_mortems(one, ["mlp_a1"])
    found = compare(one.root, other.root)
    assert [(change.seed, change.what) for change in found.post_mortems] == [(42, "only before"), (43, "only before")]
    first, *_ = describe(found).splitlines()
    assert found.differs and first.endswith("differ in 2 post-mortems.")
    assert "note: what was decoded on the eval of set_10 after its post-mortem is not blind" in describe(found)
    write_post_mortems(other, ["mlp_a1"])
    path = other.root / "post_mortems/set_10/mlp_a1/42/post_mortem.json"
    same = read_post_mortem(path, "")
    write_post_mortem(path, same.model_copy(update={"analysed": "2030-01-01T00:00:00.000+00:00"}))
    assert not compare(one.root, other.root).differs
    trials = [
        trial
        if trial.error is None or trial.trial == same.chosen
        else trial.model_copy(update={"wrong": 7, "error": 7 / 400})
        for trial in same.trials
    ]
    write_post_mortem(path, same.model_copy(update={"trials": trials}))
    [change] = compare(one.root, other.root).post_mortems
    assert (change.system, change.seed) == ("mlp_a1", 42) and change.what.endswith(" of 4 trials with another eval")
    assert change.first.endswith(" -> 1.75%")


def test_cli_status_is_that_of_diff(before: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit status is 0 for equal runs, 1 for different ones, and 2 with one message if one cannot be read."""
    after = copy_run(before)
    assert main(["compare", str(before), str(after)]) == 0
    change_trial(after, "set_10/mlp_m1/42", 0, epochs=7)
    capsys.readouterr()
    assert main(["compare", "--json", str(before), str(after)]) == 1
    content = json.loads(capsys.readouterr().out)
    assert content["differs"] and content["studies"][0]["first"] == "trial 0: epochs 2 -> 7"
    assert main(["compare", str(before), str(after.parent / "none")]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1 and "is not a folder. Give the folder of a run" in message


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: root.parent, "holds no run. Give one of the folders in it"),
        (lambda root: root / "studies" / "set_10", "Give the folder of the run"),
        (lambda root: root / "sealed", "is below a folder sealed"),
    ],
)
def test_read_run_says_which_folder_to_give(
    before: Path, capsys: pytest.CaptureFixture[str], make: Any, message: str
) -> None:
    """A folder above or below a run is refused with the folder to give."""
    assert main(["compare", str(before), str(make(before))]) == 2
    assert message in capsys.readouterr().err


def test_read_run_refuses_early_records(before: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Results of before the names were changed are refused in one message."""
    after = copy_run(before)
    folder = after / "decodes/set_10/knn/42"
    (folder / "result.json").rename(folder / "look.json")
    assert main(["compare", str(before), str(after)]) == 2
    assert "was written by an early version" in capsys.readouterr().err


@pytest.mark.parametrize("changes", [{"files": None}, {"versions": {"numpy": ["2"]}}, {"counts": {"eval": 3}}])
def test_read_run_refuses_a_manifest_of_another_form(
    before: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any]
) -> None:
    """A part of a manifest that is compared and is of another form is named with its file."""
    after = copy_run(before)
    path = after / "data/set_10/manifest.json"
    write_json(path, read_json(path) | changes)
    assert main(["compare", str(before), str(after)]) == 2
    message = capsys.readouterr().err
    assert "manifest.json" in message and next(iter(changes)) in message and "Traceback" not in message


def test_read_run_refuses_an_incomplete_line(before: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A log whose last record is not complete is refused with what to do."""
    after = copy_run(before)
    with (after / "studies/set_10/knn/42/trials.jsonl").open("a", encoding="utf-8") as log:
        log.write('{"study"')
    assert main(["compare", str(before), str(after)]) == 2
    assert "its last record is incomplete. Wait until" in capsys.readouterr().err
