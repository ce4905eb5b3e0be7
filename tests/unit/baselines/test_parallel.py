"""Chunks of samples on several cores: each sample once, and no error is lost."""

import pytest

from blindtune.baselines.parallel import run_in_chunks
from support.tied_samples import JOBS


@pytest.mark.parametrize("jobs", JOBS)
@pytest.mark.parametrize("samples", [1, 6, 7, 8, 21])
def test_run_in_chunks_processes_each_sample_once(samples: int, jobs: int) -> None:
    """Every sample is in one chunk."""
    processed: list[int] = []
    run_in_chunks(lambda chunk: processed.extend(range(samples)[chunk]), samples, 7, jobs)
    assert sorted(processed) == list(range(samples))


def test_run_in_chunks_raises_what_a_chunk_raises() -> None:
    """An error in one chunk is raised."""

    def process(chunk: slice) -> None:
        if chunk.start == 7:
            raise ValueError("the second")

    with pytest.raises(ValueError, match="the second"):
        run_in_chunks(process, 20, 7, 2)
