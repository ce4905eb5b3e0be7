"""The published numbers as they are stored: those that can be checked against each other agree."""

import pytest

from blindtune.models.architecture import Architecture, check, count_parameters
from blindtune.models.layers import InvalidModelError, describe
from blindtune.report.published import PublishedNetwork, load_published


def layout(system: str) -> PublishedNetwork:
    [found] = [entry for entry in load_published().networks[5] if entry.system == system]
    return found


def network(entry: PublishedNetwork, side: int) -> Architecture:
    return Architecture(input_shape=(side, side, 3), layers=tuple(entry.layers))


@pytest.mark.parametrize("side", [124, 128, 131])
def test_published_manual_network_has_9216_inputs(side: int) -> None:
    """The manual network has the 9216 inputs of its first dense layer that Table 5 prints."""
    made = network(layout("Manual"), side)
    check(made, 2)
    convolutions = (3 * 25 + 1) * 16 + (16 * 25 + 1) * 32 + (32 * 25 + 1) * 64
    assert count_parameters(made) == convolutions + (9216 + 1) * 128 + (128 + 1) * 2
    assert layout("Manual").shape == [128, 128, 3]


def test_published_tuned_network_needs_larger_crops() -> None:
    """The tuned network does not fit the crops that the manual one takes."""
    with pytest.raises(InvalidModelError, match=r"layer 7 \(max_pool2d\): a window of 3 x 3 does not fit into 2 x 2"):
        check(network(layout("Auto"), 131), 2)
    check(network(layout("Auto"), 132), 2)
    assert layout("Auto").shape is None


def test_published_tables_3_and_5_agree() -> None:
    """Table 5 names the systems of Table 3."""
    for entry in load_published().networks[5]:
        assert (entry.dataset, entry.system) in load_published().errors
    first = [describe(entry.layers[0]) for entry in load_published().networks[5]]
    assert first == ["Conv2d (16, 5x5), relu", "Conv2d (1, 8x8), tanh"]
    assert [entry.training and entry.training.optimizer for entry in load_published().networks[5]] == ["SGD", "Adam"]
