"""Make the environment of the checkout from requirements.lock; ``make environment`` calls it.

    python3.11 envs/make.py .venv

Two that run at once do not install into one folder: the second waits, and finds the environment ready. It needs nothing
but Python.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "lib"))

from blindtune.core.claims import claim  # noqa: E402
from blindtune.core.errors import UserError  # noqa: E402

#: Files from which the environment follows.
SOURCES = [ROOT / "requirements.lock", ROOT / "pyproject.toml"]

#: Seconds to wait for another one that makes the environment: downloads may be slow.
WAIT = 2 * 3600


def main(folder: Path) -> int:
    """Make the environment in ``folder`` unless it is ready; return the exit status."""
    try:
        with claim(folder, "the environment", wait_seconds=WAIT, notify=print):
            if not _is_ready(folder):
                print(f"Making the environment in {folder}; this takes a few minutes.", flush=True)
                _make(folder)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"{folder}: could not be made, see above ({error.cmd[2]} {error.cmd[3]}).", file=sys.stderr)
        return 1
    return 0


def _is_ready(folder: Path) -> bool:
    """Return whether the environment was made after the last change of what it follows from."""
    ready = folder / ".ready"
    return (
        ready.exists()
        and not _mark(folder).exists()
        and all(ready.stat().st_mtime >= source.stat().st_mtime for source in SOURCES)
    )


def _mark(folder: Path) -> Path:
    """Return the file that exists while the environment is made; next to it, since the folder may be cleared."""
    return folder.with_name(f"{folder.name}.unfinished")


def _make(folder: Path) -> None:
    unfinished = _mark(folder)
    # A kill may have left parts of packages, which pip would take for installed ones.
    clear = ["--clear"] if unfinished.exists() or (folder / ".unfinished").exists() else []
    unfinished.touch()
    (folder / ".ready").unlink(missing_ok=True)  # make looks at it alone
    _run(sys.executable, "-m", "venv", *clear, str(folder))
    python = str(folder / "bin" / "python")
    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    _run(*pip, "--requirement", str(ROOT / "requirements.lock"))
    _run(*pip, "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    # Compiled once here: some machines forbid Python to do it later, and imports then take three times as long.
    # A library may hold files that do not compile; they are not used.
    _run(python, "-m", "compileall", "-qq", str(folder / "lib"), str(ROOT / "workflow" / "lib"), check=False)
    (folder / ".unfinished").unlink(missing_ok=True)
    (folder / ".ready").touch()
    unfinished.unlink()


def _run(*command: str, check: bool = True) -> None:
    subprocess.run(command, check=check)  # noqa: S603  every part is from this file


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
