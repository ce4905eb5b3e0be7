"""Make the environment of the checkout from requirements.lock; ``make environment`` calls it.

    python3.11 envs/make.py .venv
    python3.13 envs/make.py .venv --torch cpu
    python3.13 envs/make.py .venv --extras smac

Two that run at once do not install into one folder: the second waits, and finds the environment ready. It needs nothing
but Python. An environment of another Python, or with another build of PyTorch than the one asked for, is made again.
Optional engines that it has once stay, at the versions of requirements-engines.lock.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "lib"))

from blindtune.core.claims import claim  # noqa: E402
from blindtune.core.errors import UserError  # noqa: E402
from blindtune.tuners.engines import ENGINES  # noqa: E402

LOCK = ROOT / "requirements.lock"

#: What the optional engines add; their versions of packages that LOCK has too are the same.
ENGINES_LOCK = ROOT / "requirements-engines.lock"

#: Files from which the environment follows.
SOURCES = [LOCK, ROOT / "pyproject.toml"]

#: Seconds to wait for another one that makes the environment: downloads may be slow.
WAIT = 2 * 3600

#: Finds PyTorch's CPU build where pip does not; it knows the address of PyTorch's own index.
UV = "uv==0.13.9"

#: What an unreachable index may cost.
UV_LIMITS = {"UV_HTTP_TIMEOUT": "20", "UV_HTTP_RETRIES": "1"}

CPU_SIZE = "a download of 0.2 GB; 3.8 GB on disk with everything else"
CUDA_SIZE = "a download of 2.8 GB; 7.4 GB on disk with everything else"


def main(folder: Path, torch: str = "auto", extras: Sequence[str] = ()) -> int:
    """Make the environment in ``folder`` unless it is ready; return the exit status.

    Args:
        folder: of the environment.
        torch: the build of PyTorch: ``cpu``, ``cuda``, or ``auto``.
        extras: optional engines.
    """
    unknown = [name for name in extras if name not in ENGINES]
    if unknown:
        print(f"EXTRAS: {', '.join(unknown)} is no optional engine; they are {', '.join(ENGINES)}.", file=sys.stderr)
        return 1
    try:
        with claim(folder, "the environment", wait_seconds=WAIT, notify=print):
            if not _is_ready(folder, torch, extras):
                _say(f"Making the environment in {folder} with Python {_version()}; this takes a few minutes.")
                if _version() not in _known_versions():
                    _say(f"requirements.lock is for Python {', '.join(_known_versions())}; {_version()} was not tried.")
                _make(folder, torch, sorted({*extras, *_read_extras(folder)}))
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"{folder}: could not be made, see above ({error.cmd[2]} {error.cmd[3]}).", file=sys.stderr)
        return 1
    return 0


def _is_ready(folder: Path, torch: str, extras: Sequence[str] = ()) -> bool:
    """Return whether the environment was made as asked for, after the last change of what it follows from."""
    ready = folder / ".ready"
    had = _read_extras(folder)
    return (
        set(extras) <= had
        and ready.exists()
        and not _mark(folder).exists()
        and all(
            ready.stat().st_mtime >= source.stat().st_mtime for source in [*SOURCES, *([ENGINES_LOCK] if had else [])]
        )
        and not _is_other(folder, torch)
    )


def _read_extras(folder: Path) -> set[str]:
    """Return the optional engines that the environment has."""
    path = folder / ".extras"
    return set(path.read_text(encoding="utf-8").split()) & set(ENGINES) if path.exists() else set()


def _is_other(folder: Path, torch: str) -> bool:
    """Return whether an environment has another Python or another build of PyTorch than the one asked for."""
    config = folder / "pyvenv.cfg"
    made_with = re.search(r"^version\s*=\s*(\d+\.\d+)", config.read_text(), re.MULTILINE) if config.exists() else None
    if made_with and made_with[1] != _version():
        return True
    builds = [path.name for path in folder.glob("lib/python*/site-packages/torch-*.dist-info")]
    if torch == "auto" or not builds or sys.platform != "linux":
        return False
    return (torch == "cpu") != ("+cpu" in builds[0])


def _mark(folder: Path) -> Path:
    """Return the file that exists while the environment is made; next to it, since the folder may be cleared."""
    return folder.with_name(f"{folder.name}.unfinished")


def _make(folder: Path, torch: str, extras: Sequence[str]) -> None:
    unfinished = _mark(folder)
    # A kill may have left parts of packages, which pip would take for installed ones.
    is_partial = unfinished.exists() or (folder / ".unfinished").exists()
    clear = ["--clear"] if is_partial or _is_other(folder, torch) else []
    unfinished.touch()
    (folder / ".ready").unlink(missing_ok=True)  # make looks at it alone
    _run(sys.executable, "-m", "venv", *clear, str(folder))
    python = str(folder / "bin" / "python")
    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    _install_torch(pip, torch)
    _run(*pip, "--requirement", str(LOCK))
    _run(*pip, "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    if extras:
        _say(f"Optional engines: {', '.join(extras)}.")
        limits = ("--constraint", str(LOCK), "--constraint", str(ENGINES_LOCK))
        _run(*pip, *limits, "--no-build-isolation", "--editable", f"{ROOT}[{','.join(extras)}]")
        (folder / ".extras").write_text("".join(f"{name}\n" for name in extras), encoding="utf-8")
    # Compiled once here: some machines forbid Python to do it later, and imports then take three times as long.
    # A library may hold files that do not compile; they are not used.
    _run(python, "-m", "compileall", "-qq", str(folder / "lib"), str(ROOT / "workflow" / "lib"), check=False)
    (folder / ".unfinished").unlink(missing_ok=True)
    (folder / ".ready").touch()
    unfinished.unlink()


def _install_torch(pip: tuple[str, ...], wanted: str) -> None:
    """Install the build of PyTorch that is wanted; say which one and how large it is before that.

    Args:
        pip: the command that installs.
        wanted: ``cpu``, ``cuda``, or ``auto``: the CUDA build where there is an NVIDIA driver, otherwise the CPU build
            if there is one for this Python.

    Raises:
        UserError: the CPU build is wanted and cannot be found.
    """
    if sys.platform != "linux":  # elsewhere there is one build only
        return
    pin = next(line for line in LOCK.read_text(encoding="utf-8").splitlines() if line.startswith("torch=="))
    limits = ("--constraint", str(LOCK))
    is_cpu = wanted == "cpu" or (wanted == "auto" and not _has_nvidia_driver())
    if is_cpu and _works(*pip, "--dry-run", "--no-deps", f"{pin}+cpu"):
        _say(f"PyTorch: the CPU build, {CPU_SIZE}. TORCH=cuda takes the one for NVIDIA GPUs: {CUDA_SIZE}.")
        _run(*pip, f"{pin}+cpu", *limits)
        return
    if is_cpu:
        uv = (pip[0], "-m", "uv", "pip", "install", "--quiet", "--python", pip[0], "--torch-backend", "cpu")
        _run(*pip, UV)
        if _works(*uv, "--dry-run", "--no-deps", pin):
            _say(f"PyTorch: the CPU build, {CPU_SIZE}. TORCH=cuda takes the one for NVIDIA GPUs: {CUDA_SIZE}.")
            _run(*uv, pin, *limits)
            return
        if wanted == "cpu":
            raise UserError(
                f"no CPU build of {pin} for Python {_version()} was found, neither by pip nor by uv. Say where it is "
                "with PIP_FIND_LINKS or PIP_EXTRA_INDEX_URL (PyTorch's page on how to install it has the address of "
                f"its CPU builds), or run make with TORCH=cuda: {CUDA_SIZE}."
            )
        _say(f"PyTorch: no CPU build for Python {_version()} was found, so the CUDA build is taken: {CUDA_SIZE}.")
    else:
        _say(f"PyTorch: the CUDA build, {CUDA_SIZE}. TORCH=cpu takes the CPU build: {CPU_SIZE}.")
    # Three signs: exactly this text, so no CPU build, whose version ends in +cpu.
    _run(*pip, pin.replace("==", "==="), *limits)


def _has_nvidia_driver() -> bool:
    return shutil.which("nvidia-smi") is not None or Path("/proc/driver/nvidia/version").exists()


def _version() -> str:
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def _known_versions() -> list[str]:
    return (ROOT / ".python-version").read_text(encoding="utf-8").split()


def _say(text: str) -> None:
    print(text, flush=True)


def _works(*command: str) -> bool:
    environment = os.environ | UV_LIMITS
    return subprocess.run(command, check=False, capture_output=True, env=environment).returncode == 0  # noqa: S603


def _run(*command: str, check: bool = True) -> None:
    subprocess.run(command, check=check)  # noqa: S603  every part is from this file


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, help="of the environment")
    parser.add_argument("--torch", choices=("auto", "cpu", "cuda"), default="auto", help="the build of PyTorch")
    parser.add_argument("--extras", default="", help="optional engines, with commas between them")
    given = parser.parse_args()
    sys.exit(main(given.folder, given.torch, given.extras.replace(",", " ").split()))
