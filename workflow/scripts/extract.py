from pathlib import Path

import blindtune.core.last_word  # noqa: F401  first: one sentence if anything fails
from blindtune.config.schema import read_dataset
from blindtune.core.job_claims import claim_output
from blindtune.core.job_log import run_job
from blindtune.core.quick_exit import leave
from blindtune.core.side_files import list_side_files
from blindtune.datasets.corpus.extraction import extract_batch

with (
    run_job(Path(snakemake.log[0]), snakemake.config) as job_log,
    claim_output(
        Path(snakemake.output.extract),
        f"the extract {snakemake.wildcards.batch} of {snakemake.wildcards.dataset}",
        snakemake.config,
        job_log,
    ),
):
    source = read_dataset(snakemake.params.source)
    extract = Path(snakemake.output.extract)
    extract_batch(
        source,
        snakemake.wildcards.batch,
        Path(snakemake.params.folder),
        extract,
        job_log.detail,
        snakemake.params.unusable,
    )
    list_side_files(
        Path(snakemake.params.side_files),
        Path(snakemake.params.root),
        [extract.with_suffix("")],
        snakemake.params.times_made_again,
    )

leave()
