"""The division of jobs among workers, so that all workers end at about the same time."""

from collections.abc import Sequence

from blindtune.training.base import TrainingOptions, TrainingTask
from blindtune.training.halves import halve

#: Factor by which the last worker may take longer than an even share, by the estimate.
SLACK = 1.1


def estimate_cost(task: TrainingTask, options: TrainingOptions) -> int:
    """Estimate how long a training takes, in parameters times epochs.

    Args:
        task: what to train.
        options: tell how many epochs were trained before.
    """
    epochs = task.training.epochs - options.trained_before
    return epochs * ((task.model.number_of_parameters() if task.model else None) or 1)


def balance(parts: Sequence[Sequence[int]], costs: Sequence[int], workers: int) -> list[list[int]]:
    """Halve the longest parts until the workers end at about the same time.

    Args:
        parts: indices of jobs that are trained as one model; how they are divided changes no outcome.
        costs: of each job.
        workers: each takes the next part when it has finished one.

    Returns:
        The parts, the longest first.
    """

    def cost(part: Sequence[int]) -> int:
        return sum(costs[index] for index in part)

    divided = sorted(map(list, parts), key=cost, reverse=True)
    # A job cannot be divided.
    shortest = max(sum(costs) / workers, *costs)
    while _makespan([cost(part) for part in divided], workers) > SLACK * shortest and any(
        len(part) > 1 for part in divided
    ):
        largest = next(part for part in divided if len(part) > 1)
        divided.remove(largest)
        divided = sorted([*divided, *halve(largest)], key=cost, reverse=True)
    return divided


def _makespan(costs: Sequence[int], workers: int) -> int:
    """Return when the last worker ends, if each takes the next of ``costs`` when it is free."""
    ends = [0] * workers
    for cost in costs:
        ends[ends.index(min(ends))] += cost
    return max(ends)
