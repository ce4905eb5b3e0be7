"""The choice of Keras's backend, in processes of their own, since it holds for good."""

import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

PROGRAM = """
import sys
from blindtune.training.keras.backend import prefer_light_backend
prefer_light_backend()
{trainer}
from support.builders import build_tuner, tuner
from blindtune.core.validation import parse
from blindtune.search_space import Space
space = Space.model_validate({{"layers": {{"type": "int", "low": 1, "high": 2}}}})
proposal = build_tuner(tuner("keras-tuner", "{algorithm}"), space, 3).ask()
import keras
print(proposal.hyperparameters, keras.backend.backend(), "tensorflow" in sys.modules)
"""


@cache
def run_program(trainer: str, algorithm: str = "random") -> str:
    """Return the proposal of Keras Tuner, the backend, and whether TensorFlow was imported."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(trainer=trainer, algorithm=algorithm)],
        env={"PYTHONPATH": ":".join(sys.path), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip().splitlines()[-1]


def test_prefer_light_backend_imports_no_tensorflow() -> None:
    """A search that PyTorch trains imports Keras Tuner without TensorFlow."""
    assert run_program("").endswith("numpy False")


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["grid", "bayesian", "hyperband"])
def test_prefer_light_backend_leaves_every_algorithm_what_it_needs(algorithm: str) -> None:
    """No oracle misses a library that was left out of the import."""
    assert run_program("", algorithm).endswith("numpy False")


def test_prefer_light_backend_gives_way_to_a_trainer() -> None:
    """A trainer of Keras chooses its own backend, and Keras Tuner proposes the same."""
    create = "from blindtune.training.registry import create_trainer; create_trainer('keras')"
    found = run_program(create)
    assert found.endswith("tensorflow True")
    assert found.split("}")[0] == run_program("").split("}")[0]


def test_choose_backend_loads_triton_before_tensorflow(tmp_path: Path) -> None:
    """Triton that is imported after TensorFlow ends the process, and PyTorch's CUDA build imports it when it trains."""
    (tmp_path / "triton.py").write_text("import sys\nprint('triton', 'tensorflow' in sys.modules)\n")
    program = "from blindtune.training.keras.backend import choose_backend; choose_backend('tensorflow')"
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": ":".join([str(tmp_path), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "triton False\n"
