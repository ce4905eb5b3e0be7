from pathlib import Path

import blindtune.core.last_word  # first: one sentence if anything fails
import blindtune.core.single_thread  # noqa: F401  before NumPy
from blindtune.config.study import Study
from blindtune.core.job_claims import release_on_termination, seconds_to_wait
from blindtune.core.job_log import run_job
from blindtune.core.quick_exit import leave
from blindtune.core.retries import clear_message
from blindtune.core.side_files import list_side_files, study_list
from blindtune.datasets.prepared import open_prepared
from blindtune.study.run import check_study_engine, run_study
from blindtune.training.keras.backend import prefer_light_backend

prefer_light_backend()
for log in map(Path, snakemake.log):
    clear_message(log)  # of an attempt before, also for the seeds after one in which this attempt is killed
for study, card, log in zip(snakemake.params.studies, snakemake.output.cards, snakemake.log, strict=True):
    with run_job(Path(log), snakemake.config) as job_log, release_on_termination():
        shards = [path for path in map(Path, snakemake.input.shards) if path.parent.name == str(study["seed"])]
        checked = Study.model_validate(study)
        check_study_engine(checked)
        run_study(
            checked,
            open_prepared(Path(snakemake.input.manifest)),
            files=checked.settings.files(),
            code=snakemake.params.code,
            folder=Path(card).parent,
            job_log=job_log,
            workers=snakemake.threads,
            wait_seconds=seconds_to_wait(snakemake.config),
            shards=shards,
            on_nodes=snakemake.resources.get("nodes", 1) > 1,
        )
        records = [Path(card).with_name(name) for name in ("protocol.json", "trials.jsonl", "weights")]
        list_side_files(study_list(card), Path(snakemake.params.root), records)

leave()
