"""The evals that a ledger knows, by content: in another order, under another name or in part they are known again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from blindtune.core.arrays import open_array, write_array
from blindtune.core.errors import UserError
from blindtune.datasets.content import digest_content

#: An eval of whose samples this part was in another one is the same: a few rows changed, or any number dropped or
#: doubled, make no new one.
SAME_SHARE = 0.9


@dataclass(frozen=True)
class EvalIdentity:
    """What an eval split is known by.

    Attributes:
        sha256: of its arrays, in their order.
        content_sha256: of its samples, in any order; None for one that only an older ledger knows.
        digests: of its samples, sorted, (n_samples,) of dtype S16; None as above.
        labelled_sha256: of its samples with their labels, in any order; None as above.
        origins: digests of the raw material that it was made of, sorted, (n_origins,) of dtype S16; None: not known.
    """

    sha256: str
    content_sha256: str | None = None
    digests: NDArray[np.bytes_] | None = None
    labelled_sha256: str | None = None
    origins: NDArray[np.bytes_] | None = None

    @property
    def origins_sha256(self) -> str | None:
        """Identifies the raw material, in any order; None: not known."""
        return None if self.origins is None else digest_content(self.origins)


@dataclass(frozen=True)
class Overlap:
    """The samples, or the origins, that an eval shares with another.

    Attributes:
        shared: number of its samples that the other has too.
        samples: number of its samples.
        share: the part of its samples, each counted once, that the other has too.
        of: what is counted.
    """

    shared: int
    samples: int
    share: float
    of: Literal["samples", "origins"] = "samples"


class KnownEvals:
    """The evals that the entries of a ledger name; the digests of their samples are in a folder next to it."""

    def __init__(self, folder: Path, entries: Iterable[Mapping[str, Any]]) -> None:
        self._folder, entries = folder, list(entries)
        self._origins: dict[str, str] = {
            entry["eval_sha256"]: entry["eval_origins_sha256"]
            for entry in entries
            if entry.get("eval_origins_sha256") is not None
        }
        #: Entries of before have no content; a later one of the same arrays tells it.
        self._contents: dict[str, str] = {
            entry["eval_sha256"]: entry["eval_content_sha256"]
            for entry in entries
            if entry.get("eval_content_sha256") is not None
        }

    def names(self, content_sha256: str) -> bool:
        """Return whether an entry names an eval by its content."""
        return content_sha256 in self._contents.values()

    def contents(self) -> list[str]:
        """Return the digest of the content of each eval that has one, each once."""
        return list(dict.fromkeys(self._contents.values()))

    def origins(self) -> list[str]:
        """Return the digest of the raw material of each eval that has one, each once."""
        return list(dict.fromkeys(self._origins.values()))

    def content_of(self, eval_sha256: str) -> str | None:
        """Return the digest of the content of an eval; None if no entry has it."""
        return self._contents.get(eval_sha256)

    def origins_of(self, eval_sha256: str) -> str | None:
        """Return the digest of the raw material that an eval was made of; None if no entry has it."""
        return self._origins.get(eval_sha256)

    def is_of_same_origin(self, eval_sha256: str, identity: EvalIdentity) -> bool:
        """Return whether an eval of the ledger was made of the raw material of ``identity``, but for a small part.

        Raises:
            UserError: the digests of its origins are missing or damaged.
        """
        known = self.origins_of(eval_sha256)
        if known is None or identity.origins is None:
            return False
        return known == identity.origins_sha256 or self.compare_origins(identity.origins, known).share >= SAME_SHARE

    def compare_origins(self, own: NDArray[np.bytes_], origins_sha256: str) -> Overlap:
        """Count the origins that an eval shares with one of the ledger.

        Args:
            own: digests of the origins of the eval.
            origins_sha256: identifies those of the other.

        Raises:
            UserError: as `is_of_same_origin`.
        """
        return replace(compare_evals(own, self.read(origins_sha256)), of="origins")

    def is_same(self, eval_sha256: str, identity: EvalIdentity) -> bool:
        """Return whether an eval of the ledger is the one of ``identity``, but for a few samples.

        Raises:
            UserError: the digests of its samples are missing or damaged.
        """
        if eval_sha256 == identity.sha256:
            return True
        content = self.content_of(eval_sha256)
        if content is None or identity.content_sha256 is None:
            return False
        if content == identity.content_sha256:
            return True
        return identity.digests is not None and compare_evals(identity.digests, self.read(content)).share >= SAME_SHARE

    def keep(self, identity: EvalIdentity) -> None:
        """Write the digests of the samples and of the origins of an eval, unless they are there."""
        for sha256, digests in (
            (identity.content_sha256, identity.digests),
            (identity.origins_sha256, identity.origins),
        ):
            if sha256 is not None and digests is not None and not self.path(sha256).exists():
                write_array(self.path(sha256), digests)

    def read(self, content_sha256: str) -> NDArray[np.bytes_]:
        """Return the digests of the samples, or of the origins, of an eval, sorted.

        Raises:
            UserError: they are missing, or not those of this content.
        """
        return _read_digests(self.path(content_sha256), content_sha256)

    def path(self, content_sha256: str) -> Path:
        """Return the file that holds the digests of the samples, or of the origins, of an eval."""
        return self._folder / "evals" / f"{content_sha256}.npy"


def compare_evals(own: NDArray[np.bytes_], other: NDArray[np.bytes_]) -> Overlap:
    """Count the samples that an eval shares with another.

    Args:
        own: digests of the samples of the eval.
        other: digests of the samples of the other.
    """
    found = np.isin(own, other)
    distinct = len(np.unique(own))
    return Overlap(int(found.sum()), len(own), len(np.unique(own[found])) / max(distinct, 1))


def _read_digests(path: Path, content_sha256: str) -> NDArray[np.bytes_]:
    digests = open_array(path, "By this file the ledger knows an eval again. Restore it from a backup.")
    if digests.dtype.kind != "S" or digest_content(digests) != content_sha256:
        raise UserError(f"{path}: is not what the ledger recorded. Restore it from a backup.")
    return digests
