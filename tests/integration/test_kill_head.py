"""Snakemake alone is killed and its job lives on: run again, the workflow ends as if nothing had happened."""

from pathlib import Path
from typing import Any

import pytest

from support.claims import leave_claim
from support.killing_heads import PATIENCE, kill_head, prepare_template, run_undisturbed
from support.workflow_runs import only, snakemake

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Return prepared data, and the records of a run without a kill."""
    root = tmp_path_factory.mktemp("heads")
    template = prepare_template(root / "template")
    return template, run_undisturbed(template, root / "undisturbed")[0]


@pytest.mark.parametrize(("trials", "wait"), [(1, 0), (6, PATIENCE)], ids=["refused", "waits"])
def test_kill_of_the_head_alone_changes_nothing(
    undisturbed: tuple[Path, dict[str, Any]], tmp_path: Path, trials: int, wait: int
) -> None:
    """Each trial is recorded once, the model is decoded once, and the report is complete."""
    template, records = undisturbed
    kill = kill_head(template, tmp_path / "killed", 0, records, wait, trials=trials)
    assert kill.faults == []
    assert kill.alive, "the job must live on"
    assert kill.runs == 1 or not wait, "a run that waits is not refused"


def test_kill_of_the_head_leaves_submitted_jobs_that_recovery_ends(
    undisturbed: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    """As on a cluster, jobs are no children of Snakemake: recovery names and ends them, and the run goes on."""
    template, records = undisturbed
    kill = kill_head(template, tmp_path / "killed", 0, records, cluster=True, stop=True, trials=3)
    assert kill.faults == []
    assert kill.alive, "the job must live on"
    assert kill.runs == 1


def test_refused_run_removes_nothing(tmp_path: Path) -> None:
    """Snakemake removes the outputs of a job before it starts, so a run is refused before any of its jobs does."""
    manifest = tmp_path / "results/tiny/data/toy/manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("{}")
    leave_claim(manifest.parent)
    ended = snakemake(tmp_path, only("near"), "--until", "prepare")
    assert ended.returncode == 1
    assert "blindtune: results/tiny/data/toy: what this run would write is in use by process" in ended.stdout
    assert manifest.read_text() == "{}"
    assert not (tmp_path / "results/tiny/sealed").exists()
