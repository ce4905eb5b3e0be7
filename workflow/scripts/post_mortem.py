from pathlib import Path

import blindtune.core.last_word  # first: one sentence if anything fails
import blindtune.core.single_thread  # noqa: F401  before NumPy
from blindtune.core.job_claims import claim_output
from blindtune.core.job_log import run_job
from blindtune.core.quick_exit import leave
from blindtune.decoding.post_mortem import Looks, write_post_mortem_of
from blindtune.training.keras.backend import prefer_light_backend

prefer_light_backend()
wildcards, params = snakemake.wildcards, snakemake.params
with (
    run_job(Path(snakemake.log[0]), snakemake.config) as job_log,
    claim_output(
        Path(snakemake.output[0]).parent,
        f"the post-mortem of {wildcards.system} on {wildcards.dataset}",
        snakemake.config,
        job_log,
    ),
):
    write_post_mortem_of(
        Looks(Path(params.root), wildcards.dataset, params.systems, params.seeds),
        wildcards.system,
        int(wildcards.seed),
        ledger=Path(params.ledger),
        report=job_log.finish,
        progress=job_log.progress,
        workers=snakemake.threads,
    )

leave()
