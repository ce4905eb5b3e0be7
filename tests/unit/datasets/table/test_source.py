"""The source `table` from files to prepared data: labels, leaks, what is fitted on train, and the views."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blindtune.config.schema import Config
from blindtune.core.errors import UserError
from blindtune.datasets.base import SPLITS
from blindtune.views.apply import apply_view, collect_inputs, make_view
from blindtune.views.config import SamplesView, StandardizedView
from support.builders import origins
from support.config_keys import BASE
from support.tables import load, load_final, prepare_table, write_table


def write(path: Path, rows: list[str], header: str = "x,label") -> str:
    """Write a CSV and return its path."""
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["1", "2"], ["1", "2"]),
        (["-1", "1"], ["-1", "1"]),
        (["0", "7"], ["0", "7"]),
        (["0", "90000"], ["0", "90000"]),
        (["0.0", "1.0"], ["0", "1"]),
        (["1", "1.0", "2"], ["1", "2"]),
        (["10", "9", "-3"], ["-3", "9", "10"]),
        (["malignant", "benign"], ["benign", "malignant"]),
        (["True", "False"], ["False", "True"]),
        (["7", "007"], ["007", "7"]),
        (["a", "1"], ["1", "a"]),
        (["é", "<b>", "=1+1", "a|b"], ["<b>", "=1+1", "a|b", "é"]),
    ],
)
def test_source_takes_any_labels(tmp_path: Path, labels: list[str], classes: list[str]) -> None:
    """Labels may be texts, booleans and any whole numbers; their names are kept, in order."""
    rows = [f"{number},{labels[number % len(labels)]}" for number in range(40)]
    loaded = load(file=write(tmp_path / "t.csv", rows))
    assert loaded.classes == classes
    whole = {"0.0": "0", "1.0": "1"}
    for split in SPLITS:
        part = loaded.splits[split]
        expected = [labels[int(x) % len(labels)] for x in part.x.ravel()]
        assert [loaded.classes[label] for label in part.y] == [whole.get(name, name) for name in expected]


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["1.5", "2"], r"t.csv, row 2: the label '1.5' is not a whole number"),
        (["only"], r"all labels are 'only'"),
        ([f"name {number}" for number in range(30)], r"30 different values in 40 rows"),
        (["a\tb", "c"], r"is too long or not printable"),
        (["a" * 200, "c"], r"is too long or not printable"),
    ],
)
def test_source_refuses_labels_that_are_no_classes(tmp_path: Path, labels: list[str], words: str) -> None:
    """A measured value, a name and a single class are named as what they are."""
    rows = [f"{number},{labels[number % len(labels)]}" for number in range(40)]
    with pytest.raises(UserError, match=words):
        load(file=write(tmp_path / "t.csv", rows), separator=",")


def test_source_takes_a_hundred_classes(tmp_path: Path) -> None:
    """A hundred classes are prepared, each in every split."""
    path = write_table(tmp_path / "t.csv", rows=1000, classes=[f"species {number:02}" for number in range(100)])
    train, sealed = prepare_table(tmp_path, file=str(path))
    assert len(train.classes) == 100
    assert np.bincount(sealed.y).tolist() == [2] * 100


def test_source_chooses_features(tmp_path: Path) -> None:
    """Features are chosen or left out by name or place; what is not used is named."""
    path = write(tmp_path / "t.csv", [f"{n},{n % 3},{n % 2},{n * 2}" for n in range(30)], "id,a,label,b")
    for keys in ({"features": ["a", "b"]}, {"leave_out": ["id"]}, {"features": [2, -1]}):
        loaded = load_final(file=path, leaks="report", **keys)
        assert loaded.fitted is not None
        assert loaded.fitted["features"] == ["a", "b"]
        assert loaded.parameters["left_out_columns"] == ["id"]
        assert "not used: the columns id" in loaded.notes


def test_source_fits_on_train_alone(tmp_path: Path) -> None:
    """Median, categories and scaling are those of train: other rows of dev and eval change none of them."""
    header = "x,colour,label"
    train = [f"{number if number % 5 else ''},{'red' if number % 2 else 'blue'},{number % 2}" for number in range(40)]
    fitted, counted = [], []
    for shift, colour in ((0, "red"), (1000, "violet")):
        files = {"train": write(tmp_path / "train.csv", train, header)}
        for number, split in enumerate(("dev", "eval"), 1):
            rows = [f"{100 * number + shift + n},{colour},{n % 2}" for n in range(10)]
            files[split] = write(tmp_path / f"{split}{shift}.csv", [*rows, f",{colour},1"], header)
        prepared, sealed = prepare_table(tmp_path / str(shift), files=files, missing="median", leaks="report")
        fitted.append(prepared.manifest["fitted"])
        counted.append(prepared.manifest["parameters"])
    first, second = fitted
    assert first["encoding"] == second["encoding"]
    assert first["scaling"] == second["scaling"]
    present = [float(row.split(",")[0]) for row in train if row[0] != ","]
    assert first["encoding"]["fills"] == {"x": np.median(present)}
    assert first["features"] == ["x", "x is missing", "colour = blue", "colour = red"]
    assert counted[0]["missing_values"] == {"train": {"x": 8}, "dev": {"x": 1}, "eval": {"x": 1}}
    unknown = [parameters["unknown_categories"] for parameters in counted]
    assert unknown == [{}, {"dev": {"colour": 11}, "eval": {"colour": 11}}]
    assert sealed.x[-1].tolist() == [np.median(present), 1, 0, 0]


def test_source_says_what_was_filled_and_unknown(tmp_path: Path) -> None:
    """The log names missing values, rare categories and unknown ones."""
    rows = [f"{'' if n == 3 else n},{'abc'[n % 2]},{n % 2}" for n in range(40)]
    rows += [f"{n},c,{n % 2}" for n in range(41, 44)]
    loaded = load_final(file=write(tmp_path / "t.csv", rows, "x,kind,label"), missing="most_frequent", leaks="report")
    text = "; ".join(loaded.notes)
    assert "1 values of x missing, filled in by train (most_frequent)" in text
    assert "kind: 1 rare categories are one feature together" in text or "with a category that train" in text


def test_source_knows_rows_again_by_all_their_columns(tmp_path: Path) -> None:
    """The same rows with other features, in another order or format have the same origins; eval's are written."""
    rows = [f"{n / 4},{n % 7},{n % 2}" for n in range(40)]
    path = write(tmp_path / "t.csv", rows, "x,z,label")
    mixed = write(tmp_path / "mixed.csv", rows[::-1], "x,z,label")
    (tmp_path / "t.tsv").write_text(Path(path).read_text().replace(",", "\t"))
    digests = [
        {split: sorted(found) for split, found in (load(**keys).origin_digests or {}).items()}
        for keys in (
            {"file": path},
            {"file": path, "leave_out": ["z"]},
            {"file": mixed},
            {"file": str(tmp_path / "t.tsv")},
        )
    ]
    assert digests[0] == digests[2] == digests[3]
    everything = {digest for of_split in digests[0].values() for digest in of_split}
    assert everything == {digest for of_split in digests[1].values() for digest in of_split}
    assert len(everything) == 40
    prepared, _ = prepare_table(tmp_path, file=path)
    kept = prepared.eval_origins()
    assert kept is not None
    assert kept.tolist() == digests[0]["eval"]


def test_preparation_removes_leaks_before_it_fits(tmp_path: Path) -> None:
    """Rows of train that eval has are removed first, so that eval has no part in what is fitted."""
    rows = [f"{number},{number % 2}" for number in range(20)]
    files = {
        "train": write(tmp_path / "train.csv", [*rows, "1000,0", "1000,1"]),
        "dev": write(tmp_path / "dev.csv", ["50,0", "51,1"]),
        "eval": write(tmp_path / "eval.csv", ["1000,0", "61,1"]),
    }
    with pytest.raises(UserError, match=r"eval.csv at row 2 equals .*train.csv at row 22"):
        prepare_table(tmp_path / "refused", files=files)
    prepared, _ = prepare_table(tmp_path / "removed", files=files, leaks="remove")
    assert prepared.manifest["fitted"]["scaling"]["mean"] == [9.5]
    assert prepared.manifest["leaks"]["removed"] == {"train": 2, "dev": 0}
    kept = origins(tmp_path / "removed" / "data" / "train")
    assert [row["row"] for row in kept] == [str(number) for number in range(2, 22)]


def test_view_standardized_scales_numbers_by_train(tmp_path: Path) -> None:
    """Train has mean 0 and deviation 1 in every number, eval is scaled alike, and categories stay 0 and 1."""
    rows = [f"{n * 1000},{n % 7 - 3},{'red' if n % 3 else 'blue'},{n % 2}" for n in range(60)]
    prepared, sealed = prepare_table(tmp_path, file=write(tmp_path / "t.csv", rows, "a,b,colour,label"))
    config = StandardizedView(kind="standardized")
    seen = apply_view(config, prepared)
    np.testing.assert_allclose(seen.train.x[:, :2].mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(seen.train.x[:, :2].std(axis=0), 1, atol=1e-6)
    assert set(np.unique(seen.train.x[:, 2:])) == {0, 1}
    scaling = prepared.manifest["fitted"]["scaling"]
    expected = (sealed.x[:, :2].astype(float) - scaling["mean"]) / scaling["scale"]
    np.testing.assert_array_equal(make_view(config, prepared)(sealed.x)[:, :2], expected.astype(np.float32))


def test_identity_holds_what_the_view_takes(tmp_path: Path) -> None:
    """The scaling is part of the identity of a model that sees it, and of no other."""
    prepared, _ = prepare_table(tmp_path, file=str(write_table(tmp_path / "t.csv")))
    standardized = collect_inputs(StandardizedView(kind="standardized"), prepared).identity()
    assert standardized["fitted"] == {"scaling": prepared.manifest["fitted"]["scaling"]}
    assert collect_inputs(SamplesView(kind="samples"), prepared).identity() == {"source": {}, "statistics": None}


def test_default_view_suits_the_system() -> None:
    """A table is standardized for networks and neighbours, not for forests; other sources show samples as before."""
    content: dict[str, Any] = BASE | {
        "datasets": BASE["datasets"]
        | {
            "tumours": {"source": "table", "bundled": "breast_cancer"},
            "wines": {"source": "table", "bundled": "wine"},
        },
        "compare": [
            {"dataset": "tumours", "systems": ["near", "trees", "expert", "limit", "raw"], "budget": {"trials": 1}},
            {"dataset": "wines", "systems": ["vectors", "boosted"], "budget": {"trials": 20}},
            {"dataset": "written", "systems": ["near", "expert", "optuna"], "budget": {"trials": 1}},
        ],
        "systems": BASE["systems"]
        | {
            "raw": {"kind": "knn", "n_neighbors": [1], "view": "samples"},
            "boosted": BASE["systems"]["vectors"] | {"estimator": ["hist_gradient_boosting"], "arguments": {}},
        },
    }
    config = Config.model_validate(content)
    kinds = {name: config.settings("tumours", name).view.kind for name in ("near", "trees", "expert", "limit", "raw")}
    assert kinds == {
        "near": "standardized",
        "trees": "samples",
        "expert": "standardized",
        "limit": "standardized",
        "raw": "samples",
    }
    assert config.settings("wines", "vectors").view.kind == "standardized"
    assert config.settings("wines", "boosted").view.kind == "samples"
    assert {config.settings("written", name).view.kind for name in ("near", "expert", "optuna")} == {"samples"}


@pytest.mark.parametrize(
    ("name", "shape", "classes"),
    [("breast_cancer", (569, 30), ["benign", "malignant"]), ("wine", (178, 13), ["class_0", "class_1", "class_2"])],
)
def test_source_has_bundled_tables(tmp_path: Path, name: str, shape: tuple[int, int], classes: list[str]) -> None:
    """The real tables of scikit-learn need no file, and hold no equal rows in two splits."""
    prepared, sealed = prepare_table(tmp_path, bundled=name)
    assert prepared.classes == classes
    assert len(prepared.train.y) + len(prepared.dev.y) + len(sealed.y) == shape[0]
    assert prepared.sample_shape == shape[1:]
    assert prepared.manifest["files"] == {}


def test_other_sources_have_no_standardized_view(tmp_path: Path) -> None:
    """A view that needs what only a table fits is refused by name."""
    from support.builders import prepared

    with pytest.raises(UserError, match="toy: the view standardized needs what only a table has fitted on train"):
        make_view(StandardizedView(kind="standardized"), prepared(tmp_path))
