"""What a study can tell apart before it is run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from blindtune.config.defaults import DEFAULT
from blindtune.config.schema import describe_plan, merge, read
from blindtune.report import detectable


@given(st.floats(1, 5000), st.sampled_from([0.8, 0.95, 0.975]))
def test_t_quantile_is_that_of_scipy(freedom: float, share: float) -> None:
    """The quantile without a library of numbers is that of the library."""
    assert detectable._t_quantile(share, freedom) == pytest.approx(float(stats.t.ppf(share, freedom)), rel=2e-3)


def test_estimate_detectable_falls_with_samples_and_seeds() -> None:
    """More samples and more seeds tell smaller differences apart, and a few samples none below 100 points."""
    sizes = [detectable.estimate_detectable(samples, 3) for samples in (2, 100, 1000)]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] == 100
    assert detectable.estimate_detectable(2500, 10) < detectable.estimate_detectable(2500, 3)
    # Samples alone: (1.96 + 0.84) standard errors of 15% disagreement.
    assert detectable.estimate_detectable(10_000, 1) == pytest.approx(280.2 * (0.15 / 10_000) ** 0.5, rel=0.01)


@given(st.integers(1, 10**7), st.integers(0, 10**7), st.integers(1, 40), st.integers(0, 40))
def test_estimate_detectable_never_grows(samples: int, more_samples: int, seeds: int, more_seeds: int) -> None:
    """Neither more samples nor, from two on, more seeds make the estimate larger."""
    found = detectable.estimate_detectable(samples, seeds) * (1 + 1e-5)  # quantiles are rounded
    assert detectable.estimate_detectable(samples + more_samples, seeds) <= found
    if seeds > 1:
        assert detectable.estimate_detectable(samples, seeds + more_seeds) <= found


def test_describe_detectable_says_where_samples_do_not_help() -> None:
    """Where the seeds bound what can be told apart, the line says that more seeds are needed."""
    line = detectable.describe_detectable([("small", 500), ("large", 100_000)], 3)
    assert "small 6.2, large 5.8. More seeds would lower large; more samples would not. Assumed" in line
    assert "More seeds" not in detectable.describe_detectable([("small", 500)], 3)
    assert "More seeds" not in detectable.describe_detectable([("large", 100_000)], 1)


@pytest.mark.parametrize(("seeds", "expected"), [([1], "one seed"), ([1, 2, 3], "3 seeds")])
def test_describe_plan_names_datasets_and_seeds(seeds: list[int], expected: str) -> None:
    """The line of a config names each dataset with a manual and a tuned system; without both there is none."""
    compare = [{"dataset": "set_10", "systems": ["mlp_m1", "mlp_a1"], "budget": {"trials": 3}}]
    changes = {"name": "plan", "seeds": seeds, "compare": compare}
    line = describe_plan(read(merge(DEFAULT, changes), "test"))
    assert expected in line and "set_10" in line
    compare[0]["systems"] = ["mlp_m1"]
    assert describe_plan(read(merge(DEFAULT, changes), "test")) == ""
