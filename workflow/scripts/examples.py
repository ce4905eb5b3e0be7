from pathlib import Path

import blindtune.core.last_word  # noqa: F401  first: one sentence if anything fails
from blindtune.config.schema import read_dataset
from blindtune.core.job_claims import claim_output
from blindtune.core.job_log import run_job
from blindtune.core.quick_exit import leave
from blindtune.datasets.corpus.examples import write_examples

with (
    run_job(Path(snakemake.log[0]), snakemake.config) as job_log,
    claim_output(
        Path(snakemake.output[0]), f"the examples of {snakemake.wildcards.dataset}", snakemake.config, job_log
    ),
):
    missing = write_examples(
        read_dataset(snakemake.params.source),
        Path(snakemake.input.manifest),
        [Path(path) for path in snakemake.input.extracts],
        Path(snakemake.params.folder),
        Path(snakemake.output[0]),
    )
    for line in missing:
        job_log.info(line)

leave()
