"""A wrong config ends with one message that names the key and what was meant, before anything runs."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from snakemake.exceptions import WorkflowError

from support.dag import ROOT, plan

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
    """A wrong config is refused in one short message with the file, the key and a suggestion."""
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(overlay), encoding="utf-8")
    with pytest.raises(WorkflowError) as refused:
        plan(tmp_path, overlays=[tmp_path / "mine.yaml"])
    shown = str(refused.value)
    assert key in shown
    assert hint in shown
    assert "mine.yaml" in shown
    assert len(shown.splitlines()) < 10
    assert not (tmp_path / "results").exists()


def test_snakemake_shows_a_config_error_without_a_traceback(tmp_path):
    """What the user sees of a wrong config is the message, before any job runs."""
    (tmp_path / "mine.yaml").write_text("score_epok: best\n", encoding="utf-8")
    ended = subprocess.run(
        [SNAKEMAKE, "-s", ROOT / "Snakefile", "--cores", "1", "--configfile", "mine.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    output = ended.stdout + ended.stderr
    assert ended.returncode == 1
    assert "mine.yaml" in output and "score_epok" in output and "did you mean 'score_epoch'?" in output
    assert "Traceback" not in output
    assert len(output.splitlines()) < 10
    assert not (tmp_path / "results").exists()
