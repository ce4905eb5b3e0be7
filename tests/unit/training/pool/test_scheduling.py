"""The division of jobs among workers."""

from hypothesis import given
from hypothesis import strategies as st

from blindtune.config.training import Training
from blindtune.training.base import TrainingOptions, TrainingTask
from blindtune.training.pool.scheduling import SLACK, balance, estimate_cost


@given(
    st.lists(st.lists(st.integers(1, 1000), min_size=1, max_size=12), min_size=1, max_size=8),
    st.integers(1, 5),
)
def test_balance_halves_until_workers_end_together(groups: list[list[int]], workers: int) -> None:
    """Parts are halved until workers end at about the same time, or every part is one job."""
    costs = [cost for group in groups for cost in group]
    indices = iter(range(len(costs)))
    parts = [[next(indices) for _ in group] for group in groups]
    divided = balance(parts, costs, workers)
    assert sorted(index for part in divided for index in part) == list(range(len(costs)))
    assert all(any(set(part) <= set(whole) for whole in parts) for part in divided)
    sums = [sum(costs[index] for index in part) for part in divided]
    assert sums == sorted(sums, reverse=True)
    ends = [0] * workers
    for cost in sums:
        ends[ends.index(min(ends))] += cost
    shortest = max(sum(costs) / workers, *costs)
    assert max(ends) <= SLACK * shortest or all(len(part) == 1 for part in divided)


def test_balance_keeps_parts_that_are_even() -> None:
    """Parts stay whole if they keep all workers busy."""
    assert balance([[0, 1], [2, 3]], [1] * 4, 2) == [[0, 1], [2, 3]]
    assert balance([[0, 1, 2, 3]], [1] * 4, 2) == [[0, 1], [2, 3]]
    assert balance([[0, 1], [2]], [1, 1, 9], 2) == [[2], [0, 1]], "one long job is not helped by dividing others"
    assert balance([[0, 1, 2]], [1, 1, 1], 1) == [[0, 1, 2]]


def test_estimate_cost_of_a_promoted_trial() -> None:
    """A promoted trial costs the epochs that it adds."""
    from blindtune.models.mlp import build_architecture
    from blindtune.training.base import State

    task = TrainingTask(build_architecture({"layers": 1, "units": 3}, (2,), 2), Training(epochs=5), {}, 1, 2)
    assert estimate_cost(task, TrainingOptions("last")) == 5 * (2 * 3 + 3 + 3 * 2 + 2)
    assert estimate_cost(task, TrainingOptions("last", state=State(3, {}))) == 2 * 17
