"""Export studies as TensorBoard event files: one run per trial, with curves and hyperparameters."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from blindtune.exports.folders import make_study_folder
from blindtune.exports.guide import compute_end_time
from blindtune.exports.stored_study import StoredStudy
from blindtune.records.trial import EpochMetrics, Trial

#: Statuses that TensorBoard shows as failures. Pruning is not a failure.
_FAILURES = ("invalid", "failed", "diverged")


def write(studies: list[StoredStudy], folder: Path) -> None:
    """Write ``<config>/<dataset>/<system>/<seed>/trial_<number>/events.out.tfevents.*`` for every trial.

    The records have no time per epoch, so the epochs are spread evenly over the trial's wall time.

    Args:
        studies: the studies to export.
        folder: the folder of the export.
    """
    from tensorboard.summary.writer.record_writer import RecordWriter

    for stored in studies:
        for trial in stored.trials:
            trial_folder = make_study_folder(stored, folder) / f"trial_{trial.number:05d}"
            trial_folder.mkdir()
            start = datetime.fromisoformat(trial.started).timestamp()
            with (trial_folder / f"events.out.tfevents.{int(start)}.blindtune").open("wb") as stream:
                writer = RecordWriter(stream)
                for event in _events(trial, start, compute_end_time(trial).timestamp()):
                    writer.write(event.SerializeToString())


def _events(trial: Trial, start: float, end: float) -> Iterator[Any]:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb

    yield Event(wall_time=start, file_version="brain.Event:2")
    name = f"{trial.study}/{trial.number}"
    yield Event(wall_time=start, summary=hparams_pb(_plain(trial.hyperparameters), name, start))
    for place, epoch in enumerate(trial.curve, 1):
        number = trial.trained_before + place
        time = start + (end - start) * place / len(trial.curve)
        values = _scalars(epoch) | ({"score": trial.score} if number == trial.scored_epoch else {})
        summary = Summary(
            value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items() if value is not None]
        )
        yield Event(wall_time=time, step=number, summary=summary)
    yield Event(wall_time=end, summary=_session_end(trial.status in _FAILURES, end))


def _scalars(epoch: EpochMetrics) -> dict[str, float | None]:
    return {
        "train/loss": epoch.train_loss,
        "train/error": epoch.train_error,
        "dev/loss": epoch.dev_loss,
        "dev/error": epoch.dev_error,
        "dev/metric": epoch.dev_metric,
    }


def _plain(values: Mapping[str, object]) -> dict[str, Any]:
    """Return the hyperparameters that the HParams tab can show: all but the layers of a manual model."""
    return {name: value for name, value in values.items() if isinstance(value, bool | int | float | str)}


def _session_end(failed: bool, end: float) -> Any:
    # TensorBoard's own function for this imports TensorFlow, which takes seconds.
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import metadata
    from tensorboard.plugins.hparams.api_pb2 import STATUS_FAILURE, STATUS_SUCCESS
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo

    info = SessionEndInfo(status=STATUS_FAILURE if failed else STATUS_SUCCESS, end_time_secs=end)
    about = metadata.create_summary_metadata(HParamsPluginData(session_end_info=info))
    tag = metadata.SESSION_END_INFO_TAG
    return Summary(value=[Summary.Value(tag=tag, metadata=about, tensor=metadata.NULL_TENSOR)])
