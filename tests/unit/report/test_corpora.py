"""The report of corpora: patients, confusion, rejected files, examples; stand-ins next to published numbers."""

import csv
from pathlib import Path

import numpy as np
import pytest

from blindtune.core.arrays import digest_arrays, write_npz
from blindtune.core.files import read_json, write_json
from blindtune.records.decode_result import count_by_patient, details_of
from blindtune.report import contents
from blindtune.report.figures import write as figures
from blindtune.report.figures.style import assign_styles
from blindtune.report.page import write_page
from blindtune.report.records import pair_errors
from blindtune.report.stats import comparisons
from blindtune.report.stats.crossed import compare_crossed
from blindtune.report.tables import write as tables
from support.report_corpora import EEG, PATIENTS, SLIDES
from support.report_page import PAGE_SCRIPTS, list_scripts
from support.report_records import RecordsBuilder

STAND_IN = {"stand_in": True}
SYSTEMS = ["knn", "deep_m", "deep_a"]


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> RecordsBuilder:
    datasets = {"slides": SLIDES | STAND_IN, "eeg": EEG, "set_10": {}}
    return RecordsBuilder(tmp_path_factory.mktemp("results") / "tiny", systems=SYSTEMS, datasets=datasets).write()


@pytest.fixture(scope="module")
def report(builder: RecordsBuilder) -> Path:
    records, folder = builder.read(), builder.root / "report"
    tables.write_tables(records, folder / "tables")
    figures.write_figures(records, folder / "figures")
    write_page(records, folder / "tables", folder / "figures", folder / "report.html")
    return folder


def rows_of(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / "tables" / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_write_figures_depends_on_corpora(builder: RecordsBuilder, report: Path) -> None:
    """Only corpora have the figures of patients and of examples."""
    drawn = {path.stem for path in (report / "figures").iterdir()}
    assert drawn == set(contents.list_figures(list(builder.datasets), ["slides", "eeg"]))
    assert "patients_slides" in drawn and "splits_slides" not in drawn and "patients_set_10" not in drawn


def test_errors_give_no_verdict_for_stand_ins(report: Path) -> None:
    """Table 3 shows the published number next to a stand-in, but gives no verdict."""
    rows = {(row["dataset"], row["system"]): row for row in rows_of(report, "table3_errors")}
    stand_in, real = rows["slides", "deep_a"], rows["eeg", "deep_m"]
    assert (stand_in["published_eval"], stand_in["published_system"]) == ("41.55", "Auto")
    assert (stand_in["data"], stand_in["verdict"]) == ("stand-in", "not judged: stand-in data")
    assert stand_in["difference_low"] == ""
    assert (real["published_eval"], real["data"]) == ("36.08", "real") and "sampling error" in real["verdict"]


def test_convnets_follow_the_published_ones(report: Path) -> None:
    """Table 5 has our networks below the published ones."""
    rows = rows_of(report, "table5_architectures")
    names_of = [(row["dataset"], row["network"].split(",")[0], row["data"]) for row in rows]
    assert names_of == [
        ("slides", "Manual", "published"),
        ("slides", "deep_m", "stand-in"),
        ("slides", "Auto", "published"),
        ("slides", "deep_a", "stand-in"),
        ("eeg", "deep_m", "real"),
        ("eeg", "deep_a", "real"),
    ]
    manual, ours, auto = rows[:3]
    assert manual["input_layer"] == "Conv2d (16, 5x5), relu, MaxPool2d (2, 2)"
    assert (manual["layer_3"], manual["output_layer"]) == ("Dense (128), relu, dropout (0.25)", "Dense (2), linear")
    assert [manual[key] for key in ("optimizer", "learning_rate", "epochs", "batch_size")] == [
        "SGD",
        "0.001",
        "15",
        "8",
    ]
    assert (manual["input"], auto["input"], auto["parameters"]) == ("128 × 128 × 3", "not printed", "")
    assert (ours["origin"], ours["optimizer"]) == ("ours, stand-in data", "adam")
    assert ours["input"] == "40 × 40 × 3: crops (rotate true, side 128)"
    assert {row["dataset"] for row in rows_of(report, "table4_architectures")} == {"set_10"}


def test_arguments_have_the_training_of_table_5(report: Path) -> None:
    """Table 2 has the training settings that Table 5 prints."""
    found = {
        (row["kind"], row["argument"], row["meaning"]): row["published"]
        for row in rows_of(report, "table2_arguments")
        if "slides (stand-in data)" in row["systems"]
    }
    assert found["manual", "optimizer", "training setting"] == "SGD"
    assert found["tuner", "epochs", "the same, for #11"] == "10"
    assert found["manual", "view", "view of a sample"] == ""


def test_patients_have_the_errors_of_the_decodes(builder: RecordsBuilder, report: Path) -> None:
    """The errors per patient are those of the decode results."""
    rows = {(row["dataset"], row["system"]): row for row in rows_of(report, "patients")}
    assert {dataset for dataset, _ in rows} == {"slides", "eeg"}
    results = [read_json(builder.root / f"decodes/eeg/deep_m/{seed}/result.json")["groups"] for seed in builder.seeds]
    errors = {
        PATIENTS[one["group"]]: float(np.mean([result[at]["wrong"] for result in results])) / one["samples"]
        for at, one in enumerate(results[0])
    }
    row = rows["eeg", "deep_m"]
    assert (row["patients"], row["fewest_samples"], row["most_samples"]) == ("5", "60", "100")
    for key, value in (("median", np.median), ("lowest", np.min), ("highest", np.max), ("mean", np.mean)):
        assert float(row[key]) == pytest.approx(100 * value(list(errors.values())))
    by_patient = dict(one.split(": ", 1) for one in row["by_patient"].split("; "))
    assert by_patient == {
        name: f"{100 * error:.2f}% of {one['samples']}"
        for (name, error), one in zip(errors.items(), results[0], strict=True)
    }


def test_event_scores_are_those_of_the_decodes(tmp_path: Path) -> None:
    """Counts are added over patients and seeds; without them in a decode there is a dash, without the key no row."""
    told = {"sha256": "it", "patients": ["a", "b"], "recordings": 3, "window_seconds": 10.0, "step_seconds": 5.0}
    builder = RecordsBuilder(
        tmp_path / "tiny", systems=["knn"], datasets={"eeg": EEG | {"eval_recordings": told}}, has_details=True
    ).write()
    empty = tables.BUILD["event_scores"](builder.read())
    assert empty.rows[0]["sensitivity"] is None and any("A dash" in note for note in empty.notes)
    arrays = {
        "event_recordings": np.array([[0, 3600, 3600, 10], [0, 600, 600, 10], [1, 1800, 1800, 10]], float),
        "event_windows": np.array([[0, 100, 1], [0, 3000, 1], [2, 50, 1]], float),
        "event_references": np.array([[0, 90, 130], [1, 300, 320]], float),
    }
    for seed in builder.seeds:
        folder = builder.root / f"decodes/eeg/knn/{seed}"
        with np.load(folder / "predictions.npz") as stored:
            predictions = dict(stored) | arrays
        write_npz(folder / "predictions.npz", predictions)
        events = [one.model_dump() for one in count_by_patient(predictions) or []]
        changes = {
            "events": events,
            "recordings_sha256": "it",
            "details_sha256": digest_arrays(details_of(predictions)),
        }
        write_json(folder / "result.json", read_json(folder / "result.json") | changes)
    found = tables.BUILD["event_scores"](builder.read())
    row = found.rows[0]
    assert (row["recordings"], row["events"]) == (3, 2) and row["hours"] == pytest.approx(6000 / 3600)
    assert (row["sensitivity"], row["precision"], row["f1"]) == pytest.approx((50, 100 / 3, 40))
    assert row["false_alarms"] == pytest.approx(2 * 86_400 / 6000)
    assert str(row["by_patient"]).startswith("a: sensitivity 50.00%, 20.57 false alarms a day; b: sensitivity ")
    assert "eeg: windows of 10 s, one every 5 s." in found.notes
    assert tables.BUILD["event_scores"](RecordsBuilder(tmp_path / "none", systems=["knn"]).write().read()).rows == []
    path = builder.root / f"decodes/eeg/knn/{builder.seeds[0]}/result.json"
    write_json(path, read_json(path) | {"recordings_sha256": "other"})
    other = tables.BUILD["event_scores"](builder.read())
    assert other.rows[0]["recordings"] is None and any("or on other recordings" in note for note in other.notes)


def test_event_scores_of_removed_recordings_are_a_dash(tmp_path: Path) -> None:
    """Patients of other recordings than those of the manifest are not looked up in it."""
    told = {"sha256": "it", "patients": ["b"], "recordings": 1, "window_seconds": 10.0, "step_seconds": 5.0}
    builder = RecordsBuilder(
        tmp_path / "tiny", systems=["knn"], datasets={"eeg": EEG | {"eval_recordings": told}}, has_details=True
    ).write()
    arrays = {
        "event_recordings": np.array([[0, 600, 600, 10], [1, 600, 600, 10]], float),
        "event_windows": np.array([[0, 100, 1]], float),
        "event_references": np.zeros((0, 3)),
    }
    for seed in builder.seeds:
        folder = builder.root / f"decodes/eeg/knn/{seed}"
        with np.load(folder / "predictions.npz") as stored:
            predictions = dict(stored) | arrays
        write_npz(folder / "predictions.npz", predictions)
        changes = {
            "events": [one.model_dump() for one in count_by_patient(predictions) or []],
            "recordings_sha256": "other",
            "details_sha256": digest_arrays(details_of(predictions)),
        }
        write_json(folder / "result.json", read_json(folder / "result.json") | changes)
    assert tables.BUILD["event_scores"](builder.read()).rows[0]["recordings"] is None


def test_patients_show_a_dash_without_groups(tmp_path: Path) -> None:
    """A decode result without groups leaves a dash in the table and a sentence for the figure."""
    old = RecordsBuilder(tmp_path / "tiny", systems=["knn"], datasets={"eeg": EEG}).write()
    for seed in old.seeds:
        path = old.root / f"decodes/eeg/knn/{seed}/result.json"
        write_json(path, {key: value for key, value in read_json(path).items() if key != "groups"})
    records = old.read()
    found = tables.BUILD["patients"](records)
    assert found.rows[0]["patients"] is None and any("did not record errors" in note for note in found.notes)
    drawn = figures.DRAW["patients"](records.datasets[0], assign_styles(records))
    assert [text.get_text() for text in drawn.texts] == ["No decode of eeg recorded errors per patient."]


def test_confusion_is_summed_over_the_seeds(builder: RecordsBuilder, report: Path) -> None:
    """The confusion matrix is summed over the seeds, and a note says so."""
    rows = [row for row in rows_of(report, "confusion") if (row["dataset"], row["system"]) == ("slides", "deep_m")]
    results = [
        read_json(builder.root / f"decodes/slides/deep_m/{seed}/result.json")["confusion"] for seed in builder.seeds
    ]
    assert [[int(row["as_1"]), int(row["as_2"])] for row in rows] == np.sum(results, axis=0).tolist()
    assert [row["true"] for row in rows] == ["1: dcis", "2: indc"]
    assert float(rows[0]["error"]) == pytest.approx(100 * (1 - int(rows[0]["as_1"]) / int(rows[0]["samples"])))
    assert "Summed over the 2 seeds." in (report / "tables" / "confusion.md").read_text(encoding="utf-8")


def test_confusion_leaves_missing_classes_empty(tmp_path: Path) -> None:
    """A dataset with fewer classes leaves the other columns empty."""
    three = {"classes": ["a", "b", "c"], "counts": {s: dict.fromkeys("abc", 100) for s in ("train", "dev", "eval")}}
    both = RecordsBuilder(tmp_path / "tiny", systems=["knn"], datasets={"two": {}, "three": three}).write()
    found = tables.BUILD["confusion"](both.read())
    texts = {row["true"]: [column.text(row) for column in found.columns if column.group] for row in found.rows}
    assert texts["1: left"][2] == "" and texts["3: c"][2] != ""


def test_left_out_counts_by_rule_class_and_split(report: Path) -> None:
    """What was left out is counted by rule, class and split."""
    rows = {(row["dataset"], row["rule"], row["class"]): row for row in rows_of(report, "left_out")}
    assert [rows["slides", "white", "dcis"][split] for split in ("train", "dev", "eval")] == ["12", "3", "0"]
    assert rows["eeg", "seconds in the guard", "background"]["eval"] == "70"
    assert len(rows) == 3


def test_bad_files_are_listed_and_escaped(report: Path) -> None:
    """Bad files are listed with their reasons, with all markup escaped."""
    rows = {row["file"]: row["reason"] for row in rows_of(report, "bad_files")}
    assert rows == SLIDES["parameters"]["bad_files"]
    texts = [(report / "tables" / f"bad_files.{kind}").read_text(encoding="utf-8") for kind in ("md", "tex")]
    page = (report / "report.html").read_text(encoding="utf-8")
    assert not any("<script" in text for text in texts) and "is truncated | <script>" not in page
    assert list_scripts(page) <= PAGE_SCRIPTS
    assert r"is truncated \| &lt;script&gt;" in texts[0] and r"has \$no\$ annotation" in texts[1]
    assert "No file was bad in eeg." in page


def test_preparation_shows_every_parameter(report: Path) -> None:
    """Every parameter of the preparation is shown, defaults included."""
    rows = {(row["dataset"], row["given"], row["parameter"]): row["value"] for row in rows_of(report, "preparation")}
    assert rows["slides", "config", "tissue.max_white"] == "0.5"
    assert (rows["slides", "config", "strict"], rows["slides", "config", "simulate"]) == ("false", "none")
    assert rows["eeg", "preparation", "filter.effective_band.h_freq"] == "23.0"
    assert rows["eeg", "preparation", "filter.steps"] == "resampled; band-pass"
    assert not any("sha256" in parameter or "bad_files" in parameter for _, _, parameter in rows)


def test_examples_name_class_and_patient(builder: RecordsBuilder) -> None:
    """The figures of examples name class and patient."""
    records = builder.read()
    signals = figures.DRAW["examples"](records.datasets[1], assign_styles(records))
    assert [axes.get_title().split("\n")[0] for axes in signals.axes] == ["background"] * 2 + ["seizure"] * 2
    assert [label.get_text() for label in signals.axes[0].get_yticklabels()] == EEG["parameters"]["channels"]
    lines = signals.axes[1].lines
    assert len(lines) == 20 and lines[0].get_xdata()[-1] == pytest.approx(2.0)
    patches = figures.DRAW["examples"](records.datasets[0], assign_styles(records))
    titles = [axes.get_title() for axes in patches.axes]
    assert titles[:3] == [f"dcis: {name}" for name in PATIENTS[-6:-3]]
    assert titles[-2:] == [r"dcis: <b>\$1.svs", "indc: b.svs"]
    assert "stand-in data" in patches.get_suptitle()


def test_compare_report_uses_patients(builder: RecordsBuilder) -> None:
    """Intervals are those over patients if the samples belong to patients."""
    records = builder.read()
    eeg, plane = records.datasets[1], records.datasets[2]
    first, second = eeg.classifiers[0], eeg.classifiers[2]
    apart = compare_crossed(*pair_errors(first, second))
    alone = compare_crossed(first.errors_by_sample, second.errors_by_sample)
    assert apart.value == pytest.approx(alone.value) and apart.error >= alone.error
    assert first.clustered_variance() is not None and plane.classifiers[0].clustered_variance() is None
    _, of_eeg, of_plane = (pairs for _, pairs in comparisons.compare_report(records))
    assert any(pair.difference.error == apart.error for pair in of_eeg)
    assert {pair.varies for pair in of_eeg} == {"patients and seeds"}
    assert {pair.varies for pair in of_plane} == {"eval samples and seeds"}
    notes = tables.BUILD["table3_errors"](records).notes
    assert any("the patients are the sampling units" in note for note in notes)


def test_describe_published_gaps_uses_printed_numbers(builder: RecordsBuilder, report: Path) -> None:
    """Sentences about the published study use the printed numbers only, and none of a stand-in."""
    gaps = comparisons.describe_published_gaps(builder.read())
    assert ["#10," in gaps[0], "#11," in gaps[1], "#12," in gaps[2]] == [True] * 3
    assert "Manual (20.88%) and Auto (41.55%) on #11, 20.67 points on 2,500 eval samples, exceeds" in gaps[1]
    half = 1.959964 * np.sqrt((0.2088 * 0.7912 + 0.4155 * 0.5845) / 2500)
    assert f"more than {100 * half:.2f} points" in gaps[1] and "belong to patients" in gaps[1]
    # No sentence mixes them with measurements on stand-in data.
    assert not any("slides" in gap for gap in gaps)
    page = (report / "report.html").read_text(encoding="utf-8")
    assert all(gap in page for gap in gaps) and "<h2>slides (stand-in data)</h2>" in page


def test_patients_include_groups_of_images(tmp_path: Path) -> None:
    """The groups of images in folders are patients too."""
    parameters = {"groups": PATIENTS, "bad_files": {}}
    pictures = {"axes": SLIDES["axes"], "sample_shape": [8, 8, 1], "parameters": parameters}
    builder = RecordsBuilder(tmp_path / "tiny", systems=["knn"], datasets={"pictures": pictures, "set_10": {}}).write()
    records = builder.read()
    assert [row["dataset"] for row in tables.BUILD["patients"](records).rows] == ["pictures"]
    assert "patients" not in records.datasets[0].figure_kinds
    assert not tables.BUILD["left_out"](records).rows and not tables.BUILD["bad_files"](records).rows
