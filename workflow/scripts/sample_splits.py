from pathlib import Path

import blindtune.core.last_word  # noqa: F401  first: one sentence if anything fails
from blindtune.core.arrays import write_npz
from blindtune.core.job_claims import claim_output
from blindtune.core.job_log import run_job
from blindtune.core.quick_exit import leave
from blindtune.datasets.prepared import open_prepared
from blindtune.decoding.ledger import Ledger
from blindtune.decoding.sample_splits import sample_splits

with (
    run_job(Path(snakemake.log[0]), snakemake.config) as job_log,
    claim_output(
        Path(snakemake.output.samples), f"the samples of {snakemake.wildcards.dataset}", snakemake.config, job_log
    ),
):
    data = open_prepared(Path(snakemake.input.manifest))
    ledger = Ledger(Path(snakemake.params.ledger))
    cards = [Path(path) for path in snakemake.input.cards]
    arrays = sample_splits(data, Path(snakemake.input.seal), ledger, snakemake.params.points, cards)
    write_npz(Path(snakemake.output.samples), arrays)

leave()
