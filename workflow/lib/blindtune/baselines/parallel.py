"""Process many samples chunk by chunk on several cores; no result depends on the number of cores."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def run_in_chunks(process: Callable[[slice], None], n_samples: int, chunk_size: int, jobs: int) -> None:
    """Call a function once for each chunk of samples.

    Args:
        process: takes the rows of a chunk. It should release the interpreter's lock where it takes long, since chunks
            are processed in threads of one process.
        n_samples: number of samples.
        chunk_size: number of samples of a chunk; the last one may have fewer.
        jobs: number of chunks that are processed at the same time.
    """
    from threadpoolctl import threadpool_limits

    chunks = [slice(first, min(first + chunk_size, n_samples)) for first in range(0, n_samples, chunk_size)]
    # Libraries that would start several threads get one: all cores are in use, and how scikit-learn breaks ties may
    # depend on the number of threads. OpenMP counts threads for each of our threads separately.
    pool = ThreadPoolExecutor(jobs, initializer=threadpool_limits, initargs=(1, "openmp"))
    with threadpool_limits(1), pool:
        for _ in pool.map(process, chunks):
            pass
