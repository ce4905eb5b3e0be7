"""The chart of searches: the best value on dev so far, against trials, epochs or seconds."""

import itertools
from typing import Any

import numpy as np

from blindtune.report.charts.collect import collect_runs, number_runs
from blindtune.report.charts.spec import (
    UNSEEN,
    ChartMeta,
    Control,
    Legend,
    Patch,
    Rows,
    Spec,
    choose_seed,
    choose_systems,
    encode_systems,
    is_of_seed,
    is_shown,
    look_up_runs,
    make_scale,
    make_spec,
    name_record,
    pad_domain,
    quote,
    round_number,
    toggle_log,
    zoom_by_pointer,
)
from blindtune.report.figures.search import compute_median_and_band
from blindtune.report.figures.style import SystemStyle
from blindtune.report.minimised import format_metric, get_scale, get_title, get_unit, label_axis
from blindtune.report.records import DatasetRecords, RunRecords, SystemRecords
from blindtune.report.searches import Floats, accumulate_best, accumulate_epochs, accumulate_seconds

CAPTION = (
    "Dev {metric} of the best trial so far. A point is a trial that improved on all before it in its study; trials "
    "between points changed nothing and are left out. With several seeds, the line is the median and the band the "
    "range over the seeds; medians with more than 40 steps are drawn at 40 of them. The band is drawn for at most four "
    "systems at once. Dotted lines are systems without a search, mean over the seeds. For a tuner that scores on "
    "folds, only trials trained on all of train count. Worse first trials are above the frame: zoom out to see them. "
    "Choose a seed or every seed, and click a point to go to its record."
)

#: The most steps of a median.
MOST_STEPS = 40
#: The most systems whose bands are drawn at once.
MOST_BANDS = 4
#: Of each horizontal axis: the field, the option of the menu and the title.
MEASURES = (
    ("trials", "trials", "trials ended"),
    ("epochs", "training epochs", "training epochs spent, all trials together"),
    ("seconds", "wall seconds", "wall seconds spent, all parts together"),
)
#: The layers with a horizontal axis.
_CURVES = tuple(f"/layer/{place}" for place in range(1, 6))


def build(dataset: DatasetRecords, styles: dict[str, SystemStyle]) -> Spec | None:
    """Build the chart; None without a search.

    Args:
        dataset: the records of the dataset.
        styles: the style of each system.
    """
    tuners = sorted(dataset.systems_of_kind("tuner"), key=lambda system: system.objective("dev"))
    steps = _list_steps(dataset)
    if not steps:
        return None
    others = [system for system in dataset.classifiers if system.kind != "tuner"]
    choice = choose_systems([system.name for system in [*tuners, *others]], styles)
    seeds = sorted({run.card.seed for system in tuners for run in system.runs})
    medians = [row for system in tuners for row in _list_medians(system)] if len(seeds) > 1 else []
    levels = _list_levels(others)
    datasets = {"runs": collect_runs(dataset), "steps": steps, "medians": medians, "levels": levels}
    spent = {field: [row[field] for row in steps] for field, _, _ in MEASURES}
    framed = _frame(dataset, steps, levels)
    content = _make_content(dataset, choice, "median" if medians else "every seed", spent, framed)
    ys = [f"/layer/{place}/encoding/y/scale" for place in range(len(content["layer"]))]
    meta = ChartMeta(
        choice,
        [
            _choose_measure(spent),
            *choose_seed(seeds, "/params/1/value", ("median", "every seed") if medians else ("every seed",)),
            *toggle_log("x", [f"{layer}/encoding/x/scale" for layer in _CURVES], itertools.chain(*spent.values())),
            *toggle_log("y", ys, framed, frame=True),
        ],
        _list_hover(dataset),
        {"x": [f"{layer}/encoding/x/scale" for layer in _CURVES], "y": ys},
    )
    return make_spec(_describe(dataset, tuners), content, datasets, meta)


def _list_steps(dataset: DatasetRecords) -> Rows:
    """Return the trials that improved on all before them in their study, and the end of each search."""
    return [
        {"run": number} | row
        for number, (system, run) in enumerate(number_runs(dataset))
        if system.kind == "tuner"
        for row in _follow(run)
    ]


def _follow(run: RunRecords) -> Rows:
    best, spent = accumulate_best(run.trials), _measure(run)
    known = ~np.isnan(best)
    improves = known & np.r_[True, (best[1:] < best[:-1]) | (known[1:] & ~known[:-1])] if len(best) else known
    ends = np.flatnonzero(known)[-1:]
    return [
        {
            "trial": run.trials[place].number,
            "value": round_number(float(best[place])),
            "improves": bool(improves[place]),
            **{name: round_number(float(values[place])) for name, values in spent.items()},
        }
        for place in sorted({*np.flatnonzero(improves).tolist(), *ends.tolist()})
    ]


def _measure(run: RunRecords) -> dict[str, Floats]:
    """Return what was spent up to the end of each trial, ``(n_trials,)`` by the field of `MEASURES`."""
    numbers = np.arange(1, len(run.trials) + 1, dtype=float)
    return {"trials": numbers, "epochs": accumulate_epochs(run.trials), "seconds": accumulate_seconds(run.trials)}


def _list_medians(system: SystemRecords) -> Rows:
    """Return the median and the range over the seeds of a tuner, where one of them changes, for each measure."""
    best = [accumulate_best(run.trials) for run in system.runs]
    spent = [_measure(run) for run in system.runs]
    if any(not len(values) or np.isnan(values).all() for values in best):
        return []
    rows = []
    for name, _, _ in MEASURES:
        points, reached = compute_median_and_band([of_run[name] for of_run in spent], best)
        for place in _select_steps(reached):
            low, middle, high = (round_number(float(value)) for value in reached[:, place])
            x = round_number(float(points[place]))
            rows.append({
                "system": system.name, "seed": f"median of {len(best)}", "measure": name, "x": x, "low": low,
                "value": middle, "high": high,
            })  # fmt: skip
    return rows


def _select_steps(reached: Floats) -> list[int]:
    """Return the first place, the last, and those where a row of ``(3, n_points)`` changes, at most `MOST_STEPS`."""
    changed = np.flatnonzero(np.r_[True, (reached[:, 1:] != reached[:, :-1]).any(axis=0)])
    places = np.unique(np.r_[changed, reached.shape[1] - 1])
    if len(places) > MOST_STEPS:
        places = places[np.unique(np.linspace(0, len(places) - 1, MOST_STEPS).round().astype(int))]
    return [int(place) for place in places]


def _list_levels(systems: list[SystemRecords]) -> Rows:
    return [
        {
            "system": system.name,
            "seed": f"mean of {len(system.runs)}" if len(system.runs) > 1 else system.runs[0].card.seed,
            "value": round_number(get_scale(system.metric) * system.objective("dev")),
        }
        for system in systems
    ]


def _frame(dataset: DatasetRecords, steps: Rows, levels: Rows) -> list[float]:
    """Return the values whose range the vertical axis shows: final ones, levels, and early ones up to their median."""
    scale = get_scale(dataset.metric)
    last = [scale * run.dev_objective for system in dataset.classifiers for run in system.runs]
    first = {row["run"]: row["value"] for row in reversed(steps)}
    middle = float(np.median(list(first.values())))
    return [min(last), max([*last, middle]), *(row["value"] for row in levels)]


def _span(values: list[Any]) -> list[Any]:
    """Return the ends of the horizontal axis, the same for a linear and a logarithmic one."""
    low, high = min(values), max(values)
    return [low, high] if low < high else pad_domain(values, is_log=low > 0)


def _make_content(
    dataset: DatasetRecords, choice: Legend, seed: str, spent: dict[str, list[Any]], framed: list[float]
) -> Spec:
    of_runs: list[Spec] = [
        look_up_runs(),
        *name_record(dataset.name),
        {"filter": f"{is_shown()} && {is_of_seed()}"},
        {"calculate": "datum[measure]", "as": "x"},
    ]
    of_medians: list[Spec] = [
        {"filter": f"seed == 'median' && datum.measure == measure && {is_shown()}"},
        *({"calculate": f"measure == {quote(field)} ? datum.x : null", "as": field} for field in spent),
    ]
    scale = make_scale(itertools.chain(*spent.values())) | {"domain": _span(spent[MEASURES[0][0]])}
    x = {"field": "x", "type": "quantitative", "scale": scale, "axis": {"title": MEASURES[0][2]}}
    title = label_axis("best dev", dataset.metric) + " so far"
    y = {"field": "value", "type": "quantitative", "scale": make_scale(framed, frame=True), "axis": {"title": title}}
    lines = encode_systems(choice, "color", "strokeDash")
    few = f"length(shown) <= {MOST_BANDS} ? 0.18 : 0"
    params: list[Spec] = [
        {"name": "shown", "value": [item["name"] for item in choice.items]},
        {"name": "seed", "value": seed},
        {"name": "measure", "value": MEASURES[0][0]},
    ]
    return {
        "params": params,
        "layer": [
            # Below the points, which a pointer meets first.
            {
                "data": {"name": "levels"},
                "transform": [{"filter": is_shown()}],
                "mark": {"type": "rule", "clip": True, "tooltip": {"content": "data"}, **UNSEEN},
                "encoding": {"y": y},
            },
            {
                "data": {"name": "medians"},
                "transform": of_medians,
                "params": [zoom_by_pointer()],
                "mark": {"type": "area", "interpolate": "step-after", "opacity": {"expr": few}, "clip": True},
                "encoding": {
                    "x": x,
                    "y": y | {"field": "low"},
                    "y2": {"field": "high"},
                    **encode_systems(choice, "color"),
                },
            },
            {
                "data": {"name": "medians"},
                "transform": of_medians,
                "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 2, "clip": True},
                "encoding": {"x": x, "y": y, **lines},
            },
            {
                "data": {"name": "steps"},
                "transform": of_runs,
                "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 1.4, "clip": True},
                "encoding": {"x": x, "y": y, "detail": {"field": "run"}, **lines},
            },
            {
                "data": {"name": "steps"},
                "transform": [*of_runs, {"filter": "datum.improves"}],
                "mark": {"type": "point", "filled": True, "size": 34, "clip": True, "tooltip": {"content": "data"}},
                "encoding": {
                    "x": x,
                    "y": y,
                    "opacity": {"value": 0.9},
                    **encode_systems(choice, "color", "shape"),
                },
            },
            {
                "data": {"name": "medians"},
                "transform": of_medians,
                "mark": {"type": "point", "filled": True, "size": 26, "clip": True, "tooltip": {"content": "data"}},
                "encoding": {"x": x, "y": y, **encode_systems(choice, "color", "shape")},
            },
            {
                "data": {"name": "levels"},
                "transform": [{"filter": is_shown()}],
                "mark": {"type": "rule", "strokeDash": [1, 3], "strokeWidth": 2, "clip": True},
                "encoding": {"y": y, **encode_systems(choice, "color")},
            },
        ],
    }


def _choose_measure(spent: dict[str, list[Any]]) -> Control:
    options = []
    for name, label, title in MEASURES:
        domain = _span(spent[name])
        axes: list[Patch] = [(f"{layer}/encoding/x/axis/title", title) for layer in _CURVES]
        axes += [(f"{layer}/encoding/x/scale/domain", domain) for layer in _CURVES]
        options.append((label, [("/params/2/value", name), *axes]))
    return Control("Horizontal axis", options)


def _list_hover(dataset: DatasetRecords) -> list[tuple[str, str, str]]:
    unit = get_unit(dataset.metric) or ""
    return [
        ("system", "System", ""),
        ("seed", "Seed", ""),
        ("trial", "Trial", ""),
        ("value", f"Dev {get_title(dataset.metric)}", unit),
        ("low", "Lowest seed", unit),
        ("high", "Highest seed", unit),
        ("trials", "Trials ended", ""),
        ("epochs", "Epochs so far", ""),
        ("seconds", "Wall seconds so far", ""),
        ("record", "Record", ""),
    ]


def _describe(dataset: DatasetRecords, tuners: list[SystemRecords]) -> str:
    first, last = tuners[0], tuners[-1]
    values = {system.name: format_metric(system.metric, system.objective("dev")) for system in (first, last)}
    text = (
        f"Search curves on {dataset.title}: the lowest dev {get_title(dataset.metric)} so far of {len(tuners)} tuners. "
    )
    if len(tuners) == 1:
        return f"{text}{first.name} ends at {values[first.name]}, mean over the seeds."
    return (
        f"{text}At the end, mean over the seeds, {first.name} has the lowest with {values[first.name]} and {last.name} "
        f"the highest with {values[last.name]}."
    )
