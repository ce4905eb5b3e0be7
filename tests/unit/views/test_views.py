"""Views: what a model sees of stored samples, all of them and batch by batch."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from blindtune.config.training import Training
from blindtune.core.arrays import digest_arrays
from blindtune.core.errors import UserError
from blindtune.core.timing import Stopwatch
from blindtune.datasets.base import Split
from blindtune.datasets.eeg.config import EegConfig
from blindtune.datasets.prepared import Prepared
from blindtune.models.architecture import Architecture
from blindtune.models.layers import Conv2D, Dense, Flatten
from blindtune.training.base import Outcome, State, TrainingOptions, TrainingTask
from blindtune.views.apply import apply_view, make_view
from blindtune.views.base import MAX_BATCH_VALUES
from blindtune.views.config import CropsView, FeaturesView, FramesView, SamplesView, ViewConfig
from blindtune.views.crops import ImageCrops
from blindtune.views.frames import SignalFrames
from blindtune.views.samples import StoredSamples
from support.builders import TRAINERS, points

ONE, ZERO = np.ones(3, np.float32), np.zeros(3, np.float32)

#: The trainers that draw crops.
DRAWING = [name for name in TRAINERS if name not in ("scikeras", "skorch", "fused")]

EEG = {
    "source": "eeg",
    "stand_in": True,
    "made": {"patients": 6},
    "sizes": {"train": 2, "dev": 2, "eval": 2},
}


def pictures(count: int, side: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def crops(**settings: Any) -> CropsView:
    return CropsView(kind="crops", **({"side": 4, "jitter": 0.0, "rotate": False} | settings))


def cropped(stored: NDArray[np.uint8], mean: Any = ZERO, deviation: Any = ONE, **settings: Any) -> ImageCrops:
    return ImageCrops(stored, crops(**settings), mean, deviation)


# --- samples


def test_samples_of_another_type_become_floats_when_they_are_asked_for() -> None:
    stored = np.arange(12, dtype=np.uint8).reshape(4, 3)
    view = StoredSamples(stored, (3,))
    assert (view.shape, len(view), view.n_eval_crops, view.is_random) == ((4, 3), 4, 1, False)
    got = view.eval_batch(np.array([2, 0]))
    assert got.dtype == np.float32 and got.tolist() == [[6, 7, 8], [0, 1, 2]]
    whole = np.asarray(view)
    assert whole.dtype == np.float32 and np.array_equal(whole, stored)


@given(st.integers(1, 50), st.lists(st.integers(0, 1000), max_size=5))
def test_a_part_of_a_view_is_a_view_of_a_part(count: int, picks: list[int]) -> None:
    rows = np.array([pick % count for pick in picks], np.int64)
    stored = np.arange(2 * count, dtype=np.int64).reshape(count, 2)
    part = StoredSamples(stored, (2,))[rows]
    assert part.shape == (len(rows), 2)
    assert np.array_equal(np.asarray(part), stored[rows])
    assert np.array_equal(np.asarray(part[np.arange(len(rows))[::-1]]), stored[rows][::-1])


def test_parts_hold_every_sample_once_and_no_more_values_than_allowed() -> None:
    view = StoredSamples(np.empty((100, MAX_BATCH_VALUES // 30), np.uint8), (MAX_BATCH_VALUES // 30,))
    parts = view.batches()
    assert np.concatenate([np.arange(100)[part] for part in parts]).tolist() == list(range(100))
    assert max(part.stop - part.start for part in parts) * MAX_BATCH_VALUES // 30 <= MAX_BATCH_VALUES
    huge = StoredSamples(np.empty((2, 2 * MAX_BATCH_VALUES), np.uint8), (2 * MAX_BATCH_VALUES,))
    assert [part.stop - part.start for part in huge.batches()] == [1, 1], "one at a time, where one is too many already"


# --- frames


def test_frames_are_windows_of_the_normalised_signal() -> None:
    settings = EegConfig.model_validate(EEG)
    x = np.random.default_rng(0).normal(3.0, 5.0, (4, 20, 500)).astype(np.float32)
    mean, deviation = np.arange(20, dtype=np.float32), np.linspace(1, 2, 20, dtype=np.float32)
    view = SignalFrames(x, settings, mean, deviation)
    assert view.shape == (4, 98, 300)
    got = view.eval_batch(np.array([3, 1]))
    assert (got.shape, got.dtype) == ((2, 98, 300), np.float32)
    for place, sample in enumerate((3, 1)):
        for frame in (0, 41, 97):
            window = x[sample, :, 5 * frame : 5 * frame + 15]
            expected = (window - mean[:, None]) / deviation[:, None]
            np.testing.assert_allclose(got[place, frame].reshape(20, 15), expected, rtol=1e-6, atol=1e-6)


# --- crops


def test_fixed_crops_lie_on_an_even_grid_from_edge_to_edge() -> None:
    stored = pictures(2, 10)
    one = cropped(stored).eval_batch(slice(0, 2))
    assert np.array_equal(one, stored[:, 3:7, 3:7])
    nine = cropped(stored, looks=9).eval_batch(np.array([1]))
    places = [(top, left) for top in (0, 3, 6) for left in (0, 3, 6)]
    expected = [stored[1, top : top + 4, left : left + 4] for top, left in places]
    assert np.array_equal(nine, np.stack(expected).astype(np.float32))


def test_crops_are_normalised_and_shrunk_by_the_mean_of_blocks() -> None:
    stored = pictures(3, 12)
    mean, deviation = np.array([1, 2, 3], np.float32), np.array([2, 4, 8], np.float32)
    view = cropped(stored, mean, deviation, downsample=2)
    region = stored[:, 2:10, 2:10].astype(np.float64)
    blocks = region.reshape(3, 4, 2, 4, 2, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(view.eval_batch(slice(0, 3)), (blocks - mean) / deviation, rtol=1e-6)


@given(st.integers(0, 2**32), st.booleans(), st.integers(1, 2))
def test_a_drawn_crop_is_a_square_of_the_picture_perhaps_turned(seed: int, rotate: bool, factor: int) -> None:
    stored = pictures(3, 9, seed=1)
    view = cropped(stored, rotate=rotate, downsample=factor)
    drawn = view.train_batch(np.array([0, 2]), np.random.default_rng(seed))
    reach = 4 * factor
    for crop, number in zip(drawn, (0, 2), strict=True):
        squares = [
            stored[number, top : top + reach, left : left + reach].reshape(4, factor, 4, factor, 3).mean(axis=(1, 3))
            for top in range(10 - reach)
            for left in range(10 - reach)
        ]
        if rotate:
            squares = [
                np.rot90(kind, turn) for square in squares for kind in (square, square[::-1]) for turn in range(4)
            ]
        assert any(np.array_equal(crop, square) for square in squares)


def test_draws_differ_from_each_other_and_repeat_with_their_seed() -> None:
    view = cropped(pictures(1, 64), rotate=True)
    rows = np.zeros(200, np.int64)
    first, again, other = (view.train_batch(rows, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert len(np.unique(first.reshape(200, -1), axis=0)) > 150


def test_jitter_scales_and_shifts_each_colour_of_a_crop_by_a_little() -> None:
    stored = np.full((1, 4, 4, 3), 2, np.uint8)
    drawn = cropped(stored, jitter=0.1).train_batch(np.zeros(500, np.int64), np.random.default_rng(0))
    assert (np.ptp(drawn, axis=(1, 2)) == 0).all(), "one factor for a whole crop"
    colours = drawn[:, 0, 0]
    assert 2 - 0.3 <= colours.min() < 1.8 and 2.2 < colours.max() <= 2 + 0.3
    assert abs(np.corrcoef(colours[:, 0], colours[:, 1])[0, 1]) < 0.2, "each colour by its own"


def test_a_crop_larger_than_the_pictures_is_refused() -> None:
    with pytest.raises(ValueError, match="side 4 times downsample 3 is 12 pixels, but the pictures are 10 x 10"):
        cropped(pictures(1, 10), downsample=3)
    with pytest.raises(ValueError, match="looks: 8 is no square number"):
        crops(looks=8)


# --- behind a view


def prepared(x: NDArray[Any], source: dict[str, Any], statistics: Any) -> Prepared:
    y = np.arange(len(x), dtype=np.int64) % 2
    manifest = {"source": source, "statistics": statistics}
    return Prepared("it", Split(x, y), Split(x[:2], y[:2]), ["a", "b"], "sha", manifest)


def test_samples_are_left_as_they_are_where_they_are_floats() -> None:
    floats = np.ones((3, 2), np.float32)
    view = SamplesView(kind="samples")
    assert make_view(view, prepared(floats, {}, None))(floats) is floats
    assert isinstance(make_view(view, prepared(floats, {}, None))(floats.astype(np.uint8)), StoredSamples)


@pytest.mark.parametrize(
    ("view", "shape"),
    [(FramesView(kind="frames"), (98, 300)), (FeaturesView(kind="features"), (12,)), (None, (20, 500))],
)
def test_what_is_known_of_signals_reaches_the_view(view: ViewConfig | None, shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).normal(size=(4, 20, 500)).astype(np.float32)
    data = prepared(x, EEG | {"rate": 50}, {"mean": [0.0] * 20, "deviation": [2.0] * 19 + [0.0]})
    shown = apply_view(view or SamplesView(kind="samples"), data)
    assert (shown.sample_shape, len(shown.dev.x)) == (shape, 2)
    assert np.isfinite(np.asarray(shown.train.x)).all(), "a channel that never changes divides nothing by zero"


def test_features_of_many_patches_are_those_of_each() -> None:
    stored = pictures(3, 64)
    data = prepared(stored, {"source": "slides"}, None)
    look = make_view(FeaturesView(kind="features"), data)
    every = np.asarray(look(stored))
    assert every.dtype == np.float32 and len(every) == 3
    np.testing.assert_array_equal(every[2:], np.asarray(look(stored[2:])))


def test_a_crop_that_does_not_fit_is_refused_with_the_name_of_the_dataset() -> None:
    data = prepared(pictures(4, 10), {}, {"mean": [0.0] * 3, "deviation": [1.0] * 3})
    with pytest.raises(UserError, match="dataset it: sees: side 4 times downsample 5 is 20 pixels"):
        apply_view(crops(downsample=5), data)


# --- training behind a view


def trainer(name: str) -> Any:
    from blindtune.config.systems import Manual
    from blindtune.training.registry import create_trainer

    return create_trainer(name)


def network(shape: tuple[int, ...], **training: Any) -> TrainingTask:
    layers: list[Any] = [Dense(kind="dense", units=6, activation="tanh"), Dense(kind="dense", units=2)]
    if len(shape) == 3:
        layers = [Conv2D(kind="conv2d", filters=4, kernel=3, activation="relu"), Flatten(kind="flatten"), *layers]
    settings = Training(**({"epochs": 4, "batch_size": 16, "learning_rate": 0.02} | training))
    return TrainingTask(Architecture(input_shape=shape, layers=tuple(layers)), settings, {}, 5, 2)


def textures(count: int, seed: int) -> Split:
    """Pictures with stripes across (0) or along (1), of any colour and phase."""
    random = np.random.default_rng(seed)
    y = np.arange(count, dtype=np.int64) % 2
    waves = 100 * np.sin(np.arange(12)[None] * 1.5 + random.uniform(0, 6, (count, 1)))
    x = np.where(y[:, None, None] == 0, waves[:, :, None], waves[:, None, :])[..., None]
    return Split((x + random.uniform(110, 140, (count, 1, 1, 3))).astype(np.uint8), y)


def views(split: Split, **settings: Any) -> Split:
    statistics = (np.full(3, 125, np.float32), np.full(3, 70, np.float32))
    return replace(split, x=ImageCrops(split.x, crops(side=8, jitter=0.05, rotate=False, **settings), *statistics))


def trained(
    name: str, it: TrainingTask, train: Split, dev: Split, state: State | None = None, keep: bool = False
) -> Outcome:
    session = TrainingOptions("last", Stopwatch(), state=state, keep_state=keep)
    outcome: Outcome = trainer(name).train(it, train, dev, session)
    return outcome


@pytest.mark.parametrize("name", ["pytorch", "skorch", "scikeras", "fused"])
def test_a_view_that_shows_samples_as_they_are_changes_nothing(name: str) -> None:
    plain = [Split(*points(count, seed)) for count, seed in ((120, 0), (60, 1))]
    shown = [replace(split, x=StoredSamples(split.x, (2,))) for split in plain]
    first, second = (trained(name, network((2,)), *splits) for splits in (plain, shown))
    assert digest_arrays(first.weights) == digest_arrays(second.weights) and first.curve == second.curve


@pytest.mark.parametrize("name", DRAWING)
@pytest.mark.parametrize("looks", [1, 4])
def test_crops_are_learned_and_a_rebuilt_model_errs_as_recorded(name: str, looks: int) -> None:
    train, dev = (views(textures(count, seed), looks=looks) for count, seed in ((96, 0), (40, 1)))
    it = network((8, 8, 3), epochs=6)
    outcome = trained(name, it, train, dev)
    again = trained(name, it, train, dev)
    assert outcome.curve == again.curve and digest_arrays(outcome.weights) == digest_arrays(again.weights)
    error = outcome.curve[-1].dev_error
    assert error is not None and error < 0.2, "it must have learned"
    predict = trainer(name).rebuild(it, outcome.weights, train)
    answers = predict(dev.x)
    assert (answers.shape, answers.dtype) == ((40,), np.int64)
    assert np.mean(answers != dev.y) == error


def test_training_on_crops_goes_on_bit_by_bit() -> None:
    train, dev = (views(textures(count, seed)) for count, seed in ((48, 0), (20, 1)))
    whole = trained("pytorch", network((8, 8, 3)), train, dev)
    first = trained("pytorch", network((8, 8, 3), epochs=2), train, dev, keep_best=True)
    then = trained("pytorch", network((8, 8, 3)), train, dev, first.state)
    assert then.curve == whole.curve[2:] and digest_arrays(then.weights) == digest_arrays(whole.weights)


@pytest.mark.parametrize("name", DRAWING)
@pytest.mark.parametrize("activation", ["linear", "softmax"])
def test_the_looks_at_a_sample_are_averaged_by_their_probabilities(name: str, activation: str) -> None:
    """Three looks that lean a little to one class and one that is sure of the other."""

    class Four(StoredSamples):
        looks = 4

        def eval_batch(self, rows: Any) -> NDArray[np.float32]:
            one = np.array([[0.2], [0.2], [0.2], [-5.0]], np.float32)
            return np.concatenate([one] * len(self.selected[rows]))

    layers = (Dense.model_validate({"kind": "dense", "units": 2, "activation": activation}),)
    it = TrainingTask(Architecture(input_shape=(1,), layers=layers), Training(), {}, 1, 2)
    kernel, bias = np.array([[-1.0, 1.0]], np.float32), np.zeros(2, np.float32)
    weights = {"0.weight": kernel.T, "0.bias": bias} if name == "pytorch" else {"1.kernel": kernel, "1.bias": bias}
    answers = trainer(name).rebuild(it, weights, Split(*points(4, 0)))(Four(np.zeros((3, 1)), (1,)))
    assert answers.tolist() == [0, 0, 0], "a vote, three to one, would say 1"
