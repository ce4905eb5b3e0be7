"""The study of every tuner of every library."""

from pathlib import Path

import pytest
import yaml

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
