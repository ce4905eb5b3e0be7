"""A wrong config ends with one message that names the key and what was meant, before anything runs."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from support.dag import ROOT

SNAKEMAKE = Path(sys.executable).with_name("snakemake")
ONE = {"dataset": "set_10", "budget": {"trials": 2}}


@pytest.mark.parametrize(
    ("overlay", "key", "hint"),
    [
        ({"score_epok": "best"}, "score_epok", "did you mean 'score_epoch'?"),
        ({"systems": {"mine": {"kind": "knn", "neighbors": [1]}}}, "neighbors", "did you mean 'n_neighbors'?"),
        ({"compare": [ONE | {"systems": ["mlp_am"]}]}, "compare.0.systems: 'mlp_am'", "did you mean 'mlp_"),
        (
            {"compare": [ONE | {"systems": ["mlp_m"], "budget": {"trials": 0}}]},
            "compare.0.budget.trials",
            "greater than 0 (got 0)",
        ),
        ({"datasets": {"set_10": {"drawing": "set_1O"}}}, "'set_1O'", "did you mean 'set_10'?"),
        ({"systems": {"mlp_a1": {"space": "mpl"}}}, "systems.mlp_a1", "mpl.yaml does not exist"),
    ],
    ids=["top", "nested", "reference", "value", "drawing", "space"],
)
def test_config_error_names_the_key_and_a_suggestion(tmp_path, overlay, key, hint):
    """A wrong config ends in one short message with the file, the key and a suggestion, before any job runs."""
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(overlay), encoding="utf-8")
    ended = subprocess.run(
        [
            Path(sys.executable).with_name("snakemake"),
            "-s",
            ROOT / "Snakefile",
            "--cores",
            "1",
            "--configfile",
            "mine.yaml",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    output = ended.stdout + ended.stderr
    assert ended.returncode == 1
    assert key in output
    assert hint in output
    assert "mine.yaml" in output
    assert "Traceback" not in output
    assert len(output.splitlines()) < 10
    assert not (tmp_path / "results").exists()
