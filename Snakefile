"""The blindtune workflow: compare hyperparameter tuners blindly with expert models.

Input: config.yaml, and the files of --configfile, which are merged into it key by key. Output:
results/<name>/report/report.html. Each stage is one file in workflow/rules.
"""

import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.27.1")
sys.path.insert(0, f"{workflow.basedir}/workflow/lib")

from blindtune.core import library_copy
from blindtune.core.errors import UserError

try:
    COPY = library_copy.pin(Path(workflow.basedir) / "workflow" / "lib")
except UserError as error:
    raise WorkflowError(str(error)) from None


configfile: f"{workflow.basedir}/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/prepare.smk"
include: "workflow/rules/corpora.smk"
include: "workflow/rules/study.smk"
include: "workflow/rules/decode.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        PATHS.page(),
    message:
        "the report is complete"
