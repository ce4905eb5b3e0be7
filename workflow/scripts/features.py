from pathlib import Path

import blindtune.core.last_word  # first: one sentence if anything fails
import blindtune.core.single_thread  # noqa: F401  before NumPy
from blindtune.core.files import write_json
from blindtune.core.job_claims import release_on_termination, seconds_to_wait
from blindtune.core.job_log import run_job
from blindtune.core.quick_exit import leave
from blindtune.core.side_files import list_side_files
from blindtune.datasets.prepared import open_prepared
from blindtune.views.config import ExtractedView
from blindtune.views.feature_store import write_features

with run_job(Path(snakemake.log[0]), snakemake.config) as job_log, release_on_termination():
    output = Path(snakemake.output.record)
    folder, record = write_features(
        ExtractedView.model_validate(snakemake.params.view),
        open_prepared(Path(snakemake.input.manifest)),
        output.stem,
        report=job_log.finish,
        progress=job_log.progress,
        wait_seconds=seconds_to_wait(snakemake.config),
    )
    list_side_files(
        Path(snakemake.params.side_files),
        Path(snakemake.params.root),
        [folder],
        snakemake.params.times_made_again,
    )
    write_json(output, record)

leave()
