from pathlib import Path

import blindtune.core.last_word  # first: one sentence if anything fails
import blindtune.core.single_thread  # noqa: F401  before NumPy
from blindtune.core.job_claims import claim_output
from blindtune.core.job_log import run_job
from blindtune.core.quick_exit import leave
from blindtune.decoding.decode import decode_to_files

with (
    run_job(Path(snakemake.log[0]), snakemake.config) as job_log,
    claim_output(
        Path(snakemake.output.results[0]).parents[1],
        f"the decode of {snakemake.wildcards.system} on {snakemake.wildcards.dataset}",
        snakemake.config,
        job_log,
    ),
):
    for card, result in zip(snakemake.input.cards, snakemake.output.results, strict=True):
        decode_to_files(
            card=Path(card),
            manifest=Path(snakemake.input.manifest),
            sealed=Path(snakemake.input.seal),
            ledger=Path(snakemake.params.ledger),
            allow_repeats=snakemake.params.allow_repeats,
            points=snakemake.params.points,
            folder=Path(result).parent,
            report=job_log.finish,
            workers=snakemake.threads,
            root=Path(snakemake.params.root),
        )

leave()
