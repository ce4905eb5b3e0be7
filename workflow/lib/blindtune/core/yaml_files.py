"""Read YAML that a user wrote: safely, with numbers as people write them, and without keys that count twice."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml

from blindtune.core.errors import UserError
from blindtune.core.files import read_regular_file

#: Values of one file, each use of an alias counted: a few lines of aliases may stand for 10^9 values.
_MAX_NODES = 1_000_000
_MAX_BYTES = 10_000_000
#: Levels of nesting; more end the parser's recursion.
_MAX_DEPTH = 100


class _MisreadError(yaml.MarkedYAMLError):
    """What is valid YAML, but would be read as something else than was meant."""


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which refuses deep nesting while it reads, and reads 1e-3 as a number."""

    def fetch_flow_collection_start(self, TokenClass: Any) -> None:  # noqa: N803  PyYAML's name
        """Refuse too many open brackets: the scanner's time grows with their square."""
        if self.flow_level >= _MAX_DEPTH:
            raise yaml.YAMLError(f"line {self.line + 1}: is nested too deeply")
        super().fetch_flow_collection_start(TokenClass)

    def add_indent(self, column: int) -> bool:
        """Refuse too many levels of indented blocks."""
        if len(self.indents) >= _MAX_DEPTH:
            raise yaml.YAMLError(f"line {self.line + 1}: is nested too deeply")
        return bool(super().add_indent(column))


# YAML 1.1 wants a point and a sign, YAML 1.2 and everybody else do not.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    # Three digits of an exponent hold every float; more would be read as infinite, and may be the name of a patient.
    re.compile(r"^[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]{1,3}$", re.ASCII),
    list("-+.0123456789"),
)


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file, read by a safe loader.

    Raises:
        UserError: the file is missing, unreadable, not YAML, has a key twice, or an octal number.
    """
    return _guarded(path, _construct)


def check_duplicate_keys(paths: Iterable[str | Path]) -> None:
    """Refuse files that another loader read before, the last of two equal keys counting and 010 being 8.

    Args:
        paths: files in YAML or JSON; one that is not a regular file is passed over, since it can be read only once.

    Raises:
        UserError: a mapping of a file has a key twice, or a number is octal; the message names the lines.
    """
    for path in map(Path, paths):
        if path.is_file():
            _guarded(path, _compose, refuse_syntax=False)


def _guarded(path: Path, read: Callable[[str], Any], refuse_syntax: bool = True) -> Any:
    content = read_regular_file(path, _MAX_BYTES)
    try:
        return read(content.decode("utf-8"))
    except _MisreadError as error:
        raise UserError(f"{path}: {error.problem}") from error
    # PyYAML lets through what Python raises for a date that does not exist, a number of 5000 digits or `!!bool x`.
    except (yaml.YAMLError, ValueError, ArithmeticError, LookupError, AttributeError, TypeError) as error:
        if refuse_syntax:
            raise UserError(f"{path}: is not valid YAML: {error}") from error
    except RecursionError:
        if refuse_syntax:
            raise UserError(f"{path}: is not valid YAML: it is nested too deeply.") from None
    return None


def _construct(text: str) -> Any:
    root = _compose(text)
    loader = _Loader("")
    try:
        return None if root is None else loader.construct_document(root)
    finally:
        loader.dispose()


def _compose(text: str) -> yaml.Node | None:
    root: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    if root is not None:
        _check_size(root, {}, ())
    return root


def _check_size(node: yaml.Node, sizes: dict[int, int], above: tuple[int, ...]) -> int:
    """Return the number of values below a node, each use of an alias counted, and check its keys.

    Args:
        node: a value of the file.
        sizes: the nodes that were counted before, by their id.
        above: ids of the nodes that hold this one.
    """
    if id(node) in above:
        raise yaml.YAMLError(f"line {node.start_mark.line + 1}: an alias holds itself")
    if id(node) in sizes:
        return sizes[id(node)]
    if len(above) > _MAX_DEPTH:
        raise yaml.YAMLError(f"line {node.start_mark.line + 1}: is nested too deeply")
    parts: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        _check_keys(node)
        parts = [part for pair in node.value for part in pair]
    elif isinstance(node, yaml.SequenceNode):
        parts = node.value
    else:
        _check_number(node)
    size = 1 + sum(_check_size(part, sizes, (*above, id(node))) for part in parts)
    if size > _MAX_NODES:
        raise yaml.YAMLError(f"line {node.start_mark.line + 1}: gives more than {_MAX_NODES:,} values")
    sizes[id(node)] = size
    return size


def _check_number(node: yaml.Node) -> None:
    """Refuse a whole number such as 010, which YAML 1.1 takes for an octal one, 8."""
    if node.tag == "tag:yaml.org,2002:int" and re.fullmatch(r"[-+]?0[0-7_]+", node.value):
        digits = node.value.replace("_", "")
        octal, decimal = int(digits, 8), int(digits)
        if octal != decimal:
            raise _MisreadError(
                problem=f"line {node.start_mark.line + 1}: {node.value[:40]} begins with 0, so YAML reads it as the "
                f"octal number {octal}. Write {decimal} or {octal}."
            )


def _check_keys(node: yaml.MappingNode) -> None:
    lines: dict[tuple[str, str], int] = {}
    for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
        name, line = (key.tag, key.value), key.start_mark.line + 1
        if name in lines:
            raise _MisreadError(
                problem=f"the key {key.value[:80]!r} is in line {lines[name]} and in line {line}. Keep one of the two."
            )
        lines[name] = line
