"""Our settings next to those of the published rows: what differs is marked, for every kind of system."""

from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from blindtune.config.schema import Config, merge, read
from blindtune.config.systems import Bayes, Knn, Manual, ManualModel, RandomForest, Tuned
from blindtune.core.validation import load, read_yaml
from blindtune.models.architecture import Architecture
from blindtune.report.records import DatasetRecords, ReportRecords, SystemRecords
from blindtune.report.settings import SettingsComparison, compare_settings
from blindtune.report.tables import errors
from blindtune.study.candidates import estimate_arguments, list_candidates
from blindtune.study.setup import add_output_layer
from support.builders import OVERLAYS, ROOT
from support.report_records import RecordsBuilder


@cache
def planned(name: str) -> Config:
    """Return a shipped config, or the default one."""
    content = read_yaml(ROOT / "config.yaml")
    for path in OVERLAYS.get(name, []):
        content = merge(content, read_yaml(path))
    return read(content, name)


def card_changes(config: Config, dataset: str, system: str) -> dict[str, Any]:
    """Return what a study of a config writes to its card about its settings; of several candidates the first."""
    settings = config.settings(dataset, system)
    changes: dict[str, Any] = {
        "kind": settings.kind, "paper_row": settings.paper_row, "settings": settings.model_dump(mode="json")
    }  # fmt: skip
    match settings:
        case Knn() | RandomForest():
            changes["hyperparameters"] = list_candidates(settings)[0]
        case Bayes():
            changes["hyperparameters"] = estimate_arguments(settings)
        case Manual():
            model = load(ManualModel, settings.files()["model"])
            layers = add_output_layer(model.layers, 2)
            changes["architecture"] = Architecture(input_shape=(2,), layers=layers)
            changes["training"] = settings.training.apply(model.training)
        case Tuned():
            changes |= {"training": settings.training, "budget": config.comparison(dataset).budget}
    return changes


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> ReportRecords:
    """Records of two seeds, whose cards each test changes."""
    return RecordsBuilder(tmp_path_factory.mktemp("it") / "run", samples=20, trials=3, systems=["knn"]).write().read()


def changed(example: ReportRecords, config: Config, dataset: str, *systems: str) -> DatasetRecords:
    """Return the records of systems as a study of a config would write them."""
    base, number = example.datasets[0], config.datasets[dataset].published
    found = []
    for system in systems:
        update = card_changes(config, dataset, system)
        runs = [replace(run, card=run.card.model_copy(update=update)) for run in base.systems[0].runs]
        found.append(SystemRecords(system, runs))
    manifest = base.manifest.model_copy(update={"published": number})
    return replace(base, name=dataset, manifest=manifest, systems=found)


def compared(example: ReportRecords, study: str, dataset: str, system: str) -> SettingsComparison:
    """Return the comparison of a system of a shipped study with the published row."""
    records = changed(example, planned(study), dataset, system)
    found = compare_settings(records, records.systems[0])
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("dataset", "system", "mark", "difference"),
    [
        ("set_08", "bayes", "differ", "eval neighbours 5 instead of 15"),
        ("set_10", "knn", "differ", "neighbours 5 instead of 100"),
        ("set_10", "rnf", "differ", "trees 100 instead of 50"),
        ("set_10", "mlp_m1", "differ", "learning_rate 0.001 instead of 0.0001"),
        ("set_10", "mlp_a1", "differ", "batch_size 128 instead of 512"),
        ("set_08", "mlp_a", "differ", "trials 3 instead of 500"),
        ("tissue_11", "convnet_m11", "differ", "epochs 4 instead of 15"),
        ("set_09", "knn", "not printed", None),
        ("set_08", "mlp_m", "not printed", None),
        ("eeg_12", "hybrid_m12", "not printed", None),
    ],
)
def test_default_study_says_how_its_settings_differ(
    example: ReportRecords, dataset: str, system: str, mark: str, difference: str | None
) -> None:
    """The small default study says for each kind of system in what its settings differ from the published ones."""
    found = compared(example, "default", dataset, system)
    assert found.mark == mark
    assert difference is None or any(text.startswith(difference) for text in found.differences), found.differences
    assert (difference or "The paper prints no settings") in found.describe()


@pytest.mark.parametrize("study", ["paper", "isip10"])
def test_full_studies_have_the_settings_that_are_known(example: ReportRecords, study: str) -> None:
    """The studies at full size have every setting that is printed, or that gives a published error on the real set."""
    config, judged = planned(study), set()
    for comparison in config.compare:
        for system in comparison.systems:
            records = changed(example, config, comparison.dataset, system)
            found = compare_settings(records, records.systems[0])
            if found is not None:
                assert [text for text in found.differences if "trials" not in text] == [], (comparison.dataset, system)
                judged.add(found.mark)
    assert judged == {"paper": {"as published", "as reproduced", "not printed"},
                      "isip10": {"as published", "as reproduced", "differ"}}[study]  # fmt: skip


def test_errors_mark_rows_and_list_settings(example: ReportRecords) -> None:
    """The table of errors marks a row with other settings and lists them, with those of the published row."""
    dataset = changed(example, planned("default"), "set_08", "knn", "mlp_a")
    table = errors.build(replace(example, datasets=[dataset]))
    assert [row["settings"] for row in table.rows] == ["not printed", "differ"]
    assert any("set_08, knn next to KNN: neighbours 5." in note for note in table.notes)
    assert any("set_08, mlp_a next to MLP-A: " in note and "trials 3 instead of 500" in note for note in table.notes)


def test_seeds_with_other_choices_are_all_listed(example: ReportRecords) -> None:
    """Where the seeds chose different values, all of them are shown."""
    dataset = changed(example, planned("default"), "set_10", "knn")
    one, other = dataset.systems[0].runs
    chosen = one.card.model_copy(update={"hyperparameters": {"neighbours": 100}})
    system = SystemRecords("knn", [replace(one, card=chosen), other])
    found = compare_settings(dataset, system)
    assert found is not None and found.ours == {"neighbours": "100 or 5"} and found.mark == "differ"


def test_a_system_without_a_published_row_is_not_compared(example: ReportRecords) -> None:
    """A system that reproduces no published row has no comparison and no mark."""
    dataset = changed(example, planned("default"), "set_10", "kt_hyperband")
    assert compare_settings(dataset, dataset.systems[0]) is None
