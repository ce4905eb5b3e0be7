"""The chart of time: how the seconds of each system divide into parts, and what it trained with them."""

from blindtune.report.charts.spec import (
    ChartMeta,
    Control,
    Legend,
    Rows,
    Spec,
    is_shown,
    make_spec,
    round_number,
)
from blindtune.report.figures.style import SystemStyle
from blindtune.report.figures.times import COLORS, NAMES
from blindtune.report.records import DatasetRecords, SystemRecords
from blindtune.report.stats.statistics import mean
from blindtune.report.tables.times import PARTS, compute_mean_seconds

CAPTION = (
    "The time of a study by part, mean over the seeds, for every system of the dataset. Wall seconds are those that "
    "passed, CPU seconds those that processor cores computed. Times of different machines must not be compared."
)

#: The height of a row, in pixels.
ROW = 20
_SQUARE = "M-1,-1H1V1H-1Z"


def build(dataset: DatasetRecords, styles: dict[str, SystemStyle]) -> Spec | None:
    """Build the chart; None if no system recorded any time.

    Args:
        dataset: the records of the dataset.
        styles: not used: the colors are those of the parts.
    """
    rows = [row for system in dataset.systems for row in _list_parts(system)]
    totals = {
        system.name: sum(row["wall"] for row in rows if row["system"] == system.name) for system in dataset.systems
    }
    if not any(totals.values()):
        return None
    ordered = sorted(totals, key=lambda name: -totals[name])
    parts = [NAMES[part] for part in PARTS]
    items = [{"name": NAMES[part], "color": COLORS[part], "outline": _SQUARE, "dash": []} for part in PARTS]
    colors = {"domain": parts, "range": [COLORS[part] for part in PARTS]}
    content: Spec = {
        "height": ROW * len(ordered),
        "data": {"name": "parts"},
        "params": [{"name": "shown", "value": parts}, {"name": "clock", "value": "wall"}],
        "transform": [
            # A part that is hidden has no width, so that the axis has numbers even if all are.
            {"calculate": f"{is_shown(name='part')} ? datum[clock] : 0", "as": "x"},
            {"calculate": f"indexof({parts!r}, datum.part)", "as": "place"},
        ],
        "mark": {"type": "bar", "tooltip": {"content": "data"}},
        "encoding": {
            "x": {
                "field": "x",
                "type": "quantitative",
                "stack": "zero",
                "scale": {},
                "axis": {"title": "mean wall seconds of a study"},
            },
            "y": {
                "field": "system",
                "type": "nominal",
                "scale": {"domain": ordered},
                "axis": {"title": None, "labelLimit": 140, "domain": False, "ticks": False},
            },
            "color": {"field": "part", "type": "nominal", "scale": colors, "legend": None},
            "order": {"field": "place", "type": "quantitative"},
        },
    }
    x = "/encoding/x"
    options = [
        (
            label,
            [
                ("/params/1/value", clock),
                (f"{x}/stack", "normalize" if is_share else "zero"),
                (f"{x}/scale", {"domain": [0, 1]} if is_share else {}),
                (f"{x}/axis", {"title": title} | ({"format": "%"} if is_share else {})),
            ],
        )
        for label, clock, is_share, title in (
            ("wall seconds", "wall", False, "mean wall seconds of a study"),
            ("CPU seconds", "cpu", False, "mean CPU seconds of a study"),
            ("share of wall seconds", "wall", True, "share of the wall seconds shown"),
            ("share of CPU seconds", "cpu", True, "share of the CPU seconds shown"),
        )
    ]
    hover = [
        ("system", "System", ""),
        ("part", "Part", ""),
        ("wall", "Wall seconds", ""),
        ("cpu", "CPU seconds", ""),
        ("trials", "Trials", ""),
        ("epochs", "Epochs", ""),
        ("seeds", "Mean over seeds", ""),
    ]
    meta = ChartMeta(Legend("Parts", "shown", items), [Control("Show", options)], hover)
    first, last = ordered[0], ordered[-1]
    description = (
        f"Seconds of the studies on {dataset.title} by part, as bars, {len(ordered)} systems. {first} took longest, "
        f"{totals[first]:,.1f} wall seconds in the mean over its seeds, {last} shortest, {totals[last]:,.1f}."
    )
    return make_spec(description, content, {"parts": rows}, meta)


def _list_parts(system: SystemRecords) -> Rows:
    cards = [run.card for run in system.runs]
    totals = {
        "seeds": len(cards),
        "trials": round_number(mean([float(card.spent.trials) for card in cards])),
        "epochs": round_number(mean([float(card.spent.epochs) for card in cards])),
    }
    return [
        {"system": system.name, "part": NAMES[part]}
        | {clock: round_number(compute_mean_seconds(system, part, clock), 4) for clock in ("wall", "cpu")}
        | totals
        for part in PARTS
    ]
