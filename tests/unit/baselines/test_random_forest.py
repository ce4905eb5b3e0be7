"""Random forests predict as scikit-learn's do with one job, on any number of cores."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier

from blindtune.baselines.estimators import fit_forest
from support.tied_samples import JOBS, labelled_samples


@settings(max_examples=25, deadline=None)
@given(labelled_samples(), st.integers(1, 6), st.integers(0, 3), st.integers(1, 3))
def test_fit_forest_votes_as_scikit_learn(data: Any, trees: int, depth: int, leaf: int) -> None:
    """The labels are those of scikit-learn with one job, and the trees the same for any number of jobs."""
    x, y, others = data
    plain = RandomForestClassifier(trees, max_depth=depth or None, min_samples_leaf=leaf, random_state=5).fit(x, y)
    expected = plain.predict(others)
    arguments = {"n_estimators": trees, "max_depth": depth, "min_samples_leaf": leaf, "seed": 5}
    known = fit_forest(x, y, **arguments).arrays()
    for jobs in JOBS:
        forest = fit_forest(x, y, **arguments, jobs=jobs)
        np.testing.assert_array_equal(forest.predict(others), expected)
        arrays = forest.arrays()
        assert arrays.keys() == known.keys()
        assert all(np.array_equal(arrays[name], known[name]) for name in known)
