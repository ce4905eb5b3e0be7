"""The config key `shards`: which searches can be divided among jobs, and why others are refused."""

from pathlib import Path
from typing import Any

import pytest

from blindtune.config.schema import describe_plan, read
from blindtune.core.errors import UserError
from support.builders import config, write_csv_folder

RANDOM = {"library": "optuna", "algorithm": "random"}


def build(folder: Path, system: dict[str, Any], number: int = 4, **comparison: Any) -> dict[str, Any]:
    """Return a config with one divided system."""
    if not (folder / "csv").exists():
        write_csv_folder(folder / "csv")
    entry = {"dataset": "toy", "systems": ["it"], "budget": {"trials": 9}, "shards": {"it": number}}
    return config(str(folder / "csv"), compare=[entry | comparison], systems={"it": system}, seeds=[1, 2])


def tuned(tuner: dict[str, Any] = RANDOM, **changes: Any) -> dict[str, Any]:
    """Return the entry of a tuned system."""
    return {"kind": "tuner", "tuner": tuner, "space": "mlp", "trainer": "pytorch"} | changes


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        (tuned(), 4),
        (tuned({"library": "scikit-learn", "algorithm": "randomized-search"}, folds=2), 4),
        ({"kind": "knn", "n_neighbors": [1, 3, 5]}, 3),
        ({"kind": "random_forest", "n_estimators": [5, 9], "max_depth": [2, 3]}, 4),
        ({"kind": "knn", "n_neighbors": [3]}, 0),
    ],
)
def test_count_shards_is_at_most_the_number_of_trials(tmp_path: Path, system: dict[str, Any], expected: int) -> None:
    """A search has as many shards as the config says, but none without a trial."""
    assert read(build(tmp_path, system), "my.yaml").count_shards("toy", "it") == expected


HYPERBAND = tuned({"library": "keras-tuner", "algorithm": "hyperband"}, training={"epochs": 9})
HALVING = tuned({"library": "scikit-learn", "algorithm": "halving-random-search"}, training={"epochs": 9})


@pytest.mark.parametrize(
    ("system", "number", "budget", "expected"),
    [
        (HYPERBAND, 4, {"trials": 23}, {1: 4, 2: 4, 3: 1}),
        (HYPERBAND, 30, {"trials": 23}, {1: 17, 2: 5, 3: 1}),
        (HYPERBAND, 2, {"trials": 9}, {1: 2}),
        (HYPERBAND, 2, {"epochs": 17}, {1: 2, 2: 2}),
        (HYPERBAND, 2, {"trials": 5000}, {1: 2, 2: 2, 3: 2}),
        (HYPERBAND, 1, {"trials": 23}, {}),
        (HALVING, 4, {"trials": 13}, {1: 4, 2: 3, 3: 1}),
        (HALVING | {"folds": 2}, 4, {"trials": 27}, {1: 4, 2: 4, 3: 2}),
        (HYPERBAND, 4, {"trials": 1}, {}),
    ],
)
def test_list_shards_of_each_rung(
    tmp_path: Path, system: dict[str, Any], number: int, budget: dict[str, int], expected: dict[int, int]
) -> None:
    """A rung of all brackets has as many shards as the config says, but none without a trial."""
    parsed = read(build(tmp_path, system, number, budget=budget), "my.yaml")
    n_shards = parsed.count_shards("toy", "it")
    shards = parsed.list_shards("toy", "it", n_shards)
    assert {rung: [one.number for one in shards if one.rung == rung] for rung in expected} == {
        rung: list(range(1, count + 1)) for rung, count in expected.items()
    }
    assert len(shards) == sum(expected.values())
    assert n_shards == max(expected.values(), default=0)
    numbers = " + ".join(map(str, expected.values()))
    plan = f"searches that are divided into shards, for each seed: it on toy {numbers} (rung by rung)."
    assert describe_plan(parsed) == (plan if expected else "")


def test_one_shard_is_none(tmp_path: Path) -> None:
    """With one shard the study trains everything itself."""
    parsed = read(build(tmp_path, tuned(), 1), "my.yaml")
    assert parsed.count_shards("toy", "it") == 0
    assert describe_plan(parsed) == ""


def test_describe_plan_names_divided_searches(tmp_path: Path) -> None:
    """The plan names the searches that are divided."""
    assert describe_plan(read(build(tmp_path, tuned()), "my.yaml")) == (
        "searches that are divided into shards, for each seed: it on toy 4."
    )


@pytest.mark.parametrize(
    ("system", "comparison", "words"),
    [
        (tuned({"library": "optuna", "algorithm": "tpe"}), {}, "optuna's tpe needs the scores of earlier trials"),
        (tuned({"library": "keras-tuner", "algorithm": "bayesian"}), {}, "set `workers`"),
        (
            tuned({"library": "keras-tuner", "algorithm": "hyperband"}),
            {"budget": {"trials": 9, "seconds": 60}},
            "budget.seconds ends the search",
        ),
        (
            tuned({"library": "smac", "algorithm": "hyperband"}),
            {},
            "smac's hyperband takes the sets of its rungs from its own history of scores",
        ),
        (
            tuned({"library": "keras-tuner", "algorithm": "hyperband"}),
            {"shards": {"it": 201}},
            "each rung of a search is divided into at most 200, not 201",
        ),
        (tuned(RANDOM | {"pruner": {"algorithm": "median"}}), {}, "ends them early by those"),
        (tuned(), {"budget": {"trials": 9, "seconds": 60}}, "budget.seconds ends the search"),
        ({"kind": "manual", "model": "mlp_m1"}, {}, "is a single model"),
        (tuned(), {"shards": {"its": 2}}, "'its' is not among the systems of this comparison: did you mean 'it'?"),
        (tuned(), {"shards": {"it": 0}}, "shards.it: Input should be greater than or equal to 1"),
        (tuned(), {"shards": {"it": 10_001}}, "shards.it: Input should be less than or equal to 10000"),
    ],
)
def test_read_refuses_what_cannot_be_divided(
    tmp_path: Path, system: dict[str, Any], comparison: dict[str, Any], words: str
) -> None:
    """One message names the system or the key, and what to do."""
    with pytest.raises(UserError) as caught:
        read(build(tmp_path, system, **comparison), "my.yaml")
    assert words in str(caught.value) and "shards" in str(caught.value)
