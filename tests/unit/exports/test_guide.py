"""The export to the format of the guide."""

from pathlib import Path

from blindtune.exports import guide
from blindtune.exports.folders import export
from blindtune.exports.stored_study import find_studies
from support.stored_studies import content


def test_guide_write_uses_the_fields_of_the_guide(folder: Path, tmp_path: Path) -> None:
    """The files have the fields that section 6.4 of the guide reads."""
    (folder / "weights").mkdir()
    (folder / "weights" / "00002.safetensors").touch()
    (study,) = find_studies([folder])
    export("guide", [study], tmp_path / "out", guide.write)
    place = tmp_path / "out" / "test" / "toy" / "tuned" / "42"
    assert sorted(path.name for path in place.iterdir()) == sorted(f"trial_{n}.json" for n in range(11))
    for record in study.trials:
        data = content(place / f"trial_{record.number}.json")
        params = data["params"]  # as section 6.4 does
        assert (data["trial_number"], params) == (record.number, record.hyperparameters)
        assert data["val_accuracy"] == data["value"] == (None if record.score is None else 1 - record.score)
        assert (data["status"], data["reason"]) == (record.status, record.reason)
        assert "metric" not in data
    assert content(place / "trial_10.json")["output_exception_list"] == ["layer 2 (pool)"]
    assert content(place / "trial_10.json")["val_loss"] == 0.25, "of the fourth epoch, its second"
    first = content(place / "trial_0.json")
    assert first["datetime_start"] == "2021-01-01T00:00:00.000+00:00"
    assert first["datetime_complete"] == "2021-01-01T00:00:01.500+00:00"
    kept = [number for number in range(11) if content(place / f"trial_{number}.json")["weights"]]
    assert kept == [2] and content(place / "trial_2.json")["weights"] == "weights/00002.safetensors"


def test_guide_value_is_of_the_metric(folder: Path) -> None:
    """With another metric, the value that the guide maximizes is of it; the accuracy stays one minus the error."""
    (study,) = find_studies([folder])
    record = next(trial for trial in study.trials if trial.score is not None)
    for metric, minimised, value in (("roc_auc", 0.25, 0.75), ("log_loss", 0.25, -0.25)):
        trial = record.model_copy(update={"metric": metric, "metric_value": minimised})
        data = guide.build_content(study, trial)
        assert (data["value"], data["val_accuracy"]) == (value, 1 - (record.score or 0))
        assert (data["metric"], data["metric_value"]) == (metric, minimised)
    failed = record.model_copy(update={"metric": "log_loss", "metric_value": None, "score": None})
    assert guide.build_content(study, failed)["value"] is None
