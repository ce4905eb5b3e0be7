"""The syntax of Python code as text, the same text on every supported Python.

`ast.dump` and the trees themselves changed: Python 3.12 has a field for type parameters and puts empty texts into
format specifications, Python 3.13 leaves out empty lists. Digests of code are part of the identity of frozen models,
so they must not depend on the Python that computes them.
"""

import ast


def dump_syntax(node: object) -> str:
    """Return a syntax tree as `ast.dump` of Python 3.11 writes it.

    Args:
        node: a tree, a list of trees, or a value in a tree.
    """
    if isinstance(node, list):
        return f"[{', '.join(map(dump_syntax, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    parts = []
    for name in node._fields:
        value = getattr(node, name, None)
        # An absent optional field is left out, and so are type parameters where there are none.
        if (value is None and getattr(type(node), name, ...) is None) or (name == "type_params" and not value):
            continue
        if isinstance(node, ast.JoinedStr):
            value = [part for part in node.values if not _is_empty_text(part)]
        parts.append(f"{name}={dump_syntax(value)}")
    return f"{type(node).__name__}({', '.join(parts)})"


def _is_empty_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value == ""
