"""Writes down who opens a file under sealed/: script, mode and path, one line each."""

import os
import re
import sys

_LOG = os.environ["BLINDTUNE_AUDIT"]
_SCRIPT = re.compile(r"\.snakemake/scripts/[^/]*?\.(\w+)\.py$")


def _note(event, arguments):
    if event != "open" or not isinstance(arguments[0], str | bytes | os.PathLike):
        return
    path = os.fsdecode(arguments[0])
    if "/sealed/" in path:
        found = _SCRIPT.search(sys.argv[0])
        who = found.group(1) if found else os.path.basename(sys.argv[0])  # noqa: PTH119  (pathlib opens files itself)
        reads = not arguments[2] & (os.O_WRONLY | os.O_RDWR)
        log = os.open(_LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(log, f"{who}\t{'read' if reads else 'write'}\t{path}\n".encode())
        os.close(log)


sys.addaudithook(_note)
