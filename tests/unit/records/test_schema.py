"""Trial records have one form, whichever trainer writes them."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from blindtune.config.systems import Tuned
from blindtune.core.jsonl import read_lines
from blindtune.datasets.prepared import Prepared
from blindtune.records.trial import Trial
from blindtune.study.run import run_study
from support.builders import RecordingConsole, prepared, study

#: The native trainer, and the faster ones.
NATIVE, OTHERS = "keras", ("pytorch", "fused")

TRIALS = 4


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepared(tmp_path_factory.mktemp("data"))


def run_search(trainer: str, data: Prepared, folder: Path) -> list[dict[str, Any]]:
    """Run a search and return the records of its log."""
    settings = Tuned.model_validate(
        {
            "kind": "tuner",
            "tuner": {"library": "keras-tuner", "algorithm": "random"},
            "space": "mlp_dropout",
            "trainer": trainer,
            "training": {"epochs": 2, "batch_size": 20},
        }
    )
    card = run_study(
        study(settings, budget={"trials": TRIALS}),
        data,
        files=settings.files(),
        code="code",
        folder=folder,
        job_log=RecordingConsole(),
    )
    # Recipes of estimators and of networks in code are left out of the cards of other models, and a metric of those
    # chosen by the error.
    left_out = {"estimator", "network", "metric", "train_metric", "dev_metric"}
    assert set(card.model_dump()) == set(type(card).model_fields) - left_out
    return [json.loads(line) for line in read_lines(folder / "trials.jsonl")]


def form(value: Any) -> Any:
    """Return the form of a record: keys, types of values, lengths of lists."""
    if isinstance(value, dict):
        return {key: form(part) for key, part in value.items()}
    return [form(part) for part in value] if isinstance(value, list) else type(value).__name__


def test_trial_has_the_same_form_from_every_trainer(data: Prepared, tmp_path: Path) -> None:
    """The native trainer and the faster ones write the same fields with the same types."""
    native = run_search(NATIVE, data, tmp_path / NATIVE)
    assert len(native) == TRIALS and Counter(one["status"] for one in native) == {"completed": TRIALS}
    # Those of a metric are left out if the error is minimised.
    assert all(set(one) == set(Trial.model_fields) - {"metric", "metric_value"} for one in native)
    # Only the names of the libraries differ.
    excluded = {"versions"}
    for trainer in OTHERS:
        found = run_search(trainer, data, tmp_path / trainer)
        for one, other in zip(found, native, strict=True):
            assert {key: form(value) for key, value in one.items() if key not in excluded} == {
                key: form(value) for key, value in other.items() if key not in excluded
            }
            same = ("number", "hyperparameters", "seeds", "epochs", "n_parameters", "status", "scored_epoch")
            assert [one[key] for key in same] == [other[key] for key in same]
