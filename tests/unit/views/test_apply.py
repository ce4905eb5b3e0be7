"""Views applied to a dataset."""

import numpy as np
import pytest

from blindtune.views.apply import apply_view
from blindtune.views.config import FeaturesView, FramesView, SamplesView, ViewConfig
from support.views import EEG, prepared_dataset


@pytest.mark.parametrize(
    ("view", "shape"),
    [(FramesView(kind="frames"), (98, 300)), (FeaturesView(kind="features"), (12,)), (None, (20, 500))],
)
def test_apply_view_uses_source_and_statistics(view: ViewConfig | None, shape: tuple[int, ...]) -> None:
    """A view gets the config of the source and the statistics of train."""
    x = np.random.default_rng(0).normal(size=(4, 20, 500)).astype(np.float32)
    data = prepared_dataset(x, EEG | {"sfreq": 50}, {"mean": [0.0] * 20, "deviation": [2.0] * 19 + [0.0]})
    shown = apply_view(view or SamplesView(kind="samples"), data)
    assert (shown.sample_shape, len(shown.dev.x)) == (shape, 2)
    assert np.isfinite(np.asarray(shown.train.x)).all(), "a channel that never changes divides nothing by zero"
