"""blindtune: does an autotuner beat an expert, on this data and with this budget?

In: config.yaml, and any overlay given by --configfile. Out: results/<name>/report/report.html.
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
