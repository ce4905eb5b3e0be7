"""The examples of docs/report/using.md do what the document says."""

import os
import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest

from blindtune import start
from blindtune.cli import main
from blindtune.config.systems import Tuned
from blindtune.config.training import Training
from blindtune.core.job_log import JobLog
from blindtune.study.run import run_study
from blindtune.tuners.optuna.config import OptunaConfig
from support.builders import ROOT, points, prepare_toy, study

SPACE = (
    "layers: {type: int, low: 1, high: 2}\nunits: {type: int, low: 2, high: 9, repeat: layers}\n"
    "activation: {type: choice, options: [relu, tanh], repeat: layers}\n"
    "learning_rate: {type: float, low: 0.001, high: 0.1, log: true}\n"
)


def blocks(kind: str) -> list[str]:
    """Return the code blocks of a kind, in their order."""
    text = (ROOT / "docs" / "report" / "using.md").read_text(encoding="utf-8")
    return re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a current folder with the study that the document names, a config and new data."""
    root = tmp_path / "results" / "mine"
    data = prepare_toy(root, name="set_10").open()
    (tmp_path / "my.yaml").write_text("name: mine\n", encoding="utf-8")
    space = tmp_path / "space.yaml"
    space.write_text(SPACE, encoding="utf-8")
    rows = [f"{a:.6f},{b:.6f}\n" for a, b in points(5, 9)[0]]
    (tmp_path / "new.csv").write_text("".join(rows), encoding="utf-8")
    settings = Tuned(
        kind="tuner",
        tuner=OptunaConfig(library="optuna", algorithm="random"),
        space="space.yaml",
        trainer="pytorch",
        training=Training(epochs=2, batch_size=20),
    )
    it = study(settings, config="mine", dataset="set_10", system="mlp_a1", budget={"trials": 3})
    folder = root / "studies" / "set_10" / "mlp_a1" / "42"
    run_study(it, data, files={"space": space}, code="code", folder=folder, job_log=JobLog())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_examples_of_the_document_run(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command and every block of Python runs, one after the other."""
    started: list[list[str]] = []
    monkeypatch.setattr(start.os, "execv", lambda path, command: started.append(command))
    commands = [shlex.split(block)[1:] for block in blocks("sh")]
    assert [command[0] for command in commands] == ["run", "predict", "export"]
    for command in commands:
        assert main(command) == 0, capsys.readouterr().err
    assert started[0][-6:] == ["--configfile", "my.yaml", "-s", str(ROOT / "Snakefile"), "--cores", "all"]
    assert len((place / "answers.csv").read_text(encoding="utf-8").splitlines()) == 6
    notebook, loading = blocks("python")
    (place / "notebook.py").write_text(notebook, encoding="utf-8")
    capsys.readouterr()
    runpy.run_path(str(place / "notebook.py"))
    printed = capsys.readouterr().out
    assert printed.startswith("mine/set_10/mlp_a1/42 0.") and printed.endswith("not decoded\n")
    os.chdir(place / "network" / "mine" / "set_10" / "mlp_a1" / "42")
    Path("loading.py").write_text(loading, encoding="utf-8")
    monkeypatch.syspath_prepend(str(Path.cwd()))
    network = runpy.run_path("loading.py")["network"]
    sys.modules.pop("model")
    assert sum(parameter.numel() for parameter in network.parameters()) > 0
