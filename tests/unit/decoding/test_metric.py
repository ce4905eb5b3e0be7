"""Decodes keep true labels, probabilities and origins with the answers, and compute the metric from them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import log_loss
from sklearn.neighbors import KNeighborsClassifier

from blindtune.core.arrays import digest_arrays, read_npz, write_npz
from blindtune.core.errors import RepeatedDecodeError, UserError
from blindtune.core.files import read_json
from blindtune.datasets.origins import read_places
from blindtune.datasets.prepared import open_split
from blindtune.decoding.ledger import Ledger
from blindtune.records.decode_result import DecodeResult, check_result, details_of, is_same_answer, labels_of
from support.decode_lab import DecodeLab


def check(result: DecodeResult, predictions: Any) -> DecodeResult:
    return check_result(result, predictions, "it", "the file", "Restore it.")


def test_decode_computes_the_metric_from_its_answers(lab: DecodeLab) -> None:
    """The result has the metric on eval, and the answers have all that it follows from."""
    result, predictions = lab.decode(lab.freeze(5, metric="log_loss"))
    sealed, train = open_split(lab.places.seal.parent / "eval"), lab.places.open().train
    probabilities = KNeighborsClassifier(5).fit(train.x, train.y).predict_proba(sealed.x).astype(np.float32)
    np.testing.assert_array_equal(predictions["true"], sealed.y)
    np.testing.assert_allclose(predictions["probabilities"], probabilities)
    assert predictions["probabilities"].dtype == np.float32
    assert (result.metric, result.metric_value) == ("log_loss", pytest.approx(log_loss(sealed.y, probabilities)))
    assert check(result, predictions) == result
    lab.hide_eval()
    again, same = lab.decode(lab.freeze(5, metric="log_loss"))
    assert again == result and digest_arrays(same) == digest_arrays(predictions)


def test_decode_of_the_error_has_no_metric(lab: DecodeLab) -> None:
    """Its result has the fields of before and one that identifies the details; the labels' digest is as before."""
    result, predictions = lab.decode(lab.freeze())
    assert result.predictions_sha256 == digest_arrays({name: predictions[name] for name in ("predicted", "wrong")})
    assert "metric" not in result.model_dump() and "metric_value" not in result.model_dump()
    assert result.details_sha256 == digest_arrays(details_of(predictions))


def test_another_metric_is_a_second_look(lab: DecodeLab) -> None:
    """Who has seen the error on eval and then chooses by another metric is not blind any more."""
    lab.decode(lab.freeze())
    with pytest.raises(RepeatedDecodeError):
        lab.decode(lab.freeze(metric="log_loss"))
    assert lab.events() == ["begun", "done"]


def test_results_of_before_have_no_details(lab: DecodeLab) -> None:
    """A result without details is read as it is, and true labels that it does not know are refused."""
    result, predictions = lab.decode(lab.freeze())
    old = result.model_copy(update={"details_sha256": None})
    assert check(old, labels_of(predictions)) == old
    assert is_same_answer(old, result) and not is_same_answer(old, result.model_copy(update={"wrong": 29}))
    with pytest.raises(UserError, match="is not what was recorded"):
        check(old, predictions)
    with pytest.raises(UserError, match="is not what was recorded"):
        check(result, labels_of(predictions))


def change(predictions: Any, **arrays: Any) -> tuple[Any, dict[str, Any]]:
    """Return changed predictions and the digests with which they agree."""
    changed = predictions | arrays
    digests = {
        "predictions_sha256": digest_arrays(labels_of(changed)),
        "details_sha256": digest_arrays(details_of(changed)),
    }
    return changed, digests


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("probabilities", "'metric_value' is"),
        ("true", "'samples marked wrong' is"),
        ("length", "does not hold one true label"),
        ("beyond", "does not hold one true label"),
        ("columns", "'probabilities, classes' is 3, but the file gives 2"),
        ("outside", "'confusion, classes' is 2, but the file gives at least 8"),
    ],
)
def test_what_contradicts_the_answers_is_refused(lab: DecodeLab, name: str, message: str) -> None:
    """No metric is believed because it is written down: it is computed from the answers again."""
    result, predictions = lab.decode(lab.freeze(metric="log_loss"))
    probabilities, true = predictions["probabilities"], predictions["true"]
    arrays = {
        "probabilities": {"probabilities": probabilities[:, ::-1].copy()},
        "true": {"true": 1 - true},
        "length": {"true": true[1:]},
        "beyond": {"probabilities": probabilities * 2},
        "columns": {"probabilities": np.hstack([probabilities, probabilities[:, :1]])},
        "outside": {"true": np.full_like(true, 7), "wrong": np.ones_like(predictions["wrong"])},
    }[name]
    changed, digests = change(predictions, **arrays)
    with pytest.raises(UserError, match=message):
        check(result.model_copy(update=digests), changed)


def test_probabilities_that_are_not_finite_have_the_worst_metric(lab: DecodeLab) -> None:
    """A network may overflow on a sample of eval; its decode has a value all the same."""
    result, predictions = lab.decode(lab.freeze(metric="log_loss"))
    broken, digests = change(predictions, probabilities=np.full_like(predictions["probabilities"], np.nan))
    assert check(result.model_copy(update=digests | {"metric_value": 16.0}), broken).metric_value == 16


def test_an_unknown_metric_is_refused(lab: DecodeLab) -> None:
    """A result with the metric of a package that is not installed names it."""
    result, predictions = lab.decode(lab.freeze(metric="log_loss"))
    with pytest.raises(UserError, match=r"metric: 'logloss' is not a metric: did you mean 'log_loss'"):
        check(result.model_copy(update={"metric": "logloss"}), predictions)


def test_a_metric_that_was_changed_is_refused(lab: DecodeLab) -> None:
    """A result with another metric than its answers give is refused, and one with a metric but no answers for it."""
    result, predictions = lab.decode(lab.freeze(metric="log_loss"))
    with pytest.raises(UserError, match=r"'metric_value' is 0.01"):
        check(result.model_copy(update={"metric_value": 0.01}), predictions)
    bare = result.model_copy(update={"details_sha256": None})
    with pytest.raises(UserError, match="'metric, without true labels' is log_loss"):
        check(bare, labels_of(predictions))
    with pytest.raises(UserError, match="'metric_value' is"):
        check(result.model_copy(update={"metric": None}), predictions)


def test_the_ledger_keeps_the_details(lab: DecodeLab, tmp_path: Path) -> None:
    """They are in the files of the decode and in those of the ledger, whose reader refuses other ones."""
    lab.decode_to_files(lab.freeze(metric="roc_auc"), tmp_path / "out")
    written = read_npz(tmp_path / "out" / "predictions.npz", "")
    assert {"true", "probabilities"} <= written.keys()
    content = read_json(tmp_path / "out" / "result.json")
    assert content["metric"] == "roc_auc" and content["metric_value"] >= 0
    [kept] = (lab.ledger / "predictions").iterdir()
    write_npz(kept, written | {"true": 1 - written["true"]})
    with pytest.raises(UserError, match="is not what was recorded"):
        Ledger(lab.ledger).read_predictions(DecodeResult.model_validate(content))


def test_origins_of_wrong_samples_are_kept(lab: DecodeLab) -> None:
    """If the preparation knows from where each sample comes, the answers say it of each wrong one."""
    sealed = lab.places.seal.parent / "eval"
    rows = [f"{number}\tleft\tp\tpatient {number}.edf\t{number / 2}" for number in range(30)]
    (sealed / "origins.tsv").write_text("\n".join(["sample\tclass\tgroup\tfile\tstart", *rows, ""]), encoding="utf-8")
    result, predictions = lab.decode(lab.freeze())
    wrong = np.flatnonzero(predictions["wrong"])
    assert predictions["origin"].tolist() == [f"patient {row}.edf at start {row / 2}".encode() for row in wrong]
    assert check(result, predictions) == result


def test_read_places(tmp_path: Path) -> None:
    """Without a table or without a file nothing is known; a short table is refused."""
    path = tmp_path / "origins.tsv"
    assert read_places(path, np.array([0])) is None
    path.write_text("sample\tclass\n0\tleft\n", encoding="utf-8")
    assert read_places(path, np.array([0])) is None
    path.write_text("sample\tclass\tgroup\tfile\n0\tleft\t\tä b.png\n1\tleft\t\tc.png\n", encoding="utf-8")
    assert read_places(path, np.array([1])) == ["c.png"] and read_places(path, np.array([0])) == ["ä b.png"]
    with pytest.raises(UserError, match="lacks some samples"):
        read_places(path, np.array([0, 2]))
    path.write_bytes(b"sample\tclass\tgroup\tfile\n0\tleft\t\t\xff.png\n")
    with pytest.raises(UserError, match="cannot be read"):
        read_places(path, np.array([0]))
