"""Digests of code: what must be done again when a module changes, and what need not.

Snakemake does not see the modules that a script imports. A rule's ``params`` hold the digest of the modules that
determine its output. They are found by following imports from the rule's entry modules, at the top of a module or in
a function; comments, docstrings and white space do not count. `blindtune.stages` says which modules a rule starts from.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from blindtune.core.syntax import dump_syntax

_ROOT = Path(__file__).parents[1]

#: Modules and packages that are in no digest and are not followed, and why.
NOT_DIGESTED = {
    "blindtune.config": "declares the config; its values are among the params of every rule that uses them",
    "blindtune.core.claims": "decides which process may write; no record depends on it",
    "blindtune.core.schedulers": "tells which process may write; no record depends on it",
    "blindtune.core.job_claims": "decides which job may write; no record depends on it",
    "blindtune.core.bounds": "says what a config may hold; what it holds is among the params",
    "blindtune.core.failures": "says how a run ends when the machine refuses; no record depends on it",
    "blindtune.core.garbage": "says when Python looks for garbage; no record depends on it",
    "blindtune.core.light_imports": "imports a library in less time; no record depends on it",
    "blindtune.core.renamed": "names old keys in messages",
    "blindtune.study.attempts": "remembers deaths of the process; a set that kills it has no other record",
    "blindtune.core.job_log": "writes logs; no record depends on them",
    "blindtune.core.progress": "shows progress; no record depends on it",
    "blindtune.core.syntax": "writes code as text for digests; no record depends on it",
    "blindtune.core.registry": "finds modules; the modules that it finds are digested",
    "blindtune.datasets.registry": "names the sources; the module of the source in use is digested",
    "blindtune.models.families": "names the families; the module of the family in use is digested",
    "blindtune.models.forms": "names the forms of models; the module of the form in use is digested",
    "blindtune.training.pool": "decides where a trial is trained; tests prove that its record does not depend on it",
    "blindtune.training.registry": "names the trainers; the module of the trainer in use is digested",
    "blindtune.tuners.registry": "names the tuners; the module of the tuner in use is digested",
    "blindtune.views.registry": "names the views; the module of the view in use is digested",
}

#: Exceptions from `NOT_DIGESTED`: what they compute is in no param.
DIGESTED = {"blindtune.config.training"}


def digest_of(*modules: str, without: Iterable[str] = ()) -> str:
    """Return the sha256 over the code of modules and of everything that they import.

    Args:
        *modules: dotted names, of blindtune or of another package that adds a kind.
        without: modules that are left out and not followed.
    """
    total = hashlib.sha256()
    for module in sorted(closure(*modules, without=without)):
        total.update(f"{module}|{_parsed(module)[0]}|".encode())
    return total.hexdigest()


def closure(*modules: str, without: Iterable[str] = ()) -> set[str]:
    """Return modules and every module of their packages, or of blindtune, that they import at any depth.

    Args:
        *modules: dotted names.
        without: modules that are left out and not followed, next to those of `NOT_DIGESTED`.
    """
    packages = {"blindtune", *(module.partition(".")[0] for module in modules)}
    left_out = set(without)
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module in found or module in left_out or not is_digested(module):
            continue
        found.add(module)
        waiting += [name for name in _parsed(module)[1] if name.partition(".")[0] in packages]
    return found


@cache
def is_digested(module: str) -> bool:
    """Return whether a module counts where it is imported; `NOT_DIGESTED` says which do not."""
    if module in DIGESTED:
        return True
    return not any(module == name or module.startswith(f"{name}.") for name in NOT_DIGESTED)


@cache
def _parsed(module: str) -> tuple[str, tuple[str, ...]]:
    """Return the digest of a module, and the modules of its own package and of blindtune that it imports."""
    path = _path(module)
    folder = module if path.name == "__init__.py" else module.rpartition(".")[0]
    digest, names = _parse(path.read_text(encoding="utf-8"), folder)
    package = module.partition(".")[0]
    imported = _with_parents({module, *names}, package)
    return digest, tuple(
        sorted(name for name in imported if name.partition(".")[0] in {"blindtune", package} and _exists(name))
    )


@cache
def _parse(text: str, package: str) -> tuple[str, tuple[str, ...]]:
    """Return the digest of a module's code and every name that it imports: a module, or a member of one.

    Args:
        text: of the module.
        package: the one that the module is in, from which relative imports start.
    """
    tree = ast.parse(text)
    names: set[str] = set()
    for node in _statements(tree):
        names.update(_names(node, package))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            _drop_docstring(node)
    return hashlib.sha256(dump_syntax(tree).encode()).hexdigest(), tuple(sorted(names))


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """Give a module and every statement in it, at any depth.

    Only statements import, and only these have docstrings; they are one of eight nodes.
    """
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for field in ("body", "orelse", "finalbody", "handlers", "cases"):
            waiting += getattr(node, field, ())


def _drop_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    if ast.get_docstring(node, clean=False) is not None:
        node.body[0] = ast.Pass()


def _names(node: ast.AST, package: str) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    # One dot is the package of the module itself, each further one the package around it.
    above = package.split(".")[: package.count(".") + 2 - node.level] if node.level else []
    source = ".".join([*above, *([node.module] if node.module else [])])
    return [source, *(f"{source}.{alias.name}" for alias in node.names)] if source else []


def _with_parents(names: Iterable[str], package: str) -> set[str]:
    """Return modules with the packages that they are in: Python runs the code of these too.

    Not those of blindtune, whose ``__init__.py`` compute nothing.

    Args:
        names: dotted names.
        package: whose modules get their parents.
    """
    found = set(names)
    for name in names if package != "blindtune" else ():
        parts = name.split(".")
        if parts[0] == package:
            found |= {".".join(parts[:count]) for count in range(1, len(parts))}
    return found


def _exists(name: str) -> bool:
    """Return whether a name is a module and not a member of one."""
    if name.partition(".")[0] == "blindtune":
        path = _own_path(name)
        return path.with_suffix(".py").exists() or (path / "__init__.py").exists()
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # its parent is a module, not a package
        return False


def _path(module: str) -> Path:
    if module.partition(".")[0] == "blindtune":
        path = _own_path(module)
        return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    spec = find_spec(module)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise ModuleNotFoundError(f"{module}: has no source file, so its code cannot be digested")
    return Path(spec.origin)


def _own_path(module: str) -> Path:
    return _ROOT.parent.joinpath(*module.split("."))
