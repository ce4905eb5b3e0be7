"""One look at eval: a changed model is refused by name, a known one is answered from the ledger."""

import csv
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.builders import merged
from support.workflow_runs import ledger, only, snakemake

pytestmark = pytest.mark.integration

FIRST = only("expert")
CHANGED = merged(FIRST, {"systems": {"expert": {"training": {"epochs": 3}}}})
ALLOWED = CHANGED | {"allow_repeated_decode": ["toy/expert"]}
LOOK = Path("results/tiny/decodes/toy/expert/42/result.json")


def test_a_second_look_is_refused_then_allowed_by_name_and_the_first_is_remembered(tmp_path):
    assert snakemake(tmp_path, FIRST).returncode == 0
    first, entries = (tmp_path / LOOK).read_text(encoding="utf-8"), ledger(tmp_path)

    refused = snakemake(tmp_path, CHANGED)
    assert refused.returncode == 1
    assert "a second look would not be blind" in refused.stdout
    assert "allow_repeated_decode: [toy/expert]" in refused.stdout
    assert "Traceback" not in refused.stdout
    assert not re.search(r"eval error|decoded once", refused.stdout)
    assert _looks(tmp_path) == _looks_of(entries)

    back = snakemake(tmp_path, FIRST)
    assert back.returncode == 0, back.stdout
    assert (tmp_path / LOOK).read_text(encoding="utf-8") == first
    assert _looks(tmp_path) == _looks_of(entries)
    assert _blind(tmp_path) == ["blind"]

    allowed = snakemake(tmp_path, ALLOWED)
    assert allowed.returncode == 0, allowed.stdout
    assert [entry["result"]["blind"] for entry in ledger(tmp_path) if entry["event"] == "done"] == [True, False]
    assert (tmp_path / LOOK).read_text(encoding="utf-8") != first
    assert _blind(tmp_path) == ["not blind"]


def test_no_system_call_but_of_decode_and_picture_reads_sealed_data(tmp_path):
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    if subprocess.run(["strace", "-f", "true"], capture_output=True, check=False).returncode:
        pytest.skip("strace may not trace here")
    trace = ("strace", "-f", "-s", "400", "-o", "trace", "-e", "trace=open,openat,execve,clone,clone3,fork,vfork")
    ended = snakemake(tmp_path, only("near"), "--until", "picture", "decode", prefix=trace)
    assert ended.returncode == 0, ended.stdout
    lines = (tmp_path / "trace").read_text(encoding="utf-8", errors="replace").splitlines()
    assert _who_opened(lines, "/eval/") == {"prepare": {"write"}, "decode": {"read"}, "picture": {"read"}}


def _who_opened(lines: list[str], part: str) -> dict[str, set[str]]:
    """Which scripts opened a file below sealed/ whose path holds ``part``, and how."""
    parents: dict[str, str] = {}
    for line in lines:
        started = re.match(r"(\d+) +(?:<\.\.\. )?(?:clone3?|v?fork)\b.* = (\d+)$", line)
        if started:
            parents[started.group(2)] = started.group(1)
    scripts: dict[str, str] = {}
    found: dict[str, set[str]] = {}
    for line in lines:
        thread = line.split(" ", 1)[0]
        if "execve(" in line:
            script = re.search(r"\.snakemake/scripts/[^/\"]*?\.(\w+)\.py", line)
            scripts[thread] = script.group(1) if script else "another program"
        elif "/sealed/" in line and part in line and "ENOENT" not in line:
            while thread not in scripts and thread in parents:
                thread = parents[thread]
            mode = "write" if re.search(r"O_WRONLY|O_RDWR", line) else "read"
            found.setdefault(scripts.get(thread, "unknown"), set()).add(mode)
    return found


def _looks(folder):
    return _looks_of(ledger(folder))


def _looks_of(entries):
    return [entry for entry in entries if entry["event"] in ("begun", "done")]


def _blind(folder):
    table = folder / "results" / "tiny" / "report" / "tables" / "table3_errors.csv"
    with table.open(encoding="utf-8", newline="") as stream:
        return [row["blind"] for row in csv.DictReader(stream) if row.get("system") == "expert"]
