"""The first screen of the page: the answers on their axis, and the rankings."""

from dataclasses import replace

import pytest

from blindtune.report import overview
from blindtune.report.answer import DatasetAnswer, answer_all
from blindtune.report.overview import choose_ticks, draw_answers, rank_systems
from blindtune.report.page_tables import group_records
from blindtune.report.records import ReportRecords, SystemRecords
from support.report_records import RecordsBuilder


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> ReportRecords:
    """Two datasets, one of them a stand-in, with manual and tuned models."""
    builder = RecordsBuilder(
        tmp_path_factory.mktemp("results") / "tiny",
        seeds=[1, 2, 3, 4, 5],
        systems=["knn", "mlp_m1", "mlp_m2", "mlp_a1", "mlp_a2"],
        datasets={"set_10": {}, "drawn_10": {"stand_in": True, "source": {"source": "drawing"}}},
        errors={"knn": 0.45, "mlp_m1": 0.2, "mlp_a1": 0.21},
    )
    return builder.write().read()


def place_on_axis(
    monkeypatch: pytest.MonkeyPatch, records: ReportRecords, **changes: float | None
) -> overview.AnswerRow:
    """Return the row of the first dataset, whose answer has these numbers."""
    answers: list[DatasetAnswer] = [replace(answer_all(records)[0], **changes)]  # type: ignore[arg-type]
    monkeypatch.setattr(overview, "answer_all", lambda _: answers)
    return draw_answers(records)[0].rows[0]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(-1, 4, [-1, 0, 1, 2, 3, 4]), (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (-30, 3, [-30, -20, -10, 0])],
)
def test_choose_ticks_are_round_numbers(low: float, high: float, ticks: list[float]) -> None:
    """Ticks are round, evenly spaced and include 0."""
    assert choose_ticks(low, high) == pytest.approx(ticks)


def test_draw_answers_has_every_answer(records: ReportRecords) -> None:
    """The picture has one row per dataset with an answer, with places in the order of their numbers."""
    (picture,) = draw_answers(records)
    assert [row.answer for row in picture.rows] == answer_all(records)
    assert [row.answer.stand_in for row in picture.rows] == [False, True]
    for row in picture.rows:
        assert row.ends is not None
        assert 0 <= row.ends[0] < row.place < row.ends[1] <= 100
        assert (row.place > picture.zero) == (row.answer.difference > 0)
    assert picture.rows[0].published is not None and picture.rows[0].published_text == "9.27"
    assert any(at == pytest.approx(picture.zero) and text == "0" for at, text in picture.ticks)


def test_draw_answers_without_interval(monkeypatch: pytest.MonkeyPatch, records: ReportRecords) -> None:
    """An answer without an interval is a point, and its numbers say so."""
    row = place_on_axis(monkeypatch, records, difference=-1.0, low=None, high=None, published=None)
    assert row.ends is None and row.published is None and row.published_text == ""
    assert row.numbers == "−1.00, no interval"


def test_interval_without_0_of_models_that_cannot_be_told_apart_is_explained(
    monkeypatch: pytest.MonkeyPatch, records: ReportRecords
) -> None:
    """The verdict is adjusted for the datasets and the interval is not: where they differ, the numbers say why."""
    apart = {"difference": 1.0, "low": 0.1, "high": 1.9, "published": None}
    row = place_on_axis(monkeypatch, records, verdict="cannot be told apart", **apart)
    assert row.numbers == "1.00 (0.10 to 1.90; not after adjustment)"
    assert place_on_axis(monkeypatch, records, verdict="manual better", **apart).numbers == "1.00 (0.10 to 1.90)"


def test_draw_answers_cuts_a_very_wide_interval(monkeypatch: pytest.MonkeyPatch, records: ReportRecords) -> None:
    """An interval of a hundred times the difference does not hide the difference: it is cut, and marked as cut."""
    row = place_on_axis(monkeypatch, records, difference=1.0, low=-1.5, high=100.0, published=None)
    assert row.cut == (False, True) and row.ends is not None and row.ends[1] == 100
    assert row.numbers == "1.00 (−1.50 to 100.00)"
    assert row.place - row.ends[0] > 30


def test_draw_answers_without_any_difference(monkeypatch: pytest.MonkeyPatch, records: ReportRecords) -> None:
    """Two models with the same answers have a picture too, and no number is minus 0."""
    row = place_on_axis(monkeypatch, records, difference=-0.0, low=None, high=None, published=None)
    assert row.place == 50 and row.numbers == "0.00, no interval"


def test_rank_systems_marks_choices_and_ties(records: ReportRecords) -> None:
    """Systems are ranked by eval; dev's choices, and those not distinguishable from the first, are marked."""
    ranking = rank_systems(records)[0]
    values = [float(system.value.removesuffix("%")) for system in ranking.systems]
    assert values == sorted(values) and len(values) == 5
    answer = answer_all(records)[0]
    chosen = {system.name for system in ranking.systems if system.chosen}
    assert chosen == {answer.manual.name, answer.tuned.name}
    last = ranking.systems[-1]
    assert (last.name, last.kind, last.equal, last.share) == ("knn", "reference", False, 100.0)
    assert not ranking.systems[0].equal and any(system.equal for system in ranking.systems)


def test_ranking_shows_the_models_that_are_compared(monkeypatch: pytest.MonkeyPatch, records: ReportRecords) -> None:
    """The two models that dev chose are shown with their places even if they are not among the first systems."""
    monkeypatch.setattr(overview, "MOST_RANKED", 1)
    ranking = rank_systems(records)[0]
    shown = [system.place for system in ranking.first]
    assert {system.name for system in ranking.first if system.chosen} == {
        system.name for system in ranking.systems if system.chosen
    }
    assert shown[0] == 1 and shown == sorted(shown) and 2 <= len(shown) <= 3
    assert sorted(shown + [system.place for system in ranking.others]) == [1, 2, 3, 4, 5]


def test_systems_with_the_same_value_share_a_place(monkeypatch: pytest.MonkeyPatch, records: ReportRecords) -> None:
    """The order of two systems with as many wrong samples means nothing, so no place says that it does."""
    monkeypatch.setattr(SystemRecords, "objective", lambda system, split: 0.3 if system.name == "knn" else 0.1 + 0.2)
    assert [system.place for system in rank_systems(records)[0].systems] == [1] * 5, "equal but for rounding"
    monkeypatch.setattr(SystemRecords, "objective", lambda system, split: 0.2 if system.name == "knn" else 0.3)
    ranking = rank_systems(records)[0]
    assert [system.place for system in ranking.systems] == [1, 2, 2, 2, 2]
    monkeypatch.setattr(overview, "MOST_RANKED", 2)
    assert len(ranking.first) < 5 and len(ranking.first) + len(ranking.others) == 5, "not all that share a place"


def test_numbers_of_the_first_screen_lead_to_their_records(records: ReportRecords) -> None:
    """Every ranked value and both models of every answer have the records that they were made from."""
    known = {group.anchor: group for group in group_records(records)}
    for ranking in rank_systems(records):
        for system in ranking.systems:
            paths = [path for _, path in known[system.records].files]
            assert f"decodes/{ranking.dataset.name}/{system.name}/1/result.json" in paths
    for picture in draw_answers(records):
        for row in picture.rows:
            names = [f"{row.name}/{row.answer.tuned.name}", f"{row.name}/{row.answer.manual.name}"]
            assert [known[anchor].name for anchor in row.records] == names
