"""What a key of the config affects is said of every key, and agrees with what the tests of identity find."""

import pytest

from blindtune.compare.effects import DATASET_KEYS, EFFECTS, SYSTEM_KEYS, dataset_effect, study_effect, system_effect
from blindtune.config.schema import Comparison
from blindtune.config.systems import Bayes, Knn, Manual, RandomForest, Tuned
from blindtune.datasets.registry import SOURCES


def test_every_key_of_a_system_has_an_effect() -> None:
    """No key of a system is missing, and none is listed that no system has."""
    fields = {name for kind in (Knn, RandomForest, Bayes, Manual, Tuned) for name in kind.model_fields}
    assert set(SYSTEM_KEYS) == fields


def test_every_key_of_a_comparison_has_an_effect() -> None:
    """Keys of a comparison that records hold have an effect; overrides of tuners are found in their systems."""
    for name in set(Comparison.model_fields) - {"dataset", "tuner_overrides"}:
        assert study_effect(name) in EFFECTS


def test_keys_of_datasets_that_change_no_data_exist() -> None:
    """The exceptions among the keys of datasets are keys of a source."""
    fields = {name for model in SOURCES.config_types() for name in model.model_fields}
    assert set(DATASET_KEYS) <= fields


@pytest.mark.parametrize(
    ("key", "effect"),
    [
        ("sizes.train", "data"),
        ("published", "report only"),
        ("files_per_job", "no record"),
        ("leaks", "data"),
        ("event_step", "event scores"),
    ],
)
def test_dataset_effect_is_that_of_the_first_name(key: str, effect: str) -> None:
    """A key below another has its effect."""
    assert dataset_effect(key) == effect


@pytest.mark.parametrize(
    ("key", "effect"),
    [
        ("training.epochs", "training"),
        ("view.kind", "identity"),
        ("tuner.algorithm", "search"),
        ("n_neighbors[0]", "search"),
        ("space: units.high", "search"),
        ("paper_row", "report only"),
        ("of_another_package", "identity"),
    ],
)
def test_system_effect_is_that_of_the_first_name(key: str, effect: str) -> None:
    """A key below another, of a list or of a file has its effect; an unknown one is part of the identity."""
    assert system_effect(key) == effect
