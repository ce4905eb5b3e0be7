"""The results of a run for a notebook."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from blindtune.config.systems import Knn, RandomForest, Tuned
from blindtune.config.training import Training
from blindtune.core.errors import UserError
from blindtune.core.job_log import JobLog
from blindtune.decoding.decode import decode_to_files
from blindtune.records.trial import TrialLog
from blindtune.results import Results, open_results
from blindtune.study.run import run_study
from blindtune.tuners.optuna.config import OptunaConfig
from support.builders import ROOT, Places, points, prepare_toy, study
from support.stored_studies import store_tuned, tuned_system

SPACE = "layers: {type: int, low: 1, high: 1}\nunits: {type: int, low: 2, high: 9, repeat: layers}\n"
SPACE += "activation: {type: choice, options: [relu], repeat: layers}\n"
MODEL = "layers: [{kind: dense, units: 4, activation: relu}]\ntraining: {epochs: 2, batch_size: 20}\n"
NETWORK = Tuned(
    kind="tuner",
    tuner=OptunaConfig(library="optuna", algorithm="random"),
    space="space.yaml",
    trainer="pytorch",
    training=Training(epochs=2, batch_size=20, learning_rate=0.02),
)
LOGISTIC = Tuned(
    kind="tuner",
    tuner=OptunaConfig(library="optuna", algorithm="random"),
    estimator="logistic_regression",
    space="space.yaml",
)


class Run:
    """The results of a config with a prepared dataset."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "results" / "test"
        self.places: Places = prepare_toy(self.root)

    def study(self, system: str) -> Path:
        """Return the folder of a study."""
        return self.root / "studies" / "toy" / system / "42"

    def run(self, system: str, settings: Any, **files: str) -> Path:
        """Run a study, with the content of its files; return its folder."""
        paths = {}
        for name, text in files.items():
            paths[name] = self.root.parent / f"{name}.yaml"
            paths[name].write_text(text, encoding="utf-8")
        it = study(settings, system=system, budget={"trials": 2})
        run_study(it, self.places.open(), files=paths, code="code", folder=self.study(system), job_log=JobLog())
        return self.study(system)

    def decode(self, system: str) -> None:
        """Decode the frozen model of a study."""
        decode_to_files(
            card=self.study(system) / "card.json",
            manifest=self.places.manifest,
            sealed=self.places.seal,
            ledger=self.root.parent / "ledger",
            allow_repeats=False,
            points=5,
            folder=self.root / "decodes" / "toy" / system / "42",
            report=lambda line: None,
        )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return results with a network, nearest neighbours and a forest; the neighbours are decoded."""
    it = Run(tmp_path_factory.mktemp("results"))
    it.run("net", NETWORK, space=SPACE)
    it.run("logistic", LOGISTIC, space="C: {type: float, low: 0.1, high: 10, log: true}\n")
    it.run("near", Knn(kind="knn", n_neighbors=[3]))
    it.run("forest", RandomForest(kind="random_forest", n_estimators=[5], max_depth=[2]))
    it.decode("near")
    return it


@pytest.fixture
def opened(run: Run) -> Results:
    """Return the opened results."""
    return open_results(run.root)


def test_open_results_lists_studies(opened: Results) -> None:
    """Studies are sorted, and found by the last parts of their id; another name is refused."""
    assert [study.id for study in opened] == [f"test/toy/{name}/42" for name in ("forest", "logistic", "near", "net")]
    assert len(opened) == 4 and opened["net/42"] == opened["test/toy/net/42"] == opened.studies[3]
    with pytest.raises(KeyError, match="the name of 4 studies; take one of test/toy/forest/42, "):
        opened["42"]
    with pytest.raises(KeyError, match="the name of 0 studies"):
        opened["et/42"]


def test_open_results_refuses_sealed_and_empty_folders(run: Run, tmp_path: Path) -> None:
    """Sealed data are not opened, and a folder without studies is named."""
    with pytest.raises(UserError, match="below a folder sealed"):
        open_results(run.places.seal.parent)
    with pytest.raises(UserError, match="holds no study with trials"):
        open_results(str(tmp_path))


def test_trials_has_a_column_for_each_hyperparameter(tmp_path: Path) -> None:
    """Every trial has a row; whole numbers stay whole, and what was not active is missing."""
    folder = store_tuned(tmp_path / "results", tuned_system())
    records = TrialLog(folder / "trials.jsonl").read()
    table = open_results(folder).studies[0].trials()
    assert table["number"].tolist() == list(range(11))
    assert table["status"].tolist() == [record.status for record in records]
    names = {f"params_{name}" for record in records for name in record.hyperparameters}
    assert {name for name in table.columns if name.startswith("params_")} == names
    for row, record in zip(table.to_dict("records"), records, strict=True):
        active = {name: value for name, value in row.items() if name.startswith("params_") and not pd.isna(value)}
        assert active == {f"params_{name}": value for name, value in record.hyperparameters.items()}
    assert table["params_batch_size"].dtype == "Int64" and table["params_layers"].dtype == "Int64"


def test_best_is_the_frozen_trial(opened: Results) -> None:
    """The best trial is the one that was frozen."""
    for one in opened:
        best, card = one.best(), one.model().frozen.card
        assert best is not None and best.number == card.trial and best.score == card.dev_error


@pytest.mark.parametrize(
    ("system", "kind"),
    [("net", "Sequential"), ("near", "KNeighbors"), ("forest", "RandomForest"), ("logistic", "LogisticRegression")],
)
def test_model_answers_as_its_network(opened: Results, system: str, kind: str) -> None:
    """The model gives labels and probabilities, and the network behind it the same."""
    model, x = opened[f"{system}/42"].model(), points(40, 7)[0]
    labels, probabilities = model.predict(x), model.predict_proba(x)
    assert labels.shape == (40,) and probabilities.shape == (40, len(model.classes))
    assert (model(x) == labels).all() and (probabilities.argmax(axis=1) == labels).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert type(model.network).__name__.startswith(kind)
    own: Any
    if system == "net":
        import torch

        with torch.no_grad():
            scores = model.network(torch.from_numpy(model.view(x)))
        own = scores.softmax(dim=1).numpy()
    else:
        own = model.network.predict_proba(model.view(x))
    np.testing.assert_allclose(own, probabilities, atol=1e-6)


def test_model_refuses_samples_of_another_shape(opened: Results) -> None:
    """Samples must have the shape of those of the dataset."""
    with pytest.raises(UserError, match=r"takes samples of the shape \(n_samples, 2\), not \(5, 3\)"):
        opened["near/42"].model().predict(np.zeros((5, 3)))


def test_model_needs_a_finished_study(tmp_path: Path) -> None:
    """A study that is not frozen has no model."""
    folder = store_tuned(tmp_path / "results", tuned_system())
    with pytest.raises(UserError, match=r"holds no frozen model \(card.json\)"):
        open_results(folder).studies[0].model()


def test_model_of_a_copied_study_needs_its_data(run: Run, tmp_path: Path) -> None:
    """Outside of its results a study says what is missing, and takes the manifest."""
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in run.study("near").iterdir():
        if path.is_file():
            (copy / path.name).write_bytes(path.read_bytes())
    copied = open_results(copy).studies[0]
    with pytest.raises(UserError, match="Give their manifest"):
        copied.model()
    assert copied.model(run.places.manifest).classes == ["0", "1"]


def test_decode_result_is_the_recorded_one(run: Run, opened: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recorded decode is returned, None without one, and sealed data are never opened."""
    (run.places.seal.parent / "eval").rename(run.places.seal.parent / "away")
    try:
        found = opened["near/42"].decode_result()
        assert found is not None and found.samples == 30 and found.study == "test/toy/near/42"
        assert opened["net/42"].decode_result() is None
    finally:
        (run.places.seal.parent / "away").rename(run.places.seal.parent / "eval")
    assert not (run.root / "decodes" / "toy" / "net").exists()


def test_decode_result_refuses_what_its_predictions_contradict(run: Run, opened: Results) -> None:
    """No score is believed because it is written down."""
    path = run.root / "decodes" / "toy" / "near" / "42" / "result.json"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"samples": 30', '"samples": 31'), encoding="utf-8")
    try:
        with pytest.raises(UserError, match="samples"):
            opened["near/42"].decode_result()
    finally:
        path.write_text(text, encoding="utf-8")


def test_package_offers_open_results_and_stays_light() -> None:
    """``from blindtune import open_results`` works, and importing the package alone imports no library."""
    package: Any = import_module("blindtune")
    assert package.open_results is open_results
    with pytest.raises(AttributeError, match="no attribute 'other'"):
        _ = package.other
    code = "import sys, blindtune\nprint([n for n in ('numpy', 'pandas', 'pydantic', 'torch') if n in sys.modules])"
    environment = {"PYTHONPATH": str(ROOT / "workflow" / "lib")}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"
