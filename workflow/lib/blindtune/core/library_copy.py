"""Which copy of blindtune runs: a plan and its jobs must use the same one.

An environment may hold an installed copy from another checkout. A workflow plans with the copy of its own folder, and
its jobs would import the installed one. `pin` makes every child process import the workflow's copy; `check` refuses a
job that has another one all the same.
"""

import os
from pathlib import Path

import blindtune
from blindtune.core.errors import UserError

#: Names the folder of the copy that planned, for the jobs.
VARIABLE = "BLINDTUNE_LIBRARY"


def copy_in_use() -> Path:
    """Return the folder from which this process imported blindtune."""
    return Path(blindtune.__file__).resolve().parents[1]


def pin(folder: Path) -> str:
    """Make this process and all its children use one copy of blindtune.

    Args:
        folder: the folder that holds the package ``blindtune`` of the workflow.

    Returns:
        A line that says which copy runs.

    Raises:
        UserError: this process has imported another copy already.
    """
    folder = folder.resolve()
    if copy_in_use() != folder:
        raise UserError(
            f"the workflow in {folder} was planned with the copy of blindtune in {copy_in_use()}. Start snakemake as a "
            "separate program, so that it imports the workflow's copy."
        )
    others = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part and part != str(folder)]
    os.environ["PYTHONPATH"] = os.pathsep.join([str(folder), *others])
    os.environ[VARIABLE] = str(folder)
    return f"blindtune {blindtune.__version__} from {folder}"


def check() -> None:
    """Refuse to run a job with another copy than the one that planned it.

    Raises:
        UserError: the copies differ; the message names both.
    """
    planned = os.environ.get(VARIABLE)
    if planned is not None and Path(planned) != copy_in_use():
        raise UserError(
            f"the plan was made with the copy of blindtune in {planned}, but this job imports the one in "
            f"{copy_in_use()}. Make an environment for this checkout (make environment), or remove what puts the other "
            "copy first (PYTHONPATH, an installed blindtune)."
        )
