"""The chart of hyperparameters: parallel coordinates of the trials, colored by their value on dev."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from blindtune.report.charts.collect import TrialSample, collect_runs, collect_trials, show_value
from blindtune.report.charts.spec import (
    INK,
    PAPER,
    UNSEEN,
    ChartMeta,
    Control,
    Legend,
    Rows,
    Spec,
    choose_seed,
    choose_systems,
    is_of_seed,
    is_shown,
    look_up_runs,
    make_spec,
    name_record,
    quote,
    round_number,
)
from blindtune.report.charts.trials import list_trial_hover
from blindtune.report.figures.style import SystemStyle
from blindtune.report.minimised import label_axis
from blindtune.report.records import DatasetRecords

CAPTION = (
    "The hyperparameters of the trials that were scored on dev, one line per trial; the last axis and the color are "
    "its {metric} on dev. Point at a line to see its trial, click it to go to its record. A hyperparameter that a "
    'trial does not have is on the level "inactive" below the axis. Axes whose values span a factor of 30 or more are '
    "logarithmic; those with a single value are left out, and at most 14 are shown, those that most trials have. The "
    "trials are the sample of the chart of trials. On a narrow screen the chart scrolls to the side."
)

#: The most axes of hyperparameters.
MOST_AXES = 14
#: Pixels from one axis to the next, so that the names and values of one do not run into the next.
AXIS_WIDTH = 64
#: The most values that are named on an axis of categories.
MOST_CATEGORIES = 9
#: The most different numbers that are all named on an axis.
MOST_NUMBERS = 4
#: Values that span this factor are on a logarithmic axis.
_LOG_FROM = 30
_INACTIVE = -0.12


@dataclass(frozen=True)
class Axis:
    """An axis: the field of a trial, the expression of its place from 0 to 1, and the values that are named."""

    title: str
    field: str
    expression: str
    ticks: list[tuple[float, str]]


def build(dataset: DatasetRecords, styles: dict[str, SystemStyle]) -> Spec | None:
    """Build the chart; None if no hyperparameter of scored trials varies.

    Args:
        dataset: the records of the dataset.
        styles: the style of each system.
    """
    sample = collect_trials(dataset)
    runs = collect_runs(dataset)
    tuners = [system.name for system in dataset.systems_of_kind("tuner")]
    rows = [row for row in sample.rows if row["value"] is not None and runs[row["run"]]["system"] in tuners]
    axes = _make_axes(sample, rows)
    if not axes:
        return None
    values = [row["value"] for row in rows]
    axes.append(_make_numbers(label_axis("dev", dataset.metric), "value", values))
    choice = choose_systems(tuners, styles)
    content = _make_content(dataset, choice, axes, values)
    portions = [
        (label, [("/params/2/value", top)])
        for label, top in (("all", 100), ("lowest 25%", 25), ("lowest 10%", 10), ("lowest 2%", 2))
    ]
    seeds = sorted({run.card.seed for system in dataset.systems_of_kind("tuner") for run in system.runs})
    controls = [Control("Trials by dev", portions), *choose_seed(seeds, "/params/1/value")]
    meta = ChartMeta(
        choice,
        controls,
        list_trial_hover(dataset, sample),
        dark=[("/layer/2/encoding/color/scale/reverse", True)],
        min_width=AXIS_WIDTH * len(axes),
    )
    description = (
        f"Parallel coordinates of {len(rows):,} scored trials on {dataset.title}. Axes: "
        f"{', '.join(axis.title for axis in axes)}."
    )
    ticks: Rows = [
        {"axis": place, "at": at, "label": label} for place, axis in enumerate(axes) for at, label in axis.ticks
    ]
    return make_spec(description, content, {"runs": runs, "trials": sample.rows, "ticks": ticks}, meta)


def _make_axes(sample: TrialSample, rows: Rows) -> list[Axis]:
    """Return the axes of the hyperparameters that vary, in the order of their first trial."""
    found = []
    for place, name in enumerate(sample.names):
        field = f"h{place}"
        known = [row[field] for row in rows if row[field] is not None]
        if len(set(known)) > 1 or 0 < len(known) < len(rows):
            found.append((field, name, known))
    kept = sorted(found, key=lambda axis: -len(axis[2]))[:MOST_AXES]
    return [_make_axis(name, field, known) for field, name, known in found if (field, name, known) in kept]


def _make_axis(title: str, field: str, known: list[Any]) -> Axis:
    numeric = all(isinstance(value, int | float) for value in known)
    return _make_numbers(title, field, known) if numeric else _make_categories(title, field, known)


def _make_numbers(title: str, field: str, known: list[Any]) -> Axis:
    low, high = min(known), max(known)
    is_log = low > 0 and high / low >= _LOG_FROM
    start, end = (float(np.log(low)), float(np.log(high))) if is_log else (float(low), float(high))
    value = f"log(datum.{field})" if is_log else f"datum.{field}"
    width = (end - start) or 1.0
    named = sorted(set(known)) if len(set(known)) <= MOST_NUMBERS else _spread(start, end, is_log, known)
    ticks = [((float(np.log(at) if is_log else at) - start) / width, f"{round_number(at, 3):,}") for at in named]
    return Axis(title, field, f"({value} - {quote(start)}) / {quote(width)}", ticks)


def _spread(start: float, end: float, is_log: bool, known: list[Any]) -> list[float]:
    """Return the ends of an axis and its middle, unless that would be a fraction among whole numbers."""
    middle = (start + end) / 2
    values = [float(np.exp(at)) if is_log else at for at in (start, middle, end)]
    whole = all(float(value).is_integer() for value in known)
    return [round(value) for value in values] if whole else values


def _make_categories(title: str, field: str, known: list[Any]) -> Axis:
    names = sorted({str(value) for value in known})
    last = max(1, len(names) - 1)
    step = -(-len(names) // MOST_CATEGORIES)
    ticks = [(place / last, str(show_value(name))[:18]) for place, name in enumerate(names) if place % step == 0]
    return Axis(title, field, f"indexof({quote(names)}, toString(datum.{field})) / {last}", ticks)


def _make_content(dataset: DatasetRecords, choice: Legend, axes: list[Axis], values: list[float]) -> Spec:
    places = [f"p{place}" for place in range(len(axes))]
    calculated = [
        {"calculate": f"isValid(datum.{axis.field}) ? {axis.expression} : {_INACTIVE}", "as": name}
        for name, axis in zip(places, axes, strict=True)
    ]
    titles = quote([axis.title for axis in axes])
    x: Spec = {
        "field": "axis",
        "type": "ordinal",
        "scale": {"type": "point", "padding": 0.35, "domain": list(range(len(axes)))},
        "axis": {
            "title": None, "orient": "top", "labelExpr": f"{titles}[datum.value]", "labelAngle": -28,
            "labelOverlap": False, "labelAlign": "left",
            "labelLimit": 150, "domain": False, "ticks": False, "grid": False,
        },
    }  # fmt: skip
    y: Spec = {"type": "quantitative", "scale": {"domain": [-0.16, 1.04], "nice": False}, "axis": None}
    low, high = min(values), float(np.quantile(values, 0.9))
    color: Spec = {
        "field": "value",
        "type": "quantitative",
        "scale": {
            "scheme": "viridis",
            "domain": [low, high if high > low else low + 1],
            "clamp": True,
            "reverse": False,
        },
        "legend": {"title": label_axis("dev", dataset.metric), "orient": "bottom", "gradientLength": 180},
    }
    hover = {"name": "hover", "select": {"type": "point", "fields": ["id"], "on": "pointerover", "clear": "pointerout"}}
    rules = {"type": "rule", "color": INK, "opacity": 0.35}
    lines: Spec = {
        "data": {"name": "trials"},
        "transform": [
            {"filter": "isValid(datum.value) && datum.rank <= top"},
            look_up_runs(),
            {"filter": f"{is_shown()} && {is_of_seed()}"},
            *name_record(dataset.name),
            *calculated,
            {"fold": places, "as": ["name", "at"]},
            {"calculate": "toNumber(slice(datum.name, 1))", "as": "axis"},
        ],
    }
    way: Spec = {"x": x, "y": {**y, "field": "at"}, "detail": {"field": "id"}}
    words = {"type": "text", "align": "left", "dx": 5, "fontSize": 10, "color": INK}
    return {
        "params": [
            {"name": "shown", "value": [item["name"] for item in choice.items]},
            {"name": "seed", "value": "every seed"},
            {"name": "top", "value": 100},
        ],
        "layer": [
            {
                "data": {"name": "ticks"},
                "transform": [{"aggregate": [], "groupby": ["axis"]}],
                "mark": rules,
                "encoding": {"x": x, "y": {**y, "datum": 0}, "y2": {"datum": 1}},
            },
            {
                "data": {"values": [{}]},
                "mark": rules | {"strokeDash": [2, 3]},
                "encoding": {"y": {**y, "datum": _INACTIVE}},
            },
            {
                **lines,
                "mark": {"type": "line", "strokeJoin": "round"},
                "encoding": {
                    **way,
                    "color": color,
                    "strokeWidth": {"condition": {"param": "hover", "empty": False, "value": 3.5}, "value": 1.1},
                    "opacity": {
                        "condition": {"param": "hover", "empty": False, "value": 1},
                        "value": _fade(len(values)),
                    },
                },
            },
            {
                **lines,
                "params": [hover],
                "mark": {"type": "line", "tooltip": {"content": "data"}, "cursor": "pointer", **UNSEEN},
                "encoding": way,
            },
            {
                "data": {"name": "ticks"},
                "mark": words | {"stroke": PAPER, "strokeWidth": 4, "strokeJoin": "round", "opacity": 0.85},
                "encoding": {"x": x, "y": {**y, "field": "at"}, "text": {"field": "label"}},
            },
            {
                "data": {"name": "ticks"},
                "mark": words,
                "encoding": {"x": x, "y": {**y, "field": "at"}, "text": {"field": "label"}},
            },
            {
                "data": {"values": [{}]},
                "mark": words | {"text": "inactive", "dx": 2, "dy": -6, "opacity": 0.75},
                "encoding": {"x": {"value": 0}, "y": {**y, "datum": _INACTIVE}},
            },
        ],
    }  # fmt: skip


def _fade(lines: int) -> float:
    """Return the opacity of a line: the more there are, the fainter each."""
    return float(round(min(0.8, max(0.25, 60 / max(lines, 1) + 0.2)), 2))
