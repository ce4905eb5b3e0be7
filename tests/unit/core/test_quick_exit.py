"""A job ends at once, after everything that was registered for its end."""

import subprocess
import sys

import pytest

from support.builders import ROOT

BEGIN = "import atexit, sys, threading, time\nfrom blindtune.core.quick_exit import leave\n"


def run(program: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own; its output goes through a pipe, which is buffered."""
    environment = {"PYTHONPATH": str(ROOT / "workflow" / "lib")}
    return subprocess.run(
        [sys.executable, "-c", BEGIN + program], env=environment, capture_output=True, text=True, check=False
    )


def test_leave_ends_with_status_0_after_what_was_registered() -> None:
    """What was registered for the end runs, streams are written, and nothing after it runs."""
    ended = run("atexit.register(lambda: print('end'))\nprint('work')\nleave()\nprint('after')")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "work\nend\n", "")


def test_leave_takes_no_module_apart() -> None:
    """Objects of modules are not destroyed one by one."""
    program = "class Kept:\n    def __del__(self): print('destroyed')\nkept = Kept()\n"
    assert run(program).stdout == "destroyed\n"
    assert run(f"{program}leave()").stdout == ""


@pytest.mark.parametrize(("daemon", "output"), [(False, "after\nthread\n"), (True, "")])
def test_leave_waits_for_threads_as_python_does(daemon: bool, output: str) -> None:
    """A thread that Python would wait for ends its work; a daemon is not waited for."""
    work = "def work():\n    time.sleep(0.3)\n    print('thread')\n"
    ended = run(f"{work}threading.Thread(target=work, daemon={daemon}).start()\nleave()\nprint('after')")
    assert (ended.returncode, ended.stdout) == (0, output)


def test_leave_of_a_closed_pipe_is_no_error() -> None:
    """An output that nobody reads any more does not change the exit status."""
    assert run("sys.stdout.close()\nleave()").returncode == 0


def test_leave_is_the_last_statement_of_every_script() -> None:
    """Every script of the workflow ends so."""
    scripts = sorted((ROOT / "workflow" / "scripts").glob("*.py"))
    assert len(scripts) > 10
    for script in scripts:
        assert script.read_text(encoding="utf-8").splitlines()[-1] == "leave()", script
