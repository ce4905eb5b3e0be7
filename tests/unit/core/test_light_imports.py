"""Libraries are imported without optional ones, which stay importable."""

import subprocess
import sys

import pytest

from blindtune.core.light_imports import leave_out
from support.builders import ROOT


def run(program: str) -> str:
    """Return what a program prints in a process of its own."""
    environment = {"PYTHONPATH": str(ROOT / "workflow" / "lib"), "KERAS_BACKEND": "numpy"}
    ended = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    return ended.stdout.strip()


def test_leave_out_hides_a_library_only_in_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the block a library cannot be imported, after it it can, also after an error."""
    monkeypatch.delitem(sys.modules, "this", raising=False)
    for error in (None, ValueError):
        with pytest.raises(error or ImportError), leave_out("this"):
            if error is not None:
                raise error
            import this  # noqa: F401
        assert "this" not in sys.modules


def test_leave_out_keeps_what_was_imported() -> None:
    """A library that was imported before is not hidden."""
    with leave_out("json"):
        import json
    assert sys.modules["json"] is json


@pytest.mark.slow
def test_reference_models_load_no_pandas() -> None:
    """Nearest neighbors and random forests load scikit-learn without pandas, and work."""
    program = (
        "import sys, numpy as np\nfrom blindtune.baselines.estimators import fit_forest, fit_knn\n"
        "x, y = np.array([[0.0, 0.1], [0.2, 0.0], [5.0, 5.1], [5.2, 5.0]], 'float32'), np.array([0, 0, 1, 1])\n"
        "models = fit_knn(x, y, 1), fit_forest(x, y, n_estimators=5, max_depth=0, min_samples_leaf=1, seed=7)\n"
        "print([model.predict(x).tolist() for model in models], 'pandas' in sys.modules)\n"
        "import pandas; print(len(pandas.DataFrame({'a': [1]})))"
    )
    assert run(program) == "[[0, 0, 1, 1], [0, 0, 1, 1]] False\n1"


@pytest.mark.slow
def test_keras_tuner_loads_no_library_that_it_does_not_need() -> None:
    """A search of Keras Tuner whose trials another library trains loads no TensorFlow, pandas or Matplotlib.

    scikit-learn is loaded: Keras Tuner's Bayesian oracle takes it when the library is imported.
    """
    program = """\
import sys
from blindtune.core.budget import Budget
from blindtune.search_space import Space
from blindtune.tuners.base import TunerContext
from blindtune.tuners.keras_tuner.config import KerasTunerConfig
from blindtune.tuners.keras_tuner.tuner import create

space = Space({"units": {"type": "int", "low": 1, "high": 9}})
config = KerasTunerConfig(library="keras-tuner", algorithm="random")
create(config, TunerContext(space=space, budget=Budget(trials=2), seed=1, epochs=1, labels=[0, 1]))
print([name for name in ("tensorflow", "pandas", "matplotlib") if name in sys.modules])
"""
    assert run(program) == "[]"
