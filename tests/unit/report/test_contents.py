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
    for name in (
        "report/contents.py",
        "report/tables",
        "report/figures",
        "SECTIONS",
        "FIGURES",
        "VIEWS",
        "SUMMARY_TABLES",
    ):
        assert f"{name}`" in section, name
    assert all(f"`{member}`" in section for member in ("build", "draw", "CAPTION"))


def test_views_have_every_section_once() -> None:
    """Every section is in one view, what they name is in the registry, and no two anchors are the same."""
    placed = [anchor for view in contents.VIEWS for anchor in view.sections]
    assert sorted(placed) == sorted(section.anchor for section in contents.SECTIONS)
    assert {kind for view in contents.VIEWS for kind in view.figures} <= set(contents.FIGURES)
    assert set(contents.TABLES) >= contents.SUMMARY_TABLES and set(contents.FIGURES) >= contents.SUMMARY_FIGURES
    assert all(entry.title for entry in contents.FIGURES.values())
    anchors = [view.anchor for view in contents.VIEWS] + placed + list(contents.TABLES)
    assert len(anchors) == len(set(anchors))


def test_templates_are_inputs_of_the_page() -> None:
    """The files that the page is made of exist, and the rule of the page has the digest of all."""
    assert all((ROOT / "workflow" / "report" / name).is_file() for name in contents.TEMPLATES)
    assert "for name in [*contents.TEMPLATES, *CHART_FILES]" in (ROOT / "workflow" / "rules" / "report.smk").read_text(
        encoding="utf-8"
    )


def test_list_figures_depends_on_corpora() -> None:
    """Only a dataset from a corpus of raw files has the figures of corpora, and only others have those of planes."""
    of_corpus, of_other = set(contents.list_figures(["it"], ["it"])), set(contents.list_figures(["it"], ["other"]))
    assert of_corpus - of_other == {"examples_it", "patients_it"}
    assert of_other - of_corpus == {"splits_it", "surfaces_it"}
    after_the_fact = {f"{kind}_it" for kind, entry in contents.FIGURES.items() if entry.post_mortem}
    assert of_corpus | of_other == {f"{kind}_it" for kind in contents.FIGURES} - after_the_fact
