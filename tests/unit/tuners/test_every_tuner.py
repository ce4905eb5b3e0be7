"""Every tuner: legal proposals, replay to the same state, complete grids, one distribution, clear refusals."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency

from blindtune.config import schema as config
from blindtune.config.systems import read_space
from blindtune.core.errors import UserError
from blindtune.core.resources import RESOURCES
from blindtune.core.validation import load
from blindtune.search_space import Hyperparameters, Space
from blindtune.tuners.optuna.sampler import suggest
from blindtune.tuners.registry import list_algorithms
from support.builders import build_tuner, check, finished_trial, tuner, write_csv_folder
from support.builders import config as plain_config
from support.engines import ENGINE_ALGORITHMS, are_installed, marks_of, with_marks
from support.search_spaces import active_names, dimension_of, is_legal, spaces

#: Keras Tuner reads the name of its thread in an old way; Optuna calls two of its arguments experimental.
pytestmark = pytest.mark.filterwarnings("ignore:.*(currentThread|getName).*:DeprecationWarning", "ignore::UserWarning")

#: A wrong sampler fails far below this; a right one fails one seeded comparison in ten thousand.
P_THRESHOLD = 1e-4

ALGORITHMS = {
    "keras-tuner": ["random", "bayesian", "grid", "hyperband", "default"],
    "optuna": ["random", "tpe", "tpe-2024", "grid", "cma-es", "gp"],
    "scikit-learn": [
        "parameter-sampler",
        "parameter-grid",
        "randomized-search",
        "grid-search",
        "halving-random-search",
        "halving-grid-search",
    ],
    **ENGINE_ALGORITHMS,
}
ALL = [(library, algorithm) for library, algorithms in ALGORITHMS.items() for algorithm in algorithms]
GRIDS = [pair for pair in ALL if "grid" in pair[1]]
ENGINE_GRIDS = [pair for pair in GRIDS if pair[0] in ENGINE_ALGORITHMS]
BAYESIAN, GP, DEFAULT = ("keras-tuner", "bayesian"), ("optuna", "gp"), ("keras-tuner", "default")
FORESTS = [("smac", "forest"), ("smac", "multi-fidelity")]
SLOW = [BAYESIAN, GP, *FORESTS]
NUMBERS_ONLY = [("optuna", "cma-es"), GP]
#: Those that learn from scores; the others draw independently.
LEARNS = [
    ("keras-tuner", "bayesian"),
    ("keras-tuner", "hyperband"),
    ("optuna", "tpe"),
    ("optuna", "tpe-2024"),
    ("optuna", "cma-es"),
    ("optuna", "gp"),
    *(("smac", name) for name in ("forest", "hyperband", "multi-fidelity")),
    ("vizier", "eagle"),
    ("vizier", "nsga2"),
    ("ray-tune", "hyperopt"),
    *(("nni", name) for name in ("tpe", "anneal", "evolution", "hyperband")),
    *(("nevergrad", name) for name in ("cma", "ngopt", "one-plus-one", "pso", "de", "two-points-de")),
]
#: Those that propose a set again, for more epochs.
HALVING = [("scikit-learn", "halving-random-search"), ("scikit-learn", "halving-grid-search")]
LEARNS += HALVING

RELAXED = settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


def is_allowed(pair: tuple[str, str], space: Space) -> bool:
    try:
        check(tuner(*pair), space)
    except ValueError:
        return False
    return True


def score_of(values: Hyperparameters) -> float:
    """Return a score that depends only on the set."""
    numbers = [float(value) if not isinstance(value, str) else len(value) for value in values.values()]
    return float(abs(np.sin(sum(numbers))))


def proposals(
    pair: tuple[str, str],
    space: Space,
    seed: int,
    count: int,
    score: Callable[[Hyperparameters], float | None] = score_of,
) -> Iterator[Hyperparameters]:
    made = build_tuner(tuner(*pair), space, count, seed)
    for _ in range(count):
        proposal = made.ask()
        if proposal is None:
            return
        yield proposal.hyperparameters
        made.tell(finished_trial(score(proposal.hyperparameters), hyperparameters=proposal.hyperparameters))


def count_for(pair: tuple[str, str]) -> int:
    """Return how many trials a test runs: few for models, which are slow after their first random draws."""
    return 9 if pair == BAYESIAN else 12 if pair in SLOW else 60


def test_algorithms_are_all_covered() -> None:
    """This file covers every algorithm that a config can name."""
    assert list_algorithms() == set(ALL)


@st.composite
def numeric_spaces(draw: st.DrawFn) -> Space:
    """Generate spaces for CMA-ES and Gaussian processes: numbers, no conditions."""
    content: dict[str, Any] = {"a": {"type": "float", "low": -1.0, "high": 2.0}}
    content["b"] = {"type": "int", "low": draw(st.integers(1, 4)), "high": 40, "log": draw(st.booleans())}
    content["c"] = {"type": "float", "low": 0.1, "high": 0.9, "step": draw(st.sampled_from([0.1, 0.25]))}
    content["d"] = {"type": "float", "low": 0.001, "high": 1.0, "log": True}
    chosen = dict(itertools.islice(content.items(), draw(st.integers(2, 4))))
    fixed = draw(
        st.sampled_from([{}, {"e": {"type": "fixed", "value": "relu"}}, {"e": {"type": "fixed", "value": 0.5}}])
    )
    return Space.model_validate(chosen | fixed)


@st.composite
def grid_spaces(draw: st.DrawFn, conditions: bool = True) -> Space:
    """Generate spaces for a grid: lists of values; with `conditions`, a chain of them and copies of layers."""
    low = draw(st.integers(0, 1))
    content: dict[str, Any] = {
        "flag": {"type": "bool"},
        "rate": {"type": "float", "low": 0.05, "high": draw(st.sampled_from([0.05, 0.3, 0.45])), "step": 0.05},
        "word": {"type": "choice", "options": draw(st.sampled_from([["relu"], ["relu", "tanh"]]))},
        "one": {"type": "float", "low": 0.5, "high": 0.5},
        "fixed": {"type": "fixed", "value": draw(st.sampled_from(["relu", 3, 0.5, False]))},
    }
    if conditions:
        content["rate"]["when"] = {"flag": [draw(st.booleans())]}
        content["layers"] = {"type": "int", "low": low, "high": 2}
        high = draw(st.one_of(st.integers(4, 9), st.lists(st.integers(4, 9), min_size=2, max_size=2)))
        content["units"] = {"type": "int", "low": 4, "high": high, "step": 3, "repeat": "layers"}
        content["deep"] = {"type": "choice", "options": [1, 2], "when": {"rate": [0.05]}}
    names = draw(st.lists(st.sampled_from(sorted(content)), min_size=1, unique=True))
    for name in list(names):
        parents = {"rate": ["flag"], "units": ["layers"], "deep": ["rate", "flag"]}.get(name, []) if conditions else []
        names += [parent for parent in parents if parent not in names]
    return Space.model_validate({name: content[name] for name in names})


def spaces_for(pair: tuple[str, str]) -> st.SearchStrategy[Space]:
    """Generate spaces that the algorithm can express."""
    if pair in NUMBERS_ONLY:
        return numeric_spaces()
    if pair in GRIDS:
        return grid_spaces(conditions=pair != ("optuna", "grid"))
    if pair == BAYESIAN:
        return spaces().filter(lambda space: len(space.hyperparameters()) <= 2)
    if pair == ("nevergrad", "ngopt"):
        return spaces().filter(lambda space: is_allowed(pair, space))
    return spaces()


@pytest.mark.parametrize("pair", with_marks(ALL))
@RELAXED
@given(st.data(), st.integers(1, 2**31 - 1))
def test_ask_proposes_exactly_active_values(pair: tuple[str, str], data: Any, seed: int) -> None:
    """Proposals hold exactly the active hyperparameters, with legal values."""
    space = data.draw(spaces_for(pair))
    check(tuner(*pair), space)
    made = list(proposals(pair, space, seed, count_for(pair)))
    assert made
    for values in made:
        assert set(values) == active_names(space, values)
        assert all(is_legal(dimension_of(space, name), value) for name, value in values.items())


MIXED = Space.model_validate(
    {
        "layers": {"type": "int", "low": 1, "high": 3},
        "units": {"type": "int", "low": 8, "high": 64, "log": True, "repeat": "layers"},
        "activation": {"type": "choice", "options": ["relu", "tanh"]},
        "dropout": {"type": "bool"},
        "dropout_rate": {"type": "float", "low": 0.1, "high": 0.5, "when": {"dropout": [True]}},
        "learning_rate": {"type": "float", "low": 0.0001, "high": 0.1, "log": True},
    }
)
NUMBERS = Space.model_validate(
    {
        "units": {"type": "int", "low": 8, "high": 64, "log": True},
        "layers": {"type": "int", "low": 1, "high": 9, "step": 2},
        "dropout_rate": {"type": "float", "low": 0.1, "high": 0.5, "step": 0.05},
        "learning_rate": {"type": "float", "low": 0.0001, "high": 0.1, "log": True},
    }
)
LISTS = Space.model_validate(
    {
        "units": {"type": "choice", "options": [4, 8, 16]},
        "layers": {"type": "int", "low": 1, "high": 9, "step": 2},
        "dropout": {"type": "bool"},
    }
)


FEW = Space.model_validate(
    {
        "units": {"type": "int", "low": 8, "high": 64, "log": True},
        "dropout": {"type": "bool"},
        "dropout_rate": {"type": "float", "low": 0.1, "high": 0.5, "when": {"dropout": [True]}},
    }
)


def fixed_space_for(pair: tuple[str, str]) -> Space:
    if pair == BAYESIAN:
        return FEW
    return NUMBERS if pair in NUMBERS_ONLY else LISTS if pair in GRIDS else MIXED


@pytest.mark.parametrize("pair", with_marks(ALL))
def test_ask_repeats_after_same_scores(pair: tuple[str, str]) -> None:
    """A new tuner that is told the same scores proposes the same sets; this is how a study resumes."""
    count = 14 if pair in SLOW else 40
    first = list(proposals(pair, fixed_space_for(pair), 42, count))
    # Of 40 trials halving takes 27, 9 and 3.
    expected = 39 if pair in HALVING else 1 if pair == DEFAULT else min(count, 30 if pair in GRIDS else count)
    assert len(first) == expected
    assert list(proposals(pair, fixed_space_for(pair), 42, count)) == first
    if ("grid" not in pair[1] and pair != DEFAULT) or pair[0] == "optuna":
        assert list(proposals(pair, fixed_space_for(pair), 43, count)) != first


@pytest.mark.parametrize("pair", with_marks(ALL))
def test_depends_on_budget_is_true_to_proposals(pair: tuple[str, str]) -> None:
    """Proposals depend on the budget only if the config says so; else a larger budget continues the records."""
    short, long = ([], [])
    for count, found in ((5, short), (9, long)):
        found += list(proposals(pair, fixed_space_for(pair), 42, count))
    assert (long[:5] != short) == tuner(*pair).depends_on_budget


@pytest.mark.parametrize("pair", with_marks(ALL))
def test_scores_steer_only_learning_algorithms(pair: tuple[str, str]) -> None:
    """Scores change the proposals of algorithms that learn, and of no others."""
    # NSGA2 draws two populations of 50 first, and a swarm has 40 particles.
    count = 12 if pair in SLOW else 130 if pair in (("vizier", "nsga2"), ("nevergrad", "pso")) else 40

    def rising(values: Hyperparameters) -> float:
        # Smooth, since a Gaussian process takes anything else for noise and learns nothing.
        return float(values.get("units", values.get("units_1", 0))) / 64

    up = list(proposals(pair, fixed_space_for(pair), 42, count, rising))
    down = list(proposals(pair, fixed_space_for(pair), 42, count, lambda values: 1.0 - rising(values)))
    assert (up != down) == (pair in LEARNS)


@pytest.mark.parametrize("pair", with_marks(pair for pair in GRIDS if pair not in HALVING))
@RELAXED
@given(st.data(), st.integers(1, 2**31 - 1))
def test_grid_proposes_each_set_once(pair: tuple[str, str], data: Any, seed: int) -> None:
    """A grid proposes each set once and then ends."""
    space = data.draw(spaces_for(pair))
    expected = list(list_all_sets(space))
    assume(len(expected) <= 250)
    made = list(proposals(pair, space, seed, len(expected) + 5))
    assert len(made) == len(expected)
    assert sorted(map(key, made)) == sorted(map(key, expected))


def list_all_sets(space: Space) -> Iterator[Hyperparameters]:
    """Yield every set of a space with lists of values, from the definition alone."""
    names = [spec.name for spec in space.hyperparameters()]
    lists = [list(spec.dimension.values() or []) for spec in space.hyperparameters()]
    seen = set()
    for values in itertools.product(*lists):
        full = dict(zip(names, values, strict=True))
        point = {name: value for name, value in full.items() if name in active_names(space, full)}
        if key(point) not in seen:
            seen.add(key(point))
            yield point


def key(values: Hyperparameters) -> str:
    return repr(sorted(values.items()))


# --- what a library cannot express

CONTINUOUS = {"learning_rate": {"type": "float", "low": 0.1, "high": 0.2}}
WHOLE_LOG = {"units": {"type": "int", "low": 1, "high": 9, "log": True}}
CONDITION = {
    "dropout": {"type": "bool"},
    "dropout_rate": {"type": "float", "low": 0.1, "high": 0.2, "step": 0.1, "when": {"dropout": [True]}},
}
COPIES = {
    "layers": {"type": "int", "low": 1, "high": 2},
    "units": {"type": "int", "low": 1, "high": 2, "repeat": "layers"},
}
CHOICE = {"activation": {"type": "choice", "options": ["relu", "tanh"]}}
BOOL = {"dropout": {"type": "bool"}}
EPOCHS = {"epochs": {"type": "int", "low": 1, "high": 9}}

REFUSED = [
    *((pair, CONTINUOUS, "learning_rate") for pair in GRIDS),
    *((pair, WHOLE_LOG, "units") for pair in GRIDS),
    *((pair, EPOCHS, "epochs") for pair in HALVING),
    (("optuna", "grid"), CONDITION, "dropout_rate"),
    (("optuna", "grid"), COPIES, "units"),
    (("optuna", "cma-es"), COPIES, "units"),
    (("optuna", "cma-es"), CHOICE, "activation"),
    (("optuna", "cma-es"), BOOL, "dropout"),
    (("optuna", "gp"), CONDITION, "dropout_rate"),
    (("optuna", "gp"), COPIES, "units"),
    (("keras-tuner", "hyperband"), EPOCHS, "epochs"),
    (("smac", "hyperband"), EPOCHS, "epochs"),
    (("smac", "multi-fidelity"), EPOCHS, "epochs"),
    (("nni", "hyperband"), EPOCHS, "epochs"),
]


@pytest.mark.parametrize(("pair", "content", "name"), REFUSED)
def test_check_names_what_a_library_cannot_express(
    pair: tuple[str, str], content: dict[str, Any], name: str, tmp_path: Any
) -> None:
    """A dimension that a library cannot express is refused by its name, in `check` and while the study is planned."""
    with pytest.raises(ValueError, match=rf"^{name}: "):
        check(tuner(*pair), Space.model_validate(content))
    # ... and while the study is planned.
    lines = {"layers": {"type": "int", "low": 1, "high": 2}, "units": {"type": "int", "low": 1, "high": 2}} | content
    path = tmp_path / "space.yaml"
    path.write_text(str(lines), encoding="utf-8")
    write_csv_folder(tmp_path / "csv")
    system = {"kind": "tuner", "tuner": {"library": pair[0], "algorithm": pair[1]}, "space": str(path)}
    comparison = {"dataset": "toy", "systems": ["it"], "budget": {"trials": 2}}
    with pytest.raises(UserError, match=rf"systems\.it on toy: .*{name}: "):
        config.read(plain_config(str(tmp_path / "csv"), systems={"it": system}, compare=[comparison]), "config.yaml")


@pytest.mark.parametrize("pair", with_marks(ALL))
def test_choice_of_one_suits_every_algorithm(pair: tuple[str, str]) -> None:
    """Every algorithm takes a choice of one value and a plain range."""
    one = {"metric": {"type": "choice", "options": ["accuracy"]}}
    space = Space.model_validate(one | {"units": {"type": "int", "low": 1, "high": 4}})
    assert is_allowed(pair, space)
    made = list(proposals(pair, space, 42, 4))
    assert made and all(values["metric"] == "accuracy" for values in made)


# --- distributions

SHIPPED = {
    "mlp": "mlp",
    "mlp_dropout": "mlp",
    "convnet": "convnet",
    "convnet_11": "convnet",
    "guide_convnet_blocks": "convnet",
    "lstm_12": "lstm",
}
SCALES = {
    "int_log": {"type": "int", "low": 1, "high": 100, "log": True},
    "float_log": {"type": "float", "low": 0.0001, "high": 0.1, "log": True},
    "float": {"type": "float", "low": -1.0, "high": 3.0},
    "float_step": {"type": "float", "low": 0.05, "high": 0.5, "step": 0.05},
    "int_step": {"type": "int", "low": 3, "high": 20, "step": 4},
}
#: Bounds of each copy, on every scale, and fixed values.
COPY_SCALES = {
    "copies": {"type": "fixed", "value": 3},
    "int_list": {"type": "int", "low": [1, 2, 3], "high": [10, 20, 30], "repeat": "copies"},
    "int_log_list": {"type": "int", "low": 1, "high": [4, 16, 100], "log": True, "repeat": "copies"},
    "int_step_list": {"type": "int", "low": [3, 5, 7], "high": 20, "step": 4, "repeat": "copies"},
    "float_list": {"type": "float", "low": [-1.0, 0.0, 2.0], "high": [0.0, 5.0, 3.0], "repeat": "copies"},
    "float_log_list": {"type": "float", "low": [0.001, 0.01, 0.1], "high": 1.0, "log": True, "repeat": "copies"},
    "float_step_list": {"type": "float", "low": 0.05, "high": [0.2, 0.5, 0.1], "step": 0.05, "repeat": "copies"},
    "rate": {"type": "fixed", "value": 0.1},
    "word": {"type": "fixed", "value": "relu"},
}


def keras_draws(space: Space, count: int) -> list[Hyperparameters]:
    """Draw with Keras Tuner, without its rule against repetition, which counts scored trials only."""
    made: Any = build_tuner(tuner("keras-tuner", "random"), space, count + 1)
    return [space.from_library_values(made._oracle.populate_space("0")["values"]) for _ in range(count)]


def optuna_draws(space: Space, count: int) -> list[Hyperparameters]:
    """Draw with Optuna, without a study's growing list of trials, which makes each draw slower than the last."""
    import optuna

    from blindtune.tuners.optuna.tuner import create_study

    made: Any = build_tuner(tuner("optuna", "random"), space, count)
    assert isinstance(made._study.sampler, optuna.samplers.RandomSampler)
    study = create_study(made._study.sampler, made._study.pruner, 1)
    return [space.from_library_values(suggest(study.ask(), space)) for _ in range(count)]


def smac_draws(space: Space, count: int) -> list[Hyperparameters]:
    return list(proposals(("smac", "random"), space, 42, count))


def vizier_draws(space: Space, count: int) -> list[Hyperparameters]:
    return list(proposals(("vizier", "random"), space, 42, count))


def ray_draws(space: Space, count: int) -> list[Hyperparameters]:
    return list(proposals(("ray-tune", "random"), space, 42, count))


def nni_draws(space: Space, count: int) -> list[Hyperparameters]:
    return list(proposals(("nni", "random"), space, 42, count))


def nevergrad_draws(space: Space, count: int) -> list[Hyperparameters]:
    return list(proposals(("nevergrad", "random"), space, 42, count))


def scikit_draws(space: Space, count: int) -> list[Hyperparameters]:
    return list(proposals(("scikit-learn", "parameter-sampler"), space, 42, count))


DRAWS = {
    "keras-tuner": keras_draws,
    "optuna": optuna_draws,
    "scikit-learn": scikit_draws,
    "smac": smac_draws,
    "vizier": vizier_draws,
    "ray-tune": ray_draws,
    "nni": nni_draws,
    "nevergrad": nevergrad_draws,
}
LIBRARIES = [pytest.param(library, marks=marks_of(library)) for library in DRAWS]


def assert_same_distribution(space: Space, theirs: list[Hyperparameters]) -> None:
    random = np.random.default_rng(7)
    ours = [space.draw(random) for _ in theirs]
    for spec in space.hyperparameters():
        samples = [[values.get(spec.name) for values in sample] for sample in (ours, theirs)]
        if spec.dimension.values() is None:
            # Ten bins of equal share; inactive ones, whose value is NaN here, are one more.
            numbers = [np.array(sample, dtype=float) for sample in samples]
            edges = np.nanquantile(np.array(numbers), np.linspace(0, 1, 11))
            binned = [np.clip(np.searchsorted(edges, sample, "right"), 1, 10) for sample in numbers]
            samples = [list(np.where(np.isnan(sample), 0, bins)) for sample, bins in zip(numbers, binned, strict=True)]
        tables = [Counter(sample) for sample in samples]
        # Values that are rare in both are pooled.
        rare = {value for value in tables[0] + tables[1] if tables[0][value] + tables[1][value] < 20}
        columns = [[table[value] for table in tables] for value in tables[0] + tables[1] if value not in rare]
        columns += [[sum(table[value] for value in rare) for table in tables]] if rare else []
        if len(columns) > 1:
            p = chi2_contingency(np.array(columns).T).pvalue
            assert p > P_THRESHOLD, (spec.name, p, tables)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_spaces_draw_like_reference(library: str, name: str) -> None:
    """Every library draws the shipped spaces with the distribution of the reference sampler."""
    space = read_space(RESOURCES / "spaces" / f"{name}.yaml", SHIPPED[name])  # type: ignore[arg-type]
    assert_same_distribution(space, DRAWS[library](space, 2_000))


@pytest.mark.parametrize("library", LIBRARIES)
def test_space_of_estimator_draws_like_reference(library: str) -> None:
    """Every library draws the space of an estimator, with its conditions, with the distribution of the reference."""
    space = load(Space, RESOURCES / "spaces" / "svc.yaml")
    assert_same_distribution(space, DRAWS[library](space, 2_000))


@pytest.mark.parametrize(("name", "counter"), [("convnet_11", "filters"), ("lstm_12", "units")])
def test_spaces_of_real_sets_run_or_are_refused(name: str, counter: str) -> None:
    """Every tuner takes the spaces of the real sets, or names the dimension that it cannot take."""
    space = read_space(RESOURCES / "spaces" / f"{name}.yaml", SHIPPED[name])  # type: ignore[arg-type]
    for pair in are_installed(ALL):
        if pair in [*NUMBERS_ONLY, ("optuna", "grid"), *ENGINE_GRIDS]:
            with pytest.raises(ValueError, match=f"^{counter}: Optuna's .* depends on another|^space: is a grid"):
                check(tuner(*pair), space)
        else:
            check(tuner(*pair), space)
            made = list(proposals(pair, space, 42, 3))
            assert made and all(space.snap(values) == values for values in made)


@pytest.mark.parametrize(("name", "family"), [("guide_convnet", "convnet"), ("guide_mlp", "lstm")])
def test_guide_spaces_suit_every_algorithm(name: str, family: Any) -> None:
    """Every algorithm takes the spaces of the guide, for both families."""
    space = read_space(RESOURCES / "spaces" / f"{name}.yaml", family)
    assert all(is_allowed(pair, space) for pair in ALL)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("scales", [SCALES, COPY_SCALES], ids=["one", "copies"])
def test_scales_draw_like_reference(library: str, scales: dict[str, Any]) -> None:
    """Every library draws logarithmic, stepped and fixed scales with the distribution of the reference sampler."""
    space = Space.model_validate(scales)
    assert_same_distribution(space, DRAWS[library](space, 2_000))


# --- learning


@pytest.mark.parametrize("algorithm", ["tpe", "tpe-2024"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_tpe_avoids_invalid_sets(algorithm: str, seed: int) -> None:
    """TPE, told the worst error for invalid sets, does not move towards them."""
    space = Space.model_validate(
        {
            "kernel": {"type": "int", "low": 1, "high": 8},
            "units": {"type": "int", "low": 4, "high": 64},
            "rate": {"type": "float", "low": 0.0, "high": 1.0},
        }
    )

    def score(values: Hyperparameters) -> float | None:
        return None if int(values["kernel"]) > 4 else 0.2 + 0.3 * abs(float(values["rate"]) - 0.4)

    made = list(proposals(("optuna", algorithm), space, seed, 60, score))
    assert sum(score(values) is None for values in made[-20:]) < 12


def test_conditions_on_log_integers_hold() -> None:
    """Conditions on logarithmic whole numbers hold in every library."""
    space = Space.model_validate(
        {
            "units": {"type": "int", "low": 1, "high": 8, "log": True},
            "depth": {"type": "int", "low": 1, "high": 4, "log": True},
            "rate": {"type": "float", "low": 0.1, "high": 0.5, "when": {"units": [2, 3, 8]}},
            "width": {"type": "int", "low": 4, "high": 9, "repeat": "depth"},
        }
    )
    for pair in are_installed(ALL):
        if is_allowed(pair, space) and pair != DEFAULT:
            made = list(proposals(pair, space, 42, 14 if pair in SLOW else 60))
            assert {"rate" in values for values in made} == {True, False}
            assert all(("rate" in values) == (values["units"] in (2, 3, 8)) for values in made)
            assert {sum("width" in name for name in values) for values in made} >= {1, 2}
