"""The chart of frozen models: dev against eval."""

from blindtune.report.charts.collect import number_runs
from blindtune.report.charts.spec import (
    INK,
    ChartMeta,
    Control,
    Rows,
    Spec,
    choose_systems,
    count,
    encode_systems,
    is_shown,
    make_scale,
    make_spec,
    name_record,
    round_number,
    toggle_log,
    zoom_by_pointer,
)
from blindtune.report.figures.style import SystemStyle
from blindtune.report.minimised import format_metric, get_scale, get_title, get_unit, label_axis
from blindtune.report.records import DatasetRecords
from blindtune.report.searches import sum_study_seconds

CAPTION = (
    "{Metric} of every frozen model on dev, by which it was chosen, and on eval, decoded once; one point per seed. "
    "On the dashed line both are equal; above it, eval is worse than dev promised. Click a point to go to its record."
)

#: Of each horizontal axis: the field, the option of the menu and the title; dev comes before them.
_COSTS = (
    ("parameters", "trainable parameters", "trainable parameters"),
    ("seconds", "seconds of the study", "wall seconds of the study"),
)


def build(dataset: DatasetRecords, styles: dict[str, SystemStyle]) -> Spec | None:
    """Build the chart; None without a classifier.

    Args:
        dataset: the records of the dataset.
        styles: the style of each system.
    """
    rows = _list_models(dataset)
    if not rows:
        return None
    ordered = sorted(dataset.classifiers, key=lambda system: system.objective("eval"))
    choice = choose_systems([system.name for system in ordered], styles)
    values = [row[split] for row in rows for split in ("dev", "eval")]
    scale, costs = make_scale(values, frame=True), [cost for cost in _COSTS if any(row[cost[0]] for row in rows)]
    title, unit = get_title(dataset.metric), get_unit(dataset.metric) or ""
    axes = {
        split: {"type": "quantitative", "scale": scale, "axis": {"title": label_axis(split, dataset.metric)}}
        for split in ("dev", "eval")
    }
    ends = [{"dev": value, "eval": value} for value in scale["domain"]]
    content: Spec = {
        "params": [
            {"name": "shown", "value": [item["name"] for item in choice.items]},
            {"name": "measure", "value": "dev"},
        ],
        "layer": [
            {
                "data": {"name": "equal"},
                "transform": [{"filter": "measure == 'dev'"}, {"calculate": "datum.dev", "as": "x"}],
                "mark": {"type": "line", "color": INK, "strokeDash": [4, 4], "opacity": 0.5, "clip": True},
                "encoding": {"x": {"field": "x", **axes["dev"]}, "y": {"field": "eval", **axes["eval"]}},
            },
            {
                "data": {"name": "models"},
                "transform": [
                    {"filter": is_shown()},
                    {"calculate": "datum[measure]", "as": "x"},
                    {"filter": "isValid(datum.x)"},
                    *name_record(dataset.name, by_trial=False),
                ],
                "params": [zoom_by_pointer()],
                "mark": {
                    "type": "point", "filled": True, "size": 90, "opacity": 0.85, "clip": True, "cursor": "pointer",
                    "tooltip": {"content": "data"},
                },
                "encoding": {
                    "x": {"field": "x", **axes["dev"]},
                    "y": {"field": "eval", **axes["eval"]},
                    **encode_systems(choice, "color", "shape"),
                },
            },
        ],
    }  # fmt: skip
    xs = [f"/layer/{place}/encoding/x" for place in (0, 1)]
    options = [("dev", [("/params/1/value", "dev"), *_set_axis(xs, axes["dev"])])]
    for name, label, axis_title in costs:
        spent = [row[name] for row in rows if row[name]]
        axis = {"type": "quantitative", "scale": make_scale(spent, frame=True), "axis": {"title": axis_title}}
        options.append((label, [("/params/1/value", name), *_set_axis(xs, axis)]))
    y = ["/layer/0/encoding/y/scale", "/layer/1/encoding/y/scale"]
    hover = [
        ("system", "System", ""),
        ("seed", "Seed", ""),
        ("dev", f"Dev {title}", unit),
        ("eval", f"Eval {title}", unit),
        ("parameters", "Parameters", ""),
        ("seconds", "Wall seconds", ""),
        ("record", "Record", ""),
    ]
    meta = ChartMeta(
        choice,
        [Control("Horizontal axis", options), *toggle_log("y", y, values, frame=True)],
        hover,
        {"x": [f"{x}/scale" for x in xs], "y": y},
    )
    best = ordered[0]
    description = (
        f"{label_axis('dev', dataset.metric)} against {label_axis('eval', dataset.metric)} of "
        f"{count(len(rows), 'frozen model')} of {count(len(ordered), 'system')} on {dataset.title}. {best.name} has "
        f"the lowest on eval, {format_metric(best.metric, best.objective('eval'))}, mean over the seeds."
    )
    return make_spec(description, content, {"models": rows, "equal": ends}, meta)


def _list_models(dataset: DatasetRecords) -> Rows:
    scale = get_scale(dataset.metric)
    rows = []
    for system, run in number_runs(dataset):
        on_eval = run.decode.error if run.decode.metric_value is None else run.decode.metric_value
        rows.append({
            "system": system.name,
            "seed": run.card.seed,
            "dev": round_number(scale * run.dev_objective),
            "eval": round_number(scale * on_eval),
            "parameters": run.card.n_parameters,
            "seconds": round_number(sum_study_seconds(run), 4) or None,
            "card": run.paths[0],
        })  # fmt: skip
    return rows


def _set_axis(pointers: list[str], axis: Spec) -> list[tuple[str, object]]:
    return [(f"{pointer}/{key}", axis[key]) for pointer in pointers for key in ("scale", "axis")]
