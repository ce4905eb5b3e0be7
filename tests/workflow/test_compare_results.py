"""The script that compares two results folders."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

SCRIPT = Path(__file__).parents[2] / "workflow/benchmarks/compare_results.py"

TRIAL = {
    "study": "tiny/set/mlp/1",
    "number": 0,
    "hyperparameters": {"learning_rate": 0.1, "layers": [{"kind": "dense", "units": 2}]},
    "score": 0.25,
    "curve": [{"dev_error": 0.25}],
    "parameters": 12,
    "seconds": {"train": {"wall": 1.0}},
    "started": "2026-01-01",
    "host": "a",
    "versions": {"python": "3.11"},
    "retries": [],
}
CARD = TRIAL | {
    "kind": "manual",
    "frozen_sha256": "f1",
    "card_sha256": "c1",
    "dev_error": 0.25,
    "settings": {"sees": {}},
}
OLD_RESULT = {"frozen_sha256": "f1", "error": 0.5, "answers_sha256": "p1", "looked": "2026-01-01"}
MANIFEST = {"sha256": "d1", "splits": {"train": "t1", "dev": "e1"}, "files": {}}


def write_records(folder: Path, records: dict[str, Any]) -> Path:
    """Write records of a results folder, each in the format of its suffix."""
    for name, record in records.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".safetensors":
            save_file(record, path)
        elif path.suffix == ".npz":
            np.savez(path, **record)
        elif path.suffix == ".csv":
            path.write_text(record)
        else:
            path.write_text(json.dumps(record) + "\n")
    return folder


def old_records() -> dict[str, Any]:
    """Return a tiny results folder as the code wrote it before names were changed."""
    return {
        "studies/set/mlp/1/trials.jsonl": TRIAL,
        "studies/set/mlp/1/card.json": CARD,
        "studies/set/mlp/1/weights/00000.safetensors": {"w": np.ones((2, 2), dtype="float32")},
        "decodes/set/mlp/1/look.json": OLD_RESULT,
        "decodes/set/mlp/1/answers.npz": {"predicted": np.array([0, 1])},
        "data/set/manifest.json": MANIFEST,
        "sealed/set/seal.json": {"dataset": "set", "sha256": "s1", "samples": 4},
        "report/tables/scores.csv": (
            "dataset,data,system,parameters_least,parameters_most,wall_seconds,records\nset,real,mlp,1,2,3.5,x/look.json\n"
        ),
        "report/tables/libraries.csv": "criterion,guide,optuna\nOverhead,low,0.002 s a trial\nError,low,2% behind\n",
        "report/tables/preparation.csv": (
            "dataset,given,parameter,value\nset,config,cover,0.5\nset,config,source,drawn\nset,config,made.side,8\n"
        ),
    }


def new_records() -> dict[str, Any]:
    """Return the same results with today's names, other times and digests that follow from the names."""
    trial = TRIAL | {
        "hyperparameters": {"learning_rate": 0.1},
        "layers": [{"kind": "dense", "units": 2}],
        "seconds": {"train": {"wall": 2.0}},
        "started": "2026-02-02",
        "host": "b",
        "versions": {"python": "3.12"},
        "retries": ["killed"],
        "schema_version": 2,
    }
    trial["n_parameters"] = trial.pop("parameters")
    card = trial | {
        "kind": "manual",
        "frozen_sha256": "f1",
        "card_sha256": "c2",
        "dev_error": 0.25,
        "settings": {"view": {}},
    }
    old = old_records()
    return {
        "studies/set/mlp/1/trials.jsonl": trial,
        "studies/set/mlp/1/card.json": card,
        "decodes/set/mlp/1/result.json": {
            "frozen_sha256": "f1",
            "error": 0.5,
            "predictions_sha256": "p1",
            "decoded": "2026-02-02",
            "schema_version": 1,
        },
        "decodes/set/mlp/1/predictions.npz": old["decodes/set/mlp/1/answers.npz"],
        "report/tables/scores.csv": (
            "dataset,data,system,min_parameters,max_parameters,wall_seconds,records\nset,real,mlp,1,2,4.5,x/result.json\n"
        ),
        "report/tables/libraries.csv": "criterion,guide,optuna\nOverhead,low,0.003 s a trial\nError,low,2% more\n",
        "report/tables/preparation.csv": (
            "dataset,given,parameter,value\nset,config,min_coverage,0.5\nset,config,simulate.side,8\n"
            "set,config,source,drawing\n"
        ),
    } | {
        name: old[name]
        for name in (
            "studies/set/mlp/1/weights/00000.safetensors",
            "data/set/manifest.json",
            "sealed/set/seal.json",
        )
    }


def compare(before: Path, after: Path) -> tuple[int, list[str]]:
    """Run the script; return its exit status and the lines that it prints."""
    run = subprocess.run([sys.executable, SCRIPT, before, after], capture_output=True, text=True, check=False)
    return run.returncode, run.stdout.splitlines()


@pytest.mark.parametrize("after", [old_records, new_records])
def test_compare_equal_results(tmp_path: Path, after: Callable[[], dict[str, Any]]) -> None:
    """Equal results have no difference, also between old names and new ones and with other times."""
    folders = write_records(tmp_path / "a", old_records()), write_records(tmp_path / "b", after())
    assert compare(*folders) == (0, [])
    assert compare(*reversed(folders)) == (0, [])


@pytest.mark.parametrize(
    ("name", "change", "line"),
    [
        ("studies/set/mlp/1/trials.jsonl", {"score": 0.3}, "[0].score: 0.25 -> 0.3"),
        ("studies/set/mlp/1/trials.jsonl", {"curve": []}, "[0].curve (length): 1 -> 0"),
        ("studies/set/mlp/1/trials.jsonl", {"n_parameters": 13}, "[0].n_parameters: 12 -> 13"),
        ("studies/set/mlp/1/trials.jsonl", {"layers": None}, None),
        ("studies/set/mlp/1/card.json", {"dev_error": 0.3}, "dev_error: 0.25 -> 0.3"),
        ("studies/set/mlp/1/card.json", {"model_seed": 9}, 'model_seed: "(absent)" -> 9'),
        ("decodes/set/mlp/1/result.json", {"predictions_sha256": "p2"}, 'predictions_sha256: "p1" -> "p2"'),
        ("decodes/set/mlp/1/result.json", {"error": 0.0}, "error: 0.5 -> 0.0"),
        ("data/set/manifest.json", {"splits": {"train": "t2", "dev": "e1"}}, 'splits.train: "t1" -> "t2"'),
        ("sealed/set/seal.json", {"sha256": "s2"}, 'sha256: "s1" -> "s2"'),
    ],
)
def test_compare_changed_record(tmp_path: Path, name: str, change: dict[str, Any], line: str | None) -> None:
    """A changed field of a record is one line with file, key and both values."""
    new = new_records()
    new[name] = new[name] | change | ({"code_sha256": "c", "preprocessing": {}} if name.endswith("card.json") else {})
    status, lines = compare(write_records(tmp_path / "a", old_records()), write_records(tmp_path / "b", new))
    assert status == 1
    assert len(lines) == 1
    assert lines[0].startswith(f"{name}: ")
    assert line is None or lines == [f"{name}: {line}"]


def test_compare_leaves_out_digests_of_times(tmp_path: Path) -> None:
    """The digest of the trials' file, and the head of the ledger, differ in every run: both depend on times."""
    old, new = new_records(), new_records()
    for side, digest in ((old, "t1"), (new, "t2")):
        side["studies/set/mlp/1/card.json"] = side["studies/set/mlp/1/card.json"] | {"trials_sha256": digest}
        side["decodes/set/mlp/1/ledger_head.json"] = {"entries": 2, "sha256": digest}
    assert compare(write_records(tmp_path / "a", old), write_records(tmp_path / "b", new)) == (0, [])


def test_compare_finds_decodes_by_study(tmp_path: Path) -> None:
    """Decodes are compared in any order and without their dates; one more, or another kind of one, is a difference."""
    old, new = new_records(), new_records()
    rows = ["a,1,2026-01-01,blind", "b,2,2026-01-02,blind", "b,3,2026-01-03,repeated"]
    for side, order in ((old, rows), (new, [rows[1].replace("02", "09"), rows[2], rows[0]])):
        side["report/tables/all_decodes.csv"] = "\n".join(["study,entry,begun,decode", *order, ""])
    before = write_records(tmp_path / "a", old)
    assert compare(before, write_records(tmp_path / "b", new)) == (0, [])
    new["report/tables/all_decodes.csv"] = new["report/tables/all_decodes.csv"].replace("repeated", "blind")
    lines = ['report/tables/all_decodes.csv: b again.decode: "repeated" -> "blind"']
    assert compare(before, write_records(tmp_path / "c", new)) == (1, lines)


def test_compare_changed_arrays(tmp_path: Path) -> None:
    """Changed weights and predictions are named by their tensor."""
    new = new_records()
    new["studies/set/mlp/1/weights/00000.safetensors"] = {"w": np.zeros((2, 2), dtype="float32")}
    new["decodes/set/mlp/1/predictions.npz"] = {"predicted": np.array([1, 1])}
    status, lines = compare(write_records(tmp_path / "a", old_records()), write_records(tmp_path / "b", new))
    assert status == 1
    assert [line.rsplit(": ", 2)[:2] for line in lines] == [
        ["decodes/set/mlp/1/predictions.npz", "predicted[2]"],
        ["studies/set/mlp/1/weights/00000.safetensors", "w[2]"],
    ]


def test_compare_changed_cell(tmp_path: Path) -> None:
    """A changed cell of a table is named by row and column; cells with times are not compared."""
    new = new_records()
    new["report/tables/scores.csv"] = new["report/tables/scores.csv"].replace("mlp,1,2,", "mlp,1,3,")
    status, lines = compare(write_records(tmp_path / "a", old_records()), write_records(tmp_path / "b", new))
    assert status == 1
    assert lines == ['report/tables/scores.csv: row 1.max_parameters: "2" -> "3"']


@pytest.mark.parametrize(
    ("name", "old", "new", "line"),
    [
        ("libraries.csv", "2% more", "3% more", 'row 2.optuna: "2%" -> "3%"'),
        ("preparation.csv", "min_coverage,0.5", "min_coverage,0.6", 'set, config, min_coverage.value: "0.5" -> "0.6"'),
        ("preparation.csv", "drawing", "digits", 'set, config, source.value: "drawing" -> "digits"'),
    ],
)
def test_compare_changed_config_and_prose(tmp_path: Path, name: str, old: str, new: str, line: str) -> None:
    """Numbers of sentences and values of config keys are compared, independent of the words around them."""
    after = new_records()
    after[f"report/tables/{name}"] = after[f"report/tables/{name}"].replace(old, new)
    status, lines = compare(write_records(tmp_path / "a", old_records()), write_records(tmp_path / "b", after))
    assert (status, lines) == (1, [f"report/tables/{name}: {line}"])


@pytest.mark.parametrize("name", ["decodes/set/mlp/1/result.json", "studies/set/mlp/1/weights/00000.safetensors"])
def test_compare_missing_file(tmp_path: Path, name: str) -> None:
    """A file that one folder lacks is a difference, in either folder."""
    new = new_records()
    del new[name]
    before, after = write_records(tmp_path / "a", old_records()), write_records(tmp_path / "b", new)
    status, lines = compare(before, after)
    assert status == 1
    assert f"{name}: only before" in lines
    status, lines = compare(after, before)
    assert status == 1
    assert f"{name}: only after" in lines


def test_compare_refuses_a_missing_folder(tmp_path: Path) -> None:
    """A folder that does not exist is an error, not an empty folder."""
    assert compare(tmp_path / "a", tmp_path)[0] == 2
