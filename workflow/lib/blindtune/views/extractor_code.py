"""Which code and which weights a view ``extracted`` has: what is checked and digested of them while a run is planned.

Nothing of the user runs here.
"""

import ast
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from blindtune.core.errors import UserError
from blindtune.core.files import digest_file, digest_json
from blindtune.core.input_digest import digest_inputs
from blindtune.core.paths import check_letters
from blindtune.models.own_code import OwnCode, read_code
from blindtune.views.config import BUILD, ExtractedView

#: The function of a file that names none.
_FUNCTION = "build"

#: Raise it when `blindtune.views.extractor` or `blindtune.views.feature_store` give other features than before: all are
#: then computed again. Other changes of blindtune's code keep the features, which may have taken hours. A test has the
#: digests of both modules for this version, so that it cannot be forgotten.
VALUES_VERSION = 1

#: A folder that only decode opens.
_SEALED = "sealed"

#: Letters of the digest in the names of files and folders.
_KEY_LETTERS = 16


def split_build(config: ExtractedView) -> tuple[Path, str]:
    """Return the file and the function of a view.

    Args:
        config: of the view.
    """
    found = BUILD.fullmatch(config.build)
    if found is None:
        raise ValueError(f"{config.build!r} is not a file of Python code")
    return Path(found["file"]), found["function"] or _FUNCTION


def read_extractor(config: ExtractedView) -> OwnCode:
    """Return the code of a view: its file, with the modules next to it that it imports; nothing is executed.

    Args:
        config: of the view.

    Raises:
        UserError: a file is missing or is not Python.
    """
    path, _ = split_build(config)
    if not path.is_file():
        raise UserError(f"view: build: {path} does not exist. Give the path of a file with a function that extracts.")
    return read_code(path)


def check_extractor(config: ExtractedView) -> None:
    """Refuse a view whose files cannot be used; called while a run is planned.

    Args:
        config: of the view.

    Raises:
        UserError: a file is missing, sealed, or no regular file, or the code has no such function.
    """
    code, (path, function) = read_extractor(config), split_build(config)
    for file in (*code.paths.values(), *([] if config.weights is None else [Path(config.weights)])):
        _check_place(file)
    if function not in _top_level_names(code.texts[""]):
        raise UserError(
            f"view: build: {path} has no function {function} at its top level. Write `def {function}(input_shape, "
            f"arguments, weights)`, or name another one: {path}:name."
        )
    if config.weights is None:
        return
    weights = Path(config.weights)
    if not weights.exists():
        raise UserError(f"view: weights: {weights} does not exist. Give the path of a file that does.")
    if not weights.is_file():
        raise UserError(f"view: weights: {weights} is not a file but a folder, a pipe or a device. Give one file.")


def plan_key(config: ExtractedView) -> str:
    """Return the name of the features of a view: other code, weights or settings have another one.

    A large file of weights counts by its size, its time and pieces of its content, so that planning does not read it.

    Args:
        config: of the view.

    Raises:
        UserError: a file of the code is missing or is not Python.
    """
    weights = None if config.weights is None else digest_inputs([Path(config.weights)])
    return digest_json([_describe_code(config), weights])[:_KEY_LETTERS]


def identify(config: ExtractedView) -> dict[str, Any]:
    """Return what identifies the extractor of a view, as plain data: its code, its weights, and how blindtune calls it.

    Places of files do not count. The name of the file of the code does, as for a network in code.

    Args:
        config: of the view.

    Raises:
        UserError: a file is missing, unreadable, or is not Python.
    """
    weights = None if config.weights is None else _digest_weights(Path(config.weights))
    return _describe_code(config) | {"weights_sha256": weights}


def _describe_code(config: ExtractedView) -> dict[str, Any]:
    path, function = split_build(config)
    return {
        "file": path.name,
        "function": function,
        "code_sha256": read_extractor(config).sha256,
        "arguments": config.arguments,
        "batch_size": config.batch_size,
        "values_version": VALUES_VERSION,
    }


def _digest_weights(path: Path) -> str:
    """Return the SHA-256 of a file, which is read once in a process as long as it does not change."""
    try:
        status = os.stat(path)  # noqa: PTH116  one call for all of it
    except OSError as error:
        raise UserError(f"view: weights: {path}: cannot be read ({error.strerror}).") from error
    return _digest_once(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


@lru_cache(maxsize=64)
def _digest_once(path: Path, *status: int) -> str:
    return digest_file(path)


def _check_place(path: Path) -> None:
    check_letters("view", path)
    if _SEALED in (*path.absolute().parts, *path.resolve().parts):
        raise UserError(f"view: {path}: is below a folder {_SEALED}. Only decode opens eval data; move the file.")


def _top_level_names(text: str) -> set[str]:
    """Return the names that a module defines, assigns or imports at its top level, in a branch too."""
    found: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(text)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        waiting += ast.iter_child_nodes(node)
    return found
