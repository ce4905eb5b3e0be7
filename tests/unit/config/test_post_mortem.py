"""The key ``post_mortem``: which systems search, and what takes long."""

from typing import Any

import pytest

from blindtune.config.defaults import DEFAULT
from blindtune.config.schema import Config, list_notes, read
from blindtune.core.errors import UserError
from support.builders import merged

TUNER: dict[str, Any] = {
    "kind": "tuner",
    "tuner": {"library": "optuna", "algorithm": "tpe"},
    "space": "mlp",
    "trainer": "pytorch",
}


def config(post_mortem: bool = True, keep_best: int = 1, **systems: dict[str, Any]) -> Config:
    """Return the config of one comparison."""
    compare = [{"dataset": "set_10", "systems": list(systems), "budget": {"trials": 4}}]
    changes = {"compare": compare, "systems": systems, "post_mortem": post_mortem, "keep_best": keep_best}
    return read(merged(DEFAULT, changes), "it")


@pytest.mark.parametrize(
    ("system", "searches"),
    [
        ({"kind": "knn", "n_neighbors": [3]}, False),
        ({"kind": "knn", "n_neighbors": [3, 5]}, True),
        ({"kind": "random_forest"}, False),
        ({"kind": "random_forest", "min_samples_leaf": [1, 2]}, True),
        ({"kind": "manual", "model": "mlp_m1"}, False),
        (TUNER, True),
    ],
    ids=["one k", "two k", "one forest", "two forests", "manual", "tuner"],
)
def test_searches_are_those_that_choose(system: dict[str, Any], searches: bool) -> None:
    """A system searches if it chooses among several sets."""
    found = config(post_mortem=False, it=system)
    assert found.searches() == ([("set_10", "it")] if searches else [])
    if not searches:
        with pytest.raises(UserError, match="post_mortem: no system of compare searches"):
            config(it=system)


def test_long_retraining_is_noted() -> None:
    """A search that is trained again one by one is named, unless its weights are kept or nothing is analysed."""
    [note] = list_notes(config(it=TUNER, fast=TUNER | {"trainer": "fused"}))
    assert "it on set_10" in note and "fast" not in note
    assert list_notes(config(keep_best=4, it=TUNER)) == []
    assert list_notes(config(post_mortem=False, it=TUNER)) == []
