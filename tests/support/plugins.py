"""Tiny packages that add a kind through an entry point: installed into a folder, and run in a child process."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import blindtune
from support.builders import ROOT

LIBRARY = Path(blindtune.__file__).parents[1]


def install_package(folder: Path, package: str, modules: Mapping[str, str], group: str, entry_point: str) -> Path:
    """Install a package below `folder`, as pip does for a target folder.

    Args:
        folder: to be put on the path.
        package: name of the package.
        modules: text of each module, by its name.
        group: of the entry point.
        entry_point: ``name = value``.

    Returns:
        The package's folder.
    """
    code, info = folder / package, folder / f"{package}-1.0.dist-info"
    code.mkdir(parents=True)
    info.mkdir()
    for module, text in modules.items():
        (code / f"{module}.py").write_text(text, encoding="utf-8")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[{group}]\n{entry_point}\n", encoding="utf-8")
    return code


def run_with_plugin(plugin: Path, *program: str | Path) -> dict[str, Any]:
    """Run a Python program in a child process that finds a plugin; return the JSON of its last line.

    Args:
        plugin: the folder into which the plugin was installed.
        *program: arguments of Python.
    """
    path = os.pathsep.join(map(str, [plugin, LIBRARY, ROOT / "tests"]))
    ended = subprocess.run(
        [sys.executable, *map(str, program)],
        env=os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return dict(json.loads(ended.stdout.splitlines()[-1]))
