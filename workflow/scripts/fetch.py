from pathlib import Path

from blindtune.core.download import fetch
from blindtune.core.job_log import job

with job(Path(snakemake.log[0]), snakemake.config) as console:
    console.say(f"fetching {snakemake.params.url}")
    fetch(snakemake.params.url, snakemake.params.sha256 or None, Path(snakemake.output[0]))
