"""The keys of a tuner that trains an estimator: what belongs together, what is refused, and what overrides replace."""

from pathlib import Path
from typing import Any

import pytest

from blindtune.config.schema import Config, list_notes, read
from blindtune.config.systems import Tuned
from blindtune.core.errors import UserError
from support.builders import config, write_csv_folder

RANDOM = {"library": "optuna", "algorithm": "random"}
NETWORK = {"kind": "tuner", "tuner": RANDOM, "space": "mlp"}
SVC = {"kind": "tuner", "tuner": RANDOM, "space": "svc", "estimator": "svc"}
FOREST = {"space": "random_forest", "estimator": "random_forest"}


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """Return a folder with the CSV files of a toy dataset."""
    write_csv_folder(tmp_path / "csv")
    return str(tmp_path / "csv")


def compare(folder: str, *, overrides: Any = None, budget: Any = None, metric: str = "error", **systems: Any) -> Config:
    """Return a config that compares systems."""
    compared = {"dataset": "toy", "systems": list(systems), "budget": budget or {"trials": 9}, "metric": metric}
    content = config(folder, systems=systems, compare=[compared | {"tuner_overrides": overrides}])
    return read(content, "my.yaml")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"family": "mlp"}, "family: belongs to a network, and `estimator` is given; take one of the two out"),
        ({"trainer": "keras"}, "trainer: belongs to a network"),
        ({"training": {"epochs": 3}}, "training: belongs to a network"),
        ({"invalid_layers": "skip"}, "invalid_layers: belongs to a network"),
        ({"estimator": None, "space": "mlp", "arguments": {"tol": 0.1}}, "arguments: belongs to an estimator"),
        ({"estimator": None, "space": "mlp", "parts": 3}, "parts: belongs to an estimator"),
        ({"parts": 3}, "parts: only Hyperband and halving allocate parts of train"),
        ({"estimator": []}, "estimator: List should have at least 1 item"),
        ({"estimator": "svcc"}, "did you mean 'svc'?"),
        ({"arguments": {"toll": 0.1}}, "arguments.toll: is not a parameter of the estimator: did you mean 'tol'?"),
        ({"space": "mlp"}, "mlp.yaml: layers: is not a parameter of the estimator"),
        ({"view": "crops"}, "view: random views are for networks"),
        ({"folds": 1}, "folds: Input should be greater than or equal to 2"),
        ({"folds": 9}, "budget: the search of a single set on 9 folds and the whole of train takes 10 trials"),
        (
            {"tuner": {"library": "keras-tuner", "algorithm": "hyperband"}},
            "tuner: Keras Tuner's Hyperband allocates epochs, and an estimator is fitted in one step; give `parts`",
        ),
        (
            {"tuner": {"library": "scikit-learn", "algorithm": "halving-random-search"}},
            "tuner: scikit-learn's halving-random-search allocates epochs",
        ),
        ({"tuner": RANDOM | {"pruner": {"algorithm": "median"}}}, "tuner: Optuna's median pruner compares epochs"),
        (
            {"tuner": {"library": "optuna", "algorithm": "tpe", "objectives": ["dev_error", "n_parameters"]}},
            "tuner.objectives: an estimator has no number of parameters",
        ),
    ],
)
def test_read_refuses_keys_that_exclude_each_other(folder: str, changes: dict[str, Any], message: str) -> None:
    """What does not belong to an estimator, or does not fit it, is refused while planning, by its key."""
    with pytest.raises(UserError) as caught:
        compare(folder, it=SVC | changes)
    assert "systems.it" in str(caught.value) and message in str(caught.value)


def test_metric_without_probabilities_is_refused_while_planning(folder: str) -> None:
    """The key and the cure are named before a trial runs; the cure works."""
    with pytest.raises(
        UserError, match=r"systems\.it on toy: metric: log_loss needs class probabilities, and sk"
    ) as caught:
        compare(folder, metric="log_loss", it=SVC)
    assert "Give `arguments: {probability: true}`, or take the metric error" in str(caught.value)
    compare(folder, metric="log_loss", it=SVC | {"arguments": {"probability": True}})
    compare(folder, metric="macro_f1", it=SVC)


def test_estimator_may_be_a_name_a_path_or_a_list(folder: str) -> None:
    """One name, an import path and a list are the same notion."""
    path = compare(folder, it=SVC | {"estimator": "sklearn.svm.SVC"}).settings("toy", "it")
    name, listed = (compare(folder, it=SVC | {"estimator": one}).settings("toy", "it") for one in ("svc", ["svc"]))
    assert name == listed != path
    assert isinstance(path, Tuned) and path.trainer_name == "estimator" and path.epochs == 1 and not path.has_weights


def test_overrides_give_every_tuner_the_estimator(folder: str) -> None:
    """An estimator of a comparison takes the place of families and of other estimators, arguments included."""
    own = SVC | {"arguments": {"tol": 0.1}}
    parsed = compare(folder, overrides=FOREST | {"folds": 2}, one=NETWORK, two=own)
    one, two = (parsed.settings("toy", name) for name in ("one", "two"))
    assert one == two
    assert isinstance(one, Tuned) and (one.estimator, one.arguments, one.folds) == (["random_forest"], {}, 2)


def test_overrides_of_training_hold_for_networks(folder: str) -> None:
    """What says how networks are trained leaves estimators as they are; a family takes their place."""
    parsed = compare(folder, overrides={"trainer": "pytorch", "training": {"epochs": 3}}, one=NETWORK, two=SVC)
    one, two = (parsed.settings("toy", name) for name in ("one", "two"))
    assert isinstance(one, Tuned) and (one.trainer, one.training.epochs) == ("pytorch", 3)
    assert two == Tuned.model_validate(SVC | {"view": "samples"})
    three = compare(folder, overrides={"space": "mlp", "family": "mlp"}, three=SVC).settings("toy", "three")
    assert isinstance(three, Tuned) and three.estimator is None and three.family == "mlp"


def test_class_weights_that_an_estimator_does_not_get_are_noted(folder: str) -> None:
    """A line names the estimator and the argument that gives it the weights; with that there is no line."""
    shared = {"training": {"class_weight": "balanced"}}
    [note] = list_notes(compare(folder, overrides=shared, one=NETWORK, two=SVC))
    assert "compare on toy: tuner_overrides.training.class_weight is for networks; two is an estimator" in note
    assert note.endswith("give systems.two arguments: {class_weight: balanced}")
    cured = SVC | {"arguments": {"class_weight": "balanced"}}
    assert list_notes(compare(folder, overrides=shared, one=NETWORK, two=cured)) == []
    assert list_notes(compare(folder, overrides={"training": {"epochs": 3}}, one=NETWORK, two=SVC)) == []


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (FOREST | {"family": "mlp"}, "family: belongs to a network, and `estimator` is given"),
        ({"arguments": {"tol": 0.1}}, "arguments: belongs to an estimator; give `estimator`"),
    ],
)
def test_overrides_are_of_one_form(folder: str, overrides: dict[str, Any], message: str) -> None:
    """Overrides give a family or an estimator."""
    with pytest.raises(UserError) as caught:
        compare(folder, overrides=overrides, one=NETWORK)
    assert message in str(caught.value)
