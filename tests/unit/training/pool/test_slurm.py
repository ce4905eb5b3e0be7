"""Workers on the nodes of an allocation: the records of one process, also if workers or nodes are lost."""

import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from blindtune.config.systems import Tuned
from blindtune.config.training import Training
from blindtune.core.errors import TransientError, UserError
from blindtune.datasets.base import Split
from blindtune.study import setup
from blindtune.training.base import TrainingOptions, TrainingTask
from blindtune.training.pool import slurm, worker_process
from blindtune.training.pool.launcher import LocalLauncher
from blindtune.training.pool.slurm import Allocation, SlurmLauncher, create_launcher, find_allocation
from blindtune.training.pool.trainer import Pool
from support import pool_trainers
from support.builders import prepared
from support.curve_trainer import BatchCurveTrainer, CurveTrainer, StudyRunner
from support.slurm_stand_in import SlurmStandIn, find_remote_workers, kill_stopped_workers

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*(currentThread|getName).*:DeprecationWarning")]

SPACE = """\
layers: {type: int, low: 1, high: 1}
learning_rate: {type: float, low: 0.01, high: 0.4, step: 0.01}
units: {type: int, low: 0, high: 4}
"""

#: More than a MiB, so that they are mapped.
SPLITS = [Split(np.zeros((200_000, 2), np.float32), np.arange(200_000) % 2)] * 2


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlurmStandIn]:
    """Return an allocation of three nodes; all that it has started must end with the test."""
    monkeypatch.setenv("PYTHONPATH", str(Path(pool_trainers.__file__).parents[1]))
    folder = tmp_path / "stand_in"
    folder.mkdir()
    yield SlurmStandIn(folder, monkeypatch)
    kill_stopped_workers(folder)
    assert find_remote_workers(os.getpid()) == []


def create_jobs(*units: int, limit: float | None = None, **options: Any) -> list[Any]:
    return [
        (
            TrainingTask(None, Training(epochs=4), {"units": one}, 7 + one, 2),
            TrainingOptions("last", limit=limit, **options),
        )
        for one in units
    ]


def create_pool(make: Any, folder: Path, notices: list[str], workers: int = 1) -> Any:
    launcher = create_launcher(workers, folder, notices.append)
    assert isinstance(launcher, SlurmLauncher)
    return closing(Pool(CurveTrainer(), make, 1, launcher=launcher))


def check_outcomes(ended: dict[int, Any], jobs: list[Any]) -> None:
    """Compare outcomes with those of this process."""
    assert sorted(ended) == list(range(len(jobs)))
    for index, (task, _) in enumerate(jobs):
        alone = CurveTrainer().train(task, *SPLITS, TrainingOptions("last"))
        assert (ended[index].status, ended[index].curve) == ("completed", alone.curve)


def test_any_number_of_nodes_gives_the_same_records(
    tmp_path: Path, stand_in: SlurmStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers on three nodes give the records and weights of one process, and leave nothing in the study's folder."""
    data = prepared(tmp_path / "toy")
    space = tmp_path / "space.yaml"
    space.write_text(SPACE, encoding="utf-8")
    training = Training(epochs=9, batch_size=20)
    system = Tuned.model_validate(
        {
            "kind": "tuner",
            "tuner": {"library": "optuna", "algorithm": "tpe", "batch": 6},
            "space": "mlp",
            "trainer": "pytorch",
            "training": training,
        }
    )
    runs = {}
    host = socket.gethostname()
    monkeypatch.setattr(socket, "gethostname", lambda: "study")
    for name, on_nodes in (("alone", False), ("nodes", True)):
        runs[name] = StudyRunner(data, tmp_path / name)
        runs[name].files = {"space": space}
        monkeypatch.setattr(setup, "create_trainer", pool_trainers.create_curves)
        runs[name](system, on_nodes=on_nodes, budget={"trials": 20})
    assert runs["nodes"].outcomes() == runs["alone"].outcomes()
    assert not any(trial.retries for trial in runs["nodes"].trials())
    trained = [trial for trial in runs["nodes"].trials() if trial.curve]
    assert trained and {trial.host for trial in trained} == {host}, "the machine of the worker"
    assert sorted(stand_in.started()) == ["n2", "n3"], "none had to be started again"
    files = {name: sorted(path.name for path in (tmp_path / name).iterdir()) for name in runs}
    assert files["nodes"] == files["alone"]


def test_key_is_not_on_a_command_line_nor_in_an_environment(
    tmp_path: Path, stand_in: SlurmStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key goes to a worker by its standard input alone, and srun gets no variable of the step of the study."""
    keys: list[bytes] = []
    create = slurm.Listener

    def note(address: str) -> Any:
        listener = create(address)
        keys.append(listener.key)
        return listener

    seen: list[bytes] = []

    def look(epoch: int, metrics: Any) -> None:
        for worker in find_remote_workers(os.getpid()):
            for process in (worker, worker.parent()):
                assert process is not None
                place = Path(f"/proc/{process.pid}")
                seen.append((place / "cmdline").read_bytes() + (place / "environ").read_bytes())

    monkeypatch.setattr(slurm, "Listener", note)
    jobs = create_jobs(*range(6), after_epoch=look)
    with create_pool(partial(pool_trainers.create_curves, None), tmp_path, []) as pool:
        check_outcomes(dict(pool.train_batch(jobs, *SPLITS)), jobs)
    assert len(keys) == 1 and seen
    assert not any(keys[0] in text or keys[0].hex().encode() in text for text in seen)
    assert (stand_in.folder / "environment").read_text(encoding="utf-8") == ""


def test_arrays_are_in_the_folder_of_the_study_while_workers_need_them(tmp_path: Path, stand_in: SlurmStandIn) -> None:
    """Arrays that are no files of their own are written to the study's folder, and removed; what a kill left, too."""
    (tmp_path / "worker_arrays_old").touch()
    found: list[int] = []

    def look(epoch: int, metrics: Any) -> None:
        found.append(len(list(tmp_path.glob("worker_arrays_*"))))

    with create_pool(partial(pool_trainers.create_curves, None), tmp_path, []) as pool:
        dict(pool.train_batch(create_jobs(1, after_epoch=look), *SPLITS))
    assert set(found) == {2} and list(tmp_path.glob("worker_arrays_*")) == []


def test_dead_worker_costs_a_retry(tmp_path: Path, stand_in: SlurmStandIn) -> None:
    """A trial whose worker is killed is trained again; its record names the node; two deaths fail it."""
    (tmp_path / "deaths").mkdir()
    kill_once = partial(pool_trainers.create_dying, str(tmp_path / "deaths"), 3, 1, -9, None)
    notices: list[str] = []
    jobs = create_jobs(*[3] * 4, 1, 2)
    for number, (task, _) in enumerate(jobs):
        object.__setattr__(task, "seed", number)
    with create_pool(kill_once, tmp_path, notices) as pool:
        ended = dict(pool.train_batch(jobs, *SPLITS))
    check_outcomes(ended, jobs)
    retries = [line for outcome in ended.values() for line in outcome.retries]
    assert len(retries) == 4
    # Which node a trial is trained on depends on which workers are there first.
    assert all(re.match(r"its worker( on n[23])? was killed by SIGKILL", line) for line in retries), retries
    assert notices == [], "the nodes answer"


def test_trial_fails_after_two_dead_workers(tmp_path: Path, stand_in: SlurmStandIn) -> None:
    """A trial that kills its workers has failed, with the reason that it has without nodes."""
    (tmp_path / "deaths").mkdir()
    kill = partial(pool_trainers.create_dying, str(tmp_path / "deaths"), 3, 9, -11, None)
    with create_pool(kill, tmp_path, []) as pool:
        ended = dict(pool.train_batch(create_jobs(3, 1, 3, 2), *SPLITS))
    assert [ended[index].status for index in range(4)] == ["failed", "completed"] * 2
    assert ended[0].reason == "two workers died of it; the last was killed by SIGSEGV"


def test_lost_node_is_left_out(tmp_path: Path, stand_in: SlurmStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a node is lost, and srun does not end, its trial is trained on a node that lives, and it gets no more."""
    monkeypatch.setattr(worker_process, "EXIT_TIMEOUT", 0.3)
    monkeypatch.setattr(slurm, "_REAP_SECONDS", 0.3)
    notices: list[str] = []
    n_reported = 0

    def lose_node(epoch: int, metrics: Any) -> None:
        nonlocal n_reported
        n_reported += 1
        if n_reported == 5:  # of the twelve of three workers at the same time
            (stand_in.folder / "n2.lost").touch()
            for worker in find_remote_workers(os.getpid()):
                if "--nodelist=n2" in worker.parent().cmdline():  # type: ignore[union-attr]
                    worker.kill()

    first, second = create_jobs(*[1, 2, 4] * 2), create_jobs(1, 2, 4, after_epoch=lose_node)
    with create_pool(partial(pool_trainers.create_stuck, "slow", 0.2, None), tmp_path, notices) as pool:
        check_outcomes(dict(pool.train_batch(first, *SPLITS)), first)
        ended = dict(pool.train_batch(second, *SPLITS))
        check_outcomes(dict(pool.train_batch(first, *SPLITS)), first)
    check_outcomes(ended, second)
    lost = [line for outcome in ended.values() for line in outcome.retries]
    assert lost == ["its worker on n2 was lost; trained again"]
    assert notices == [
        "n2 is left out from now on: it does not answer. Trials are trained on the other nodes of this job."
    ]
    assert stand_in.started().count("n2") == 1


def test_node_on_which_nothing_starts_is_left_out(tmp_path: Path, stand_in: SlurmStandIn) -> None:
    """A node on which workers end before they train is left out after a few; no trial is blamed."""
    (stand_in.folder / "n3.refuses").touch()
    notices: list[str] = []
    jobs = create_jobs(*[0, 1, 2, 4] * 5)
    with create_pool(partial(pool_trainers.create_stuck, "slow", 0.05, None), tmp_path, notices) as pool:
        ended = dict(pool.train_batch(jobs, *SPLITS))
    check_outcomes(ended, jobs)
    assert not any(outcome.retries for outcome in ended.values())
    assert len(notices) == 1 and notices[0].startswith("n3 is left out from now on: 3 workers ended there before")
    assert stand_in.started().count("n3") == slurm.MAX_NODE_FAILURES


def test_hanging_training_is_ended_at_its_limit(tmp_path: Path, stand_in: SlurmStandIn) -> None:
    """Trainings that stop on any node have failed at their limit, and the others complete."""
    make = partial(pool_trainers.create_stuck, "stop", 0.0, None)
    with create_pool(make, tmp_path, []) as pool:
        ended = dict(pool.train_batch(create_jobs(3, 3, 3, 1, 2, limit=0.5), *SPLITS))
    assert [ended[index].status for index in range(5)] == ["failed"] * 3 + ["completed"] * 2
    assert ended[0].reason == "too long (more than 0.5 s)"


def test_no_worker_outlives_a_killed_study(tmp_path: Path, stand_in: SlurmStandIn) -> None:
    """Workers on other nodes end, in the midst of a training, when the process of the study is killed."""
    program = f"""
        import sys
        from functools import partial
        from pathlib import Path
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_slurm import create_jobs, create_pool, pool_trainers, SPLITS
        jobs = create_jobs(3, 3, 3, after_epoch=lambda epoch, metrics: print(epoch, flush=True))
        with create_pool(partial(pool_trainers.create_stuck, "sleep", 0.0, None), Path({str(tmp_path)!r}), []) as pool:
            dict(pool.train_batch(jobs, *SPLITS))
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    ) as study:
        assert study.stdout is not None
        assert sorted(int(study.stdout.readline()) for _ in range(6)) == [1, 1, 1, 2, 2, 2]
        workers = find_remote_workers(study.pid)
        assert len(workers) == 2
        study.send_signal(signal.SIGKILL)
        _, alive = psutil.wait_procs(workers, timeout=10)
    assert [worker for worker in alive if worker.status() != psutil.STATUS_ZOMBIE] == []


def test_pool_without_an_allocation_is_local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Slurm all workers are on this machine, and a line says so."""
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    notices: list[str] = []
    launcher = create_launcher(2, tmp_path, notices.append)
    assert isinstance(launcher, LocalLauncher) and launcher.workers == 2
    assert notices == ["worker_nodes: this job has no other node of Slurm, so that its workers are all on this one"]


def test_trainer_without_a_use_for_workers_stays_on_one_node() -> None:
    """A trainer that several processes do not make faster starts none on other nodes."""
    trainer = BatchCurveTrainer(8)
    assert setup.benefits_from_workers(trainer)
    trainer.benefits_from_workers = False
    assert not setup.benefits_from_workers(trainer)


def test_find_allocation_names_the_other_nodes(stand_in: SlurmStandIn) -> None:
    """The node of this process is not among the others."""
    assert find_allocation() == Allocation("7", ("n2", "n3"))


@pytest.mark.parametrize(
    ("script", "text", "variables", "message"),
    [
        ("scontrol", "#!/bin/sh\necho JobId=7\n", {}, "names no NodeList"),
        ("scontrol", None, {"PATH": ""}, "No such file"),
        ("scontrol", None, {"SLURMD_NODENAME": "login"}, "login, which is not among the nodes of its job 7"),
        ("srun", None, {}, "srun is not found"),
    ],
)
def test_find_allocation_refuses_what_it_cannot_use(
    stand_in: SlurmStandIn,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    text: str | None,
    variables: dict[str, str],
    message: str,
) -> None:
    """One sentence says what Slurm does not, and what to do."""
    path = stand_in.folder / script
    if text is not None:
        path.write_text(text, encoding="utf-8")
    elif script == "srun":
        path.unlink()
        monkeypatch.setattr(slurm.shutil, "which", lambda name: None)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=rf"^worker_nodes: .*{message}.* Take the key out to use one node\.$") as caught:
        find_allocation()
    assert not isinstance(caught.value, TransientError), "another attempt does not help"


def test_controller_may_be_away_for_a_moment(stand_in: SlurmStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slurm is asked again while it fails or does not answer."""
    monkeypatch.setattr(slurm, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(slurm, "_ANSWER_SECONDS", 1)
    scontrol, asked = stand_in.folder / "scontrol", stand_in.folder / "asked"
    away = f"echo >> {asked}\ncase $(wc -l < {asked}) in 1) exit 1 ;; 2) exec sleep 60 ;; esac\n"
    head, body = scontrol.read_text(encoding="utf-8").split("\n", 1)
    scontrol.write_text(f"{head}\n{away}{body}", encoding="utf-8")
    assert find_allocation() == Allocation("7", ("n2", "n3"))
    assert len(asked.read_text(encoding="utf-8").splitlines()) == 4, "two questions, the first at three attempts"


@pytest.mark.parametrize(
    ("text", "message"),
    [("echo 'Unable to contact slurm controller' >&2; exit 1", "Unable to contact"), ("exec sleep 60", "no answer in")],
)
def test_controller_that_stays_away_is_worth_another_attempt(
    stand_in: SlurmStandIn, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    """A job that Slurm does not answer may be repeated, and its message says that Slurm is the cause."""
    monkeypatch.setattr(slurm, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(slurm, "_ANSWER_SECONDS", 0.1 if "sleep" in text else 60)
    (stand_in.folder / "scontrol").write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    with pytest.raises(TransientError, match=rf"^worker_nodes: .*{message}.*, at 4 attempts\. Run again when Slurm"):
        find_allocation()


def test_own_address_is_on_the_way_to_the_other_node(stand_in: SlurmStandIn) -> None:
    """The address by which Slurm reaches the other node decides; a name that nobody knows is an error."""
    assert slurm.find_own_address("n2") == "127.0.0.1"
    (stand_in.folder / "scontrol").write_text("#!/bin/sh\necho NodeAddr=nowhere.invalid\n", encoding="utf-8")
    with pytest.raises(OSError, match=r"nowhere|Name or service|name resolution"):
        slurm.find_own_address("nobody.invalid")
