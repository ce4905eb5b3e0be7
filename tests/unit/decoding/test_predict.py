"""Answers of a frozen model for new data: read as train was, and never for sealed samples."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from blindtune.cli import main
from blindtune.config.schema import read_dataset
from blindtune.config.systems import Bayes, ClosedLoop, Knn
from blindtune.core.errors import UserError
from blindtune.core.job_log import JobLog
from blindtune.datasets.base import DatasetConfig, Sizes, Source
from blindtune.datasets.digits import DigitsConfig, DigitsSource
from blindtune.datasets.drawing import DrawingConfig, DrawingSource
from blindtune.datasets.images import ImagesConfig, ImagesSource
from blindtune.datasets.prepared import open_prepared, prepare
from blindtune.decoding import predict as module
from blindtune.decoding.decode import decode_to_files
from blindtune.decoding.predict import predict, predict_to_file
from blindtune.results import open_results
from blindtune.study.run import run_study
from blindtune.views.config import StandardizedView
from support.builders import Places, points, prepare_toy, study, write_images
from support.tables import write_table

KNN = Knn(kind="knn", n_neighbors=[3])
VIEWED = Knn(kind="knn", n_neighbors=[3], view=StandardizedView(kind="standardized"))


class Project:
    """The results of one config with one dataset and a frozen model of nearest neighbours."""

    def __init__(self, folder: Path, places: Places | None = None, settings: Knn = KNN) -> None:
        self.root = folder / "results" / "test"
        self.places = places or prepare_toy(self.root)
        self.study = self.root / "studies" / "toy" / "near" / "42"
        self.lines: list[str] = []
        self.run(settings, self.study)

    @classmethod
    def of(cls, folder: Path, source: Source, settings: Knn = KNN) -> "Project":
        """Return a project on the data of a source."""
        root = folder / "results" / "test"
        places = Places(root / "data" / "toy" / "manifest.json", root / "sealed" / "toy" / "seal.json")
        prepare("toy", source, source.user_files(), places.manifest, places.seal)
        return cls(folder, places, settings)

    def run(self, settings: Any, folder: Path) -> None:
        """Run a study in a folder."""
        it = study(settings, system=folder.parent.name)
        run_study(it, open_prepared(self.places.manifest), files={}, code="code", folder=folder, job_log=JobLog())

    def csv(self, split: str) -> Path:
        """Return the file of a split of the toy data."""
        return self.root / "csv" / "toy" / f"{split}.csv"

    def predict(self, on: Path, to: Path, **more: Any) -> list[dict[str, str]]:
        """Return the rows of the answers."""
        predict_to_file(self.study, on, to, report=self.lines.append, **more)
        with to.open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project on toy data."""
    return Project(tmp_path)


def write_rows(path: Path, count: int = 20, label: str | None = None) -> Path:
    """Write new rows, with a label in front or not, and an empty line; return the file."""
    x = points(count, 99)[0]
    head = "" if label is None else f"{label},"
    path.write_text("\n" + "\n".join(f"{head}{a:.6f},{b:.6f}" for a, b in x) + "\n", encoding="utf-8")
    return path


def test_predict_writes_class_and_probabilities(project: Project, tmp_path: Path) -> None:
    """Each row has its number in the file, its class and a probability for each class, as the model gives them."""
    rows = project.predict(write_rows(tmp_path / "new.csv"), tmp_path / "out.csv")
    model = open_results(project.study).studies[0].model()
    x = points(20, 99)[0]
    assert list(rows[0]) == ["row", "class", "probability_0", "probability_1"]
    assert [int(row["row"]) for row in rows] == list(range(2, 22))
    assert [int(row["class"]) for row in rows] == model.predict(x).tolist()
    found = np.array([[float(row["probability_0"]), float(row["probability_1"])] for row in rows])
    np.testing.assert_allclose(found, model.predict_proba(x), atol=1e-6)


def test_predict_does_not_use_labels(project: Project, tmp_path: Path) -> None:
    """A column of labels is passed over, even if it holds none, and that is said."""
    with_labels = project.predict(write_rows(tmp_path / "labels.csv", label="?"), tmp_path / "a.csv")
    assert any("label, which is not used" in line for line in project.lines)
    project.lines.clear()
    assert project.predict(write_rows(tmp_path / "new.csv"), tmp_path / "b.csv") == with_labels
    assert project.lines == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty. It must hold rows x,y"),
        ("1,2\n1,2,3\n", "row 2: has 3 fields, not the 2 of x,y"),
        ("0,1,2\n1,2\n", "row 2: has 2 fields, not the 3 of label,x,y"),
        ("0,1,2\n0,1,inf\n", "row 2: y is not finite"),
        ("1\n", "row 1: has 1 fields, not the 2 of x,y"),
    ],
)
def test_predict_names_the_wrong_row(project: Project, tmp_path: Path, text: str, message: str) -> None:
    """A wrong row is named, and nothing is written."""
    path = tmp_path / "new.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        project.predict(path, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_predict_replaces_a_file_only_by_force(project: Project, tmp_path: Path) -> None:
    """An existing file stays, unless it is said that it may go; the new data are never replaced."""
    new, out = write_rows(tmp_path / "new.csv"), tmp_path / "out.csv"
    out.write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match="is there already"):
        project.predict(new, out)
    assert out.read_text(encoding="utf-8") == "mine"
    assert len(project.predict(new, out, force=True)) == 20
    with pytest.raises(UserError, match="is the file of the new data"):
        project.predict(new, new, force=True)
    with pytest.raises(UserError, match="is a folder"):
        project.predict(new, tmp_path, force=True)


def test_predict_refuses_sealed_paths(project: Project, tmp_path: Path) -> None:
    """Nothing below a sealed folder is read or written."""
    new, sealed = write_rows(tmp_path / "new.csv"), project.places.seal.parent
    for on, to in ((sealed / "eval" / "x.npy", tmp_path / "out.csv"), (new, sealed / "out.csv")):
        with pytest.raises(UserError, match="below a folder sealed"):
            project.predict(on, to)


def test_predict_refuses_samples_of_the_own_eval(project: Project, tmp_path: Path) -> None:
    """One sample of eval among others is known by its content, in any order and without its label."""
    path = write_rows(tmp_path / "new.csv")
    label, _, sample = project.csv("eval").read_text(encoding="utf-8").splitlines()[7].partition(",")
    assert label in "01"
    path.write_text(path.read_text(encoding="utf-8") + sample + "\n", encoding="utf-8")
    with pytest.raises(UserError, match="1 of 21 samples are in the eval split of toy"):
        project.predict(path, tmp_path / "out.csv")


def test_predict_refuses_samples_that_the_ledger_knows(project: Project, tmp_path: Path) -> None:
    """The eval of another config that was decoded is known by the ledger, when its data are gone."""
    other = tmp_path / "results" / "other"
    places = prepare_toy(other, name="rest", seed=5)
    folder = other / "studies" / "rest" / "near" / "42"
    run_study(
        study(Knn(kind="knn", n_neighbors=[3]), config="other", dataset="rest", system="near"),
        open_prepared(places.manifest),
        files={},
        code="code",
        folder=folder,
        job_log=JobLog(),
    )
    decode_to_files(
        card=folder / "card.json",
        manifest=places.manifest,
        sealed=places.seal,
        ledger=tmp_path / "results" / "ledger",
        allow_repeats=False,
        points=5,
        folder=tmp_path / "out",
        report=lambda line: None,
    )
    with pytest.raises(UserError, match=r"30 of 30 samples are in an eval that the ledger holds"):
        project.predict(other / "csv" / "rest" / "eval.csv", tmp_path / "out.csv")
    assert len(project.predict(other / "csv" / "rest" / "dev.csv", tmp_path / "out.csv")) == 30


def test_predict_says_which_samples_the_model_knows(project: Project, tmp_path: Path) -> None:
    """Samples of train and dev are answered, and it is said that the model knows them."""
    assert len(project.predict(project.csv("dev"), tmp_path / "dev.csv")) == 30
    assert any("30 of 30 samples are in dev of toy; the model knows them" in line for line in project.lines)


def test_predict_proves_the_model_before_it_answers(project: Project, tmp_path: Path) -> None:
    """A model whose records were changed answers nothing."""
    path = project.study / "trials.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace('"n_neighbors":3', '"n_neighbors":5'), encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8").replace('"neighbours":3', '"neighbours":5'), encoding="utf-8")
    with pytest.raises(UserError, match=r"does not agree with card\.json"):
        project.predict(write_rows(tmp_path / "new.csv"), tmp_path / "out.csv")


def test_predict_takes_the_card_and_refuses_what_has_no_model(project: Project, tmp_path: Path) -> None:
    """The card is as good as its folder; an estimate and an unfinished study are refused by name."""
    new = write_rows(tmp_path / "new.csv")
    assert len(predict(project.study / "card.json", new).answers.labels) == 20
    with pytest.raises(UserError, match=r"holds no frozen model"):
        predict(tmp_path, new)
    loop = ClosedLoop(n_neighbors=3, n_estimators=5)
    limit = project.root / "studies" / "toy" / "limit" / "42"
    project.run(Bayes(kind="bayes", train=loop, dev=loop, eval=loop), limit)
    with pytest.raises(UserError, match="is an estimate of the Bayes error, not a model"):
        predict(limit, new)


def test_predict_writes_no_formula(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of classes and files that a spreadsheet would run get an apostrophe."""
    real = module.predict

    def named(*arguments: Any, **more: Any) -> module.Predictions:
        found = real(*arguments, **more)
        return module.Predictions(found.study, found.new, found.answers, ["=1+1", "@x"])

    monkeypatch.setattr(module, "predict", named)
    rows = project.predict(write_rows(tmp_path / "new.csv"), tmp_path / "out.csv")
    assert {row["class"] for row in rows} == {"'=1+1", "'@x"}


def test_predict_answers_pictures_as_they_were_prepared(tmp_path: Path) -> None:
    """Pictures of any size and depth get the size, channels and brightness of the dataset; others are named."""
    folder = write_images(tmp_path / "pictures", count=9, size=12)
    source = ImagesSource(ImagesConfig(source="images", folder=str(folder), rows=6, columns=6, channels=1))
    project = Project.of(tmp_path, source)
    data = open_prepared(project.places.manifest)
    new = tmp_path / "new"
    write_images(new, classes=1, count=3, size=20, seed=8)
    Image.fromarray(np.full((9, 9), 40000, np.uint16)).save(new / "deep.png")
    (new / "notes.txt").write_text("x", encoding="utf-8")
    rows = project.predict(new, tmp_path / "out.csv")
    assert [row["file"] for row in rows] == [*(f"class_0/{number}.png" for number in range(3)), "deep.png"]
    assert any("files that are not used: 1 (notes.txt)" in line for line in project.lines)
    assert any("names of folders are not used" in line for line in project.lines)
    x = source.read_new(new, data.manifest).x
    assert x.shape == (4, 6, 6, 1) and x.dtype == data.train.x.dtype
    np.testing.assert_allclose(x[3], 40000 / 65535, rtol=1e-6)
    own = source.read_new(folder, data.manifest).x
    assert {sample.tobytes() for sample in np.asarray(data.train.x)} <= {sample.tobytes() for sample in own}


def test_predict_knows_pictures_of_eval_in_another_size(tmp_path: Path) -> None:
    """The raw material of an eval is known, though the model gets it in another size."""
    folder, others = write_images(tmp_path / "pictures", count=9, size=12), tmp_path / "others"
    project = Project.of(tmp_path, ImagesSource(ImagesConfig(source="images", folder=str(folder), rows=6, columns=6)))
    write_images(others, count=9, size=12, seed=4)
    small = ImagesSource(ImagesConfig(source="images", folder=str(others), rows=3, columns=3))
    manifest = project.root / "data" / "small" / "manifest.json"
    prepare("small", small, small.user_files(), manifest, project.root / "sealed" / "small" / "seal.json")
    with pytest.raises(UserError, match="4 of 18 samples are in the raw material of an eval of small"):
        project.predict(others, tmp_path / "out.csv")


def test_predict_answers_rows_of_a_table_as_train_was_prepared(tmp_path: Path) -> None:
    """New rows get the encoding and the scaling that were fitted on train; eval of the table is known."""
    table = write_table(tmp_path / "rows.csv", rows=90)
    project = Project.of(tmp_path, read_dataset({"source": "table", "file": str(table)}), VIEWED)
    new = tmp_path / "new.csv"
    write_table(new, rows=12, seed=9)
    rows = project.predict(new, tmp_path / "out.csv")
    assert list(rows[0]) == ["row", "class", "probability_no", "probability_yes"]
    assert [row["row"] for row in rows] == [str(number) for number in range(2, 14)]
    assert sum(row["class"] == ("no", "yes")[number % 2] for number, row in enumerate(rows)) > 9
    assert any("not used: the columns class" in line for line in project.lines)
    with pytest.raises(UserError, match="of 90 samples are in the eval split of toy"):
        project.predict(table, tmp_path / "all.csv")


@pytest.mark.parametrize("kind", ["drawing", "digits"])
def test_predict_reads_points_of_a_drawing_and_refuses_sources_without_files(tmp_path: Path, kind: str) -> None:
    """A drawing takes rows of points; a source without a format of files says what to do."""
    config: DatasetConfig
    if kind == "drawing":
        config = DrawingConfig(source="drawing", drawing="set_10", seed=1, sizes=Sizes(train=60, dev=30, eval=30))
        project = Project.of(tmp_path, DrawingSource(config))
        assert len(project.predict(write_rows(tmp_path / "new.csv"), tmp_path / "out.csv")) == 20
        return
    config = DigitsConfig(source="digits")
    project = Project.of(tmp_path, DigitsSource(config))
    with pytest.raises(UserError, match="new data of the source digits cannot be read"):
        project.predict(write_rows(tmp_path / "new.csv"), tmp_path / "out.csv")


def test_predict_command_prints_counts(project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command says what it wrote."""
    new, out = write_rows(tmp_path / "new.csv"), tmp_path / "out.csv"
    arguments = ["predict", str(project.study), "--on", str(new), "--to", str(out)]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"{out}: 20 answers (") and printed.count("\n") == 1
    assert main(arguments) == 1
    assert "add --force" in capsys.readouterr().err
