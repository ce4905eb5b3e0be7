"""The registry of the interactive charts.

To add a chart, write a module with ``build(dataset, styles)`` and ``CAPTION``, and add one line to `CHARTS`. ``build``
returns a complete Vega-Lite specification with its data under ``datasets``, or None where the chart does not apply.
The workflow reads the names while it plans, so the modules are imported only when the page is written.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blindtune.report.figures.style import SystemStyle
    from blindtune.report.records import DatasetRecords

#: What ``build`` of a chart is.
Build = Callable[["DatasetRecords", "dict[str, SystemStyle]"], dict[str, Any] | None]

#: The scripts of the library, after their licenses, in the order in which they are run; in ``workflow/report``.
LIBRARY = ("vega/LICENSES.txt", "vega/vega.min.js", "vega/vega-lite.min.js", "vega/vega-embed.min.js")
#: The script that draws the charts, and the template's macros.
SCRIPT, MACROS = "charts.js", "charts.html.j2"
#: All that the page takes from files.
CHART_FILES = (*LIBRARY, SCRIPT, MACROS)


@dataclass(frozen=True)
class ChartEntry:
    """A kind of chart; there is at most one chart of it for each dataset.

    Attributes:
        module: the module that builds it.
        title: what it shows, in a few words.
        figure: the kind of static figure that shows the same, a key of `blindtune.report.contents.FIGURES`, with the
            same title; None: there is none.
        instead: the kind of static figure that tells most of it on paper, where there is none that shows the same.
    """

    module: str
    title: str
    figure: str | None = None
    instead: str | None = None

    def load_build(self) -> Build:
        """Import the module and return its function ``build``."""
        build: Build = import_module(self.module).build
        return build

    def load_caption(self) -> str:
        """Import the module and return its caption."""
        return str(import_module(self.module).CAPTION)


CHARTS = {
    "search": ChartEntry("blindtune.report.charts.search", "the searches: best on dev so far", "search"),
    "trials": ChartEntry("blindtune.report.charts.trials", "every trial: dev, size and cost", "pareto"),
    "parallel": ChartEntry(
        "blindtune.report.charts.parallel", "all hyperparameters of the trials at once", instead="slices"
    ),
    "systems": ChartEntry("blindtune.report.charts.systems", "the frozen models: dev, eval and cost", "cost"),
    "cost": ChartEntry("blindtune.report.charts.cost", "where the time went", "times"),
}
