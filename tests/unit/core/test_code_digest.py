"""Digests of code: edits that count, edits that do not, and imports at any depth."""

import ast
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import blindtune
from blindtune.config.systems import Bayes, Knn, Manual, RandomForest, Tuned
from blindtune.core import code_digest as code
from blindtune.core.code_digest import closure, digest_of, imports
from blindtune.training.registry import network_trainers
from blindtune.tuners.registry import TUNERS

LIBRARY = Path(blindtune.__file__).parent
Edit = Callable[[str, str, str], None]
TRAINERS = network_trainers()


def manual(trainer: str) -> Manual:
    return Manual.model_validate({"kind": "manual", "model": "mlp_m1", "trainer": trainer})


def tuned(trainer: str, library: str, family: str = "mlp") -> Tuned:
    algorithm = "parameter-sampler" if library == "scikit-learn" else "random"
    tuner = {"library": library, "algorithm": algorithm}
    return Tuned.model_validate(
        {"kind": "tuner", "tuner": tuner, "space": family, "trainer": trainer, "family": family}
    )


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
    before = digest_of("blindtune.core.seeds")
    edit("seeds", "import hashlib\n", "# a comment\n\nimport hashlib  # another\n\n\n")
    edit("seeds", "return 1 + int", "return (\n        1 + int")
    edit("seeds", "% (2**31 - 1)", "% (2**31 - 1)\n    )")
    assert digest_of("blindtune.core.seeds") == before


def test_an_edit_counts_wherever_it_is_imported(edit: Edit) -> None:
    modules = ("blindtune.core.seeds", "blindtune.records.trial", "blindtune.training.pytorch")
    before = [digest_of(module) for module in modules]
    edit("files", "sort_keys=True, separators", "sort_keys=False, separators")
    after = [digest_of(module) for module in modules]
    assert all(one != other for one, other in zip(before, after, strict=True))
    edit("files", "sort_keys=False, separators", "sort_keys=True, separators")
    assert [digest_of(module) for module in modules] == before


def test_a_module_alone_counts_without_its_imports(edit: Edit) -> None:
    before = digest_of("blindtune.core.errors", alone=("blindtune.core.seeds",))
    edit("files", "sort_keys=True, separators", "sort_keys=False, separators")
    assert digest_of("blindtune.core.errors", alone=("blindtune.core.seeds",)) == before
    edit("seeds", "2**31 - 1)", "2**30 - 1)")
    assert digest_of("blindtune.core.errors", alone=("blindtune.core.seeds",)) != before


def test_the_order_of_modules_does_not_count() -> None:
    assert digest_of("blindtune.core.seeds", "blindtune.records.trial") == digest_of(
        "blindtune.records.trial", "blindtune.core.seeds"
    )


def test_every_form_of_import_is_followed(edit: Edit) -> None:
    edit("errors", "class UserError", "def late():\n    from blindtune import fetch\n\n\nclass UserError")
    edit("fetch", "import http.client", "import http.client\nimport blindtune.core.paths as places")
    found = closure("blindtune.core.errors")
    assert {
        "blindtune.core.errors",
        "blindtune",
        "blindtune.core.download",
        "blindtune.core.paths",
        "blindtune.core.files",
    } <= found


def test_names_that_are_no_modules_are_left_out() -> None:
    assert imports("blindtune.core.seeds") == {"hashlib", "blindtune.core.files"}
    assert "blindtune.models.pytorch" in imports("blindtune.training.pytorch")
    assert closure("blindtune.core.seeds") == {"blindtune.core.seeds", "blindtune.core.files", "blindtune.core.errors"}


def test_the_library_has_no_import_that_the_digest_cannot_follow() -> None:
    for path in LIBRARY.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not (isinstance(node, ast.ImportFrom) and node.level), f"{path}: a relative import"


SYSTEMS = {
    "knn": Knn.model_construct(),
    "random_forest": RandomForest.model_construct(),
    "bayes": Bayes.model_construct(),
    **{f"manual_{trainer}": manual(trainer) for trainer in TRAINERS},
    **{f"{library}_{trainer}": tuned(trainer, library) for trainer in TRAINERS for library in TUNERS.names()},
}


@pytest.mark.parametrize("settings", SYSTEMS.values(), ids=SYSTEMS)
def test_a_system_names_what_determines_its_records(settings: Any, edit: Edit) -> None:
    def current() -> str:
        alone = (
            "blindtune.study.search",
            "blindtune.study.pending",
            "blindtune.study.setup",
            "blindtune.core.seeds",
            "blindtune.core.budget",
            "blindtune.models.families",
        )
        return digest_of(*settings.modules(), alone=alone)

    before = settings.code_digest()
    assert before == current()
    edit("seeds", "2**31 - 1)", "2**30 - 1)")
    assert settings.code_digest() != before


def test_what_one_framework_does_voids_no_record_of_another() -> None:
    for settings in (manual("pytorch"), tuned("pytorch", "optuna"), tuned("pytorch", "scikit-learn")):
        assert not any("keras" in module for module in closure(*settings.modules()))
    for settings in (manual("keras"), *(tuned("keras", library) for library in TUNERS.names())):
        assert "blindtune.models.keras" in closure(*settings.modules())
        assert not any("pytorch" in module for module in closure(*settings.modules()))
    backends = {name: f"blindtune.training.{name.replace('-', '_')}" for name in ("keras", "keras-jax", "keras-torch")}
    for name, module in backends.items():
        assert closure(*manual(name).modules()) & set(backends.values()) == {module}


def test_what_one_tuner_or_family_does_voids_no_record_of_another() -> None:
    modules = {name: TUNERS[name].module for name in TUNERS.names()}
    for library, module in modules.items():
        found = {name for name in closure(*tuned("keras", library).modules()) if "blindtune.tuners." in name}
        assert {module, "blindtune.tuners.base"} <= found
        assert not found & set(modules.values()) - {module}
    for family, other in (("mlp", "convnet"), ("convnet", "mlp")):
        found = closure(*tuned("keras", "optuna", family).modules())
        assert f"blindtune.models.{family}" in found and f"blindtune.models.{other}" not in found


def test_neither_seal_nor_report_voids_a_record() -> None:
    for settings in SYSTEMS.values():
        assert not any("report" in module or "seal" in module for module in closure(*settings.modules()))
