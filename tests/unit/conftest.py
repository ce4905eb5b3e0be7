"""What several unit tests need, and which of them are slow."""

import re
import sys
from collections.abc import Sequence
from functools import cache
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent

#: Libraries that no fast test may import: each takes seconds. PyTorch is not among them, since the fused trainer is
#: tested with tiny networks.
HEAVY = ("tensorflow", "keras", "keras_tuner", "jax")

#: Test files, and folders of them, that train with TensorFlow, Keras Tuner or PyTorch, run whole studies, draw every
#: figure of a report, try very many examples, or wait for other processes.
#: They get the marker ``slow``, and ``make test-fast`` does not even import them.
SLOW = [
    HERE / name
    for name in (
        "baselines/test_knn.py",
        "baselines/test_random_forest.py",
        "config/test_space_check.py",
        "core/test_claims.py",
        "core/test_timing.py",
        "datasets/slides/simulated/test_corpus.py",
        "decoding/test_decode.py",
        "decoding/test_post_mortem.py",
        "documents/test_using.py",
        "exports/test_networks.py",
        "exports/test_tensorboard.py",
        "models/test_convnet.py",
        "models/test_lstm.py",
        "models/test_published_networks.py",
        "records/test_schema.py",
        "report/charts/test_charts_in_browser.py",
        "report/test_browser.py",
        "report/test_corpora.py",
        "report/test_decodes.py",
        "report/test_minimised.py",
        "report/test_page.py",
        "report/test_page_size.py",
        "report/test_metrics.py",
        "report/test_post_mortem.py",
        "report/test_tuners.py",
        "study/test_batches.py",
        "study/test_estimators.py",
        "study/test_networks.py",
        "study/test_networks_on_data.py",
        "study/test_one_writer.py",
        "study/test_pruning_and_promotion.py",
        "study/test_restore.py",
        "study/test_run.py",
        "test_fuzzed_files.py",
        "test_identity_of_keys.py",
        "test_results.py",
        "test_stages.py",
        "training/keras",
        "training/pool",
        "training/test_cuda.py",
        "training/test_every_trainer.py",
        "training/test_own_settings.py",
        "training/test_pytorch.py",
        "training/test_scikeras.py",
        "training/test_skorch.py",
        "tuners/keras_tuner",
        "tuners/optuna",
        "tuners/nevergrad",
        "tuners/nni",
        "tuners/ray_tune",
        "tuners/smac",
        "tuners/vizier",
        "tuners/sklearn/test_search.py",
        "tuners/test_every_engine.py",
        "tuners/test_every_tuner.py",
        "views/test_training.py",
    )
]


@cache
def is_slow(path: Path) -> bool:
    """Return whether `SLOW` names a test file or a folder that holds it."""
    return any(path.is_relative_to(slow) for slow in SLOW)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark slow tests; called once all tests are collected."""
    for item in items:
        if is_slow(item.path) or "frameworks" in getattr(item, "fixturenames", ()):
            item.add_marker("slow")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skip slow files where no slow test is wanted: importing them takes longer than the other tests."""
    return True if is_fast_run(config) and is_slow(collection_path) else None


def is_fast_run(config: pytest.Config) -> bool:
    """Return whether only the tests that are not slow are wanted, as by ``make test-fast``."""
    return bool(config.getoption("markexpr") == "not slow")


class NoHeavyLibraries(MetaPathFinder, Loader):
    """Refuses to import a heavy library; whether it is installed can be asked."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a heavy library is, with this loader; called by Python's import."""
        spec = PathFinder.find_spec(fullname, path, target) if fullname in HEAVY else None
        if spec is not None:
            spec.loader = self
        return spec

    def exec_module(self, module: ModuleType) -> None:
        """Refuse; called by Python's import."""
        name = module.__name__
        raise AssertionError(f"a fast test imports {name}: mark it slow, or add its file to SLOW in {__file__}")


def pytest_configure(config: pytest.Config) -> None:
    """Keep heavy libraries out of a fast run."""
    if is_fast_run(config):
        sys.meta_path.insert(0, NoHeavyLibraries())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what a fast run left out."""
    if not is_fast_run(terminalreporter.config):
        return
    files = [file for path in SLOW for file in ([path] if path.is_file() else sorted(path.rglob("test_*.py")))]
    others = [file for file in sorted(HERE.rglob("test_*.py")) if not is_slow(file)]
    n_tests = sum(len(re.findall(r"^def test_", file.read_text(encoding="utf-8"), re.MULTILINE)) for file in files)
    n_marked = sum(
        len(re.findall(r"^@pytest\.mark\.slow|^def test_.*frameworks", file.read_text(encoding="utf-8"), re.MULTILINE))
        for file in others
    )
    terminalreporter.section("left out")
    terminalreporter.line(
        f"{n_tests} slow unit tests of {len(files)} files and {n_marked} others, which train with TensorFlow, Keras, "
        "JAX or PyTorch, or run studies; and the tests of the workflow. `make test` runs all."
    )
    terminalreporter.line(" ".join(path.relative_to(HERE).as_posix() for path in SLOW))


@pytest.fixture(scope="session")
def frameworks() -> None:
    """Set TensorFlow's threads, which it reads before its first operation only, as every study does."""
    from blindtune.training.keras.tensorflow import KerasTrainer

    KerasTrainer()
