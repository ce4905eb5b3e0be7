"""Decode: once for each frozen model, recorded before the result is shown, and nothing forgotten."""

import dataclasses
import json
import multiprocessing
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from blindtune.config.systems import Bayes, ClosedLoop, Knn, Manual, RandomForest
from blindtune.core.errors import RepeatedDecodeError, UserError
from blindtune.datasets.base import LoadedDataset, Split
from blindtune.datasets.csv_folder import CsvFolderConfig, CsvFolderSource
from blindtune.datasets.prepared import open_split, prepare
from blindtune.decoding import decode as decode_module
from blindtune.decoding import frozen_model
from blindtune.decoding.decode import decode
from blindtune.decoding.ledger import Ledger
from blindtune.decoding.sample_splits import sample_splits
from blindtune.records.decode_result import DecodeResult
from blindtune.records.model_card import read_card, write_card
from support.builders import prepare_toy
from support.decode_lab import DecodeLab

LOOP = ClosedLoop(n_neighbors=3, n_estimators=5)
BAYES = Bayes(kind="bayes", train=LOOP, dev=LOOP, eval=LOOP)


def test_decode_counts_wrong_samples(lab: DecodeLab) -> None:
    """The result counts what the model predicts wrongly, and the ledger has a line before and after."""
    folder = lab.freeze()
    result, predictions = lab.decode(folder)
    sealed, train = open_split(lab.places.seal.parent / "eval"), lab.places.open().train
    predicted = KNeighborsClassifier(3).fit(train.x, train.y).predict(sealed.x)
    np.testing.assert_array_equal(predictions["predicted"], predicted)
    np.testing.assert_array_equal(predictions["wrong"], predicted != sealed.y)
    assert result.wrong == int((predicted != sealed.y).sum()) and result.error == result.wrong / 30
    assert (result.samples, result.blind) == (30, True)
    assert result.confusion == [
        [int(((sealed.y == true) & (predicted == label)).sum()) for label in (0, 1)] for true in (0, 1)
    ]
    assert lab.events() == ["begun", "done"]


def test_decode_answers_the_same_model_from_the_ledger(lab: DecodeLab) -> None:
    """A model that was decoded gets its result again without the sealed files."""
    folder = lab.freeze()
    first, predictions = lab.decode(folder)
    lab.hide_eval()
    again, same = lab.decode(folder)
    assert again == first
    assert all((same[name] == predictions[name]).all() for name in predictions) and same.keys() == predictions.keys()
    assert lab.events() == ["begun", "done"], "not decoded again"
    assert "answered from the ledger" in lab.lines[-1]


def test_decode_is_begun_before_eval_is_predicted(lab: DecodeLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the model gets the samples of eval, the ledger has its first line."""
    folder, events = lab.freeze(), []
    score = decode_module._score

    def watched(*args: Any) -> Any:
        events.append(lab.events())
        return score(*args)

    monkeypatch.setattr(decode_module, "_score", watched)
    lab.decode(folder)
    assert events == [["begun"]]


@pytest.mark.parametrize("damage", ["gone", "label", "sample", "seal"])
def test_decode_verifies_eval_before_it_begins(lab: DecodeLab, damage: str) -> None:
    """Eval that is missing or not what was sealed is refused before the ledger has a line."""
    folder = lab.freeze()
    match damage:
        case "gone":
            lab.hide_eval()
        case "seal":
            seal = json.loads(lab.places.seal.read_text(encoding="utf-8"))
            lab.places.seal.write_text(json.dumps(seal | {"content_sha256": "0" * 64}), encoding="utf-8")
        case _:
            path = lab.places.seal.parent / "eval" / ("y.npy" if damage == "label" else "x.npy")
            array = np.load(path)
            array[3] = 1 - array[3]
            np.save(path, array)
    with pytest.raises(UserError, match=r"eval/x\.npy: cannot be read|not those that were sealed"):
        lab.decode(folder)
    assert lab.events() == []


def test_decode_records_the_result_before_reporting_it(lab: DecodeLab) -> None:
    """When the line with the error is shown, the result is in the ledger."""
    model = lab.model(lab.freeze())
    events = []
    decode(
        model,
        lab.places.seal,
        Ledger(lab.ledger),
        allow_repeats=False,
        report=lambda line: events.append(lab.events()),
    )
    assert events == [["begun", "done"]]


def test_decode_refuses_another_model_of_the_study(lab: DecodeLab) -> None:
    """A second model of a study is refused, and the message says what to do."""
    lab.decode(lab.freeze(3))
    with pytest.raises(RepeatedDecodeError) as caught:
        lab.decode(lab.freeze(5))
    message = str(caught.value)
    assert message.startswith("test/toy/it/42: another model of this study was decoded on this eval data at 20")
    assert "'allow_repeated_decode: [toy/it]'" in message and "a new name" in message
    assert lab.events() == ["begun", "done"]


def test_decode_of_other_studies_and_new_data_is_blind(lab: DecodeLab) -> None:
    """Other systems, other seeds and other eval data are not concerned by a decode."""
    lab.decode(lab.freeze(3))
    assert lab.decode(lab.freeze(5, system="other"))[0].blind
    assert lab.decode(lab.freeze(5, seed=43, system="it"))[0].blind
    new = DecodeLab(lab.folder / "new")
    new.places, new.ledger = prepare_toy(lab.folder / "more", eval=40), lab.ledger
    assert new.decode(new.freeze(5))[0].blind


def test_decode_marks_an_allowed_repeat(lab: DecodeLab) -> None:
    """A repeat that the config allows is not blind, and the first decode stays blind."""
    first, second = lab.freeze(3), lab.freeze(5)
    assert lab.decode(first)[0].blind
    result, _ = lab.decode(second, allow_repeats=True)
    assert not result.blind
    assert not lab.decode(second, allow_repeats=False)[0].blind, "answered from the ledger, as it was"
    assert lab.decode(first)[0].blind
    assert lab.events() == ["begun", "done"] * 2
    with pytest.raises(RepeatedDecodeError):
        lab.decode(lab.freeze(7))


def test_decode_refuses_changed_eval_data(lab: DecodeLab) -> None:
    """Eval data that are not those that were sealed are refused; the right ones are decoded later."""
    folder = lab.freeze()
    labels = lab.places.seal.parent / "eval" / "y.npy"
    y = np.load(labels)
    np.save(labels, 1 - y)
    with pytest.raises(UserError, match="the eval data are not those that were sealed"):
        lab.decode(folder)
    np.save(labels, y)
    assert lab.decode(folder)[0].samples == 30


def test_decode_refuses_a_result_that_contradicts_its_predictions(lab: DecodeLab) -> None:
    """A ledger of before, whose recorded error is not that of the predictions, is refused by the name of the field."""
    folder = lab.freeze()
    result, _ = lab.decode(folder)

    def change(text: str) -> str:
        return text.replace(f'"error": {result.error}', '"error": 0.0')

    lab.forget_chain(change)
    with pytest.raises(UserError, match=r"result of test/toy/it/42: contradicts the answers: 'error' is 0\.0, but"):
        lab.decode(folder)


def test_decode_refuses_changed_training_data(lab: DecodeLab) -> None:
    """Other train and dev data than the model was frozen on are refused before a decode begins."""
    folder = lab.freeze()
    lab.places = prepare_toy(lab.folder / "other", seed=3)
    with pytest.raises(UserError, match="was frozen on other train and dev data"):
        lab.decode(folder)
    assert lab.events() == []


@pytest.mark.parametrize("array", ["train/x", "train/y", "dev/x", "dev/y"])
def test_decode_refuses_arrays_replaced_after_the_freeze(lab: DecodeLab, array: str, tmp_path: Path) -> None:
    """An array of train or dev that was replaced after the freeze is named before a decode begins."""
    folder = lab.freeze()
    path = lab.places.manifest.parent / f"{array}.npy"
    np.save(path, np.load(path)[::-1])
    with pytest.raises(UserError, match=f"{array}.npy: not what the preparation wrote"):
        lab.decode_to_files(folder, tmp_path / "out")
    assert lab.events() == []


def test_decode_refuses_eval_of_another_preparation(lab: DecodeLab) -> None:
    """A seal of other eval data than the manifest names is refused before a decode begins, and for the figure."""
    folder = lab.freeze()
    other = prepare_toy(lab.folder / "other", seed=3)
    data = lab.places.open()
    with pytest.raises(UserError, match=r"seal\.json: seals other eval data than the manifest of toy names"):
        decode(lab.model(folder), other.seal, Ledger(lab.ledger), allow_repeats=False, report=print)
    with pytest.raises(UserError, match=r"seal\.json: seals other eval data"):
        sample_splits(data, other.seal, Ledger(lab.ledger), 5)
    assert lab.events() == []


@pytest.mark.parametrize("change", [{"model_seed": 5}, {"hyperparameters": {"neighbours": 1}}, {"dev_error": 0.01}])
def test_decode_refuses_a_changed_card(lab: DecodeLab, change: dict[str, Any]) -> None:
    """A card that was changed by hand is refused before a decode begins."""
    path = lab.freeze() / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | change), encoding="utf-8")
    with pytest.raises(UserError, match=r"card\.json: was changed after it was written"):
        lab.decode_to_files(path.parent, lab.folder / "out")
    assert lab.events() == [] and not (lab.folder / "out").exists()


def network(lab: DecodeLab) -> dict[str, Any]:
    """Return the settings and files of a small manual network that learns something."""
    model = lab.folder / "model.yaml"
    training = "{epochs: 20, batch_size: 20, learning_rate: 0.05}"
    model.write_text(f"layers: [{{kind: dense, units: 4, activation: relu}}]\ntraining: {training}\n")
    return {"settings": Manual(kind="manual", model=str(model)), "files": {"model": model}}


@pytest.mark.parametrize("kind", ["knn", "network"])
@pytest.mark.parametrize("cause", ["view", "record"])
def test_decode_refuses_a_model_with_another_dev_error(
    lab: DecodeLab, monkeypatch: pytest.MonkeyPatch, kind: str, cause: str
) -> None:
    """A model that, rebuilt, does not give its recorded dev error is refused before eval is opened.

    Its card and its weights are as they were; what changed is the view of the samples, or the recorded error.
    """
    folder = lab.freeze(**(network(lab) if kind == "network" else {}))
    if cause == "view":
        make_view = frozen_model.make_view
        monkeypatch.setattr(
            frozen_model,
            "make_view",
            lambda config, data, inputs: lambda x: -make_view(config, data, inputs)(np.asarray(x)),
        )
        if kind == "knn":
            # Mirrored train and mirrored dev have the same neighbours: only dev is changed here.
            monkeypatch.setattr(
                frozen_model,
                "make_view",
                lambda config, data, inputs: lambda x: np.asarray(x) * (1 if len(x) == 60 else -1),
            )
    else:
        card = read_card(folder / "card.json")
        write_card(folder / "card.json", card.model_copy(update={"dev_error": card.dev_error + 1 / 30}))
    lab.hide_eval()
    with pytest.raises(UserError, match=r"test/toy/it/42: the frozen model, rebuilt from its record, has a dev error"):
        lab.decode_to_files(folder, lab.folder / "out")
    assert lab.events() == [] and not (lab.folder / "out").exists()


def test_decode_after_a_kill_allows_the_same_model(lab: DecodeLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a kill in the middle of a decode, the same model may finish and another may not."""
    first, second = lab.freeze(3), lab.freeze(5)

    def killed(*args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(decode_module, "_score", killed)
        with pytest.raises(KeyboardInterrupt):
            lab.decode(first)
    assert lab.events() == ["begun"]
    with pytest.raises(RepeatedDecodeError):
        lab.decode(second)
    assert lab.decode(first)[0].blind
    assert lab.events() == ["begun", "begun", "done"]


def test_decode_of_an_estimate_happens_once(lab: DecodeLab) -> None:
    """An estimate of the Bayes error is decoded once too, and has no predictions."""
    folder = lab.freeze(settings=BAYES)
    result, predictions = lab.decode(folder)
    assert (predictions, result.wrong, result.confusion, result.predictions_sha256) == (None, None, None, None)
    assert result.error == result.estimates["closed_loop"]
    lab.hide_eval()
    assert lab.decode(folder) == (result, None)


def test_decode_to_files_writes_its_files(lab: DecodeLab) -> None:
    """The files hold the result, the predictions, the decision surface and the head of the ledger."""
    folder, out = lab.freeze(), lab.folder / "out"
    lab.decode_to_files(folder, out)
    assert sorted(path.name for path in out.iterdir()) == [
        "ledger_head.json",
        "predictions.npz",
        "result.json",
        "surface.npz",
    ]
    result = DecodeResult.model_validate_json((out / "result.json").read_text(encoding="utf-8"))
    with np.load(out / "predictions.npz") as predictions, np.load(out / "surface.npz") as surface:
        assert int(predictions["wrong"].sum()) == result.wrong
        assert (surface["x"].shape, surface["label"].shape) == ((5,), (5, 5))
        assert set(np.unique(surface["label"])) <= {0, 1}
    assert result.frozen_sha256 == read_card(folder / "card.json").frozen_sha256()


def decode_in_a_process(lab: DecodeLab, folder: Path, out: Path, outcomes: Any) -> None:
    """Decode into files, slowly; put the result, or the message of an error, into a queue, with the lines of decode."""
    score = decode_module._score

    def slow(*args: Any) -> Any:
        time.sleep(0.5)
        return score(*args)

    decode_module._score = slow  # type: ignore[assignment]
    try:
        lab.decode_to_files(folder, out)
        outcomes.put(["decoded", (out / "result.json").read_text(encoding="utf-8"), *lab.lines])
    except UserError as error:
        outcomes.put(["refused", str(error), *lab.lines])


@pytest.mark.parametrize("same", [True, False], ids=["one model", "two models"])
def test_two_decodes_of_a_study_at_once(lab: DecodeLab, same: bool) -> None:
    """The second decode waits: the same model is answered from the ledger, another one is refused by name."""
    first = lab.freeze(3)
    second = first if same else lab.freeze(5)
    fork = multiprocessing.get_context("fork")
    outcomes = fork.Queue()
    jobs = [
        fork.Process(target=decode_in_a_process, args=(lab, folder, lab.folder / "out", outcomes))
        for folder in (first, second)
    ]
    for job in jobs:
        job.start()
    found = sorted((outcomes.get(timeout=120) for _ in jobs), key=len)
    for job in jobs:
        job.join(60)
    assert lab.events() == ["begun", "done"]
    first_outcome, second_outcome = found
    assert first_outcome[0] == "decoded" and "; waiting for up to" in second_outcome[2]
    if same:
        assert second_outcome[:2] == first_outcome[:2] and "answered from the ledger" in second_outcome[3]
    else:
        assert second_outcome[0] == "refused" and len(second_outcome) == 3
        assert "another model of this study was decoded on this eval data" in second_outcome[1]


class Spy:
    """Counts the rebuilt models and notes how many samples were viewed.

    Attributes:
        rebuilt: number of trainers that were created to rebuild a model.
        viewed: number of samples of each call of a view.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rebuilt = 0
        self.viewed: list[int] = []
        create_trainer, make_view = frozen_model.create_trainer, frozen_model.make_view

        def trainer(name: str, workers: int) -> Any:
            self.rebuilt += 1
            return create_trainer(name, workers)

        def view(config: Any, data: Any, inputs: Any) -> Any:
            function = make_view(config, data, inputs)
            return lambda x: self.viewed.append(len(x)) or function(x)

        monkeypatch.setattr(frozen_model, "create_trainer", trainer)
        monkeypatch.setattr(frozen_model, "make_view", view)


def test_decode_rebuilds_the_model_once(lab: DecodeLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The surface is that of the decoded model, which is rebuilt once and verified on dev."""
    folder, spy = lab.freeze(), Spy(monkeypatch)
    lab.decode_to_files(folder, lab.folder / "out")
    assert (spy.rebuilt, spy.viewed) == (1, [60, 30, 30, 25]), "train, dev, eval, the plane"
    lab.decode_to_files(folder, lab.folder / "again")
    assert (spy.rebuilt, spy.viewed[4:]) == (2, [60, 30, 25]), "answered from the ledger"
    first, second = (np.load(lab.folder / name / "surface.npz") for name in ("out", "again"))
    np.testing.assert_array_equal(first["label"], second["label"])


def test_decode_of_a_network_does_not_view_train(lab: DecodeLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network is rebuilt from its weights: the view is not applied to train."""
    folder = lab.freeze(**network(lab))
    spy = Spy(monkeypatch)
    lab.decode_to_files(folder, lab.folder / "out")
    assert (spy.rebuilt, spy.viewed) == (1, [30, 30, 25]), "dev, eval, the plane"


def test_decode_is_the_same_on_any_number_of_cores(lab: DecodeLab) -> None:
    """Reference models and estimates give the same result with 1, 2 and 3 workers."""
    systems = (Knn(kind="knn", n_neighbors=[3]), RandomForest(kind="random_forest", n_estimators=[5]), BAYES)
    for settings in systems:
        folder = lab.freeze(settings=settings, system=settings.kind)
        found = []
        for workers in (1, 2, 3):
            ledger = Ledger(lab.folder / f"ledger-{settings.kind}-{workers}")
            model = lab.model(folder, workers)
            result, _ = decode(model, lab.places.seal, ledger, allow_repeats=False, report=lab.lines.append)
            found.append(result.model_copy(update={"decoded": ""}))
        assert found[0] == found[1] == found[2]


class GroupedCsvFolder(CsvFolderSource):
    """Its samples belong to four patients in each split."""

    def load(self, files: dict[str, Path]) -> LoadedDataset:
        loaded = super().load(files)
        splits = {
            name: Split(split.x, split.y, 4 * number + np.arange(len(split.y)) % 4)
            for number, (name, split) in enumerate(loaded.splits.items())
        }
        return dataclasses.replace(loaded, splits=splits)


@pytest.fixture
def patients(lab: DecodeLab) -> DecodeLab:
    """A lab whose samples have groups."""
    folder = lab.folder / "csv/toy"
    files = {path.stem: path for path in sorted(folder.glob("*.csv"))}
    source = GroupedCsvFolder(CsvFolderConfig(source="csv_folder", folder=str(folder)))
    prepare("toy", source, files, lab.places.manifest, lab.places.seal)
    return lab


def test_decode_counts_wrong_samples_by_group(patients: DecodeLab) -> None:
    """The result has the samples and the wrong samples of each group."""
    result, predictions = patients.decode(patients.freeze())
    group = open_split(patients.places.seal.parent / "eval").group
    assert result.groups is not None and group is not None
    assert [(one.group, one.samples, one.wrong) for one in result.groups] == [
        (number, int((group == number).sum()), int(predictions["wrong"][group == number].sum()))
        for number in np.unique(group)
    ]
    assert sum(one.wrong for one in result.groups) == result.wrong


def test_decode_without_groups_reads_older_results(patients: DecodeLab, tmp_path: Path) -> None:
    """A result that was recorded without groups is still read; data without groups have none."""
    folder = patients.freeze()
    result, _ = patients.decode(folder)

    def without_groups(text: str) -> str:
        begun, done, _ = text.split("\n")
        entry = json.loads(done)
        del entry["result"]["groups"]
        return f"{begun}\n{json.dumps(entry)}\n"

    patients.forget_chain(without_groups)
    old, _ = patients.decode(folder)
    assert old.groups is None and old == result.model_copy(update={"groups": None})
    plain = DecodeLab(tmp_path / "plain")
    assert plain.decode(plain.freeze())[0].groups is None


def test_frozen_model_names_a_card_with_old_keys(lab: DecodeLab) -> None:
    """A card whose settings have keys of another version cannot say what its model was; the file is named."""
    folder = lab.freeze()
    model = lab.model(folder)
    old = dataclasses.replace(
        model, card=model.card.model_copy(update={"settings": {"kind": "knn", "neighbours": [3]}})
    )
    with pytest.raises(UserError, match=r"card\.json: was written by another version of blindtune.*Remove it"):
        _ = old.settings
    assert model.settings.kind == "knn"
