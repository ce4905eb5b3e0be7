from pathlib import Path

import blindtune.core.last_word  # noqa: F401  first: one sentence if anything fails
from blindtune.core.download import fetch
from blindtune.core.job_claims import claim_output
from blindtune.core.job_log import run_job
from blindtune.core.quick_exit import leave

with (
    run_job(Path(snakemake.log[0]), snakemake.config) as job_log,
    claim_output(Path(snakemake.output[0]), f"the download {snakemake.wildcards.file}", snakemake.config, job_log),
):
    job_log.info(f"downloading {snakemake.params.url}")
    fetch(snakemake.params.url, snakemake.params.sha256 or None, Path(snakemake.output[0]))

leave()
