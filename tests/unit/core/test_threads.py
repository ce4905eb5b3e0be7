"""Linear algebra libraries use one thread in a study, independent of the threads of its rule."""

import os
import subprocess
import sys

from support.builders import ROOT

THREE_THREADS = {"OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "3", "MKL_NUM_THREADS": "3"}
PRINT_THREADS = """\
import blindtune.core.single_thread
import numpy, scipy.linalg, threadpoolctl
print(*{library["num_threads"] for library in threadpoolctl.threadpool_info()})
"""


def run_with_three_threads(program: str) -> list[str]:
    """Return the words that a program prints whose environment asks for three threads."""
    environment = os.environ | THREE_THREADS | {"PYTHONPATH": str(ROOT / "workflow" / "lib")}
    ended = subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True)
    return ended.stdout.split()


def test_single_thread_overrides_the_environment() -> None:
    """Linear algebra has one thread even if the environment asks for three."""
    assert run_with_three_threads(PRINT_THREADS) == ["1"]


def test_single_thread_is_the_first_import_of_the_scripts() -> None:
    """The scripts that train and decode limit the threads before they import anything that loads NumPy."""
    early = ("pathlib", "blindtune.core.last_word")
    for name in ("study", "decode"):
        lines = (ROOT / "workflow" / "scripts" / f"{name}.py").read_text(encoding="utf-8").splitlines()
        imports = [line for line in lines if line.startswith(("import ", "from ")) and line.split()[1] not in early]
        assert imports[0].startswith("import blindtune.core.single_thread")
    assert run_with_three_threads("import blindtune.core.last_word, sys; print('numpy' in sys.modules)") == ["False"]


def test_library_imports_leave_the_threads_alone() -> None:
    """Importing the library takes no threads from a program that uses it, nor from PyTorch in it."""
    program = (
        "import blindtune.study.run, blindtune.training.pool.worker_process, os; print(os.environ['OMP_NUM_THREADS'])"
    )
    assert run_with_three_threads(program) == ["3"]
