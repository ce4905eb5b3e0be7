"""The order of the systems of each dataset: of equals on dev, the first in the config counts.

A report keeps the order next to its page, since no other record of a run has it.
"""

from collections.abc import Sequence
from pathlib import Path

from blindtune.core.errors import UserError
from blindtune.core.files import read_json_object, write_json

#: The file that keeps it, in the folder of the report.
FILE = "systems.json"


def keep_system_order(folder: Path, compare: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Write the order of the systems of a report into its folder.

    Args:
        folder: of the report.
        compare: the name of each dataset with the names of its systems, in the order of the config.
    """
    write_json(folder / FILE, {"systems": {dataset: list(systems) for dataset, systems in compare}})


def read_system_order(root: Path) -> dict[str, list[str]]:
    """Read the order of the systems of each dataset of a run's report; empty if it has no report that keeps it.

    Args:
        root: ``results/<config name>``.

    Raises:
        UserError: the file does not hold names of systems.
    """
    path = root / "report" / FILE
    if not path.exists():
        return {}
    found = read_json_object(path, systems=dict)["systems"]
    names = [name for systems in found.values() for name in (systems if isinstance(systems, list) else [None])]
    if not all(isinstance(name, str) for name in names):
        raise UserError(
            f"{path}: does not hold the names of each dataset's systems. Remove report/report.html and run again."
        )
    return dict(found)
