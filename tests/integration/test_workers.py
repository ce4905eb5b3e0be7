"""Real trainers in several processes: the records of one process, also if workers or the study are killed."""

from pathlib import Path
from typing import Any

import pytest

from blindtune.datasets.prepared import Prepared
from blindtune.records.trial import TrialLog
from support.builders import prepared
from support.kill_studies import drive
from support.killing import left
from support.worker_studies import STUDIES, WorkerKiller, run

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings(
        "ignore:.*(currentThread|getName).*:DeprecationWarning",
        "ignore::UserWarning",
        "ignore::sklearn.exceptions.ConvergenceWarning",
    ),
]

#: Studies whose parent process is killed. It is a fork, which TensorFlow does not survive.
FORKED = ["pytorch, hyperband", "fused"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Return a prepared toy dataset."""
    return prepared(tmp_path_factory.mktemp("toy"), train=200, dev=100)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what `kill_worker_studies` printed."""
    return drive("kill_worker_studies.py", tmp_path_factory.mktemp("killed"), *FORKED)


@pytest.mark.parametrize("name", STUDIES)
def test_two_workers_give_the_records_of_one(data: Prepared, tmp_path: Path, name: str) -> None:
    """Two workers give the records of one worker, even if a worker is killed."""
    run(name, data, tmp_path / "alone", 1)
    run(name, data, tmp_path / "many", 2, WorkerKiller(12))
    assert left(tmp_path / "many") == left(tmp_path / "alone")
    trials = TrialLog(tmp_path / "many" / "trials.jsonl").read()
    lines = [line for trial in trials for line in trial.retries]
    assert lines and all("its worker was killed by SIGKILL" in line for line in lines)
    statuses = {trial.status for trial in trials}
    assert ("pruned" in statuses) == ("pruner" in name)
    assert any(trial.trained_before for trial in trials) == ("hyperband" in name)
    assert any(trial.fold for trial in trials) == ("folds" in name)


@pytest.mark.parametrize("name", FORKED)
def test_killed_study_resumes_to_the_same_records(killed: dict[str, Any], name: str) -> None:
    """A study with workers that is killed resumes to the same records."""
    assert killed[name]["killed"] == killed[name]["alone"]


@pytest.mark.parametrize("name", FORKED)
def test_no_worker_outlives_a_killed_study(killed: dict[str, Any], name: str) -> None:
    """Workers end when the process of their study is killed."""
    assert 2 in killed[name]["workers"] and 0 not in killed[name]["workers"]
    assert killed[name]["orphans"] == []
