"""The first tuner of CONTRIBUTING.md: what it says gives a tuner that a config can name and that passes its test."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from support.builders import ROOT

#: Reads the study, tries the tuner's own test, and prints what the schema and the config know.
_TRY = """\
import json, runpy, yaml
from snakemake.utils import update_config
from blindtune.config import generate, schema
from blindtune.tuners.registry import TUNERS

content = yaml.safe_load(open("config.yaml"))
update_config(content, yaml.safe_load(open("climber.yaml")))
config = schema.read(content, "climber.yaml")
for name, value in runpy.run_path("tests/unit/tuners/climber/test_tuner.py").items():
    if name.startswith("test_"):
        value()
        print(name)
print(json.dumps({"studies": [study.id for study in config.studies()], "tuners": TUNERS.names()}))
"""


def read_blocks(text: str) -> list[str]:
    """Return the Python and YAML blocks of a document."""
    return re.findall(r"```(?:python|yaml)\n(.*?)```", text, re.DOTALL)


def copy_checkout(folder: Path) -> None:
    """Make a checkout that has what the walk changes."""
    shutil.copytree(
        ROOT / "workflow" / "lib", folder / "workflow" / "lib", ignore=shutil.ignore_patterns("__pycache__", ".*")
    )
    (folder / "resources").symlink_to(ROOT / "resources")
    shutil.copy(ROOT / "config.yaml", folder)


def test_first_tuner_of_contributing_works(tmp_path: Path) -> None:
    """The files, the registry's line and the study fit together, and the new test passes."""
    copy_checkout(tmp_path)
    blocks = read_blocks((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    named = {match[1]: block for block in blocks if (match := re.match(r"# (\S+)\n", block))}
    assert {Path(name).name for name in named} >= {"__init__.py", "config.py", "tuner.py", "climber.yaml"}
    for name, block in named.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block, encoding="utf-8")
    [entry] = [block for block in blocks if "Entry(" in block]
    registry = tmp_path / "workflow/lib/blindtune/tuners/registry.py"
    text = registry.read_text(encoding="utf-8")
    registry.write_text(text.replace("    Entry,\n    {\n", f"    Entry,\n    {{\n{entry}", 1), encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, "-c", _TRY],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path / "workflow" / "lib"), str(ROOT / "tests")])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    *tests, found = ended.stdout.splitlines()
    assert tests
    assert "climber" in json.loads(found)["tuners"]
    assert len(json.loads(found)["studies"]) == 4
