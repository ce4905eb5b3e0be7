"""`--retries` repeats jobs that were killed, not those that only the user can mend."""

import os
from pathlib import Path

import pytest

from support.builders import merged
from support.workflow_runs import ROOT, only, records, snakemake

pytestmark = pytest.mark.integration

NEAR = only("near", name="again", seeds=[42])


@pytest.mark.parametrize("options", [("--retries", "3"), ("--profile", str(ROOT / "profiles" / "cluster-generic"))])
def test_wrong_table_is_tried_once(tmp_path: Path, options: tuple[str, str]) -> None:
    """A table with a wrong row ends the run after one attempt, here and on a cluster, and says what to fix."""
    table = tmp_path / "rows.csv"
    table.write_text("a,b,class\n" + "".join(f"{n},x{n},{n % 2}\n" for n in range(30)) + "1,2\n", encoding="utf-8")
    wrong = merged(NEAR, {"name": "wrong"}) | {
        "compare": [{"dataset": "mine", "systems": ["near"], "budget": {"trials": 2}}],
        "datasets": {"mine": {"source": "table", "file": str(table), "label": "class"}},
    }
    ended = snakemake(tmp_path, wrong, *options, "--until", "prepare", cores=1)
    assert ended.returncode == 1
    log = tmp_path / "results" / "wrong" / "logs" / "prepare" / "mine.log"
    assert log.read_text(encoding="utf-8").count("ERROR") == 1, ended.stdout
    assert "Trying to restart" not in ended.stdout
    assert "is not repeated" in ended.stdout
    assert "blindtune: dataset mine: rows.csv, row 32: has 2 fields, the other rows have 3" in ended.stdout


def test_killed_job_is_repeated(tmp_path: Path) -> None:
    """A job that is killed at its first attempt is repeated and leaves the records of an undisturbed run."""
    assert snakemake(tmp_path / "undisturbed", NEAR, "--until", "study", cores=1).returncode == 0
    # Imported by each Python process of the run; it ends the first study as SIGKILL ends it.
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(
        "import os, pathlib, signal, sys\n"
        "flag = pathlib.Path(os.environ['KILL_ONCE'])\n"
        "if any('study' in part and part.endswith('.py') for part in sys.orig_argv) and not flag.exists():\n"
        "    flag.touch()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n",
        encoding="utf-8",
    )
    path = os.pathsep.join(filter(None, [str(hook), os.environ.get("PYTHONPATH", "")]))
    killed = tmp_path / "killed"
    options = ("--retries", "3", "--until", "study")
    ended = snakemake(killed, NEAR, *options, cores=1, PYTHONPATH=path, KILL_ONCE=str(tmp_path / "flag"))
    assert ended.returncode == 0, ended.stdout
    assert (tmp_path / "flag").exists()
    assert ended.stdout.count("Trying to restart") == 1
    assert records(killed / "results" / "again") == records(tmp_path / "undisturbed" / "results" / "again")


def test_refused_job_is_named(tmp_path: Path) -> None:
    """A cluster that starts no job leaves a message that says which one, and what to look at."""
    options = ("--executor", "cluster-generic", "--cluster-generic-submit-cmd", "false", "--jobs", "1")
    ended = snakemake(tmp_path, NEAR, *options, "--until", "prepare", cores=1)
    assert ended.returncode == 1
    log = Path("results") / "again" / "logs" / "prepare" / "toy"
    assert f"Failed jobs that wrote nothing: 1, such as {log}." in ended.stdout
