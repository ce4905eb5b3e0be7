"""The blindtune workflow: compare hyperparameter tuners blindly with expert models.

Input: config.yaml, and the files of --configfile, or the config that another workflow gives to this one as a module;
these are merged into it key by key. Output: results/<name>/report/report.html. Each stage is one file in workflow/rules.
"""

import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.27.1")

# The folder of this file, also where workflow/Snakefile or the module of another workflow includes it.
ROOT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).resolve()
if not ROOT.is_dir():
    raise WorkflowError(
        f"{workflow.current_basedir}: Snakemake fetches the rules of a hosted workflow, but not blindtune's library next "
        "to them. Clone the repository, and name the Snakefile of the clone instead."
    )
sys.path.insert(0, str(ROOT / "workflow" / "lib"))

from blindtune.core import library_copy
from blindtune.core.errors import UserError

try:
    COPY = library_copy.pin(ROOT / "workflow" / "lib")
except UserError as error:
    raise WorkflowError(str(error)) from None


KNOWN_CONFIGFILES = len(workflow.configfiles)


# Snakemake passes over this line where another workflow gives a config to its module; common.smk reads the file then.
configfile: ROOT / "config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/messages.smk"
include: "workflow/rules/retries.smk"
include: "workflow/rules/job_resources.smk"
include: "workflow/rules/prepare.smk"
include: "workflow/rules/corpora.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/shards.smk"
include: "workflow/rules/study.smk"
include: "workflow/rules/decode.smk"
include: "workflow/rules/report.smk"


rule all:
    # Not the page alone: Snakemake takes a lost file for needless if what was made of it is there. Extracts, simulated
    # corpora, downloads and shards are not asked for: they are large, and may be removed once they were used.
    default_target: True
    input:
        rules.page.output,
        rules.figures.output,
        rules.tables.output,
        **RECORDS,
        features=sorted({PATHS.features(dataset, key) for (dataset, _), key in CONFIG.features.items()}),
        seals=[PATHS.seal(comparison.dataset) for comparison in CONFIG.compare],
    message:
        "the report is complete"
