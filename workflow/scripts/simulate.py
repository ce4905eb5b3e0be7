from pathlib import Path

import blindtune.core.last_word  # noqa: F401  first: one sentence if anything fails
from blindtune.config.schema import read_dataset
from blindtune.core.job_claims import claim_output
from blindtune.core.job_log import run_job
from blindtune.core.quick_exit import leave
from blindtune.core.side_files import list_side_files
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
    batch, folder = snakemake.wildcards.batch, Path(snakemake.params.folder)
    simulate_batch(source, batch, folder, Path(snakemake.output[0]))
    files = [folder / name for raw in source.select_batch(batch) for name in (raw.file, *raw.companions)]
    list_side_files(
        Path(snakemake.params.side_files), Path(snakemake.params.root), files, snakemake.params.times_made_again
    )

leave()
