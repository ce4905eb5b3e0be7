"""Training on views: every trainer gets batches of a view and scores its crops."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from blindtune.config.training import Training
from blindtune.core.arrays import digest_arrays
from blindtune.core.timing import Stopwatch
from blindtune.datasets.base import Split
from blindtune.models.architecture import Architecture
from blindtune.models.layers import Conv2D, Dense, Flatten
from blindtune.training.base import Outcome, State, TrainingOptions, TrainingTask
from blindtune.views.crops import ImageCrops
from blindtune.views.samples import StoredSamples
from support.builders import TRAINERS, points
from support.views import crops_config

#: The trainers that can draw random crops.
DRAWING = [name for name in TRAINERS if name not in ("scikeras", "skorch", "fused")]


def trainer(name: str) -> Any:
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
    return replace(
        split, x=ImageCrops(split.x, crops_config(side=8, jitter=0.05, rotate=False, **settings), *statistics)
    )


def trained(
    name: str, it: TrainingTask, train: Split, dev: Split, state: State | None = None, keep_state: bool = False
) -> Outcome:
    session = TrainingOptions("last", Stopwatch(), state=state, keep_state=keep_state)
    outcome: Outcome = trainer(name).train(it, train, dev, session)
    return outcome


@pytest.mark.parametrize("name", ["pytorch", "skorch", "scikeras", "fused"])
def test_trainers_equal_on_arrays_and_stored_samples(name: str) -> None:
    """Training on a view of unchanged samples equals training on the array."""
    plain = [Split(*points(count, seed)) for count, seed in ((120, 0), (60, 1))]
    shown = [replace(split, x=StoredSamples(split.x, (2,))) for split in plain]
    first, second = (trained(name, network((2,)), *splits) for splits in (plain, shown))
    assert digest_arrays(first.weights) == digest_arrays(second.weights) and first.curve == second.curve


@pytest.mark.parametrize("name", DRAWING)
@pytest.mark.parametrize("n_eval_crops", [1, 4])
def test_trainers_learn_crops_and_rebuild(name: str, n_eval_crops: int) -> None:
    """Crops are learned, and a rebuilt model has the recorded error."""
    train, dev = (views(textures(count, seed), n_eval_crops=n_eval_crops) for count, seed in ((96, 0), (40, 1)))
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


def test_pytorch_resumes_on_crops() -> None:
    """Resumed training on crops is bit-identical to uninterrupted training."""
    train, dev = (views(textures(count, seed)) for count, seed in ((48, 0), (20, 1)))
    whole = trained("pytorch", network((8, 8, 3)), train, dev)
    first = trained("pytorch", network((8, 8, 3), epochs=2), train, dev, keep_state=True)
    then = trained("pytorch", network((8, 8, 3)), train, dev, first.state)
    assert then.curve == whole.curve[2:] and digest_arrays(then.weights) == digest_arrays(whole.weights)


@pytest.mark.parametrize("name", DRAWING)
@pytest.mark.parametrize("activation", ["linear", "softmax", "sigmoid"])
def test_predictions_average_probabilities_of_crops(name: str, activation: str) -> None:
    """The class probabilities of a sample's crops are averaged, so one sure crop outweighs three unsure ones."""

    class Four(StoredSamples):
        n_eval_crops = 4

        def eval_batch(self, rows: Any) -> NDArray[np.float32]:
            one = np.array([[0.2], [0.2], [0.2], [-5.0]], np.float32)
            return np.concatenate([one] * len(self.selected[rows]))

    layers = (Dense.model_validate({"kind": "dense", "units": 2, "activation": activation}),)
    it = TrainingTask(Architecture(input_shape=(1,), layers=layers), Training(), {}, 1, 2)
    kernel, bias = np.array([[-1.0, 1.0]], np.float32), np.zeros(2, np.float32)
    weights = {"0.weight": kernel.T, "0.bias": bias} if name == "pytorch" else {"1.kernel": kernel, "1.bias": bias}
    answers = trainer(name).rebuild(it, weights, Split(*points(4, 0)))(Four(np.zeros((3, 1)), (1,)))
    assert answers.tolist() == [0, 0, 0], "a vote, three to one, would say 1"
