"""Run one study of a few candidates: ``python run_with_full_disk.py MANIFEST FOLDER [BYTES]``.

With BYTES no file may grow larger than that, as on a full disk.
"""

import resource
import sys
from pathlib import Path

from blindtune.config.systems import Knn
from blindtune.core.job_log import run_job
from blindtune.datasets.prepared import open_prepared
from blindtune.study.run import run_study
from support import builders

manifest, folder, *limit = sys.argv[1:]
study = builders.study(Knn(kind="knn", n_neighbors=[1, 3, 5, 7]))
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit[0]), int(limit[0])))
with run_job(Path(folder).with_suffix(".log"), {}) as job_log:
    run_study(study, open_prepared(Path(manifest)), files={}, code="code", folder=Path(folder), job_log=job_log)
