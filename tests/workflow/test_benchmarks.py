"""The scripts of ``workflow/benchmarks`` import what they need; none is run."""

import os
import subprocess
import sys

from support.dag import ROOT

BENCHMARKS = ROOT / "workflow" / "benchmarks"

#: Imports each script that it is given and prints one line for each that fails.
IMPORT_ALL = """\
import importlib, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except Exception as error:
        print(f"{name}: {error!r}")
"""


def test_benchmarks_can_be_imported() -> None:
    """Every script finds the modules and names that it imports at its top."""
    names = sorted(path.stem for path in BENCHMARKS.glob("*.py"))
    assert names
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'workflow' / 'lib'}{os.pathsep}{BENCHMARKS}"}
    command = [sys.executable, "-c", IMPORT_ALL, *names]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert run.stdout == ""
