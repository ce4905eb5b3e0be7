"""Studies on tables with weights: refused while planning where nothing takes them, in the identity, kept in folds."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blindtune.config.network_plan import check_code
from blindtune.config.schema import read
from blindtune.config.systems import RandomForest, Tuned
from blindtune.config.training import Training
from blindtune.core.errors import UserError
from blindtune.core.job_log import JobLog
from blindtune.datasets.base import Split
from blindtune.datasets.prepared import Prepared
from blindtune.decoding.frozen_model import FrozenModel
from blindtune.models.forms import ModelChoice
from blindtune.records.model_card import ModelCard, read_card
from blindtune.study.run import run_study
from blindtune.training.estimator import EstimatorTrainer
from support.builders import config, merged, study
from support.own_code import ask_in_this_process
from support.tables import prepare_table, write_table

#: A row of the file that is dealt to train.
_ROW_OF_TRAIN = 1


def weighed(folder: Path, changed: float = 1.0) -> Prepared:
    """Return a prepared table with weights of 1, 2 and 3 in turn; that of one row of train can be another one."""
    path = write_table(folder / "t.csv")
    head, *rows = path.read_text().splitlines()
    weights = [1.0 + number % 3 for number in range(len(rows))]
    weights[_ROW_OF_TRAIN] = changed
    path.write_text("\n".join([f"w,{head}", *(f"{w},{row}" for w, row in zip(weights, rows, strict=True))]) + "\n")
    return prepare_table(folder, file=str(path), weight="w")[0]


def run(data: Prepared, folder: Path, settings: Any, **changes: Any) -> ModelCard:
    it = study(settings, **changes)
    run_study(it, data, files=it.settings.files(), code="code", folder=folder, job_log=JobLog())
    return read_card(folder / "card.json")


def test_another_weight_is_another_model(tmp_path: Path) -> None:
    """One other weight changes the identity; the errors of the card count every row once."""
    forest = RandomForest(kind="random_forest", n_estimators=[3], max_depth=[2])
    cards = {}
    for changed in (1.0, 4.0):
        data = weighed(tmp_path / str(changed), changed)
        cards[changed] = run(data, tmp_path / f"run_{changed}", forest)
        model = FrozenModel(cards[changed], tmp_path / f"run_{changed}", data)
        for split, error in ((data.train, cards[changed].train_error), (data.dev, cards[changed].dev_error)):
            assert error == pytest.approx(float(np.mean(model.predict(split.x) != split.y)))
    assert cards[1.0].data_sha256 != cards[4.0].data_sha256
    assert cards[1.0].frozen_sha256() != cards[4.0].frozen_sha256()


@pytest.mark.parametrize("tuner", ["random", "randomized-search"])
def test_folds_keep_each_weight_with_its_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tuner: str) -> None:
    """What a fold trains on has the weights of its rows, and what it is scored on has none."""
    data = weighed(tmp_path)
    assert data.train.weight is not None
    weight_of = {row.tobytes(): weight for row, weight in zip(np.asarray(data.train.x), data.train.weight, strict=True)}
    seen: list[int] = []
    original = EstimatorTrainer.train

    def train(self: EstimatorTrainer, task: Any, train: Split, dev: Split, options: Any) -> Any:
        assert train.weight is not None and dev.weight is None
        assert [weight_of[row.tobytes()] for row in np.asarray(train.x)] == train.weight.tolist()
        seen.append(len(train.y))
        return original(self, task, train, dev, options)

    monkeypatch.setattr(EstimatorTrainer, "train", train)
    library = "optuna" if tuner == "random" else "scikit-learn"
    content = {"kind": "tuner", "tuner": {"library": library, "algorithm": tuner}, "space": "svc", "estimator": "svc"}
    settings = Tuned.model_validate(content | {"folds": 2, "view": {"kind": "samples"}})
    run(data, tmp_path / "it", settings, budget={"trials": 5})
    assert len(seen) == 5 and max(seen) == len(data.train.y) and min(seen) < len(data.train.y)


def plan(folder: Path, name: str, system: dict[str, Any], **changes: Any) -> None:
    """Plan a system on a table with weights."""
    path = write_table(folder / "t.csv")
    table = {"source": "table", "file": str(path), "weight": "feature_1", **changes}
    content = config(systems={name: system}, compare=[{"dataset": "toy", "systems": [name], "budget": {"trials": 2}}])
    content["datasets"] = {"toy": table}
    del content["systems"]["knn"]
    read(content, "the config")


def tuned(estimator: Any, space: str) -> dict[str, Any]:
    return {
        "kind": "tuner",
        "tuner": {"library": "optuna", "algorithm": "random"},
        "estimator": estimator,
        "space": space,
    }


@pytest.mark.parametrize(
    ("system", "words"),
    [
        ({"kind": "knn", "n_neighbors": [3]}, r"systems.it on toy: weight: trainer knn takes no weights of samples"),
        (tuned("knn", "knn"), r"the fit of sklearn.neighbors.KNeighborsClassifier has no sample_weight"),
    ],
)
def test_planning_refuses_what_takes_no_weights(tmp_path: Path, system: dict[str, Any], words: str) -> None:
    """The message names the system, what takes none and the cure; without weights it is planned."""
    with pytest.raises(UserError, match=words + r".*leave weight out of the dataset"):
        plan(tmp_path, "it", system)
    plan(tmp_path, "it", system, weight=None)


@pytest.mark.parametrize(
    "system",
    [
        {"kind": "random_forest"},
        {"kind": "bayes", **{split: {"n_neighbors": 3} for split in ("train", "dev", "eval")}},
        {"kind": "manual", "model": "mlp_m1"},
        tuned("svc", "svc"),
        tuned(["sklearn.preprocessing.Normalizer", "svc"], "pipeline.yaml"),
    ],
)
def test_planning_takes_what_takes_weights(tmp_path: Path, system: dict[str, Any], monkeypatch: Any) -> None:
    """Forests, estimates, networks and estimators are planned, pipelines by their last step."""
    if system.get("space") == "pipeline.yaml":
        (tmp_path / "pipeline.yaml").write_text("svc__C: {type: float, low: 0.1, high: 10}\n")
        system = merged(system, {"space": str(tmp_path / "pipeline.yaml")})
    plan(tmp_path, "it", system)


def test_code_with_a_training_step_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network whose code computes the loss itself gets no weights, so planning names it."""
    ask_in_this_process(monkeypatch)
    code = tmp_path / "own.py"
    code.write_text(
        "from torch import nn\n"
        "def build(hyperparameters, input_shape, n_classes):\n"
        "    return nn.Sequential(nn.Flatten(), nn.LazyLinear(n_classes))\n"
    )
    choice = ModelChoice("network", str(code), trainer="pytorch", defines_space=True)
    space = tmp_path / "space.yaml"
    space.write_text("learning_rate: {type: float, low: 0.001, high: 0.1}\n")
    from blindtune.config.systems import read_model_space

    given = read_model_space(space, replace(choice, defines_space=False))
    arguments = (replace(choice, defines_space=False), given, str(space), None, Training())
    assert check_code(*arguments, has_weights=True) == given
    code.write_text(code.read_text() + "def training_step(model, x, y):\n    return model(x).sum()\n")
    with pytest.raises(ValueError, match=r"weight: the training_step of .*own.py gets no weights of samples; leave"):
        check_code(*arguments, has_weights=True)
    assert check_code(*arguments) == given
