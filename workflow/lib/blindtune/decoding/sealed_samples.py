"""Samples of a sealed eval are known by their content, wherever they are: no command but decode answers them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.core.errors import UserError
from blindtune.datasets.chunked import iterate_chunks
from blindtune.datasets.content import concatenate_digests, digest_content, digest_samples, find_among
from blindtune.datasets.prepared import Prepared, open_prepared, read_eval_digests
from blindtune.datasets.verification import read_manifest
from blindtune.decoding.known_evals import KnownEvals
from blindtune.decoding.ledger import Ledger


class CheckedSamples:
    """Samples that are to be answered, with their digests by the type in which a dataset stores its samples."""

    def __init__(self, on: Path, x: NDArray[Any], what: str, advice: str) -> None:
        """Take samples.

        Args:
            on: where they come from, for messages.
            x: as a dataset stores them, (n_samples, ...).
            what: what they are, for messages, such as ``samples of its dev``.
            advice: what to do when the sealed ones were taken out, for messages.
        """
        self.on = on
        self._x, self._what, self._advice = x, what, advice
        self._digests: dict[np.dtype[Any], NDArray[np.bytes_]] = {}

    def digests(self, dtype: np.dtype[Any] | None = None) -> NDArray[np.bytes_]:
        """Return the digests that the samples have as a type; None: their own."""
        dtype = self._x.dtype if dtype is None else dtype
        if dtype not in self._digests:
            self._digests[dtype] = _digest_as(self._x, dtype)
        return self._digests[dtype]

    def refuse(self, shared: NDArray[np.bool_], whose: str) -> None:
        """Refuse the set if some of its samples are sealed.

        Raises:
            UserError: there are any; the message says how many.
        """
        if shared.any():
            raise UserError(
                f"{self.on}: {int(shared.sum()):,} of {len(shared):,} {self._what} are in {whose}. Only decode scores "
                f"on that. Take them out of the set, {self._advice}."
            )


def read_evals(folder: Path) -> KnownEvals:
    """Return the evals that a ledger knows; none if there is no ledger."""
    return Ledger(folder).evals()


def refuse_sealed_samples(
    samples: CheckedSamples, manifests: list[Path], ledgers: list[KnownEvals], report: Callable[[str], None]
) -> set[str]:
    """Refuse samples that are sealed in a dataset: in its eval, and in neither its train nor its dev.

    Args:
        samples: what is to be answered.
        manifests: of the datasets.
        ledgers: what ledgers know of evals, for a dataset that does not say what is in its own.
        report: takes a line about a dataset of whose eval nothing is known.

    Returns:
        The digest of the content of each eval that was compared.
    """
    checked: set[str] = set()
    for manifest in dict.fromkeys(path.resolve() for path in manifests):
        content = read_manifest(manifest)
        name, sealed = content["dataset"], read_eval_digests(manifest, content)
        if sealed is None:
            sealed = next(
                (evals.read(known) for evals in ledgers if (known := evals.content_of(content["splits"].get("eval")))),
                None,
            )
        if sealed is None:
            report(
                f"{name}: was prepared by an older version, so single samples of its eval are not recognised. Remove "
                f"{manifest} and run again to have them recognised."
            )
            continue
        checked.add(digest_content(sealed))
        digests = samples.digests(np.dtype(content["dtype"]) if "dtype" in content else None)
        shared = find_among(digests, sealed)
        if shared.any():
            # Real data may have samples of eval in train or dev. These are no secret, and the report counts them.
            data = open_prepared(manifest)
            for part in (data.train, data.dev):
                shared &= ~find_among(digests, np.sort(digest_samples(part.x)))
        samples.refuse(shared, f"the eval split of {name}")
    return checked


def refuse_samples_of_ledger(
    samples: CheckedSamples, own: Prepared, ledgers: list[KnownEvals], checked: set[str]
) -> None:
    """Refuse samples of any eval that a ledger knows, of whatever config; those of the study's train and dev may stay.

    Args:
        samples: what is to be answered.
        own: the data of the study, from which it has learned already.
        ledgers: what ledgers know of evals.
        checked: the digest of the content of each eval that was compared already.
    """
    sealed = {content: evals for evals in ledgers for content in evals.contents() if content not in checked}
    # The ledger does not say how an eval was stored; floats of any precision have the same digests.
    for dtype in (None, np.dtype(np.float32)):
        digests = samples.digests(dtype)
        for content, evals in sealed.items():
            shared = find_among(digests, evals.read(content))
            for part in (own.train, own.dev) if shared.any() else ():
                shared &= ~find_among(digests, np.sort(digest_samples(part.x)))
            samples.refuse(shared, f"an eval that the ledger holds (evals/{content}.npy)")


def _digest_as(x: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[np.bytes_]:
    """Return the digests that samples have where they are stored as another type."""
    return concatenate_digests([digest_samples(chunk.astype(dtype)) for chunk in iterate_chunks(x)])
