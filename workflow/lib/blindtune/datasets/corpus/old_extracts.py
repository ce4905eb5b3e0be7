"""Extracts of batches that a corpus does not have any more: their files are in other batches now.

A batch that has grown is divided, see `blindtune.datasets.corpus.batches`, and its samples are cut again for both
halves.
"""

import re
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from blindtune.core.claims import claim
from blindtune.core.errors import ClaimedError, UserError

#: The name of a batch, see `blindtune.datasets.corpus.base.Corpus.batches`.
_BATCH = re.compile(r"(?:train|dev|eval)-\d+")


def remove_old_extracts(extracts: Iterable[Path]) -> list[str]:
    """Remove the extracts of batches that a corpus does not have any more; what another process has claimed stays.

    Called after the dataset was prepared, so that nothing refers to them.

    Args:
        extracts: path of the JSON of every batch that the corpus has.

    Returns:
        The batches of which something was removed, sorted.
    """
    kept = set(extracts)
    removed = set[str]()
    for folder in {path.parent for path in kept}:
        for batch in sorted({entry.name.removesuffix(".json") for entry in folder.iterdir()}):
            path = folder / f"{batch}.json"
            if path in kept or not _BATCH.fullmatch(batch):
                continue
            # They only take space, so that what cannot be removed ends nothing.
            with suppress(ClaimedError, UserError, OSError), claim(path, f"the extract {batch}"):
                # The JSON first: without its arrays it would not be an extract.
                path.unlink(missing_ok=True)
                arrays = path.with_suffix("")
                if arrays.is_symlink():
                    arrays.unlink()
                else:
                    shutil.rmtree(arrays, ignore_errors=True)
                if not arrays.exists():
                    removed.add(batch)
    return sorted(removed)
