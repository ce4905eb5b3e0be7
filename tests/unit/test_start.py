"""``blindtune run``: the command line that Snakemake gets, and one message for what is missing."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from blindtune import start
from blindtune.cli import main
from support.builders import ROOT

SNAKEFILE = str(ROOT / "Snakefile")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a config in the current folder, which is not in a clone."""
    monkeypatch.chdir(tmp_path)
    Path("my.yaml").write_text("name: mine\n", encoding="utf-8")
    return Path("my.yaml")


@pytest.mark.parametrize(
    ("arguments", "cores"),
    [
        ([], True),
        (["-n"], True),
        (["--until", "prepare"], True),
        (["--cores", "2"], False),
        (["--cores=2"], False),
        (["-c2"], False),
        (["-j", "3"], False),
        (["--profile", "x"], False),
        (["-n", "--executor", "slurm", "--jobs", "9"], False),
    ],
)
def test_build_command_passes_arguments_on(config: Path, arguments: list[str], cores: bool) -> None:
    """All cores are the default only where nothing else says how many jobs run."""
    own = [sys.executable, "-P", "-m", "snakemake", "--configfile", "my.yaml", "-s", SNAKEFILE]
    chosen = ["--cores", "all"] if cores else []
    assert start.build_command(config, arguments, {}) == [*own, *chosen, *arguments]


def test_build_command_leaves_the_cores_to_a_profile_of_the_environment(config: Path) -> None:
    """A profile that Snakemake takes from its environment may say the cores."""
    assert "--cores" not in start.build_command(config, [], {"SNAKEMAKE_PROFILE": "x"})


def test_find_snakefile_prefers_the_clone_around_the_folder(tmp_path: Path) -> None:
    """The clone in which the user works comes before the one of the library."""
    (tmp_path / "clone" / "workflow" / "lib" / "blindtune").mkdir(parents=True)
    inner = tmp_path / "clone" / "mine"
    inner.mkdir()
    assert start.find_snakefile(inner) == Path(SNAKEFILE)
    (tmp_path / "clone" / "Snakefile").write_text("", encoding="utf-8")
    assert start.find_snakefile(inner) == tmp_path / "clone" / "Snakefile"


def test_run_executes_snakemake(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process becomes Snakemake, with options of its own after the config."""
    seen: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(os, "execv", lambda path, command: seen.append((path, command)))
    assert main(["run", "my.yaml", "-n", "--help", "results/mine/report/report.html"]) == 0
    [(path, command)] = seen
    assert path == command[0] == sys.executable
    assert command[-3:] == ["-n", "--help", "results/mine/report/report.html"]


def test_run_names_what_is_missing(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing config, a missing clone and a missing Snakemake are one message each."""
    assert main(["run", "none.yaml"]) == 1
    assert capsys.readouterr().err.startswith("blindtune: none.yaml: there is no such file")
    with monkeypatch.context() as patch:
        patch.setattr(importlib.util, "find_spec", lambda name: None)
        assert main(["run", "my.yaml"]) == 1
    assert "make environment" in capsys.readouterr().err
    monkeypatch.setattr(start, "copy_in_use", lambda: config.resolve().parent / "a" / "b")
    assert main(["run", "my.yaml"]) == 1
    assert "no Snakefile is found" in capsys.readouterr().err
