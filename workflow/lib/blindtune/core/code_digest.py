"""Digests of library code: what must be done again when a module changes, and what need not.

Snakemake does not see the modules that a script imports. A rule's ``params`` hold the digest of the modules
that determine its output, found by following the imports; comments and white space do not count.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).parents[1]


def digest_of(*modules: str, alone: tuple[str, ...] = ()) -> str:
    """The sha256 over code.

    Args:
        modules: ``blindtune.x``, each with every module of blindtune that it imports, at any depth.
        alone: modules that count without their imports, such as one that picks among trainers.
    """
    total = hashlib.sha256()
    for module in sorted(closure(*modules) | set(alone)):
        total.update(f"{module}|{_parsed(module)[0]}|".encode())
    return total.hexdigest()


def closure(*modules: str) -> set[str]:
    """``modules`` and every module of blindtune that they import, at any depth."""
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += [name for name in _parsed(module)[1] if name.startswith("blindtune")]
    return found


def imports(module: str) -> set[str]:
    """Every module that ``module`` imports itself, at its top or in a function."""
    return set(_parsed(module)[1])


@cache
def _parsed(module: str) -> tuple[str, tuple[str, ...]]:
    tree = ast.parse(_path(module).read_text(encoding="utf-8"))
    names = {name for node in ast.walk(tree) for name in _names(node)}
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest(), tuple(sorted(names))


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        below = [f"{node.module}.{alias.name}" for alias in node.names]
        return [node.module, *(name for name in below if name.startswith("blindtune") and _is_module(name))]
    return []


def _is_module(name: str) -> bool:
    path = _ROOT.parent.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def _path(module: str) -> Path:
    path = _ROOT.parent.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
