from pathlib import Path

from blindtune.config import read_dataset
from blindtune.console import job
from blindtune.datasets.extracts import make_batch

with job(Path(snakemake.log[0]), snakemake.config):
    source = read_dataset(snakemake.params.source)
    make_batch(source, snakemake.wildcards.batch, Path(snakemake.params.folder), Path(snakemake.output[0]))
