"""Event-based scores of whole recordings: sealed with eval, computed in the one decode, verified by every reader."""

import json
import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from blindtune.config.systems import Knn
from blindtune.core.arrays import read_npz
from blindtune.core.errors import UserError
from blindtune.core.files import read_json
from blindtune.core.job_log import JobLog
from blindtune.core.validation import parse
from blindtune.datasets.corpus.extraction import extract_batch, simulate_batch
from blindtune.datasets.eeg.config import EegConfig
from blindtune.datasets.eeg.features import band_summary
from blindtune.datasets.prepared import open_prepared, open_split, prepare
from blindtune.datasets.registry import create_corpus
from blindtune.decoding.decode import decode_to_files
from blindtune.decoding.ledger import Ledger
from blindtune.decoding.recordings import answer_recordings, check_recordings
from blindtune.decoding.sealed_split import read_seal
from blindtune.metrics.events import SCORING, count_events
from blindtune.records.decode_result import (
    check_result,
    differing_fields,
    is_same_answer,
    parse_decode_result,
)
from blindtune.study.run import run_study
from blindtune.views.config import FeaturesView
from support.builders import study

EEG = {
    "source": "eeg",
    "stand_in": True,
    "simulate": {"patients": 6, "recordings": 1, "seconds": 180, "faults": []},
    "sizes": {"train": 4, "dev": 2, "eval": 2},
    "event_step": 5.0,
}


def decode(folder: Path) -> tuple[Any, Any]:
    """Decode the frozen model of a folder; return the result and the predictions."""
    decode_to_files(
        card=folder / "study" / "card.json",
        manifest=folder / "data" / "manifest.json",
        sealed=folder / "sealed" / "seal.json",
        ledger=folder / "ledger",
        allow_repeats=False,
        points=5,
        folder=folder / "decode",
        report=print,
    )
    result = parse_decode_result(read_json(folder / "decode" / "result.json"), "result")
    return result, read_npz(folder / "decode" / "predictions.npz", "")


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated corpus with event-based scores, and a frozen model of it."""
    folder = tmp_path_factory.mktemp("eeg")
    extracts = {}
    source = create_corpus(parse(EegConfig, EEG, "config.yaml"))
    for batch in source.batches():
        simulate_batch(source, batch, folder / "corpus", folder / f"{batch}.json")
        extracts[batch] = folder / ("sealed" if batch.startswith("eval") else "data") / "extracts" / f"{batch}.json"
        extract_batch(source, batch, folder / "corpus", extracts[batch])
    prepare("toy", source, extracts, folder / "data" / "manifest.json", folder / "sealed" / "seal.json")
    it = study(Knn(kind="knn", n_neighbors=[1], view=FeaturesView(kind="features")))
    data = open_prepared(folder / "data" / "manifest.json")
    run_study(it, data, files={}, code="code", folder=folder / "study", job_log=JobLog())
    return folder


@pytest.fixture
def place(frozen: Path, tmp_path: Path) -> Path:
    """A copy of it, to be decoded."""
    shutil.copytree(frozen, tmp_path / "it", ignore=shutil.ignore_patterns("corpus"))
    return tmp_path / "it"


def test_only_eval_has_whole_recordings(frozen: Path) -> None:
    """Whole recordings are written for eval alone, below the seal, and only their digest is outside of it."""
    sealed = sorted(path.relative_to(frozen).as_posix() for path in frozen.rglob("*.whole.npy"))
    listed = read_json(frozen / "sealed" / "eval" / "recordings.json")
    assert sealed == [f"sealed/{one['array']}" for one in listed["recordings"]] and sealed
    manifest, seal = (read_json(frozen / name) for name in ("data/manifest.json", "sealed/seal.json"))
    assert manifest["eval_recordings"]["sha256"] == seal["recordings_sha256"]
    assert manifest["eval_recordings"]["patients"] == listed["patients"]


def test_windows_are_prepared_as_samples_are(frozen: Path) -> None:
    """A sample of eval is, bit by bit, the part of its whole recording that begins where it was cut."""
    rows = (frozen / "sealed/eval/origins.tsv").read_text(encoding="utf-8").splitlines()
    head, x = rows[0].split("\t"), open_split(frozen / "sealed" / "eval").x
    listed = {one["file"]: one for one in read_json(frozen / "sealed/eval/recordings.json")["recordings"]}
    for number, row in enumerate(rows[1:]):
        place = dict(zip(head, row.split("\t"), strict=True))
        signal = np.load(frozen / "sealed" / listed[place["file"]]["array"], mmap_mode="r")
        first = round(float(place["start"]) * 50)
        np.testing.assert_array_equal(signal[first : first + 500].T, x[number])


def test_decode_scores_events_once(place: Path) -> None:
    """The one decode answers all windows with the view of the samples; the result follows from the answers."""
    result, predictions = decode(place)
    listed = read_json(place / "sealed/eval/recordings.json")["recordings"]
    windows = predictions["event_windows"]
    assert len(windows) == len(listed) * 35 and windows[1].tolist()[:2] == [0, 5.0]
    train = open_split(place / "data" / "train")
    signal = np.load(place / "sealed" / listed[0]["array"])
    x = np.stack([signal[at : at + 500].T for at in range(0, 8501, 250)])
    near = np.square(band_summary(x, 50)[:, None] - band_summary(np.asarray(train.x), 50)).sum(axis=2).argmin(axis=1)
    np.testing.assert_array_equal(windows[:35, 2], train.y[near] == 1)
    assert result.events is not None and sum(one.seconds for one in result.events) == 180 * len(listed)
    assert [tuple(one.model_dump().values()) for one in result.events] == count_events(predictions)
    assert sum(one.events for one in result.events) > 0
    shutil.rmtree(place / "sealed")
    (place / "decode" / "result.json").unlink()
    (place / "sealed").mkdir()
    (place / "sealed" / "seal.json").write_text(json.dumps({"sha256": result.eval_sha256}), encoding="utf-8")
    assert decode(place)[0] == result


def test_a_model_that_was_decoded_is_not_asked_for_event_scores(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Event-based scores that are asked for after the decode are not computed, and the log says so."""
    plain = {name: read_json(place / name) for name in ("data/manifest.json", "sealed/seal.json")}
    without = {name: dict(content) for name, content in plain.items()}
    del without["data/manifest.json"]["eval_recordings"], without["data/manifest.json"]["manifest_sha256"]
    del without["sealed/seal.json"]["recordings_sha256"]
    for name, content in without.items():
        (place / name).write_text(json.dumps(content), encoding="utf-8")
    first, predictions = decode(place)
    assert first.events is None and not any(name.startswith("event") for name in predictions)
    for name, content in plain.items():
        (place / name).write_text(json.dumps(content), encoding="utf-8")
    assert decode(place)[0] == first
    assert "without event-based scores, which were asked for after its decode" in capsys.readouterr().out


def test_event_scores_belong_to_their_recordings(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A result names the recordings that it counted; of other recordings it is the same model, and the log says so."""
    result, predictions = decode(place)
    seal, manifest = (read_json(place / name) for name in ("sealed/seal.json", "data/manifest.json"))
    assert result.recordings_sha256 == seal["recordings_sha256"] and result.events is not None
    events = [result.events[0].model_copy(update={"events": 99}), *result.events[1:]]
    other = result.model_copy(update={"events": events})
    assert not is_same_answer(result, other)
    assert is_same_answer(result, other.model_copy(update={"recordings_sha256": "other"}))
    assert is_same_answer(result, other.model_copy(update={"recordings_sha256": None, "events": None}))
    with pytest.raises(UserError, match="contradicts the answers: 'recordings_sha256' is None"):
        check_result(result.model_copy(update={"recordings_sha256": None}), predictions, "a", "b", "c")
    manifest["eval_recordings"]["sha256"] = seal["recordings_sha256"] = "other"
    del manifest["manifest_sha256"]
    (place / "sealed/seal.json").write_text(json.dumps(seal), encoding="utf-8")
    (place / "data/manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert decode(place)[0] == result
    assert "its event-based scores are of other recordings" in capsys.readouterr().out


def test_results_with_other_event_scores_are_refused(place: Path) -> None:
    """A reader counts again: a changed number, a changed answer and an array that is gone are refused."""
    result, predictions = decode(place)
    assert check_result(result, predictions, "a", "b", "c") == result and result.events is not None
    first = result.events[0].model_copy(update={"false_alarms": result.events[0].false_alarms + 1})
    changed = result.model_copy(update={"events": [first, *result.events[1:]]})
    with pytest.raises(UserError, match="contradicts the answers: 'events' is"):
        check_result(changed, predictions, "a", "b", "c")
    with pytest.raises(UserError, match="contradicts the answers: 'events' is None"):
        check_result(result.model_copy(update={"events": None}), predictions, "a", "b", "c")
    other = predictions | {"event_windows": predictions["event_windows"] * [1, 1, 0]}
    with pytest.raises(UserError, match="does not match the decode result"):
        check_result(result, other, "a", "b", "c")


def test_events_of_other_rules_are_counted_again(place: Path) -> None:
    """A result that an older version of the rules counted is read, with the counts of the present ones."""
    result, predictions = decode(place)
    assert result.event_scoring == SCORING and result.events is not None
    first = result.events[0].model_copy(update={"false_alarms": result.events[0].false_alarms + 1})
    old = result.model_copy(update={"events": [first, *result.events[1:]], "event_scoring": None})
    assert check_result(old, predictions, "a", "b", "c") == result
    assert [text.split()[0] for text in differing_fields(old, result)] == ["'events'", "'event_scoring'"], "as written"
    assert Ledger(place / "ledger").read_predictions(old) is not None, "so reads a decode that is asked for again"
    with pytest.raises(UserError, match=r"contradicts the answers: .*'event_scoring' is 1"):
        check_result(result.model_copy(update={"events": None, "event_scoring": 1}), predictions, "a", "b", "c")


@pytest.mark.parametrize("change", ["array", "list", "seal"])
def test_changed_recordings_stop_before_the_decode_begins(place: Path, change: str) -> None:
    """Recordings that are not those that were sealed are refused before anything is recorded in the ledger."""
    sealed = place / "sealed"
    listed = read_json(sealed / "eval" / "recordings.json")
    if change == "array":
        path = sealed / listed["recordings"][0]["array"]
        np.save(path, np.load(path) * 2)
    elif change == "list":
        listed["recordings"][0]["events"] = []
        (sealed / "eval" / "recordings.json").write_text(json.dumps(listed), encoding="utf-8")
    else:
        content = read_json(sealed / "seal.json")
        del content["recordings_sha256"]
        (sealed / "seal.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UserError, match=r"not what was sealed with eval|seals other recordings than the manifest"):
        decode(place)
    assert Ledger(place / "ledger").entries() == []


@pytest.mark.parametrize("is_old", [False, True])
def test_recordings_that_change_after_they_were_verified_are_refused(place: Path, is_old: bool) -> None:
    """A recording that is not as it was verified is never answered."""
    seal = read_seal(place / "sealed" / "seal.json")
    arrays = [seal.folder / one["array"] for one in read_json(seal.folder / "eval/recordings.json")["recordings"]]
    if is_old:
        for path in arrays:
            os.utime(path, (1e9, 1e9))
    check_recordings(read_json(place / "data" / "manifest.json"), seal)
    model = SimpleNamespace(predict=lambda x: np.zeros(len(x), np.int64))
    before = answer_recordings(cast("Any", model), seal)
    assert len(before["event_windows"]) == 35 * len(arrays)
    np.save(arrays[-1], np.load(arrays[-1]) * 2)
    with pytest.raises(UserError, match="not what was sealed with eval"):
        answer_recordings(cast("Any", model), seal)


def test_a_missing_library_stops_before_the_decode_begins(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without timescoring, nothing is recorded in the ledger."""
    monkeypatch.setitem(sys.modules, "timescoring.annotations", None)
    with pytest.raises(UserError, match="Run `make environment`"):
        decode(place)
    assert Ledger(place / "ledger").entries() == []
