"""The style of the figures: fonts, and one color-blind safe color, marker and line per system."""

import io
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blindtune.core.files import write_atomically
from blindtune.report.records import ReportRecords

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

#: The palette of Okabe and Ito (2008), with wine instead of yellow, which is hard to see on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#882255", "#222222")
#: As many markers as colors; each further round shifts them by one.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
#: One line style per round of the colors.
LINES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (5, 1.5, 1, 1.5)))
#: Inches.
WIDTH = 7.4
#: The title in the SVG of a figure that is a sentence on why there is no figure; the page leaves it out.
NOT_APPLICABLE = "blindtune: does not apply"

#: Characters that no XML may have.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_SETTINGS: dict[str, Any] = {
    "font.size": 9,
    "font.family": "DejaVu Sans",
    "axes.titlesize": 9.5,
    # No axis has ticks at its top, which the title would have to make room for.
    "axes.titley": 1.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "savefig.dpi": 200,
    "svg.fonttype": "path",
    # The same records give the same file, byte by byte.
    "svg.hashsalt": "blindtune",
}


#: Inches that panels get at least, with their title and labels, and that a row of a legend takes.
LEAST_PANELS, LEGEND_ROW = 3.1, 0.19


@dataclass(frozen=True)
class SystemStyle:
    """The color, marker and line of a system, the same in every figure."""

    color: str
    marker: str
    line: Any = "-"


def assign_styles(records: ReportRecords) -> dict[str, SystemStyle]:
    """Assign a style to each system, in the order of the config."""
    names = dict.fromkeys(system.name for dataset in records.datasets for system in dataset.classifiers)
    return {name: _make_style(number) for number, name in enumerate(names)}


def _make_style(number: int) -> SystemStyle:
    turn, place = divmod(number, len(PALETTE))
    return SystemStyle(PALETTE[place], MARKERS[(place + turn) % len(MARKERS)], LINES[turn % len(LINES)])


def set_log_axis(axis: "Axis", lowest: float, highest: float) -> None:
    """Set up a logarithmic axis with plain numbers as ticks, several even on a short axis.

    Args:
        axis: the axis.
        lowest: the lowest value shown.
        highest: the highest value shown.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    decades = math.log10(highest / lowest) if lowest > 0 else 0.0
    steps = (1.0,) if decades > 3 else (1.0, 3.0) if decades > 1.2 else (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
    axis.set_major_locator(LogLocator(subs=steps))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())


def set_error_axis(axes: "Axes", lowest: float, highest: float) -> None:
    """Set up an axis of errors; it is logarithmic unless an error is 0, because low errors are crowded.

    Args:
        axes: the axes.
        lowest: the lowest error shown, in %.
        highest: the highest error shown, in %.
    """
    if lowest <= 0:
        axes.set_ylim(-0.05 * highest - 0.05, 1.08 * highest + 0.1)
        return
    room = max(1.05, (highest / lowest) ** 0.06)
    axes.set_yscale("log")
    axes.set_ylim(lowest / room, highest * room)
    set_log_axis(axes.yaxis, *axes.get_ylim())


def add_legend_below(figure: "Figure", handles: list[Any], labels: list[str]) -> None:
    """Add a legend below all panels, with as many columns as the longest label allows.

    A figure in which a long legend would leave no room for the panels is made higher.

    Args:
        figure: the figure.
        handles: the handles of the entries.
        labels: the labels of the entries.
    """
    columns = min(6, len(labels), max(1, int(84 / (max(map(len, labels), default=1) + 9))))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, handlelength=2.8)
    needed = LEAST_PANELS + LEGEND_ROW * math.ceil(len(labels) / columns)
    figure.set_figheight(max(figure.get_figheight(), needed))


def escape_dollars(text: str) -> str:
    """Escape dollar signs, between which matplotlib typesets mathematics."""
    return text.replace("$", r"\$")


@contextmanager
def new_figure(wide: float = WIDTH, high: float = 3.2) -> Iterator["Figure"]:
    """Create a figure in the style of the report; no display is needed.

    Args:
        wide: the width in inches.
        high: the height in inches.

    Yields:
        The figure.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_SETTINGS):
        yield Figure(figsize=(wide, high), layout="constrained")


def save_figure(figure: "Figure", folder: Path, stem: str) -> None:
    """Write a figure as SVG and PNG.

    Args:
        figure: the figure.
        folder: the folder of the files.
        stem: the stem of their names.
    """
    import matplotlib

    with matplotlib.rc_context(_SETTINGS):
        _lay_out(figure)
        write_atomically(folder / f"{stem}.svg", lambda path: _save_svg(figure, path))
        write_atomically(folder / f"{stem}.png", figure.savefig)


def _save_svg(figure: "Figure", path: Path) -> None:
    """Write an SVG with coordinates rounded to hundredths of a point, which makes one of many points much smaller."""
    stream = io.StringIO()
    metadata: dict[str, Any] = {"Date": None} | ({"Title": str(label)} if (label := figure.get_label()) else {})
    figure.savefig(stream, format="svg", metadata=metadata)
    # Matplotlib writes every text into a comment, as it is.
    svg = _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", stream.getvalue())
    path.write_text(
        re.sub(r' (?:d|x|y)="[^"]*"', lambda found: re.sub(r"(\.\d\d)\d+", r"\1", found[0]), svg), encoding="utf-8"
    )


def _lay_out(figure: "Figure") -> None:
    """Place all parts of a figure once, for every file; Matplotlib would do so for each, a third of all time.

    With any engine, even the one that does nothing, it would also draw the figure once more for each file.
    """
    engine = figure.get_layout_engine()
    if engine is not None and figure.axes:
        engine.execute(figure)
        figure.set_layout_engine(None)


def draw_sentence(text: str) -> "Figure":
    """Draw a sentence that says why a figure does not apply."""
    with new_figure(high=0.8) as figure:
        figure.set_label(NOT_APPLICABLE)
        figure.text(0.5, 0.5, escape_dollars(text), ha="center", va="center", color="#333333")
        return figure
