"""The program ``blindtune``: what it says, and how it ends."""

import subprocess
import sys
from pathlib import Path

import pytest

from blindtune.cli import main
from blindtune.config.systems import Tuned
from blindtune.tuners.optuna.config import OptunaConfig
from support.builders import ROOT
from support.stored_studies import store_tuned

TUNED = Tuned(kind="tuner", tuner=OptunaConfig(library="optuna", algorithm="tpe"), space="space.yaml")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return store_tuned(tmp_path / "results", TUNED)


def test_an_export_says_how_much_it_wrote(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "out"
    assert main(["export", "--form", "guide", "--to", str(target), str(tmp_path / "results")]) == 0
    assert capsys.readouterr().out == f"{target}: 11 trials of 1 study\n"
    assert len(list(target.rglob("trial_*.json"))) == 11


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["export", "--form", "guide", "--to", "out", "nothing"], "nothing: holds no study"),
        (["export", "--form", "guide", "--to", "{results}", "{results}"], "is not empty"),
        (["rescore", "nothing", "--on", "x"], "nothing/protocol.json: cannot be read"),
        (["rescore", "{study}", "--on", "results/test/sealed/toy/seal.json"], "below a folder sealed"),
        (["rescore", "{study}", "--on", "{study}", "--dev", "sealed/x"], "below a folder sealed"),
        (["rescore", "{study}", "--on", "nowhere.json"], "own data are not there. Give their manifest with --dev"),
        (["rescore", "{study}", "--on", "x", "--dev", "{study}/protocol.json"], "is no manifest of a prepared dataset"),
    ],
)
def test_what_a_user_can_mend_is_one_message(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main([argument.format(study=folder, results=folder.parents[4]) for argument in arguments]) == 1
    said = capsys.readouterr()
    assert said.err.startswith("blindtune: ") and said.err.count("\n") == 1 and message in said.err
    assert said.out == ""


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["export"],
        ["export", "--form", "xml", "--to", "x", "y"],
        ["rescore", "x", "--on", "y", "--best", "0"],
        ["rescore", "x", "--on", "y", "--split", "eval"],
    ],
)
def test_a_wrong_argument_shows_the_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: blindtune" in capsys.readouterr().err


def test_help_is_there_before_any_heavy_library(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom blindtune.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('torch', 'tensorflow', 'optuna', 'tensorboard', 'sklearn') if name in sys.modules])"
    )
    environment = {"PYTHONPATH": str(ROOT / "workflow" / "lib")}
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert ended.stdout.endswith("[]\n") and "rescore" in ended.stdout


def test_the_module_runs_as_the_program(folder: Path, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "blindtune", "export", "--form", "guide", "--to", "sealed/out", str(folder)],
        env={"PYTHONPATH": str(ROOT / "workflow" / "lib")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("blindtune: sealed/out: lies below")
