"""Parts of Vega-Lite specifications that the charts share.

The script of the page reads ``usermeta.blindtune`` of a specification: controls that change it, the rows of the box
that hovering shows, and the colors in dark mode. A control is a list of patches: JSON pointers with values.
"""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from blindtune.report.figures.style import MARKERS, SystemStyle
from blindtune.report.page_tables import anchor_records

Spec = dict[str, Any]
Rows = list[dict[str, Any]]
#: A JSON pointer into a specification, and the value that it gets.
Patch = tuple[str, Any]

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
HEIGHT = 340

#: The color of text and outlines; it changes with the mode of the page.
INK = "#222222"
#: The color of the page, which the script of the page fills in.
PAPER = "#fffffe"
#: The look of what is drawn over a thin line so that a pointer meets it.
UNSEEN: Spec = {"opacity": 0, "strokeWidth": 9}
#: Colors that are hard to see on a dark page, and what they are there: black and wine, which becomes the yellow of
#: Okabe and Ito.
DARK = {INK: "#e4e7eb", "#882255": "#F0E442", "#0072B2": "#3d9fe0"}

_OUTLINES = (
    "M-1,0A1,1,0,1,1,1,0A1,1,0,1,1,-1,0Z",
    "M-.88,-.88H.88V.88H-.88Z",
    "M0,-1.05L1.1,.85H-1.1Z",
    "M0,-1.2L.95,0L0,1.2L-.95,0Z",
    "M0,1.05L1.1,-.85H-1.1Z",
    "M-.38,-1.1H.38V-.38H1.1V.38H.38V1.1H-.38V.38H-1.1V-.38H-.38Z",
    "M0,-.5L.5,-1L1,-.5L.5,0L1,.5L.5,1L0,.5L-.5,1L-1,.5L-.5,0L-1,-.5L-.5,-1Z",
    "M-1.05,0L.85,-1.1V1.1Z",
)
#: The outline of each marker of the figures, as an SVG path.
SHAPES = dict(zip(MARKERS, _OUTLINES, strict=True))


@dataclass(frozen=True)
class Control:
    """A control of a chart that the page shows as a menu or a checkbox.

    Attributes:
        label: its name.
        options: the label and the patches of each option; those of the first are what the specification has.
        kind: "menu", or "check" for an option that is off and one that is on.
    """

    label: str
    options: Sequence[tuple[str, Sequence[Patch]]]
    kind: str = "menu"

    def as_json(self) -> dict[str, Any]:
        """Return it as the script of the page reads it."""
        options = [{"label": label, "patches": [list(patch) for patch in patches]} for label, patches in self.options]
        return {"label": self.label, "kind": self.kind, "options": options}


@dataclass(frozen=True)
class Legend:
    """The marks that a reader shows or hides, such as systems; it is the legend too.

    Attributes:
        label: what they are.
        param: the parameter of the specification that holds the names of those shown.
        items: name, color, outline and dashes of each.
    """

    label: str
    param: str
    items: list[dict[str, Any]]


@dataclass
class ChartMeta:
    """What the script of the page needs besides the specification.

    Attributes:
        choice: the legend.
        controls: menus and checkboxes.
        hover: field, label and unit of each row of the box that hovering shows; rows without a value are left out.
        zoom: the pointers of the scales that zoom buttons change, by x and y.
        dark: patches for dark mode.
        min_width: the width in pixels below which the chart scrolls to the side; 0: it fits any screen.
    """

    choice: Legend | None = None
    controls: list[Control] = field(default_factory=list)
    hover: list[tuple[str, str, str]] = field(default_factory=list)
    zoom: dict[str, list[str]] = field(default_factory=dict)
    dark: list[Patch] = field(default_factory=list)
    min_width: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return it as the script of the page reads it."""
        choice = None if self.choice is None else vars(self.choice)
        return {
            "choice": choice,
            "controls": [control.as_json() for control in self.controls],
            "hover": [list(row) for row in self.hover],
            "zoom": self.zoom,
            "paper": PAPER,
            "min_width": self.min_width,
            "dark": {"colors": DARK, "patches": [list(patch) for patch in self.dark]},
        }


def make_spec(description: str, content: Spec, datasets: dict[str, Rows], meta: ChartMeta) -> Spec:
    """Return a complete specification.

    Args:
        description: the text alternative.
        content: parameters, layers and encodings.
        datasets: the rows by name.
        meta: what the script of the page needs.
    """
    return {
        "$schema": SCHEMA,
        "description": description,
        "width": "container",
        "height": HEIGHT,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "datasets": datasets,
        **content,
        "usermeta": {"blindtune": meta.as_json()},
    }


def quote(value: Any) -> str:
    """Return a value as a literal of a Vega expression; names of a user's config are never pasted as they are."""
    return json.dumps(value, allow_nan=False)


def round_number(value: float | None, digits: int = 5) -> float | int | None:
    """Return a number with this many significant digits, as an integer if it is one; None if it is not finite."""
    if value is None or not math.isfinite(value):
        return None
    rounded = float(f"{float(value):.{digits}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded


def is_shown(param: str = "shown", name: str = "system") -> str:
    """Return the expression that is true for rows whose name is chosen.

    Args:
        param: the parameter with the chosen names.
        name: the field of a row with its name.
    """
    return f"indexof({param}, datum.{name}) >= 0"


def is_of_seed() -> str:
    """Return the expression that is true for rows of the seed that is chosen, see `choose_seed`."""
    return "(seed == 'every seed' || toString(datum.seed) == seed)"


def choose_seed(seeds: Sequence[int], pointer: str, first: Sequence[str] = ("every seed",)) -> list[Control]:
    """Return the menu of seeds; none if there is one seed only.

    Args:
        seeds: the seeds.
        pointer: of the value of the parameter ``seed``.
        first: the options before the seeds.
    """
    names = [*first, *map(str, seeds)]
    return [Control("Seeds", [(name, [(pointer, name)]) for name in names])] if len(seeds) > 1 else []


def choose_systems(names: Iterable[str], styles: dict[str, SystemStyle]) -> Legend:
    """Return the legend of systems, in the order of ``names``.

    Args:
        names: of the systems.
        styles: the style of each system.
    """
    items = [
        {
            "name": name,
            "color": styles[name].color,
            "outline": SHAPES[styles[name].marker],
            "dash": get_dash(styles[name]),
        }
        for name in names
    ]
    return Legend("Systems", "shown", items)


def get_dash(style: SystemStyle) -> list[float]:
    """Return the dashes of a system's lines, in pixels; empty for a solid line."""
    return [] if style.line == "-" else [1.8 * length for length in style.line[1]]


def look_up_runs() -> Spec:
    """Return the transform that gives a row of a trial its system, seed, record and the link to it."""
    return {
        "lookup": "run",
        "from": {"data": {"name": "runs"}, "key": "run", "fields": ["system", "seed", "log", "lines"]},
    }


def name_record(dataset: str, by_trial: bool = True) -> list[Spec]:
    """Return the transforms that name the record of a row, and link to it in the list of records of the page.

    Args:
        dataset: the name of the dataset in the config.
        by_trial: whether the record is the line of a trial; otherwise the card of the model.
    """
    path = "datum.log" if by_trial else "datum.card"
    line = " + (datum.lines ? ', line ' + (datum.trial + 1) : ', trial ' + datum.trial)" if by_trial else ""
    return [
        {"calculate": f"{path}{line}", "as": "record"},
        {"calculate": f"'#{anchor_records('')}' + {quote(dataset)} + '/' + datum.system", "as": "link"},
    ]


def encode_systems(choice: Legend, *channels: str) -> Spec:
    """Return color, shape and dashes of systems as encodings without a legend.

    Args:
        choice: the legend, which the page shows instead.
        channels: "color", "shape" or "strokeDash".
    """
    keys = {"color": "color", "fill": "color", "stroke": "color", "shape": "outline", "strokeDash": "dash"}
    names = [item["name"] for item in choice.items]
    return {
        channel: {
            "field": "system",
            "type": "nominal",
            "scale": {"domain": names, "range": [item[keys[channel]] or [1, 0] for item in choice.items]},
            "legend": None,
        }
        for channel in channels
    }


def zoom_by_pointer(name: str = "zoom") -> Spec:
    """Return the parameter with which a pointer moves and zooms; the wheel needs Ctrl, so that the page scrolls."""
    return {
        "name": name,
        "select": {"type": "interval", "zoom": "wheel![event.ctrlKey]"},
        "bind": "scales",
    }


def pad_domain(values: Iterable[float | int | None], is_log: bool) -> list[float | int | None]:
    """Return the lowest and the highest value with some room, as the domain of a scale; None for no values.

    Args:
        values: that the axis shows.
        is_log: whether it is logarithmic.
    """
    known = [float(value) for value in values if value is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    if is_log:
        room = max(1.06, (high / low) ** 0.04)
        return [round_number(low / room), round_number(high * room)]
    room = 0.04 * (high - low) or max(0.05 * abs(high), 0.5)
    return [round_number(low - room), round_number(high + room)]


def toggle_log(
    axis: str, scales: Iterable[str], values: Iterable[float | int | None], frame: bool = False
) -> list[Control]:
    """Return the checkbox of a logarithmic axis, which is on at first; none if a value is not above 0.

    Args:
        axis: its name in the label.
        scales: the pointers of its scales.
        values: that the axis shows.
        frame: whether the scales have a domain, which depends on the checkbox.
    """
    known = [value for value in values if value is not None]
    if not is_positive(known):
        return []
    pointers = list(scales)
    patches: dict[bool, list[Patch]] = {}
    for is_log in (True, False):
        patches[is_log] = [(f"{pointer}/type", "log" if is_log else "linear") for pointer in pointers]
        if frame:
            patches[is_log] += [(f"{pointer}/domain", pad_domain(known, is_log)) for pointer in pointers]
    return [Control(f"log {axis}", [("on", patches[True]), ("off", patches[False])], "check")]


def is_positive(values: Iterable[float | int | None]) -> bool:
    """Return whether there are values and all are above 0, so that an axis can be logarithmic."""
    known = [value for value in values if value is not None]
    return bool(known) and min(known) > 0


def make_scale(values: Iterable[float | int | None], frame: bool = False) -> Spec:
    """Return the scale of a quantitative axis, logarithmic if all values are above 0.

    Args:
        values: that it shows.
        frame: whether its domain is set here, so that values outside do not widen it.
    """
    known = list(values)
    is_log = is_positive(known)
    scale: Spec = {"type": "log", "nice": False} if is_log else {"type": "linear", "zero": False, "nice": False}
    return scale | ({"domain": pad_domain(known, is_log)} if frame else {})


def count(number: int, singular: str) -> str:
    """Return a number with its noun."""
    return f"{number:,} {singular}{'' if number == 1 else 's'}"
