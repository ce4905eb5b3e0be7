"""The chart of hyperparameters: parallel coordinates of the trials, colored by their value on dev."""

import math
from collections import Counter
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
    count,
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
from blindtune.report.minimised import get_unit, label_axis
from blindtune.report.records import DatasetRecords

CAPTION = (
    "Each line is a trial that was scored on dev. It crosses an axis at the trial's value of that hyperparameter, and "
    'the last axis at its {metric} on dev, which its color shows too. On the level "inactive" are hyperparameters that '
    'the trial does not have. To see what the best trials have in common, choose "lowest 10%": where their lines meet '
    "on an axis they agree, and a hyperparameter over which they spread mattered less. A search tries more of what it "
    "found to be good, so agreement alone is no proof; the importance of hyperparameters accounts for that. Point at a "
    'line to see its trial, click it to go to its record. Axes marked "log" span a factor of 30 or more. '
    "Hyperparameters with a single value are left out, and at most 14 are shown, those that most trials have. The "
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
#: The fewest trials of the lowest tenth that are described.
LEAST_PORTION = 3
#: Values that span this factor are on a logarithmic axis.
_LOG_FROM = 30
_INACTIVE = -0.12
#: Numbers from here on are written with an exponent.
_LONG = 1e7


@dataclass(frozen=True)
class Axis:
    """An axis: its name and title, the field of a trial, the expression of its place from 0 to 1, and named values."""

    name: str
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
        f"Parallel coordinates of {count(len(rows), 'scored trial')} on {dataset.title}. Axes: "
        f"{', '.join(axis.title for axis in axes)}. {_describe_best(dataset, rows, runs, axes[:-1])}"
    )
    ticks: Rows = [
        {"axis": place, "at": at, "label": label} for place, axis in enumerate(axes) for at, label in axis.ticks
    ]
    return make_spec(description, content, {"runs": runs, "trials": sample.rows, "ticks": ticks}, meta)


def _make_axes(sample: TrialSample, rows: Rows) -> list[Axis]:
    """Return the axes of the hyperparameters that vary, in the order of their first trial, those of layers together."""
    found = []
    for place, name in enumerate(sample.names):
        field = f"h{place}"
        known = [row[field] for row in rows if row[field] is not None]
        if len(set(known)) > 1 or 0 < len(known) < len(rows):
            found.append((field, name, known))
    kept = sorted(found, key=lambda axis: -len(axis[2]))[:MOST_AXES]
    shown = [axis for axis in found if axis in kept]
    stems = [_split_name(name)[0] for _, name, _ in shown]
    shown.sort(key=lambda axis: (stems.index(_split_name(axis[1])[0]), _split_name(axis[1])[1]))
    return [_make_axis(name, field, known) for field, name, known in shown]


def _split_name(name: str) -> tuple[str, int]:
    """Split ``units_10`` into ``units`` and 10; a name without a number has 0."""
    stem, _, number = name.rpartition("_")
    return (stem, int(number)) if stem and number.isdecimal() else (name, 0)


def _describe_best(dataset: DatasetRecords, rows: Rows, runs: Rows, axes: list[Axis]) -> str:
    """Return the values of the lowest trial and of the lowest tenth, for readers who do not see the lines."""
    ordered = sorted(rows, key=lambda row: row["value"])
    best = ordered[0]
    run, unit = runs[best["run"]], get_unit(dataset.metric) or ""
    values = ", ".join(f"{axis.name} {_word(best[axis.field])}" for axis in axes)
    text = (
        f"The lowest on dev, {best['value']}{unit}, is trial {best['trial']} of {run['system']}, seed {run['seed']}: "
        f"{values}."
    )
    portion = ordered[: len(ordered) // 10]
    if len(portion) < LEAST_PORTION:
        return text
    spans = "; ".join(f"{axis.name} {_span([row[axis.field] for row in portion])}" for axis in axes)
    return f"{text} The lowest 10%, {len(portion):,} trials, have: {spans}."


def _span(values: list[Any]) -> str:
    """Return the range of numbers, or the most frequent category with its count."""
    known = [value for value in values if value is not None]
    absent = f", inactive in {len(values) - len(known):,}" if 0 < len(known) < len(values) else ""
    if not known:
        return "inactive"
    if all(isinstance(value, int | float) for value in known):
        ends = [min(known), max(known)]
        return f"{' to '.join(dict.fromkeys(_word(end) for end in ends))}{absent}"
    [(most, number)] = Counter(map(str, known)).most_common(1)
    return f"{most} in {number:,}{absent}"


def _word(value: Any) -> str:
    if isinstance(value, int | float):
        rounded = round_number(value, 3) or 0
        return f"{rounded:,}" if abs(rounded) < _LONG else f"{rounded:g}"
    return "inactive" if value is None else str(value)


def _make_axis(title: str, field: str, known: list[Any]) -> Axis:
    numeric = all(isinstance(value, int | float) for value in known)
    return _make_numbers(title, field, known) if numeric else _make_categories(title, field, known)


def _make_numbers(title: str, field: str, known: list[Any]) -> Axis:
    low, high = min(known), max(known)
    is_log = low > 0 and high / low >= _LOG_FROM
    start, end = (math.log(low), math.log(high)) if is_log else (float(low), float(high))
    value = f"log(datum.{field})" if is_log else f"datum.{field}"
    width = (end - start) or 1.0
    named = sorted(set(known)) if len(set(known)) <= MOST_NUMBERS else _spread(start, end, is_log, known)
    # Not by NumPy, which knows no whole numbers beyond 64 bits.
    ticks = [(((math.log(at) if is_log else float(at)) - start) / width, _word(at)) for at in named]
    shown = f"{title} (log)" if is_log else title
    return Axis(title, shown, field, f"({value} - {quote(start)}) / {quote(width)}", ticks)


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
    return Axis(title, title, field, f"indexof({quote(names)}, toString(datum.{field})) / {last}", ticks)


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
    low, high = min(values), round_number(float(np.quantile(values, 0.9))) or 0
    high = high if high > low else low + 1
    beyond = " and more" if max(values) > high else ""
    color: Spec = {
        "field": "value",
        "type": "quantitative",
        "scale": {
            "scheme": "viridis",
            "domain": [low, high],
            "clamp": True,
            "reverse": False,
        },
        "legend": {
            "title": f"color: {label_axis('dev', dataset.metric)}",
            "orient": "bottom",
            "gradientLength": 240,
            # The worst tenth has one color.
            "values": [low, (low + high) / 2, high],
            "labelExpr": f"format(datum.value, '.3~g') + (datum.value >= {quote(high)} ? {quote(beyond)} : '')",
        },
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
                "mark": words | {"text": "inactive", "fontStyle": "italic", "dx": 2, "dy": -7},
                "encoding": {"x": {"value": 0}, "y": {**y, "datum": _INACTIVE}},
            },
        ],
    }  # fmt: skip


def _fade(lines: int) -> float:
    """Return the opacity of a line: the more there are, the fainter each."""
    return float(round(min(0.8, max(0.25, 60 / max(lines, 1) + 0.2)), 2))
