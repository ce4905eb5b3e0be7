from pathlib import Path

from blindtune.console import job
from blindtune.fetch import fetch

with job(Path(snakemake.log[0]), snakemake.config) as console:
    console.say(f"fetching {snakemake.params.url}")
    fetch(snakemake.params.url, snakemake.params.sha256 or None, Path(snakemake.output[0]))
