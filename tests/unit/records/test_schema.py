"""Whatever trains, the records have one form: another trainer is one word in the config and nothing else."""

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

#: The native trainer, and those that may take its place.
NATIVE, OTHERS = "keras", ("pytorch", "fused")

TRIALS = 4


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepared(tmp_path_factory.mktemp("data"))


def searched(trainer: str, data: Prepared, folder: Path) -> list[dict[str, Any]]:
    """The records of a search, as they stand in its log."""
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
    assert set(card.model_dump()) == set(type(card).model_fields)
    return [json.loads(line) for line in read_lines(folder / "trials.jsonl")]


def form(value: Any) -> Any:
    """What of a record does not depend on numbers: keys, kinds of values, lengths of lists."""
    if isinstance(value, dict):
        return {key: form(part) for key, part in value.items()}
    return [form(part) for part in value] if isinstance(value, list) else type(value).__name__


def test_the_native_trainer_and_the_fast_one_write_the_same_form_of_record(data: Prepared, tmp_path: Path) -> None:
    native = searched(NATIVE, data, tmp_path / NATIVE)
    assert len(native) == TRIALS and Counter(one["status"] for one in native) == {"completed": TRIALS}
    assert all(set(one) == set(Trial.model_fields) for one in native)
    # Only the names of the libraries differ.
    apart = {"versions"}
    for trainer in OTHERS:
        found = searched(trainer, data, tmp_path / trainer)
        for one, other in zip(found, native, strict=True):
            assert {key: form(value) for key, value in one.items() if key not in apart} == {
                key: form(value) for key, value in other.items() if key not in apart
            }
            same = ("number", "hyperparameters", "seeds", "epochs", "n_parameters", "status", "scored_epoch")
            assert [one[key] for key in same] == [other[key] for key in same]
