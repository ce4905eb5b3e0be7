"""Layers over steps: built, scored and trained alike by both frameworks."""

from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blindtune.models import lstm as family
from blindtune.models.architecture import Architecture, check, count_parameters, skip_invalid_layers
from blindtune.models.layers import Activation, InvalidModelError, describe
from support.builders import twins
from support.networks import (
    FLAT,
    assert_same_scores,
    check_built,
    conv,
    conv1d,
    dense,
    dropout,
    keras_builds,
    lstm,
    pool1d,
    pytorch_builds,
)

CLASSES = 3
STEPS_AND_CHANNELS = (12, 5)
ACTIVATIONS = ("linear", "relu", "tanh", "softmax", "gelu", "sigmoid")


def stack(*layers: Any, shape: tuple[int, ...] = STEPS_AND_CHANNELS) -> Architecture:
    return Architecture(input_shape=shape, layers=layers)


# --- shapes


LAYERS = st.one_of(
    st.builds(conv1d, st.integers(0, 4), st.integers(0, 5), st.sampled_from(ACTIVATIONS)),
    st.builds(pool1d, st.integers(0, 4)),
    st.builds(lstm, st.integers(0, 4), st.sampled_from(ACTIVATIONS), st.booleans()),
    st.builds(dropout, st.sampled_from([0.0, 0.5, 1.0])),
    st.just(FLAT),
)


@st.composite
def stacks(draw: st.DrawFn) -> Architecture:
    """Stacks of which about half can be built."""
    shape = (draw(st.integers(1, 12)), draw(st.integers(1, 3)))
    above = draw(st.lists(LAYERS, max_size=4))
    last = lstm(draw(st.integers(1, 4))) if draw(st.booleans()) else FLAT
    return stack(*above, last, dense(draw(st.sampled_from([CLASSES, CLASSES, 2]))), shape=shape)


@pytest.mark.usefixtures("frameworks")
@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors:UserWarning")
@pytest.mark.parametrize("builds", [keras_builds, pytorch_builds])
@settings(max_examples=40, deadline=None)
@given(made=stacks())
def test_check_agrees_with_the_frameworks(
    builds: Callable[[Architecture], tuple[tuple[int, ...], int]], made: Architecture
) -> None:
    """Shape inference agrees with the models that the frameworks build."""
    check_built(made, CLASSES, builds)


@pytest.mark.parametrize(
    ("architecture", "words"),
    [
        (stack(conv1d(4, 13), FLAT, dense(3)), r"layer 1 \(conv1d\): a kernel of 13 does not fit into 12 steps"),
        (stack(conv1d(4, 0), FLAT, dense(3)), r"layer 1 \(conv1d\): a kernel of 0"),
        (stack(conv1d(0, 2), FLAT, dense(3)), r"layer 1 \(conv1d\): 0 filters"),
        (stack(pool1d(5), pool1d(3), FLAT), r"layer 2 \(max_pool1d\): a window of 3 does not fit into 2 steps"),
        (stack(lstm(0), dense(3)), r"layer 1 \(lstm\): 0 units"),
        (stack(lstm(4), lstm(4), dense(3)), r"layer 2 \(lstm\): takes \(step, channel\), .* \(4,\)"),
        (stack(lstm(4, sequence=True), dense(3)), r"layer 2 \(dense\): takes vectors, .* \(12, 4\)"),
        (stack(lstm(4), dense(3), shape=(8, 8, 1)), r"layer 1 \(lstm\): takes \(step, channel\), .* \(8, 8, 1\)"),
        (stack(conv(4, 3), FLAT, dense(3)), r"layer 1 \(conv2d\): takes \(row, column, channel\), .* \(12, 5\)"),
    ],
)
def test_check_names_the_layer_that_cannot_be_built(architecture: Architecture, words: str) -> None:
    """An architecture that cannot be built is invalid; the message names the layer."""
    with pytest.raises(InvalidModelError, match=words):
        check(architecture, CLASSES)


def test_skip_invalid_layers_lists_what_it_skips() -> None:
    """Exactly the layers that cannot be built are left out and listed."""
    made = stack(conv1d(4, 3), pool1d(4), conv1d(8, 3), pool1d(2), lstm(0), lstm(6), lstm(2), dense(3))
    left = skip_invalid_layers(made)
    assert left.layers == (conv1d(4, 3), pool1d(4), pool1d(2), lstm(6), dense(3))
    assert left.exceptions == (
        "layer 3 (conv1d): a kernel of 3 does not fit into 2 steps",
        "layer 5 (lstm): 0 units",
        "layer 7 (lstm): takes (step, channel), not samples of shape (6,)",
    )
    check(left, CLASSES)
    assert count_parameters(left) == 4 * 16 + 4 * 6 * (4 + 6 + 1) + 3 * 7


def test_describe_uses_the_published_notation() -> None:
    """Layers are described in the notation of the published tables."""
    assert [describe(layer) for layer in (conv1d(64, 3), pool1d(2), lstm(8, "tanh", True), lstm(4, "relu"))] == [
        "Conv1d (64, 3), relu",
        "MaxPool1d (2)",
        "LSTM (8), tanh, all steps",
        "LSTM (4), relu",
    ]


# --- both frameworks


@pytest.mark.usefixtures("frameworks")
@pytest.mark.parametrize(
    "architecture",
    [
        stack(conv1d(6, 3), pool1d(2), dropout(0.4), conv1d(4, 2, "gelu"), FLAT, dense(6, "tanh"), dense(3)),
        stack(conv1d(6, 3), pool1d(2), lstm(7), dropout(0.3), dense(3, "softmax")),
        stack(conv1d(4, 2, "softmax"), FLAT, dense(3), shape=(9, 2)),
        stack(lstm(5, sequence=True), dropout(0.2), lstm(6, sequence=True), lstm(4), dense(3)),
        stack(lstm(5, sequence=True), pool1d(3), conv1d(4, 2, "selu"), FLAT, dense(3), shape=(13, 4)),
        stack(lstm(5, "relu", sequence=True), lstm(4, "sigmoid", sequence=True), FLAT, dense(3, "sigmoid")),
        stack(lstm(5), dense(3), shape=(1, 4)),
    ],
)
def test_frameworks_give_equal_scores(architecture: Architecture) -> None:
    """Keras and PyTorch give the same scores from the same weights."""
    check(architecture, CLASSES)
    assert_same_scores(architecture, 1e-4)


@pytest.mark.usefixtures("frameworks")
@pytest.mark.parametrize("activation", get_args(Activation))
def test_frameworks_give_equal_scores_for_each_activation(activation: str) -> None:
    """Two steps: behind a few more, an exponential LSTM is not finite."""
    assert_same_scores(stack(lstm(9, activation, sequence=True), FLAT, dense(3), shape=(2, 6)), 1e-4)


@pytest.mark.usefixtures("frameworks")
@pytest.mark.parametrize("activation", ["tanh", "elu"])
def test_one_training_step_is_equal(activation: str) -> None:
    """Two biases instead of one, or a gradient that stops between steps, would show here."""
    import keras
    import torch

    from blindtune.models import keras as keras_networks
    from blindtune.models import pytorch

    made = stack(conv1d(6, 3, "tanh"), pool1d(2), lstm(5, activation, True), lstm(4, activation), dense(CLASSES))
    one, other = twins(made)
    random = np.random.default_rng(2)
    x, y = random.normal(size=(20, *made.input_shape)).astype(np.float32), random.integers(0, CLASSES, 20)
    before = keras_networks.get_weights(one)
    one.compile(keras.optimizers.SGD(0.5), keras_networks.create_loss("cross_entropy", made.score_kind(), CLASSES))
    one.fit(x, y, batch_size=20, epochs=1, verbose=0)
    optimizer = torch.optim.SGD(other.parameters(), lr=0.5)
    pytorch.compute_loss("cross_entropy", other(torch.from_numpy(x)), torch.from_numpy(y), "logits").backward()
    optimizer.step()
    after = keras_networks.get_weights(one)
    assert all(np.abs(after[name] - before[name]).max() > 1e-4 for name in before), "every weight must have moved"
    ours = pytorch.get_weights(other).values()
    for theirs, array in zip(after.values(), ours, strict=True):
        np.testing.assert_allclose(array.transpose(*reversed(range(array.ndim))), theirs, rtol=1e-4, atol=1e-5)


def test_lstm_equals_that_of_pytorch() -> None:
    """The LSTM equals that of PyTorch, with its fused kernel and step by step."""
    import torch

    from blindtune.models.pytorch_modules import LstmModule

    torch.manual_seed(0)
    ours, theirs = LstmModule(4, 6, torch.nn.Tanh(), True), torch.nn.LSTM(4, 6, batch_first=True)
    names = {"weight_ih_l0": ours.weight_ih, "weight_hh_l0": ours.weight_hh, "bias_ih_l0": ours.bias}
    theirs.load_state_dict(names | {"bias_hh_l0": torch.zeros(24)})
    x = torch.randn(3, 9, 4)
    assert torch.equal(ours(x), theirs(x)[0])
    torch.testing.assert_close(ours._by_steps(x), ours._fused(x))
    assert torch.equal(LstmModule(4, 6, torch.nn.Tanh(), False).train()(x[:0]), torch.zeros(0, 6))


def test_lstm_initial_weights_equal_those_of_pytorch() -> None:
    """Initial weights are drawn as those of nn.LSTM."""
    import torch

    from blindtune.models.pytorch_modules import LstmModule

    for weights in LstmModule(30, 25, torch.nn.Tanh(), True).state_dict().values():
        assert 0.19 < float(weights.abs().max()) <= 0.2
        assert abs(float(weights.mean())) < 0.05


# --- the family


def test_build_architecture_from_hyperparameters() -> None:
    """Hyperparameters give the architecture that they describe."""
    values = {
        "layers": 3,
        "units_1": 8,
        "units_2": 16,
        "units": 4,
        "activation_2": "relu",
        "dropout_rate": 0.25,
        "output_activation": "sigmoid",
    }
    made = family.build_architecture(values, STEPS_AND_CHANNELS, CLASSES)
    assert made == stack(
        lstm(8, sequence=True),
        dropout(0.25),
        lstm(16, "relu", sequence=True),
        dropout(0.25),
        lstm(4),
        dropout(0.25),
        dense(3, "sigmoid"),
    )


def test_build_architecture_defaults() -> None:
    """Hyperparameters that are missing have their defaults, and a switch turns dropout off."""
    values = {"layers": 1, "units": 10, "dropout": False, "dropout_rate": 0.3}
    assert family.build_architecture(values, STEPS_AND_CHANNELS, CLASSES) == stack(lstm(10), dense(3, "softmax"))


@pytest.mark.parametrize("shape", [(7,), (8, 8, 1)])
def test_check_refuses_samples_without_steps(shape: tuple[int, ...]) -> None:
    """Samples that are not sequences make a set invalid."""
    made = family.build_architecture({"layers": 2, "units": 4}, shape, CLASSES)
    with pytest.raises(InvalidModelError, match=r"layer 1 \(lstm\): takes \(step, channel\)"):
        check(made, CLASSES)
