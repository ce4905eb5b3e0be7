"""Real trainers in several processes: the records of one, whoever is killed."""

from pathlib import Path
from typing import Any

import pytest

from blindtune.datasets.prepared import Prepared
from blindtune.records.trial import TrialLog
from support.builders import prepared
from support.kill_studies import drive
from support.killing import left
from support.worker_studies import STUDIES, KillsOne, run

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings(
        "ignore:.*(currentThread|getName).*:DeprecationWarning",
        "ignore::UserWarning",
        "ignore::sklearn.exceptions.ConvergenceWarning",
    ),
]

#: Those whose parent process is killed: a fork, which TensorFlow does not survive.
FORKED = ["pytorch, hyperband", "fused"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepared(tmp_path_factory.mktemp("toy"), train=200, dev=100)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `kill_worker_studies` found."""
    return drive("kill_worker_studies.py", tmp_path_factory.mktemp("killed"), *FORKED)


@pytest.mark.parametrize("name", STUDIES)
def test_two_workers_give_the_records_of_one_though_one_is_killed(data: Prepared, tmp_path: Path, name: str) -> None:
    run(name, data, tmp_path / "alone", 1)
    run(name, data, tmp_path / "many", 2, KillsOne(12))
    assert left(tmp_path / "many") == left(tmp_path / "alone")
    trials = TrialLog(tmp_path / "many" / "trials.jsonl").read()
    lines = [line for trial in trials for line in trial.retries]
    assert lines and all("its worker was killed by SIGKILL" in line for line in lines)
    statuses = {trial.status for trial in trials}
    assert ("pruned" in statuses) == ("pruner" in name)
    assert any(trial.trained_before for trial in trials) == ("hyperband" in name)
    assert any(trial.fold for trial in trials) == ("folds" in name)


@pytest.mark.parametrize("name", FORKED)
def test_a_study_with_workers_that_is_killed_goes_on_to_the_same_records(killed: dict[str, Any], name: str) -> None:
    assert killed[name]["killed"] == killed[name]["alone"]


@pytest.mark.parametrize("name", FORKED)
def test_no_worker_outlives_a_killed_study(killed: dict[str, Any], name: str) -> None:
    assert 2 in killed[name]["workers"] and 0 not in killed[name]["workers"]
    assert killed[name]["orphans"] == []
