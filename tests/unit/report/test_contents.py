"""The registry of the report: complete, documented, and cheap to read while planning."""

import subprocess
import sys
from pathlib import Path

from blindtune.report import contents
from blindtune.report.figures import write as figures
from blindtune.report.tables import write as tables
from support.builders import ROOT

FOLDER = Path(contents.__file__).parent
#: Modules of the two folders that are not a table or a figure.
HELPERS = {
    "tables": {"__init__", "write", "decode_cells"},
    "figures": {"__init__", "write", "style", "example_patches", "example_signals"},
}


def test_contents_imports_no_heavy_library() -> None:
    """Reading the registry while planning imports neither numpy nor matplotlib."""
    code = "import sys, blindtune.report.contents; print('numpy' in sys.modules or 'matplotlib' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "False\n"


def test_contents_lists_every_module_once() -> None:
    """Every module of a table or a figure is in the registry once, and nothing else is."""
    for folder, registered in (("tables", contents.TABLES), ("figures", contents.FIGURE_MODULES)):
        modules = {path.stem for path in (FOLDER / folder).glob("*.py")} - HELPERS[folder]
        assert sorted(registered.values()) == sorted(f"blindtune.report.{folder}.{module}" for module in modules)
    assert tables.BUILD["costs"].__module__ == "blindtune.report.tables.costs"
    assert figures.DRAW["cost"].__module__ == "blindtune.report.figures.cost"


def test_contents_is_what_the_documents_describe() -> None:
    """The guide to extending names the file, the registries and what a module of either kind must have."""
    section = (ROOT / "docs" / "extending" / "report_item.md").read_text(encoding="utf-8")
    for name in ("report/contents.py", "report/tables", "report/figures", "SECTIONS", "FIGURES"):
        assert f"{name}`" in section, name
    assert all(f"`{member}`" in section for member in ("build", "draw", "CAPTION"))


def test_list_figures_depends_on_corpora() -> None:
    """Only a dataset from a corpus of raw files has the figures of corpora, and only others have those of planes."""
    of_corpus, of_other = set(contents.list_figures(["it"], ["it"])), set(contents.list_figures(["it"], ["other"]))
    assert of_corpus - of_other == {"examples_it", "patients_it"}
    assert of_other - of_corpus == {"splits_it", "surfaces_it"}
    after_the_fact = {f"{kind}_it" for kind, entry in contents.FIGURES.items() if entry.post_mortem}
    assert of_corpus | of_other == {f"{kind}_it" for kind in contents.FIGURES} - after_the_fact
