"""``make environment``: two at once do not damage the environment, and one that was killed is made again."""

import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support.claims import NO_PROCESS, leave_claim
from support.workflow_runs import ROOT


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return `envs/make.py` as a module whose commands are noted, take a moment and install nothing."""
    spec = importlib.util.spec_from_file_location("make_environment", ROOT / "envs" / "make.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def run(command: tuple[str, ...], check: bool, **options: Any) -> SimpleNamespace:
        if command[2] == "venv":
            Path(command[-1]).mkdir(parents=True, exist_ok=True)
        if "--dry-run" in command:
            return SimpleNamespace(returncode=int(command[2] not in module.cpu_builds))
        with (tmp_path / "commands").open("a") as stream:
            stream.write(f"{os.getpid()} {' '.join(command[2:])}\n")
        time.sleep(0.05)
        return SimpleNamespace(returncode=0)

    module.cpu_builds = ["pip"]  # which installers find one
    monkeypatch.setattr(module.sys, "platform", "linux")
    monkeypatch.setattr(module, "_has_nvidia_driver", lambda: False)
    monkeypatch.setattr(module.subprocess, "run", run)
    return module


def commands(folder: Path) -> list[str]:
    """Return the commands that were run."""
    return (folder / "commands").read_text().splitlines()


def test_two_makes_at_once_make_the_environment_once(make: Any, tmp_path: Path) -> None:
    """The second waits for the first and finds the environment ready."""
    children = []
    for _ in range(2):
        process = os.fork()
        if not process:
            os._exit(make.main(tmp_path / ".venv"))
        children.append(process)
    assert [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in children] == [0, 0]
    ran = commands(tmp_path)
    assert len({line.split()[0] for line in ran}) == 1, "one of them ran every command"
    assert [line.split()[1] for line in ran] == ["venv", "pip", "pip", "pip", "compileall"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".venv", "commands"]
    assert make.main(tmp_path / ".venv") == 0
    assert commands(tmp_path) == ran, "what is ready is not made again"


def test_environment_of_a_killed_make_is_made_from_scratch(make: Any, tmp_path: Path) -> None:
    """What a kill left unfinished is cleared; an old environment is brought up to date."""
    folder = tmp_path / ".venv"
    folder.mkdir()
    (folder / ".ready").touch()
    os.utime(folder / ".ready", (1, 1))
    assert make.main(folder) == 0
    assert "--clear" not in commands(tmp_path)[0]
    (tmp_path / ".venv.unfinished").touch()
    leave_claim(folder, pid=NO_PROCESS)
    assert make.main(folder) == 0
    assert "venv --clear" in commands(tmp_path)[5]
    assert not (tmp_path / ".venv.unfinished").exists() and (folder / ".ready").exists()


@pytest.mark.parametrize("stage", ["venv", "pip", "compileall"])
def test_make_that_is_killed_at_any_stage_is_made_from_scratch(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    """Also one that brought a ready environment up to date: it is not taken for the old one."""
    folder = tmp_path / ".venv"
    folder.mkdir()
    (folder / ".ready").touch()
    os.utime(folder / ".ready", (1, 1))
    whole = make.subprocess.run

    def killed(command: tuple[str, ...], **options: Any) -> SimpleNamespace:
        ended = whole(command, **options)
        if command[2] == stage:
            raise KeyboardInterrupt
        return ended

    monkeypatch.setattr(make.subprocess, "run", killed)
    with pytest.raises(KeyboardInterrupt):
        make.main(folder)
    assert not (folder / ".ready").exists(), "make itself looks at this file alone"
    monkeypatch.setattr(make.subprocess, "run", whole)
    done = len(commands(tmp_path))
    assert make.main(folder) == 0
    assert "venv --clear" in commands(tmp_path)[done]
    assert make._is_ready(folder, "auto")


def test_engines_are_installed_under_both_locks_and_stay(make: Any, tmp_path: Path, capsys: Any) -> None:
    """An optional engine is added to a ready environment, and installed again with it; an unknown one is refused."""
    folder = tmp_path / ".venv"
    assert make.main(folder) == 0
    assert "requirements-engines.lock" not in " ".join(commands(tmp_path))
    assert make.main(folder, extras=["smac"]) == 0
    added = commands(tmp_path)[5:]
    assert [line.split()[1] for line in added] == ["venv", "pip", "pip", "pip", "pip", "compileall"]
    assert f"--constraint {make.LOCK} --constraint {make.ENGINES_LOCK}" in added[4]
    assert added[4].endswith(f"--editable {make.ROOT}[smac]")
    assert make.main(folder) == make.main(folder, extras=["smac"]) == 0
    assert len(commands(tmp_path)) == 11, "it has the engine"
    (folder / ".ready").unlink()
    assert make.main(folder) == 0
    assert commands(tmp_path)[-2].endswith("[smac]")
    assert make.main(folder, extras=["smack"]) == 1
    message = "EXTRAS: smack is no optional engine; they are smac, vizier, nni, nevergrad, ray-tune"
    assert message in capsys.readouterr().err


def test_failed_command_ends_make(make: Any, tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    """If pip fails, the environment is not ready, and the message names the command."""

    def fail(command: tuple[str, ...], **options: Any) -> SimpleNamespace:
        (tmp_path / ".venv").mkdir(exist_ok=True)
        if command[2] == "pip" and "--dry-run" not in command:
            raise subprocess.CalledProcessError(1, command)
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(make.subprocess, "run", fail)
    assert make.main(tmp_path / ".venv") == 1
    assert "could not be made, see above (pip install)" in capsys.readouterr().err
    assert not (tmp_path / ".venv" / ".ready").exists()


def test_make_calls_the_script_with_a_bare_python(tmp_path: Path) -> None:
    """The Makefile makes the environment through the script, which needs no package but the library's own files."""
    shown = subprocess.run(
        ["make", "-n", "-B", "environment"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert "envs/make.py .venv" in shown
    code = f"import sys; sys.argv = ['x']; sys.path.insert(0, {str(ROOT / 'envs')!r}); import make; print(make.WAIT)"
    bare = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert bare.returncode == 0, bare.stderr


def install_torch(make: Any, folder: Path, torch: str) -> str:
    """Make the environment from nothing and return the command that installed PyTorch."""
    (folder / "commands").unlink(missing_ok=True)
    assert make.main(folder / ".venv", torch) == 0
    (folder / ".venv" / ".ready").unlink()
    return next(line for line in commands(folder) if " torch==" in line)


def test_torch_is_the_build_that_was_asked_for(make: Any, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """A CPU build comes from pip or else from uv; which one, and its size, is said before."""
    assert "+cpu" in install_torch(make, tmp_path, "cpu")
    assert "the CPU build, a download of 0.2 GB" in capsys.readouterr().out
    assert "torch===2" in install_torch(make, tmp_path, "cuda")
    assert "the CUDA build, a download of 2.8 GB" in capsys.readouterr().out
    make.cpu_builds = ["uv"]
    assert "--torch-backend cpu torch==2" in install_torch(make, tmp_path, "cpu")
    make.cpu_builds = []
    assert "torch===2" in install_torch(make, tmp_path, "auto")
    assert "no CPU build" in capsys.readouterr().out


def test_torch_for_the_cpu_that_is_not_found_is_an_error(
    make: Any, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """The message says where to get it; the environment is not ready."""
    make.cpu_builds = []
    assert make.main(tmp_path / ".venv", "cpu") == 1
    assert "TORCH=cuda" in capsys.readouterr().err
    assert not (tmp_path / ".venv" / ".ready").exists()


def test_torch_is_for_the_gpu_where_there_is_a_driver(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default a machine with a driver of NVIDIA gets the CUDA build."""
    monkeypatch.setattr(make, "_has_nvidia_driver", lambda: True)
    assert "torch===2" in install_torch(make, tmp_path, "auto")
    monkeypatch.setattr(make.sys, "platform", "darwin")
    assert make.main(tmp_path / ".venv", "auto") == 0
    assert not any("torch=" in line for line in commands(tmp_path)[4:]), "macOS has one build, that of the lock"


def test_environment_of_another_python_or_build_is_made_again(make: Any, tmp_path: Path) -> None:
    """What was asked for by name is not overlooked since an environment exists."""
    folder = tmp_path / ".venv"
    packages = folder / "lib" / "python3" / "site-packages"
    assert make.main(folder) == 0
    (packages / "torch-2.13.0+cpu.dist-info").mkdir(parents=True)
    (folder / "pyvenv.cfg").write_text(f"home = /usr/bin\nversion = {sys.version.split()[0]}\n")
    ran = commands(tmp_path)
    assert make.main(folder) == make.main(folder, "cpu") == 0
    assert commands(tmp_path) == ran
    assert make.main(folder, "cuda") == 0
    assert "venv --clear" in commands(tmp_path)[len(ran)]
    (folder / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.9.2\n")
    ran = commands(tmp_path)
    assert make.main(folder) == 0
    assert "venv --clear" in commands(tmp_path)[len(ran)]
