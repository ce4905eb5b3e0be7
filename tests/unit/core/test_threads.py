"""Libraries of linear algebra use one thread in a study, whatever Snakemake gives its rule."""

import os
import subprocess
import sys

from support.builders import ROOT

ASKED = {"OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "3", "MKL_NUM_THREADS": "3"}
ONE = """\
import blindtune.core.single_thread
import numpy, scipy.linalg, threadpoolctl
print(*{library["num_threads"] for library in threadpoolctl.threadpool_info()})
"""


def said(program: str) -> list[str]:
    """What a program says that was asked for three threads."""
    environment = os.environ | ASKED | {"PYTHONPATH": str(ROOT / "workflow" / "lib")}
    ended = subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True)
    return ended.stdout.split()


def test_one_thread_whatever_was_asked_for() -> None:
    assert said(ONE) == ["1"]


def test_the_scripts_that_train_and_look_see_to_it_first() -> None:
    for name in ("study", "decode"):
        lines = (ROOT / "workflow" / "scripts" / f"{name}.py").read_text(encoding="utf-8").splitlines()
        imports = [line for line in lines if line.startswith(("import ", "from ")) and "pathlib" not in line]
        assert imports[0].startswith("import blindtune.core.single_thread")


def test_no_other_import_takes_threads_away() -> None:
    """From a program that uses the library, plain PyTorch beside it included."""
    program = (
        "import blindtune.study.run, blindtune.training.pool.worker_process, os; print(os.environ['OMP_NUM_THREADS'])"
    )
    assert said(program) == ["3"]
