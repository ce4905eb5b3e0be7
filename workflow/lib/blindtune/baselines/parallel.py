"""Work on many samples, chunk by chunk, on some cores; each chunk alone, so that no answer depends on the cores."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def in_chunks(work: Callable[[slice], None], samples: int, at_once: int, jobs: int) -> None:
    """Call ``work`` once for every chunk.

    Args:
        work: takes the place of a chunk; releases the interpreter's lock where it takes long, since the chunks share
            one process and its memory.
        samples: how many there are.
        at_once: samples of a chunk; the last may have fewer.
        jobs: chunks at the same time.
    """
    from threadpoolctl import threadpool_limits

    chunks = [slice(first, min(first + at_once, samples)) for first in range(0, samples, at_once)]
    # Libraries that would take threads of their own take one: there are no more cores, and how scikit-learn breaks
    # ties may depend on their number. OpenMP counts them for each thread of ours apart.
    pool = ThreadPoolExecutor(jobs, initializer=threadpool_limits, initargs=(1, "openmp"))
    with threadpool_limits(1), pool:
        for _ in pool.map(work, chunks):
            pass
