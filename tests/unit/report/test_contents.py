"""The list of what the report consists of: read while planning, and complete."""

import subprocess
import sys
from pathlib import Path

from blindtune.report import contents as names
from blindtune.report.figures import write as figures
from blindtune.report.tables import write as tables

FOLDER = Path(names.__file__).parent


def test_planning_imports_no_library_for_it() -> None:
    said = "import sys, blindtune.report.contents; print('numpy' in sys.modules or 'matplotlib' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert ended.stdout == "False\n"


def test_every_module_of_a_table_or_a_figure_is_entered_once() -> None:
    for prefix, entered in (("table_", names.TABLES), ("figure_", names.FIGURES)):
        found = {path.stem for path in FOLDER.glob(f"{prefix}*.py")}
        assert sorted(entered.values()) == sorted(found)
    assert tables.TABLES["costs"].__module__ == "blindtune.report.tables.costs"
    assert figures.FAMILIES["cost"].__module__ == "blindtune.report.figures.cost"


def test_only_a_corpus_has_the_figures_of_corpora() -> None:
    of_corpus, of_other = set(names.figures(["it"], ["it"])), set(names.figures(["it"], ["other"]))
    assert of_corpus - of_other == {"examples_it", "patients_it"}
    assert of_other - of_corpus == {"splits_it", "surfaces_it"}
    assert of_corpus | of_other == {f"{family}_it" for family in names.FIGURES}
