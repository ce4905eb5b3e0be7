"""Keras on each of its backends: studies and the tests of trainers, each backend in its own process."""

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.workflow_runs import ROOT

pytestmark = pytest.mark.integration

BACKENDS = {"keras": "tensorflow", "keras-jax": "jax", "keras-torch": "torch"}
TESTS: list[str | Path] = [
    ROOT / "tests" / "unit" / f"{name}.py"
    for name in (
        "training/keras/test_trainer",
        "training/test_every_trainer",
        "models/test_published_networks",
        "views/test_training",
    )
]
TESTS.append(f"{ROOT / 'tests' / 'unit' / 'training' / 'test_same_in_both.py'}::test_outputs_train_the_same_in_both")

#: Lets JAX compile equal programs once, not for each model that runs them; {} is a folder.
COMPILED_ONCE = {
    "JAX_COMPILATION_CACHE_DIR": "{}",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}
DRIVER = Path(__file__).parents[1] / "support" / "drivers" / "run_keras_study.py"


def run_python(*command: str | Path, **environment: str) -> str:
    """Return what a Python process prints."""
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


def run_study(trainer: str, folder: Path, cores: int) -> dict[str, Any]:
    """Return what the driver prints about a study by one trainer."""
    found: dict[str, Any] = json.loads(run_python(DRIVER, trainer, folder, str(cores)).splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Return the results of a study by each trainer, on one core."""
    folder = tmp_path_factory.mktemp("backends")
    return {trainer: run_study(trainer, folder / trainer, 1) for trainer in BACKENDS}


@pytest.mark.parametrize("trainer", ["keras-jax", "keras-torch"])
def test_unit_tests_pass_on_another_backend(trainer: str, tmp_path: Path) -> None:
    """The unit tests of trainers, views and networks pass on JAX and on PyTorch."""
    options = ["-q", "-p", "no:cacheprovider", "-k", f"{trainer} or test_trainer.py"]
    # JAX compiles the same few networks for test after test; nothing is kept from an earlier run.
    kept = {name: value.format(tmp_path) for name, value in COMPILED_ONCE.items()}
    printed = run_python("-m", "pytest", *options, *TESTS, KERAS_BACKEND=BACKENDS[trainer], **kept)
    words = printed.split()
    passed = next(int(word) for word, unit in pairwise(words) if unit == "passed,")
    assert passed > 30, printed


@pytest.mark.parametrize("trainer", BACKENDS)
def test_study_ends_with_a_rebuilt_model(studies: dict[str, dict[str, Any]], trainer: str) -> None:
    """A study completes, and its card names the versions of its backend only."""
    found = studies[trainer]
    assert {record["status"] for record in found["records"]} == {"completed"} and len(found["records"]) == 3
    assert {"python", "keras", BACKENDS[trainer]} <= set(found["versions"])
    assert not (set(BACKENDS.values()) - {BACKENDS[trainer]}) & set(found["versions"])


@pytest.mark.parametrize("trainer", BACKENDS)
def test_records_do_not_depend_on_the_cores(studies: dict[str, dict[str, Any]], trainer: str, tmp_path: Path) -> None:
    """One core and all cores give the same records."""
    assert run_study(trainer, tmp_path / "study", os.cpu_count() or 1) == studies[trainer]


def test_tuner_proposes_the_same_on_every_backend(studies: dict[str, dict[str, Any]]) -> None:
    """Proposals do not depend on the backend; weights do."""
    sets = [[record["hyperparameters"] for record in found["records"]] for found in studies.values()]
    assert sets[0] == sets[1] == sets[2]
    hashes = {found["records"][0]["weights_sha256"] for found in studies.values()}
    assert len(hashes) == 3, "each draws and sums in its own way"


def test_same_weights_give_the_same_labels(studies: dict[str, dict[str, Any]]) -> None:
    """A model with the same weights gives the same labels on every backend."""
    one, *others = (np.array(found["labels"]) for found in studies.values())
    assert 0.2 < one.mean() < 0.8, "the labels must depend on the sample"
    for other in others:
        assert np.mean(one != other) <= 0.001
