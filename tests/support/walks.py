"""The walks of docs/start/walks.md, as the page has them."""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from blindtune.cli import main
from support.builders import ROOT
from support.workflow_runs import NO_WAIT

#: A fenced block of the page, with its language and the text before it.
_BLOCK = re.compile(r"(.*?)```(\w+)\n(.*?)```", re.DOTALL)
#: A file that the reader writes, in `code` or **bold** letters.
_NAME = re.compile(r"(?:`|\*\*)(\w+\.(?:yaml|py))(?:`|\*\*)")


@dataclass
class Walk:
    """One section of the page.

    Attributes:
        files: what the reader writes, by the name of the file.
        commands: what the reader types, in order, each as a list of words.
        n_lines: lines to type and to write, without code that the reader has already.
    """

    files: dict[str, str] = field(default_factory=dict)
    commands: list[list[str]] = field(default_factory=list)
    n_lines: int = 0


def read_walk(title: str) -> Walk:
    """Return the walk of a section of docs/start/walks.md."""
    text = (ROOT / "docs" / "start" / "walks.md").read_text(encoding="utf-8")
    section = text.split(f"\n## {title}\n")[1].split("\n## ")[0]
    walk = Walk()
    for before, language, content in _BLOCK.findall(section):
        if language == "sh":
            walk.commands += [shlex.split(line) for line in content.splitlines()]
        elif language in ("yaml", "python"):
            walk.files[_NAME.findall(before)[-1]] = content
        walk.n_lines += len(content.splitlines()) if language in ("sh", "yaml") else 0
    return walk


def take(walk: Walk, folder: Path, changes: Any = None) -> str:
    """Take a walk in a folder, which must be the current one; return what the last command wrote.

    Args:
        walk: of the page.
        folder: the current folder.
        changes: a function that gets the config of the run and returns a smaller one; None: it runs as it is.
    """
    for name, content in walk.files.items():
        (folder / name).write_text(content, encoding="utf-8")
    output = ""
    for program, *arguments in walk.commands:
        assert program == "blindtune"
        if arguments[0] != "run":
            assert main(arguments) == 0
            continue
        if changes is not None:
            path = folder / arguments[1]
            path.write_text(yaml.safe_dump(changes(yaml.safe_load(path.read_text(encoding="utf-8")))), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "blindtune", *arguments, "--cores", "2", *NO_WAIT],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT / "workflow" / "lib")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-3000:]
        output = done.stdout
    return output
