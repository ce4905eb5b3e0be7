from pathlib import Path

from blindtune.core.job_log import job
from blindtune.datasets.prepared import open_prepared
from blindtune.decoding.decode import sample_splits
from blindtune.decoding.ledger import Ledger
from blindtune.records.decode_result import write_npz

with job(Path(snakemake.log[0]), snakemake.config):
    data = open_prepared(Path(snakemake.input.manifest))
    ledger = Ledger(Path(snakemake.params.ledger))
    arrays = sample_splits(data, Path(snakemake.input.seal), ledger, snakemake.params.points)
    write_npz(Path(snakemake.output.samples), arrays)
