"""Extracts of batches that were divided."""

import subprocess
import sys
from pathlib import Path

from blindtune.core.paths import ResultPaths
from blindtune.datasets.corpus.extraction import extract_batch, simulate_batch
from blindtune.datasets.corpus.old_extracts import remove_old_extracts
from support.number_corpus import numbers_corpus

HOLD = """
import sys
from pathlib import Path
from blindtune.core.claims import claim
with claim(Path(sys.argv[1]), "the extract"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_extracts_of_divided_batches_are_removed(tmp_path: Path) -> None:
    """Files, arrays and nothing else: current batches, other files, and what another process writes stay."""
    layout = ResultPaths(str(tmp_path / "results"))
    listed = {}
    for files_per_job in (3, 2):
        source = numbers_corpus(files_per_job=files_per_job)
        folder = source.find_folder(layout, "it")
        for batch, path in source.inputs(layout, "it").items():
            simulate_batch(source, batch, folder, Path(layout.simulated("it", batch)))
            extract_batch(source, batch, folder, path)
        listed[files_per_job] = source.inputs(layout, "it")
    before, now = listed.values()
    old = sorted(set(before) - set(now))
    assert {"train-0000", "eval-0000"} <= set(old)
    (held, *others) = old
    (before[others[0]].parent / "notes.txt").write_text("kept")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(before[held])], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        assert remove_old_extracts(now.values()) == others
        assert before[held].exists() and before[held].with_suffix("").is_dir()
        process.communicate()
    before[held].unlink()  # a job was killed in between
    assert remove_old_extracts(now.values()) == [held]
    for batch in old:
        assert not before[batch].exists() and not before[batch].with_suffix("").exists()
    assert all(path.exists() and path.with_suffix("").is_dir() for path in now.values())
    assert (before[others[0]].parent / "notes.txt").exists()
    assert remove_old_extracts(now.values()) == []


def test_what_cannot_be_removed_ends_nothing(tmp_path: Path) -> None:
    """A folder in the place of a JSON, and a link in the place of arrays: the rest is removed, and nothing raised."""
    kept = tmp_path / "train-0001.json"
    kept.write_text("{}")
    (tmp_path / "train-0002.json").mkdir()
    target = tmp_path / "elsewhere"
    target.mkdir()
    (target / "x.npy").write_text("x")
    (tmp_path / "train-0003.json").write_text("{}")
    (tmp_path / "train-0003").symlink_to(target)
    assert remove_old_extracts([kept]) == ["train-0003"]
    assert (target / "x.npy").exists() and not (tmp_path / "train-0003").is_symlink()
    assert remove_old_extracts([kept]) == []
