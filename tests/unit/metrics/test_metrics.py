"""Metrics: scikit-learn's definitions, their bounds, and where they are not defined."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as sk

from blindtune.core.errors import UserError
from blindtune.metrics.base import Answers, as_probabilities
from blindtune.metrics.compute import check_classes, compute_metric, measure_on_dev
from blindtune.metrics.registry import ERROR, METRICS, describe_metrics, worst_value

Y2 = np.array([0, 0, 0, 0, 1, 1])
Y3 = np.array([0, 0, 0, 1, 1, 2])


def answers(y: NDArray[Any], classes: int, seed: int = 0) -> Answers:
    """Return random answers for some samples."""
    random = np.random.default_rng(seed)
    raw = random.dirichlet(np.ones(classes), len(y))
    return Answers(raw.argmax(axis=1), as_probabilities(raw))


@pytest.mark.parametrize("y", [Y2, Y3], ids=["two", "three"])
@pytest.mark.parametrize("seed", range(3))
def test_metrics_are_those_of_scikit_learn(y: NDArray[Any], seed: int) -> None:
    """Each metric is scikit-learn's own number, as something to minimise."""
    classes = int(y.max()) + 1
    it = answers(y, classes, seed)
    probabilities = it.probabilities
    area = (
        sk.roc_auc_score(y, probabilities[:, 1])
        if classes == 2
        else sk.roc_auc_score(y, probabilities, multi_class="ovr", average="macro")
    )
    expected = {
        ERROR: 1 - sk.accuracy_score(y, it.labels),
        "balanced_error": 1 - sk.balanced_accuracy_score(y, it.labels),
        "macro_f1": 1 - sk.f1_score(y, it.labels, average="macro", zero_division=0),
        "roc_auc": 1 - area,
        "log_loss": sk.log_loss(y, probabilities),
    }
    assert expected.keys() == METRICS.own.keys()
    for name, value in expected.items():
        assert compute_metric(name, y, it, classes) == pytest.approx(value, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 5), st.integers(0, 10_000))
def test_no_metric_is_worse_than_its_worst(classes: int, seed: int) -> None:
    """Certain and wrong answers have at most the worst value, and perfect ones nearly 0."""
    y = np.arange(3 * classes) % classes
    for name in METRICS.own:
        worst = Answers((y + 1) % classes, as_probabilities(np.eye(classes)[(y + 1) % classes]))
        assert 0 < compute_metric(name, y, worst, classes) <= worst_value(name)
        assert 0 <= compute_metric(name, y, answers(y, classes, seed), classes) <= worst_value(name)
        best = Answers(y, as_probabilities(np.eye(classes)[y]))
        assert compute_metric(name, y, best, classes) == pytest.approx(0, abs=1e-6)


def test_probabilities_that_are_not_finite_have_the_worst_value() -> None:
    """A network that diverged has no probabilities that scikit-learn would take."""
    broken = Answers(np.zeros(6, int), np.full((6, 2), np.nan, np.float32))
    assert compute_metric("log_loss", Y2, broken, 2) == worst_value("log_loss")


def test_labels_alone_are_refused_by_name() -> None:
    """A metric that needs probabilities names itself and the metrics that do not."""
    with pytest.raises(UserError, match=r"metric: roc_auc needs class probabilities.*balanced_error"):
        compute_metric("roc_auc", Y2, Answers(Y2), 2)
    assert compute_metric("macro_f1", Y2, Answers(Y2), 2) == 0


def test_a_class_without_samples_is_refused_by_name() -> None:
    """A metric is not computed where a class is missing; the error is."""
    with pytest.raises(UserError, match="class 2 has no sample"):
        compute_metric("roc_auc", Y2, answers(Y2, 3), 3)
    with pytest.raises(UserError, match="log_loss is not defined on dev of tumours: class rare, odd has no sample"):
        check_classes("log_loss", {"usual": 4, "rare": 0, "odd": 0}, "dev of tumours")
    check_classes(ERROR, {"usual": 4, "rare": 0}, "dev of tumours")
    assert compute_metric(ERROR, Y2, answers(Y2, 3), 3) >= 0


def test_the_error_asks_for_no_answers() -> None:
    """Trainers count errors themselves, so nothing is computed twice."""

    def fail() -> Answers:
        raise AssertionError

    assert measure_on_dev(ERROR, Y2, fail, 2) is None


def test_every_metric_is_described() -> None:
    """The description of the config key names all metrics."""
    assert all(f"{name}: " in describe_metrics() for name in METRICS.names())
    assert worst_value("of an uninstalled package") == 1
