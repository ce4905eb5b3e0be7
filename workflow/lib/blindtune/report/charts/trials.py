"""The chart of trials: what each gave on dev, against its size or its cost, with all hyperparameters."""

from typing import Any

from blindtune.report.charts.collect import ON_FOLD, TrialSample, collect_runs, collect_trials
from blindtune.report.charts.spec import (
    INK,
    ChartMeta,
    Control,
    Legend,
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
    toggle_log,
    zoom_by_pointer,
)
from blindtune.report.figures.style import SystemStyle
from blindtune.report.minimised import get_title, get_unit, label_axis
from blindtune.report.records import DatasetRecords

CAPTION = (
    "Every trial: its {metric} on dev against its size or cost. The shape is the outcome; trials without a score are "
    "in the strip at the top, at its left end if they have no size or cost. Chosen trials have an outline. With "
    "more than 2,000 trials on a dataset, the chosen ones and an evenly spaced sample of all others are shown. "
    "Hyperparameters have five digits. Click a trial to go to its record."
)

#: The shape of each outcome.
OUTCOMES = {
    "completed": "circle",
    "pruned": "triangle-down",
    "invalid": "cross",
    "failed": "square",
    "diverged": "diamond",
    ON_FOLD: "triangle-up",
}
#: Of each horizontal axis: the field, the option of the menu and the title.
_MEASURES = (
    ("parameters", "trainable parameters", "trainable parameters"),
    ("seconds", "seconds of the trial", "wall seconds of the trial"),
    ("epochs", "epochs of the trial", "epochs of the trial, with those it continued"),
    ("trials", "number of the trial", "trials ended in its study"),
)
_X = ("/layer/0/encoding/x", "/layer/1/encoding/x")
#: Pixels of the strip of trials without a score.
_STRIP = 26


def build(dataset: DatasetRecords, styles: dict[str, SystemStyle]) -> Spec | None:
    """Build the chart; None without a tuner's trial.

    Args:
        dataset: the records of the dataset.
        styles: the style of each system.
    """
    if not any(run.trials for system in dataset.systems_of_kind("tuner") for run in system.runs):
        return None
    sample = collect_trials(dataset)
    values = [row["value"] for row in sample.rows if row["value"] is not None]
    measures = _order_measures(sample)
    if not values or not measures:
        return None
    choice = choose_systems([system.name for system in dataset.classifiers], styles)
    content = _make_content(dataset, choice, sample, values, measures[0])
    options = [
        (label, [("/params/2/value", name), *_set_axis(sample, (name, label, title))])
        for name, label, title in measures
    ]
    seeds = sorted({run.card.seed for system in dataset.classifiers for run in system.runs})
    scale = "/layer/0/encoding/y/scale"
    meta = ChartMeta(
        choice,
        [
            Control("Horizontal axis", options),
            *choose_seed(seeds, "/params/1/value"),
            *toggle_log("y", [scale], values, frame=True),
        ],
        list_trial_hover(dataset, sample),
        {"x": [f"{x}/scale" for x in _X], "y": [scale]},
    )
    outcomes = _count_outcomes(sample)
    description = (
        f"Trials on {dataset.title}: dev {get_title(dataset.metric)} against {measures[0][1]}. {sample.sentence} "
        f"{outcomes}."
    )
    return make_spec(description, content, {"runs": collect_runs(dataset), "trials": sample.rows}, meta)


def list_trial_hover(dataset: DatasetRecords, sample: TrialSample) -> list[tuple[str, str, str]]:
    """Return the rows of the box that hovering over a trial shows, with every hyperparameter.

    Args:
        dataset: the records of the dataset.
        sample: the trials.
    """
    return [
        ("system", "System", ""),
        ("seed", "Seed", ""),
        ("trial", "Trial", ""),
        ("value", f"Dev {get_title(dataset.metric)}", get_unit(dataset.metric) or ""),
        ("outcome", "Outcome", ""),
        ("reason", "Reason", ""),
        *((f"h{place}", name, "") for place, name in enumerate(sample.names)),
        ("parameters", "Parameters", ""),
        ("epochs", "Epochs", ""),
        ("seconds", "Wall seconds", ""),
        ("record", "Record", ""),
    ]


def _order_measures(sample: TrialSample) -> list[tuple[str, str, str]]:
    """Return the measures that trials have, those that every scored trial has first."""
    scored = [row for row in sample.rows if row["value"] is not None]
    known = [measure for measure in _MEASURES if any(_measure(row, measure[0]) for row in scored)]
    return sorted(known, key=lambda measure: not all(_measure(row, measure[0]) for row in scored))


def _measure(row: dict[str, Any], name: str) -> Any:
    return row["trial"] + 1 if name == "trials" else row[name]


def _make_axis(sample: TrialSample, measure: tuple[str, str, str]) -> Spec:
    # On a logarithmic axis there is no place for 0, as of a set that could not be built.
    spent = [value for row in sample.rows if (value := _measure(row, measure[0]))]
    # Lines of a grid would end at the height of the strip above the lower edge.
    return {"scale": make_scale(spent, frame=True), "axis": {"title": measure[2], "grid": False}}


def _set_axis(sample: TrialSample, measure: tuple[str, str, str]) -> list[tuple[str, Any]]:
    axis = _make_axis(sample, measure)
    left = ("/params/3/value", axis["scale"]["domain"][0])
    return [left, *((f"{pointer}/{key}", axis[key]) for pointer in _X for key in ("scale", "axis"))]


def _make_content(
    dataset: DatasetRecords, choice: Legend, sample: TrialSample, values: list[float], measure: tuple[str, str, str]
) -> Spec:
    x = {"field": "x", "type": "quantitative", **_make_axis(sample, measure)}
    shapes = {"domain": list(OUTCOMES), "range": list(OUTCOMES.values())}
    used = sorted({row["outcome"] for row in sample.rows}, key=list(OUTCOMES).index)
    legend = {"orient": "bottom", "title": "Outcome", "values": used, "symbolFillColor": INK, "symbolStrokeWidth": 0}
    marks = {
        "shape": {"field": "outcome", "type": "nominal", "scale": shapes, "legend": legend},
        "stroke": {"condition": {"test": "datum.chosen", "value": INK}, "value": "transparent"},
        **encode_systems(choice, "fill"),
    }
    kept: list[Spec] = [
        look_up_runs(),
        {"filter": f"{is_shown()} && {is_of_seed()}"},
        *name_record(dataset.name),
        {"calculate": "measure == 'trials' ? datum.trial + 1 : datum[measure]", "as": "x"},
    ]
    mark = {"type": "point", "strokeWidth": 1.5, "clip": True, "cursor": "pointer", "tooltip": {"content": "data"}}
    y_scale = make_scale(values, frame=True) | {"range": [{"expr": "height"}, _STRIP]}
    return {
        "data": {"name": "trials"},
        "params": [
            {"name": "shown", "value": [item["name"] for item in choice.items]},
            {"name": "seed", "value": "every seed"},
            {"name": "measure", "value": measure[0]},
            {"name": "left", "value": x["scale"]["domain"][0]},
        ],
        "transform": kept,
        "layer": [
            {
                "transform": [{"filter": "isValid(datum.value) && datum.x > 0"}],
                "params": [zoom_by_pointer()],
                "mark": mark | {"size": 42, "opacity": 0.75},
                "encoding": {
                    "x": x,
                    "y": {
                        "field": "value",
                        "type": "quantitative",
                        "scale": y_scale,
                        "axis": {"title": label_axis("dev", dataset.metric)},
                    },
                    **marks,
                },
            },
            {
                "transform": [
                    {"filter": "!isValid(datum.value)"},
                    {"calculate": "datum.x > 0 ? datum.x : left", "as": "x"},
                ],
                "mark": mark | {"size": 32, "opacity": 0.7},
                "encoding": {"x": x, "y": {"value": _STRIP // 2 - 1}, **marks},
            },
            {
                "data": {"values": [{}]},
                "mark": {"type": "rule", "color": INK, "opacity": 0.35},
                "encoding": {"y": {"value": _STRIP - 2}},
            },
            {
                "data": {"values": [{}]},
                # At the right end: sets that could not be built are at the left one.
                "mark": {"type": "text", "align": "right", "color": INK, "opacity": 0.7, "dx": -4, "text": "no score"},
                "encoding": {"x": {"value": "width"}, "y": {"value": _STRIP // 2 - 1}},
            },
        ],
    }


def _count_outcomes(sample: TrialSample) -> str:
    counts: dict[str, int] = {}
    for row in sample.rows:
        counts[row["outcome"]] = counts.get(row["outcome"], 0) + 1
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return "Of those shown: " + ", ".join(f"{number:,} {outcome}" for outcome, number in ordered)
