"""The folder of a ledger that a group shares: made before the jobs start, and writable by the group on demand."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from blindtune.core.errors import UserError
from blindtune.core.paths import DEFAULT_LEDGER
from blindtune.core.yaml_files import read_yaml

#: The config of a project that is run without `--configfile`.
_CONFIG = Path("config.yaml")


def prepare_ledger_folder(folder: Path, *, group_writable: bool) -> None:
    """Make the folder of a ledger, and let its group write there if that is wanted.

    Args:
        folder: of the ledger.
        group_writable: whether the group of the folder may write to all that is in it. Files that are created later
            belong to that group too. If not, what is there stays as it is, but for this user's own files that the group
            may write to and not read: an earlier version left such under the umask 077.

    Raises:
        UserError: it cannot be made, or this user may not write there, or may not change what another user owns.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if group_writable:
            _open_to_group(folder)
        else:
            _mend_modes(folder)
    except OSError as error:
        raise UserError(
            f"{folder}: cannot be used as the ledger ({error.strerror or error}). Name another folder with 'ledger', "
            "or allow writing there."
        ) from error
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise UserError(
            f"{folder}: this user may not write to the ledger. Its owner lets the group write there by a run with "
            "'ledger_group_writable: true', if this user belongs to the group of the folder."
        )


def find_ledger(given: Path | None) -> Path:
    """Return the folder of the ledger that a user means.

    Args:
        given: that folder, or a config file that names it with ``ledger``; None: what config.yaml of the working
            directory names, if it is there.

    Raises:
        UserError: the config cannot be read, or what it names is no path.
    """
    config = given or _CONFIG
    if config.suffix not in (".yaml", ".yml") or not config.is_file():
        return given or Path(DEFAULT_LEDGER)
    content = read_yaml(config)
    named = content.get("ledger", DEFAULT_LEDGER) if isinstance(content, dict) else DEFAULT_LEDGER
    if not isinstance(named, str) or not named or "\0" in named:
        raise UserError(f"{config}: ledger: {named!r} is not the path of a folder")
    return Path(named)


def _open_to_group(folder: Path) -> None:
    """Let the group write to a folder and to all in it that is this user's."""
    # The folder itself may be a link to one that a group shares; links in it are not followed.
    for place, _, files in os.walk(folder.resolve()):
        # A new file gets the group of such a folder, in place of the first group of the user who writes it.
        _add_mode(Path(place), stat.S_ISGID | stat.S_IRGRP | stat.S_IWGRP | stat.S_IXGRP)
        for name in files:
            with suppress(FileNotFoundError):  # a draft or a claim that is gone
                _add_mode(Path(place) / name, stat.S_IRGRP | stat.S_IWGRP)


def _mend_modes(folder: Path) -> None:
    """Let the group read what is this user's and may be written to by the group already."""
    for place, _, files in os.walk(folder.resolve()):
        found = [(Path(place), stat.S_IRWXG), *((Path(place) / name, stat.S_IRGRP) for name in files)]
        for path, bits in found:
            with suppress(FileNotFoundError):
                known = path.lstat()
                if known.st_mode & stat.S_IWGRP and known.st_uid == os.getuid():
                    _add_mode(path, bits)


def _add_mode(path: Path, bits: int) -> None:
    known = path.lstat()
    if stat.S_ISLNK(known.st_mode) or known.st_mode & bits == bits:
        return
    try:
        path.chmod(stat.S_IMODE(known.st_mode) | bits)
    except PermissionError as error:
        raise UserError(
            f"{path}: belongs to another user and is not readable and writable by the group. Its owner lets the group "
            "in by a run with 'ledger_group_writable: true'."
        ) from error
