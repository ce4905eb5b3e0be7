"""The view ``features``."""

import numpy as np

from blindtune.views.apply import make_view
from blindtune.views.config import FeaturesView
from support.views import prepared_dataset, random_pictures


def test_features_do_not_depend_on_the_batch() -> None:
    """Features of many patches equal those of each patch alone."""
    stored = random_pictures(3, 64)
    data = prepared_dataset(stored, {"source": "slides"}, None)
    look = make_view(FeaturesView(kind="features"), data)
    every = np.asarray(look(stored))
    assert every.dtype == np.float32 and len(every) == 3
    np.testing.assert_array_equal(every[2:], np.asarray(look(stored[2:])))
