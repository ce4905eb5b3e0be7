"""The margin of equivalence that a report was made with, next to its page: no other record of a run has it."""

from pathlib import Path

from blindtune.core.errors import UserError
from blindtune.core.files import read_json_object, write_json

#: The file, in the folder of the report.
FILE = "margin.json"


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
