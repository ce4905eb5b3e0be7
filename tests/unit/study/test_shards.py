"""Shards: for any number of them, and for any part of them that is lost or damaged, the same records."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blindtune.config.systems import Knn
from blindtune.core.errors import ClaimedError, UserError
from blindtune.core.shards import Shard
from blindtune.datasets.prepared import Prepared
from blindtune.records.trial import TrialLog
from blindtune.study.shards import folder_of, read_shards
from support.builders import RecordingConsole
from support.claims import leave_claim
from support.curve_trainer import BatchCurveTrainer, CurveTrainer
from support.sharded_studies import ShardLab, training_with, tuned

pytestmark = pytest.mark.filterwarnings("ignore:.*(currentThread|getName).*:DeprecationWarning", "ignore::UserWarning")


#: By name: library, algorithm, and what else the system has.
SEARCHES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "keras-tuner random": ("keras-tuner", "random", {}),
    "keras-tuner grid": ("keras-tuner", "grid", {}),
    "keras-tuner default": ("keras-tuner", "default", {}),
    "optuna random": ("optuna", "random", {}),
    "optuna grid": ("optuna", "grid", {}),
    "parameter-sampler": ("scikit-learn", "parameter-sampler", {}),
    "parameter-grid": ("scikit-learn", "parameter-grid", {}),
    "randomized-search": ("scikit-learn", "randomized-search", {}),
    "grid-search": ("scikit-learn", "grid-search", {}),
    "optuna random, folds": ("optuna", "random", {"folds": 3}),
    "keras-tuner grid, folds": ("keras-tuner", "grid", {"folds": 3}),
    "randomized-search, folds": ("scikit-learn", "randomized-search", {"folds": 3}),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_shards_give_the_records_of_one_process(data: Prepared, space: Path, tmp_path: Path, name: str) -> None:
    """Records, weights and card of a search do not depend on the number of its shards, but for times and hosts."""
    library, algorithm, changes = SEARCHES[name]
    lab = ShardLab(data, tmp_path, tuned(space, library, algorithm, **changes), budget={"trials": 11}, keep_best=3)
    trainer = CurveTrainer()
    with training_with(trainer):
        whole = lab.run()
        epochs = trainer.trained
        for n_shards in (1, 2, 3, 5, 20):
            lab.forget()
            trainer.trained = 0
            shards = lab.run_shards(n_shards)
            in_shards = trainer.trained
            assert lab.run(shards) == whole
            # Only the best set of all folds, for all of train, waits for scores.
            alone = 3 if "folds" in name else 0
            assert (in_shards, trainer.trained) == (epochs - alone, epochs)
    statuses = {json.loads(line)["status"] for line in whole["trials"]}
    assert "random" not in name or statuses == {"completed", "invalid"}


def test_shards_of_a_batch_trainer_give_the_same_records(data: Prepared, space: Path, tmp_path: Path) -> None:
    """Other groups of sets that are trained at once change no record."""
    lab = ShardLab(data, tmp_path, tuned(space, "keras-tuner"), budget={"trials": 30}, keep_best=2)
    with training_with(BatchCurveTrainer(7)):
        whole = lab.run()
        for n_shards in (2, 4):
            lab.forget()
            assert lab.run(lab.run_shards(n_shards)) == whole


def test_shards_of_fused_models_give_the_same_records(data: Prepared, space: Path, tmp_path: Path) -> None:
    """The real trainer of fused models gives each set the same numbers in any group."""
    lab = ShardLab(data, tmp_path, tuned(space, trainer="fused"), budget={"trials": 24}, keep_best=2)
    whole = lab.run()
    lab.forget()
    assert lab.run(lab.run_shards(3)) == whole


def test_shards_of_a_reference_model_give_the_same_records(data: Prepared, tmp_path: Path) -> None:
    """Candidates of a reference model, which has no weights, are divided too."""
    lab = ShardLab(data, tmp_path, Knn(kind="knn", n_neighbors=[1, 3, 5, 9, 25]), budget=None)
    whole = lab.run()
    lab.forget()
    assert lab.run(lab.run_shards(2)) == whole


def test_budget_in_epochs_is_divided_as_far_as_it_is_certain(data: Prepared, space: Path, tmp_path: Path) -> None:
    """Invalid sets cost one epoch, so the study trains some sets more than its shards could know of."""
    system = tuned(space, training={"epochs": 5, "batch_size": 20, "early_stopping": 1})
    lab = ShardLab(data, tmp_path, system, budget={"epochs": 30})
    with training_with(CurveTrainer()):
        whole = lab.run()
        lab.forget()
        assert lab.run(lab.run_shards(2)) == whole
    assert any("took" in line and f"of {len(whole['trials'])} trials from its shards" in line for line in lab.said)


def test_larger_budget_goes_on_in_the_same_shards(data: Prepared, space: Path, tmp_path: Path) -> None:
    """With more trials a shard keeps those that it has trained."""
    trainer = CurveTrainer()
    with training_with(trainer):
        whole = ShardLab(data, tmp_path / "whole", tuned(space), budget={"trials": 12}).run()
        small = ShardLab(data, tmp_path, tuned(space), budget={"trials": 7})
        small.run(small.run_shards(2))
        trainer.trained = 0
        lab = ShardLab(data, tmp_path, tuned(space), budget={"trials": 12})
        assert lab.run(lab.run_shards(2)) == whole
        assert trainer.trained == sum(len(json.loads(line)["curve"]) for line in whole["trials"][7:])


def test_shards_do_not_train_what_the_study_has_recorded(data: Prepared, space: Path, tmp_path: Path) -> None:
    """A search that was begun without shards goes on with them, and ends with the same records."""
    trainer = CurveTrainer()
    lab = ShardLab(data, tmp_path, tuned(space), budget={"trials": 12}, keep_best=2)
    with training_with(trainer):
        whole = lab.run()
        log = lab.folder / "trials.jsonl"
        log.write_text("".join(f"{line}\n" for line in log.read_text().splitlines()[:8]))
        (lab.folder / "card.json").unlink()
        trainer.trained = 0
        shards = lab.run_shards(3)
        assert trainer.trained == sum(len(json.loads(line)["curve"]) for line in whole["trials"][8:])
        assert lab.run(shards)["trials"] == whole["trials"]


@pytest.mark.parametrize("cut", [0, 1, 2])
def test_killed_shard_goes_on_from_what_it_has(data: Prepared, space: Path, tmp_path: Path, cut: int) -> None:
    """A shard keeps its whole records, sets an unfinished one aside, and writes the same file in the end."""
    trainer = CurveTrainer()
    lab = ShardLab(data, tmp_path, tuned(space), budget={"trials": 12})
    with training_with(trainer):
        whole = lab.run()
        lab.forget()
        output = lab.run_shard(1, 2)
        log = folder_of(output) / "trials.jsonl"
        lines = log.read_bytes().splitlines(keepends=True)
        log.write_bytes(b"".join(lines[:cut]) + lines[cut][:50])
        trainer.trained = 0
        lab.run_shard(1, 2)
        assert trainer.trained == sum(len(json.loads(line)["curve"]) for line in lines[cut:])
        assert log.read_bytes().splitlines(keepends=True)[:cut] == lines[:cut], "no record is written again"
        assert any("shard 1 of 2: an unfinished last record was set aside" in line for line in lab.said)
        assert lab.run([output, lab.run_shard(2, 2)]) == whole


def test_shard_has_one_writer(data: Prepared, space: Path, tmp_path: Path) -> None:
    """While another process trains a shard, a second one ends with a message that names it."""
    lab = ShardLab(data, tmp_path, tuned(space), budget={"trials": 4})
    output = lab.shard_file(1, 2)
    output.parent.mkdir(parents=True)
    leave_claim(output)
    with pytest.raises(ClaimedError, match="shard 1 of 2 of the study test/toy/it/42 is in use by process"):
        lab.run_shard(1, 2)


def damage_line(path: Path, row: int) -> None:
    """Change one digit of a line, so that it is still valid."""
    lines = path.read_text(encoding="utf-8").splitlines()
    place = lines[row].index('"number":') + len('"number":')
    lines[row] = lines[row][:place] + str(9 - int(lines[row][place])) + lines[row][place + 1 :]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def cut_file(path: Path, row: int) -> None:
    """Leave half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def remove_weights(path: Path, row: int) -> None:
    """Remove the weights of a shard."""
    for weights in (folder_of(path) / "weights").glob("*"):
        weights.unlink()


def damage_weights(path: Path, row: int) -> None:
    """Change one byte of the weights of a shard."""
    for weights in (folder_of(path) / "weights").glob("*"):
        content = bytearray(weights.read_bytes())
        content[-1] ^= 1
        weights.write_bytes(content)


def swap_trials(path: Path, row: int) -> None:
    """Give the file another number of shards, so that its trials are those of others."""
    path.write_text(path.read_text().replace('"n_shards":', '"n_shards":1', 1), encoding="utf-8")


DAMAGES = {
    "missing": lambda path, row: path.unlink(),
    "empty": lambda path, row: path.write_bytes(b""),
    "no text": lambda path, row: path.write_bytes(b"\xff\xfe\x00" * 40),
    "a folder": lambda path, row: (path.unlink(), path.mkdir()),
    "a line": damage_line,
    "cut": cut_file,
    "no weights": remove_weights,
    "wrong weights": damage_weights,
    "other shards": swap_trials,
}


@given(
    n_shards=st.integers(1, 7),
    damages=st.dictionaries(st.integers(1, 7), st.sampled_from(sorted(DAMAGES)), max_size=7),
    seed=st.integers(1, 3),
    keep_best=st.integers(1, 4),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_lost_and_damaged_shards_change_no_record(
    data: Prepared,
    space: Path,
    tmp_path: Path,
    n_shards: int,
    damages: dict[int, str],
    seed: int,
    keep_best: int,
) -> None:
    """Whatever is lost or damaged of the files of shards, the study ends with the same records, weights and card."""
    lab = ShardLab(data, tmp_path, tuned(space), budget={"trials": 9}, keep_best=keep_best, seed=seed)
    with training_with(CurveTrainer()):
        lab.forget()
        whole = lab.run()
        lab.forget()
        shards = lab.run_shards(n_shards)
        for number, damage in damages.items():
            if number <= n_shards:
                DAMAGES[damage](shards[number - 1], 1)
        result = lab.run(shards)
    assert result == whole
    for path in shards:
        if path.is_dir():
            path.rmdir()


@pytest.mark.parametrize("damage", sorted(DAMAGES))
def test_what_cannot_be_used_is_named(data: Prepared, space: Path, tmp_path: Path, damage: str) -> None:
    """Each damage of a shard's file is named in a line, with the file."""
    lab = ShardLab(data, tmp_path, tuned(space), budget={"trials": 9})
    with training_with(CurveTrainer()):
        shards = lab.run_shards(2)
        DAMAGES[damage](shards[0], 1)
        lab.said.clear()
        lab.run(shards)
    [*named] = [line for line in lab.said if str(shards[0]) in line]
    assert named and all("trained" in line for line in named)
    assert "took 9 of 9" not in " ".join(lab.said)


def test_shard_of_another_protocol_is_not_used(data: Prepared, space: Path, tmp_path: Path) -> None:
    """What was trained with other code is not taken, and a line says so."""
    trainer = CurveTrainer()
    lab = ShardLab(data, tmp_path, tuned(space), code="old", budget={"trials": 6})
    with training_with(trainer):
        shards = lab.run_shards(2)
        lab.code = "new"
        lab.said.clear()
        trainer.trained = 0
        result = lab.run(shards)
    assert trainer.trained == sum(len(json.loads(line)["curve"]) for line in result["trials"])
    said = [line for line in lab.said if "was made with another config, data or code" in line]
    assert [line.split(":")[0] for line in said] == [str(path) for path in shards]


def test_shard_of_other_proposals_is_trained_again(data: Prepared, space: Path, tmp_path: Path) -> None:
    """A trial whose set is not what the tuner proposes now is not taken, though its file is whole."""
    trainer = CurveTrainer()
    lab = ShardLab(data, tmp_path / "one", tuned(space), budget={"trials": 6})
    other = ShardLab(data, tmp_path / "two", tuned(space), budget={"trials": 6}, seed=7)
    with training_with(trainer):
        whole = lab.run()
        lab.forget()
        shards = lab.run_shards(1)
        [theirs] = other.run_shards(1)
        # As if both had the protocol, which names the seed.
        header = shards[0].read_text().splitlines()[0]
        theirs.write_text("\n".join([header, *theirs.read_text().splitlines()[1:]]) + "\n")
        lab.said.clear()
        assert lab.run([theirs]) == whole
    assert sum("is not what the tuner proposes" in line for line in lab.said) == 6


def test_file_of_a_shard_is_bounded() -> None:
    """A shard that there is not is refused."""
    for number, n_shards in ((0, 2), (3, 2), (1, 100_000)):
        with pytest.raises(UserError, match=f"there is no shard {number} of {n_shards}"):
            Shard(number, n_shards)


def test_positions_of_all_shards_are_all_trials() -> None:
    """Every trial belongs to exactly one shard, and is found there again."""
    for n_shards in (1, 2, 5):
        shards = [Shard(number, n_shards) for number in range(1, n_shards + 1)]
        for trial in range(17):
            found = [(one, position) for one in shards if (position := one.position(trial)) is not None]
            [(shard, position)] = found
            assert shard.trial_number(position) == trial


def test_records_keep_what_a_shard_said_of_them(data: Prepared, space: Path, tmp_path: Path) -> None:
    """Seconds of the shard and of the study add up; host and start are those of the shard."""
    lab = ShardLab(data, tmp_path, tuned(space), budget={"trials": 4})
    with training_with(CurveTrainer()):
        shards = lab.run_shards(2)
        lab.run(shards)
    trained = TrialLog(folder_of(shards[1]) / "trials.jsonl").read()[0]
    taken = TrialLog(lab.folder / "trials.jsonl").read()[1]
    assert (taken.started, taken.host, taken.retries) == (trained.started, trained.host, trained.retries)
    assert set(taken.seconds) >= set(trained.seconds) | {"suggest", "save"}
    assert all(taken.seconds[part].wall >= spent.wall for part, spent in trained.seconds.items())


def test_read_shards_without_files_finds_nothing(tmp_path: Path) -> None:
    """A study without shards reads none."""
    console = RecordingConsole()
    assert read_shards([], "test/toy/it/42", "", 1, console.info).find(0) is None
    assert console.said == []
