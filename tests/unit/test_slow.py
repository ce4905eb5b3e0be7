"""``make test-fast`` leaves out what `SLOW` in conftest.py names, and imports no heavy framework to do so."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
#: Collects the tests and prints whether TensorFlow was imported.
COLLECT = """\
import sys, pytest
status = pytest.main(["--collect-only", "-q", "-n", "0", "-p", "no:cacheprovider", "-m", "not slow", *sys.argv[1:]])
print("tensorflow" in sys.modules, status)
"""


def collect(*paths: str) -> list[str]:
    """Return the lines that pytest prints when it collects the fast tests of paths below this folder."""
    command = [sys.executable, "-c", COLLECT, *(str(HERE / path) for path in paths)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ, cwd=HERE.parents[1])
    return run.stdout.splitlines()


def test_slow_names_files_that_exist() -> None:
    """Every entry of the list is a file or a folder with tests, so that a renamed file is noticed."""
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("unit_conftest", HERE / "conftest.py")
    assert spec is not None and spec.loader is not None
    conftest = module_from_spec(spec)
    spec.loader.exec_module(conftest)
    missing = [path for path in conftest.SLOW if not (path.is_file() or list(path.rglob("test_*.py")))]
    assert missing == []


@pytest.mark.slow
def test_fast_selection_imports_no_heavy_framework() -> None:
    """Collecting the fast tests of trainers and tuners finds some and does not import TensorFlow."""
    lines = collect("training", "tuners", "core/test_seeds.py")
    assert any("test_seeds.py" in line for line in lines)
    assert not any("training/keras/" in line for line in lines)
    assert lines[-1] == "False 0"
