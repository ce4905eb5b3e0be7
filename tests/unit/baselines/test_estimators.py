"""Reference models and estimates of the Bayes error: as with plain scikit-learn, on any number of cores."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from blindtune.baselines.estimators import (
    compute_error,
    compute_lower_bound,
    estimate_bayes_error,
    fit_forest,
    fit_knn,
)
from blindtune.config.systems import Bayes, ClosedLoop, Knn, RandomForest
from blindtune.core.job_log import JobLog
from blindtune.records.trial import TrialLog
from blindtune.study.run import run_study
from support.builders import points, prepared, study
from support.tied_samples import JOBS, grid_samples


def test_estimate_bayes_error_has_the_errors_of_scikit_learn() -> None:
    """Every estimate is what plain scikit-learn gives, for any number of jobs."""
    x, y = points(101, 3)
    x[:20], y[10:20] = x[0], 1
    loop = {"neighbours": 4, "trees": 6, "max_depth": 3, "min_samples_leaf": 2}
    knn = KNeighborsClassifier(4).fit(x, y).predict(x)
    rnf = RandomForestClassifier(6, max_depth=3, min_samples_leaf=2, random_state=8).fit(x, y).predict(x)
    near = y[NearestNeighbors(n_neighbors=1).fit(x).kneighbors(return_distance=False)[:, 0]]
    errors = [int((labels != y).sum()) / 101 for labels in (knn, rnf, near)]
    for jobs in JOBS:
        assert estimate_bayes_error(x, y, loop, 8, jobs) == {
            "closed_loop": min(errors[:2]),
            "closed_loop_knn": errors[0],
            "closed_loop_rnf": errors[1],
            "nearest_neighbour": errors[2],
            "lower_bound": compute_lower_bound(errors[2], 2),
            "upper_bound": errors[2],
        }


@pytest.mark.parametrize("classes", [2, 5])
def test_compute_lower_bound_solves_the_inequality(classes: int) -> None:
    """The bound solves the inequality of Cover and Hart for the Bayes error."""
    for bayes in (0.0, 0.1, 0.35, 1 - 1 / classes):
        nearest = bayes * (2 - classes / (classes - 1) * bayes)
        assert compute_lower_bound(nearest, classes) == pytest.approx(bayes, abs=1e-7)


def test_fit_flattens_samples_of_any_shape() -> None:
    """Samples of several axes are fitted and scored as rows of features."""
    x = grid_samples(12, 18, 3, 0)
    y = np.arange(12) % 2
    forest = {"n_estimators": 3, "max_depth": 2, "min_samples_leaf": 1, "seed": 0}
    for fit in (lambda it: fit_knn(it, y, 3), lambda it: fit_forest(it, y, **forest)):
        flat, deep = fit(x), fit(x.reshape(12, 3, 6))
        assert compute_error(flat, x, y) == compute_error(deep, x.reshape(12, 3, 6), y)


def test_run_study_is_the_same_on_any_number_of_cores(tmp_path: Path) -> None:
    """Records and cards of reference models and estimates do not depend on the number of workers."""
    data = prepared(tmp_path)
    loop = ClosedLoop(n_neighbors=3, n_estimators=4)
    for system in (
        Knn(kind="knn", n_neighbors=[1, 4, 99]),
        RandomForest(kind="random_forest", n_estimators=[4], max_depth=[2, 0]),
        Bayes(kind="bayes", train=loop, dev=loop, eval=loop),
    ):
        found = []
        for jobs in JOBS:
            folder = tmp_path / f"{system.kind}-{jobs}"
            card = run_study(study(system), data, files={}, code="code", folder=folder, job_log=JobLog(), workers=jobs)
            outcomes = [trial.reproducible_fields() for trial in TrialLog(folder / "trials.jsonl").read()]
            found.append((card.frozen_sha256(), card.train_error, card.dev_error, card.estimates, outcomes))
        assert found[0] == found[1] == found[2]
