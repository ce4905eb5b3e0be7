"""Keras on each of its backends, which a process takes for good: studies and the tests of trainers, in their own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.workflow_runs import ROOT

pytestmark = pytest.mark.integration

BACKENDS = {"keras": "tensorflow", "keras-jax": "jax", "keras-torch": "torch"}
TESTS = [
    ROOT / "tests" / "unit" / f"{name}.py"
    for name in (
        "training/keras/test_trainer",
        "training/test_trainers",
        "models/test_published_networks",
        "views/test_training",
    )
]
DRIVER = Path(__file__).parents[1] / "support" / "drivers" / "run_keras_study.py"


def child(*command: str | Path, **environment: str) -> str:
    """What a Python process says."""
    paths = os.pathsep.join([str(ROOT / "workflow" / "lib"), str(ROOT / "tests")])
    inherited = {
        name: value for name, value in os.environ.items() if name not in ("KERAS_BACKEND", "XLA_FLAGS", "NPROC")
    }
    ended = subprocess.run(
        [sys.executable, *command],
        env=inherited | {"PYTHONPATH": paths} | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def study(trainer: str, folder: Path, cores: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(child(DRIVER, trainer, folder, str(cores)).splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """A study by each trainer, on one core."""
    folder = tmp_path_factory.mktemp("backends")
    return {trainer: study(trainer, folder / trainer, 1) for trainer in BACKENDS}


@pytest.mark.parametrize("trainer", ["keras-jax", "keras-torch"])
def test_a_trainer_keeps_what_every_trainer_promises(trainer: str) -> None:
    chosen = f"{trainer} or test_keras.py"
    said = child("-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", chosen, *TESTS, KERAS_BACKEND=BACKENDS[trainer])
    passed = next(int(word) for word, unit in zip(said.split(), said.split()[1:], strict=False) if unit == "passed,")
    assert passed > 30, said


@pytest.mark.parametrize("trainer", BACKENDS)
def test_a_study_ends_with_a_model_that_was_rebuilt(studies: dict[str, dict[str, Any]], trainer: str) -> None:
    it = studies[trainer]
    assert {record["status"] for record in it["records"]} == {"completed"} and len(it["records"]) == 3
    assert {"python", "keras", BACKENDS[trainer]} <= set(it["versions"])
    assert not (set(BACKENDS.values()) - {BACKENDS[trainer]}) & set(it["versions"])


@pytest.mark.parametrize("trainer", BACKENDS)
def test_the_records_do_not_depend_on_the_number_of_cores(
    studies: dict[str, dict[str, Any]], trainer: str, tmp_path: Path
) -> None:
    assert study(trainer, tmp_path / "study", os.cpu_count() or 1) == studies[trainer]


def test_the_tuner_proposes_the_same_on_every_backend(studies: dict[str, dict[str, Any]]) -> None:
    sets = [[record["hyperparameters"] for record in it["records"]] for it in studies.values()]
    assert sets[0] == sets[1] == sets[2]
    hashes = {it["records"][0]["weights_sha256"] for it in studies.values()}
    assert len(hashes) == 3, "each draws and sums in its own way"


def test_the_same_weights_decide_alike_on_every_backend(studies: dict[str, dict[str, Any]]) -> None:
    one, *others = (np.array(it["labels"]) for it in studies.values())
    assert 0.2 < one.mean() < 0.8, "the labels must depend on the sample"
    for other in others:
        assert np.mean(one != other) <= 0.001
