"""Reading records: missing, damaged and mixed files are refused."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from blindtune.core.errors import UserError
from blindtune.core.files import read_json, write_json
from blindtune.report.records import RunRecords
from support.report_records import RecordsBuilder


def test_a_drawing_is_always_stand_in(tmp_path: Path) -> None:
    """A drawing is stand-in data even if its manifest says otherwise."""
    claims = {"stand_in": False, "source": {"source": "drawing"}}
    builder = RecordsBuilder(tmp_path / "tiny", systems=["knn"], datasets={"set_10": claims}).write()
    assert builder.read().datasets[0].stand_in


@pytest.mark.parametrize(
    "path",
    [
        "data/set_10/manifest.json",
        "decodes/set_10/sample_splits.npz",
        "studies/set_10/knn/42/card.json",
        "studies/set_10/knn/42/trials.jsonl",
        "decodes/set_10/knn/42/result.json",
        "decodes/set_10/knn/42/predictions.npz",
        "decodes/set_10/knn/42/surface.npz",
    ],
)
def test_read_records_names_a_missing_file(tmp_path: Path, path: str) -> None:
    """A missing record is named in the message, with what to do."""
    builder = RecordsBuilder(tmp_path / "tiny", systems=["knn"], seeds=[42]).write()
    (builder.root / path).unlink()
    with pytest.raises(UserError, match=re.escape(f"{path}: is missing. Run again")):
        builder.read()


@pytest.mark.parametrize("part", [0.0, 0.5, 0.95])
def test_read_records_names_a_truncated_file(tmp_path: Path, part: float) -> None:
    """A truncated file of arrays is named in the message."""
    builder = RecordsBuilder(tmp_path / "tiny", systems=["knn"], seeds=[42]).write()
    path = builder.root / "decodes/set_10/knn/42/predictions.npz"
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(UserError, match=r"predictions\.npz"):
        builder.read()


def test_read_records_refuses_a_mixture(tmp_path: Path) -> None:
    """Records that do not belong together are refused."""
    builder = RecordsBuilder(tmp_path / "tiny", systems=["knn", "bayes"], seeds=[42]).write()
    path = builder.root / "decodes/set_10/knn/42/result.json"
    result = read_json(path)
    for key, reason in (
        ("frozen_sha256", "belongs to another frozen model"),
        ("eval_sha256", "decoded other eval data"),
        ("predictions_sha256", "does not match the decode result"),
    ):
        write_json(path, result | {key: "0" * 64})
        with pytest.raises(UserError, match=reason):
            builder.read()
    write_json(path, result)
    assert builder.read().runs


def test_equal_means_are_equal_whatever_their_seeds(tmp_path: Path) -> None:
    """Systems with as many wrong samples over all seeds tie: the first of the config counts, not the last digit."""
    builder = RecordsBuilder(tmp_path / "tiny", systems=["mlp_m1", "mlp_m2"], seeds=[1, 2, 3]).write()
    [dataset] = builder.read().datasets
    errors = {"mlp_m1": (0.1, 0.4, 0.1), "mlp_m2": (0.2, 0.3, 0.1)}
    systems = [
        replace(
            system, runs=[_with_error(run, error) for run, error in zip(system.runs, errors[system.name], strict=True)]
        )
        for system in dataset.systems
    ]
    assert systems[0].objective("dev") == systems[1].objective("dev") == systems[0].error("eval") == 0.2
    chosen = replace(dataset, systems=systems).lowest_on_dev("manual")
    assert chosen is not None and chosen.name == "mlp_m1"


def _with_error(run: RunRecords, error: float) -> RunRecords:
    decode = run.decode.model_copy(update={"error": error})
    return replace(run, card=run.card.model_copy(update={"dev_error": error}), decode=decode)
