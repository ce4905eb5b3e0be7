from pathlib import Path

import blindtune.core.last_word  # first: one sentence if anything fails
import blindtune.core.single_thread  # noqa: F401  before NumPy
from blindtune.config.study import Study
from blindtune.core.job_claims import release_on_termination, seconds_to_wait
from blindtune.core.job_log import run_job
from blindtune.core.paths import study_folder_of
from blindtune.core.quick_exit import leave
from blindtune.core.shards import Shard
from blindtune.datasets.prepared import open_prepared
from blindtune.study.run import check_study_engine
from blindtune.study.shard_run import run_shard
from blindtune.training.keras.backend import prefer_light_backend

prefer_light_backend()
with run_job(Path(snakemake.log[0]), snakemake.config) as job_log, release_on_termination():
    output = Path(snakemake.output.outcomes)
    study = Study.model_validate(snakemake.params.study)
    check_study_engine(study)
    run_shard(
        study,
        open_prepared(Path(snakemake.input.manifest)),
        shard=Shard.parse(snakemake.wildcards.part),
        files=study.settings.files(),
        code=snakemake.params.code,
        output=output,
        study_folder=study_folder_of(output),
        job_log=job_log,
        workers=snakemake.threads,
        wait_seconds=seconds_to_wait(snakemake.config),
        earlier=[Path(path) for path in snakemake.input.earlier],
    )

leave()
