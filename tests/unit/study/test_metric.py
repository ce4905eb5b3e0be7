"""Studies that minimise another metric than the error: it ranks trials, is recorded, and is part of the identity."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blindtune import stages
from blindtune.config.schema import Config, read
from blindtune.config.systems import Knn, Tuned
from blindtune.core.errors import UserError
from blindtune.core.files import read_json
from blindtune.core.job_log import JobLog
from blindtune.datasets.base import Split
from blindtune.datasets.csv_folder import CsvFolderConfig, CsvFolderSource
from blindtune.datasets.prepared import Prepared, prepare
from blindtune.metrics.registry import METRICS
from blindtune.records.model_card import read_card
from blindtune.records.trial import TrialLog, find_best, rank_on_dev
from blindtune.study.protocol import build_protocol
from blindtune.study.run import run_study
from blindtune.training.registry import TRAINERS, TrainerEntry
from support.builders import Places, config, merged, prepared, study, trial

#: Keras Tuner asks for the name of its thread in an old way.
pytestmark = pytest.mark.filterwarnings("ignore:.*(currentThread|getName).*:DeprecationWarning", "ignore::UserWarning")

TUNERS: list[Any] = [
    pytest.param({"library": "keras-tuner", "algorithm": "hyperband"}, marks=pytest.mark.slow, id="keras-tuner"),
    {"library": "optuna", "algorithm": "tpe", "pruner": {"algorithm": "median"}},
    {"library": "scikit-learn", "algorithm": "halving-random-search"},
]


def prepare_unbalanced(folder: Path) -> Prepared:
    """Prepare two clouds of which one has a tenth of the samples."""
    (folder / "csv").mkdir(parents=True)
    files = {}
    for number, (split, count) in enumerate({"train": 200, "dev": 100, "eval": 100}.items()):
        random = np.random.default_rng(number)
        y = (np.arange(count) % 10 == 0).astype(int)
        x = random.normal(size=(count, 2)) + 0.8 * y[:, None]
        files[split] = folder / "csv" / f"{split}.csv"
        files[split].write_text("".join(f"{b},{a[0]:.6f},{a[1]:.6f}\n" for b, a in zip(y, x, strict=True)))
    places = Places(folder / "data" / "manifest.json", folder / "sealed" / "seal.json")
    source = CsvFolderSource(CsvFolderConfig(source="csv_folder", folder=str(folder / "csv")))
    prepare("toy", source, files, places.manifest, places.seal)
    return places.open()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepare_unbalanced(tmp_path_factory.mktemp("unbalanced"))


def run(data: Prepared, folder: Path, settings: Any, **changes: Any) -> Any:
    it = study(settings, **changes)
    return run_study(it, data, files=it.settings.files(), code="code", folder=folder, job_log=JobLog())


def tuned(tuner: dict[str, Any]) -> Tuned:
    training = {"epochs": 3, "batch_size": 20, "learning_rate": 0.02}
    content = {"kind": "tuner", "tuner": tuner, "space": "mlp", "trainer": "pytorch", "training": training}
    return Tuned.model_validate(content)


@pytest.mark.parametrize("tuner", TUNERS, ids=lambda tuner: tuner["library"])
def test_tuners_minimise_the_metric(data: Prepared, tmp_path: Path, tuner: dict[str, Any]) -> None:
    """Each trial records error and metric, the lowest metric is frozen, and a killed study ends the same."""
    changes: dict[str, Any] = {"metric": "balanced_error", "budget": {"epochs": 12}}
    card = run(data, tmp_path / "it", tuned(tuner), **changes)
    trials = TrialLog(tmp_path / "it" / "trials.jsonl").read()
    completed = [one for one in trials if one.status == "completed"]
    assert all(one.metric == "balanced_error" and one.metric_value is not None for one in completed)
    assert all(one.objective_value() == one.metric_value != one.score for one in completed)
    assert (card.metric, card.dev_metric) == ("balanced_error", min(one.metric_value or 2 for one in completed))
    assert card.dev_error == trials[card.trial].score and 0 <= card.train_metric <= 1
    assert read_card(tmp_path / "it" / "card.json") == card
    lines = (tmp_path / "it" / "trials.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "it" / "trials.jsonl").write_text("".join(lines[:2]))
    (tmp_path / "it" / "card.json").unlink()
    again = run(data, tmp_path / "it", tuned(tuner), **changes)
    assert again.frozen_sha256() == card.frozen_sha256()
    ended = TrialLog(tmp_path / "it" / "trials.jsonl").read()
    assert [one.reproducible_fields() for one in ended] == [one.reproducible_fields() for one in trials]


def test_another_metric_is_another_model(data: Prepared, tmp_path: Path) -> None:
    """The metric is in protocol and identity; the error is in neither, and its records are those of before."""
    knn = Knn(kind="knn", n_neighbors=[1, 25])
    cards = {name: run(data, tmp_path / name, knn, metric=name) for name in ("error", "balanced_error", "log_loss")}
    assert cards["error"].trial == 1 and cards["balanced_error"].trial == 0, "rare samples are never answered with k=25"
    assert len({card.frozen_sha256() for card in cards.values()}) == 3
    assert cards["log_loss"].trial == cards["error"].trial, "the same model, chosen by another metric"
    protocol = build_protocol(study(knn, metric="log_loss"), "data", {}, {}, "code")
    assert protocol["study"]["metric"] == "log_loss"
    assert "metric" not in build_protocol(study(knn), "data", {}, {}, "code")["study"]


#: The keys of records of before there were metrics, in their order.
TRIAL_KEYS = """schema_version study number parent trained_before fold hyperparameters layers status reason retries
exceptions score epochs curve best_epoch scored_epoch n_parameters weights_sha256 seeds seconds started host
versions"""
CARD_KEYS = """schema_version study config dataset system seed kind paper_row settings score_epoch budget data_sha256
preprocessing code_sha256 classes trial hyperparameters architecture training model_seed n_parameters train_error
dev_error estimates weights weights_sha256 statuses spent trials_sha256 exhausted versions frozen_sha256 card_sha256"""


def test_records_of_the_error_are_those_of_before(data: Prepared, tmp_path: Path) -> None:
    """With the error, no record and no protocol has a field that there was not before."""
    run(data, tmp_path / "it", tuned(TUNERS[1]), budget={"trials": 2})
    for line in (tmp_path / "it" / "trials.jsonl").read_text().splitlines():
        content = json.loads(line)
        assert list(content) == TRIAL_KEYS.split()
        assert all(list(epoch) == ["train_loss", "train_error", "dev_loss", "dev_error"] for epoch in content["curve"])
    assert sorted(read_json(tmp_path / "it" / "card.json")) == sorted(CARD_KEYS.split())
    protocol = read_json(tmp_path / "it" / "protocol.json")
    assert set(protocol["study"]) == {"config", "dataset", "system", "seed", "settings", "score_epoch"}


def test_trials_are_ranked_by_the_metric() -> None:
    """A trial without a value has the worst one; of two with equal values the first counts."""
    first, second, failed = (
        trial(0, 0.1, metric="log_loss", metric_value=2.5),
        trial(1, 0.2, metric="log_loss", metric_value=0.5),
        trial(2, None, metric="log_loss"),
    )
    assert rank_on_dev([first, second, failed]) == [second, first]
    assert find_best([first, second]) is second
    assert failed.objective_value() == 16 > first.objective_value()
    assert trial(3, None).objective_value() == 1


@pytest.mark.parametrize("split", ["dev", "eval"])
def test_a_metric_that_is_not_defined_is_refused_before_a_trial(data: Prepared, tmp_path: Path, split: str) -> None:
    """A class without samples in dev or eval is named, and nothing is trained."""
    counts = data.manifest["counts"] | {split: {"0": 100, "1": 0}}
    lacking = Prepared(data.name, data.train, data.dev, data.classes, data.sha256, data.manifest | {"counts": counts})
    knn = Knn(kind="knn", n_neighbors=[1])
    with pytest.raises(UserError, match=f"roc_auc is not defined on {split} of toy: class 1 has no sample"):
        run(lacking, tmp_path / "it", knn, metric="roc_auc")
    assert not (tmp_path / "it").exists()
    assert run(lacking, tmp_path / "it", knn).dev_error >= 0


def test_a_fold_without_a_class_is_refused_by_name(tmp_path: Path) -> None:
    """A fold of a cross-validation on which the metric is not defined ends the search with a message."""
    toy = prepared(tmp_path, train=24, classes=2)
    group = np.arange(24) // 4
    y = (group < 2).astype(np.int64)  # two groups for three folds
    rare = Prepared(toy.name, Split(toy.train.x, y, group), toy.dev, toy.classes, toy.sha256, toy.manifest)
    settings = tuned({"library": "scikit-learn", "algorithm": "randomized-search", "folds": 3})
    with pytest.raises(
        UserError,
        match=r"roc_auc is not defined on fold . of train of toy: class 1 has no sample there\. Give fewer folds",
    ):
        run(rare, tmp_path / "it", settings, metric="roc_auc", budget={"trials": 4})


def test_config_refuses_metrics_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt metric gets the nearest name; a trainer that gives the error alone is named."""
    base = config(str(tmp_path))
    entry = base["compare"][0]
    with pytest.raises(ValueError, match="'rocauc' is not a metric: did you mean 'roc_auc'"):
        Config.model_validate(merged(base, {"compare": [entry | {"metric": "rocauc"}]}))
    found = Config.model_validate(merged(base, {"compare": [entry | {"metric": "roc_auc"}]}))
    assert found.study("toy", "knn", 42).metric == "roc_auc"
    for split in ("train", "dev", "eval"):
        (tmp_path / f"{split}.csv").write_text("0,1,1\n1,2,2\n")
    plain = TrainerEntry(create="blindtune.training.sklearn:knn", network=False)
    monkeypatch.setitem(TRAINERS.entries, "knn", plain)
    with pytest.raises(UserError, match=r"systems.knn on toy: metric: roc_auc is not computed by trainer knn"):
        read(merged(base, {"compare": [entry | {"metric": "roc_auc"}]}), "it")


def test_the_code_of_a_metric_is_in_the_digests() -> None:
    """A change of a metric's module runs the studies and decodes of that metric again, and no others."""
    knn, dataset = Knn(kind="knn", n_neighbors=[1]), CsvFolderConfig(source="csv_folder", folder="csv")
    for modules in (stages.study_modules, stages.decode_modules):
        assert "blindtune.metrics.roc_auc" in modules(knn, dataset, "roc_auc")
        assert not [name for name in modules(knn, dataset) if name.startswith("blindtune.metrics")]
    assert len({stages.study_digest(knn, dataset, name) for name in METRICS.own}) == len(METRICS.own)
    assert stages.study_digest(knn, dataset) == stages.study_digest(knn, dataset, "error")
