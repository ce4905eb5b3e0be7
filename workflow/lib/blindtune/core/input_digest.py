"""Digests of the user's files among the params of the jobs that read them.

Snakemake runs a job again if an input is newer than its output. A file that was replaced by an older one (unpacked from
an archive, copied with its time, moved) is not newer, and the results of the file before would pass for its own.
"""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from blindtune.core.errors import UserError
from blindtune.core.files import digest_file, open_regular_file

#: Files count by content up to so many bytes in all, which are read in a tenth of a second whenever the workflow is
#: planned. What is larger counts by its size, its time and pieces of its content.
MAX_BYTES = 64_000_000

#: The same for the files of one batch of a corpus, of which there may be a thousand: annotations, not recordings.
MAX_BATCH_BYTES = 250_000

#: Larger files of which pieces are read; more of them would be felt in each planning. The rest count by size and time.
MAX_SAMPLED_FILES = 2_000

#: Bytes of a piece; one is read at the beginning, one in the middle and one at the end.
_PIECE = 4096


def digest_inputs(files: Iterable[Path], max_bytes: int = MAX_BYTES, names: Iterable[str] = ()) -> str:
    """Return what identifies the content of input files, but neither their paths nor, of small ones, their times.

    Args:
        files: in an order that does not change.
        max_bytes: the bytes of files that are read whole, in all.
        names: of files whose paths Snakemake does not compare; they count too.
    """
    total, left, to_sample = hashlib.sha256(), max_bytes, MAX_SAMPLED_FILES
    for path in files:
        try:
            status = path.stat()
            size, content = status.st_size, ""
            if size <= left:
                left -= size
                content = digest_file(path)
            else:
                # Whole seconds: a copy that keeps times may cut them, and the file is the same.
                content = f"{int(status.st_mtime)}"
                if to_sample > 0:
                    to_sample -= 1
                    content += f" {_digest_pieces(path, size)}"
        except (OSError, UserError):
            size, content = -1, ""  # the job says what is wrong with it
        total.update(f"{size} {content}\n".encode())
    total.update("".join(f"{name!a}\n" for name in names).encode())
    return total.hexdigest()


def _digest_pieces(path: Path, size: int) -> str:
    """Return the SHA-256 of three pieces of a large file, which tell most files apart that have equal size and time."""
    pieces = hashlib.sha256()
    with open_regular_file(path) as stream:
        for start in (0, size // 2, size - _PIECE):
            pieces.update(os.pread(stream.fileno(), _PIECE, max(0, start)))
    return pieces.hexdigest()
