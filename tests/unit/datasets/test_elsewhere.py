"""Evals that another dataset of the same results opens: as its train or dev, in either order of preparation."""

from pathlib import Path
from typing import Any

import pytest

from blindtune.core.errors import UserError
from blindtune.core.files import read_json
from blindtune.datasets.csv_folder import CsvFolderConfig, CsvFolderSource
from blindtune.datasets.prepared import prepare
from blindtune.datasets.table.config import TableConfig
from blindtune.datasets.table.source import TableSource
from support.builders import write_csv_folder


def run(results: Path, config: str, name: str, folder: Path, **changes: Any) -> dict[str, Any]:
    """Prepare a dataset of CSV files below `results`; return the manifest."""
    source = CsvFolderSource(CsvFolderConfig(source="csv_folder", folder=str(folder), **changes))
    manifest = results / config / "data" / name / "manifest.json"
    seal = results / config / "sealed" / name / "seal.json"
    prepare(name, source, source.user_files(), manifest, seal, results)
    content: dict[str, Any] = read_json(manifest)
    return content


def two_folders(tmp_path: Path, split: str, *, reverse: bool = False) -> tuple[Path, Path]:
    """Write two sets of CSV files; `split` of the second holds what eval of the first does, in another order."""
    first, second = tmp_path / "first", tmp_path / "second"
    write_csv_folder(first, seed=1)
    write_csv_folder(second, seed=2)
    rows = (first / "eval.csv").read_text(encoding="utf-8").splitlines()
    (second / f"{split}.csv").write_text("\n".join(rows[::-1]) + "\n", encoding="utf-8")
    return (second, first) if reverse else (first, second)


@pytest.mark.parametrize("split", ["train", "dev"])
@pytest.mark.parametrize("reverse", [False, True])
def test_eval_that_another_dataset_opens_is_refused(tmp_path: Path, split: str, reverse: bool) -> None:
    """Dev that is eval of another dataset is refused, and so is eval that was dev of one before."""
    one, other = two_folders(tmp_path, split, reverse=reverse)
    run(tmp_path / "results", "a", "one", one)
    words = f"its eval is {split} of dataset one" if reverse else rf"its {split} holds \d+ of the \d+ samples of eval"
    with pytest.raises(UserError, match=words) as caught:
        run(tmp_path / "results", "b", "other", other)
    assert "set datasets.other.leaks in the config to 'report'" in str(caught.value)
    assert not (tmp_path / "results" / "b").exists()
    found = run(tmp_path / "results", "b", "other", other, leaks="report")["leaks"]["elsewhere"]
    assert len(found) == 1 and "dataset one (" in found[0]


def test_eval_of_the_same_content_and_open_splits_may_be_shared(tmp_path: Path) -> None:
    """Two datasets may have one eval, or one train; and a dataset that is prepared again does not meet itself."""
    one, other = tmp_path / "one", tmp_path / "other"
    write_csv_folder(one, seed=1)
    write_csv_folder(other, seed=2)
    results = tmp_path / "results"
    for split in ("eval", "train"):
        (other / f"{split}.csv").write_bytes((one / f"{split}.csv").read_bytes())
    run(results, "a", "one", one)
    run(results, "b", "other", other)
    assert "elsewhere" not in run(results, "a", "one", one)["leaks"]


def test_damaged_manifest_of_another_dataset_is_not_the_fault_of_this_one(tmp_path: Path) -> None:
    """Another dataset that cannot be read is left to its own jobs."""
    results = tmp_path / "results"
    one, other = two_folders(tmp_path, "dev")
    run(results, "a", "one", one)
    for damage in ("{", "[]"):
        (results / "a" / "data" / "one" / "manifest.json").write_text(damage, encoding="utf-8")
        run(results, "b", "other", other)


def test_folds_of_one_table_may_open_the_evals_of_each_other(tmp_path: Path) -> None:
    """The eval of a fold is in train of the next fold by design; not so for other splits of the table."""
    path = tmp_path / "t.csv"
    rows = [f"{number},{number % 2}" for number in range(60)]
    path.write_text("\n".join(["x,label", *rows]) + "\n", encoding="utf-8")

    def run_fold(name: str, splitting: dict[str, Any]) -> None:
        config = TableConfig.model_validate({"source": "table", "file": str(path), "splitting": splitting})
        source, root = TableSource(config), tmp_path / "results" / "a"
        manifest, seal = root / "data" / name / "manifest.json", root / "sealed" / name / "seal.json"
        prepare(name, source, source.user_files(), manifest, seal, tmp_path / "results")
        assert "elsewhere" not in read_json(manifest)["leaks"]

    for fold in range(3):
        run_fold(f"fold_{fold}", {"by": "fold", "folds": 3, "fold": fold})
    with pytest.raises(UserError, match="samples of eval of dataset fold_"):
        run_fold("other", {"dev": 0.04, "eval": 0.04})
