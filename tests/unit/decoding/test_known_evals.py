"""Eval is known by its content: in another order, folder or dataset, and if a few of its samples differ."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blindtune.core.errors import RepeatedDecodeError, UserError
from blindtune.datasets.base import LoadedDataset
from blindtune.datasets.content import digest_content, digest_samples
from blindtune.datasets.csv_folder import CsvFolderConfig, CsvFolderSource
from blindtune.datasets.prepared import open_split, prepare
from blindtune.decoding.known_evals import EvalIdentity, KnownEvals, compare_evals
from blindtune.decoding.ledger import Ledger
from blindtune.decoding.sealed_split import read_seal
from support.decode_lab import DecodeLab


def change_eval(lab: DecodeLab, rows: Any, changes: int = 0) -> None:
    """Prepare the data with another eval: these rows of the present one, the first ``changes`` with other values."""
    folder = lab.folder / "csv" / "toy"
    present = np.array((folder / "eval.csv").read_text(encoding="utf-8").splitlines())[rows]
    lines = [f"{line[:-1]}{9 - int(line[-1])}" if row < changes else line for row, line in enumerate(present)]
    (folder / "eval.csv").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    files = {path.stem: path for path in sorted(folder.glob("*.csv"))}
    source = CsvFolderSource(CsvFolderConfig(source="csv_folder", folder=str(folder)))
    prepare("toy", source, files, lab.places.manifest, lab.places.seal)


def test_seal_is_known_by_the_content_of_eval(lab: DecodeLab) -> None:
    """The content is that of the seal or, for a seal of before, computed; rows in another order do not change it."""
    samples = digest_content(digest_samples(open_split(lab.places.seal.parent / "eval").x))
    first = read_seal(lab.places.seal)
    assert first.content_sha256 in (None, samples) and first.identity.content_sha256 == samples
    change_eval(lab, slice(None, None, -1))
    seal = json.loads(lab.places.seal.read_text(encoding="utf-8"))
    seal.pop("content_sha256", None)
    lab.places.seal.write_text(json.dumps(seal), encoding="utf-8")
    turned = read_seal(lab.places.seal)
    assert turned.sha256 != first.sha256 and turned.content_sha256 is None
    assert turned.identity.content_sha256 == samples


@pytest.mark.parametrize(
    ("rows", "changes"),
    [
        (slice(None, None, -1), 0),
        (slice(0, 28), 0),
        ([*range(30), 3, 4, 5], 0),
        ([*range(30), *range(30)], 0),
        (slice(None), 2),
        ([7, *range(30)], 1),
    ],
    ids=["reordered", "rows dropped", "rows doubled", "all rows doubled", "rows changed", "a row added"],
)
def test_another_model_is_refused_on_nearly_the_same_eval(lab: DecodeLab, rows: Any, changes: int) -> None:
    """Rows in another order, or a few rows less, more or changed, make no eval on which another model is blind."""
    lab.decode(lab.freeze(3))
    change_eval(lab, rows, changes)
    with pytest.raises(RepeatedDecodeError, match="another model of this study was decoded on this eval data"):
        lab.decode(lab.freeze(5))
    assert lab.events() == ["begun", "done"]
    assert lab.decode(lab.freeze(5), allow_repeats=True)[0].blind is False


def test_the_same_model_is_decoded_again_in_another_order(lab: DecodeLab) -> None:
    """Predictions are in the order of eval: the same model is decoded in another order, and stays blind."""
    folder = lab.freeze(3)
    first, predictions = lab.decode(folder)
    change_eval(lab, slice(None, None, -1))
    again, turned = lab.decode(folder)
    assert again.blind and again.error == first.error and again.eval_sha256 != first.eval_sha256
    np.testing.assert_array_equal(turned["wrong"], predictions["wrong"][::-1])
    assert lab.events() == ["begun", "done"] * 2


def test_another_eval_is_blind(lab: DecodeLab) -> None:
    """An eval that shares half of its samples with a decoded one is another one."""
    lab.decode(lab.freeze(3))
    change_eval(lab, slice(None), 15)
    assert lab.decode(lab.freeze(5))[0].blind


def test_another_name_of_the_dataset_makes_no_other_study(lab: DecodeLab) -> None:
    """Config, system and seed are the study if eval is the same: the dataset may have any name."""
    lab.decode(lab.freeze(3))
    renamed = lab.freeze(5, dataset="renamed")
    with pytest.raises(RepeatedDecodeError, match=r"test/renamed/it/42: another model of test/toy/it/42, the same"):
        lab.decode(renamed)
    for changes in ({"system": "other"}, {"seed": 43}, {"config": "another"}):
        assert lab.decode(lab.freeze(5, **changes))[0].blind, changes


def test_entries_of_before_are_known_by_their_arrays(lab: DecodeLab) -> None:
    """An old entry without content is known by its arrays and, after a new entry of these, in another order too."""
    lab.decode(lab.freeze(3))
    lab.forget_chain()
    with pytest.raises(RepeatedDecodeError):
        lab.decode(lab.freeze(5))
    assert lab.decode(lab.freeze(3, system="other"))[0].blind
    assert lab.events() == ["begun", "done", "adopted", "begun", "done"]
    change_eval(lab, slice(None, None, -1))
    with pytest.raises(RepeatedDecodeError):
        lab.decode(lab.freeze(5))


def test_ledger_keeps_the_digests_of_eval(lab: DecodeLab) -> None:
    """The samples of each eval are kept as digests; if they are lost or changed, an eval cannot be compared."""
    lab.decode(lab.freeze(3))
    identity = read_seal(lab.places.seal).identity
    ledger = Ledger(lab.ledger)
    assert {entry["eval_content_sha256"] for entry in ledger.entries()} == {identity.content_sha256}
    path = ledger.evals().path(str(identity.content_sha256))
    np.testing.assert_array_equal(ledger.evals().read(str(identity.content_sha256)), identity.digests)
    change_eval(lab, slice(0, 28))
    for damage in (path.unlink, lambda: np.save(path, np.array([b"x" * 16]))):
        damage()
        with pytest.raises(UserError, match=r"evals/.*\.npy: .*Restore it from a backup"):
            lab.decode(lab.freeze(5))


def test_compare_evals_counts_shared_samples() -> None:
    """Shared are the samples that the other has; the share is of its own samples, each counted once."""
    own, other = np.array([b"a", b"a", b"b", b"c"]), np.array([b"a", b"c", b"d", b"e", b"f", b"f"])
    overlap = compare_evals(own, other)
    assert (overlap.shared, overlap.samples, overlap.share) == (3, 4, 2 / 3)


def test_known_evals_without_content_are_compared_by_arrays(tmp_path: Path) -> None:
    """Without a content, only the arrays tell whether two evals are the same."""
    evals = KnownEvals(tmp_path, [{"eval_sha256": "a"}])
    assert evals.is_same("a", EvalIdentity("a")) and not evals.is_same("a", EvalIdentity("b", "c"))


def change_labels(lab: DecodeLab, count: int) -> None:
    """Prepare the data with other labels of the first samples of eval."""
    folder = lab.folder / "csv" / "toy"
    lines = (folder / "eval.csv").read_text(encoding="utf-8").splitlines()
    lines = [f"{1 - int(line[0])}{line[1:]}" if row < count else line for row, line in enumerate(lines)]
    (folder / "eval.csv").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    files = {path.stem: path for path in sorted(folder.glob("*.csv"))}
    source = CsvFolderSource(CsvFolderConfig(source="csv_folder", folder=str(folder)))
    prepare("toy", source, files, lab.places.manifest, lab.places.seal)


@pytest.mark.parametrize("edit", ["labels", "wrong samples dropped"])
def test_the_same_model_is_refused_on_an_edited_eval(lab: DecodeLab, edit: str) -> None:
    """Who knows the answers of a model could edit eval to suit them: another look of the same model is not blind."""
    folder = lab.freeze(3)
    _, predictions = lab.decode(folder)
    if edit == "labels":
        change_labels(lab, 2)
    else:
        change_eval(lab, np.flatnonzero(~predictions["wrong"]))
    with pytest.raises(RepeatedDecodeError):
        lab.decode(folder)
    assert lab.decode(folder, allow_repeats=True)[0].blind is False


def test_a_part_of_a_decoded_eval_is_known(lab: DecodeLab) -> None:
    """Half of the samples of a decoded eval make no new one: every one of them was seen."""
    lab.decode(lab.freeze(3))
    change_eval(lab, slice(0, 14))
    with pytest.raises(RepeatedDecodeError):
        lab.decode(lab.freeze(5))


ORIGINS = {split: np.array([f"{split}{number}".encode() for number in range(10)]) for split in ("train", "dev", "eval")}


class MadeSource(CsvFolderSource):
    """The CSV files as another preparation of the same recordings."""

    def __init__(self, folder: Path, origins: Any) -> None:
        super().__init__(CsvFolderConfig(source="csv_folder", folder=str(folder)))
        self.origins = origins

    def load(self, files: dict[str, Path]) -> LoadedDataset:
        """Return the samples of the files with given origins."""
        return replace(super().load(files), origin_digests=self.origins)


def remake(lab: DecodeLab, origins: Any, shift: float) -> None:
    """Prepare the data as if from raw material, all values shifted as by another preparation."""
    folder = lab.folder / "csv" / f"shifted-{shift}"
    folder.mkdir(exist_ok=True)
    for path in (lab.folder / "csv" / "toy").glob("*.csv"):
        rows = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()]
        text = "".join(f"{label},{float(x) + shift},{float(y) + shift}\n" for label, x, y in rows)
        (folder / path.name).write_text(text, encoding="utf-8")
    source = MadeSource(folder, origins)
    prepare("toy", source, source.user_files(), lab.places.manifest, lab.places.seal)


@pytest.mark.parametrize("kept", [10, 9])
def test_eval_of_the_same_raw_material_is_not_blind(lab: DecodeLab, kept: int) -> None:
    """Another preparation of the same recordings is decoded, marked as not blind, and the log says why."""
    remake(lab, ORIGINS, 0.0)
    assert lab.decode(lab.freeze(3))[0].blind
    remake(lab, ORIGINS | {"eval": np.append(ORIGINS["eval"][:kept], [b"new"] * (10 - kept))}, 1.0)
    result, _ = lab.decode(lab.freeze(5))
    assert not result.blind and "not blind, since test/toy/it/42 was decoded at 20" in lab.lines[-2]
    entries = Ledger(lab.ledger).entries()
    assert all("eval_origins_sha256" in entry for entry in entries if entry["event"] == "begun")
    assert lab.decode(lab.freeze(5, system="other"))[0].blind, "by another system: marked in the report"


def test_eval_of_other_raw_material_is_blind(lab: DecodeLab) -> None:
    """Fewer than nine tenths of the recordings in common make another eval; without origins nothing is compared."""
    remake(lab, ORIGINS, 0.0)
    assert lab.decode(lab.freeze(3))[0].blind
    remake(lab, ORIGINS | {"eval": np.append(ORIGINS["eval"][:8], [b"new", b"more"])}, 1.0)
    assert lab.decode(lab.freeze(5))[0].blind
    remake(lab, None, 2.0)
    assert "eval_origins_sha256" not in lab.places.open().manifest
    assert not lab.places.manifest.with_name("eval_origins.npy").exists()
    assert lab.decode(lab.freeze(7))[0].blind


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_changed_origins_are_refused(lab: DecodeLab, damage: str) -> None:
    """Origins that are not those of the manifest stop a decode before it begins."""
    folder, path = lab.freeze(), lab.places.manifest.with_name("eval_origins.npy")
    path.unlink()
    if damage == "changed":
        np.save(path, np.array([b"0" * 16]))
    with pytest.raises(UserError, match=r"eval_origins\.npy: .*[Rr]emove .*manifest\.json and run again"):
        lab.decode(folder)
    assert not Ledger(lab.ledger).entries()


def test_eval_is_read_once_to_verify_and_once_to_answer(lab: DecodeLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eval is digested in one pass; while its files stay as they were, no other pass but the model's reads it."""
    for path in (lab.places.seal.parent / "eval").iterdir():
        os.utime(path, (1, 1))
    monkeypatch.setattr("blindtune.decoding.sealed_split.is_settled", lambda files: True)
    seal = read_seal(lab.places.seal)
    _ = seal.identity
    monkeypatch.setattr("blindtune.decoding.sealed_split.digest_of_split", lambda split: pytest.fail("read again"))
    assert len(seal.open().y) == 30
    monkeypatch.undo()
    x = np.load(lab.places.seal.parent / "eval" / "x.npy")
    np.save(lab.places.seal.parent / "eval" / "x.npy", x + 1)
    with pytest.raises(UserError, match="are not those that were sealed"):
        seal.open()
