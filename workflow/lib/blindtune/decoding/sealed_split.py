"""The seal around eval: sealed data can be identified without being opened."""

from dataclasses import dataclass
from pathlib import Path

from blindtune.core.errors import UserError
from blindtune.core.files import read_json
from blindtune.datasets.base import Split
from blindtune.datasets.prepared import digest_of_split, open_split


@dataclass(frozen=True)
class Seal:
    """The seal of a dataset's eval split.

    Attributes:
        folder: the sealed folder.
        sha256: identifies the data.
    """

    folder: Path
    sha256: str

    def open(self) -> Split:
        """Open the eval split and return it.

        Raises:
            UserError: the data are not those that were sealed.
        """
        split = open_split(self.folder / "eval")
        if digest_of_split(split) != self.sha256:
            raise UserError(
                f"{self.folder}: the eval data are not those that were sealed. Remove the folder and run again."
            )
        return split


def read_seal(path: Path) -> Seal:
    """Return the seal that ``seal.json`` describes; the data are not opened."""
    return Seal(path.parent, read_json(path)["sha256"])
