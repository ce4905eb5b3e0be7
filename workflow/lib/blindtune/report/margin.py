"""The difference that is too small to matter: two systems that differ by less are equivalent.

A report keeps its margin next to its page, since no other record of a run has it.
"""

from pathlib import Path

from blindtune.core.errors import UserError
from blindtune.core.files import read_json_object, write_json

#: In points of %: the region of practical equivalence of Benavoli et al. (JMLR 18, 2017) for accuracies.
DEFAULT_MARGIN = 1.0

#: The file that keeps it, in the folder of the report.
FILE = "margin.json"


def from_points(margin: float) -> float:
    """Return a margin in the unit of errors from 0 to 1, and of metrics that are no shares, such as the log loss.

    Args:
        margin: in points of %.
    """
    return margin / 100


def keep_margin(folder: Path, margin: float) -> None:
    """Write the margin of a report into its folder.

    Args:
        folder: of the report.
        margin: the difference that is too small to matter, in points of %.
    """
    write_json(folder / FILE, {"margin": margin})


def read_margin(root: Path) -> float | None:
    """Return the margin of a run's report, in points of %; None if it has no report.

    Args:
        root: ``results/<config name>``.

    Raises:
        UserError: the file does not hold a margin.
    """
    path = root / "report" / FILE
    if not path.exists():
        return None
    margin = read_json_object(path).get("margin")
    if isinstance(margin, bool) or not isinstance(margin, int | float) or margin <= 0:
        raise UserError(f"{path}: does not hold a margin above 0. Remove report/report.html and run again.")
    return float(margin)
