"""The seal: one look per frozen model, written down before it is shown, and nothing forgotten."""

import dataclasses
import json
import multiprocessing
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blindtune.config.systems import Bayes, ClosedLoop, Knn, Manual, RandomForest
from blindtune.core.errors import RepeatedDecodeError, UserError
from blindtune.core.job_log import JobLog
from blindtune.datasets.base import LoadedDataset, Split
from blindtune.datasets.csv_folder import CsvFolderConfig
from blindtune.datasets.prepared import open_split, prepare
from blindtune.decoding import decode as seal
from blindtune.decoding.decode import FrozenModel, decode, decode_to_files, sample_splits
from blindtune.decoding.ledger import Ledger
from blindtune.records.decode_result import DecodeResult
from blindtune.records.model_card import ModelCard
from blindtune.study.run import run
from support.builders import Places, prepare_toy, study


class Lab:
    """One dataset, one ledger, and studies of k-nearest neighbours."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.places: Places = prepare_toy(folder)
        self.ledger = folder / "ledger"
        self.said: list[str] = []

    def freeze(self, neighbours: int = 3, **changes: Any) -> Path:
        """The folder of a frozen model."""
        settings = changes.pop("settings", Knn(kind="knn", n_neighbors=[neighbours]))
        it = study(settings, **changes)
        folder = self.folder / "studies" / f"{neighbours}-{it.system}-{it.settings.kind}"
        run(it, self.places.open(), {}, "code", folder, JobLog())
        return folder

    def decode(self, folder: Path, repeats: bool = False) -> tuple[DecodeResult, Any]:
        card = seal.read_card(folder / "card.json")
        model = FrozenModel(card, folder, self.places.open())
        return decode(model, self.places.seal, Ledger(self.ledger), repeats, self.said.append)

    def to_files(self, folder: Path, out: Path) -> None:
        decode_to_files(
            folder / "card.json", self.places.manifest, self.places.seal, self.ledger, False, 5, out, self.said.append
        )

    def events(self) -> list[str]:
        return [entry["event"] for entry in Ledger(self.ledger).entries()]

    def hide_eval(self) -> None:
        (self.places.seal.parent / "eval").rename(self.places.seal.parent / "away")

    def change_ledger(self, change: Any) -> None:
        path = self.ledger / "ledger.jsonl"
        path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def test_a_look_counts_what_the_model_got_wrong(lab: Lab) -> None:
    folder = lab.freeze()
    look, answers = lab.decode(folder)
    sealed, train = open_split(lab.places.seal.parent / "eval"), lab.places.open().train
    from sklearn.neighbors import KNeighborsClassifier

    predicted = KNeighborsClassifier(3).fit(train.x, train.y).predict(sealed.x)
    np.testing.assert_array_equal(answers["predicted"], predicted)
    np.testing.assert_array_equal(answers["wrong"], predicted != sealed.y)
    assert look.wrong == int((predicted != sealed.y).sum()) and look.error == look.wrong / 30
    assert (look.samples, look.blind) == (30, True)
    assert look.confusion == [
        [int(((sealed.y == true) & (predicted == said)).sum()) for said in (0, 1)] for true in (0, 1)
    ]
    assert lab.events() == ["begun", "done"]


def test_the_same_model_is_answered_without_the_sealed_files(lab: Lab) -> None:
    folder = lab.freeze()
    first, answers = lab.decode(folder)
    lab.hide_eval()
    again, same = lab.decode(folder)
    assert again == first
    assert all((same[name] == answers[name]).all() for name in answers) and same.keys() == answers.keys()
    assert lab.events() == ["begun", "done"], "no new look"
    assert "answered from the ledger" in lab.said[-1]


def test_a_look_is_begun_before_the_data_are_opened(lab: Lab) -> None:
    folder = lab.freeze()
    lab.hide_eval()
    with pytest.raises(UserError, match=r"eval/x\.npy: cannot be read"):
        lab.decode(folder)
    assert lab.events() == ["begun"]


def test_a_result_is_written_down_before_it_is_said(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = lab.freeze()
    card = seal.read_card(folder / "card.json")
    events = []
    decode(
        FrozenModel(card, folder, lab.places.open()),
        lab.places.seal,
        Ledger(lab.ledger),
        False,
        lambda line: events.append(lab.events()),
    )
    assert events == [["begun", "done"]]


def test_another_model_of_the_study_is_refused_and_told_what_to_do(lab: Lab) -> None:
    lab.decode(lab.freeze(3))
    with pytest.raises(RepeatedDecodeError) as caught:
        lab.decode(lab.freeze(5))
    message = str(caught.value)
    assert message.startswith("test/toy/it/42: another model of this study looked at this eval data at 20")
    assert "'repeats: [toy/it]'" in message and "a name of its own" in message
    assert lab.events() == ["begun", "done"]


def test_other_studies_and_new_eval_data_are_not_concerned(lab: Lab) -> None:
    lab.decode(lab.freeze(3))
    assert lab.decode(lab.freeze(5, system="other"))[0].blind
    assert lab.decode(lab.freeze(5, seed=43, system="it"))[0].blind
    new = Lab(lab.folder / "new")
    new.places, new.ledger = prepare_toy(lab.folder / "more", eval=40), lab.ledger
    assert new.decode(new.freeze(5))[0].blind


def test_an_allowed_repeat_is_marked_and_the_first_look_stays_blind(lab: Lab) -> None:
    first, second = lab.freeze(3), lab.freeze(5)
    assert lab.decode(first)[0].blind
    look, _ = lab.decode(second, repeats=True)
    assert not look.blind
    assert not lab.decode(second, repeats=False)[0].blind, "answered from the ledger, as it was"
    assert lab.decode(first)[0].blind
    assert lab.events() == ["begun", "done"] * 2
    with pytest.raises(RepeatedDecodeError):
        lab.decode(lab.freeze(7))


def test_changed_eval_data_are_found(lab: Lab) -> None:
    folder = lab.freeze()
    labels = lab.places.seal.parent / "eval" / "y.npy"
    y = np.load(labels)
    np.save(labels, 1 - y)
    with pytest.raises(UserError, match="the eval data are not those that were sealed"):
        lab.decode(folder)
    np.save(labels, y)
    assert lab.decode(folder)[0].samples == 30


def test_changed_training_data_are_found_before_a_look_begins(lab: Lab) -> None:
    folder = lab.freeze()
    lab.places = prepare_toy(lab.folder / "other", seed=3)
    with pytest.raises(UserError, match="was frozen on other train and dev data"):
        lab.decode(folder)
    assert lab.events() == []


@pytest.mark.parametrize("change", [{"model_seed": 5}, {"hyperparameters": {"neighbours": 1}}, {"dev_error": 0.01}])
def test_a_changed_card_is_found_before_a_look_begins(lab: Lab, change: dict[str, Any]) -> None:
    path = lab.freeze() / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | change), encoding="utf-8")
    with pytest.raises(UserError, match=r"card\.json: was changed after it was written"):
        lab.to_files(path.parent, lab.folder / "out")
    assert lab.events() == [] and not (lab.folder / "out").exists()


def test_after_a_kill_the_same_model_may_finish_and_another_may_not(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = lab.freeze(3), lab.freeze(5)

    def killed(*args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(seal, "_look", killed)
        with pytest.raises(KeyboardInterrupt):
            lab.decode(first)
    assert lab.events() == ["begun"]
    with pytest.raises(RepeatedDecodeError):
        lab.decode(second)
    assert lab.decode(first)[0].blind
    assert lab.events() == ["begun", "begun", "done"]


@pytest.mark.parametrize("keep", ["half", "all but the line feed"])
def test_a_line_torn_by_a_kill_neither_blocks_nor_forgets(lab: Lab, keep: str) -> None:
    first, second = lab.freeze(3), lab.freeze(5)
    look, _ = lab.decode(first)

    def cut(text: str) -> str:
        begun, done, _ = text.split("\n")
        return f"{begun}\n{done[: len(done) // 2] if keep == 'half' else done}"

    lab.change_ledger(cut)
    with pytest.raises(RepeatedDecodeError):
        lab.decode(second)
    again, _ = lab.decode(first)
    assert again.error == look.error and again.blind
    assert lab.decode(second, repeats=True)[0].blind is False
    text = (lab.ledger / "ledger.jsonl").read_text(encoding="utf-8")
    assert all(isinstance(json.loads(line), dict) for line in text.removesuffix("\n").split("\n"))
    torn = [path.name for path in lab.ledger.glob("ledger.jsonl.torn*")]
    assert torn == (["ledger.jsonl.torn-1"] if keep == "half" else [])
    assert ("ledger.jsonl.torn-1" in text) == (keep == "half")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"event":"begun","time":"now","eval_sha256":"0"}',
        '{"event":"done","time":"now","eval_sha256":"0","study":"s","frozen_sha256":"f"}',
    ],
)
def test_a_broken_line_stops_everything(lab: Lab, line: str) -> None:
    folder = lab.freeze()
    lab.decode(folder)
    lab.change_ledger(lambda text: text.replace("\n", f"\n{line}\n", 1))
    with pytest.raises(UserError, match=r"ledger\.jsonl, line 2: is no ledger entry \(.*\)\. Restore it from a backup"):
        lab.decode(folder)
    with pytest.raises(UserError, match="line 2"):
        Ledger(lab.ledger).begin("a/b/c/1", "f", "e", repeats=False)


@pytest.mark.parametrize("damage", ["gone", "changed", "cut", "empty"])
def test_kept_answers_that_were_lost_or_changed_are_found(lab: Lab, damage: str) -> None:
    folder = lab.freeze()
    look, answers = lab.decode(folder)
    path = Ledger(lab.ledger).answers(look)
    match damage:
        case "gone":
            path.unlink()
        case "empty":
            path.write_bytes(b"")
        case "cut":
            path.write_bytes(path.read_bytes()[:60])
        case _:
            seal.write_npz(path, answers | {"wrong": ~answers["wrong"]})
    with pytest.raises(UserError, match="Restore it from a backup"):
        lab.decode(folder)
    assert lab.events() == ["begun", "done"]


def test_an_estimate_looks_once_too(lab: Lab) -> None:
    loop = ClosedLoop(n_neighbors=3, n_estimators=5)
    folder = lab.freeze(settings=Bayes(kind="bayes", train=loop, dev=loop, eval=loop))
    look, answers = lab.decode(folder)
    assert (answers, look.wrong, look.confusion, look.answers_sha256) == (None, None, None, None)
    assert look.error == look.estimates["closed_loop"]
    lab.hide_eval()
    assert lab.decode(folder) == (look, None)


def test_files_hold_look_answers_and_surface(lab: Lab) -> None:
    folder, out = lab.freeze(), lab.folder / "out"
    lab.to_files(folder, out)
    look = DecodeResult.model_validate_json((out / "look.json").read_text(encoding="utf-8"))
    with np.load(out / "answers.npz") as answers, np.load(out / "surface.npz") as surface:
        assert int(answers["wrong"].sum()) == look.wrong
        assert (surface["x"].shape, surface["label"].shape) == ((5,), (5, 5))
        assert set(np.unique(surface["label"])) <= {0, 1}
    card = ModelCard.model_validate(json.loads((folder / "card.json").read_text(encoding="utf-8")) | {}, extra="ignore")
    assert look.frozen_sha256 == card.frozen_sha256()


class Watched:
    """Stands for the trainer and the view of a frozen model, and notes what they are asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rebuilt = 0
        self.seen: list[int] = []
        create_trainer, make_view = seal.create_trainer, seal.make_view

        def trainer(name: str, workers: int) -> Any:
            self.rebuilt += 1
            return create_trainer(name, workers)

        def view(sees: Any, data: Any) -> Any:
            look = make_view(sees, data)
            return lambda x: self.seen.append(len(x)) or look(x)

        monkeypatch.setattr(seal, "trainer_for", trainer)
        monkeypatch.setattr(seal, "behind", view)


def test_the_surface_is_that_of_the_model_that_looked_rebuilt_once(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, watched = lab.freeze(), Watched(monkeypatch)
    lab.to_files(folder, lab.folder / "out")
    assert (watched.rebuilt, watched.seen) == (1, [60, 30, 25]), "train, eval, the plane"
    lab.to_files(folder, lab.folder / "again")
    assert (watched.rebuilt, watched.seen[3:]) == (2, [60, 25]), "answered from the ledger"
    first, second = (np.load(lab.folder / name / "surface.npz") for name in ("out", "again"))
    np.testing.assert_array_equal(first["label"], second["label"])


def test_a_network_has_no_need_to_see_train_again(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    model = lab.folder / "model.yaml"
    model.write_text("layers: [{kind: dense, units: 2, activation: relu}]\ntraining: {epochs: 1}\n")
    it, folder = study(Manual(kind="manual", model=str(model))), lab.folder / "network"
    run(it, lab.places.open(), {"model": model}, "code", folder, JobLog())
    watched = Watched(monkeypatch)
    lab.to_files(folder, lab.folder / "out")
    assert (watched.rebuilt, watched.seen) == (1, [30, 25]), "eval, the plane"


def test_a_look_is_the_same_on_any_number_of_cores(lab: Lab) -> None:
    loop = ClosedLoop(n_neighbors=3, n_estimators=5)
    for settings in (
        Knn(kind="knn", n_neighbors=[3]),
        RandomForest(kind="random_forest", n_estimators=[5]),
        Bayes(kind="bayes", train=loop, dev=loop, eval=loop),
    ):
        folder = lab.freeze(settings=settings, system=settings.kind)
        card = seal.read_card(folder / "card.json")
        found = []
        for workers in (1, 2, 3):
            model = FrozenModel(card, folder, lab.places.open(), workers)
            ledger = Ledger(lab.folder / f"ledger-{settings.kind}-{workers}")
            look, _ = decode(model, lab.places.seal, ledger, False, lab.said.append)
            found.append(look.model_copy(update={"looked": ""}))
        assert found[0] == found[1] == found[2]


class Grouped(CsvFolderConfig):
    """Its samples belong to four patients in each split."""

    def load(self, files: dict[str, Path]) -> LoadedDataset:
        loaded = super().load(files)
        splits = {
            name: Split(split.x, split.y, 4 * number + np.arange(len(split.y)) % 4)
            for number, (name, split) in enumerate(loaded.splits.items())
        }
        return dataclasses.replace(loaded, splits=splits)


@pytest.fixture
def patients(lab: Lab) -> Lab:
    folder = lab.folder / "csv/toy"
    files = {path.stem: path for path in sorted(folder.glob("*.csv"))}
    prepare("toy", Grouped(source="isip", folder=str(folder)), files, lab.places.manifest, lab.places.seal)
    return lab


def test_a_look_counts_what_was_wrong_in_each_group(patients: Lab) -> None:
    look, answers = patients.decode(patients.freeze())
    group = open_split(patients.places.seal.parent / "eval").group
    assert look.groups is not None and group is not None
    assert [(one.group, one.samples, one.wrong) for one in look.groups] == [
        (number, int((group == number).sum()), int(answers["wrong"][group == number].sum()))
        for number in np.unique(group)
    ]
    assert sum(one.wrong for one in look.groups) == look.wrong


def test_data_without_groups_have_none_and_older_looks_are_still_read(patients: Lab, tmp_path: Path) -> None:
    folder = patients.freeze()
    look, _ = patients.decode(folder)

    def forget(text: str) -> str:
        begun, done, _ = text.split("\n")
        entry = json.loads(done)
        del entry["look"]["groups"]
        return f"{begun}\n{json.dumps(entry)}\n"

    patients.change_ledger(forget)
    old, _ = patients.decode(folder)
    assert old.groups is None and old == look.model_copy(update={"groups": None})
    plain = Lab(tmp_path / "plain")
    assert plain.decode(plain.freeze())[0].groups is None


def test_of_other_than_two_features_no_picture_is_made_and_the_seal_stays_closed(lab: Lab) -> None:
    data = lab.places.open()
    wide = dataclasses.replace(data, train=Split(np.zeros((4, 3, 5), dtype=np.float32), np.arange(4) % 2))
    lab.hide_eval()
    assert sample_splits(wide, lab.places.seal, Ledger(lab.ledger), 10) == {}
    assert lab.events() == []


def test_a_picture_is_written_down(lab: Lab) -> None:
    arrays = sample_splits(lab.places.open(), lab.places.seal, Ledger(lab.ledger), 10)
    assert {name: len(array) for name, array in arrays.items()} == {
        f"{split}_{axis}": 10 for split in ("train", "dev", "eval") for axis in "xy"
    }
    assert lab.events() == ["pictured"]
    assert lab.decode(lab.freeze())[0].blind


def test_a_picture_of_a_file_sorted_by_class_shows_every_class(lab: Lab) -> None:
    data = lab.places.open()
    order = np.argsort(data.train.y, kind="stable")
    data = dataclasses.replace(data, train=Split(data.train.x[order], data.train.y[order]))
    assert set(sample_splits(data, lab.places.seal, Ledger(lab.ledger), 20)["train_y"]) == {0, 1}


def test_an_empty_ledger_knows_no_look(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "none")
    assert ledger.entries() == [] and ledger.answer("s", "f", "e") is None


def _begin(folder: str, writer: int, count: int) -> None:
    for number in range(count):
        Ledger(Path(folder)).begin(f"a/b/{writer}_{number}/1", "f", "e", repeats=False)


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("fork")
    writers = [spawn.Process(target=_begin, args=(str(tmp_path), writer, 40)) for writer in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0]
    found = [entry["study"] for entry in Ledger(tmp_path).entries()]
    assert sorted(found) == sorted(f"a/b/{writer}_{number}/1" for writer in range(2) for number in range(40))


class _Slow(Ledger):
    """Takes its time between reading and writing, so that only the lock can keep two apart."""

    def _looks(self, study: str, sealed: str) -> list[dict[str, Any]]:
        found = super()._looks(study, sealed)
        time.sleep(0.3)
        return found


def _claim(folder: str, frozen: str, results: Any) -> None:
    try:
        results.put(_Slow(Path(folder)).begin("a/b/c/1", frozen, "e", repeats=False))
    except RepeatedDecodeError:
        results.put(None)


def test_of_two_models_at_once_only_one_may_look(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("fork")
    results = spawn.Queue()
    rivals = [spawn.Process(target=_claim, args=(str(tmp_path), frozen, results)) for frozen in "fg"]
    for rival in rivals:
        rival.start()
    outcomes = [results.get(timeout=60) for _ in rivals]
    for rival in rivals:
        rival.join(60)
    assert sorted(outcomes, key=str) == [None, True]
    assert len(Ledger(tmp_path).entries()) == 1
