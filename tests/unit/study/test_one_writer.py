"""One process at a time writes to the folder of a study, and records that two have written are mended."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from blindtune.config.systems import Knn, Tuned
from blindtune.config.training import Training
from blindtune.core.claims import LIMIT
from blindtune.core.errors import ClaimedError, LostClaimError, UserError
from blindtune.datasets.prepared import Prepared
from blindtune.records.model_card import read_card
from blindtune.records.trial import TrialLog
from blindtune.study import run as runs
from blindtune.study import search
from blindtune.study import setup as plans
from blindtune.study.checkpoints import WeightStore
from support.builders import study
from support.claims import NO_PROCESS, claim_files, leave_claim
from support.curve_trainer import KNN, CurveTrainer, StudyRunner

#: Keras Tuner asks for the name of its thread in an old way.
pytestmark = pytest.mark.filterwarnings("ignore:.*(currentThread|getName).*:DeprecationWarning")

HYPERBAND = Tuned.model_validate(
    {
        "kind": "tuner",
        "tuner": {"library": "keras-tuner", "algorithm": "hyperband"},
        "space": "mlp",
        "training": Training(epochs=9, batch_size=20),
    }
)

OTHER = {"machine": "other", "host": "other", "pid": 12}


@pytest.fixture
def runner(data: Prepared, tmp_path: Path) -> StudyRunner:
    return StudyRunner(data, tmp_path / "studies" / "42")


def content(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_run_study_leaves_no_claim(runner: StudyRunner) -> None:
    """The claim is released at the end, and after an error."""
    runner()
    assert claim_files(runner.folder) == []
    (runner.folder / "trials.jsonl").write_text("{}\n")
    with pytest.raises(UserError):
        runner()
    assert claim_files(runner.folder) == []


@pytest.mark.parametrize("system", [KNN, Knn(kind="knn", n_neighbors=[1])], ids=["same", "changed"])
def test_run_study_is_refused_while_another_process_runs_it(runner: StudyRunner, system: Any) -> None:
    """A second start writes and moves nothing, whether its config is the same or another."""
    runner()
    leave_claim(runner.folder, **OTHER)
    before = content(runner.folder.parent)
    with pytest.raises(ClaimedError, match="the study test/toy/it/42 is in use by process 12 on other"):
        runner(system)
    assert content(runner.folder.parent) == before


@pytest.mark.parametrize("owner", [{"pid": NO_PROCESS}, {"started": 1}, OTHER | {"age": LIMIT + 5}])
def test_run_study_takes_over_from_a_dead_process(runner: StudyRunner, owner: dict[str, Any]) -> None:
    """After a kill the next start goes on, and says from whom it took over."""
    runner()
    outcomes = runner.outcomes()
    runner.cut(runner.ends()[1])
    leave_claim(runner.folder, **owner)
    runner()
    assert runner.outcomes() == outcomes
    assert any("test/toy/it/42 is taken over from process" in line for line in runner.said)
    assert claim_files(runner.folder) == []


def test_run_study_keeps_its_claim_when_its_old_records_are_moved_away(runner: StudyRunner) -> None:
    """The claim is next to the folder, which may be moved while it is held."""
    runner()
    runner(Knn(kind="knn", n_neighbors=[1]))
    assert sorted(path.name for path in runner.folder.parent.iterdir()) == ["42", "42.superseded-1"]


def lose_claim(folder: Path) -> None:
    """Take over a study as a process on another machine would."""
    if not (folder.parent / ".42.claim-2").exists():
        leave_claim(folder, number=2, **OTHER)
        (folder.parent / ".42.claim-1").unlink()


def before_call(patch: pytest.MonkeyPatch, owner: Any, name: str, act: Callable[..., None]) -> None:
    """Do something before each call of a function."""
    call = getattr(owner, name)

    def wrapped(*arguments: Any, **options: Any) -> Any:
        act(*arguments)
        return call(*arguments, **options)

    patch.setattr(owner, name, wrapped)


#: What a study is about to do when it loses its claim: the object and the name of a function.
WRITES: dict[str, tuple[Any, str, Callable[..., bool]]] = {
    "save weights": (WeightStore, "save", lambda store, number, outcome: number == 2),
    "record a trial": (TrialLog, "append", lambda log, trial: trial.number == 2),
    "remove weights": (WeightStore, "prune_after", lambda store, trial: trial.number == 2),
    "freeze": (search, "freeze", lambda *arguments: True),
    "remove states": (WeightStore, "remove_states", lambda store: True),
}


@pytest.mark.slow
@pytest.mark.parametrize("write", WRITES)
def test_run_study_that_lost_its_claim_writes_nothing_more(
    runner: StudyRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: str
) -> None:
    """A study that loses its claim before any of its writes stops, and leaves all as it was."""
    space = tmp_path / "space.yaml"
    space.write_text("units: {type: int, low: 1, high: 90}\nlayers: {type: int, low: 1, high: 1}\n")
    runner.files = {"space": space}
    trainer = CurveTrainer()
    monkeypatch.setattr(plans, "create_trainer", lambda settings, workers: trainer)
    owner, name, is_moment = WRITES[write]
    found: list[dict[str, bytes]] = []

    def act(*arguments: Any) -> None:
        if not found and is_moment(*arguments):
            lose_claim(runner.folder)
            found.append(content(runner.folder.parent))

    before_call(monkeypatch, owner, name, act)
    with pytest.raises(LostClaimError, match="taken over by process 12 on other"):
        runner(HYPERBAND, budget={"epochs": 30}, keep_best=1)
    [before] = found
    assert content(runner.folder.parent) == before
    assert "42/card.json" not in before
    assert claim_files(runner.folder) == [".42.claim-2"], "the claim of the new owner stays"


def _run_slowly(runner: StudyRunner, wait_seconds: float) -> int:
    """Run a study in a fork whose trials take a while; return 0, or 3 if it is refused."""
    append = TrialLog.append
    TrialLog.append = lambda log, trial: (time.sleep(0.25), append(log, trial))[1]  # type: ignore[method-assign]
    try:
        runs.run_study(
            study(KNN),
            runner.data,
            files={},
            code="code",
            folder=runner.folder,
            job_log=runner.job_log,
            wait_seconds=wait_seconds,
        )
    except ClaimedError as error:
        return 3 if f"is in use by process {os.getppid()}" not in str(error) else 4
    except BaseException:
        return 5
    return 0


@pytest.mark.parametrize(("wait_seconds", "second"), [(0.0, 3), (120.0, 0)], ids=["refused", "waits"])
def test_two_runs_a_moment_apart_leave_each_record_once(
    runner: StudyRunner, tmp_path: Path, wait_seconds: float, second: int
) -> None:
    """Of two runs that start 0.4 s apart the second is refused or waits; every record is there once."""
    undisturbed = StudyRunner(runner.data, tmp_path / "undisturbed")
    undisturbed()
    processes = []
    for pause in (0.4, 0.0):
        process = os.fork()
        if not process:
            os._exit(_run_slowly(runner, wait_seconds))
        processes.append(process)
        time.sleep(pause)
    codes = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in processes]
    assert codes == [0, second]
    assert runner.outcomes() == undisturbed.outcomes()
    assert len(runner.ends()) == len(KNN.n_neighbors)
    cards = [read_card(one.folder / "card.json") for one in (runner, undisturbed)]
    assert cards[0].frozen_sha256() == cards[1].frozen_sha256()
    assert claim_files(runner.folder) == []


def test_run_study_sets_records_aside_that_two_runs_wrote(runner: StudyRunner) -> None:
    """Records that are there twice, but for times and machine, are moved to a file of their own; a line says so."""
    card, outcomes, log = runner(), runner.outcomes(), runner.log()
    lines = log.splitlines(keepends=True)
    again = [json.dumps(json.loads(line) | {"host": "other", "started": "later"}).encode() + b"\n" for line in lines]
    mixed = [lines[0], again[0], lines[1], lines[2], again[1], again[2], lines[3]]
    (runner.folder / "trials.jsonl").write_bytes(b"".join(mixed))
    (runner.folder / "card.json").unlink()
    assert runner().frozen_sha256() == card.frozen_sha256()
    assert runner.log() == log
    assert runner.outcomes() == outcomes
    aside = runner.folder / "trials.jsonl.doubled-1"
    assert aside.read_bytes() == b"".join(again[:3])
    assert any(f"set aside in {aside}" in line for line in runner.said)


def test_run_study_names_records_that_contradict_each_other(runner: StudyRunner) -> None:
    """Two different records of one trial stop the study with both lines; moved away, it starts again."""
    runner()
    outcomes, lines = runner.outcomes(), runner.log().splitlines()
    other = json.dumps(json.loads(lines[1]) | {"score": 0.75}).encode()
    (runner.folder / "trials.jsonl").write_bytes(b"\n".join([*lines, other]) + b"\n")
    with pytest.raises(UserError, match="lines 2 and 5 are different records of trial 1: they differ in score"):
        runner()
    (runner.folder / "trials.jsonl").unlink()
    runner()
    assert runner.outcomes() == outcomes
