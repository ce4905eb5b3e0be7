"""The view ``samples``."""

import numpy as np

from blindtune.views.apply import make_view
from blindtune.views.config import SamplesView
from blindtune.views.samples import StoredSamples
from support.views import prepared_dataset


def test_stored_samples_convert_to_float32() -> None:
    """Samples of another type become float32 when a batch is asked for."""
    stored = np.arange(12, dtype=np.uint8).reshape(4, 3)
    view = StoredSamples(stored, (3,))
    assert (view.shape, len(view), view.n_eval_crops, view.is_random) == ((4, 3), 4, 1, False)
    got = view.eval_batch(np.array([2, 0]))
    assert got.dtype == np.float32 and got.tolist() == [[6, 7, 8], [0, 1, 2]]
    whole = np.asarray(view)
    assert whole.dtype == np.float32 and np.array_equal(whole, stored)


def test_make_view_leaves_float32_arrays() -> None:
    """Samples that are float32 already are passed on unchanged."""
    floats = np.ones((3, 2), np.float32)
    view = SamplesView(kind="samples")
    assert make_view(view, prepared_dataset(floats, {"source": "csv_folder"}, None))(floats) is floats
    assert isinstance(
        make_view(view, prepared_dataset(floats, {"source": "csv_folder"}, None))(floats.astype(np.uint8)),
        StoredSamples,
    )
