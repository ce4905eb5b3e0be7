"""How groups of trials are executed on a CPU, and how on a CUDA device."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

#: The share of the free memory of a CUDA device that groups may take.
_CUDA_MEMORY_SHARE = 0.5


@dataclass(frozen=True)
class ExecutionPlan:
    """How a kind of device executes groups.

    No field changes a trial's numbers but for rounding and, through ``width_multiple`` and ``uniform_widths``, for what
    dropout draws.

    Attributes:
        width_multiple: hidden layers are padded to a multiple of so many units.
        uniform_widths: whether all hidden layers of a trial are padded to the widest: more arithmetic, but more trials
            with the same widths.
        cache_bytes: bytes of values for the trials that are computed together, before the next trials use the same
            memory; None: trials of the same widths are computed together, each with its own memory, all concurrently.
        metric_slots: batches whose scores are kept before loss and error are computed from them.
        mask_gradients: whether padding is masked in the gradient, once per step; if not, padding is set to 0 after each
            activation whose value at 0 is not 0.
        use_cuda_graph: whether steps are captured as CUDA graphs; needs ``metric_slots`` to be 1, since every step must
            do the same.
        max_group: maximum number of trials in a group; None: as many as the memory allows.
        max_batch: maximum number of trials for one call of the trainer, so that there are nearly whole groups for each
            depth and batch size.
        memory_bytes: bytes that a group may take, without the data; None: a share of the free memory of the device.
        benefits_from_workers: whether several processes train faster than one.
    """

    width_multiple: int
    uniform_widths: bool
    cache_bytes: int | None
    metric_slots: int
    mask_gradients: bool
    use_cuda_graph: bool
    max_group: int | None
    max_batch: int
    memory_bytes: int | None
    benefits_from_workers: bool

    def group_memory(self) -> float:
        """Return the bytes that a group may take now."""
        if self.memory_bytes is None:
            return _CUDA_MEMORY_SHARE * torch.cuda.mem_get_info()[0]
        return self.memory_bytes


#: Products of odd sizes are slower; values should stay in the cache, also those of a group; operations on the scores of
#: one batch are too small to be fast.
CPU = ExecutionPlan(
    width_multiple=8,
    uniform_widths=False,
    cache_bytes=2**20,
    metric_slots=16,
    mask_gradients=False,
    use_cuda_graph=False,
    max_group=32,
    max_batch=4 * 32,
    memory_bytes=2**30,
    benefits_from_workers=True,
)

#: Arithmetic is cheap compared to launching a kernel: few different widths, one mask for all padding, and graphs.
CUDA = ExecutionPlan(
    width_multiple=32,
    uniform_widths=True,
    cache_bytes=None,
    metric_slots=1,
    mask_gradients=True,
    use_cuda_graph=True,
    max_group=None,
    max_batch=512,
    memory_bytes=None,
    benefits_from_workers=False,
)

_PLANS = {"cpu": CPU, "cuda": CUDA}


def plan_for(device: torch.device) -> ExecutionPlan:
    """Return how a device executes groups."""
    return _PLANS[device.type]


#: Maximum number of concurrent branches of a CUDA graph; one branch alone does not fill a device.
_MAX_BRANCHES = 8


@cache
def _streams() -> list[torch.cuda.Stream]:
    # Always the same: each has its own memory for matrix products.
    return [torch.cuda.Stream() for _ in range(_MAX_BRANCHES)]  # type: ignore[no-untyped-call]


def run_concurrently(tasks: Sequence[Callable[[], None]], device: torch.device) -> None:
    """Run independent tasks: one after the other, or as branches of the CUDA graph that is being captured.

    Args:
        tasks: none may write what another reads or writes.
        device: on which they compute.
    """
    if device.type == "cpu" or not torch.cuda.is_current_stream_capturing():
        for task in tasks:
            task()
        return
    current = torch.cuda.current_stream()
    streams = _streams()[: len(tasks)]
    for stream in streams:
        stream.wait_stream(current)
    try:
        for number, task in enumerate(tasks):
            with torch.cuda.stream(streams[number % len(streams)]):
                task()
    finally:
        # Also after an error: a graph with unjoined streams could not be closed, and would hide the error.
        for stream in streams:
            current.wait_stream(stream)


class CudaGraphStep:
    """A training step over batches of one size, as a CUDA graph (https://docs.pytorch.org/docs/stable/notes/cuda.html).

    Launching a small kernel takes the CPU longer than the device takes to compute it; a graph is launched as a whole.
    """

    def __init__(self) -> None:
        self._graph: torch.cuda.CUDAGraph | None = None
        self._rows: Tensor | None = None

    def run(self, rows: Tensor, compute: Callable[[Tensor], None]) -> None:
        """Run a step: eagerly the first time, so that libraries can initialise; then as a graph.

        Args:
            rows: the argument of ``compute``; always of the same shape.
            compute: always the same function; it computes on the device only, and changes nothing on the CPU.
        """
        if self._rows is None:
            self._rows = rows.clone()
            compute(self._rows)
            return
        self._rows.copy_(rows)
        if self._graph is None:
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                compute(self._rows)
        self._graph.replay()
