"""How every figure looks: colours that colour-blind readers can tell apart, one per system, and fonts."""

import math
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

#: Okabe and Ito's palette (2008); wine in place of yellow, which is too near to white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#882255", "#222222")
#: As many as there are colours; after that the next round pairs them anew.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
#: One per round of the colours.
LINES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (5, 1.5, 1, 1.5)))
WIDTH = 7.4

_SETTINGS: dict[str, Any] = {
    "font.size": 9,
    "font.family": "DejaVu Sans",
    "axes.titlesize": 9.5,
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


@dataclass(frozen=True)
class SystemStyle:
    """The colour, marker and line of a system, the same in every figure."""

    colour: str
    marker: str
    line: Any = "-"


def assign_styles(records: ReportRecords) -> dict[str, SystemStyle]:
    """A mark per system, in the order in which the config names them."""
    names = dict.fromkeys(system.name for dataset in records.datasets for system in dataset.classifiers)
    return {name: _mark(number) for number, name in enumerate(names)}


def _mark(number: int) -> SystemStyle:
    turn, place = divmod(number, len(PALETTE))
    return SystemStyle(PALETTE[place], MARKERS[(place + turn) % len(MARKERS)], LINES[turn % len(LINES)])


def set_log_axis(axis: "Axis", lowest: float, highest: float) -> None:
    """A logarithmic axis with plain numbers, and a few of them even where it is short."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    decades = math.log10(highest / lowest) if lowest > 0 else 0.0
    steps = (1.0,) if decades > 3 else (1.0, 3.0) if decades > 1.2 else (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
    axis.set_major_locator(LogLocator(subs=steps))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())


def set_error_axis(axes: "Axes", lowest: float, highest: float) -> None:
    """Errors in % from below ``lowest`` to above ``highest``; logarithmic where none is 0, since they crowd there."""
    if lowest <= 0:
        axes.set_ylim(-0.05 * highest - 0.05, 1.08 * highest + 0.1)
        return
    room = max(1.05, (highest / lowest) ** 0.06)
    axes.set_yscale("log")
    axes.set_ylim(lowest / room, highest * room)
    set_log_axis(axes.yaxis, *axes.get_ylim())


def add_legend_below(figure: "Figure", handles: list[Any], labels: list[str]) -> None:
    """A legend under all panels, in as many columns as its longest name leaves room for."""
    columns = min(6, len(labels), max(1, int(84 / (max(map(len, labels), default=1) + 9))))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, handlelength=2.8)


def escape_dollars(text: str) -> str:
    """``text`` for matplotlib, which takes what stands between dollars for mathematics."""
    return text.replace("$", r"\$")


@contextmanager
def new_figure(wide: float = WIDTH, high: float = 3.2) -> Iterator["Figure"]:
    """A figure of this size in inches, drawn without a screen and in the style of the report."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_SETTINGS):
        yield Figure(figsize=(wide, high), layout="constrained")


def save_figure(figure: "Figure", folder: Path, stem: str) -> None:
    """Write a figure as SVG and PNG."""
    import matplotlib

    with matplotlib.rc_context(_SETTINGS):
        write_atomically(folder / f"{stem}.svg", lambda path: figure.savefig(path, metadata={"Date": None}))
        write_atomically(folder / f"{stem}.png", figure.savefig)


def draw_sentence(text: str) -> "Figure":
    """In place of a figure that makes no sense here: a sentence that says why."""
    with new_figure(high=0.8) as figure:
        figure.text(0.5, 0.5, escape_dollars(text), ha="center", va="center", color="#333333")
        return figure
