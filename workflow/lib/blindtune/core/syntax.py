"""The syntax of Python code as text, the same text on every supported Python.

`ast.dump` and the trees themselves changed: Python 3.12 has a field for type parameters and puts empty texts into
format specifications, Python 3.13 leaves out empty lists. Digests of code are part of the identity of frozen models,
so they must not depend on the Python that computes them.
"""

import ast

#: What `_list_fields` found.
_FIELDS: dict[type[ast.AST], list[tuple[str, bool]]] = {}


def dump_syntax(node: object) -> str:
    """Return a syntax tree as `ast.dump` of Python 3.11 writes it.

    Args:
        node: a tree, a list of trees, or a value in a tree.
    """
    parts: list[str] = []
    _dump(node, parts)
    return "".join(parts)


def _dump(node: object, parts: list[str]) -> None:
    """Add the text of a node to some texts: every plan does it for each node of the library, some 500,000."""
    if isinstance(node, ast.AST):
        _dump_node(node, parts)
    elif isinstance(node, list):
        between = "["
        for part in node:
            parts.append(between)
            _dump(part, parts)
            between = ", "
        parts.append("]" if node else "[]")
    else:
        parts.append(repr(node))


def _dump_node(node: ast.AST, parts: list[str]) -> None:
    between = f"{type(node).__name__}("
    for name, is_optional in _list_fields(type(node)):
        value = getattr(node, name, None)
        # An absent optional field is left out, and so are type parameters where there are none.
        if (value is None and is_optional) or (name == "type_params" and not value):
            continue
        if isinstance(node, ast.JoinedStr):
            value = [part for part in node.values if not _is_empty_text(part)]
        parts.append(f"{between}{name}=")
        _dump(value, parts)
        between = ", "
    parts.append(")" if between == ", " else f"{between})")


def _list_fields(kind: type[ast.AST]) -> list[tuple[str, bool]]:
    """Return the fields of a kind of node, and whether each may be absent."""
    if kind not in _FIELDS:
        _FIELDS[kind] = [(name, getattr(kind, name, ...) is None) for name in kind._fields]
    return _FIELDS[kind]


def _is_empty_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value == ""
