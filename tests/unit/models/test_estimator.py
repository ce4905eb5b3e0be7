"""Estimators: what can be named, which arguments and spaces they take, and what identifies them."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blindtune.config.space_check import check_model_dimensions
from blindtune.config.systems import read_model_space
from blindtune.core.code_digest import closure
from blindtune.core.resources import RESOURCES
from blindtune.models.estimator_classes import SHIPPED, create_estimator, library_versions, own_modules, resolve
from blindtune.models.forms import ModelChoice, create_form
from blindtune.search_space import Space

SCALED = ("sklearn.preprocessing.StandardScaler", "svc")

OWN = """
from sklearn.base import BaseEstimator, ClassifierMixin

class Majority(ClassifierMixin, BaseEstimator):
    def __init__(self, shift=0):
        self.shift = shift
    def fit(self, x, y):
        self.classes_ = sorted(set(y))
        self.label_ = max(self.classes_, key=list(y).count)
        return self
    def predict(self, x):
        return [(self.label_ + self.shift) % len(self.classes_)] * len(x)
"""


def choose(*steps: str, **arguments: Any) -> ModelChoice:
    """Return the choice of an estimator."""
    return ModelChoice("estimator", ", ".join(steps), steps=steps, arguments=json.dumps(arguments))


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("svcc", "'svcc' is neither an estimator that ships nor an import path: did you mean 'svc'?"),
        ("sklern.svm.SVC", "there is no module sklern: did you mean 'sklearn'?"),
        ("sklearn.svn.SVC", "there is no module sklearn.svn: did you mean 'svm'?"),
        ("sklearn.svm.SVCC", "sklearn.svm has no SVCC: did you mean 'SVC'?"),
        ("xgboost_is_missing.XGBClassifier", "xgboost_is_missing is not installed. Install it (pip install "),
        ("os.system", "os.system is of Python's standard library, which has no estimators"),
        ("antigravity.X", "antigravity.X is of Python's standard library"),
        ("numpy.save", "numpy.save is not a class with fit, get_params, set_params"),
        ("numpy.ndarray", "numpy.ndarray is not a class with fit, get_params, set_params"),
        ("sklearn.svm.SVR", "sklearn.svm.SVR is not a classifier"),
        ("sklearn.cluster.KMeans", "sklearn.cluster.KMeans is not a classifier"),
        ("support.own_estimators.Plain", "declare it as one: class Plain(ClassifierMixin, BaseEstimator)"),
        ("support.own_estimators.Untagged", "declare it as one: class Untagged(ClassifierMixin, BaseEstimator)"),
        ("support.own_estimators.NoPredict", "has no method predict; add it, or give another classifier"),
        ("support.own_estimators.Exits", "arguments: support.own_estimators.Exits does not take them: 3"),
        ("sklearn.svm..SVC", "is neither an estimator that ships nor an import path"),
        ("sklearn.ensemble.VotingClassifier", "arguments.estimators: is missing: sklearn.ensemble.VotingClassifier"),
    ],
)
def test_create_form_refuses_what_is_no_classifier(step: str, message: str) -> None:
    """What is not a classifier is refused with what is wrong and what to do; nothing is called before that is known."""
    with pytest.raises(ValueError, match=r"^(estimator|arguments)") as caught:
        create_form(choose(step))
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["xgboost", "lightgbm"])
def test_missing_library_is_named_with_its_install_command(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message about a library that is not installed holds the command that installs it."""
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(sys, "meta_path", [_Hidden(name), *sys.meta_path])
    monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ValueError, match=rf"{name} is not installed. Install it \(pip install {name}\)"):
        create_form(choose(f"{name}.Classifier"))


class _Hidden:
    """Hides a package that may be installed."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name == self._name:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@pytest.mark.parametrize(
    ("steps", "arguments", "message"),
    [
        (
            ("svc",),
            {"kernell": "rbf"},
            "arguments.kernell: is not a parameter of the estimator: did you mean 'kernel'?",
        ),
        (
            ("svc",),
            {"random_state": 3},
            "arguments.random_state: cannot be set: it derives from the seed of each trial",
        ),
        (("knn",), {"n_jobs": 4}, "arguments.n_jobs: cannot be set: each trial is fitted on one core"),
        (SCALED, {"svc__random_state": 3}, "arguments.svc__random_state: cannot be set"),
        (SCALED, {"C": 3.0}, "arguments.C: is not a parameter of the estimator"),
        (("svc",), {"kernel": "rbff"}, "arguments: The 'kernel' parameter of SVC must be"),
        (SCALED, {"svc__C": -1.0}, "arguments: The 'C' parameter of SVC must be a float in the range (0.0, inf]"),
        (("svc", "knn"), {}, "sklearn.svm.SVC cannot be a step before the last: it has no transform"),
        ((SCALED[0], *SCALED), {}, "two steps have the same class"),
    ],
)
def test_create_form_refuses_arguments(steps: tuple[str, ...], arguments: dict[str, Any], message: str) -> None:
    """Unknown, managed and impossible arguments are refused by name."""
    with pytest.raises(ValueError, match=r"^(estimator|arguments)") as caught:
        create_form(choose(*steps, **arguments)).check_space(Space.model_validate({"x": {"type": "bool"}}), "s.yaml")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("dimensions", "message"),
    [
        ({"kernell": {"type": "bool"}}, "s.yaml: kernell: is not a parameter of the estimator: did you mean 'kernel'?"),
        ({"c": {"type": "float", "low": 1, "high": 2}}, "s.yaml: c: is not a parameter of the estimator: did you mean"),
        ({"tol": {"type": "float", "low": 0.1, "high": 1}}, "s.yaml: tol: is among the arguments too"),
        ({"random_state": {"type": "int", "low": 1, "high": 5}}, "s.yaml: random_state: cannot be set"),
        ({"kernel": {"type": "choice", "options": ["rbf", "rbff"]}}, "s.yaml: kernel: The 'kernel' parameter of SVC"),
        ({"C": {"type": "float", "low": 0, "high": 2}}, "s.yaml: C: The 'C' parameter of SVC must be"),
        ({"degree": {"type": "int", "low": -1, "high": 2}}, "s.yaml: degree: The 'degree' parameter of SVC must be"),
        (
            {"degree": {"type": "int", "low": 1, "high": 2}, "C": {"type": "float", "low": 1, "high": 2}
             | {"repeat": "degree"}},
            "s.yaml: C: an estimator has no layers; take `repeat: degree` out",
        ),
    ],
)  # fmt: skip
def test_check_space_refuses_dimensions(dimensions: dict[str, Any], message: str) -> None:
    """A dimension that is no parameter, or a value that the estimator never takes, is refused by name."""
    form = create_form(choose("svc", tol=0.01))
    with pytest.raises(ValueError, match=r"^s\.yaml: ") as caught:
        form.check_space(Space.model_validate(dimensions), "s.yaml")
    assert message in str(caught.value)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_dimension_of_a_shipped_space_changes_the_estimator(name: str) -> None:
    """In the spaces that ship, a change of any active dimension changes the parameters of the built estimator."""
    choice = choose(name)
    space = read_model_space(RESOURCES / "spaces" / f"{name}.yaml", choice)
    check_model_dimensions(space, choice, "estimator", name)
    form, random = create_form(choice), np.random.default_rng(1)
    changed = set()
    for _ in range(60):
        values = space.draw(random)
        for dimension in values:
            # Another value may make other dimensions active: they get values too.
            drawn = {spec.name: spec.dimension.draw(random) for spec in space.hyperparameters()}
            other = space.snap({**drawn, **values, dimension: drawn[dimension]})
            if other != values:
                assert form.describe(other) != form.describe(values), (dimension, values)
                changed.add(dimension)
    assert changed == set(space.root)


def test_space_whose_dimension_changes_nothing_is_refused() -> None:
    """An estimator that ignores a parameter, as an own one may, is refused with the name of the dimension."""
    with pytest.raises(ValueError, match=r"s\.yaml: degree: no value of it changes anything"):
        check_model_dimensions(
            Space.model_validate({"degree": {"type": "choice", "options": [1, 2]}}),
            ModelChoice("estimator", "deaf", steps=("support.own_estimators.Deaf",)),
            "estimator",
            "s.yaml",
        )


@pytest.mark.parametrize("name", SHIPPED)
def test_create_estimator_sets_seed_and_cores(name: str) -> None:
    """The seed of the trial is given to what takes one, and each fit uses one core."""
    known = create_estimator([resolve(name)], {}, 7).get_params()
    assert known.get("random_state", 7) == 7
    assert known.get("n_jobs", 1) == 1


def test_pipeline_has_the_parameters_of_its_steps() -> None:
    """A list of steps is a pipeline, whose parameters begin with the name of their step."""
    form = create_form(choose(*SCALED, svc__kernel="linear"))
    form.check_space(Space.model_validate({"svc__C": {"type": "float", "low": 1, "high": 9}}), "s.yaml")
    blueprint = form.build({"svc__C": 3.0}, (2,), 2)
    built = create_estimator(blueprint.steps, blueprint.parameters, 5)  # type: ignore[attr-defined]
    assert [name for name, _ in built.steps] == ["standardscaler", "svc"]
    last = built.steps[-1][1]
    assert (last.C, last.kernel, last.random_state) == (3.0, "linear", 5)


def test_blueprint_holds_the_versions_of_its_libraries() -> None:
    """The recipe states the version of the package that holds each class."""
    import sklearn

    blueprint = create_form(choose("svc")).build({"C": 1.0}, (2,), 2)
    assert blueprint.versions() == {"scikit-learn": sklearn.__version__} == library_versions(["sklearn.svm.SVC"])


def test_code_of_own_module_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of the user has no version: its code, and what it imports of its own package, is in the digest."""
    package = tmp_path / "my_estimators"
    package.mkdir()
    (package / "__init__.py").write_text("from my_estimators.majority import Majority\n", encoding="utf-8")
    (package / "majority.py").write_text(OWN, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    path = "my_estimators.Majority"
    assert own_modules([path, "sklearn.svm.SVC"]) == ("my_estimators",)
    assert set(library_versions([path])) == {"scikit-learn"}
    assert {"my_estimators", "my_estimators.majority"} <= closure("my_estimators")
    create_form(choose(path, shift=1))


def test_error_in_own_module_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of the user that cannot be imported is named with its error."""
    (tmp_path / "my_broken_module.py").write_text("raise RuntimeError('no licence')\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ValueError, match=r"my_broken_module cannot be imported \(RuntimeError: no licence\)"):
        create_form(choose("my_broken_module.Majority"))


@pytest.mark.parametrize(
    ("choice", "dimension", "message"),
    [
        (choose("svc"), {"type": "float", "low": 1, "high": 2}, "Give `arguments: {probability: true}`, or take the"),
        (choose(*SCALED), None, "Give `arguments: {svc__probability: true}`, or take the metric error"),
        (
            choose("sklearn.svm.LinearSVC"),
            {"type": "float", "low": 1, "high": 2},
            "LinearSVC gives labels alone with {",
        ),
        (
            choose("sklearn.linear_model.SGDClassifier"),
            {"type": "choice", "options": ["hinge", "log_loss"]},
            "gives labels alone with {loss: hinge}. If loss hinge is the cause, take it out",
        ),
    ],
)
def test_metric_of_probabilities_needs_them_for_every_set(
    choice: ModelChoice, dimension: dict[str, Any] | None, message: str
) -> None:
    """A set without probabilities is found while planning; the advice works, and models that have them are taken."""
    name = "svc__C" if dimension is None else "loss" if dimension["type"] == "choice" else "C"
    space = Space.model_validate({name: dimension or {"type": "float", "low": 1, "high": 2}})
    with pytest.raises(ValueError, match=r"^metric: log_loss needs class probabilities") as caught:
        create_form(choice).check_probabilities(space, "log_loss")
    assert message in str(caught.value)


def test_estimators_with_probabilities_are_taken_for_any_metric() -> None:
    """What the advice names, and an estimator that always has probabilities, pass."""
    space = Space.model_validate({"C": {"type": "float", "low": 1, "high": 2}})
    for choice in (choose("svc", probability=True), choose("logistic_regression")):
        create_form(choice).check_probabilities(space, "roc_auc")
    losses = Space.model_validate({"loss": {"type": "choice", "options": ["log_loss", "modified_huber"]}})
    create_form(choose("sklearn.linear_model.SGDClassifier")).check_probabilities(losses, "roc_auc")


def test_text_none_is_none() -> None:
    """YAML cannot mix null with words in a choice: the text none is Python's None."""
    blueprint = create_form(choose("svc")).build({"class_weight": "none"}, (2,), 2)
    assert blueprint.parameters == {"class_weight": None}  # type: ignore[attr-defined]
