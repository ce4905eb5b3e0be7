"""A run whose models see features of the user's own code: who opens sealed files."""

from pathlib import Path

import pytest

from support.extractors import write_extractor
from support.workflow_runs import only, snakemake

pytestmark = pytest.mark.integration

AUDIT = Path(__file__).parents[1] / "support" / "audit"


def test_features_of_eval_stay_under_the_seal(tmp_path: Path) -> None:
    """Decode alone reads and writes features of eval; the job of the features, and the study, open nothing sealed."""
    view = write_extractor(tmp_path / "own").model_dump(mode="json")
    config = only("near", systems={"near": {"view": view}})
    opened = tmp_path / "opened"
    ended = snakemake(tmp_path, config, "--until", "decode", PYTHONPATH=str(AUDIT), BLINDTUNE_AUDIT=str(opened))
    assert ended.returncode == 0, ended.stdout
    lines = [line.split("\t") for line in opened.read_text(encoding="utf-8").splitlines()]
    who = {(script, mode) for script, mode, path in lines if not path.endswith("seal.json")}
    assert who == {("prepare", "write"), ("decode", "read"), ("decode", "write")}
    assert {script for script, _, path in lines if "/features/" in path} == {"decode"}
    data, sealed = tmp_path / "results" / "tiny" / "data" / "toy", tmp_path / "results" / "tiny" / "sealed" / "toy"
    assert sorted(path.name for path in (data / "features").rglob("*.npy")) == ["dev.npy", "train.npy"]
    assert [path.name for path in (sealed / "features").rglob("*.npy")] == ["eval.npy"]
