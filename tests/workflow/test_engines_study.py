"""The study of every tuner of every library."""

from pathlib import Path

import pytest
import yaml
from snakemake.exceptions import WorkflowError

from blindtune.tuners import engines
from support.dag import ROOT, plan
from support.engines import ENGINE_ALGORITHMS

STUDY = ROOT / "workflow" / "studies" / "engines.yaml"


def test_study_of_the_engines_is_planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file plans every system on both datasets, and has every algorithm of every optional engine."""
    # It is planned where no engine is installed, too.
    monkeypatch.setattr(engines, "find_fault", lambda library: None)
    content = yaml.safe_load(STUDY.read_text(encoding="utf-8"))
    jobs = [job for job in plan(tmp_path, {"seeds": [42]}, overlays=[STUDY]) if job.rule == "study"]
    assert len(jobs) == sum(len(one["systems"]) for one in content["compare"]) == 106
    tuners = [system["tuner"] for system in content["systems"].values() if "tuner" in system]
    found = {(tuner["library"], tuner["algorithm"]) for tuner in tuners}
    assert {(library, name) for library, names in ENGINE_ALGORITHMS.items() for name in names} <= found


def test_plan_refuses_an_engine_that_is_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The message names the system; the same plan with an engine that is there passes."""
    tuner = {"library": "smac", "algorithm": "random"}
    config = {
        "name": "mine",
        "compare": [{"dataset": "set_08", "systems": ["it"], "budget": {"trials": 3}}],
        "systems": {"it": {"kind": "tuner", "tuner": tuner, "space": "mlp", "trainer": "fused"}},
    }
    monkeypatch.setattr(engines, "find_fault", lambda library: f"{library} is not installed")
    with pytest.raises(WorkflowError, match=r"systems\.it: tuner\.library: smac is not installed"):
        plan(tmp_path, config)
    monkeypatch.setattr(engines, "find_fault", lambda library: None)
    assert any(job.rule.startswith("study") for job in plan(tmp_path, config))
