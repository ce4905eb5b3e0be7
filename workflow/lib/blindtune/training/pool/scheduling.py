"""How what is to be trained is dealt to workers, so that none waits long for another at the end."""

from collections.abc import Sequence

from blindtune.models.architecture import count_parameters
from blindtune.training.base import TrainingOptions, TrainingTask

#: How much longer than its share the last worker may take, by the estimate.
SLACK = 1.1


def cost_of(task: TrainingTask, session: TrainingOptions) -> int:
    """An estimate of how long a training takes, in parameters times epochs."""
    epochs = task.training.epochs - session.trained_before
    return epochs * (count_parameters(task.architecture) if task.architecture else 1)


def balanced(parts: Sequence[Sequence[int]], costs: Sequence[int], workers: int) -> list[list[int]]:
    """The parts, the longest first, the longest halved until the workers end at about the same time.

    Args:
        parts: places of jobs that are trained as one model; how they are divided changes no outcome.
        costs: by place.
        workers: each takes the next part as it has ended one.
    """

    def cost(part: Sequence[int]) -> int:
        return sum(costs[place] for place in part)

    dealt = sorted(map(list, parts), key=cost, reverse=True)
    # A job cannot be divided.
    least = max(sum(costs) / workers, *costs)
    while _longest([cost(part) for part in dealt], workers) > SLACK * least and any(len(part) > 1 for part in dealt):
        largest = next(part for part in dealt if len(part) > 1)
        dealt.remove(largest)
        dealt = sorted([*dealt, *halves(largest)], key=cost, reverse=True)
    return dealt


def halves(part: list[int]) -> list[list[int]]:
    """A part in two; one job as it is."""
    half = -(-len(part) // 2)
    return [piece for piece in (part[:half], part[half:]) if piece]


def _longest(costs: Sequence[int], workers: int) -> int:
    """When the last worker ends, each taking the next of ``costs`` as it becomes free."""
    ends = [0] * workers
    for cost in costs:
        ends[ends.index(min(ends))] += cost
    return max(ends)
