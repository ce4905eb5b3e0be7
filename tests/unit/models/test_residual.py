"""Batch normalization and residual blocks: shapes, sizes and scores are those of both frameworks."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blindtune.config.systems import ManualModel
from blindtune.core.errors import UserError
from blindtune.core.validation import parse
from blindtune.models.architecture import Architecture, check, count_parameters, skip_invalid_layers
from blindtune.models.layers import AnyLayer, InvalidModelError, describe
from support.networks import (
    FLAT,
    assert_same_scores,
    batch_normalization,
    check_built,
    conv,
    conv1d,
    dense,
    dropout,
    keras_builds,
    lstm,
    pool,
    pytorch_builds,
    residual,
)

pytestmark = pytest.mark.usefixtures("frameworks")

BATCH = batch_normalization()
VECTORS = Architecture(
    input_shape=(3,),
    layers=(dense(6, "tanh"), BATCH, residual(dense(9, "relu"), dropout(0.1), BATCH, dense(6), to="relu"), dense(2)),
)
PICTURES = Architecture(
    input_shape=(6, 5, 2),
    layers=(conv(4, 3), BATCH, residual(conv(8, 3), BATCH, conv(4, 2, "linear"), to="softmax"), FLAT, dense(2)),
)
SEQUENCES = Architecture(
    input_shape=(7, 3),
    layers=(conv1d(4, 2), BATCH, residual(conv1d(4, 4), BATCH, lstm(4, sequence=True)), lstm(3), dense(2)),
)


@pytest.mark.parametrize("made", [VECTORS, PICTURES, SEQUENCES], ids=["vectors", "pictures", "sequences"])
def test_both_frameworks_build_the_same(made: Architecture) -> None:
    """Keras and PyTorch build the same shapes and numbers of weights, and give the same scores."""
    check(made, 2)
    assert keras_builds(made) == pytorch_builds(made) == ((2,), count_parameters(made))
    assert_same_scores(made, 1e-4)


@st.composite
def residual_blocks(draw: st.DrawFn) -> Architecture:
    """Generate blocks of any layers on pictures, of which some keep the shape."""
    inner: list[AnyLayer] = draw(
        st.lists(
            st.one_of(
                st.builds(conv, st.integers(0, 3), st.integers(0, 5), st.sampled_from(["relu", "linear"])),
                st.builds(pool, st.integers(1, 2)),
                st.just(BATCH),
                st.just(FLAT),
                st.builds(dense, st.integers(1, 3)),
            ),
            min_size=1,
            max_size=3,
        )
    )
    return Architecture(input_shape=(4, 3, 2), layers=(residual(*inner), FLAT, dense(2)))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(residual_blocks())
def test_shapes_of_blocks_are_those_of_the_frameworks(made: Architecture) -> None:
    """What passes the check is built so by both frameworks, with that number of weights."""
    for builds in (keras_builds, pytorch_builds):
        try:
            check(made, 2)
        except InvalidModelError:
            continue
        check_built(made, 2, builds)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (residual(dense(5)), r"layer 1 \(residual\): its layers make \(5,\) of \(3,\); they must keep the shape"),
        (residual(conv(2, 2)), r"layer 1 \(residual\): layer 1 \(conv2d\): takes \(row, column, channel\)"),
        (residual(dense(3), dropout(1.0)), r"layer 1 \(residual\): layer 2 \(dropout\): rate 1.0 is not"),
    ],
)
def test_block_that_cannot_be_built_is_named(block: AnyLayer, message: str) -> None:
    """A block whose layers do not fit, or change the shape, is invalid or left out as a whole."""
    made = Architecture(input_shape=(3,), layers=(block, dense(2)))
    with pytest.raises(InvalidModelError, match=message):
        check(made, 2)
    skipped = skip_invalid_layers(made)
    assert skipped.layers == (dense(2),) and len(skipped.exceptions) == 1


def test_describe_names_the_layers_of_a_block() -> None:
    """Tables show a block with its layers and the activation of the sum."""
    assert describe(residual(dense(4, "relu"), BATCH, dense(3), to="relu")) == (
        "residual [Dense (4), relu; batch normalization; Dense (3), linear], relu"
    )


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ({"kind": "residual", "layers": []}, ["layers.0.layers", "at least 1"]),
        ({"kind": "residual", "layers": [{"kind": "residual", "layers": []}]}, ["layers.0.layers.0", "residual"]),
        ({"kind": "residual", "layers": [{"kind": "dense", "units": 0}]}, ["layers.0.layers.0.units", "from 1"]),
        ({"kind": "batch_normalization", "momentum": 1.0}, ["layers.0.momentum", "less than 1"]),
        ({"kind": "batch_normalization", "epsilon": 0.0}, ["layers.0.epsilon", "greater than 0"]),
    ],
)
def test_wrong_layers_of_a_model_are_named(layer: dict[str, Any], words: list[str]) -> None:
    """A manual model with a wrong block is refused by the key."""
    with pytest.raises(UserError) as caught:
        parse(ManualModel, {"layers": [layer], "training": {}}, "model.yaml")
    assert all(word in str(caught.value) for word in words), str(caught.value)
