from pathlib import Path

from blindtune.config import read_dataset
from blindtune.console import job
from blindtune.datasets.examples import write_examples

with job(Path(snakemake.log[0]), snakemake.config):
    write_examples(
        read_dataset(snakemake.params.source),
        Path(snakemake.input.manifest),
        [Path(path) for path in snakemake.input.extracts],
        Path(snakemake.params.folder),
        Path(snakemake.output[0]),
    )
