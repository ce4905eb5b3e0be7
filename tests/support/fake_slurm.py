"""Commands of Slurm that answer what a test wants, first on the PATH."""

import os
import sys
from pathlib import Path

import pytest

from blindtune.core import schedulers

_PROGRAM = """#!{python}
import pathlib, sys
folder = pathlib.Path(__file__).parent
with (folder / "calls").open("a") as calls:
    print({name!r}, *sys.argv[1:], file=calls)
answer = folder / "{name}.answer"
status, _, text = answer.read_text().partition("\\n") if answer.exists() else ("1", "", "")
print(text, end="", file=sys.stderr if int(status) else sys.stdout)
sys.exit(int(status))
"""

#: What squeue writes of a job that Slurm has forgotten.
FORGOTTEN = "slurm_load_jobs error: Invalid job id specified\n"


class FakeSlurm:
    """A folder with squeue, scontrol and scancel."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, cluster: str = "here") -> None:
        self._folder = folder
        folder.mkdir()
        for name in ("squeue", "scontrol", "scancel"):
            program = folder / name
            program.write_text(_PROGRAM.format(python=sys.executable, name=name))
            program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        self.answer("scontrol", f"Configuration data\nClusterName             = {cluster}\nSlurmctldHost[0] = a\n")
        schedulers._own_cluster.cache_clear()
        monkeypatch.setattr(schedulers, "_answers", {})

    def answer(self, name: str, text: str, status: int = 0) -> None:
        """Set what a command writes, to standard error if its status is not 0."""
        (self._folder / f"{name}.answer").write_text(f"{status}\n{text}")

    def say(self, state: str, restarts: int = 0) -> None:
        """Set the state of every job."""
        self.answer("squeue", f"{state:<40}{restarts:<20}\n")

    def calls(self, name: str) -> list[str]:
        """Return the arguments of each call of a command."""
        log = self._folder / "calls"
        lines = log.read_text().splitlines() if log.exists() else []
        return [line.partition(" ")[2] for line in lines if line.split()[0] == name]
