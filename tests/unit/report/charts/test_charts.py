"""The interactive charts: valid specifications with the values of the records, thinned as they say, safe to open."""

import dataclasses
import gzip
import hashlib
import json
import math
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blindtune import stages
from blindtune.records.trial import Trial
from blindtune.report.charts import assemble, collect
from blindtune.report.charts.registry import CHART_FILES, CHARTS, LIBRARY, SCRIPT
from blindtune.report.charts.spec import round_number
from blindtune.report.figures.style import assign_styles
from blindtune.report.records import DatasetRecords, ReportRecords
from blindtune.report.searches import accumulate_best, accumulate_seconds
from support.report_records import RecordsBuilder
from support.report_trials import make_trial, replace_trials

EVIL = "</script><img src=x onerror=alert(1)>'\"\\ .[0]{{x}}"
SYSTEMS = ["knn", "mlp_m1", "kt_random", "kt_hyperband", "opt_asha", "sk_cv", "bayes"]
SCHEMA = Path(__file__).parents[3] / "support" / "vega_lite_schema.json.gz"


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> ReportRecords:
    """Two datasets with reference models, a manual one and four tuners, with two seeds."""
    root = tmp_path_factory.mktemp("results") / "tiny"
    return RecordsBuilder(root, systems=SYSTEMS, datasets={"set_10": {}, "set_09": {}}, trials=17).write().read()


def build(kind: str, dataset: DatasetRecords, records: ReportRecords) -> dict[str, Any]:
    """Return the specification of a chart that applies."""
    spec = CHARTS[kind].load_build()(dataset, assign_styles(records))
    assert spec is not None
    return spec


def rename(dataset: DatasetRecords, name: str) -> DatasetRecords:
    """Return a dataset of which a system, and in its trials a hyperparameter and a value, have this name."""
    system = next(system for system in dataset.systems if system.kind == "tuner")
    runs = [
        dataclasses.replace(
            run,
            trials=[
                trial.model_copy(update={"hyperparameters": {**trial.hyperparameters, name: name}, "reason": name})
                for trial in run.trials
            ],
        )
        for run in system.runs
    ]
    named = dataclasses.replace(system, name=name, runs=runs)
    return dataclasses.replace(dataset, systems=[named if one is system else one for one in dataset.systems])


@pytest.mark.parametrize("kind", CHARTS)
def test_build_is_valid_vega_lite(kind: str, records: ReportRecords) -> None:
    """Every chart is valid against the schema of Vega-Lite, has a text alternative, and takes no data from outside."""
    spec = build(kind, records.datasets[0], records)
    schema = json.loads(gzip.decompress(SCHEMA.read_bytes()))
    jsonschema.Draft7Validator(schema).validate(json.loads(assemble.dump_json(spec)))
    assert records.datasets[0].name in spec["description"]
    text = json.dumps(spec)
    assert '"url"' not in text
    assert re.findall(r"https?://[^\"]+", text) == ["https://vega.github.io/schema/vega-lite/v6.json"]


@pytest.mark.parametrize("kind", CHARTS)
def test_controls_point_into_the_specification(kind: str, records: ReportRecords) -> None:
    """The first option of every control is what the specification has, and all its pointers exist."""
    spec = build(kind, records.datasets[0], records)
    meta = spec["usermeta"]["blindtune"]
    assert meta["controls"]

    def read(pointer: str) -> Any:
        at: Any = spec
        for step in pointer.split("/")[1:]:
            at = at[int(step)] if isinstance(at, list) else at[step]
        return at

    for control in meta["controls"]:
        for pointer, value in control["options"][0]["patches"]:
            assert read(pointer) == value, (control["label"], pointer)
        for option in control["options"][1:]:
            for pointer, _ in option["patches"]:
                read(pointer.rpartition("/")[0])
    for pointers in meta["zoom"].values():
        for pointer in pointers:
            assert read(pointer)["type"] in ("log", "linear")


def test_search_has_each_improvement(records: ReportRecords) -> None:
    """The steps of a search give its best value so far at every trial, with what was spent up to it."""
    dataset = records.datasets[0]
    spec = build("search", dataset, records)
    runs, steps = spec["datasets"]["runs"], spec["datasets"]["steps"]
    pairs = collect.number_runs(dataset)
    assert [(row["system"], row["seed"]) for row in runs] == [(system.name, run.card.seed) for system, run in pairs]
    for number, (system, run) in enumerate(pairs):
        own = [row for row in steps if row["run"] == number]
        if system.kind != "tuner":
            assert own == []
            continue
        best = accumulate_best(run.trials)
        for place, value in enumerate(best):
            reached = [row["value"] for row in own if row["trial"] <= place]
            assert (not reached and math.isnan(value)) or reached[-1] == pytest.approx(value, rel=1e-4)
        seconds = accumulate_seconds(run.trials)
        assert [row["seconds"] for row in own] == pytest.approx([seconds[row["trial"]] for row in own], rel=1e-4)


def test_trials_are_those_of_the_log(records: ReportRecords) -> None:
    """Each trial has its record's outcome, value, hyperparameters and line."""
    dataset = records.datasets[0]
    sample = collect.collect_trials(dataset)
    pairs = collect.number_runs(dataset)
    assert len(sample.rows) == sample.total == sum(len(run.trials) for _, run in pairs)
    assert {row["outcome"] for row in sample.rows} >= {"completed", "pruned", "invalid", collect.ON_FOLD}
    for row in sample.rows:
        _, run = pairs[row["run"]]
        trial = run.trials[row["trial"]]
        known = {name: row[f"h{place}"] for place, name in enumerate(sample.names) if row[f"h{place}"] is not None}
        assert known == {name: collect.show_value(value) for name, value in trial.hyperparameters.items()}
        scored = trial.score is not None and trial.fold is None
        assert row["value"] == (round_number(100 * trial.score) if scored and trial.score is not None else None)
        assert row["chosen"] == (trial.number == run.card.trial)
    values = [row["value"] for row in sample.rows if row["value"] is not None]
    assert values == sorted(values, reverse=True), "the lowest must be drawn on top"


def replace_search(records: ReportRecords, trials: list[Trial]) -> DatasetRecords:
    """Return the first dataset with these trials of one search with the first seed, and none of other tuners."""
    found: dict[str, list[list[Trial]]] = {name: [[], []] for name in SYSTEMS[2:6]}
    return replace_trials(records.datasets[0], {**found, "kt_random": [trials, []]})


def test_parallel_says_what_the_best_trials_have(records: ReportRecords) -> None:
    """Numbered names are together, a logarithmic axis says so, and the text has the best set and the lowest tenth."""
    sets = [
        {"units_1": 8 * (1 + number), "activation_1": "relu" if number % 3 else "tanh", "rate": 10.0 ** -(number % 4)}
        | ({"units_2": 5} if number % 2 else {})
        for number in range(40)
    ]
    trials = [make_trial(number, 0.5 - number / 100, values) for number, values in enumerate(sets)]
    dataset = replace_search(records, trials)
    spec = build("parallel", dataset, records)
    titles = json.loads(re.match(r"\[.*?\]", spec["layer"][0]["encoding"]["x"]["axis"]["labelExpr"])[0])  # type: ignore[index]
    assert titles == ["units_1 (log)", "units_2", "activation_1", "rate (log)", "dev error (%)"]
    assert (
        "The lowest on dev, 11%, is trial 39 of kt_random, seed 42: units_1 320, units_2 5, activation_1 tanh, "
        "rate 0.001. The lowest 10%, 4 trials, have: units_1 296 to 320; units_2 5, inactive in 2; "
        "activation_1 tanh in 2; rate 0.001 to 1."
    ) in spec["description"]
    legend = next(layer for layer in spec["layer"] if "color" in layer["encoding"])["encoding"]["color"]["legend"]
    assert legend["title"] == "color: dev error (%)" and "and more" in legend["labelExpr"]


def test_parallel_has_numbers_of_any_size(records: ReportRecords) -> None:
    """Numbers beyond 64 bits and near 0 have an axis with short labels."""
    trials = [make_trial(at, 0.1 * at, {"huge": 10.0 ** (30 * at), "tiny": 10.0 ** (-40 * at)}) for at in range(1, 6)]
    dataset = replace_search(records, trials)
    spec = build("parallel", dataset, records)
    labels = [row["label"] for row in spec["datasets"]["ticks"]]
    assert labels[:6] == ["1e+30", "1e+90", "1e+150", "1e-200", "1e-120", "1e-40"]


def test_systems_has_every_frozen_model(records: ReportRecords) -> None:
    """Dev and eval of each frozen model are those of its card and of its decode."""
    dataset = records.datasets[0]
    rows = build("systems", dataset, records)["datasets"]["models"]
    assert [(row["system"], row["seed"], row["dev"], row["eval"], row["card"]) for row in rows] == [
        (
            system.name,
            run.card.seed,
            round_number(100 * run.card.dev_error),
            round_number(100 * run.decode.error),
            run.paths[0],
        )
        for system, run in collect.number_runs(dataset)
    ]  # fmt: skip


def test_thin_keeps_the_chosen_and_spreads_the_others(records: ReportRecords) -> None:
    """Thinned trials keep the chosen ones, are evenly spaced, and say how many are missing."""
    assert collect.thin([False] * 10, 10) == list(range(10))
    assert collect.thin([place == 77 for place in range(100)], 12) == [0, 10, 20, 29, 39, 49, 59, 69, 77, 79, 89, 99]
    dataset = records.datasets[0]
    chosen = len(collect.number_runs(dataset))
    sample = collect.collect_trials(dataset, limit=30)
    assert len(sample.rows) == 30
    assert sum(row["chosen"] for row in sample.rows) == chosen
    assert f"30 of {sample.total:,} trials are shown" in sample.sentence
    assert "All" in collect.collect_trials(dataset).sentence


def test_build_leaves_out_what_does_not_apply(records: ReportRecords) -> None:
    """Charts of searches need a tuner, and all but that of times a classifier."""
    dataset = records.datasets[0]
    styles = assign_styles(records)
    manual = dataclasses.replace(dataset, systems=[one for one in dataset.systems if one.kind != "tuner"])
    bayes = dataclasses.replace(dataset, systems=[one for one in dataset.systems if one.kind == "bayes"])
    made = {kind: entry.load_build() for kind, entry in CHARTS.items()}
    assert [kind for kind, one in made.items() if one(manual, styles)] == ["systems", "cost"]
    assert all(one(bayes, styles) is None for kind, one in made.items() if kind != "cost")


def test_names_of_users_stay_data(records: ReportRecords) -> None:
    """A name with markup, quotes, a backslash and brackets leaves every chart valid, and is never part of the page."""
    dataset = rename(dataclasses.replace(records.datasets[0], name=EVIL), EVIL)
    hostile = dataclasses.replace(records, datasets=[dataset])
    page = assemble.assemble_charts(hostile)
    content = json.loads(assemble.unpack(page.data["chart-data-0"]))
    assert EVIL in [item["name"] for item in content["specs"]["search"]["usermeta"]["blindtune"]["choice"]["items"]]
    assert EVIL in {row[1] for row in content["specs"]["trials"]["usermeta"]["blindtune"]["hover"]}
    for packed in [*page.data.values(), page.library]:
        assert re.fullmatch(r"[A-Za-z0-9+/=]+", packed)
    schema = json.loads(gzip.decompress(SCHEMA.read_bytes()))
    for kind in ("search", "parallel"):
        jsonschema.Draft7Validator(schema).validate(build(kind, dataset, hostile))
    # An expression has a name only as a literal of JSON.
    expressions = re.findall(r'"(?:calculate|filter|labelExpr|expr)": (".*?(?<!\\)")', json.dumps(content["specs"]))
    assert expressions
    for expression in map(json.loads, expressions):
        assert "<img" not in expression.replace(json.dumps(EVIL), "")


def test_assemble_shares_data_and_is_deterministic(records: ReportRecords) -> None:
    """Charts of a dataset share their tables, every specification can be put together again, and bytes repeat."""
    page = assemble.assemble_charts(records)
    assert page == assemble.assemble_charts(records)
    assert [chart.kind for chart in page.charts["set_10"]] == list(CHARTS)
    content = json.loads(assemble.unpack(page.data["chart-data-0"]))
    used = [name for spec in content["specs"].values() for name in spec["datasets"].values()]
    assert used.count("trials") == 2
    assert used.count("runs") == 3
    assert set(used) == set(content["tables"])
    spec = build("trials", records.datasets[0], records)
    for name, rows in spec["datasets"].items():
        stored = content["tables"][content["specs"]["trials"]["datasets"][name]]
        columns = {field: assemble.restore_column(column) for field, column in stored.items()}
        assert [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)] == rows


@given(st.lists(st.one_of(st.none(), st.integers(-(10**6), 10**6), st.floats(-1e4, 1e4).map(round_number))))
def test_shorten_column_gives_back_every_value(values: list[Any]) -> None:
    """Numbers that are stored as steps are the same numbers again, to the last digit."""
    assert assemble.restore_column(assemble.shorten_column(values)) == values


def test_shorten_column_stores_sorted_numbers_as_steps() -> None:
    """Sorted numbers become steps, and texts, truths and numbers in no order stay as they are."""
    values = [None, 3.125, 3.25, 3.25, 4]
    assert assemble.shorten_column([*range(100)]) == {"steps": [0] + [1] * 99, "scale": 1}
    assert assemble.restore_column({"steps": [None, 3125, 125, 0, 750], "scale": 1000}) == values
    for kept in (["a", "b"], [True, False, True], [12, 90000, 7]):
        assert assemble.shorten_column(kept) is kept


def test_scripts_are_those_of_the_packages() -> None:
    """The scripts of the library are unchanged, by the table next to them, and no script can end its element."""
    table = (assemble.FOLDER / "vega/README.md").read_text(encoding="utf-8")
    recorded = dict(re.findall(r"\| `(\S+\.js)` \| .* \| `([0-9a-f]{64})` \|", table))
    scripts = [file for file in LIBRARY if file.endswith(".js")]
    assert {Path(file).name for file in scripts} == set(recorded)
    for file in scripts:
        assert hashlib.sha256((assemble.FOLDER / file).read_bytes()).hexdigest() == recorded[Path(file).name]
    assert "</script" not in (assemble.FOLDER / SCRIPT).read_text(encoding="utf-8").lower()
    assert all((assemble.FOLDER / file).is_file() for file in CHART_FILES)


def test_dump_json_refuses_what_is_not_json() -> None:
    """A number that is not finite is an error, since browsers do not read it."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        assemble.dump_json({"x": float("nan")})
    assert [round_number(value) for value in (None, float("inf"), 1.0, 0.123456789, 123456)] == [
        None,
        None,
        1,
        0.12346,
        123460,
    ]


def test_page_digest_covers_the_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is written again if the code of a chart changes."""
    whole = stages.page_digest()
    monkeypatch.setattr(stages, "CHARTS", {})
    assert stages.page_digest() != whole
