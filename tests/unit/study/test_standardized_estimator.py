"""An estimator that sees standardized numbers: searched, decoded and asked as scikit-learn's own after its scaler."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from blindtune.cli import main
from blindtune.config.schema import read_dataset
from blindtune.config.systems import Tuned
from blindtune.core.files import read_json
from blindtune.core.job_log import JobLog
from blindtune.datasets.prepared import open_prepared, prepare
from blindtune.decoding.decode import decode_to_files
from blindtune.decoding.predict import predict_to_file
from blindtune.records.trial import TrialLog
from blindtune.study.run import run_study
from support.builders import study
from support.tables import prepare_table, write_table


@pytest.mark.parametrize("folds", [None, 3])
def test_standardized_estimator_is_that_of_a_scaler_on_train(tmp_path: Path, folds: int | None) -> None:
    """Scores, the decode and new answers are those of scikit-learn's scaler, fitted on all of train, and its SVC."""
    root = tmp_path / "results" / "test"
    data, sealed = prepare_table(root, file=str(write_table(tmp_path / "t.csv", rows=120)))
    settings = Tuned.model_validate(
        {"kind": "tuner", "tuner": {"library": "optuna", "algorithm": "random"}, "estimator": "svc", "space": "svc"}
        | {"view": "standardized", "folds": folds}
    )
    folder = root / "studies" / "toy" / "it" / "42"
    n_trials = 3 if folds is None else 2 * folds + 1
    it = study(settings, budget={"trials": n_trials})
    card = run_study(it, data, files=settings.files(), code="code", folder=folder, job_log=JobLog())

    scaler = StandardScaler().fit(np.asarray(data.train.x, dtype=np.float64))

    def fit(values: dict[str, Any]) -> SVC:
        return SVC(**values).fit(scaler.transform(data.train.x), data.train.y)

    trials = TrialLog(folder / "trials.jsonl").read()
    assert len(trials) == n_trials and {trial.status for trial in trials} == {"completed"}
    for trial in trials:
        if trial.fold is None:
            answers = fit(trial.hyperparameters).predict(scaler.transform(data.dev.x))
            assert trial.score == np.mean(answers != data.dev.y)
    model = fit(card.hyperparameters)
    decode_to_files(
        card=folder / "card.json",
        manifest=root / "data" / "manifest.json",
        sealed=root / "sealed" / "seal.json",
        ledger=tmp_path / "results" / "ledger",
        allow_repeats=False,
        points=5,
        folder=tmp_path / "decode",
        report=lambda line: None,
    )
    error = read_json(tmp_path / "decode" / "result.json")["error"]
    assert error == np.mean(model.predict(scaler.transform(sealed.x)) != sealed.y)
    new = write_table(tmp_path / "new.csv", rows=20, seed=5)
    predict_to_file(
        folder, new, tmp_path / "out.csv", manifest=root / "data" / "manifest.json", report=lambda line: None
    )
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as stream:
        found = [row["class"] for row in csv.DictReader(stream)]
    x = np.genfromtxt(new, delimiter=",", skip_header=1, usecols=(0, 1, 2), dtype=np.float32)
    assert found == [("no", "yes")[label] for label in model.predict(scaler.transform(x))]


def test_standardized_estimator_has_no_form_of_a_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An export as a network is refused by name, and nothing is written."""
    root = tmp_path / "results" / "test"
    source = read_dataset({"source": "table", "file": str(write_table(tmp_path / "t.csv"))})
    manifest = root / "data" / "toy" / "manifest.json"
    prepare("toy", source, source.user_files(), manifest, root / "sealed" / "toy" / "seal.json")
    data = open_prepared(manifest)
    settings = Tuned.model_validate(
        {"kind": "tuner", "tuner": {"library": "optuna", "algorithm": "random"}, "estimator": "svc", "space": "svc"}
        | {"view": "standardized"}
    )
    folder = root / "studies" / "toy" / "it" / "42"
    run_study(study(settings), data, files=settings.files(), code="code", folder=folder, job_log=JobLog())
    assert main(["export", "--form", "torch", "--to", str(tmp_path / "out"), str(folder)]) == 1
    assert "is not a network (estimator), so it has no form torch" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
