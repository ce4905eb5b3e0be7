"""The commit of the checkout that runs, for records that say where they come from."""

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path


@cache
def find_commit() -> str | None:
    """Return the commit of the checkout of this library, with ``-dirty`` if files differ from it; None if unknown.

    It is unknown if the library is not in a checkout, or if git is missing or refuses it.
    """
    git = shutil.which("git")
    if git is None:
        return None
    command = [git, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        ended = subprocess.run(  # noqa: S603  the arguments are our own
            command,
            cwd=Path(__file__).parent,
            env=os.environ | {"GIT_OPTIONAL_LOCKS": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = ended.stdout.strip()
    return found if re.fullmatch(r"[0-9a-f]{40,64}(-dirty)?", found) else None
