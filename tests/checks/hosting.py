"""What the files for the repository's host must hold: targets that exist, pinned actions, few rights."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: A target that a document or a workflow names: `make test`, `make check test-fast PYTHON=python`.
_MAKE = re.compile(r"^make((?: +[\w./=~-]+)+)$")
_TARGET = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)
_PIN = re.compile(r"^\s*- uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
_CODE = re.compile(r"`([^`]+)`")


def list_targets(makefile: str) -> set[str]:
    """Return the targets that a Makefile makes."""
    return set(_TARGET.findall(makefile))


def find_calls(command: str) -> list[str] | None:
    """Return the targets that a command line gives to make; None if it is another command."""
    matched = _MAKE.match(command.partition(" #")[0].strip())
    return None if matched is None else [word for word in matched[1].split() if "=" not in word]


def find_in_document(text: str) -> Iterator[tuple[int, str]]:
    """Yield each target of make that a Markdown document names in code, with its line."""
    in_code = False
    for number, line in enumerate(text.splitlines(), 1):
        in_code ^= line.startswith("```")
        for command in [line] if in_code else _CODE.findall(line):
            for target in find_calls(command) or ():
                yield number, target


def find_workflow_faults(text: str, content: dict[Any, Any], targets: set[str]) -> Iterator[str]:
    """Yield what is wrong with a file of continuous integration.

    Args:
        text: of the file, for the comments at the pins.
        content: the same, read.
        targets: of the Makefile.
    """
    if content.get("permissions") != {"contents": "read"}:
        yield "permissions are not {contents: read}"
    for line in text.splitlines():
        if "uses:" in line and not _PIN.match(line):
            yield f"not pinned to a commit, with its version as a comment: {line.strip()}"
    for name, job in content["jobs"].items():
        if "permissions" in job:
            yield f"{name}: has permissions of its own"
        if "timeout-minutes" not in job:
            yield f"{name}: has no limit of time"
        for step in job["steps"]:
            yield from (f"{name}: {fault}" for fault in _find_step_faults(step, targets))


def _find_step_faults(step: dict[str, Any], targets: set[str]) -> Iterator[str]:
    if "run" not in step:
        if (
            step["uses"].startswith("actions/checkout@")
            and step.get("with", {}).get("persist-credentials") is not False
        ):
            yield "leaves its token in the checkout"
        return
    called = find_calls(step["run"])
    if called is None:
        yield f"runs something else than make: {step['run']}"
    for target in called or ():
        if target not in targets:
            yield f"make {target}: there is no such target"


def read_documents(root: Path) -> Iterator[Path]:
    """Yield the Markdown files of a repository in which a reader finds commands."""
    for pattern in ("*.md", ".github/**/*.md", "docs/**/*.md"):
        yield from sorted(root.glob(pattern))
