"""The view ``extracted``: features by a user's own code, their contract, their cache and their identity."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from blindtune.config.schema import read_dataset
from blindtune.config.systems import Bayes, Knn
from blindtune.core import code_digest
from blindtune.core.errors import UserError
from blindtune.core.files import read_json, write_json
from blindtune.core.job_log import JobLog
from blindtune.datasets.prepared import Prepared
from blindtune.decoding.ledger import Ledger
from blindtune.exports.networks import write_torch
from blindtune.exports.stored_study import read_study
from blindtune.records.model_card import read_card
from blindtune.study import run
from blindtune.views import extractor_code, feature_store
from blindtune.views.apply import apply_view, collect_inputs, make_view
from blindtune.views.config import ExtractedView
from blindtune.views.extractor_code import check_extractor, plan_key
from support.builders import prepared, study
from support.decode_lab import DecodeLab
from support.extractors import CODE, compute_features, count_calls, write_callable, write_extractor
from support.post_mortem_lab import PostMortemLab
from support.tables import write_table_folder


@pytest.fixture(autouse=True)
def _fresh_process() -> Iterator[None]:
    """Forget what was opened in this process, as another job would not have it."""
    feature_store._opened.clear()
    yield


def knn(view: ExtractedView) -> Knn:
    """Return a system of the view."""
    return Knn(kind="knn", n_neighbors=[3], view=view)


def show(view: ExtractedView, data: Prepared) -> Prepared:
    """Return what a model gets, after the job of the features."""
    compute_features(view, data)
    return apply_view(view, data)


def test_features_are_computed_once_and_scaled_by_train(tmp_path: Path) -> None:
    """Every model of a view gets the same files, whose features have zero mean and unit deviation over train."""
    view, data = write_extractor(tmp_path / "own"), prepared(tmp_path)
    shown = show(view, data)
    calls = count_calls(tmp_path / "own")
    train = np.asarray(shown.train.x)
    assert train.shape == (60, 3) and train.dtype == np.float32
    np.testing.assert_allclose(train.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(train.std(axis=0), 1, atol=1e-5)
    feature_store._opened.clear()
    again = show(view, data)
    raw = np.asarray(show(view.model_copy(update={"standardize": False}), data).dev.x)
    assert count_calls(tmp_path / "own") == calls > 0
    np.testing.assert_array_equal(np.asarray(again.dev.x), np.asarray(shown.dev.x))
    assert np.abs(raw).max() <= 1
    [folder] = (tmp_path / "data" / "toy" / "features").glob("*/")
    assert sorted(path.name for path in folder.iterdir()) == ["dev.npy", "features.json", "train.npy"]
    assert folder.name == plan_key(view)


def test_features_of_other_samples_are_those_of_the_split(tmp_path: Path) -> None:
    """New samples get the features that they would have in a split; none give none."""
    view, data = write_extractor(tmp_path / "own"), prepared(tmp_path)
    expected = np.asarray(show(view, data).dev.x)
    show_other = make_view(view, data)
    np.testing.assert_array_equal(np.asarray(show_other(data.dev.x)), expected)
    assert np.asarray(show_other(data.dev.x[:0])).shape == (0, 3)


def test_features_in_memory_are_those_in_files(tmp_path: Path) -> None:
    """Data that no manifest describes get the same features, and nothing is written."""
    view, data = write_extractor(tmp_path / "own"), prepared(tmp_path)
    in_memory = apply_view(view, replace(data, path=None))
    assert not (tmp_path / "data" / "toy" / "features").exists()
    np.testing.assert_array_equal(np.asarray(in_memory.train.x), np.asarray(show(view, data).train.x))
    identities = [collect_inputs(view, one).identity() for one in (data, replace(data, path=None))]
    assert identities[0] == identities[1]


BROKEN = [
    ("return batch.tolist()", "returned an object of type list. Return a NumPy array"),
    ("return batch[:, 0].astype(np.float32)", r"returned the shape \(8,\) for 8 samples"),
    ("return batch[1:].astype(np.float32)", r"returned the shape \(7, 2\) for 8 samples"),
    ("return np.ones((len(batch), 2), int)", "numbers of type int64. Return float32"),
    ("return np.ones((len(batch), 0), np.float32)", "returned 0 features"),
    ("return np.ones((len(batch), 200_000), np.float32)", "returned 200,000 features"),
    ("return np.ones((len(batch), 2), np.float32) * np.float32(np.nan)", "not a finite number of 32 bits, for row 0"),
    ("return np.ones((len(batch), 2)) * 1e300", "not a finite number of 32 bits"),
    ("return np.random.normal(size=(len(batch), 2))", "other features for the same batch a second time"),
    ("return batch - batch.mean(axis=0) * 3", "other features for a sample in another batch"),
    ("return np.c_[np.full(len(batch), 1e3), np.random.normal(size=len(batch))]", "second time .feature 1 differs"),
    (
        "return np.c_[np.full(len(batch), 9.0), (batch - batch.mean(axis=0)) / 9]",
        r"another batch .feature \d differs",
    ),
    ("return np.ones((len(batch), len(batch)), np.float32)", "4 features of a sample, and 8 before"),
    ("return np.ma.masked_array(batch.astype(np.float32), mask=batch > 0)", "returned a masked array"),
    ("return 1 / 0", r"extractor\.py:5: ZeroDivisionError: division by zero"),
    ("batch[:] = 0\nreturn np.asarray(batch).astype(str)", "numbers of type <U"),
]


@pytest.mark.parametrize(("body", "message"), BROKEN, ids=range(len(BROKEN)))
def test_broken_contract_is_refused(tmp_path: Path, body: str, message: str) -> None:
    """The message names dataset, key, file and function, and what to return; nothing is written."""
    view, data = write_callable(tmp_path / "own", body), prepared(tmp_path)
    with pytest.raises(UserError, match=rf"dataset toy, view: build: .*extractor\.py:build: .*{message}"):
        show(view, data)
    assert not list((tmp_path / "data" / "toy").rglob("*.part.*")) and not list(
        (tmp_path / "data" / "toy" / "features").glob("*/*.npy")
    )


def test_features_that_change_with_what_was_seen_are_refused(tmp_path: Path) -> None:
    """An extractor that learns from the samples would give each split other features."""
    body = "extract.seen = getattr(extract, 'seen', 0) + (len(batch) > 8)\nreturn (batch + extract.seen)"
    with pytest.raises(UserError, match="other features for the first samples after all samples"):
        show(write_callable(tmp_path / "own", body), prepared(tmp_path))


@pytest.mark.parametrize("changes", [{"code": CODE.replace("tanh", "sin")}, {"seed": 1}])
def test_files_that_change_meanwhile_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    """Features of the code that was loaded are not kept under the identity of what was saved later."""
    data = prepared(tmp_path)
    view = write_extractor(tmp_path / "own")
    with pytest.raises(UserError, match=r"dataset toy, view: build: .*changed meanwhile\. Run again"):
        feature_store.write_features(
            view, data, plan_key(view), progress=lambda share, line: write_extractor(tmp_path / "own", **changes)
        )
    assert not list((tmp_path / "data" / "toy" / "features").glob("*/*"))


def test_number_of_features_is_one(tmp_path: Path) -> None:
    """Another number of features in a later batch is refused."""
    body = "return np.ones((len(batch), 2 + (len(batch) == 12)), np.float32)"
    with pytest.raises(UserError, match="3 features of a sample, and 2 before"):
        show(write_callable(tmp_path / "own", body, batch_size=16), prepared(tmp_path))


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "def build(input_shape, arguments, weights):\n    return 3\n",
            "returned an object of type int. Return a callable from",
        ),
        ("def build(input_shape, arguments, weights):\n    return None\n", "returned None. Return a callable from"),
        ("build = 3\n", "is not a function"),
        ("def build(input_shape):\n    return None\n", "TypeError: .*takes 1 positional argument"),
        ("raise LookupError('nothing')\ndef build(a, b, c): ...\n", r"extractor\.py:1: LookupError: nothing"),
        ("def build(input_shape, arguments, weights):\n    return open('gone.pt')\n", r"py:2: FileNotFoundError"),
    ],
)
def test_function_that_cannot_build_is_refused(tmp_path: Path, code: str, message: str) -> None:
    """What fails before the first batch has the same message."""
    view = write_extractor(tmp_path / "own", code)
    with pytest.raises(UserError, match=rf"view: build: .*extractor\.py:build: .*{message}"):
        show(view, prepared(tmp_path))


@pytest.mark.parametrize(
    "build", ["extractor", ".py", "extractor.py:", "extractor.py:a b", "extractor.pyc", "a.py:b:c"]
)
def test_build_names_a_file_and_a_function(build: str) -> None:
    """Anything else is refused by the config."""
    with pytest.raises(ValidationError, match="is not a file of Python code with the name of a function"):
        ExtractedView(kind="extracted", build=build)


def test_plan_checks_the_files(tmp_path: Path) -> None:
    """Missing files, a missing function, and sealed files are refused before anything runs."""
    view = write_extractor(tmp_path / "own", CODE + "\nif True:\n    other = build\n")
    check_extractor(view)
    check_extractor(view.model_copy(update={"build": f"{view.build}:other"}))
    sealed = write_extractor(tmp_path / "sealed" / "own")
    (tmp_path / "link.json").symlink_to(sealed.weights or "")
    for changes, message in (
        ({"build": f"{view.build}:extract"}, "has no function extract at its top level"),
        ({"build": str(tmp_path / "gone.py")}, r"view: build: .*gone\.py does not exist"),
        ({"weights": str(tmp_path / "gone.pt")}, r"view: weights: .*gone\.pt does not exist"),
        ({"weights": str(tmp_path)}, "view: weights: .* is not a file but a folder"),
        ({"build": sealed.build}, "is below a folder sealed"),
        ({"weights": str(tmp_path / "link.json")}, "is below a folder sealed"),
    ):
        with pytest.raises(UserError, match=message):
            check_extractor(view.model_copy(update=changes))


def test_identity_is_that_of_code_weights_and_arguments(tmp_path: Path) -> None:
    """Another place or comment is the same model; other code, weights, arguments or batches are another one."""
    data = prepared(tmp_path)

    def identify(view: ExtractedView) -> tuple[str, str]:
        compute_features(view, data)
        return plan_key(view), str(collect_inputs(view, data).identity())

    first = write_extractor(tmp_path / "one")
    base = identify(first)
    assert identify(write_extractor(tmp_path / "two", "# a comment\n" + CODE)) == base
    others = [
        write_extractor(tmp_path / "three", CODE.replace("tanh", "sin")),
        write_extractor(tmp_path / "four", seed=1),
        write_extractor(tmp_path / "one", arguments={"scale": 0.5}),
        write_extractor(tmp_path / "one", batch_size=7),
    ]
    found = [base, *map(identify, others)]
    assert len({key for key, _ in found}) == len({identity for _, identity in found}) == 5
    assert identify(first.model_copy(update={"standardize": False})) == base, "a key of the view alone"


def test_other_values_of_blindtune_are_other_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What blindtune's own code gave before a change of values is not found again."""
    view, data = write_extractor(tmp_path / "own"), prepared(tmp_path)
    show(view, data)
    before, calls = plan_key(view), count_calls(tmp_path / "own")
    monkeypatch.setattr(extractor_code, "VALUES_VERSION", extractor_code.VALUES_VERSION + 1)
    assert plan_key(view) != before
    show(view, data)
    assert count_calls(tmp_path / "own") == 2 * calls


#: The code that computes features, by the version of their values.
VALUES_CODE = {
    1: {
        "blindtune.views.extractor": "aa9a8df3254dfb4c83d58a1ae9c06742328001ff04e0cdcc80c7d3ea50e66c15",
        "blindtune.views.feature_store": "bc26247664c9a6d46820740d18c5e8be8811b14f97bf2fca10a543b7c5544c3c",
    }
}


def test_version_of_values_is_not_forgotten() -> None:
    """Whoever edits code that computes features decides here whether it gives other features."""
    version = extractor_code.VALUES_VERSION
    found = {module: code_digest._parsed(module)[0] for module in VALUES_CODE[max(VALUES_CODE)]}
    assert (version, found) == (max(VALUES_CODE), VALUES_CODE[max(VALUES_CODE)]), (
        f"The code of features is not that of VALUES_VERSION {max(VALUES_CODE)}. If it can give other features for the "
        "same samples, raise VALUES_VERSION in blindtune.views.extractor_code, so that none computed before is taken, "
        f"and add the new version to VALUES_CODE; if not, keep the version. Then write these digests there: {found}"
    )


def test_frozen_identity_holds_what_the_view_is(tmp_path: Path) -> None:
    """A frozen model is another one with other weights or without scaling, and the same one where its files moved."""
    lab = DecodeLab(tmp_path)

    def without_name(view: ExtractedView, number: int) -> str:
        card = lab.model(lab.freeze(settings=knn(view), system=f"it{number}")).card
        return str(card.model_copy(update={"study": "same"}).frozen_sha256())

    first = write_extractor(tmp_path / "one")
    moved = write_extractor(tmp_path / "two")
    other = write_extractor(tmp_path / "three", seed=1)
    plain = first.model_copy(update={"standardize": False})
    found = [without_name(view, number) for number, view in enumerate((first, moved, other, plain))]
    assert found[0] == found[1] and len(set(found)) == 3


def test_decode_keeps_features_of_eval_under_the_seal(tmp_path: Path) -> None:
    """A study opens no eval; the first decode computes its features below sealed, and later ones take them."""
    lab, own = DecodeLab(tmp_path), tmp_path / "own"
    view = write_extractor(own)
    folders = [lab.freeze(settings=knn(view), system=f"it{number}") for number in (1, 2)]
    sealed = lab.places.seal.parent / "features"
    assert not sealed.exists()
    result, _ = lab.decode(folders[0])
    assert result.samples == 30
    [kept] = sealed.glob("*/")
    assert sorted(path.name for path in kept.iterdir()) == ["eval.npy", "features.json"]
    assert not list((tmp_path / "data").rglob("eval.npy"))
    calls = count_calls(own)
    second, _ = lab.decode(folders[1])
    assert second.wrong == result.wrong
    assert count_calls(own) == calls + 1, "only the first samples of train are compared"
    eval_x = np.load(lab.places.seal.parent / "eval" / "x.npy")
    labels = lab.model(folders[0]).predict(eval_x)
    assert int((labels != np.load(lab.places.seal.parent / "eval" / "y.npy")).sum()) == result.wrong


def test_damaged_features_of_eval_are_computed_again(tmp_path: Path) -> None:
    """Features of eval that are not what was written decide no answer."""
    lab = DecodeLab(tmp_path)
    view = write_extractor(tmp_path / "own")
    folders = [lab.freeze(settings=knn(view), system=f"it{number}") for number in (1, 2)]
    result, _ = lab.decode(folders[0])
    [path] = (lab.places.seal.parent / "features").glob("*/eval.npy")
    np.save(path, -np.load(path))
    assert lab.decode(folders[1])[0].wrong == result.wrong


def test_decode_refuses_another_extractor_before_it_begins(tmp_path: Path) -> None:
    """Other weights than the model was frozen with are refused, and the ledger has no line of it."""
    lab = DecodeLab(tmp_path)
    folder = lab.freeze(settings=knn(write_extractor(tmp_path / "own")))
    view = write_extractor(tmp_path / "own", seed=1)
    with pytest.raises(UserError, match="has no features by"):
        lab.decode(folder)
    compute_features(view, lab.places.open())
    with pytest.raises(UserError, match="was frozen with another extractor"):
        lab.decode(folder)
    assert Ledger(lab.ledger).read().entries == []


def test_decode_refuses_features_that_cannot_be_computed_again(tmp_path: Path) -> None:
    """An extractor that depends on something besides its code and weights is found before the decode begins."""
    lab, own = DecodeLab(tmp_path), tmp_path / "own"
    code = CODE.replace("scale = ", "scale = float((weights.parent / 'hidden.txt').read_text())  #")
    view = write_extractor(own, code)
    (own / "hidden.txt").write_text("1.0", encoding="utf-8")
    folder = lab.freeze(settings=knn(view))
    (own / "hidden.txt").write_text("-3.0", encoding="utf-8")
    with pytest.raises(UserError, match="other features for the first samples of train now"):
        lab.decode(folder)
    assert Ledger(lab.ledger).read().entries == []


def test_features_of_eval_are_those_of_the_code_that_was_loaded(tmp_path: Path) -> None:
    """Weights that are saved after a decode has checked its view name no features of eval that it computes."""
    lab, own = DecodeLab(tmp_path), tmp_path / "own"
    folder = lab.freeze(settings=knn(write_extractor(own)))
    view: Any = lab.model(folder).view
    view.check()
    write_extractor(own, seed=1)
    with pytest.raises(UserError, match="changed meanwhile"):
        view.show_sealed(lab.places.open().dev.x, "0" * 64, tmp_path / "kept")
    assert not list((tmp_path / "kept").glob("*/*"))


def test_study_never_opens_eval(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the sealed folder, studies run and their models are rebuilt; only a decode misses it."""
    lab = DecodeLab(tmp_path)
    shutil.move(lab.places.seal.parent, tmp_path / "away")
    folder = lab.freeze(settings=knn(write_extractor(tmp_path / "own")))
    assert len(lab.model(folder).predict(lab.places.open().dev.x)) == 30
    with pytest.raises(UserError, match=r"seal\.json"):
        lab.decode(folder)


def test_moved_files_keep_the_records_of_a_study(tmp_path: Path) -> None:
    """A study that was killed goes on from its records where the files of its view have moved meanwhile."""
    lab = DecodeLab(tmp_path)
    folder = lab.freeze(settings=knn(write_extractor(tmp_path / "own")))
    (folder / "card.json").unlink()
    trials = (folder / "trials.jsonl").read_bytes()
    shutil.move(tmp_path / "own", tmp_path / "moved")
    assert lab.freeze(settings=knn(write_extractor(tmp_path / "moved"))) == folder
    assert (folder / "trials.jsonl").read_bytes() == trials and not list(folder.parent.glob("*superseded*"))
    assert read_study(folder).study.settings == knn(write_extractor(tmp_path / "moved")), "for exports"
    lab.freeze(settings=knn(write_extractor(tmp_path / "moved", standardize=False)))
    assert len(list(folder.parent.glob("*superseded*"))) == 1


@pytest.mark.parametrize("is_estimate", [False, True])
def test_study_computes_no_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_estimate: bool) -> None:
    """Code that is saved while a study runs is not run by it, and its model has the features that it was fitted on."""
    lab, own = DecodeLab(tmp_path), tmp_path / "own"
    view = write_extractor(own)
    folder = tmp_path / "data" / "toy" / "features"

    def apply_and_save(*args: Any) -> Any:
        shown = apply_view(*args)
        write_extractor(own, CODE.replace("tanh", "sin"))
        return shown

    monkeypatch.setattr(run, "apply_view", apply_and_save)
    splits = {name: {"n_neighbors": 3, "n_estimators": 3} for name in ("train", "dev", "eval")}
    settings = Bayes.model_validate({"kind": "bayes", "view": view, **splits}) if is_estimate else knn(view)
    card = read_card(lab.freeze(settings=settings) / "card.json")
    [record] = folder.glob(f"*/{feature_store.RECORD}")
    assert card.preprocessing is not None
    assert card.preprocessing["features"]["extractor"] == read_json(record)["extractor"]
    calls = count_calls(own)
    with pytest.raises(UserError, match=r"dataset toy, view: .*has no features by .* Run again: the job features"):
        run.run_study(study(settings), lab.places.open(), files={}, code="code", folder=own, job_log=JobLog())
    assert count_calls(own) == calls and len(list(folder.glob("*/"))) == 1


@pytest.mark.parametrize("name", ["train.npy", "features.json"])
def test_changed_features_are_noticed(tmp_path: Path, name: str) -> None:
    """A changed array is refused by name; a changed record counts for nothing, and features are computed again."""
    view, data = write_extractor(tmp_path / "own"), prepared(tmp_path)
    before = np.array(np.asarray(show(view, data).train.x))
    [path] = (tmp_path / "data" / "toy" / "features").glob(f"*/{name}")
    feature_store._opened.clear()
    if name.endswith(".json"):
        write_json(path, read_json(path) | {"n_features": 4})
        with pytest.raises(UserError, match=r"has no features by .*extractor\.py as it is now.* Run again"):
            apply_view(view, data)
        np.testing.assert_array_equal(np.asarray(show(view, data).train.x), before)
        return
    np.save(path, np.load(path) + 1)
    with pytest.raises(UserError, match=r"train\.npy: not what was computed, by .*features\.json"):
        apply_view(view, data)
    assert feature_store.write_features(view, data, plan_key(view))[1]["n_features"] == 3
    np.testing.assert_array_equal(np.asarray(show(view, data).train.x), before)


def test_write_features_says_what_is_there(tmp_path: Path) -> None:
    """The job that is repeated finds the features, also under the name of files that were moved."""
    view, data = write_extractor(tmp_path / "own"), prepared(tmp_path)
    lines: list[str] = []
    shares: list[float] = []
    folder, record = feature_store.write_features(
        view, data, plan_key(view), lines.append, lambda share, line: shares.append(share)
    )
    assert folder.name == plan_key(view) and (folder / "train.npy").exists()
    assert shares[-1] == 1 and shares == sorted(shares)
    assert record["versions"]["numpy"] == np.__version__
    calls = count_calls(tmp_path / "own")
    assert feature_store.write_features(view, data, "0" * 16, lines.append) == (folder, record)
    assert count_calls(tmp_path / "own") == calls
    assert "3 features of each of 90 samples" in lines[0] and "are there already" in lines[1]


def test_exported_network_has_the_statistics_of_its_features(tmp_path: Path) -> None:
    """Who uses an exported network elsewhere can scale features as the view does."""
    view = write_extractor(tmp_path / "own").model_dump(mode="json")
    lab = PostMortemLab(
        tmp_path, {"expert": {"kind": "manual", "model": "mlp_m1", "training": {"epochs": 1}, "view": view}}
    )
    lab.run()
    write_torch([read_study(Path(lab.paths.study("toy", "expert", 42)))], tmp_path / "out")
    [path] = (tmp_path / "out").rglob("model.json")
    content = read_json(path)
    raw = np.asarray(show(write_extractor(tmp_path / "own", standardize=False), lab.places.open()).train.x)
    np.testing.assert_allclose(content["features_of_train"]["mean"], raw.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(content["features_of_train"]["deviation"], raw.std(axis=0), atol=1e-6)
    assert content["input"]["shape"] == ["n_samples", 3]


def test_other_data_have_other_features(tmp_path: Path) -> None:
    """Features are those of the present train and dev: data that were prepared again get their own."""
    view = write_extractor(tmp_path / "own")
    first = np.array(np.asarray(show(view, prepared(tmp_path)).train.x))
    other = np.asarray(show(view, prepared(tmp_path, seed=5)).train.x)
    assert first.shape == other.shape and not np.array_equal(first, other)


def test_view_is_of_any_source(tmp_path: Path) -> None:
    """Every source takes the view."""
    view: Any = write_extractor(tmp_path / "own")
    config = {"source": "table", "file": str(write_table_folder(tmp_path) / "rows.csv"), "label": "class"}
    read_dataset(config).check_view(view)


def test_post_mortem_takes_the_features_of_the_decode(tmp_path: Path) -> None:
    """Every trial is evaluated on the features of eval that the decode has kept; they are not computed again."""
    view = write_extractor(tmp_path / "own").model_dump(mode="json")
    lab = PostMortemLab(tmp_path, {"near": {"kind": "knn", "n_neighbors": [1, 5], "view": view}})
    lab.run()
    lab.decode()
    calls = count_calls(tmp_path / "own")
    found = lab.analyse("near")
    assert [trial.error is not None for trial in found.trials] == [True, True]
    assert count_calls(tmp_path / "own") == calls + 1
    result = read_json(lab.result("near"))
    assert next(trial.error for trial in found.trials if trial.trial == found.chosen) == result["error"]
