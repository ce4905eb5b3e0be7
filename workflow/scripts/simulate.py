from pathlib import Path

import blindtune.core.last_word  # noqa: F401  first: one sentence if anything fails
from blindtune.config.schema import read_dataset
from blindtune.core.job_claims import claim_output
from blindtune.core.job_log import run_job
from blindtune.core.quick_exit import leave
from blindtune.datasets.corpus.extraction import simulate_batch

with (
    run_job(Path(snakemake.log[0]), snakemake.config) as job_log,
    claim_output(
        Path(snakemake.output[0]),
        f"the simulated batch {snakemake.wildcards.batch} of {snakemake.wildcards.dataset}",
        snakemake.config,
        job_log,
    ),
):
    source = read_dataset(snakemake.params.source)
    simulate_batch(source, snakemake.wildcards.batch, Path(snakemake.params.folder), Path(snakemake.output[0]))

leave()
