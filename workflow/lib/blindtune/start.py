"""Start the workflow of a clone with Snakemake, for people who do not know Snakemake."""

import importlib.util
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from blindtune.core.errors import UserError
from blindtune.core.library_copy import copy_in_use

#: Arguments of Snakemake that say how many jobs run at once, or where: the default is left out then.
_PLACES = ("--cores", "--jobs", "--profile", "--workflow-profile", "--executor")
_SHORT_PLACES = ("-c", "-j", "-e")

#: A folder that holds both is a clone.
_SNAKEFILE, _LIBRARY = "Snakefile", Path("workflow", "lib", "blindtune")


def start(config: Path, arguments: Sequence[str]) -> None:
    """Replace this process by Snakemake, which runs the workflow in the current folder.

    Snakemake gets every signal, such as Ctrl-C, and its exit status is that of the command.

    Args:
        config: the user's config file.
        arguments: further arguments of Snakemake, passed on as they are.

    Raises:
        UserError: there is no config, no clone or no Snakemake.
    """
    command = build_command(config, arguments, os.environ)
    os.execv(command[0], command)  # noqa: S606  no shell is wanted: the arguments are the user's own


def build_command(config: Path, arguments: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """Return the command line of Snakemake.

    Args:
        config: the user's config file.
        arguments: further arguments of Snakemake.
        environment: environment variables; Snakemake takes a profile from one of them.

    Raises:
        UserError: as `start`.
    """
    if not config.is_file():
        raise UserError(f"{config}: there is no such file. Give the config first: blindtune run my.yaml [-n ...].")
    snakefile = find_snakefile(Path.cwd())
    if importlib.util.find_spec("snakemake") is None:
        raise UserError(
            f"{sys.executable}: has no Snakemake. Run `make environment` in {snakefile.parent}, then "
            f"`. {snakefile.parent}/.venv/bin/activate`."
        )
    # -P: files of the current folder, such as a random.py of the user, are no modules of Snakemake. --configfile takes
    # several files, so that an argument with a dash must follow it.
    command = [sys.executable, "-P", "-m", "snakemake", "--configfile", str(config), "-s", str(snakefile)]
    if not _says_where(arguments, environment):
        command += ["--cores", "all"]
    return [*command, *arguments]


def find_snakefile(folder: Path) -> Path:
    """Return the Snakefile of the clone around a folder, or else of the clone that this library is in.

    Raises:
        UserError: neither is in a clone.
    """
    folder = folder.resolve()
    for place in (folder, *folder.parents, copy_in_use().parents[1]):
        if (place / _SNAKEFILE).is_file() and (place / _LIBRARY).is_dir():
            return place / _SNAKEFILE
    raise UserError(
        f"{folder}: is not in a clone of blindtune, and the library in {copy_in_use()} is not either, so that no "
        "Snakefile is found. Change to the folder of the clone, and run again."
    )


def _says_where(arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Return whether the user has said how many jobs run at once, or named a profile that may."""
    names = [argument.partition("=")[0] for argument in arguments]
    given = any(name in _PLACES or name.startswith(_SHORT_PLACES) for name in names)
    return given or bool(environment.get("SNAKEMAKE_PROFILE"))
