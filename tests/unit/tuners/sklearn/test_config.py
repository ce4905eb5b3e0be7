"""The config of scikit-learn: properties, refused keys and budgets, and the library's default model."""

from typing import Any

import pytest

from blindtune.config.systems import ManualModel
from blindtune.core.resources import RESOURCES
from blindtune.core.validation import load
from blindtune.models.architecture import Architecture, count_parameters
from blindtune.models.architecture import check as check_architecture
from blindtune.study.setup import add_output_layer
from support.builders import check
from support.sklearn_searches import (
    HALVING,
    SEARCHES,
    SPACE,
    make_config,
)


def test_properties_follow_halving_and_folds() -> None:
    """Only halving without folds promotes; halving and folds depend on the budget."""
    for algorithm in SEARCHES:
        for folds in (None, 2):
            made = make_config(algorithm, folds=folds)
            assert made.resumes_trials == (algorithm in HALVING and folds is None)
            assert made.depends_on_budget == (algorithm in HALVING or folds is not None)
    assert not make_config("parameter-sampler").depends_on_budget


@pytest.mark.parametrize(
    ("algorithm", "keys", "budget", "message"),
    [
        *((algorithm, {}, {"seconds": 9.0}, "^budget.seconds: .* give trials or epochs too") for algorithm in SEARCHES),
        ("grid-search", {"folds": 3}, {"trials": 9, "seconds": 9.0}, "^folds: "),
        ("grid-search", {"folds": 3}, {"trials": 3}, "^budget: .* on 3 folds .* takes 4 trials and 36 epochs"),
        ("randomized-search", {"folds": 3}, {"epochs": 35}, "^budget: .* takes 4 trials and 36 epochs"),
        ("halving-random-search", {}, {"epochs": 8}, "^budget: .* takes 1 trials and 9 epochs"),
        ("halving-grid-search", {"min_epochs": 10}, {"trials": 9}, "^min_epochs: 10 is above the 9 epochs"),
    ],
)
def test_check_names_key_of_unplannable_budget(
    algorithm: str, keys: dict[str, Any], budget: dict[str, Any], message: str
) -> None:
    """A budget that cannot plan a search is refused by its key."""
    with pytest.raises(ValueError, match=message):
        check(make_config(algorithm, **keys), SPACE, **budget)


@pytest.mark.parametrize(
    ("algorithm", "key", "value"),
    [
        ("parameter-sampler", "folds", 2),
        ("parameter-grid", "factor", 4),
        ("randomized-search", "min_epochs", 2),
        ("grid-search", "aggressive_elimination", True),
    ],
)
def test_config_refuses_key_of_another_algorithm(algorithm: str, key: str, value: Any) -> None:
    """A key that an algorithm does not take is refused."""
    with pytest.raises(ValueError, match=f"{key}: belongs to .*; {algorithm} does not take it"):
        make_config(algorithm, **{key: value})


def test_shipped_default_model_is_that_of_library() -> None:
    """The shipped default model is that of scikit-learn."""
    from sklearn.neural_network import MLPClassifier

    library = MLPClassifier()
    model = load(ManualModel, RESOURCES / "models" / "scikit_default.yaml")
    [units] = library.hidden_layer_sizes
    assert [layer.model_dump() for layer in model.layers] == [
        {"kind": "flatten"},
        {"kind": "dense", "units": units, "activation": library.activation},
    ]
    training = model.training
    assert (training.optimizer, training.learning_rate) == (library.solver, library.learning_rate_init)
    assert (training.epochs, training.batch_size) == (library.max_iter, 200), "auto is 200, or all samples if fewer"
    vectors = Architecture(input_shape=(2,), layers=add_output_layer(model.layers, 2))
    check_architecture(vectors, 2)
    assert count_parameters(vectors) == 3 * 100 + 101 * 2
