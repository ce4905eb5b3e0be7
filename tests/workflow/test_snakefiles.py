"""The ways into the workflow: the Snakefile, the one where the catalog looks, and the module of another workflow."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from snakemake.exceptions import WorkflowError

from support.dag import ROOT, Job, plan

SMOKE = ROOT / "workflow" / "studies" / "smoke.yaml"


def plan_smoke(folder: Path, snakefile: Path) -> list[Job]:
    """Return the jobs of the small study but the target, whose name is that of the way in."""
    folder.mkdir(exist_ok=True)
    return [job for job in plan(folder, overlays=[SMOKE], snakefile=snakefile) if job.rule not in ("all", "blindtune")]


def write_module(folder: Path, source: str) -> Path:
    """Write a workflow that uses blindtune as a module.

    Args:
        folder: of the workflow.
        source: the module's Snakefile, as Snakemake's language says it.
    """
    shutil.copy(ROOT / "config.yaml", folder)
    lines = ['configfile: "config.yaml"', "module blindtune:", f"    snakefile: {source}", "    config: config"]
    path = folder / "Snakefile"
    path.write_text("\n".join([*lines, "use rule * from blindtune", ""]), encoding="utf-8")
    return path


def test_every_way_in_plans_the_same_jobs(tmp_path: Path) -> None:
    """The second Snakefile and a module plan what the first one plans: same files, params and environments."""
    expected = plan_smoke(tmp_path / "first", ROOT / "Snakefile")
    assert len({job.rule for job in expected}) == 7
    assert plan_smoke(tmp_path / "second", ROOT / "workflow" / "Snakefile") == expected
    (tmp_path / "module").mkdir()
    module = write_module(tmp_path / "module", repr(str(ROOT / "workflow" / "Snakefile")))
    assert plan_smoke(tmp_path / "module", module) == expected


def test_hosted_rules_without_the_library_are_refused(tmp_path: Path) -> None:
    """Snakemake fetches the rules of a repository one by one; the message says what to do instead."""
    repository = tmp_path / "repository"
    repository.mkdir()
    shutil.copy(ROOT / "Snakefile", repository)
    for command in (["init", "-q"], ["add", "."], ["-c", "user.name=x", "-c", "user.email=x", "commit", "-qm", "x"]):
        subprocess.run(["git", *command], cwd=repository, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=repository, check=True, capture_output=True, text=True)
    source = f"gitfile({str(repository)!r}, path='Snakefile', commit={head.stdout.strip()!r})"
    with pytest.raises(WorkflowError, match="Clone the repository, and name the Snakefile of the clone"):
        plan(tmp_path, snakefile=write_module(tmp_path, source))


def test_catalog_says_what_is_true() -> None:
    """The entry has the keys that the catalog reads, and names the way in that it looks for."""
    content = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text(encoding="utf-8"))
    assert set(content) == {"usage"}
    assert set(content["usage"]) == {"mandatory-flags", "software-stack-deployment", "report"}
    assert set(content["usage"]["mandatory-flags"]) == {"desc", "flags"}
    assert content["usage"]["software-stack-deployment"] == {"conda": True}
    assert (ROOT / "workflow" / "Snakefile").is_file()
    readme = (ROOT / "README.md").read_text(encoding="utf-8").lower()
    assert "snakemake" in readme and "workflow" in readme
