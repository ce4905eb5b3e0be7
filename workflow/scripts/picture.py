from pathlib import Path

from blindtune.console import job
from blindtune.datasets.store import open_prepared
from blindtune.ledger import Ledger
from blindtune.looks import write_answers
from blindtune.seal import picture

with job(Path(snakemake.log[0]), snakemake.config):
    data = open_prepared(Path(snakemake.input.manifest))
    ledger = Ledger(Path(snakemake.params.ledger))
    arrays = picture(data, Path(snakemake.input.seal), ledger, snakemake.params.points)
    write_answers(Path(snakemake.output.picture), arrays)
