"""Digests of code: edits that count, edits that do not, and imports at any depth."""

import ast
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import blindtune
from blindtune import stages
from blindtune.config.schema import read_dataset
from blindtune.config.systems import Bayes, Knn, Manual, RandomForest, Tuned
from blindtune.core import code_digest
from blindtune.core.code_digest import NOT_DIGESTED, closure, digest_of, is_digested
from blindtune.datasets.base import DatasetConfig
from blindtune.study.model_code import model_modules
from blindtune.training.registry import TRAINERS, network_trainers
from blindtune.tuners.registry import TUNERS
from blindtune.views.registry import VIEWS

LIBRARY = Path(blindtune.__file__).parent
Edit = Callable[[str, str, str], None]
LOOP = {"n_neighbors": 3}
SIZES = {"train": 4, "dev": 2, "eval": 2}


def manual(trainer: str, view: str = "samples") -> Manual:
    """Return the config of a manual model."""
    return Manual.model_validate({"kind": "manual", "model": "mlp_m1", "trainer": trainer, "view": view})


def tuned(trainer: str, library: str, family: str = "mlp") -> Tuned:
    """Return the config of a tuner."""
    algorithm = "parameter-sampler" if library == "scikit-learn" else "random"
    tuner = {"library": library, "algorithm": algorithm}
    return Tuned.model_validate(
        {"kind": "tuner", "tuner": tuner, "space": family, "trainer": trainer, "family": family}
    )


def dataset(source: str, **keys: Any) -> DatasetConfig:
    """Return the config of a corpus, simulated where no folder is given."""
    made = {} if "folder" in keys else {"simulate": {}, "stand_in": True}
    return read_dataset({"source": source, "sizes": SIZES} | made | keys).config


DRAWING = read_dataset({"source": "drawing", "drawing": "set_10", "sizes": SIZES, "seed": 1}).config
SYSTEMS = {
    "knn": Knn.model_validate({"kind": "knn", "n_neighbors": [3]}),
    "random_forest": RandomForest.model_validate({"kind": "random_forest"}),
    "bayes": Bayes.model_validate({"kind": "bayes", "train": LOOP, "dev": LOOP, "eval": LOOP}),
    **{f"manual_{trainer}": manual(trainer) for trainer in network_trainers()},
    **{f"{lib}_{trainer}": tuned(trainer, lib) for trainer in network_trainers() for lib in TUNERS.names()},
}


def study_closure(system: Any, config: DatasetConfig = DRAWING) -> set[str]:
    """Return the modules that the digest of a system's studies holds."""
    return closure(*stages.study_modules(system, config), without=stages.other_modules(system))


class LibraryCopy:
    """A copy of the library whose modules can be changed; only a changed one is read again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._parsed: dict[str, tuple[str, tuple[str, ...]]] = {}
        self._texts: dict[Path, str] = {}
        shutil.copytree(LIBRARY, folder, ignore=shutil.ignore_patterns("__pycache__"))

    def parse(self, module: str) -> tuple[str, tuple[str, ...]]:
        """Return what `code_digest` reads of a module."""
        if module not in self._parsed:
            self._parsed[module] = PARSE(module)
        return self._parsed[module]

    def replace(self, module: str, old: str, new: str) -> None:
        """Replace a text in a module."""
        path = self.folder / f"{module}.py"
        text = path.read_text(encoding="utf-8")
        assert old in text
        self._texts.setdefault(path, text)
        self._write(path, text.replace(old, new, 1))

    def restore(self) -> None:
        """Take all changes back."""
        for path, text in self._texts.items():
            self._write(path, text)
        self._texts.clear()

    def _write(self, path: Path, text: str) -> None:
        path.write_text(text, encoding="utf-8")
        name = ".".join(path.relative_to(self.folder.parent).with_suffix("").parts).removesuffix(".__init__")
        self._parsed.pop(name, None)


PARSE = code_digest._parsed.__wrapped__


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> LibraryCopy:
    """Return a copy of the library."""
    return LibraryCopy(tmp_path_factory.mktemp("copy") / "blindtune")


@pytest.fixture
def edit(library: LibraryCopy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Edit]:
    """Work on a copy of the library; gives what replaces a text in one of its modules until the test ends."""
    monkeypatch.setattr(code_digest, "_ROOT", library.folder)
    monkeypatch.setattr(code_digest, "_parsed", library.parse)
    yield library.replace
    library.restore()


def test_digest_of_ignores_comments_and_docstrings(edit: Edit) -> None:
    """Comments, docstrings and white space do not count."""
    before = digest_of("blindtune.core.seeds")
    edit("core/seeds", "import hashlib\n", "# a comment\n\nimport hashlib  # another\n\n\n")
    edit("core/seeds", "return 1 + int", "return (\n        1 + int")
    edit("core/seeds", "% (2**31 - 1)", "% (2**31 - 1)\n    )")
    edit("core/seeds", '"""', '"""Another docstring. ')
    assert digest_of("blindtune.core.seeds") == before


def test_digest_of_counts_an_edit_where_it_is_imported(edit: Edit) -> None:
    """An edit counts in every module that imports it, at any depth, and taking it back restores the digests."""
    modules = ("blindtune.core.seeds", "blindtune.records.trial", "blindtune.training.pytorch")
    before = [digest_of(module) for module in modules]
    edit("core/files", "sort_keys=True, separators", "sort_keys=False, separators")
    after = [digest_of(module) for module in modules]
    assert all(one != other for one, other in zip(before, after, strict=True))
    edit("core/files", "sort_keys=False, separators", "sort_keys=True, separators")
    assert [digest_of(module) for module in modules] == before


def test_digest_of_leaves_out_what_it_is_told_to(edit: Edit) -> None:
    """A module that is left out is not followed either."""
    without = ("blindtune.core.files",)
    before = digest_of("blindtune.core.seeds", without=without)
    edit("core/files", "sort_keys=True, separators", "sort_keys=False, separators")
    assert digest_of("blindtune.core.seeds", without=without) == before
    edit("core/seeds", "2**31 - 1)", "2**30 - 1)")
    assert digest_of("blindtune.core.seeds", without=without) != before


def test_digest_of_ignores_the_order_of_modules() -> None:
    """The order in which modules are named does not count."""
    assert digest_of("blindtune.core.seeds", "blindtune.records.trial") == digest_of(
        "blindtune.records.trial", "blindtune.core.seeds"
    )


def test_closure_follows_every_form_of_import(edit: Edit) -> None:
    """Imports in functions, of packages and under other names are followed."""
    edit("core/errors", "class UserError", "def late():\n    from blindtune.core import download\n\n\nclass UserError")
    edit("core/download", "import http.client", "import http.client\nimport blindtune.core.paths as places")
    found = closure("blindtune.core.errors")
    expected = {"errors", "download", "paths", "files"}
    assert {f"blindtune.core.{name}" for name in expected} <= found


def test_closure_leaves_out_members_of_modules() -> None:
    """A function or class that is imported is not a module."""
    assert "blindtune.models.pytorch" in closure("blindtune.training.pytorch")
    assert closure("blindtune.core.seeds") == {"blindtune.core.seeds", "blindtune.core.files", "blindtune.core.errors"}


#: Modules of another package, and what one of them imports of the others in each form.
PACKAGE = {
    "__init__": "",
    "tuners/__init__": "",
    "tuners/steps": "STEP = 1",
    "tuners/sampling/__init__": "from . import draws",
    "tuners/sampling/draws": "SEED = 1",
    "shared": "RATE = 1",
}
RELATIVE_IMPORTS = {
    "from .steps import STEP": {"tuners.steps"},
    "from . import steps": {"tuners.steps"},
    "from .sampling import draws as known": {"tuners.sampling", "tuners.sampling.draws"},
    "from ..shared import RATE": {"shared"},
    "from .. import shared": {"shared"},
    "def late():\n    from .sampling.draws import SEED": {"tuners.sampling", "tuners.sampling.draws"},
}


@pytest.mark.parametrize("number", range(len(RELATIVE_IMPORTS)))
def test_closure_follows_relative_imports_of_another_package(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module of another package that is imported by its place counts, and so does an edit of it."""
    text, imported = list(RELATIVE_IMPORTS.items())[number]
    name = f"lab_package_{number}"
    for module, content in (PACKAGE | {"tuners/mine": text}).items():
        path = tmp_path / name / f"{module}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    entry = f"{name}.tuners.mine"
    parents = {name, f"{name}.tuners"}
    assert closure(entry) == {entry} | parents | {f"{name}.{module}" for module in imported}
    for module in sorted(closure(entry)):
        before = digest_of(entry)
        path = tmp_path.joinpath(*module.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        path.write_text(path.read_text(encoding="utf-8") + "CHANGED = True\n", encoding="utf-8")
        code_digest._parsed.cache_clear()
        assert digest_of(entry) != before, module


@pytest.mark.parametrize(
    "text", ["import blindtune", "from blindtune import __version__", "from blindtune import stages"]
)
def test_closure_holds_no_version(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new version is no other code: neither for the library nor for a package that imports it by its name."""
    (tmp_path / "lab_version.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert "blindtune" in closure("lab_version")
    assert "blindtune.version" not in closure("lab_version")
    for system in SYSTEMS.values():
        assert not {"blindtune", "blindtune.version"} & study_closure(system)


#: An import in every kind of block, and docstrings of every kind of owner.
BLOCKS = '''\
"""A module."""
import a1
class One:
    """A class."""
    import a2
    def read(self):
        """A method."""
        import a3
        return lambda: "not a docstring"
async def late():
    """A function that waits."""
    async with x:
        import a4
    async for y in x:
        import a5
    else:
        import a6
if x:
    "not a docstring"
    import a7
elif y:
    import a8
else:
    import a9
while x:
    import b1
else:
    from b2 import c, d
try:
    import b3
except OSError:
    import b4
else:
    import b5
finally:
    import b6
try:
    import b7
except* OSError:
    import b8
match x:
    case 1 if y:
        import b9
with x: from .. import above; from .beside import e as f
'''


def test_parse_reads_every_block() -> None:
    """Imports and docstrings are found at any depth; the digest is the one that all nodes of the tree gave."""
    digest, names = code_digest._parse(BLOCKS, "lab.tools")
    single = {f"{letter}{number}" for letter in "ab" for number in range(1, 10)}
    assert set(names) == single | {"b2.c", "b2.d", "lab", "lab.above", "lab.tools.beside", "lab.tools.beside.e"}
    assert digest == "17861c59ce78cdc2e66324814ae1b966d87d2a185dbe9753cb30fc866bb4733b"
    assert digest == code_digest._parse(BLOCKS.replace("A module", "Another").replace("A method", "Other"), "lab")[0]


def test_library_has_only_imports_that_closure_follows() -> None:
    """A relative import would be missed."""
    for path in LIBRARY.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not (isinstance(node, ast.ImportFrom) and node.level), f"{path}: a relative import"


@pytest.mark.parametrize("name", NOT_DIGESTED)
def test_not_digested_names_what_exists(name: str) -> None:
    """Every exception is a module or package of the library, and has a reason."""
    path = LIBRARY.parent.joinpath(*name.split("."))
    assert path.is_dir() or path.with_suffix(".py").is_file()
    assert not is_digested(name) and NOT_DIGESTED[name]


@pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS)
def test_study_digest_holds_what_determines_records(system: Any, edit: Edit) -> None:
    """The digest of a study changes with the code of its loop, seeds, trainer, view and tuner."""
    modules = ["core/seeds", "study/run", "views/apply", VIEWS["samples"].module.removeprefix("blindtune.")]
    if not isinstance(system, Bayes):
        modules += ["study/search", TRAINERS[system.trainer_name].module.removeprefix("blindtune.")]
    if isinstance(system, Tuned):
        modules += [TUNERS[system.tuner.library].module.removeprefix("blindtune."), "models/mlp"]
    before = stages.study_digest(system, DRAWING)
    for module in modules:
        edit(module.replace(".", "/"), "", "CHANGED = True\n")
        after = stages.study_digest(system, DRAWING)
        assert after != before, module
        before = after


@pytest.mark.parametrize("view", ["frames", "crops"])
@pytest.mark.parametrize("stage", ["study", "decode"])
def test_normalization_is_in_the_digests(edit: Edit, view: str, stage: str) -> None:
    """A change of how a network's inputs are normalised voids studies and decodes."""
    config = dataset("eeg" if view == "frames" else "slides")
    digest = {"study": stages.study_digest, "decode": stages.decode_digest}[stage]
    before = digest(manual("pytorch", view), config)
    edit("views/normalization", "", "CHANGED = True\n")
    assert digest(manual("pytorch", view), config) != before


@pytest.mark.parametrize("source", ["eeg", "slides"])
@pytest.mark.parametrize("stage", [stages.EXTRACT, stages.PREPARE, stages.EXAMPLES])
def test_simulator_voids_simulated_data_only(edit: Edit, source: str, stage: str) -> None:
    """An edit of a simulator changes the digests of simulated corpora, not those of a user's own."""
    configs = dataset(source), dataset(source, folder="mine")
    simulated, own = (stages.source_digest(stage, config) for config in configs)
    edit(f"datasets/{source}/simulated/corpus", "", "CHANGED = True\n")
    assert stages.source_digest(stage, configs[0]) != simulated
    assert stages.source_digest(stage, configs[1]) == own
    edit(f"datasets/{source}/survey", "", "CHANGED = True\n")
    assert stages.source_digest(stage, configs[1]) != own


def test_features_of_one_source_void_no_study_of_another(edit: Edit) -> None:
    """An edit of the features of slides voids no study that takes features of EEG."""
    system = Knn.model_validate({"kind": "knn", "n_neighbors": [3], "view": "features"})
    eeg, slides = (stages.study_digest(system, dataset(source)) for source in ("eeg", "slides"))
    edit("datasets/slides/features", "", "CHANGED = True\n")
    assert stages.study_digest(system, dataset("eeg")) == eeg
    assert stages.study_digest(system, dataset("slides")) != slides


def test_closure_of_one_framework_holds_no_other() -> None:
    """What one framework does voids no record of another."""
    for system in (manual("pytorch"), tuned("pytorch", "optuna"), tuned("pytorch", "scikit-learn")):
        assert not any("keras" in module for module in study_closure(system))
    for system in (manual("keras"), *(tuned("keras", library) for library in TUNERS.names())):
        assert "blindtune.models.keras" in study_closure(system)
        assert not any("pytorch" in module for module in study_closure(system))
    backends = {name: TRAINERS[name].module for name in ("keras", "keras-jax", "keras-torch")}
    for name, module in backends.items():
        assert study_closure(manual(name)) & set(backends.values()) == {module}


def test_closure_of_one_tuner_or_family_holds_no_other() -> None:
    """What one tuner, family or reference model does voids no record of another."""
    modules = {library: TUNERS[library].module for library in TUNERS.names()}
    for library, module in modules.items():
        found = {name for name in study_closure(tuned("keras", library)) if "blindtune.tuners." in name}
        assert {module, "blindtune.tuners.base"} <= found
        assert not found & set(modules.values()) - {module}
    for family, other in (("mlp", "convnet"), ("convnet", "mlp")):
        found = study_closure(tuned("keras", "optuna", family))
        assert f"blindtune.models.{family}" in found and f"blindtune.models.{other}" not in found
    assert not any("baselines" in module for module in study_closure(manual("pytorch")))
    assert "blindtune.study.search" not in study_closure(SYSTEMS["bayes"])


def test_closure_of_a_study_holds_neither_decoding_nor_report() -> None:
    """A change of decode or of the report voids no record."""
    for system in SYSTEMS.values():
        assert not any("report" in module or "decoding" in module for module in study_closure(system))


def test_closure_of_a_network_holds_no_code_of_estimators() -> None:
    """How estimators are loaded and fitted voids no record and no frozen model of a network, nor the other way."""
    estimator = Tuned.model_validate(
        {"kind": "tuner", "tuner": {"library": "optuna", "algorithm": "tpe"}, "space": "svc", "estimator": "svc"}
    )
    code = {"blindtune.models.estimator_classes", "blindtune.models.estimator_form", "blindtune.training.estimator"}
    assert code <= study_closure(estimator)
    assert not code & study_closure(tuned("pytorch", "optuna"))
    assert not {"blindtune.training.pytorch", "blindtune.models.mlp"} & study_closure(estimator)
    frozen = closure(*model_modules(estimator, "drawing"))
    assert {"blindtune.models.estimator_classes", "blindtune.training.estimator"} <= frozen
    assert not code & closure(*model_modules(tuned("pytorch", "optuna"), "drawing"))
