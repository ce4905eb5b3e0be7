"""Code of a user that builds networks: one file, with the modules next to it that it imports.

The code is read as text and runs in a module whose name holds its digest, so that no other module of this name is
replaced. Of the modules next to it, only those that its imports name can be loaded. They are compiled from their
text: no compiled copy of an older text is used, and nothing is written next to the file.
"""

import ast
import hashlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

from blindtune.core.errors import UserError
from blindtune.core.failures import is_machine_error
from blindtune.core.syntax import dump_syntax

#: Largest number of letters of a file of code.
_MAX_LETTERS = 2_000_000

#: Largest number of files that one model's code may have.
_MAX_FILES = 500


class OwnCodeError(ValueError):
    """An error of a user's code; the message names the file and the line."""


@dataclass(frozen=True)
class OwnCode:
    """The code of one model.

    Attributes:
        path: of its file.
        texts: the text of each module by its dotted name; the file itself has the empty name.
        paths: the file of each module, by the same names.
    """

    path: Path
    texts: Mapping[str, str]
    paths: Mapping[str, Path]

    @property
    def sha256(self) -> str:
        """What identifies the code: comments, white space and the places of files do not count."""
        total = hashlib.sha256()
        for name, text in sorted(self.texts.items()):
            total.update(f"{name}|{_digest_text(text)}|".encode())
        return total.hexdigest()


def digest_code(path: Path) -> str:
    """Return what identifies one file of code, without those that it imports.

    Args:
        path: of the file.

    Raises:
        UserError: it cannot be read or is not Python.
    """
    return _digest_text(_read_module(path, "")[0])


def _digest_text(text: str) -> str:
    return hashlib.sha256(dump_syntax(ast.parse(text)).encode()).hexdigest()


def read_code(path: Path) -> OwnCode:
    """Read a file of code, and the modules next to it that it imports at any depth.

    Nothing is executed.

    Args:
        path: of the file.

    Raises:
        UserError: a file cannot be read or is not Python.
    """
    texts: dict[str, str] = {}
    paths: dict[str, Path] = {"": path}
    waiting = [""]
    while waiting:
        name = waiting.pop()
        if name in texts:
            continue
        if len(texts) >= _MAX_FILES:
            raise UserError(f"{path}: imports more than {_MAX_FILES} modules next to it. Make them a package.")
        texts[name], imported = _read_module(paths[name], name)
        for other in imported:
            found = _find_next_to(path.parent, other)
            if found is not None and other not in paths:
                paths[other] = found
                waiting.append(other)
    return OwnCode(path, texts, paths)


def _read_module(path: Path, name: str) -> tuple[str, list[str]]:
    """Return the text of a module and the names of all modules that it may import."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error}). Give a file of Python code in UTF-8.") from error
    if len(text) > _MAX_LETTERS:
        raise UserError(f"{path}: has {len(text):,} letters; a file of code has at most {_MAX_LETTERS:,}.")
    try:
        tree = ast.parse(text)
        _digest_text(text)  # a very long expression is too deep for it
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f":{error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise UserError(f"{path}{line}: is not Python code ({getattr(error, 'msg', error)}). Correct it.") from error
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            found += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    # A package runs before its modules.
    return text, [
        ".".join(parts[:end]) for one in found for parts in [one.split(".")] for end in range(1, len(parts) + 1)
    ]


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    above = package.split(".")
    base = ".".join(above[: len(above) - node.level + 1])
    return ".".join(filter(None, (base, node.module)))


def _find_next_to(folder: Path, name: str) -> Path | None:
    """Return the file of a module below a folder; an installed package of the same name goes first."""
    if not name or not all(part.isidentifier() for part in name.split(".")):
        return None
    place = folder.joinpath(*name.split("."))
    for path in (place / "__init__.py", place.with_suffix(".py")):
        if path.is_file():
            return path if not _is_installed(name.partition(".")[0], folder) else None
    return None


@lru_cache(maxsize=512)
def _is_installed(package: str, folder: Path) -> bool:
    """Return whether Python finds a top-level module elsewhere than in a folder."""
    if package in sys.stdlib_module_names or package in sys.builtin_module_names:
        return True
    for place in sys.path:
        if place and Path(place).resolve() != folder.resolve():
            base = Path(place) / package
            if (base / "__init__.py").is_file() or base.with_suffix(".py").is_file():
                return True
    return False


@dataclass
class LoadedCode:
    """Code that was executed once in this process.

    Attributes:
        code: what was executed.
        module: its module.
    """

    code: OwnCode
    module: ModuleType
    _neighbors: dict[str, ModuleType] = field(default_factory=dict)
    _is_running: bool = False

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let the code import the modules next to it, and name file and line of its errors.

        Raises:
            OwnCodeError: the code failed; the message names the file and the line.
        """
        if self._is_running:
            yield
            return
        self._is_running = True
        finder = _Finder(self.code)
        # Modules of the same names that belong to others are put back afterwards.
        hidden = {name: sys.modules.pop(name) for name in self.code.texts if name in sys.modules}
        sys.modules.update(self._neighbors)
        sys.meta_path.append(finder)
        try:
            with naming_lines(self.code.path, self.code.paths.values()):
                yield
        finally:
            sys.meta_path.remove(finder)
            for name in filter(None, self.code.texts):
                if name in sys.modules:
                    self._neighbors[name] = sys.modules.pop(name)
            sys.modules.update(hidden)
            self._is_running = False


class _TextLoader(SourceFileLoader):
    """Compiles a module from a text that was read before."""

    def __init__(self, name: str, path: Path, text: str) -> None:
        super().__init__(name, str(path))
        self._text = text

    def get_code(self, fullname: str) -> Any:
        """Return the compiled text; called by Python's import."""
        return compile(self._text, self.path, "exec", dont_inherit=True)


class _Finder:
    """Finds the modules next to a file of code, after everything that is installed."""

    def __init__(self, code: OwnCode) -> None:
        self._code = code

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Return where a module is; called by Python's import."""
        if not name or name not in self._code.texts:
            return None
        file = self._code.paths[name]
        loader = _TextLoader(name, file, self._code.texts[name])
        return spec_from_loader(name, loader, is_package=file.name == "__init__.py")


_loaded: dict[tuple[str, str], LoadedCode] = {}


def load_code(code: OwnCode) -> LoadedCode:
    """Execute the code of a model, once in a process, and return its module.

    Args:
        code: as `read_code` returns it.

    Raises:
        OwnCodeError: it cannot be imported; the message names the file and the line.
    """
    key = (str(code.path), code.sha256)
    if key not in _loaded:
        name = f"blindtune_own_{code.sha256[:16]}"
        spec = spec_from_loader(name, _TextLoader(name, code.path, code.texts[""]))
        if spec is None or spec.loader is None:
            raise OwnCodeError(f"{code.path}: cannot be imported")
        loaded = LoadedCode(code, module_from_spec(spec))
        # Dataclasses and pickles look up the module of a class here.
        sys.modules[name] = loaded.module
        with _refusing_settings(code.path), loaded.running():
            spec.loader.exec_module(loaded.module)
        _loaded[key] = loaded
    return _loaded[key]


@contextmanager
def _refusing_settings(path: Path) -> Iterator[None]:
    """Refuse code that changes settings of a library while it is imported.

    The import happens once in a process, and trials of one study are trained in several: the settings would hold for
    some of them only.
    """
    before, changed = _read_settings(), []
    try:
        yield
    finally:
        for name, value in _read_settings().items():
            first = before.get(name, _get_initial(name, value))
            if value != first:
                changed.append(name)
                module, _, function = name.rpartition(".")
                getattr(sys.modules[module], function)(first)
    if changed:
        raise OwnCodeError(
            f"{path}: calls {changed[0]} while it is imported, which would hold for some trials only; call it inside "
            "the function that builds the network"
        )


def _read_settings() -> dict[str, object]:
    """Return settings that hold for a whole process, by the function that sets them, of libraries that are imported."""
    found: dict[str, object] = {}
    torch, keras = sys.modules.get("torch"), sys.modules.get("keras.config")
    if torch is not None:
        found["torch.set_default_dtype"] = torch.get_default_dtype()
        found["torch.set_grad_enabled"] = torch.is_grad_enabled()
    if keras is not None:
        found["keras.config.set_floatx"] = keras.floatx()
        found["keras.config.set_dtype_policy"] = keras.dtype_policy().name
    return found


def _get_initial(name: str, value: object) -> object:
    """Return what a setting is before a library is imported; ``value``, what it is now, if that is unknown."""
    if name == "torch.set_default_dtype":
        return sys.modules["torch"].float32
    return True if name == "torch.set_grad_enabled" else value


@contextmanager
def naming_lines(path: Path, files: Any) -> Iterator[None]:
    """Name the file and the line of an error that passes through a user's files.

    Args:
        path: of the main file, which the message names if the error was raised elsewhere.
        files: the user's files.

    Raises:
        OwnCodeError: in place of any error of the code; errors of the machine pass unchanged.
    """
    known = {str(file): file for file in files}
    try:
        yield
    except (UserError, OwnCodeError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        if is_machine_error(error):
            raise
        place, trace = None, error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename in known:
                place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
            trace = trace.tb_next
        if place is None:
            raise
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
        raise OwnCodeError(f"{place}: {reason}") from error
