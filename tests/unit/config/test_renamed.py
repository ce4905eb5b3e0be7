"""Old config keys and values are answered with the new ones."""

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest

from blindtune.config.schema import Config, read
from blindtune.core.errors import UserError
from blindtune.core.renamed import KEYS, VALUES
from support.builders import config, merged
from support.config_models import collect_models


def _collect_literals(kind: Any) -> set[Any]:
    """Collect the literal values that a type allows."""
    if get_origin(kind) is Literal:
        return set(get_args(kind))
    if get_origin(kind) in (Union, types.UnionType, Annotated, list):
        return {value for part in get_args(kind) for value in _collect_literals(part)}
    return set()


MODELS = collect_models(Config)


@pytest.mark.parametrize(("old", "new"), KEYS.items(), ids=KEYS)
def test_renamed_key_leads_to_a_key_that_exists(old: str, new: str) -> None:
    """Some model knows the new key and not the old one."""
    knowing = [model for model in MODELS if new in model.model_fields]
    assert knowing
    assert any(old not in model.model_fields for model in knowing)


@pytest.mark.parametrize(("place", "new"), VALUES.items(), ids=[" ".join(place) for place in VALUES])
def test_renamed_value_leads_to_a_value_that_exists(place: tuple[str, str], new: str) -> None:
    """The new value is one of its key, the old one is not."""
    key, old = place
    allowed = {
        value
        for model in MODELS
        for name, field in model.model_fields.items()
        if name == key
        for value in _collect_literals(field.annotation)
    }
    assert new in allowed and old not in allowed


@pytest.mark.parametrize(
    ("change", "path", "new"),
    [
        ({"scoring": "last"}, "scoring", "score_epoch"),
        ({"keep": 2}, "keep", "keep_best"),
        ({"repeats": []}, "repeats", "allow_repeated_decode"),
        ({"verbosity": "talkative"}, "verbosity", "verbose"),
        ({"datasets": {"toy": {"source": "isip"}}}, "datasets.toy", "csv_folder"),
        ({"systems": {"knn": {"kind": "knn", "neighbours": [1]}}}, "systems.knn.neighbours", "n_neighbors"),
        ({"systems": {"knn": {"kind": "knn", "sees": {}}}}, "systems.knn.sees", "view"),
        ({"systems": {"rf": {"kind": "random_forest", "trees": [1]}}}, "systems.rf.trees", "n_estimators"),
        ({"systems": {"knn": {"kind": "knn", "published": "KNN"}}}, "systems.knn.published", "paper_row"),
        (
            {"datasets": {"x": {"source": "eeg", "low": 1.0}}},
            "datasets.x.low",
            "l_freq",
        ),
        (
            {"datasets": {"x": {"source": "slides", "cover": 0.5}}},
            "datasets.x.cover",
            "min_coverage",
        ),
    ],
)
def test_read_answers_an_old_key(change: dict[str, Any], path: str, new: str) -> None:
    """One message names the old key with its path, and the new key."""
    with pytest.raises(UserError) as caught:
        read(merged(config(), change), "my.yaml")
    lines = [line for line in str(caught.value).splitlines() if line.startswith(f"  - {path}")]
    assert any(f"it is called {new!r} now" in line for line in lines), str(caught.value)
