"""Shards of rungs: Hyperband and halving in any number of shards leave the records of one process."""

import json
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from blindtune.core.errors import UserError
from blindtune.datasets.prepared import Prepared
from blindtune.study.shards import folder_of
from support.curve_trainer import BatchCurveTrainer, CurveTrainer, curve_error
from support.sharded_studies import SPACE, ShardLab, training_with, tuned

pytestmark = pytest.mark.filterwarnings("ignore:.*(currentThread|getName).*:DeprecationWarning", "ignore::UserWarning")


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a search space of 12 sets."""
    path = tmp_path_factory.mktemp("grid") / "space.yaml"
    path.write_text(SPACE.replace("0.05, step", "0.02, step").replace("high: 1.0", "high: 0.0"), encoding="utf-8")
    return path


TRAINING = {"epochs": 9, "batch_size": 20}

#: By name: library, algorithm, arguments of the tuner, and what else the system and the study have.
SEARCHES: dict[str, tuple[str, str, dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "hyperband": ("keras-tuner", "hyperband", {}, {}, {"trials": 40}),
    "hyperband, cut off in a rung": ("keras-tuner", "hyperband", {"factor": 2}, {}, {"trials": 21}),
    "hyperband, epochs": ("keras-tuner", "hyperband", {}, {}, {"epochs": 60}),
    "hyperband once": ("keras-tuner", "hyperband", {"hyperband_iterations": 1}, {}, {"trials": 99}),
    "halving": ("scikit-learn", "halving-random-search", {}, {}, {"trials": 20}),
    "halving, epochs": ("scikit-learn", "halving-random-search", {"factor": 2}, {}, {"epochs": 70}),
    "halving, aggressive": (
        "scikit-learn",
        "halving-random-search",
        {"aggressive_elimination": True, "min_epochs": 3},
        {},
        {"trials": 30},
    ),
    "halving on folds": ("scikit-learn", "halving-random-search", {}, {"folds": 2}, {"trials": 27}),
    "halving of a grid": ("scikit-learn", "halving-grid-search", {}, {}, {"trials": 30}),
    "halving of a part of a grid": ("scikit-learn", "halving-grid-search", {}, {}, {"trials": 9}),
}


def build(data: Prepared, root: Path, space: Path, name: str = "hyperband", **changes: Any) -> ShardLab:
    """Return a lab for one of `SEARCHES`."""
    library, algorithm, arguments, parts, budget = SEARCHES[name]
    tuner = {"library": library, "algorithm": algorithm} | arguments
    system = tuned(space, tuner=tuner, training=TRAINING, **parts)
    given: dict[str, Any] = {"budget": budget, "keep_best": 3} | changes
    return ShardLab(data, root, system, **given)


def join(rungs: Iterable[Iterable[Path]]) -> list[Path]:
    """Return the files of all rungs."""
    return list(chain.from_iterable(rungs))


@pytest.mark.parametrize("name", SEARCHES)
def test_rungs_give_the_records_of_one_process(
    data: Prepared, space: Path, grid: Path, tmp_path: Path, name: str
) -> None:
    """Records, weights and card do not depend on the number of shards, and nothing is trained twice."""
    lab = build(data, tmp_path, grid if "grid" in name else space, name)
    trainer = CurveTrainer()
    with training_with(trainer):
        whole = lab.run()
        epochs, trainer.trained = trainer.trained, 0
        for n_shards in (1, 2, 30) if name == "hyperband" else (3,):
            lab.forget()
            trainer.trained = 0
            rungs = lab.run_rungs(n_shards)
            in_shards = trainer.trained
            assert lab.run(join(rungs)) == whole
            assert trainer.trained == epochs
            # On folds, the best set for all of train; with a budget in epochs, what invalid sets left of it.
            assert in_shards == epochs or "folds" in name or "epochs" in name
    trials = [json.loads(line) for line in whole["trials"]]
    assert any(trial["parent"] is not None for trial in trials)
    assert "folds" in name or any(trial["trained_before"] for trial in trials)
    assert not list(lab.root.glob("**/states"))


def test_rungs_of_a_batch_trainer_give_the_same_records(data: Prepared, space: Path, tmp_path: Path) -> None:
    """Other groups of sets that are trained at once change no record."""
    lab = build(data, tmp_path, space)
    with training_with(BatchCurveTrainer(7)):
        whole = lab.run()
        lab.forget()
        assert lab.run(join(lab.run_rungs(2))) == whole


@pytest.mark.parametrize("trainer", ["pytorch", "fused"])
def test_real_trainings_give_the_same_records(data: Prepared, space: Path, tmp_path: Path, trainer: str) -> None:
    """A promoted training goes on from the optimizer's state and random numbers of a shard, to the same weights."""
    tuner = {"library": "keras-tuner", "algorithm": "hyperband", "max_epochs": 3}
    system = tuned(space, tuner=tuner, trainer=trainer)
    lab = ShardLab(data, tmp_path, system, budget={"trials": 8}, keep_best=3)
    whole = lab.run()
    lab.forget()
    rungs = lab.run_rungs(2)
    assert list(folder_of(rungs[0][0]).glob("states/*"))
    assert lab.run(join(rungs)) == whole
    assert any("took 8 of 8 trials from its shards" in line for line in lab.said)
    assert any(json.loads(line)["trained_before"] for line in whole["trials"])


def lose_states(shard: Path) -> None:
    """Remove what promoted trials of a shard would go on from."""
    for path in folder_of(shard).glob("states/*"):
        path.unlink()


def damage_states(shard: Path) -> None:
    """Change one byte of each state of a shard."""
    for path in folder_of(shard).glob("states/*"):
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)


@pytest.mark.parametrize("spoil", [lose_states, damage_states])
def test_lost_states_are_trained_again(data: Prepared, space: Path, tmp_path: Path, spoil: Any) -> None:
    """A promoted trial whose state is lost or damaged goes on from the same state, after more work."""
    lab, trainer = build(data, tmp_path, space), CurveTrainer()
    with training_with(trainer):
        whole = lab.run()
        epochs = trainer.trained
        lab.forget()
        trainer.trained = 0
        first, second, third = lab.run_rungs(2)
        assert trainer.trained == epochs
        for shard in first:
            spoil(shard)
        for shard in second:
            (folder_of(shard) / "trials.jsonl").unlink()
        trainer.trained = 0
        second = [lab.run_shard(number, 2, None, 2, first) for number in (1, 2)]
        lines = chain.from_iterable(shard.read_text().splitlines()[1:] for shard in second)
        assert trainer.trained > sum(len(json.loads(line)["trial"]["curve"]) for line in lines)
        assert lab.run([*first, *second, *third]) == whole


@pytest.mark.parametrize("rung", [1, 2])
@pytest.mark.parametrize("cut", [0, 1])
def test_killed_shard_goes_on_from_what_it_has(
    data: Prepared, space: Path, tmp_path: Path, rung: int, cut: int
) -> None:
    """A shard of a rung that was killed keeps its records, and writes the same file in the end."""
    lab, trainer = build(data, tmp_path, space), CurveTrainer()
    with training_with(trainer):
        whole = lab.run()
        lab.forget()
        rungs = lab.run_rungs(2)
        killed = rungs[rung - 1][0]
        before = killed.read_bytes()
        log = folder_of(killed) / "trials.jsonl"
        lines = log.read_bytes().splitlines(keepends=True)
        log.write_bytes(b"".join(lines[:cut]) + lines[cut][:50])
        trainer.trained = 0
        lab.run_shard(1, 2, None, rung, join(rungs[: rung - 1]))
        assert trainer.trained == sum(len(json.loads(line)["curve"]) for line in lines[cut:])
        assert log.read_bytes().splitlines(keepends=True)[:cut] == lines[:cut], "no record is written again"
        assert len(killed.read_bytes().splitlines()) == len(before.splitlines())
        assert lab.run(join(rungs)) == whole


@pytest.mark.parametrize("rung", [1, 2, 3])
def test_study_trains_what_a_rung_has_lost(data: Prepared, space: Path, tmp_path: Path, rung: int) -> None:
    """Without a file of a rung, the study trains its trials and goes on from the states of the other shards."""
    lab, trainer = build(data, tmp_path, space), CurveTrainer()
    with training_with(trainer):
        whole = lab.run()
        lab.forget()
        rungs = lab.run_rungs(2)
        lost = [json.loads(line)["trial"] for line in rungs[rung - 1][0].read_text().splitlines()[1:]]
        rungs[rung - 1][0].unlink()
        trainer.trained = 0
        assert lab.run(join(rungs)) == whole
        assert trainer.trained == sum(len(trial["curve"]) for trial in lost)


def test_study_begun_without_shards_goes_on_with_them(data: Prepared, space: Path, tmp_path: Path) -> None:
    """What the study has recorded is not trained again, and promoted trials go on from its states."""
    lab, trainer = build(data, tmp_path, space), CurveTrainer()
    with training_with(trainer):
        whole = lab.run()
        epochs = trainer.trained
        lab.forget()

        def stop(_: Any) -> None:
            raise KeyboardInterrupt

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("blindtune.study.search.WeightStore.remove_states", stop)
            with pytest.raises(KeyboardInterrupt):
                lab.run()
        log = lab.folder / "trials.jsonl"
        log.write_text("".join(f"{line}\n" for line in log.read_text().splitlines()[:10]))
        trainer.trained = 0
        rungs = lab.run_rungs(2)
        recorded = sum(len(json.loads(line)["curve"]) for line in whole["trials"][:10])
        assert trainer.trained == epochs - recorded
        assert lab.run(join(rungs))["trials"] == whole["trials"]


def test_raised_budget_goes_on_in_the_same_shards(data: Prepared, space: Path, tmp_path: Path) -> None:
    """With more trials a shard keeps those that it has; a promoted trial whose state is gone is trained again."""
    with training_with(CurveTrainer()):
        whole = build(data, tmp_path / "whole", space).run()
        small = build(data, tmp_path, space, budget={"trials": 17})
        small.run(join(small.run_rungs(2)))
        lab = build(data, tmp_path, space)
        before = {path: path.read_bytes() for path in lab.root.glob("shards/**/trials.jsonl")}
        rungs = lab.run_rungs(2)
        assert before and all(path.read_bytes().startswith(content) for path, content in before.items())
        assert lab.run(join(rungs)) == whole


def damage_line(path: Path) -> None:
    """Change one digit of a line, so that it is still valid."""
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[1] = lines[1].replace('"epochs":1', '"epochs":2', 1)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def lose_line(path: Path) -> None:
    """Remove one trial."""
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([lines[0], *lines[2:]]) + "\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (damage_line, "line 2: is damaged. The scores in this file decide which trials are promoted. Remove it"),
        (lose_line, "trial 1, whose score decides what this rung trains, is missing. Remove the files"),
        (lambda path: path.write_bytes(b""), "is not the file of a shard"),
    ],
)
def test_later_rung_refuses_damaged_scores(
    data: Prepared, space: Path, tmp_path: Path, damage: Any, words: str
) -> None:
    """A shard never guesses who is promoted: one message names the file, and making it again trains nothing."""
    lab, trainer = build(data, tmp_path, space), CurveTrainer()
    with training_with(trainer):
        first, *_ = lab.run_rungs(2)
        damage(first[0])
        with pytest.raises(UserError) as caught:
            lab.run_shard(1, 2, None, 2, first)
        assert words in str(caught.value)
        assert str(caught.value).count("Remove") == 1
        trainer.trained = 0
        lab.run_shard(1, 2, None, 1)
        lab.run_shard(1, 2, None, 2, first)
        assert trainer.trained == 0


def test_shard_of_a_rung_that_there_is_not_is_refused(data: Prepared, space: Path, tmp_path: Path) -> None:
    """A rung beyond the last one, and a shard without a rung, are refused."""
    lab = build(data, tmp_path, space)
    for rung in (9, None):
        with pytest.raises(UserError, match=r"has no shard 1 of 2.*Run the workflow again"):
            lab.run_shard(1, 2, None, rung)


def test_other_scores_of_an_earlier_rung_are_another_search(
    data: Prepared, space: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records of a later rung go with the outcomes before it: with others its shard begins from its first trial."""
    lab = build(data, tmp_path, space)
    with training_with(CurveTrainer()):
        first, *_ = lab.run_rungs(2)
    kept = folder_of(lab.shard_file(1, 2, 2))
    before = (kept / "trials.jsonl").read_bytes()
    for shard in first:
        (folder_of(shard) / "trials.jsonl").unlink()
    worse = curve_error
    monkeypatch.setattr("support.curve_trainer.curve_error", lambda values, epoch: 0.9 - worse(values, epoch))
    with training_with(CurveTrainer()):
        again = [lab.run_shard(number, 2, None, 1) for number in (1, 2)]
        lab.run_shard(1, 2, None, 2, again)
    assert (kept.with_name(f"{kept.name}.outdated-1") / "trials.jsonl").read_bytes() == before
    assert (kept / "trials.jsonl").read_bytes() != before
