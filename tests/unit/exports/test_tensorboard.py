"""The export to TensorBoard, read back with TensorBoard."""

from pathlib import Path

import pytest

from blindtune.exports import tensorboard
from blindtune.exports.folders import export
from blindtune.exports.stored_study import find_studies


def test_tensorboard_write_is_read_by_tensorboard(folder: Path, tmp_path: Path) -> None:
    """TensorBoard's own reader finds the curves, the hyperparameters and the status of every trial."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    (study,) = find_studies([folder])
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
