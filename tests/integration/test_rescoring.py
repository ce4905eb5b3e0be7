"""Small real studies of every trainer: rebuilt from records alone, scored on a larger set, exported."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blindtune.cli import main
from blindtune.config.systems import Bayes, ClosedLoop, Knn, Manual, RandomForest, Tuned
from blindtune.config.training import Training
from blindtune.core.errors import UserError
from blindtune.core.job_log import JobLog
from blindtune.datasets.csv_folder import CsvFolderConfig, CsvFolderSource
from blindtune.datasets.prepared import prepare
from blindtune.decoding.ledger import Ledger
from blindtune.decoding.rescore import RescoredTrial, rescore
from blindtune.decoding.sealed_split import read_seal
from blindtune.exports.stored_study import read_study
from blindtune.records.trial import TrialLog
from blindtune.study.run import run_study
from blindtune.tuners.keras_tuner.config import KerasTunerConfig
from blindtune.tuners.optuna.config import OptunaConfig
from support.builders import Places, prepare_toy, study, write_csv_folder

#: Keras Tuner reads the name of its thread with a deprecated method, at every call.
pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore:.*(currentThread|getName).*:DeprecationWarning"),
]

SPACE = (
    "layers: {type: int, low: 1, high: 2}\nunits: {type: int, low: 2, high: 9, repeat: layers}\n"
    "activation: {type: choice, options: [relu, tanh], repeat: layers}\n"
)
MODEL = "layers: [{kind: dense, units: 4, activation: relu}]\ntraining: {epochs: 2, batch_size: 20}\n"
TRAINING = Training(epochs=2, batch_size=20, learning_rate=0.02)
LOOP = ClosedLoop(n_neighbors=3, n_estimators=5)


def make_tuned(library: Any, trainer: Any) -> Tuned:
    """Return the settings of a tuned system."""
    return Tuned(kind="tuner", tuner=library, space="space.yaml", trainer=trainer, training=TRAINING)


SYSTEMS = {
    "near": Knn(kind="knn", n_neighbors=[1, 3, 9]),
    "forest": RandomForest(kind="random_forest", n_estimators=[5], max_depth=[2, 0]),
    "expert": Manual(kind="manual", model="model.yaml"),
    "optuna": make_tuned(OptunaConfig(library="optuna", algorithm="random"), "pytorch"),
    "keras": make_tuned(KerasTunerConfig(library="keras-tuner", algorithm="random"), "keras"),
    "limit": Bayes(kind="bayes", train=LOOP, dev=LOOP, eval=LOOP),
}
KEPT = {"near": 3, "forest": 2, "expert": 1, "optuna": 3, "keras": 3}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a results folder with a study of each system; tuned ones have four trials and keep three models."""
    root = tmp_path_factory.mktemp("rescoring") / "results" / "test"
    files = {"space": root.parent / "space.yaml", "model": root.parent / "model.yaml"}
    data = prepare_toy(root).open()
    files["space"].write_text(SPACE, encoding="utf-8")
    files["model"].write_text(MODEL, encoding="utf-8")
    for name, settings in SYSTEMS.items():
        own = {"model": files["model"]} if name == "expert" else {"space": files["space"]}
        it = study(settings, system=name, budget={"trials": 4}, keep_best=3)
        run_study(
            it,
            data,
            files=own if isinstance(settings, Manual | Tuned) else {},
            code="code",
            folder=study_folder(root, name),
            job_log=JobLog(),
        )
    return root


@pytest.fixture(scope="module")
def larger_set(results: Path) -> Places:
    """Return a toy dataset with 400 dev samples."""
    return prepare_toy(results.parent / "larger", name="more", dev=400, seed=7)


def study_folder(results: Path, system: str) -> Path:
    """Return the folder of a system's study."""
    return results / "studies" / "toy" / system / "42"


def rescore_study(
    results: Path, system: str, on: Path, split: str = "dev", **changes: Any
) -> tuple[list[RescoredTrial], Path]:
    """Return the rescored trials of a system's study, and the file that they are written to."""
    given: dict[str, Any] = {"best": None, "dev": None} | changes
    return rescore(read_study(study_folder(results, system)), on, split, **given)


@pytest.mark.parametrize("system", KEPT)
def test_rescore_on_dev_gives_the_recorded_errors(results: Path, system: str) -> None:
    """On the study's own dev split the rescored error is the recorded one, to the last digit."""
    rows, path = rescore_study(results, system, results / "data" / "toy" / "manifest.json")
    scores = {trial.number: trial.score for trial in TrialLog(study_folder(results, system) / "trials.jsonl").read()}
    assert len(rows) == KEPT[system]
    assert [row.error for row in rows] == [row.dev_error for row in rows] == [scores[row.trial] for row in rows]
    assert [row.dev_rank for row in rows] == [row.rank for row in rows]
    assert rows[0].dev_error == min(score for score in scores.values() if score is not None)
    assert path.parent == results / "rescored" / "toy" / system / "42"


@pytest.mark.parametrize("system", KEPT)
def test_rescore_on_a_larger_set_ranks_by_its_errors(results: Path, larger_set: Places, system: str) -> None:
    """On a larger set the trials are ranked by their new errors, and no record changes."""
    before = {path: path.read_bytes() for path in study_folder(results, system).rglob("*") if path.is_file()}
    rows, path = rescore_study(results, system, larger_set.manifest)
    assert {path: path.read_bytes() for path in study_folder(results, system).rglob("*") if path.is_file()} == before
    assert all(row.samples == 400 and row.error == row.wrong / 400 for row in rows)
    assert rows == sorted(rows, key=lambda row: (row.wrong, row.trial))
    written = json.loads(path.read_text(encoding="utf-8"))
    assert written["study"] == f"test/toy/{system}/42"
    assert (written["on"]["dataset"], written["on"]["split"], written["on"]["samples"]) == ("more", "dev", 400)
    assert [row["wrong"] for row in written["trials"]] == [row.wrong for row in rows]
    one, _ = rescore_study(results, system, larger_set.manifest, best=1)
    assert [row.trial for row in one] == [min(row.trial for row in rows if row.dev_rank == 1)]


def test_rescore_gives_the_errors_of_the_model(results: Path, larger_set: Places) -> None:
    """k-nearest neighbours by hand, from the recorded k alone."""
    own, other = (places.open() for places in (Places(results / "data" / "toy" / "manifest.json", Path()), larger_set))
    rows, _ = rescore_study(results, "near", larger_set.manifest, split="train")
    for row in rows:
        k = SYSTEMS["near"].n_neighbors[row.trial]  # type: ignore[union-attr]
        distances = ((other.train.x[:, None] - own.train.x[None]) ** 2).sum(axis=2)
        nearest = np.asarray(own.train.y)[np.argsort(distances, axis=1)[:, :k]]
        assert row.wrong == int(np.sum((nearest.mean(axis=1) > 0.5) != other.train.y))


def test_rescore_refuses_a_model_that_was_not_recorded(results: Path, larger_set: Places, tmp_path: Path) -> None:
    """A changed score and changed weights are refused."""
    study = read_study(study_folder(results, "optuna"))
    best = min((trial for trial in study.trials if trial.score is not None), key=lambda trial: trial.objective_value())
    changed = [trial if trial != best else trial.model_copy(update={"score": 0.0}) for trial in study.trials]
    with pytest.raises(UserError, match=f"trial {best.number}, rebuilt from its record, has a dev error"):
        rescore(type(study)(**{**vars(study), "trials": changed}), larger_set.manifest, "dev", None, None)
    path = study.folder / "weights" / f"{best.number:05d}.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-4] + b"\0\0\0\0")
    try:
        with pytest.raises(UserError, match="does not hold the weights that were recorded"):
            rescore_study(results, "optuna", larger_set.manifest)
    finally:
        path.write_bytes(content)


def test_rescore_refuses_what_does_not_fit(results: Path, larger_set: Places, tmp_path: Path) -> None:
    """Data or arguments that do not fit the study end in one message each."""
    three = prepare_toy(tmp_path / "three", name="three", classes=3)
    with pytest.raises(UserError, match="its classes are"):
        rescore_study(results, "near", three.manifest)
    with pytest.raises(UserError, match="keeps 3 of its 4 trials, not 4"):
        rescore_study(results, "optuna", larger_set.manifest, best=4)
    with pytest.raises(UserError, match="was run on other data"):
        rescore_study(results, "near", larger_set.manifest, dev=larger_set.manifest)
    with pytest.raises(UserError, match="is not a manifest of a prepared dataset"):
        rescore_study(results, "near", study_folder(results, "near") / "card.json")
    with pytest.raises(UserError, match="keeps no model"):
        rescore_study(results, "limit", larger_set.manifest)


def test_rescore_refuses_samples_of_another_shape(results: Path, larger_set: Places) -> None:
    """Samples of another shape are refused."""
    for split in ("train", "dev"):
        path = larger_set.manifest.parent / split / "x.npy"
        wide = np.concatenate([np.load(path), np.load(path)], axis=1)
        (results.parent / "wide" / "data" / split).mkdir(parents=True)
        np.save(results.parent / "wide" / "data" / split / "x.npy", wide)
        np.save(results.parent / "wide" / "data" / split / "y.npy", np.load(path.with_name("y.npy")))
    manifest = results.parent / "wide" / "data" / "manifest.json"
    manifest.write_text(larger_set.manifest.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(UserError, match=r"its samples have the shape \(4,\)"):
        rescore_study(results, "near", manifest)


def test_rescore_refuses_eval(results: Path, larger_set: Places, tmp_path: Path) -> None:
    """Eval is refused by its path, by a link to it, and by its content."""
    with pytest.raises(UserError, match="below a folder sealed"):
        rescore_study(results, "near", results / "sealed" / "toy" / "seal.json")
    for name in ("train", "dev"):
        (tmp_path / "link" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "link" / name).symlink_to(results / "sealed" / "toy" / "eval")
    (tmp_path / "link" / "manifest.json").write_bytes((results / "data" / "toy" / "manifest.json").read_bytes())
    with pytest.raises(UserError, match="below a folder sealed"):
        rescore_study(results, "near", tmp_path / "link" / "manifest.json")
    for name in ("x", "y"):
        for split in ("train", "dev"):
            (tmp_path / "copy" / split).mkdir(parents=True, exist_ok=True)
            content = (results / "sealed" / "toy" / "eval" / f"{name}.npy").read_bytes()
            (tmp_path / "copy" / split / f"{name}.npy").write_bytes(content)
    (tmp_path / "copy" / "manifest.json").write_bytes(larger_set.manifest.read_bytes())
    with pytest.raises(UserError, match="its dev is the eval split of toy"):
        rescore_study(results, "near", tmp_path / "copy" / "manifest.json")


def prepare_rows(folder: Path, results: Path, rows: Any, name: str = "rows") -> Path:
    """Prepare a dataset whose dev holds rows of the toy set's eval, and the rest is its own; return its manifest.

    Args:
        folder: holds the dataset.
        results: the results folder of the toy set.
        rows: chooses and orders lines of the toy set's ``eval.csv``.
        name: the name of the dataset.
    """
    files = write_csv_folder(folder / "csv" / name, seed=5)
    lines = (results / "csv" / "toy" / "eval.csv").read_text(encoding="utf-8").splitlines()
    chosen = rows(lines, files["dev"].read_text(encoding="utf-8").splitlines())
    files["dev"].write_text("\n".join(chosen) + "\n", encoding="utf-8")
    source = CsvFolderSource(CsvFolderConfig(source="csv_folder", folder=str(folder / "csv" / name)))
    manifest = folder / "data" / name / "manifest.json"
    prepare(name, source, files, manifest, folder / "sealed" / name / "seal.json")
    return manifest


ROWS: dict[str, tuple[Any, str]] = {
    "reordered": (lambda sealed, own: sealed[::-1], "30 of 30"),
    "dropped": (lambda sealed, own: sealed[:10], "10 of 10"),
    "doubled": (lambda sealed, own: sealed + sealed, "60 of 60"),
    "hidden": (lambda sealed, own: own + sealed[4:5], "1 of 31"),
    "other labels": (lambda sealed, own: [f"{1 - int(row[0])}{row[1:]}" for row in sealed], "30 of 30"),
}


@pytest.mark.parametrize(("rows", "count"), ROWS.values(), ids=ROWS)
def test_rescore_refuses_samples_of_eval(results: Path, tmp_path: Path, rows: Any, count: str) -> None:
    """Samples of the study's eval are known again in any order, number and company, and with any label."""
    manifest = prepare_rows(tmp_path, results, rows)
    with pytest.raises(UserError, match=f"{count} samples of its dev are in the eval split of toy. Only decode"):
        rescore_study(results, "near", manifest)
    # What the message advises helps.
    clean = prepare_rows(tmp_path / "clean", results, lambda sealed, own: own)
    assert rescore_study(results, "near", clean)[0]


def test_rescore_refuses_samples_of_another_eval(results: Path, tmp_path: Path) -> None:
    """Samples of the eval of another dataset in the same results are refused."""
    other = prepare_toy(results, name="other", seed=11)
    try:
        files = {split: results / "csv" / "other" / f"{split}.csv" for split in ("train", "dev", "eval")}
        stolen = files["eval"].read_text(encoding="utf-8").splitlines()[5:]
        manifest = prepare_rows(tmp_path, results, lambda sealed, own: own + stolen)
        with pytest.raises(UserError, match="25 of 55 samples of its dev are in the eval split of other"):
            rescore_study(results, "near", manifest)
        assert rescore_study(results, "near", other.manifest)[0], "its own dev is open"
    finally:
        shutil.rmtree(other.manifest.parent)


def test_rescore_takes_samples_that_are_open_too(tmp_path: Path) -> None:
    """Where a set has samples of eval in its own dev, as real ones do, its dev can be rescored."""
    root = tmp_path / "results" / "test"
    files = write_csv_folder(root / "csv")
    with files["dev"].open("a", encoding="utf-8") as stream:
        stream.writelines(files["eval"].read_text(encoding="utf-8").splitlines(keepends=True)[:6])
    source = CsvFolderSource(CsvFolderConfig(source="csv_folder", folder="csv", leaks="report"))
    places = Places(root / "data/toy/manifest.json", root / "sealed/toy/seal.json")
    prepare("toy", source, files, places.manifest, places.seal)
    it = study(SYSTEMS["near"], system="near")
    run_study(it, places.open(), files={}, code="code", folder=study_folder(root, "near"), job_log=JobLog())
    rows, _ = rescore_study(root, "near", places.manifest)
    assert rows[0].samples == 36 and rows[0].error == rows[0].dev_error


def test_rescore_says_where_eval_is_not_known(
    results: Path, larger_set: Places, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Data of before, without digests of eval, are compared as a whole, and a line says so."""
    old = tmp_path / "old"
    shutil.copytree(results / "data" / "toy", old)
    content = json.loads((old / "manifest.json").read_text(encoding="utf-8"))
    for key in ("eval_content_sha256", "manifest_sha256"):
        del content[key]
    (old / "manifest.json").write_text(json.dumps(content), encoding="utf-8")
    given = [str(study_folder(results, "near")), "--on", str(larger_set.manifest), "--dev", str(old / "manifest.json")]
    assert main(["rescore", *given]) == 0
    assert "toy: was prepared by an older version" in capsys.readouterr().out


def test_rescore_refuses_damaged_digests_of_eval(results: Path, larger_set: Places, tmp_path: Path) -> None:
    """Digests of eval that are not those of the manifest, or are gone, are named."""
    shutil.copytree(results / "data" / "toy", tmp_path / "toy")
    path, own = tmp_path / "toy" / "eval_digests.npy", tmp_path / "toy" / "manifest.json"
    np.save(path, np.load(path)[1:])
    with pytest.raises(UserError, match=r"eval_digests\.npy: not what the preparation wrote"):
        rescore_study(results, "near", larger_set.manifest, dev=own)
    path.unlink()
    with pytest.raises(UserError, match=r"eval_digests\.npy: cannot be read"):
        rescore_study(results, "near", larger_set.manifest, dev=own)


def test_rescore_refuses_changed_data(results: Path, larger_set: Places, tmp_path: Path) -> None:
    """The set to score on and the study's own data are verified against their manifests."""
    for name, source in (("own", results / "data" / "toy"), ("other", larger_set.manifest.parent)):
        shutil.copytree(source, tmp_path / name)
        np.save(tmp_path / name / "train" / "x.npy", np.load(source / "train" / "x.npy")[::-1])
    with pytest.raises(UserError, match=r"other/train/x\.npy: not what the preparation wrote"):
        rescore_study(results, "near", tmp_path / "other" / "manifest.json")
    with pytest.raises(UserError, match=r"own/train/x\.npy: not what the preparation wrote"):
        rescore_study(results, "near", larger_set.manifest, dev=tmp_path / "own" / "manifest.json")


def test_rescore_command_needs_no_sealed_data(
    results: Path, larger_set: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command needs no sealed folder and prints a table."""
    (results / "sealed").rename(results / "away")
    try:
        assert (
            main(["rescore", str(study_folder(results, "near")), "--on", str(larger_set.manifest), "--best", "2"]) == 0
        )
    finally:
        (results / "away").rename(results / "sealed")
    lines = capsys.readouterr().out.splitlines()
    assert " ".join(lines[0].split()) == "trial dev error error there wrong of samples dev rank rank there"
    assert len(lines) == 4 and all(" of 400 " in line for line in lines[1:3])
    assert lines[3].startswith("written to ")


@pytest.mark.parametrize("form", ["guide", "tensorboard", "optuna"])
def test_export_command_takes_every_study(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    """All studies below a folder are exported together."""
    assert main(["export", "--form", form, "--to", str(tmp_path / form), str(results)]) == 0
    trials = sum(len(TrialLog(path).read()) for path in results.rglob("trials.jsonl"))
    assert capsys.readouterr().out == f"{tmp_path / form}: {trials} trials of 5 studies\n"


def test_rescore_refuses_an_eval_that_only_the_ledger_knows(results: Path, tmp_path: Path) -> None:
    """The eval of another config, whose data are elsewhere, is known by the ledger; so is one without digests."""
    copy = tmp_path / "results" / "test"
    shutil.copytree(results, copy)
    elsewhere = prepare_toy(tmp_path / "elsewhere", name="far", eval=50, seed=23)
    identity = read_seal(elsewhere.seal).identity
    Ledger(copy.parent / "ledger").begin("other/far/knn/1", "f", identity, allow_repeats=False)
    disguised = tmp_path / "disguised"
    files = write_csv_folder(disguised / "csv", train=40, dev=30, eval=30, seed=31)
    files["dev"].write_bytes((tmp_path / "elsewhere" / "csv" / "far" / "eval.csv").read_bytes())
    source = CsvFolderSource(CsvFolderConfig(source="csv_folder", folder=str(files["dev"].parent)))
    on = disguised / "data" / "new" / "manifest.json"
    prepare("new", source, files, on, disguised / "sealed" / "new" / "seal.json")
    with pytest.raises(UserError, match=r"50 of 50 samples of its dev are in an eval that the ledger holds"):
        rescore(read_study(study_folder(copy, "near")), on, "dev", None, None)


def test_rescore_finds_the_data_of_a_copied_study(results: Path, larger_set: Places, tmp_path: Path) -> None:
    """A study that was copied out of its results needs the manifest of its data, and keeps the scores with it."""
    copied = tmp_path / "a" / "b" / "c" / "copied"
    shutil.copytree(study_folder(results, "near"), copied)
    with pytest.raises(UserError, match=r"copied: is not below results/<name>/studies.*--dev"):
        rescore(read_study(copied), larger_set.manifest, "dev", None, None)
    own = results / "data" / "toy" / "manifest.json"
    rows, path = rescore(read_study(copied), larger_set.manifest, "dev", None, own)
    assert path.parent == copied / "rescored" and len(rows) == KEPT["near"]
    assert rows == rescore_study(results, "near", larger_set.manifest)[0]
