"""How groups are computed on a processor, and how on a CUDA device."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor


@dataclass(frozen=True)
class Way:
    """What suits a kind of device.

    No choice changes a trial's numbers but for their rounding and, through ``units`` and ``alike``, what dropout draws.

    Attributes:
        units: widths are rounded up to a multiple of so many units.
        alike: all hidden layers as wide as the widest: more arithmetic, but more trials of the same widths.
        cache: bytes of values that the trials that are computed together may have, others after them in the same
            memory; None: those of the same widths are computed together, in memory of their own, and others at once.
        slots: batches whose scores are kept before they are summed.
        masked: units that are only padding are kept out of the gradient, all at once, instead of being set to 0 behind
            each activation whose value at 0 is another.
        recorded: a step is recorded and replayed; then ``slots`` must be 1, since every step must do the same.
    """

    units: int
    alike: bool
    cache: int | None
    slots: int
    masked: bool
    recorded: bool


#: Products of odd sizes are slower, values stay in the cache, and operations on one batch's scores are too small to be
#: quick.
PROCESSOR = Way(units=8, alike=False, cache=2**20, slots=16, masked=False, recorded=False)

#: Arithmetic is cheap beside the launch of a kernel: few widths, padding dealt with at once, nothing launched singly.
CUDA = Way(units=32, alike=True, cache=None, slots=1, masked=True, recorded=True)

_WAYS = {"cpu": PROCESSOR, "cuda": CUDA}


def way_of(device: torch.device) -> Way:
    """How groups are computed there."""
    return _WAYS[device.type]


#: Branches of a recorded step: what they compute does not fill a device alone.
_BRANCHES = 8


@cache
def _streams() -> list[torch.cuda.Stream]:
    # Always the same: each has memory of its own for products of matrices.
    return [torch.cuda.Stream() for _ in range(_BRANCHES)]  # type: ignore[no-untyped-call]


def beside_each_other(works: Sequence[Callable[[], None]], device: torch.device) -> None:
    """Do works that touch nothing of each other; while a step is recorded, as branches of its graph."""
    if device.type == "cpu" or not torch.cuda.is_current_stream_capturing():
        for work in works:
            work()
        return
    here = torch.cuda.current_stream()
    streams = _streams()[: len(works)]
    for stream in streams:
        stream.wait_stream(here)
    try:
        for number, work in enumerate(works):
            with torch.cuda.stream(streams[number % len(streams)]):
                work()
    finally:
        # Whatever went wrong: a graph with loose ends could not be closed, and would hide it.
        for stream in streams:
            here.wait_stream(stream)


class Recorded:
    """A step over batches of one size, as a graph of kernels (https://docs.pytorch.org/docs/stable/notes/cuda.html).

    To launch a small kernel takes the processor longer than the device takes to compute it; a graph is launched whole.
    """

    def __init__(self) -> None:
        self._graph: torch.cuda.CUDAGraph | None = None
        self._chosen: Tensor | None = None

    def step(self, chosen: Tensor, compute: Callable[[Tensor], None]) -> None:
        """Compute it: the first time as it stands, which lets libraries make themselves ready; then by the graph.

        Args:
            chosen: what ``compute`` takes.
            compute: always the same, all of it on the device; what it holds elsewhere it leaves as it was.
        """
        if self._chosen is None:
            self._chosen = chosen.clone()
            compute(self._chosen)
            return
        self._chosen.copy_(chosen)
        if self._graph is None:
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                compute(self._chosen)
        self._graph.replay()
