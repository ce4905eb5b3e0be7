"""The check of the library's imports and names finds every sort of fault."""

from pathlib import Path

import pytest

from checks import architecture

ROOT = Path(__file__).parents[2]


def write_tree(root: Path, files: dict[str, str]) -> Path:
    """Write a repository whose library has ``files``, by their path below the library's package or, if absolute, root.

    Args:
        root: The folder of the repository.
        files: The text of each file; packages get their ``__init__.py``.
    """
    for name, text in ({"__init__.py": ""} | files).items():
        path = root / name[1:] if name.startswith("/") else root / "workflow/lib/blindtune" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    library = root / "workflow/lib/blindtune"
    for folder in [path for path in library.rglob("*") if path.is_dir()]:
        (folder / "__init__.py").touch()
    return root


@pytest.mark.parametrize(
    ("files", "fault"),
    [
        (
            {"a.py": "import blindtune.b", "b.py": "from blindtune import a"},
            "circle: blindtune.a -> blindtune.b -> blindtune.a",
        ),
        (
            {"a.py": "from blindtune.b import x", "b.py": "def x():\n    from blindtune.a import y\n"},
            "circle: blindtune.a -> blindtune.b -> blindtune.a",
        ),
        (
            {"p/a.py": "from . import b", "p/b.py": "from .c import x", "p/c.py": "import blindtune.p.a"},
            "circle: blindtune.p.a -> blindtune.p.b -> blindtune.p.c -> blindtune.p.a",
        ),
        (
            {"p/__init__.py": "import blindtune.a", "p/b.py": "", "a.py": "import blindtune.p.b"},
            "circle: blindtune.a -> blindtune.p -> blindtune.a",
        ),
        (
            {"a.py": "from importlib import import_module\nimport_module('blindtune.b')", "b.py": "import blindtune.a"},
            "circle: blindtune.a -> blindtune.b -> blindtune.a",
        ),
        (
            {"core/files.py": "from blindtune.records import trial", "records/trial.py": ""},
            "layer: blindtune.core.files -> blindtune.records (core is the lowest layer)",
        ),
        (
            {"a.py": "def f():\n    import snakemake.io\n"},
            "layer: blindtune.a -> snakemake.io (the library runs without Snakemake)",
        ),
        (
            {
                "records/card.py": "import blindtune.models",
                "models/__init__.py": "import blindtune.training.base",
                "training/base.py": "",
            },
            "layer: blindtune.records.card -> blindtune.models -> blindtune.training "
            "(records are read without what trains)",
        ),
        (
            {"datasets/eeg/source.py": "from .simulated import corpus", "datasets/eeg/simulated/corpus.py": ""},
            "layer: blindtune.datasets.eeg.source -> blindtune.datasets.eeg.simulated "
            "(an edit of the simulator must not void real recordings)",
        ),
        (
            {"datasets/slides/source.py": "from .simulated import corpus", "datasets/slides/simulated/corpus.py": ""},
            "layer: blindtune.datasets.slides.source -> blindtune.datasets.slides.simulated "
            "(an edit of the simulator must not void real slides)",
        ),
        (
            {"a.py": "class Trial:\n    pass\n", "b.py": "class Trial:\n    pass\n"},
            "class: Trial is defined in blindtune.a and in blindtune.b",
        ),
        (
            {"a.py": '"""See `blindtune.b.work`."""', "b.py": ""},
            "document: workflow/lib/blindtune/a.py:1: blindtune.b.work does not exist",
        ),
        (
            {"a.py": 'Entry("blindtune.b:create")', "b.py": "def make(): ..."},
            "document: workflow/lib/blindtune/a.py:1: blindtune.b:create does not exist",
        ),
        (
            {"/docs/project/design.md": "\nRead `training/worker.py`."},
            "document: docs/project/design.md:2: training/worker.py does not exist",
        ),
        (
            {"/README.md": "```python\n# workflow/lib/blindtune/a/b.py\nimport blindtune.a.c\n```"},
            "document: README.md:3: blindtune.a.c does not exist",
        ),
        ({"/README.md": "Read `behind.py`."}, "document: README.md:1: behind.py does not exist"),
        (
            {"/README.md": "```python\nfrom blindtune.old import Tuner\n```\n", "new.py": ""},
            "document: README.md:2: blindtune.old does not exist",
        ),
    ],
)
def test_faults_of_a_bad_tree(tmp_path: Path, files: dict[str, str], fault: str) -> None:
    """Each fault is one line that says where it is."""
    found = list(architecture.faults(write_tree(tmp_path, files)))
    assert fault in found
    # Modules that reach the fault through others are found as well, nothing else.
    assert {line.split(":")[0] for line in found} == {fault.split(":", maxsplit=1)[0]}


def test_faults_of_a_good_tree(tmp_path: Path) -> None:
    """Imports of types, a simulator from elsewhere, private classes, names that exist or are made: no faults."""
    files = {
        "a.py": (
            '"""See `blindtune.b.Work.run`, blindtune.things and `b.py`."""\n'
            "from typing import TYPE_CHECKING\n"
            "if TYPE_CHECKING:\n    from blindtune.b import Work\n"
            "class _Same: ...\n"
        ),
        "b.py": (
            "import blindtune.a\nclass Work:\n    def run(self): ...\nclass _Same: ...\n"
            'THINGS = Registry("blindtune.things")\n'
        ),
        "core/files.py": "import blindtune.core.errors",
        "core/errors.py": "",
        "datasets/eeg/simulated/corpus.py": "import blindtune.datasets.eeg.simulated.signals",
        "datasets/eeg/simulated/signals.py": "",
        "datasets/registry.py": "import blindtune.datasets.eeg.simulated.corpus",
        "/docs/design.md": "See `b.py`, `core/files.py` and `workflow/lib/blindtune/a.py`.",
        "/README.md": (
            "Make `workflow/lib/blindtune/own/__init__.py`:\n```python\n# workflow/lib/blindtune/own/tuner.py\n"
            "import blindtune.own.tuner\n```\n"
        ),
        "/docs/extending.md": "```python\nimport blindtune.a\nEntry('blindtune.mine:create')  # mine/it.py\n```\n",
    }
    assert list(architecture.faults(write_tree(tmp_path, files))) == []


def test_circles_reports_each_once(tmp_path: Path) -> None:
    """Two circles are two faults, however many modules each has."""
    files = {
        "a.py": "import blindtune.b",
        "b.py": "import blindtune.c",
        "c.py": "import blindtune.a, blindtune.d",
        "d.py": "import blindtune.e",
        "e.py": "import blindtune.d",
    }
    graph = architecture.import_graph(architecture.read_modules(write_tree(tmp_path, files) / "workflow/lib"))
    assert len(list(architecture.circles(graph))) == 2


def test_read_modules_finds_the_library() -> None:
    """The check reads the library itself, not an empty folder."""
    modules = architecture.read_modules(ROOT / "workflow/lib")
    assert {"blindtune", "blindtune.core", "blindtune.core.files", "blindtune.study.run"} <= modules.keys()
    assert "blindtune.core.errors" in modules["blindtune.core.files"].imports
