"""No set ends a search: sets that cannot be built, that kill the process, and callbacks that fail."""

import json
import os
import signal
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blindtune.config.study import Study
from blindtune.config.systems import Tuned
from blindtune.config.training import Training
from blindtune.core.budget import Budget
from blindtune.core.errors import LostClaimError, UserError
from blindtune.core.files import canonical_json
from blindtune.core.timing import Stopwatch
from blindtune.datasets.prepared import Prepared
from blindtune.records.trial import EpochMetrics, Trial, TrialLog
from blindtune.search_space import Hyperparameters
from blindtune.study import attempts as attempts_module
from blindtune.study import setup as setups
from blindtune.study.attempts import Attempts
from blindtune.study.checkpoints import WeightStore
from blindtune.study.context import StudyContext
from blindtune.study.protocol import build_protocol
from blindtune.study.search import Search
from blindtune.study.setup import SearchSetup
from blindtune.training.base import EpochTracker, Outcome, State, TrainingOptions, TrainingTask
from blindtune.tuners.base import FixedListTuner, Proposal
from support import pool_trainers
from support.builders import study
from support.curve_trainer import KNN, BatchCurveTrainer, CurveTrainer, StudyRunner, curve_error

SETS: list[Hyperparameters] = [{"units": units} for units in range(1, 9)]


def build_task(values: Hyperparameters) -> TrainingTask:
    return TrainingTask(None, Training(epochs=4), values, 7 + int(values["units"]), 2)


def create_search(data: Prepared, folder: Path, trainer: Any, **changes: Any) -> Search:
    content: dict[str, Any] = {
        "tuner": FixedListTuner(SETS), "trainer": trainer, "build_task": build_task, "budget": Budget(trials=8)
    }  # fmt: skip
    setup = SearchSetup(**content | changes)
    context = StudyContext(study=study(KNN), data=data, preprocessing={}, folder=folder)
    return Search(context, setup, TrialLog(folder / "trials.jsonl"), WeightStore(folder, 1))


@pytest.mark.parametrize(
    "error", [OverflowError("int too large"), MemoryError("no room"), RuntimeError("a bug"), RecursionError("deep")]
)
def test_set_that_cannot_be_built_has_failed(data: Prepared, tmp_path: Path, error: Exception) -> None:
    """Any error while a task is built is the failure of its set, and a replay ends the same, though it builds."""

    def build(values: Hyperparameters) -> TrainingTask:
        if values["units"] == 3:
            raise error
        return build_task(values)

    budget = Budget(epochs=4 * 7 + 1)
    first = create_search(data, tmp_path, CurveTrainer(), build_task=build, budget=budget)
    first.run()
    failed = first.trials[2]
    assert (failed.status, failed.reason, failed.epochs) == ("failed", f"{type(error).__name__}: {error}", 0)
    assert [trial.status for trial in first.trials].count("completed") == 7
    again = create_search(data, tmp_path, CurveTrainer(), budget=budget)
    again.run()
    assert again.trials == first.trials, "now it could be built, which changes no budget"


def test_error_of_the_tuner_is_not_one_of_the_set(data: Prepared, tmp_path: Path) -> None:
    """An error of the tuner ends the search, for any trainer; no trial is recorded as failed."""

    class Broken(FixedListTuner):
        def report(self, epoch: int, dev_error: float) -> str | None:
            raise RuntimeError("a bug of the tuner")

    for trainer in (CurveTrainer(), BatchCurveTrainer(4)):
        with pytest.raises(RuntimeError, match="a bug of the tuner"):
            create_search(data, tmp_path / type(trainer).__name__, trainer, tuner=Broken(SETS)).run()
        assert not (tmp_path / type(trainer).__name__ / "trials.jsonl").exists()


class SecondTrainer(BatchCurveTrainer):
    """Says that each training took a second."""

    def train(self, task: Any, train: Any, dev: Any, options: Any) -> Outcome:
        options.clock.add("train", 1.0, 1.0)
        return super().train(task, train, dev, options)


def test_budget_in_seconds_is_overrun_by_one_trial(data: Prepared, tmp_path: Path) -> None:
    """Trials of a batch that are left when the seconds are spent are dropped, and a replay finds the same trials."""
    sets: Any = [{"units": units} for units in range(1, 60)]
    first = create_search(
        data, tmp_path, SecondTrainer(32), tuner=FixedListTuner(sets), budget=Budget(seconds=7.5, trials=59)
    )
    first._tracker.max_remaining_trials = lambda: 32  # type: ignore[method-assign]
    first.run()
    assert len(first.trials) == 8
    again = create_search(
        data, tmp_path, SecondTrainer(32), tuner=FixedListTuner(sets), budget=Budget(seconds=7.5, trials=59)
    )
    assert again.run().trials == first.trials


@pytest.mark.parametrize("seconds", [0.5, 30.0])
def test_epoch_tracker_ends_a_training_over_its_limit(seconds: float) -> None:
    """A training is over its limit by what it spent itself, not by what it waited; in the last epoch too."""
    clock = Stopwatch()
    clock.add("suggest", 99.0, 0.0)
    clock.add("waiting", 99.0, 0.0)
    clock.add("train", 1.0, 1.0)
    tracker = EpochTracker(1, TrainingOptions("last", clock, limit=seconds))
    tracker.add(EpochMetrics(train_loss=1.0, train_error=0.5, dev_loss=1.0, dev_error=0.5), lambda: {})
    outcome = tracker.outcome(3, lambda: {}, lambda: {})
    expected = ("completed", None) if seconds > 1 else ("failed", "too long (more than 0.5 s)")
    assert (outcome.status, outcome.reason) == expected


def test_stopwatch_counts_what_is_being_measured() -> None:
    """The seconds so far hold those of a part that has not ended, without the parts inside that do not count."""
    clock = Stopwatch()
    with clock.measure("train"):
        clock._begun -= 5.0
        clock.add("waiting", 2.0, 0.0)
        clock.add("train", -2.0, 0.0)
        assert 3.0 <= clock.spent(without=("waiting",)) < 3.5 and 5.0 <= clock.spent() < 5.5


def test_protocol_holds_a_limit_only_if_it_is_set() -> None:
    """Studies without a limit keep their protocol, byte by byte; a limit is part of it, a larger budget is not."""
    settings = Tuned.model_validate(
        {"kind": "tuner", "tuner": {"library": "optuna", "algorithm": "random"}, "space": "mlp", "trainer": "pytorch"}
    )

    def protocol(**budget: Any) -> Any:
        return study_protocol(study(settings, budget=budget))

    assert "budget" not in protocol(trials=3)["study"]
    assert protocol(trials=3) == protocol(trials=9)
    limited = protocol(trials=3, trial_seconds=5)
    assert limited["study"]["budget"] == {"trial_seconds": 5.0} and limited == protocol(trials=9, trial_seconds=5)
    assert limited != protocol(trials=3, trial_seconds=6) and canonical_json(limited)
    assert Budget(trials=3).model_dump() == {"trials": 3, "epochs": None, "seconds": None}


def study_protocol(one: Study) -> Any:
    return build_protocol(one, "0" * 64, {}, files={}, code="code")


# Deaths of the process.


def test_attempts_count_deaths_at_the_same_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One death may be a kill, and changes nothing; after two at the same trials these are trained with care."""
    monkeypatch.setattr(attempts_module, "_count_memory_kills", lambda: ("boot", 3))
    first = Attempts(tmp_path, 5)
    assert (first.deaths, first.careful_until) == (0, -1)
    first.begin([5, 6, 7])
    second = Attempts(tmp_path, 5)
    assert (second.deaths, second.careful_until) == (1, -1)
    second.begin([5, 6, 7])
    third = Attempts(tmp_path, 5)
    assert (third.deaths, third.careful_until) == (2, 7)
    assert third.reason_to_give_up(5) is None
    assert (Attempts(tmp_path, 6).deaths, Attempts(tmp_path, 8).deaths) == (1, 0), "a record was progress"
    third.clear()
    assert Attempts(tmp_path, 5).deaths == 0 and list(tmp_path.iterdir()) == []


def test_attempts_give_up_only_when_memory_ran_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial is given up after two deaths for which the system counted that memory ran out; any others are kills."""
    kills = [0]
    monkeypatch.setattr(attempts_module, "_count_memory_kills", lambda: ("boot", kills[0]))
    for _ in range(9):
        attempts = Attempts(tmp_path, 5)
        assert attempts.reason_to_give_up(5) is None
        attempts.begin([5])
    kills[0] += 1
    attempts = Attempts(tmp_path, 5)
    assert attempts.careful_until == 5 and attempts.reason_to_give_up(5) is None
    attempts.begin([5])
    kills[0] += 2
    attempts = Attempts(tmp_path, 5)
    assert attempts.reason_to_give_up(6) is None
    reason = attempts.reason_to_give_up(5)
    assert reason == "the process died 2 times while it was trained, when memory ran out"
    attempts.begin([5])
    monkeypatch.setattr(attempts_module, "_count_memory_kills", lambda: None)
    assert Attempts(tmp_path, 5).reason_to_give_up(5) == reason, "what was known is not lost"


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"first": "x"}', '{"first": 1, "last": 9}', "\x00"])
def test_damaged_attempts_are_none(tmp_path: Path, content: str) -> None:
    """A damaged file of attempts is as none."""
    (tmp_path / "training.json").write_text(content, encoding="utf-8")
    assert Attempts(tmp_path, 5).deaths == 0


def test_search_gives_up_a_trial_and_goes_on(data: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial at which memory ran out twice has failed with that reason; the others are trained."""
    kills = [0]
    monkeypatch.setattr(attempts_module, "_count_memory_kills", lambda: ("boot", kills[0]))
    create_search(data, tmp_path, CurveTrainer(), budget=Budget(trials=4)).run()
    for _ in range(2):
        Attempts(tmp_path, 4).begin([4])
        kills[0] += 1
    search = create_search(data, tmp_path, CurveTrainer())
    search.run()
    assert [trial.status for trial in search.trials] == ["completed"] * 4 + ["failed"] + ["completed"] * 3
    assert search.trials[4].reason == "the process died 2 times while it was trained, when memory ran out"
    assert not (tmp_path / "training.json").exists()


def test_search_with_workers_says_what_it_trains(data: Prepared, tmp_path: Path) -> None:
    """With workers the process that dies is found too."""
    seen: list[Any] = []

    class Watching(BatchCurveTrainer):
        def train_batch(self, jobs: Any, train: Any, dev: Any) -> Any:
            content = json.loads((tmp_path / "training.json").read_text(encoding="utf-8"))
            seen.append((content["first"], content["last"]))
            yield from super().train_batch(jobs, train, dev)

    create_search(data, tmp_path, Watching(4), create_separate=None).run()
    assert seen == [(0, 3), (4, 7)]
    assert not (tmp_path / "training.json").exists()


def test_attempts_of_a_search_with_workers_take_a_death_for_a_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its trials are trained one by one only if memory ran out: no other death of the process is theirs."""
    kills = [0]
    monkeypatch.setattr(attempts_module, "_count_memory_kills", lambda: ("boot", kills[0]))
    for _ in range(4):
        attempts = Attempts(tmp_path, 5, has_workers=True)
        assert attempts.careful_until == -1
        attempts.begin([5, 6, 7])
    kills[0] += 1
    assert Attempts(tmp_path, 5, has_workers=True).careful_until == 7


def test_search_that_lost_its_claim_leaves_what_another_trains(data: Prepared, tmp_path: Path) -> None:
    """The note about trials in training is another's by then."""
    search = create_search(data, tmp_path, CurveTrainer())
    Attempts(tmp_path, 8).begin([8])

    def lost() -> None:
        if len(search.trials) == 8:
            raise LostClaimError("taken over")

    search._check_claim = lost
    with pytest.raises(LostClaimError):
        search.run()
    assert (tmp_path / "training.json").exists()


class ContinuingTuner(FixedListTuner):
    """Continues the first trial with the fourth and the fifth."""

    def __init__(self) -> None:
        super().__init__(SETS)
        self._asked = 0

    def ask(self) -> Proposal | None:
        proposal = super().ask()
        self._asked += 1
        if proposal is None or self._asked not in (4, 5):
            return proposal
        return replace(proposal, parent=0, epochs=8, hyperparameters=SETS[0])


def test_trial_whose_parent_cannot_be_trained_again_has_failed(
    data: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of a library while a parent's state is restored is a failure of the trial that continues it."""
    search = create_search(data, tmp_path, CurveTrainer(), tuner=ContinuingTuner())
    asked: list[int] = []

    def no_room(trial: Trial) -> State:
        asked.append(trial.number)
        if len(asked) == 1:
            raise MemoryError("no room")
        return State(4, {"epochs": np.array([4]), "id": np.array([curve_error(SETS[0], 0)])})

    monkeypatch.setattr(search.retrainer, "state_after", no_room)
    search.run()
    assert asked == [0, 0]
    assert [trial.status for trial in search.trials] == ["completed"] * 3 + ["failed"] + ["completed"] * 4
    assert search.trials[3].reason == "MemoryError: no room"


def test_parent_that_gives_other_weights_ends_the_search(
    data: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is no failure of the trial that continues it: the records are not what they were."""
    search = create_search(data, tmp_path, CurveTrainer(), tuner=ContinuingTuner())

    def differs(trial: Trial) -> State:
        raise UserError("gives other weights than recorded")

    monkeypatch.setattr(search.retrainer, "state_after", differs)
    with pytest.raises(UserError, match="gives other weights"):
        search.run()
    assert len(search.trials) == 3


@pytest.mark.slow
def test_trial_that_kills_the_process_fails_in_a_worker(
    data: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A study without workers whose trial kills the process ends: the trial fails in a worker, the others complete."""
    monkeypatch.setenv("PYTHONPATH", str(Path(pool_trainers.__file__).parents[1]))
    (tmp_path / "deaths").mkdir()
    monkeypatch.setattr(
        setups, "create_trainer", partial(pool_trainers.create_dying, str(tmp_path / "deaths"), 3, 99, -9)
    )
    space = tmp_path / "space.yaml"
    space.write_text("layers: {type: int, low: 1, high: 1}\nunits: {type: int, low: 2, high: 4}\n", encoding="utf-8")
    settings = Tuned.model_validate(
        {"kind": "tuner", "tuner": {"library": "optuna", "algorithm": "grid"}, "space": str(space),
         "trainer": "pytorch", "training": Training(epochs=3)}
    )  # fmt: skip
    runner = StudyRunner(data, tmp_path / "study")
    runner.files = {"space": space}
    deaths = 0
    while True:
        process = os.fork()
        if not process:
            code = 1
            try:
                runner(settings, budget={"trials": 3})
                code = 0
            finally:
                (tmp_path / "said.json").write_text(json.dumps(runner.said), encoding="utf-8")
                os._exit(code)
        _, status = os.waitpid(process, 0)
        if not os.WIFSIGNALED(status):
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
        deaths += 1
        assert deaths <= 2, "the study dies for ever"
    assert os.waitstatus_to_exitcode(status) == 0 and deaths == 2
    trials = runner.trials()
    failed = [trial for trial in trials if trial.hyperparameters["units"] == 3]
    assert [trial.status for trial in trials].count("completed") == 2
    assert failed[0].reason == (
        "two workers died of it; the last was killed by SIGKILL, as the system does when memory runs out"
    )
    said = json.loads((tmp_path / "said.json").read_text(encoding="utf-8"))
    assert any("trained one by one in another process" in line for line in said)
    assert not (runner.folder / "training.json").exists()
