"""The text of a syntax tree, by which code is identified."""

import ast
import hashlib
import sys
from pathlib import Path

import pytest

import blindtune
from blindtune.core.syntax import dump_syntax

#: What Python 3.12 and 3.13 parse or dump differently: functions and classes, empty lists, absent values, texts with
#: nested formats, constants of every type.
CODE = '''\
"""A module."""
import os as system
from . import other

@system.cache
class Table(dict, metaclass=type):
    size: int = 3

    async def read(self, /, name, *rest, width=None, **more) -> None:
        """Read."""
        if not rest:
            return
        print(f"{name!r:>{width}}", f"{name:{width}.2f} of {rest[0]:}", f"", f"a" "b", u"c", b"d", 1.5, 2j, ..., None)

def empty(): pass
late = lambda: (yield)
try:
    match late:
        case {"a": [1, *_], **rest} if rest: del rest
        case None | Table(size=3): raise ValueError from None
except* OSError: pass
call(); found = [x for x in () if x]
'''

#: Of `CODE`, computed with Python 3.11. The identities of frozen models depend on it.
SHA256 = "8c55782a2a16f030f6465d0e5f1b8b522128beb399f9b54fe08b080dc3b17ce5"


def test_syntax_text_is_the_same_on_every_python() -> None:
    """The text is the one that Python 3.11 wrote when the first models were frozen."""
    assert hashlib.sha256(dump_syntax(ast.parse(CODE)).encode()).hexdigest() == SHA256


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="the text is that of ast.dump of Python 3.11")
def test_syntax_text_is_that_of_python_3_11() -> None:
    """On Python 3.11 the text is that of `ast.dump`, so older digests are valid."""
    for path in Path(blindtune.__file__).parent.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert dump_syntax(tree) == ast.dump(tree), path


@pytest.mark.parametrize(
    ("one", "other"),
    [("f'{a:>{b}}'", "f'{a:<{b}}'"), ("f'{a}'", "f'{a} '"), ("a = ''", "a = None"), ("f()", "f(1)")],
)
def test_syntax_text_tells_codes_apart(one: str, other: str) -> None:
    """Different code has different texts."""
    assert dump_syntax(ast.parse(one)) != dump_syntax(ast.parse(other))
