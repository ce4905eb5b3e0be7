"""What the report says of post-mortems: failure of selection and of search, overtuning, tables, figure and marks."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from blindtune.core.errors import UserError
from blindtune.report import contents
from blindtune.report.decodes import describe_uses
from blindtune.report.figures.post_mortem import draw
from blindtune.report.figures.style import assign_styles
from blindtune.report.figures.write import write_figures
from blindtune.report.page import write_page
from blindtune.report.page_tables import group_records, link_records
from blindtune.report.post_mortem import Overtuning, correlate, find_autopsies, measure_overtuning
from blindtune.report.records import DatasetRecords, RunRecords, SystemRecords
from blindtune.report.stats.statistics import mean
from blindtune.report.tables import write as tables
from support.post_mortems import analysed, read_with, write_post_mortems
from support.report_records import RecordsBuilder

SYSTEMS = ["knn", "mlp_m1", "mlp_a1"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> RecordsBuilder:
    """A report with a post-mortem of its tuner."""
    folder = tmp_path_factory.mktemp("built")
    builder = RecordsBuilder(folder / "tiny", systems=SYSTEMS, trials=30).write().record()
    write_post_mortems(builder, ["mlp_a1"])
    return builder


PAIRS = [["set_10", "mlp_a1"]]


def test_overtuning_is_over_incumbents() -> None:
    """The loss is to the best incumbent, not to the best trial, and relative to what the first could have gained."""
    trials = [analysed(0, 0.5, 0.4), analysed(1, 0.6, 0.1), analysed(2, 0.4, 0.2), analysed(3, 0.3, 0.3)]
    found = measure_overtuning(trials)
    assert found is not None and found.incumbents == 3
    assert (found.loss, found.relative) == (pytest.approx(0.1), pytest.approx(0.5))


@pytest.mark.parametrize(
    ("evals", "expected"),
    [
        ([0.4, 0.3], Overtuning(0.0, 0.0, 2)),
        ([0.3, 0.3], Overtuning(0.0, 0.0, 2)),
        ([0.3, 0.4], Overtuning(pytest.approx(0.1), None, 2)),
        ([0.3], Overtuning(0.0, 0.0, 1)),
    ],
    ids=["the end is the best", "nothing changes", "the first is the best", "one incumbent"],
)
def test_overtuning_at_its_edges(evals: list[float], expected: Overtuning) -> None:
    """A search that lost nothing has none; one whose first incumbent was the best has no relative one."""
    assert measure_overtuning([analysed(place, 0.5 - 0.1 * place, error) for place, error in enumerate(evals)]) == (
        expected
    )
    assert measure_overtuning([]) is None


def test_overtuning_is_not_known_where_an_incumbent_was_not_evaluated() -> None:
    """A trial that was no incumbent does not take the place of one that could not be restored."""
    lost = analysed(1, 0.2, None)
    assert measure_overtuning([analysed(0, 0.5, 0.4), lost, analysed(2, 0.3, 0.6)]) is None
    found = measure_overtuning([analysed(0, 0.1, 0.4), lost, analysed(2, 0.3, 0.6)])
    assert found == Overtuning(0.0, 0.0, 1)


def test_table_counts_incumbents_among_all_trials(built: RecordsBuilder) -> None:
    """The table has no overtuning where the trial that was the lowest on dev was not restored."""
    dataset = read_with(built, PAIRS).datasets[0]
    assert all(autopsy.overtuning is not None for autopsy in find_autopsies(dataset))
    assert all(autopsy.overtuning is None for autopsy in find_autopsies(_without_chosen(dataset)))


def _without_chosen(dataset: DatasetRecords) -> DatasetRecords:
    """Return a dataset whose post-mortems could not restore the chosen trials."""
    systems = [replace(system, runs=[_lose_chosen(run) for run in system.runs]) for system in dataset.systems]
    return replace(dataset, systems=systems)


def _lose_chosen(run: RunRecords) -> RunRecords:
    found = run.post_mortem
    if found is None:
        return run
    lost = {"error": None, "wrong": None, "reason": "restored, it has another dev error"}
    trials = [trial.model_copy(update=lost) if trial.trial == found.chosen else trial for trial in found.trials]
    return replace(run, post_mortem=found.model_copy(update={"trials": trials}))


def test_correlation_needs_different_values() -> None:
    """A rank correlation of few or equal values is not given."""
    assert correlate([1, 2, 3, 4, 5], [2, 4, 6, 8, 9]) == pytest.approx(1.0)
    assert correlate([1, 2, 3, 4], [1, 2, 3, 4]) is None
    assert correlate([1, 1, 1, 1, 1], [1, 2, 3, 4, 5]) is None


def test_table_tells_failure_of_selection_from_failure_of_search(built: RecordsBuilder) -> None:
    """Both failures follow from the evaluated trials and from the decode of the best manual model of the same seed."""
    records = read_with(built, PAIRS)
    table = tables.BUILD["post_mortem"](records)
    [dataset] = records.datasets
    manual = dataset.systems_of_kind("manual")[0]
    autopsies = find_autopsies(dataset)
    assert [row["seed"] for row in table.rows] == [42, 43] == [one.run.card.seed for one in autopsies]
    for row, autopsy, run in zip(table.rows, autopsies, manual.runs, strict=True):
        lowest = min(trial.error for trial in autopsy.found.trials if trial.error is not None)
        assert row["best_eval"] == pytest.approx(100 * lowest)
        assert row["chosen_eval"] == pytest.approx(100 * autopsy.run.decode.error)
        assert row["selection"] == pytest.approx(100 * (autopsy.run.decode.error - lowest))
        assert row["search"] == pytest.approx(100 * (lowest - run.decode.error))
        assert row["evaluated"] == sum(trial.error is not None for trial in autopsy.found.trials)
        assert f"post_mortems/set_10/mlp_a1/{row['seed']}/post_mortem.json" in str(row["records"])
        assert row["cross_selection"] == pytest.approx(100 * (autopsy.run.decode.error - 0.15))
        assert row["cross_search"] == pytest.approx(100 * (0.15 - run.decode.error))
    finding = table.notes[0]
    assert finding.startswith("mlp_a1 on set_10") and "mean of 2 seeds" in finding
    assert any("after the fact" in note for note in table.notes)


@pytest.mark.parametrize(
    ("chosen", "error", "cross_chosen", "lost_by"),
    [
        (0.4, 0.05, 0.08, "selection"),
        (0.4, 0.9, 0.45, "search"),
        (0.4, 0.05, 0.3, "mostly search"),
        (0.4, 0.05, 0.15, "mostly selection"),
        (0.4, 0.05, None, "selection"),
        (0.02, 0.9, 0.3, "it did not"),
    ],
    ids=["met a better one", "met none", "met one by luck", "met one nearly as good", "another metric", "won"],
)
def test_loss_is_by_selection_and_by_search(
    tmp_path: Path, chosen: float, error: float, cross_chosen: float | None, lost_by: str
) -> None:
    """A search that met a better model than the manual one lost by selection; one that met none, by search."""
    errors = {"mlp_m1": 0.1, "mlp_a1": chosen}
    builder = RecordsBuilder(tmp_path / "tiny", systems=SYSTEMS, errors=errors).write().record()
    pairs = write_post_mortems(builder, ["mlp_a1"], lambda trial: error, cross_chosen)
    table = tables.BUILD["post_mortem"](read_with(builder, pairs))
    assert {row["lost_by"] for row in table.rows} == {lost_by}
    assert ("It did not lose" in table.notes[0]) == (lost_by == "it did not")
    if lost_by.startswith("mostly"):
        parts = re.search(
            r"It lost ([\d.]+) points: ([\d.]+) by selection and ([\d.]+) by search, without", table.notes[0]
        )
        assert parts is not None
        total, by_selection, by_search = map(float, parts.groups())
        assert by_selection + by_search == pytest.approx(total, abs=0.011)


def test_finding_says_that_a_loss_may_be_chance(tmp_path: Path) -> None:
    """A loss that the eval samples and the seeds cannot tell from none is said to be one."""
    for place, (chosen, chance) in enumerate(((0.21, True), (0.6, False))):
        root = tmp_path / str(place) / "tiny"
        builder = RecordsBuilder(root, systems=SYSTEMS, errors={"mlp_m1": 0.2, "mlp_a1": chosen}).write().record()
        pairs = write_post_mortems(builder, ["mlp_a1"], lambda trial: 0.9)
        finding = tables.BUILD["post_mortem"](read_with(builder, pairs)).notes[0]
        assert "It lost" in finding and ("not distinguishable" in finding) == chance


def test_finding_has_no_loss_that_is_a_rounding_error(built: RecordsBuilder) -> None:
    """Two systems with as many wrong samples in all have the same mean, though its last digit may differ."""
    records = read_with(built, PAIRS)
    wrong = {"mlp_a1": (30, 52), "mlp_m1": (35, 47)}
    assert mean([30 / 400, 52 / 400]) > mean([35 / 400, 47 / 400])
    systems = [_with_wrong(system, wrong.get(system.name)) for system in records.datasets[0].systems]
    changed = replace(records, datasets=[replace(records.datasets[0], systems=systems)])
    [finding] = [
        note for note in tables.BUILD["post_mortem"](changed).notes if note.startswith("mlp_a1 on set_10, mean")
    ]
    assert finding.endswith("It did not lose.")


def _with_wrong(system: SystemRecords, counts: tuple[int, ...] | None) -> SystemRecords:
    """Return a system that had so many wrong eval samples in each seed."""
    if counts is None:
        return system
    runs = [
        replace(run, decode=run.decode.model_copy(update={"wrong": count, "error": count / run.decode.samples}))
        for run, count in zip(system.runs, counts, strict=True)
    ]
    return replace(system, runs=runs)


def test_table_of_trials_has_every_trial_and_shows_few(built: RecordsBuilder) -> None:
    """The file has all trials; displayed are the chosen and the best of each search."""
    table = tables.BUILD["post_mortem_trials"](read_with(built, PAIRS))
    assert len(table.rows) == 2 * 30
    shown = [str(row["which"]) for row in table.displayed]
    assert 2 <= len(shown) <= 4
    assert sum("chosen" in which for which in shown) == 2 and sum("best on eval" in which for which in shown) == 2


def test_trials_that_do_not_match_are_named(tmp_path: Path) -> None:
    """A trial that was not restored as recorded, and one with other weights, are named below the table."""
    builder = RecordsBuilder(tmp_path / "tiny", systems=SYSTEMS, seeds=[42]).write().record()
    pairs = write_post_mortems(builder, ["mlp_a1"])
    records = read_with(builder, pairs)
    [autopsy] = find_autopsies(records.datasets[0])
    first, second = autopsy.evaluated[:2]
    first.same_weights = False
    second.error = second.wrong = None
    findings = tables.BUILD["post_mortem"](records).notes
    assert any(f"other weights than were recorded, but the same dev error, as on another kind of machine: "
               f"trials {first.trial}." in one for one in findings)  # fmt: skip
    assert any(f"could not be restored as they were recorded: trials {second.trial}." in one for one in findings)


def test_without_a_post_mortem_there_are_no_rows_and_no_figure(built: RecordsBuilder) -> None:
    """A report without a post-mortem has empty tables of it and does not list its figure."""
    records = built.read()
    assert tables.BUILD["post_mortem"](records).rows == [] == tables.BUILD["post_mortem_trials"](records).rows
    assert "post_mortem" not in records.datasets[0].figure_kinds
    assert "post_mortem_set_10" not in contents.list_figures(["set_10"])
    assert "post_mortem_set_10" in contents.list_figures(["set_10", "set_09"], (), {"set_10"})
    assert "post_mortem_set_09" not in contents.list_figures(["set_10", "set_09"], (), {"set_10"})


def test_figure_marks_the_chosen_and_the_best(built: RecordsBuilder) -> None:
    """Every evaluated trial is a point; the chosen model of each seed and the best one have markers of their own."""
    records = read_with(built, PAIRS)
    [dataset] = records.datasets
    figure = draw(dataset, assign_styles(records))
    [left] = figure.axes  # no trial of these records has parameters
    points = sum(len(line.get_xdata()) for line in left.lines if line.get_markersize() == 4)
    assert points == sum(len(one.evaluated) for one in find_autopsies(dataset))
    assert sum(line.get_marker() == "*" for line in left.lines) == 2
    autopsy = find_autopsies(dataset)[0]
    for number, trial in enumerate(autopsy.found.trials):
        trial.n_parameters = 10 * (number + 1)
    _, right = draw(dataset, assign_styles(records)).axes
    assert right.get_xscale() == "log" and "eval minus dev" in right.get_ylabel()
    assert sum(len(line.get_xdata()) for line in right.lines if line.get_markersize() == 4) == len(autopsy.evaluated)


def test_page_shows_the_post_mortem(built: RecordsBuilder, tmp_path: Path) -> None:
    """The page has its tables, its figure, and says that it is an analysis after the fact."""
    records = read_with(built, PAIRS)
    tables.write_tables(records, tmp_path / "tables")
    write_figures(records, tmp_path / "figures")
    assert (tmp_path / "figures/post_mortem_set_10.svg").exists()
    write_page(records, tmp_path / "tables", tmp_path / "figures", tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "An analysis after the fact" in page and "post_mortems/set_10/mlp_a1/42/post_mortem.json" in page


def test_row_of_a_post_mortem_links_to_the_records_of_its_search(built: RecordsBuilder) -> None:
    """The record of a post-mortem is listed with those of its system, as its studies and decodes are."""
    records = read_with(built, PAIRS)
    row = tables.BUILD["post_mortem"](records).rows[0]
    assert [link.anchor for link in link_records(records, row)] == ["records/set_10/mlp_a1"]
    [group] = [group for group in group_records(records) if group.name == "set_10/mlp_a1"]
    assert "post_mortems/set_10/mlp_a1/42/post_mortem.json" in [path for _, path in group.files]


def test_what_is_decoded_after_a_post_mortem_is_marked(tmp_path: Path) -> None:
    """A system that was decoded after a post-mortem is marked as not blind with the reason; earlier ones are not."""
    builder = RecordsBuilder(tmp_path / "tiny", systems=SYSTEMS, seeds=[42]).write().record(["mlp_m1", "mlp_a1"])
    pairs = write_post_mortems(builder, ["mlp_a1"])
    builder.record(["knn"])
    records = read_with(builder, pairs)
    [dataset] = records.datasets
    said = {system.name: str(system.precedents) for system in dataset.systems}
    assert said == {"knn": "after a post-mortem of this eval", "mlp_m1": "", "mlp_a1": ""}
    rows = {row["study"]: row for row in tables.BUILD["all_decodes"](records).rows}
    assert rows["tiny/set_10/knn/42"]["decode"] == "not blind, after a post-mortem"
    assert rows["tiny/set_10/mlp_a1/42"]["decode"] == "blind"
    assert rows["all trials of tiny/set_10/mlp_a1/42, after the fact"]["decode"] == "post-mortem"
    counts = {row["system"]: row["before"] for row in tables.BUILD["decode_counts"](records).rows}
    assert counts == {"knn": "after a post-mortem of this eval", "mlp_m1": "", "mlp_a1": ""}
    assert "All trials of 1 search were evaluated on it after the fact" in describe_uses("it", dataset.uses, [])


def test_report_refuses_a_changed_post_mortem(tmp_path: Path) -> None:
    """A file that was changed, one of other trials and one that the ledger lacks are refused."""
    builder = RecordsBuilder(tmp_path / "tiny", systems=SYSTEMS, seeds=[42]).write().record()
    pairs = write_post_mortems(builder, ["mlp_a1"])
    path = builder.root / "post_mortems/set_10/mlp_a1/42/post_mortem.json"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"samples": 400', '"samples": 401'), encoding="utf-8")
    with pytest.raises(UserError, match="was changed after it was written"):
        read_with(builder, pairs)
    path.unlink()
    with pytest.raises(UserError, match=r"post_mortem\.json"):
        read_with(builder, pairs)
    other = RecordsBuilder(tmp_path / "other" / "tiny", systems=SYSTEMS, seeds=[42], trials=9).write().record()
    write_post_mortems(other, ["mlp_a1"])
    path.write_text((other.root / path.relative_to(builder.root)).read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(UserError, match="is of another search than"):
        read_with(builder, pairs)


def test_report_refuses_a_post_mortem_that_the_ledger_lacks(tmp_path: Path) -> None:
    """A post-mortem that no ledger holds was none."""
    builder = RecordsBuilder(tmp_path / "tiny", systems=SYSTEMS, seeds=[42]).write().record()
    fresh = [path.read_bytes() for path in sorted((tmp_path / "ledger").iterdir()) if path.is_file()]
    names = [path for path in sorted((tmp_path / "ledger").iterdir()) if path.is_file()]
    pairs = write_post_mortems(builder, ["mlp_a1"])
    for path, content in zip(names, fresh, strict=True):
        path.write_bytes(content)
    with pytest.raises(UserError, match="is not in the ledger"):
        read_with(builder, pairs)
