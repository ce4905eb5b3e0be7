"""Views applied to a dataset."""

from typing import Any

import numpy as np
import pytest

from blindtune.views.apply import apply_view, collect_inputs
from blindtune.views.base import ViewInputs
from blindtune.views.config import CropsView, FeaturesView, FramesView, SamplesView, ViewConfig
from blindtune.views.normalization import channel_statistics
from support.views import EEG, FRAMES, prepared_dataset


@pytest.mark.parametrize(
    ("view", "shape"),
    [(FramesView(kind="frames"), (98, 300)), (FeaturesView(kind="features"), (12,)), (None, (20, 500))],
)
def test_apply_view_uses_source_and_statistics(view: ViewConfig | None, shape: tuple[int, ...]) -> None:
    """A view gets the config of the source and the statistics of train."""
    x = np.random.default_rng(0).normal(size=(4, 20, 500)).astype(np.float32)
    data = prepared_dataset(x, EEG | FRAMES, {"mean": [0.0] * 20, "deviation": [2.0] * 19 + [0.0]})
    shown = apply_view(view or SamplesView(kind="samples"), data)
    assert (shown.sample_shape, len(shown.dev.x)) == (shape, 2)
    assert np.isfinite(np.asarray(shown.train.x)).all(), "a channel that never changes divides nothing by zero"


@pytest.mark.parametrize(
    ("view", "source", "keys", "uses_statistics"),
    [
        (SamplesView(kind="samples"), EEG | FRAMES, [], False),
        (FeaturesView(kind="features"), EEG | FRAMES, ["sfreq"], False),
        (FramesView(kind="frames"), EEG | FRAMES, ["frame_hop", "frame_length", "sfreq"], True),
        (CropsView(kind="crops"), {"source": "slides"}, [], True),
        (FeaturesView(kind="features"), {"source": "slides"}, [], False),
    ],
)
def test_collect_inputs_gives_what_the_view_declares(
    view: Any, source: dict[str, Any], keys: list[str], uses_statistics: bool
) -> None:
    """A view gets the declared keys of the source and nothing else, so that its identity is complete."""
    data = prepared_dataset(np.zeros((4, 2), np.float32), source, {"mean": [0.0], "deviation": [1.0]})
    identity = collect_inputs(view, data).identity()
    assert sorted(identity["source"]) == keys
    assert (identity["statistics"] is not None) == uses_statistics


def test_channel_statistics_must_be_declared() -> None:
    """A view that takes statistics without declaring them is a fault of its entry."""
    with pytest.raises(TypeError, match="does not declare"):
        channel_statistics(ViewInputs("it", {}, None))
