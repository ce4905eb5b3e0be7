from pathlib import Path

import blindtune.core.last_word  # first: one sentence if anything fails
import blindtune.core.single_thread  # noqa: F401  before NumPy
from blindtune.config.study import Study
from blindtune.core.job_claims import release_on_termination, seconds_to_wait
from blindtune.core.job_log import run_job
from blindtune.core.quick_exit import leave
from blindtune.datasets.prepared import open_prepared
from blindtune.study.run import run_study
from blindtune.training.keras.backend import prefer_light_backend

prefer_light_backend()
for study, card, log in zip(snakemake.params.studies, snakemake.output.cards, snakemake.log, strict=True):
    with run_job(Path(log), snakemake.config) as job_log, release_on_termination():
        shards = [path for path in map(Path, snakemake.input.shards) if path.parent.name == str(study["seed"])]
        files = {name: Path(path) for name, path in snakemake.input.items() if name != "shards"}
        data = open_prepared(files.pop("manifest"))
        run_study(
            Study.model_validate(study),
            data,
            files=files,
            code=snakemake.params.code,
            folder=Path(card).parent,
            job_log=job_log,
            workers=snakemake.threads,
            wait_seconds=seconds_to_wait(snakemake.config),
            shards=shards,
        )

leave()
