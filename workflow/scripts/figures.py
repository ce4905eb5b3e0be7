from pathlib import Path

import blindtune.core.last_word  # noqa: F401  first: one sentence if anything fails
from blindtune.core.job_claims import claim_output
from blindtune.core.job_log import run_job
from blindtune.core.quick_exit import leave
from blindtune.report.figures.write import write_figures
from blindtune.report.records import read_records

with (
    run_job(Path(snakemake.log[0]), snakemake.config) as job_log,
    claim_output(Path(snakemake.output[0]).parent, "the figures", snakemake.config, job_log),
):
    params = snakemake.params
    compare = [tuple(pair) for pair in params.compare]
    records = read_records(
        Path(params.root), compare, params.seeds, Path(params.ledger), params.post_mortems, params.margin
    )
    write_figures(records, Path(snakemake.output[0]).parent)

leave()
