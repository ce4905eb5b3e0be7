"""The search space in Keras Tuner's classes: the same active values, the same distributions."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency

from blindtune.config.systems import read_space
from blindtune.core.resources import RESOURCES
from blindtune.core.validation import load
from blindtune.search_space import Space
from blindtune.tuners.keras_tuner.config import KerasTunerConfig
from support.builders import build_tuner, finished_trial
from support.search_spaces import active_names, dimension_of, is_legal, spaces

INT = {"type": "int", "low": 1, "high": 3}

SHIPPED = ("mlp", "mlp_dropout")


#: Keras Tuner reads the name of its thread in an old way, at every call.
pytestmark = pytest.mark.filterwarnings("ignore:.*(currentThread|getName).*:DeprecationWarning")


#: A wrong sampler fails far below this; a right one fails one seeded comparison in ten thousand.
P_THRESHOLD = 1e-4


def build_keras_tuner(space: Space, trials: int, seed: int = 42) -> Any:
    return build_tuner(KerasTunerConfig(library="keras-tuner", algorithm="random"), space, trials, seed)


def draw_values(tuner: Any) -> dict[str, Any]:
    """Draw values with Keras Tuner, without its rule against repetition, which counts scored trials only.

    The rule thins out what has few sets: one layer of ``mlp`` has 112, which run out within 2,000 trials.
    """
    return dict(tuner._space.from_library_values(tuner._oracle.populate_space("0")["values"]))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(spaces(), st.integers(1, 2**31 - 1))
def test_keras_tuner_proposes_exactly_active_values(space: Space, seed: int) -> None:
    """Keras Tuner proposes exactly the active hyperparameters, and no set twice."""
    tuner = build_keras_tuner(space, 300, seed)
    proposed: list[dict[str, Any]] = []
    while len(proposed) < 300 and (proposal := tuner.ask()) is not None:
        theirs = tuner._running[-1].hyperparameters.values
        assert set(theirs) == set(proposal.hyperparameters) == active_names(space, proposal.hyperparameters)
        assert all(is_legal(dimension_of(space, name), value) for name, value in proposal.hyperparameters.items())
        assert theirs not in proposed
        proposed.append(dict(theirs))
        tuner.tell(finished_trial(0.5))
    assert proposed


@pytest.mark.parametrize(
    ("low", "high", "step"), [(0.05, 0.5, 0.05), (0.0, 1.0, 0.1), (0.1, 0.5, 0.1), (0.2, 0.9, 0.3)]
)
def test_keras_tuner_reaches_every_step(low: float, high: float, step: float) -> None:
    """Keras Tuner reaches every value of a dimension with a step."""
    space = Space.model_validate({"it": {"type": "float", "low": low, "high": high, "step": step}})
    tuner = build_keras_tuner(space, 300)
    assert {draw_values(tuner)["it"] for _ in range(200)} == set(space.root["it"].values() or [])


@pytest.mark.parametrize("name", SHIPPED)
def test_keras_tuner_draws_like_reference(name: str) -> None:
    """Keras Tuner draws like the reference sampler: chi-square per dimension, 2,000 draws of each, at `P_THRESHOLD`."""
    count = 2_000
    space = read_space(RESOURCES / "spaces" / f"{name}.yaml", "mlp")
    tuner = build_keras_tuner(space, count + 1)
    theirs = [draw_values(tuner) for _ in range(count)]
    random = np.random.default_rng(7)
    ours = [space.draw(random) for _ in range(count)]
    for spec in space.hyperparameters():
        tables = [Counter(sample.get(spec.name) for sample in samples) for samples in (ours, theirs)]
        seen = sorted(set(tables[0]) | set(tables[1]), key=str)
        assert set(tables[0]) == set(tables[1])
        if len(seen) > 1:
            p = chi2_contingency([[table[value] for value in seen] for table in tables]).pvalue
            assert p > P_THRESHOLD, (spec.name, p, tables)


@pytest.mark.parametrize(
    "dimension",
    [
        {"type": "int", "low": 1, "high": 100, "log": True},
        {"type": "float", "low": 0.0001, "high": 0.1, "log": True},
        {"type": "float", "low": -1.0, "high": 3.0},
    ],
)
def test_keras_tuner_draws_scales_like_reference(dimension: dict[str, Any]) -> None:
    """Keras Tuner draws logarithmic and continuous scales like the reference sampler."""
    count = 1_000
    space = Space.model_validate({"it": dimension})
    tuner = build_keras_tuner(space, count + 1)
    theirs = np.array([draw_values(tuner)["it"] for _ in range(count)], dtype=float)
    random = np.random.default_rng(7)
    ours = np.array([space.draw(random)["it"] for _ in range(count)], dtype=float)
    edges = np.unique(np.quantile(np.concatenate([ours, theirs]), np.linspace(0, 1, 11)))
    edges[-1] += 1.0
    table = [np.histogram(sample, edges)[0] for sample in (ours, theirs)]
    assert chi2_contingency(table).pvalue > P_THRESHOLD


def test_keras_tuner_ends_early_in_tiny_space() -> None:
    """Keras Tuner never repeats a set, so a search in a tiny space ends early."""
    tuner = build_keras_tuner(Space.model_validate({"a": {"type": "bool"}, "b": INT}), 100)
    proposals = []
    while (proposal := tuner.ask()) is not None:
        proposals.append(tuple(sorted(proposal.hyperparameters.items())))
        tuner.tell(finished_trial(0.5))
    assert len(set(proposals)) == len(proposals) <= 6
    assert len(proposals) >= 4


def test_keras_tuner_proposals_follow_seed_only() -> None:
    """Proposals of Keras Tuner follow the seed and not the budget."""
    space = load(Space, RESOURCES / "spaces" / "mlp.yaml")

    def proposals(trials: int, seed: int) -> list[Any]:
        tuner = build_keras_tuner(space, trials, seed)
        return [draw_values(tuner) for _ in range(4)]

    assert proposals(4, 42) == proposals(50, 42)
    assert proposals(4, 42) != proposals(4, 43)
