"""Code of a user: what is read, how it is loaded, and how its errors are named."""

import sys
from pathlib import Path

import pytest

from blindtune.core.errors import UserError
from blindtune.models.own_code import OwnCodeError, load_code, read_code


def write(folder: Path, **modules: str) -> Path:
    """Write modules next to each other, and return the path of ``net``."""
    for name, text in modules.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder / "net.py"


def test_modules_next_to_a_file_are_part_of_it(tmp_path: Path) -> None:
    """Imports are followed at any depth, into packages too; what is installed or not imported is no part."""
    path = write(
        tmp_path,
        net="import json\nfrom parts.block import size\nimport one\n",
        one="import two\n",
        two="",
        other="",
        json="raise ValueError\n",
        parts__init="",
        parts__block="from . import sizes\nsize = sizes.SIZE\n",
        parts__sizes="SIZE = 7\n",
    )
    (tmp_path / "parts" / "init.py").rename(tmp_path / "parts" / "__init__.py")
    code = read_code(path)
    assert set(code.texts) == {"", "one", "two", "parts", "parts.block", "parts.sizes"}
    assert load_code(code).module.size == 7
    assert not {"one", "two", "parts"} & set(sys.modules)
    assert not list(tmp_path.rglob("__pycache__"))


def test_two_folders_with_equal_names_do_not_mix(tmp_path: Path) -> None:
    """A module of the same name next to another file is another module, in functions that import late too."""
    found = []
    for number in (1, 2):
        text = "def late():\n    import blocks\n    return blocks.NUMBER\n"
        loaded = load_code(read_code(write(tmp_path / str(number), net=text, blocks=f"NUMBER = {number}\n")))
        found.append(loaded)
    for expected in (1, 2, 1):
        with found[expected - 1].running(), found[expected - 1].running():
            assert found[expected - 1].module.late() == expected
    assert "blocks" not in sys.modules


def test_comments_do_not_count(tmp_path: Path) -> None:
    """A comment or an empty line changes no digest; a number does."""
    first = read_code(write(tmp_path, net="A = 1\n")).sha256
    assert read_code(write(tmp_path, net="# what A is\n\nA = 1\n")).sha256 == first
    assert read_code(write(tmp_path, net="A = 2\n")).sha256 != first


@pytest.mark.parametrize(
    ("text", "message"),
    [("def f(:\n", r"net\.py:1: is not Python code"), ("a = 1\nb = \0\n", r"net\.py.*: is not Python code")],
)
def test_what_is_not_python_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """The message names the file, and the line if it is known."""
    with pytest.raises(UserError, match=message):
        read_code(write(tmp_path, net=text))


def test_error_names_the_line_that_raised_it(tmp_path: Path) -> None:
    """Of an error in a module next to the file, that module and its line are named."""
    path = write(tmp_path, net="import one\n", one="\n\nraise LookupError('nothing')\n")
    with pytest.raises(OwnCodeError, match=r"one\.py:3: LookupError: nothing"):
        load_code(read_code(path))


def test_full_disk_is_no_error_of_the_code(tmp_path: Path) -> None:
    """What the machine refused passes unchanged, so that it ends the study."""
    path = write(tmp_path, net="import errno\nraise OSError(errno.ENOSPC, 'full')\n")
    with pytest.raises(OSError, match="full"):
        load_code(read_code(path))
