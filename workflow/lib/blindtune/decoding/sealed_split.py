"""The seal around eval: sealed data can be identified and verified without anything of them being shown."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from blindtune.core.errors import UserError
from blindtune.core.files import read_json_object
from blindtune.datasets.base import Split
from blindtune.datasets.content import digest_content, digest_labelled
from blindtune.datasets.corpus.recordings import SealedRecording, check_unchanged, read_recordings
from blindtune.datasets.origins import read_places
from blindtune.datasets.prepared import digest_of_split, open_split
from blindtune.datasets.verification import describe_files, digest_with_samples, is_settled
from blindtune.decoding.known_evals import EvalIdentity


@dataclass(frozen=True)
class Seal:
    """The seal of a dataset's eval split.

    Attributes:
        folder: the sealed folder.
        sha256: identifies the data.
        content_sha256: identifies its samples in any order; None in seals of before, which do not have it.
        recordings_sha256: identifies the whole recordings for event-based scores; None: there are none.
    """

    folder: Path
    sha256: str
    content_sha256: str | None = None
    recordings_sha256: str | None = None

    def open(self) -> Split:
        """Open the eval split and return it; it is digested unless `verify` has read the files as they still are.

        Raises:
            UserError: the data are not those that were sealed.
        """
        seen = describe_files(self.folder / "eval")
        split = open_split(self.folder / "eval")
        verified = self.__dict__.get("_verified")  # where `cached_property` keeps it
        is_known = verified is not None and verified[1] == seen and is_settled(seen)
        if not is_known and digest_of_split(split) != self.sha256:
            raise self._refusal()
        return split

    def find_origins(self, rows: NDArray[np.int64]) -> list[str] | None:
        """Return where samples come from, such as their file and the place in it; None if it is not known.

        Called after a decode has begun, for samples that were answered wrongly.

        Args:
            rows: of the samples, ascending.

        Raises:
            UserError: the table of the origins is unreadable.
        """
        return read_places(self.folder / "eval" / "origins.tsv", rows)

    def verify(self) -> None:
        """Read eval and check that it is what was sealed; called before a use begins, and gives nothing of it away.

        Raises:
            UserError: the data are missing or not those that were sealed.
        """
        _ = self.identity

    @property
    def recordings(self) -> list[SealedRecording]:
        """The whole recordings for event-based scores, verified; called before a use begins too.

        Raises:
            UserError: they are missing or not those that were sealed.
        """
        return self._verified_recordings[0]

    def check_recording(self, recording: SealedRecording) -> None:
        """Refuse a recording that was changed after it was verified; called when it is read, in a use.

        Args:
            recording: one of `recordings`.

        Raises:
            UserError: it is not what was sealed.
        """
        check_unchanged(recording, self.folder, self._verified_recordings[1][recording.array])

    @cached_property
    def _verified_recordings(self) -> tuple[list[SealedRecording], dict[str, list[int]]]:
        """The recordings, and what the file system said of their arrays before they were read."""
        if self.recordings_sha256 is None:
            return [], {}
        found, seen = read_recordings(self.folder, self.recordings_sha256)
        return found.recordings, seen

    @property
    def identity(self) -> EvalIdentity:
        """What eval is known by, computed from its samples once.

        Raises:
            UserError: as `verify`.
        """
        return self._verified[0]

    @cached_property
    def _verified(self) -> tuple[EvalIdentity, dict[str, list[int]]]:
        """The identity, and what the file system said of the arrays before they were read."""
        seen = describe_files(self.folder / "eval")
        split = open_split(self.folder / "eval")
        sha256, unsorted = digest_with_samples(split)
        digests = np.sort(unsorted)
        content = digest_content(digests)
        if sha256 != self.sha256 or self.content_sha256 not in (None, content):
            raise self._refusal()
        return EvalIdentity(self.sha256, content, digests, digest_labelled(unsorted, split.y)), seen

    def _refusal(self) -> UserError:
        return UserError(
            f"{self.folder}: the eval data are not those that were sealed. Remove the folder and run again."
        )


def read_seal(path: Path) -> Seal:
    """Return the seal that ``seal.json`` describes; the data are not opened.

    Raises:
        UserError: it is missing or not a seal.
    """
    content = read_json_object(path, sha256=str)
    known, recordings = (
        found if isinstance(found := content.get(name), str) else None
        for name in ("content_sha256", "recordings_sha256")
    )
    return Seal(path.parent, content["sha256"], known, recordings)
