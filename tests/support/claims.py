"""Claims of made-up owners: on another machine, dead, or not readable."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from blindtune.core import claims
from blindtune.core.claims import Owner

#: An id that no process has: above the largest that Linux allows.
NO_PROCESS = 2**22 + 1


def claim_files(path: Path) -> list[str]:
    """Return the names of the claim files of a path, drafts included."""
    return sorted(file.name for file in path.parent.glob(f".{path.name}.claim*"))


def leave_claim(path: Path, *, number: int = 1, age: float = 0.0, content: bytes | None = None, **owner: Any) -> Path:
    """Write a claim file as another process would have left it.

    Args:
        path: what is claimed.
        number: at the end of the file's name.
        age: seconds since the last heartbeat.
        content: of the file; None for that of an owner.
        **owner: fields of the owner that differ from this process.
    """
    file = path.with_name(f".{path.name}.claim-{number}")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(claims._encode(replace(Owner.this_process(), **owner)) if content is None else content)
    then = file.stat().st_mtime - age
    os.utime(file, (then, then))
    return file
