from pathlib import Path

import blindtune.one_thread  # noqa: F401  before NumPy
from blindtune.console import job
from blindtune.seal import decode_to_files

with job(Path(snakemake.log[0]), snakemake.config) as console:
    for card, look in zip(snakemake.input.cards, snakemake.output.looks, strict=True):
        decode_to_files(
            card=Path(card),
            manifest=Path(snakemake.input.manifest),
            sealed=Path(snakemake.input.seal),
            ledger=Path(snakemake.params.ledger),
            repeats=snakemake.params.repeats,
            points=snakemake.params.points,
            folder=Path(look).parent,
            report=console.done,
            workers=snakemake.threads,
        )
