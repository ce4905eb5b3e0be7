"""Exports: every trial in another program's form, read back with that program's own library."""

import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from blindtune.config.systems import Knn, Tuned
from blindtune.core.errors import UserError
from blindtune.core.validation import parse
from blindtune.exports import guide, optuna, stored, tensorboard
from blindtune.exports.folders import export
from blindtune.records.trial import Trial, best
from blindtune.search_space import Space
from blindtune.tuners.keras_tuner.config import KerasTunerConfig
from blindtune.tuners.optuna.config import OptunaConfig
from blindtune.tuners.sklearn.config import SklearnConfig
from support.builders import study, trial
from support.stored_studies import content, store, store_tuned

TUNERS = [
    KerasTunerConfig(library="keras-tuner", algorithm="random"),
    OptunaConfig(library="optuna", algorithm="tpe"),
    SklearnConfig(library="scikit-learn", algorithm="parameter-sampler"),
]
FORMS = {"guide": guide.write, "tensorboard": tensorboard.write, "optuna": optuna.write}


def tuned(tuner: Any = TUNERS[1]) -> Tuned:
    return Tuned(kind="tuner", tuner=tuner, space="space.yaml")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return store_tuned(tmp_path / "results", tuned())


def near(results: Path, count: int = 2) -> Path:
    it = study(Knn(kind="knn", neighbours=[1, 5]), system="near")
    trials = [trial(number, 0.25, hyperparameters={"neighbours": 1 + 4 * number}) for number in range(count)]
    return store(results / "test" / "studies" / "toy" / "near" / "42", it, trials)


def test_every_study_below_a_folder_is_found_but_no_superseded_and_no_sealed_one(folder: Path) -> None:
    results = folder.parents[4]
    near(results)
    store_tuned(results, tuned(), seed=43)
    shutil.copytree(folder, folder.with_name("42.superseded-1"))
    shutil.copytree(folder, results / "test" / "sealed" / "toy")
    store(results / "test" / "studies" / "toy" / "limit" / "42", study(tuned(), system="limit"), [])
    found = [study.study.id for study in stored.find([results, folder])]
    assert found == ["test/toy/near/42", "test/toy/tuned/42", "test/toy/tuned/43"]
    aside = stored.find([folder.with_name("42.superseded-1")])
    assert [study.folder.name for study in aside] == ["42.superseded-1"], "by its own name it is exported"
    with pytest.raises(UserError, match="hold the same study"):
        stored.find([folder, folder.with_name("42.superseded-1")])


def test_a_sealed_path_is_refused_under_any_name(folder: Path, tmp_path: Path) -> None:
    sealed = tmp_path / "results" / "test" / "sealed" / "toy"
    shutil.copytree(folder, sealed)
    link = tmp_path / "link"
    link.symlink_to(sealed)
    for path in (sealed, link, tmp_path / "results" / ".." / "results" / "test" / "sealed"):
        with pytest.raises(UserError, match="below a folder sealed"):
            stored.find([path])
    with pytest.raises(UserError, match="below a folder sealed"):
        export("guide", stored.find([folder]), sealed / "out", guide.write)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "protocol.json").write_text("{}"), "is no protocol of a study"),
        (lambda folder: (folder / "protocol.json").write_text("["), "is not valid JSON"),
        (lambda folder: _edit(folder, "toy", "../../toy"), "is no name"),
        (lambda folder: _edit(folder, '"kind": "tuner"', '"kind": "tunr"'), "does not fit"),
        (lambda folder: (folder / "trials.jsonl").write_text("{}\n"), "line 1: is no trial record"),
        (lambda folder: (folder / "trials.jsonl").open("a").write('{"num'), "last record is unfinished"),
        (lambda folder: (folder / "trials.jsonl").unlink(), "holds no study with trials"),
    ],
)
def test_a_damaged_study_is_one_message(folder: Path, damage: Callable[[Path], Any], message: str) -> None:
    damage(folder)
    with pytest.raises(UserError, match=message):
        stored.find([folder])


def test_no_study_is_one_message(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(UserError, match="holds no study with trials"):
            stored.find([path])


def _edit(folder: Path, old: str, new: str) -> None:
    path = folder / "protocol.json"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


@pytest.mark.parametrize("form", FORMS)
def test_an_export_touches_no_record_and_replaces_only_itself(folder: Path, tmp_path: Path, form: str) -> None:
    before = _files(folder)
    studies, target, write = stored.find([folder]), tmp_path / "a" / "out", FORMS[form]
    export(form, studies, target, write)
    assert (content(target / "export.json")["form"], content(target / "export.json")["studies"]) == (
        form,
        ["test/toy/tuned/42"],
    )
    export(form, studies, target, write)
    assert [path.name for path in target.parent.iterdir()] == ["out"], "nothing half-written is left"
    assert _files(folder) == before
    other = "guide" if form != "guide" else "optuna"
    with pytest.raises(UserError, match=f"no earlier {other} export"):
        export(other, studies, target, FORMS[other])
    (target / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match="changed or added"):
        export(form, studies, target, write)
    (target / "notes.txt").unlink()
    next(path for path in target.rglob("*") if path.is_file() and path.name != "export.json").write_bytes(b"changed")
    with pytest.raises(UserError, match="changed or added"):
        export(form, studies, target, write)


def test_an_export_never_takes_the_place_of_anything_else(folder: Path, tmp_path: Path) -> None:
    studies = stored.find([folder])
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("mine", encoding="utf-8")
    for taken in ("file", "full"):
        with pytest.raises(UserError, match="is not empty"):
            export("guide", studies, tmp_path / taken, guide.write)
    assert (tmp_path / "full" / "thesis.tex").read_text(encoding="utf-8") == "mine"
    (tmp_path / "empty").mkdir()
    export("guide", studies, tmp_path / "empty", guide.write)
    with pytest.raises(UserError, match="cannot be written"):
        export("guide", studies, tmp_path / "file" / "below", guide.write)


def test_an_error_leaves_the_earlier_export(folder: Path, tmp_path: Path) -> None:
    studies, target = stored.find([folder]), tmp_path / "out"
    export("guide", studies, target, guide.write)
    before = _files(target)

    def fail(studies: Any, folder: Path) -> None:
        (folder / "half").touch()
        raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match="out: cannot be written"):
        export("guide", studies, target, fail)
    assert _files(target) == before and not list(tmp_path.glob(".out.*"))


def test_the_guide_reads_its_own_fields(folder: Path, tmp_path: Path) -> None:
    (folder / "weights").mkdir()
    (folder / "weights" / "00002.safetensors").touch()
    (study,) = stored.find([folder])
    export("guide", [study], tmp_path / "out", guide.write)
    place = tmp_path / "out" / "test" / "toy" / "tuned" / "42"
    assert sorted(path.name for path in place.iterdir()) == sorted(f"trial_{n}.json" for n in range(11))
    for record in study.trials:
        data = content(place / f"trial_{record.number}.json")
        params = data["params"]  # as section 6.4 does
        assert (data["trial_number"], params) == (record.number, record.hyperparameters)
        assert data["val_accuracy"] == data["value"] == (None if record.score is None else 1 - record.score)
        assert (data["status"], data["reason"]) == (record.status, record.reason)
    assert content(place / "trial_10.json")["output_exception_list"] == ["layer 2 (pool)"]
    assert content(place / "trial_10.json")["val_loss"] == 0.25, "of the fourth epoch, its second"
    first = content(place / "trial_0.json")
    assert first["datetime_start"] == "2021-01-01T00:00:00.000+00:00"
    assert first["datetime_complete"] == "2021-01-01T00:00:01.500+00:00"
    kept = [number for number in range(11) if content(place / f"trial_{number}.json")["weights"]]
    assert kept == [2] and content(place / "trial_2.json")["weights"] == "weights/00002.safetensors"


def test_tensorboard_loads_curves_hyperparameters_and_ends(folder: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    (study,) = stored.find([folder])
    export("tensorboard", [study], tmp_path / "out", tensorboard.write)
    for record in study.trials:
        run = EventAccumulator(str(tmp_path / "out" / "test" / "toy" / "tuned" / "42" / f"trial_{record.number:05d}"))
        run.Reload()
        scalars = run.Tags()["scalars"]
        for tag, field in (("dev/error", "dev_error"), ("dev/loss", "dev_loss"), ("train/loss", "train_loss")):
            expected = [
                (number, getattr(epoch, field))
                for number, epoch in enumerate(record.curve, record.trained_before + 1)
                if getattr(epoch, field) is not None
            ]
            found = [(event.step, event.value) for event in run.Scalars(tag)] if tag in scalars else []
            assert found == expected
        score = [(event.step, event.value) for event in run.Scalars("score")] if "score" in scalars else []
        assert score == ([] if record.score is None else [(record.scored_epoch, record.score)])
        parts = {}
        for tag in ("_hparams_/session_start_info", "_hparams_/session_end_info"):
            parts |= {tag: HParamsPluginData.FromString(run.SummaryMetadata(tag).plugin_data.content)}
        start, end = (part for part in parts.values())
        assert start.session_start_info.group_name == f"test/toy/tuned/42/{record.number}"
        values = {
            name: getattr(value, value.WhichOneof("kind")) for name, value in start.session_start_info.hparams.items()
        }
        assert values == record.hyperparameters
        assert end.session_end_info.end_time_secs - start.session_start_info.start_time_secs == pytest.approx(1.5)
        failed = record.status in ("invalid", "failed", "diverged")
        assert end.session_end_info.status == (2 if failed else 1), "STATUS_FAILURE, STATUS_SUCCESS"


@pytest.mark.parametrize("tuner", TUNERS, ids=lambda tuner: tuner.library)
def test_optuna_opens_the_records_of_every_tuner(tmp_path: Path, tuner: Any) -> None:
    import optuna as library

    (study,) = stored.find([store_tuned(tmp_path / "results", tuned(tuner))])
    export("optuna", [study], tmp_path / "out", optuna.write)
    loaded = library.load_study(
        study_name="test/toy/tuned/42", storage=f"sqlite:///{tmp_path / 'out' / optuna.DATABASE}"
    )
    ours = best(study.trials)
    assert ours is not None and (ours.number, ours.score) == (2, 0.125), "the earlier of two equals"
    assert (loaded.best_trial.number, loaded.best_value) == (ours.number, ours.score)
    assert loaded.best_params == ours.hyperparameters
    states = [trial.state.name for trial in loaded.trials]
    assert states == ["COMPLETE"] * 5 + ["PRUNED", "FAIL", "FAIL", "FAIL", "PRUNED", "COMPLETE"]
    space = parse(Space, study.files["space"], "space")
    names = {spec.name: spec.dimension for spec in space.hyperparameters()}
    for record, found in zip(study.trials, loaded.trials, strict=True):
        assert found.params == record.hyperparameters
        assert {name: type(distribution).__name__ for name, distribution in found.distributions.items()} == {
            name: _kind(names[name]) for name in record.hyperparameters
        }
        errors = enumerate((epoch.dev_error for epoch in record.curve), record.trained_before + 1)
        assert found.intermediate_values == {number: error for number, error in errors if error is not None}
        assert (found.user_attrs["status"], found.user_attrs.get("reason")) == (record.status, record.reason)
        assert (found.user_attrs["seconds"], found.user_attrs["told"]) == (1.5, record.objective_value())
        assert found.datetime_start == _local(record.started)
        assert found.duration is not None and found.duration.total_seconds() == 1.5
    assert (loaded.trials[9].user_attrs["fold"], loaded.trials[10].user_attrs["parent"]) == (1, 0)


def test_optuna_takes_what_no_space_declares(tmp_path: Path) -> None:
    import optuna as library

    results = tmp_path / "results"
    near(results)
    layers = [{"kind": "dense", "units": 4}]
    record = trial(0, 0.25, hyperparameters={"layers": layers, "epochs": 5})
    it = study(Knn(kind="knn", neighbours=[1]), system="expert")
    store(results / "test" / "studies" / "toy" / "expert" / "42", it, [record])
    export("optuna", stored.find([results]), tmp_path / "out", optuna.write)
    storage = f"sqlite:///{tmp_path / 'out' / optuna.DATABASE}"
    assert library.get_all_study_names(storage=storage) == ["test/toy/expert/42", "test/toy/near/42"]
    candidates = library.load_study(study_name="test/toy/near/42", storage=storage)
    assert [found.params for found in candidates.trials] == [{"neighbours": 1}, {"neighbours": 5}]
    (expert,) = library.load_study(study_name="test/toy/expert/42", storage=storage).trials
    assert (expert.params, expert.user_attrs["layers"]) == ({"epochs": 5}, layers)


def test_a_record_that_does_not_fit_its_space_is_one_message(folder: Path, tmp_path: Path) -> None:
    path = folder / "trials.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace('"learning_rate"', '"learning_rat"', 1), encoding="utf-8")
    with pytest.raises(UserError, match="trial 0 does not fit the study's search space"):
        export("optuna", stored.find([folder]), tmp_path / "out", optuna.write)
    assert not (tmp_path / "out").exists()


def _kind(dimension: Any) -> str:
    if dimension.type == "int":
        return "FloatDistribution" if dimension.log else "IntDistribution"
    return {"float": "FloatDistribution"}.get(dimension.type, "CategoricalDistribution")


def _local(started: str) -> datetime:
    return datetime.fromisoformat(started).astimezone().replace(tzinfo=None)


def _files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_makers_cover_every_status(folder: Path) -> None:
    (study,) = stored.find([folder])
    assert {record.status for record in study.trials} == set(Trial.model_fields["status"].annotation.__args__)  # type: ignore[union-attr]
