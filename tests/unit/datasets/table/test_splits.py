"""Rows are dealt by what they hold: in shares of each class, by groups, by time, and in folds."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blindtune.core.errors import UserError
from blindtune.datasets.base import SPLITS, LoadedDataset
from blindtune.datasets.table.config import TableSplitting
from blindtune.datasets.table.content import FeatureColumn, TableContent
from blindtune.datasets.table.splits import deal_by_share, deal_by_time, deal_folds, digest_rows
from support.tables import load, load_final, write_table


def content_of(values: Any, groups: Any = None, times: Any = None) -> TableContent:
    """Return a table of numbers whose labels do not matter."""
    values = np.array(values, np.float32)
    count = len(values)
    texts = sorted(set(groups or []))
    return TableContent(
        columns=[FeatureColumn(f"f{at}", "number") for at in range(values.shape[1])],
        values=values,
        labels=np.zeros(count, np.int64),
        label_texts=["a"],
        groups=None if groups is None else np.array([texts.index(group) for group in groups]),
        group_texts=texts,
        times=times,
        splits=None,
        split_texts=[],
        file=np.zeros(count, np.int8),
        row=np.arange(1, count + 1),
        origins=np.zeros(count, "S16"),
        paths=[Path("t.csv")],
    )


def deal(labels: list[int], values: Any = None, groups: Any = None, **keys: Any) -> np.ndarray:
    """Deal rows that differ, unless values are given."""
    values = np.arange(len(labels))[:, None] if values is None else values
    content, splitting = content_of(values, groups), TableSplitting(**keys)
    digests = digest_rows(content.values, content.columns)
    classes = [str(label) for label in range(max(labels) + 1)]
    function = deal_folds if splitting.by == "fold" else deal_by_share
    return function(splitting, content, digests, np.array(labels), classes)


def counts(part: np.ndarray, labels: list[int]) -> list[list[int]]:
    """Return the number of rows of each class in each split."""
    return [np.bincount(np.array(labels)[part == number], minlength=max(labels) + 1).tolist() for number in range(3)]


def test_deal_by_share_gives_each_split_its_share_of_each_class() -> None:
    """Shares hold in every class, and a rare class is in every split."""
    labels = [0] * 100 + [1] * 50 + [2] * 3
    assert counts(deal(labels), labels) == [[60, 30, 1], [20, 10, 1], [20, 10, 1]]
    assert counts(deal(labels, dev=0.1, eval=0.3), labels) == [[60, 30, 1], [10, 5, 1], [30, 15, 1]]


def test_deal_by_share_may_ignore_classes() -> None:
    """Not stratified, the shares hold for all rows together."""
    part = deal([0] * 100 + [1] * 50, stratified=False)
    assert np.bincount(part).tolist() == [90, 30, 30]


@settings(deadline=None, max_examples=50)
@given(st.randoms(use_true_random=False), st.integers(0, 5), st.sampled_from(["share", "fold"]))
def test_deal_depends_on_content_alone(random: Any, seed: int, by: str) -> None:
    """Each row is dealt to the same split in any order of the rows."""
    rows = [(number, number % 3) for number in range(60)]
    mixed = random.sample(rows, len(rows))
    keys: dict[str, Any] = {"seed": seed, "by": by}

    def dealt(given_rows: list[tuple[int, int]]) -> dict[int, int]:
        part = deal([label for _, label in given_rows], [[value] for value, _ in given_rows], **keys)
        return {value: int(split) for (value, _), split in zip(given_rows, part, strict=True)}

    assert dealt(mixed) == dealt(rows)


def test_deal_depends_on_the_seed() -> None:
    """Other seeds deal the rows otherwise, in the same shares."""
    labels = [0, 1] * 30
    parts = [deal(labels, seed=seed) for seed in range(3)]
    assert len({part.tobytes() for part in parts}) == 3
    assert len({str(counts(part, labels)) for part in parts}) == 1


def test_deal_keeps_equal_rows_together() -> None:
    """Rows that hold the same, -0.0 and 0.0 or missing values too, are in one split, with any labels."""
    values = [[0.0, 1], [-0.0, 1], [np.nan, 1], [-np.nan, 1]] + [[number, 2] for number in range(30)]
    for seed in range(10):
        part = deal([0, 1] * 17, values, seed=seed)
        assert part[0] == part[1]
        assert part[2] == part[3]


@pytest.mark.parametrize("by", ["share", "fold"])
def test_deal_keeps_groups_together(by: str) -> None:
    """All rows of a group are in one split, and every class is in every split."""
    groups = [f"patient {number // 7}" for number in range(210)]
    labels = [int(number // 7 % 5 == 0) for number in range(210)]
    part = deal(labels, groups=groups, by=by)
    for group in set(groups):
        assert len({part[row] for row in range(210) if groups[row] == group}) == 1
    assert min(min(row) for row in counts(part, labels)) > 0


def test_deal_folds_cover_all_rows() -> None:
    """Over all folds, each row is once in eval and once in dev; classes are spread evenly."""
    labels = [0] * 50 + [1] * 25
    parts = np.stack([deal(labels, by="fold", folds=5, fold=fold) for fold in range(5)])
    assert ((parts == 2).sum(axis=0) == 1).all()
    assert ((parts == 1).sum(axis=0) == 1).all()
    assert all(counts(part, labels) == [[30, 15], [10, 5], [10, 5]] for part in parts)


def test_deal_refuses_too_few_rows() -> None:
    """A class of two rows cannot be in three splits; the message names it."""
    with pytest.raises(UserError, match=r"has 2 different rows of class '1'.*needs 3"):
        deal([0] * 10 + [1] * 2)
    with pytest.raises(UserError, match=r"has 4 different groups.*needs 5"):
        deal([0] * 8, groups=list("aabbccdd"), by="fold")


@pytest.mark.parametrize(
    "times",
    [
        [str(number) for number in range(50)],
        [f"{number / 4:g}" for number in range(50)],
        [f"2021-{1 + number // 25:02}-{1 + number % 25:02}" for number in range(50)],
        [f"2021-03-01T{number // 4:02}:{15 * (number % 4):02}" for number in range(50)],
    ],
)
def test_deal_by_time_puts_the_last_rows_in_eval(times: list[str]) -> None:
    """Train is before dev, and dev before eval, for numbers and dates in any order of the rows."""
    order = np.random.default_rng(0).permutation(50)
    content = content_of(np.zeros((50, 1)), times=[times[number] for number in order])
    part = deal_by_time(TableSplitting(by="time", dev=0.2, eval=0.3), content)
    back = np.empty(50, np.int64)
    back[order] = part
    assert back.tolist() == [0] * 25 + [1] * 10 + [2] * 15


def test_deal_by_time_keeps_a_time_together() -> None:
    """Rows of one time are in one split, and each split has some."""
    content = content_of(np.zeros((40, 1)), times=["1"] * 30 + ["2"] * 9 + ["3"])
    assert np.bincount(deal_by_time(TableSplitting(by="time"), content)).tolist() == [30, 9, 1]
    with pytest.raises(UserError, match="has 2 different times; 3 splits need 3"):
        deal_by_time(TableSplitting(by="time"), content_of(np.zeros((4, 1)), times=["1", "1", "2", "2"]))
    wrong = content_of(np.zeros((3, 1)), times=["2021-01-01", "2021-01-02", "noon"])
    with pytest.raises(UserError, match=r"t.csv, row 3: the time 'noon' is neither a number"):
        deal_by_time(TableSplitting(by="time"), wrong)


def test_deal_by_time_orders_instants_of_several_time_zones() -> None:
    """A clock that is ahead is no later instant."""
    east, west = timezone(timedelta(hours=9)), timezone(timedelta(hours=-8))
    instants = [datetime(2021, 3, 1, tzinfo=UTC) + timedelta(hours=number) for number in range(30)]
    times = [moment.astimezone((east, west, UTC)[number % 3]).isoformat() for number, moment in enumerate(instants)]
    part = deal_by_time(TableSplitting(by="time"), content_of(np.zeros((30, 1)), times=times))
    assert part.tolist() == [0] * 18 + [1] * 6 + [2] * 6


def test_deal_by_time_refuses_zones_of_some_times_alone() -> None:
    """A time without a zone has no place among times with one."""
    content = content_of(np.zeros((3, 1)), times=["2021-01-01T10:00+09:00", "2021-01-01T09:00", "2021-01-02"])
    with pytest.raises(
        UserError, match=r"row 1: the time '2021-01-01T10:00\+09:00' has a time zone, but .*row 2.* has none"
    ):
        deal_by_time(TableSplitting(by="time"), content)


def same(one: LoadedDataset, other: LoadedDataset) -> bool:
    """Return whether two datasets hold the same samples in the same order."""
    return all(
        np.array_equal(one.splits[split].x, other.splits[split].x)
        and np.array_equal(one.splits[split].y, other.splits[split].y)
        for split in SPLITS
    )


def test_source_gives_the_same_data_for_any_order_of_rows(tmp_path: Path) -> None:
    """A file whose rows were shuffled gives the same samples in the same order, so the same dataset."""
    path = write_table(tmp_path / "a.csv")
    header, *rows = path.read_text().splitlines()
    mixed = [rows[number] for number in np.random.default_rng(1).permutation(len(rows))]
    (tmp_path / "b.csv").write_text("\n".join([header, *mixed]) + "\n")
    assert same(load_final(file=str(path)), load_final(file=str(tmp_path / "b.csv")))
    assert not same(load_final(file=str(path)), load_final(file=str(path), splitting={"seed": 2}))


def test_source_takes_splits_from_a_column(tmp_path: Path) -> None:
    """A column gives the split; its values may be the config's own; other values are refused with their row."""
    rows = [f"{number},{number % 2},{name}" for number, name in enumerate(["train"] * 6 + ["Val"] * 4 + ["TEST"] * 4)]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["x,label,part", *rows]) + "\n")
    loaded = load(file=str(path), split="part")
    assert [len(loaded.splits[split].y) for split in SPLITS] == [6, 4, 4]
    assert loaded.splits["eval"].x.ravel().tolist() == [10, 11, 12, 13]
    own = {"train": ["train"], "dev": ["TEST"], "eval": ["val"]}
    loaded = load(file=str(path), split="part", split_values=own)
    assert loaded.splits["eval"].x.ravel().tolist() == [6, 7, 8, 9]
    path.write_text("\n".join(["x,label,part", *rows, "9,1,later"]) + "\n")
    with pytest.raises(UserError, match=r"a.csv, row 16: the split 'later' is none of those of split_values"):
        load(file=str(path), split="part")


def test_source_takes_dev_from_train(tmp_path: Path) -> None:
    """With files for train and eval alone, dev is a share of train, and eval is its file."""
    train, test = write_table(tmp_path / "train.csv", 50), write_table(tmp_path / "test.csv", 20, seed=1)
    loaded = load(files={"train": str(train), "eval": str(test)}, splitting={"dev": 0.3})
    assert [len(loaded.splits[split].y) for split in SPLITS] == [36, 14, 20]
    origins = loaded.splits["eval"].origins
    assert origins is not None
    assert sorted(row[4] for row in origins.rows) == list(range(2, 22))
    assert {row[3] for row in origins.rows} == {str(test)}


def test_source_refuses_a_group_in_two_splits(tmp_path: Path) -> None:
    """A patient in two files is named with both rows."""
    for split in SPLITS:
        (tmp_path / f"{split}.csv").write_text(f"x,label,who\n1,0,{split}a\n2,1,{split}b\n")
    (tmp_path / "eval.csv").write_text("x,label,who\n1,0,eva\n2,1,trainb\n")
    files = {split: str(tmp_path / f"{split}.csv") for split in SPLITS}
    with pytest.raises(UserError, match=r"train.csv, row 3 is in train and .*eval.csv, row 3 in eval.*'trainb'"):
        load(files=files, group="who")


def test_source_refuses_a_split_without_a_class(tmp_path: Path) -> None:
    """A class that dev lacks is named, with what to do."""
    for split in SPLITS:
        (tmp_path / f"{split}.csv").write_text("x,label\n1,0\n2,1\n" if split != "dev" else "x,label\n1,0\n")
    files = {split: str(tmp_path / f"{split}.csv") for split in SPLITS}
    with pytest.raises(UserError, match=r"dev has no row of class 1 \(rows in all: 1: 2\).*let splitting deal them"):
        load(files=files)


def test_deal_folds_has_defaults() -> None:
    """Without further keys, the first of five folds is eval and the second is dev."""
    labels = [0, 1] * 25
    np.testing.assert_array_equal(deal(labels, by="fold"), deal(labels, by="fold", folds=5, fold=0))
    assert np.bincount(deal(labels, by="fold")).tolist() == [30, 10, 10]
