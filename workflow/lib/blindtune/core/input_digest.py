"""Digests of the user's files among the params of the jobs that read them.

Snakemake runs a job again if an input is newer than its output. A file that was replaced by an older one (unpacked from
an archive, copied with its time, moved) is not newer, and the results of the file before would pass for its own.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from blindtune.core.errors import UserError
from blindtune.core.files import digest_file

#: Files count by content up to so many bytes in all, which are read in a tenth of a second whenever the workflow is
#: planned; what is larger counts by its size.
MAX_BYTES = 64_000_000

#: The same for the files of one batch of a corpus, of which there may be a thousand: annotations, not recordings.
MAX_BATCH_BYTES = 250_000


def digest_inputs(files: Iterable[Path], max_bytes: int = MAX_BYTES) -> str:
    """Return what identifies the content of input files, but neither their names nor their times.

    Args:
        files: in an order that does not change.
        max_bytes: the bytes that are read in all.
    """
    total, left = hashlib.sha256(), max_bytes
    for path in files:
        try:
            size, content = path.stat().st_size, ""
            if size <= left:
                left -= size
                content = digest_file(path)
        except (OSError, UserError):
            size, content = -1, ""  # the job says what is wrong with it
        total.update(f"{size} {content}\n".encode())
    return total.hexdigest()
