"""Architectures: what can be built, how large it is, and that both frameworks build the same."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blindtune.config.systems import ManualModel, read_space
from blindtune.core.validation import load
from blindtune.models import mlp
from blindtune.models.architecture import Architecture, check, count_parameters
from blindtune.models.layers import Dense, Dropout, InvalidModelError, describe
from blindtune.study.setup import add_output_layer
from support.builders import ROOT
from support.networks import assert_same_scores, dense, dropout, scores

SMOOTH = ("linear", "relu", "tanh", "sigmoid", "softmax", "exponential", "elu", "selu", "softplus")


def stack(*layers: Any, shape: tuple[int, ...] = (2,)) -> Architecture:
    return Architecture(input_shape=shape, layers=layers)


@pytest.mark.parametrize(
    ("architecture", "words"),
    [
        (stack(dense(0), dense(2)), r"layer 1 \(dense\): 0 units"),
        (stack(dense(4), dense(-3), dense(2)), r"layer 2 \(dense\): -3 units"),
        (stack(dense(4), dropout(1.0), dense(2)), r"layer 2 \(dropout\): rate 1.0"),
        (stack(dense(4), dropout(-0.1), dense(2)), r"layer 2 \(dropout\): rate -0.1"),
        (stack(dense(2), shape=(8, 8)), r"layer 1 \(dense\): takes vectors, not samples of shape \(8, 8\)"),
        (stack(dense(4), dense(3)), r"output has shape \(3,\), not one score for each of 2 classes"),
        (stack(dropout(0.5), shape=(3,)), r"output has shape \(3,\)"),
        (stack(shape=(3,)), r"output has shape \(3,\)"),
    ],
)
def test_check_names_the_layer_that_cannot_be_built(architecture: Architecture, words: str) -> None:
    """An architecture that cannot be built is invalid; the message names the layer."""
    with pytest.raises(InvalidModelError, match=words):
        check(architecture, 2)


def test_check_passes_valid_architectures() -> None:
    """An architecture that can be built passes the check."""
    check(stack(dense(4), dropout(0.0), dropout(0.99), dense(1), dense(2)), 2)


def test_mlp_builds_the_published_architecture() -> None:
    """Hyperparameters give the published architecture."""
    values = {"layers": 2, "units_1": 37, "units_2": 92, "activation_1": "relu", "activation_2": "tanh"}
    made = mlp.build_architecture(values | {"output_activation": "sigmoid"}, (2,), 3)
    assert made == stack(dense(37, "relu"), dense(92, "tanh"), dense(3, "sigmoid"))
    assert [describe(layer) for layer in made.layers] == ["Dense (37), relu", "Dense (92), tanh", "Dense (3), sigmoid"]


@pytest.mark.parametrize(
    ("switch", "rates"), [({}, [0.25, 0.25]), ({"dropout": True}, [0.25, 0.25]), ({"dropout": False}, [])]
)
def test_mlp_dropout_switch(switch: dict[str, bool], rates: list[float]) -> None:
    """The switch decides whether there is dropout."""
    made = mlp.build_architecture({"layers": 2, "units": 4, "dropout_rate": 0.25} | switch, (2,), 2)
    assert [layer.rate for layer in made.layers if isinstance(layer, Dropout)] == rates
    assert [type(layer) for layer in made.layers[-1:]] == [Dense], "the output must not be dropped"


def test_mlp_dropout_switch_without_rate() -> None:
    """A switch without a rate gives no dropout."""
    made = mlp.build_architecture({"layers": 1, "units": 4, "dropout": True}, (2,), 2)
    assert [layer.kind for layer in made.layers] == ["dense", "dense"]


def test_mlp_indexed_values_take_precedence() -> None:
    """A value without an index holds for every layer, and one with an index takes precedence."""
    made = mlp.build_architecture({"layers": 2, "units": 4, "units_2": 8, "activation": "tanh"}, (2,), 2)
    assert made == stack(dense(4, "tanh"), dense(8, "tanh"), dense(2, "softmax"))
    assert mlp.build_architecture({"layers": 0, "units": 4}, (2,), 2) == stack(dense(2, "softmax"))


def test_mlp_refuses_unknown_activation() -> None:
    """An unknown activation is refused."""
    with pytest.raises(ValueError, match="swish"):
        mlp.build_architecture({"layers": 1, "units": 4, "activation": "swish"}, (2,), 2)


@pytest.mark.parametrize("name", ["mlp", "mlp_dropout"])
def test_shipped_mlp_spaces_hold_valid_sets(name: str) -> None:
    """Every hyperparameter set of a shipped space can be built."""
    space = read_space(ROOT / "resources" / "spaces" / f"{name}.yaml", "mlp")
    random = np.random.default_rng(0)
    for _ in range(200):
        check(mlp.build_architecture(space.draw(random), (2,), 2), 2)


@pytest.mark.parametrize(("name", "parameters"), [("mlp_m1", 2834), ("mlp_m2", 2338), ("mlp_m", 2834)])
def test_manual_mlps_have_published_sizes(name: str, parameters: int) -> None:
    """Manual models have the published numbers of parameters."""
    model = load(ManualModel, ROOT / "resources" / "models" / f"{name}.yaml")
    made = stack(*add_output_layer(model.layers, 2))
    check(made, 2)
    assert made.score_kind() == "logits" and count_parameters(made) == parameters


# --- both frameworks


LAYERS = st.one_of(
    st.builds(dense, st.integers(1, 9), st.sampled_from(SMOOTH)), st.builds(dropout, st.sampled_from([0.0, 0.3]))
)


@pytest.mark.usefixtures("frameworks")
@settings(max_examples=12, deadline=None)
@given(st.lists(LAYERS, max_size=4), st.integers(1, 5), st.integers(2, 4))
def test_count_parameters_equals_the_frameworks(layers: list[Any], features: int, classes: int) -> None:
    """The number of parameters is that which both frameworks count."""
    from blindtune.models import keras, pytorch

    made = stack(*layers, dense(classes), shape=(features,))
    check(made, classes)
    assert count_parameters(made) == sum(tensor.numel() for tensor in pytorch.build(made).parameters())
    assert count_parameters(made) == keras.build(made).count_params()


@pytest.mark.usefixtures("frameworks")
@pytest.mark.parametrize("activation", SMOOTH)
@pytest.mark.parametrize("output", ["linear", "softmax", "sigmoid"])
def test_frameworks_give_equal_scores(activation: str, output: str) -> None:
    """Keras and PyTorch give the same scores from the same weights."""
    made = stack(dense(7, activation), dropout(0.4), dense(5, activation), dense(3, output))
    assert_same_scores(made, 1e-5, samples=20)


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_for_loss_leaves_out_what_the_cross_entropy_sees_through(output: str) -> None:
    """With cross-entropy the inputs of a softmax or a sigmoid are logits; the squared error takes the outputs."""
    made = stack(dense(7, output), dense(3, output))
    assert made.for_loss("cross_entropy") == stack(dense(7, output), dense(3, "linear"))
    assert made.for_loss("cross_entropy").score_kind() == "logits"
    assert made.for_loss("mean_squared_error") is made and made.score_kind() == "probabilities"


@pytest.mark.parametrize("output", ["linear", "relu", "tanh", "exponential"])
def test_for_loss_leaves_other_outputs_as_they_are(output: str) -> None:
    """Any other output is trained as it is."""
    made = stack(dense(3, output))
    assert made.for_loss("cross_entropy") is made


@pytest.mark.usefixtures("frameworks")
@pytest.mark.parametrize("name", ["cross_entropy", "sparse_categorical_crossentropy", "mean_squared_error"])
@pytest.mark.parametrize("output", ["linear", "softmax", "sigmoid", "relu"])
def test_frameworks_give_equal_losses(name: str, output: str) -> None:
    """Keras and PyTorch give the same loss from the same scores."""
    import torch

    from blindtune.models import keras, pytorch

    made = stack(dense(7, "tanh"), dense(3, output))
    random = np.random.default_rng(2)
    x, y = 3 * random.normal(size=(40, 2)).astype(np.float32), random.integers(0, 3, 40)
    made = made.for_loss(name)
    theirs, ours = scores(made, x)
    keras_loss = float(keras.create_loss(name, made.score_kind(), 3)(y, theirs))
    torch_loss = float(pytorch.compute_loss(name, torch.from_numpy(ours), torch.from_numpy(y), made.score_kind()))
    assert torch_loss == pytest.approx(keras_loss, rel=1e-5)


def test_compute_loss_of_probabilities() -> None:
    """A loss on probabilities equals the loss on their logits."""
    import torch

    from blindtune.models import pytorch

    logits, labels = torch.randn(30, 3), torch.arange(30) % 3
    on_probabilities = pytorch.compute_loss("cross_entropy", logits.softmax(dim=1), labels, "probabilities")
    assert float(on_probabilities) == pytest.approx(float(torch.nn.functional.cross_entropy(logits, labels)), rel=1e-5)


@pytest.mark.usefixtures("frameworks")
def test_set_weights_refuses_other_shapes() -> None:
    """Weights that do not fit the model are refused."""
    from blindtune.models import keras, pytorch

    small, large = stack(dense(3), dense(2)), stack(dense(4), dense(2))
    with pytest.raises(RuntimeError):
        pytorch.set_weights(pytorch.build(small), pytorch.get_weights(pytorch.build(large)))
    with pytest.raises(ValueError, match="shape"):
        keras.set_weights(keras.build(small), keras.get_weights(keras.build(large)))
    with pytest.raises(KeyError):
        keras.set_weights(keras.build(small), {})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "layers"),
    [
        ((30,), [{"kind": "dense", "units": 40}]),
        ((9, 9, 4), [{"kind": "conv2d", "filters": 12, "kernel": 3}]),
        ((30, 6), [{"kind": "conv1d", "filters": 24, "kernel": 4}]),
        ((8, 30), [{"kind": "lstm", "units": 20}]),
    ],
)
def test_build_with_keras_initializers(shape: tuple[int, ...], layers: list[Any]) -> None:
    """Initial weights of PyTorch can have the distributions of Keras."""
    import keras
    import torch
    from scipy.stats import ks_2samp

    import blindtune.training.keras.tensorflow  # noqa: F401  (settles Keras's backend)
    from blindtune.models import keras as keras_networks
    from blindtune.models import pytorch

    architecture = Architecture.model_validate({"input_shape": shape, "layers": tuple(layers)})
    keras.utils.set_random_seed(3)
    torch.manual_seed(3)
    theirs = [keras_networks.to_numpy(v) for v in keras_networks.build(architecture).trainable_variables]
    ours = [tensor.detach().numpy() for tensor in pytorch.build(architecture, keras_initializers=True).parameters()]
    for one, other in zip(ours, theirs, strict=True):
        if one.ndim == 1:
            np.testing.assert_array_equal(one, other)
            continue
        assert ks_2samp(one.ravel(), other.ravel()).pvalue > 0.01
        if one.shape == (80, 20):
            np.testing.assert_allclose(one.T @ one, np.eye(20), atol=1e-5)
            np.testing.assert_allclose(other @ other.T, np.eye(20), atol=1e-5)
