"""Each system is decoded on eval once: a changed model is refused, a known one is answered from the ledger."""

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
#: Figures and page add nothing here.
TO_TABLES = ("--until", "tables")
RESULT = Path("results/tiny/decodes/toy/expert/42/result.json")


def test_repeated_decode_is_refused_until_it_is_allowed(tmp_path):
    """A changed model is refused a second decode until the config allows it; the first result is kept."""
    assert snakemake(tmp_path, FIRST, *TO_TABLES).returncode == 0
    first, entries = (tmp_path / RESULT).read_text(encoding="utf-8"), ledger(tmp_path)

    refused = snakemake(tmp_path, CHANGED)
    assert refused.returncode == 1
    assert "a second decode would not be blind" in refused.stdout
    assert "allow_repeated_decode: [toy/expert]" in refused.stdout
    assert "Traceback" not in refused.stdout
    assert not re.search(r"eval error|decoded once", refused.stdout)
    assert _read_decode_entries(tmp_path) == _select_decode_entries(entries)

    back = snakemake(tmp_path, FIRST, *TO_TABLES)
    assert back.returncode == 0, back.stdout
    assert (tmp_path / RESULT).read_text(encoding="utf-8") == first
    assert _read_decode_entries(tmp_path) == _select_decode_entries(entries)
    assert _read_blind_column(tmp_path) == ["blind"]

    allowed = snakemake(tmp_path, ALLOWED, *TO_TABLES)
    assert allowed.returncode == 0, allowed.stdout
    assert [entry["result"]["blind"] for entry in ledger(tmp_path) if entry["event"] == "done"] == [True, False]
    assert (tmp_path / RESULT).read_text(encoding="utf-8") != first
    assert _read_blind_column(tmp_path) == ["not blind"]


def test_system_calls_of_few_scripts_open_sealed_data(tmp_path):
    """By its system calls, no script opens sealed data but `prepare` (write) and the two that read eval."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    if subprocess.run(["strace", "-f", "true"], capture_output=True, check=False).returncode:
        pytest.skip("strace may not trace here")
    trace = ("strace", "-f", "-s", "400", "-o", "trace", "-e", "trace=open,openat,execve,clone,clone3,fork,vfork")
    ended = snakemake(tmp_path, only("near"), "--until", "sample_splits", "decode", prefix=trace)
    assert ended.returncode == 0, ended.stdout
    lines = (tmp_path / "trace").read_text(encoding="utf-8", errors="replace").splitlines()
    assert _find_openers(lines, "/eval/") == {"prepare": {"write"}, "decode": {"read"}, "sample_splits": {"read"}}


def _find_openers(lines: list[str], part: str) -> dict[str, set[str]]:
    """Return the scripts that opened a file below ``sealed/`` with ``part`` in its path, and how."""
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


def _read_decode_entries(folder):
    """Return the entries of the ledger that belong to decodes."""
    return _select_decode_entries(ledger(folder))


def _select_decode_entries(entries):
    """Return those of the entries that belong to decodes."""
    return [entry for entry in entries if entry["event"] in ("begun", "done")]


def _read_blind_column(folder):
    """Return the column `blind` of the table of errors, for the system `expert`."""
    table = folder / "results" / "tiny" / "report" / "tables" / "table3_errors.csv"
    with table.open(encoding="utf-8", newline="") as stream:
        return [row["blind"] for row in csv.DictReader(stream) if row.get("system") == "expert"]
