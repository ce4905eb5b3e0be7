"""Evals that are open in another dataset of the same results, where models are trained on them or chosen by them.

A test set that was dev of a first dataset is no unseen data in a second one, and the ledger holds no decode of it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.core.arrays import open_array
from blindtune.core.errors import UserError
from blindtune.datasets.content import digest_content
from blindtune.datasets.verification import read_manifest

#: A split that holds this part of an eval opens it. Splits of the same samples that were drawn by chance share less.
OPEN_SHARE = 0.9

#: The splits that models see.
_OPEN = ("train", "dev")


def digest_open_splits(digests: Mapping[str, NDArray[np.bytes_]]) -> dict[str, str]:
    """Return the digest of the content of train and dev, in any order, by which other datasets know them.

    Args:
        digests: of the samples of each split.
    """
    return {split: digest_content(digests[split]) for split in _OPEN}


def find_open_evals(
    results: Path,
    manifest: Path,
    digests: Mapping[str, NDArray[np.bytes_]],
    eval_digests_name: str,
    is_other_fold: Callable[[Mapping[str, Any]], bool] = lambda source: False,
) -> list[str]:
    """Return a sentence for each eval that another dataset opens, or of another dataset that this one opens.

    Args:
        results: folder that holds the results of all configs.
        manifest: of the dataset, which need not exist.
        digests: of the samples of each of its splits.
        eval_digests_name: name of the file of the digests of eval, next to each manifest.
        is_other_fold: whether a dataset, by the config in its manifest, is another fold of the same samples; the evals
            of such folds are open in each other by design.
    """
    own = {split: digest_content(digests[split]) for split in digests}
    found: list[str] = []
    for path in sorted(results.glob("*/data/*/manifest.json")):
        if path.resolve() == manifest.resolve():
            continue
        with suppress(UserError):  # of another dataset, whose own jobs say what is wrong with it
            other = read_manifest(path)
            if not is_other_fold(other["source"]):
                found += _compare(path, other, own, digests, eval_digests_name)
    return found


def _compare(
    path: Path,
    other: Mapping[str, Any],
    own: Mapping[str, str],
    digests: Mapping[str, NDArray[np.bytes_]],
    eval_digests_name: str,
) -> Iterator[str]:
    name = f"dataset {other['dataset']} ({path})"
    sealed, opened = other.get("eval_content_sha256"), other.get("contents", {})
    if sealed is None or sealed == own["eval"]:
        return  # not known; or the same eval, of which the leaks of each dataset are found
    for split in _OPEN:
        if opened.get(split) == own["eval"]:
            yield f"its eval is {split} of {name}"
    kept = np.unique(open_array(path.with_name(eval_digests_name), ""))
    for split in _OPEN:
        shared = int(np.isin(kept, digests[split]).sum())
        if shared >= OPEN_SHARE * max(len(kept), 1):
            yield f"its {split} holds {shared:,} of the {len(kept):,} samples of eval of {name}"


def refuse_open_evals(name: str, found: list[str]) -> None:
    """Refuse a dataset by which an eval is open.

    Args:
        name: of the dataset.
        found: as `find_open_evals` returns it.

    Raises:
        UserError: there is one; the message says which, and what can be done.
    """
    if found:
        listed = "\n".join(f"  - {sentence}" for sentence in found)
        raise UserError(
            f"dataset {name}: samples that are sealed in one dataset would train or choose models in another, so an "
            f"error on them is not that of unseen data:\n{listed}\nGive it other files, or remove the folder of the "
            f"other dataset if it is not used any more; or set datasets.{name}.leaks in the config to 'report': the "
            "report then says so."
        )
