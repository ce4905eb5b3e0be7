"""The command line: its messages and its exit status."""

import subprocess
import sys
from pathlib import Path

import pytest

from blindtune import cli
from blindtune.cli import main
from blindtune.config.systems import Tuned
from blindtune.tuners.optuna.config import OptunaConfig
from support.builders import ROOT
from support.stored_studies import store_tuned

TUNED = Tuned(kind="tuner", tuner=OptunaConfig(library="optuna", algorithm="tpe"), space="space.yaml")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return store_tuned(tmp_path / "results", TUNED)


def test_export_prints_what_it_wrote(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An export prints the numbers of trials and studies that it wrote."""
    target = tmp_path / "out"
    assert main(["export", "--form", "guide", "--to", str(target), str(tmp_path / "results")]) == 0
    assert capsys.readouterr().out == f"{target}: 11 trials of 1 study\n"
    assert len(list(target.rglob("trial_*.json"))) == 11


def test_export_of_a_network_counts_no_trials(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A form that holds the frozen network alone is not said to hold the trials."""
    monkeypatch.setitem(cli.FORMS, "torch", lambda studies, to: (to / "model.py").write_text("", encoding="utf-8"))
    target = tmp_path / "out"
    assert main(["export", "--form", "torch", "--to", str(target), str(folder)]) == 0
    assert capsys.readouterr().out == f"{target}: the frozen network of 1 study\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["export", "--form", "guide", "--to", "out", "nothing"], "nothing: holds no study"),
        (["export", "--form", "guide", "--to", "{results}", "{results}"], "is not empty"),
        (["rescore", "nothing", "--on", "x"], "nothing: holds no study. Give the folder of a study"),
        (["rescore", "{study}", "--on", "results/test/sealed/toy/seal.json"], "below a folder sealed"),
        (["rescore", "{study}", "--on", "{study}", "--dev", "sealed/x"], "below a folder sealed"),
        (["rescore", "{study}", "--on", "nowhere.json"], "own data are not there. Give their manifest with --dev"),
        (["rescore", "{study}", "--on", "x", "--dev", "{study}/protocol.json"], "is not a manifest of a prepared"),
    ],
)
def test_main_prints_one_message_for_a_user_error(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """An error that the user can fix ends in one message, status 1 and no other output."""
    assert main([argument.format(study=folder, results=folder.parents[4]) for argument in arguments]) == 1
    output = capsys.readouterr()
    assert output.err.startswith("blindtune: ") and output.err.count("\n") == 1 and message in output.err
    assert output.out == ""


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
def test_main_shows_the_usage_on_wrong_arguments(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong argument ends with the usage and status 2."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: blindtune" in capsys.readouterr().err


def test_help_imports_no_heavy_library(tmp_path: Path) -> None:
    """The help is printed without importing a heavy library."""
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


def test_python_m_blindtune_runs_the_command_line(folder: Path, tmp_path: Path) -> None:
    """``python -m blindtune`` is the same program."""
    ended = subprocess.run(
        [sys.executable, "-m", "blindtune", "export", "--form", "guide", "--to", "sealed/out", str(folder)],
        env={"PYTHONPATH": str(ROOT / "workflow" / "lib")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("blindtune: sealed/out: is below")


@pytest.mark.parametrize(
    ("error", "last", "traced"),
    [
        (OSError(28, "No space left on device", "out/x"), "out/x: cannot be used (No space left on device)", False),
        (IndexError("list index out of range"), "this is a bug in blindtune (IndexError", True),
    ],
)
def test_cli_ends_every_error_in_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    last: str,
    traced: bool,
) -> None:
    """An error of the machine is one sentence; a bug shows its traceback, then one sentence."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "find_studies", fail)
    assert cli.main(["export", "--form", "guide", "--to", str(tmp_path / "out"), str(tmp_path)]) == 1
    shown = capsys.readouterr().err
    assert shown.strip().splitlines()[-1].startswith(f"blindtune: {last}")
    assert ("Traceback" in shown) is traced
