"""Data that changed after the preparation end a run before eval is opened, and the advice of the message helps."""

import numpy as np
import pytest

from support.workflow_runs import ledger, only, snakemake

pytestmark = pytest.mark.integration


def test_replaced_training_data_are_refused_until_prepared_again(tmp_path):
    """Train that was replaced after the freeze ends the run before a decode begins; the advice of the message helps."""
    config = only("near")
    assert snakemake(tmp_path, config, "--until", "study").returncode == 0
    data = tmp_path / "results" / "tiny" / "data" / "toy"
    path = data / "train" / "x.npy"
    content = path.read_bytes()
    np.save(path, np.load(path)[::-1])

    refused = snakemake(tmp_path, config)
    assert refused.returncode == 1 and "Traceback" not in refused.stdout
    assert "results/tiny/data/toy/train/x.npy: not what the preparation wrote" in refused.stdout
    assert "remove results/tiny/data/toy/manifest.json and run again" in refused.stdout
    assert not ledger(tmp_path)

    (data / "manifest.json").unlink()
    again = snakemake(tmp_path, config, "--until", "decode")
    assert again.returncode == 0, again.stdout
    assert path.read_bytes() == content
    assert [entry["event"] for entry in ledger(tmp_path) if "study" in entry] == ["begun", "done"]
