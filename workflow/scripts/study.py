from pathlib import Path

import blindtune.one_thread  # noqa: F401  before NumPy
from blindtune.console import job
from blindtune.datasets.store import open_prepared
from blindtune.runs import run
from blindtune.studies import Study

with job(Path(snakemake.log[0]), snakemake.config) as console:
    files = {name: Path(path) for name, path in snakemake.input.items()}
    data = open_prepared(files.pop("manifest"))
    folder = Path(snakemake.output.card).parent
    run(
        Study.model_validate(snakemake.params.study),
        data,
        files,
        snakemake.params.code,
        folder,
        console,
        snakemake.threads,
    )
