"""Digests of code: edits that count, edits that do not, and imports at any depth."""

import ast
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import blindtune
from blindtune import code
from blindtune.code import closure, digest_of, imports
from blindtune.systems import Bayes, Knn, Manual, RandomForest, Tuned

LIBRARY = Path(blindtune.__file__).parent
Edit = Callable[[str, str, str], None]


@pytest.fixture
def edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Edit]:
    """Works on a copy of the library; returns what replaces a text in one of its modules."""
    copy = tmp_path / "blindtune"
    shutil.copytree(LIBRARY, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code, "_ROOT", copy)
    code._parsed.cache_clear()

    def replace(module: str, old: str, new: str) -> None:
        path = copy / f"{module}.py"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        code._parsed.cache_clear()

    yield replace
    monkeypatch.undo()
    code._parsed.cache_clear()


def test_comments_and_white_space_do_not_count(edit: Edit) -> None:
    before = digest_of("blindtune.seeds")
    edit("seeds", "import hashlib\n", "# a comment\n\nimport hashlib  # another\n\n\n")
    edit("seeds", "return 1 + int", "return (\n        1 + int")
    edit("seeds", "% (2**31 - 1)", "% (2**31 - 1)\n    )")
    assert digest_of("blindtune.seeds") == before


def test_an_edit_counts_wherever_it_is_imported(edit: Edit) -> None:
    modules = ("blindtune.seeds", "blindtune.trials", "blindtune.training.pytorch")
    before = [digest_of(module) for module in modules]
    edit("files", "sort_keys=True, separators", "sort_keys=False, separators")
    after = [digest_of(module) for module in modules]
    assert all(one != other for one, other in zip(before, after, strict=True))
    edit("files", "sort_keys=False, separators", "sort_keys=True, separators")
    assert [digest_of(module) for module in modules] == before


def test_a_module_alone_counts_without_its_imports(edit: Edit) -> None:
    before = digest_of("blindtune.errors", alone=("blindtune.seeds",))
    edit("files", "sort_keys=True, separators", "sort_keys=False, separators")
    assert digest_of("blindtune.errors", alone=("blindtune.seeds",)) == before
    edit("seeds", "2**31 - 1)", "2**30 - 1)")
    assert digest_of("blindtune.errors", alone=("blindtune.seeds",)) != before


def test_the_order_of_modules_does_not_count() -> None:
    assert digest_of("blindtune.seeds", "blindtune.trials") == digest_of("blindtune.trials", "blindtune.seeds")


def test_every_form_of_import_is_followed(edit: Edit) -> None:
    edit("errors", "class UserError", "def late():\n    from blindtune import fetch\n\n\nclass UserError")
    edit("fetch", "import http.client", "import http.client\nimport blindtune.layout as places")
    found = closure("blindtune.errors")
    assert {"blindtune.errors", "blindtune", "blindtune.fetch", "blindtune.layout", "blindtune.files"} <= found


def test_names_that_are_no_modules_are_left_out() -> None:
    assert imports("blindtune.seeds") == {"hashlib", "blindtune.files"}
    assert "blindtune.models.pytorch" in imports("blindtune.training.pytorch")
    assert closure("blindtune.seeds") == {"blindtune.seeds", "blindtune.files", "blindtune.errors"}


def test_the_library_has_no_import_that_the_digest_cannot_follow() -> None:
    for path in LIBRARY.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not (isinstance(node, ast.ImportFrom) and node.level), f"{path}: a relative import"


@pytest.mark.parametrize("system", [Knn, RandomForest, Bayes, Manual, Tuned])
def test_a_system_names_what_determines_its_records(system: type, edit: Edit) -> None:
    def current() -> str:
        return digest_of(*system.code, alone=("blindtune.studies", "blindtune.systems", "blindtune.seeds"))

    settings = system.model_construct()
    before = settings.code_digest()
    assert before == current()
    edit("seeds", "2**31 - 1)", "2**30 - 1)")
    assert settings.code_digest() != before


def test_what_one_framework_does_voids_no_record_of_another() -> None:
    assert not any("keras" in module for module in closure(*Manual.code))
    assert not any("pytorch" in module for module in closure(*Tuned.code))
    assert not any("report" in module or "seal" in module for module in closure(*Tuned.code, *Manual.code, *Knn.code))
