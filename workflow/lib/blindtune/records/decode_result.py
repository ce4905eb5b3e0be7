"""The result of a decode: the record that decode writes and the report reads."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from blindtune.core.arrays import digest_arrays
from blindtune.core.errors import UserError
from blindtune.core.validation import is_none, parse_json
from blindtune.metrics.base import Answers
from blindtune.metrics.compute import compute_metric
from blindtune.metrics.events import COLUMNS, SCORING, are_event_arrays, count_events
from blindtune.records.schema import SCHEMA_VERSION, upgrade

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Fields that version 1 called otherwise.
_RENAMED = {"looked": "decoded", "answers_sha256": "predictions_sha256"}

#: What a model predicted: ``predicted`` labels int16 and ``wrong`` bool, both (n_samples,). Since results have
#: ``details_sha256`` also the details: ``true`` labels int16, (n_samples,); ``probabilities`` float32,
#: (n_samples, n_classes), if the model gives them; ``group`` int32, (n_samples,), if samples belong to groups such as
#: patients; ``origin``, (n_wrong,), UTF-8, if it is known from where each wrong sample comes; and those of
#: `blindtune.metrics.events.COLUMNS`, if the dataset has event-based scores.
Predictions = dict[str, "NDArray[Any]"]

#: The arrays that ``predictions_sha256`` identifies; it identified all of them before there were details.
_LABELS = ("predicted", "wrong")

#: Largest difference of a metric that is computed again from the same answers, perhaps by another version of a library.
METRIC_ROUNDING = 1e-6

#: Largest difference of a metric that the rounding of another machine explains.
METRIC_TOLERANCE = 1e-4

#: A contradiction: the field, what it says, and what it must be.
_Contradiction = tuple[str, Any, Any]


class GroupErrors(BaseModel):
    """The number of wrong eval samples of one group, such as a patient."""

    model_config = ConfigDict(extra="forbid")

    group: int = Field(description="number of the group; its name is in the manifest")
    samples: int
    wrong: int


class EventCounts(BaseModel):
    """What was detected of the events in the whole eval recordings of one patient, see `blindtune.metrics.events`."""

    model_config = ConfigDict(extra="forbid")

    patient: int = Field(description="number of the patient; its name is in the manifest")
    recordings: int
    seconds: float = Field(description="seconds that windows cover")
    events: int
    detected: int
    false_alarms: int


class DecodeResult(BaseModel):
    """The result of the decode of one frozen model."""

    model_config = ConfigDict(extra="forbid")

    schema_version: Literal[2] = SCHEMA_VERSION
    study: str = Field(description="<config name>/<dataset>/<system>/<seed>")
    frozen_sha256: str = Field(description="identifies the frozen model")
    eval_sha256: str = Field(description="identifies the sealed data")
    samples: int
    error: float = Field(description="share of wrong samples; for bayes the closed-loop estimate")
    wrong: int | None = Field(description="number of wrong samples; null for an estimate")
    confusion: list[list[int]] | None = Field(
        description="number of samples by true class (row) and predicted class; null for an estimate"
    )
    groups: list[GroupErrors] | None = Field(
        default=None,
        description="by group; null for an estimate, for data without groups, and in results without this field",
    )
    events: list[EventCounts] | None = Field(
        default=None, exclude_if=is_none, description="by patient, if the dataset has event-based scores"
    )
    event_scoring: int | None = Field(
        default=None,
        exclude_if=is_none,
        description="version of the rules that events were counted by; left out without events and in older results",
    )
    recordings_sha256: str | None = Field(
        default=None, exclude_if=is_none, description="identifies the sealed recordings that events were counted in"
    )
    estimates: dict[str, float] = Field(default_factory=dict, description="for bayes: every estimate")
    blind: bool = Field(description="false if another model of the study had been decoded on these data before")
    metric: str | None = Field(
        default=None, exclude_if=is_none, description="what the tuner minimised; left out for the error"
    )
    metric_value: float | None = Field(
        default=None, exclude_if=is_none, description="the metric on eval; left out for the error"
    )
    predictions_sha256: str | None = Field(
        description="identifies the predicted labels and which are wrong; null for an estimate"
    )
    details_sha256: str | None = Field(
        default=None,
        exclude_if=is_none,
        description="identifies true labels, probabilities and origins; left out in results without them",
    )
    decoded: str = Field(description="UTC, ISO 8601")


def parse_decode_result(content: Any, where: str) -> DecodeResult:
    """Return the result that a record holds, of the present version or an older one.

    Args:
        content: the record as it was read from JSON.
        where: its file, for the message.

    Raises:
        UserError: it is not a result of a decode.
    """
    return parse_json(DecodeResult, upgrade(content, _RENAMED, where), where)


def check_result(
    result: DecodeResult,
    predictions: Predictions | None,
    where: str,
    source: str,
    advice: str,
) -> DecodeResult:
    """Compute the scores from the predictions, refuse a result that says otherwise, and return what was computed.

    Every reader of a result uses this function: no score is believed because it is written down.

    Args:
        result: as it was read.
        predictions: of the model on eval; None or empty for an estimate.
        where: the record of the result, for the message.
        source: where the predictions are, for the message.
        advice: what to do, for the message.

    Returns:
        The result, with the scores that follow from the predictions. Events that another version of the rules counted
        are counted again by the present ones.

    Raises:
        UserError: the predictions are not those of the result, or a field of the result contradicts them; every such
            field is named.
    """
    if bool(predictions) != (result.predictions_sha256 is not None):
        what = "has no predictions, but the result counts some" if not predictions else "has predictions of an estimate"
        raise UserError(f"{where}: {source} {what}. {advice}")
    found: list[_Contradiction]
    computed: dict[str, Any] = {}
    if predictions:
        _check_arrays(result, predictions, where, source, advice)
        samples, n_wrong = len(predictions["wrong"]), int(predictions["wrong"].sum())
        computed = {"samples": samples, "wrong": n_wrong, "error": n_wrong / samples}
        found = [(field, getattr(result, field), value) for field, value in computed.items()]
        found += [("estimates", result.estimates, {}), *_groups(result)]
        found += _confusion(result, predictions)
        found += _metric(result, predictions)
        events = count_by_patient(predictions)
        if events is not None and result.events is not None and result.event_scoring != SCORING:
            computed |= {"events": events, "event_scoring": SCORING}
        else:
            found += [("events", result.events, events)]
        if result.events is None:
            found += [(name, getattr(result, name), None) for name in ("event_scoring", "recordings_sha256")]
        elif result.recordings_sha256 is None:
            found += [("recordings_sha256", None, "events of recordings")]
    else:
        found = list(_estimate(result))
    wrong = [
        f"'{field}' is {_short(value)}, but {source} gives {_short(right)}"
        for field, value, right in found
        if value != right
    ]
    if wrong:
        raise UserError(f"{where}: contradicts the answers: {'; '.join(wrong)}. {advice}")
    return result.model_copy(update=computed)


def is_same_answer(first: DecodeResult, second: DecodeResult) -> bool:
    """Return whether two results say the same, but for the last digits of probabilities.

    Labels are compared one by one, by their digest. Probabilities are rounded in another way on another machine, and
    results of before have none; so of them only the metric counts. Events are compared if they were counted in the same
    recordings: other recordings, or none, make no other model. Both results must be counted by the same rules, as those
    of `check_result` are.
    """
    one, other = first.metric_value, second.metric_value
    if (one is None) != (other is None) or abs((one or 0.0) - (other or 0.0)) > METRIC_TOLERANCE:
        return False
    same: dict[str, Any] = dict.fromkeys(["metric_value", "details_sha256", "recordings_sha256", "event_scoring"])
    if first.recordings_sha256 != second.recordings_sha256:
        same["events"] = None
    return first.model_copy(update=same) == second.model_copy(update=same)


def differing_fields(first: DecodeResult, second: DecodeResult) -> list[str]:
    """Return a description of each field in which two results differ, with both values."""
    one, other = first.model_dump(mode="json"), second.model_dump(mode="json")
    return [
        f"'{field}' is {_short(one.get(field))}, not {_short(other.get(field))}"
        for field in one | other
        if one.get(field) != other.get(field)
    ]


def _check_arrays(result: DecodeResult, predictions: Predictions, where: str, source: str, advice: str) -> None:
    details = details_of(predictions)
    same = digest_arrays(labels_of(predictions)) == result.predictions_sha256
    if not same or (digest_arrays(details) if details else None) != result.details_sha256:
        raise UserError(f"{where}: {source} is not what was recorded, it does not match the decode result. {advice}")
    kinds = {name: (array.dtype.kind, array.ndim) for name, array in labels_of(predictions).items()}
    if kinds != {"predicted": ("i", 1), "wrong": ("b", 1)} or not (
        0 < len(predictions["wrong"]) == len(predictions["predicted"])
    ):
        raise UserError(f"{where}: {source} does not hold one label and one mark for each sample. {advice}")
    if details and not _are_details(details, predictions["wrong"]):
        raise UserError(
            f"{where}: {source} does not hold one true label and, if any, one probability of each class for each "
            f"sample. {advice}"
        )


def labels_of(predictions: Predictions) -> Predictions:
    """Return the arrays that ``predictions_sha256`` identifies."""
    return {name: array for name, array in predictions.items() if name in _LABELS}


def details_of(predictions: Predictions) -> Predictions:
    """Return the arrays that ``details_sha256`` identifies; empty in results without them."""
    return {name: array for name, array in predictions.items() if name not in _LABELS}


def events_of(predictions: Predictions) -> Predictions:
    """Return the arrays of event-based scores; empty without them."""
    return {name: array for name, array in predictions.items() if name in COLUMNS}


def count_by_patient(predictions: Predictions) -> list[EventCounts] | None:
    """Return what follows for event-based scores; None if the predictions hold none."""
    arrays = events_of(predictions)
    return [EventCounts(**one._asdict()) for one in count_events(arrays)] if arrays else None


def _are_details(details: Predictions, wrong: "NDArray[Any]") -> bool:
    """Return whether the details have the types and shapes that they must have."""
    events = events_of(details)
    if events and not are_event_arrays(events):
        return False
    details = {name: array for name, array in details.items() if name not in events}
    kinds = {"true": ("i", 1), "probabilities": ("f", 2), "group": ("i", 1), "origin": ("S", 1)}
    lengths = dict.fromkeys(kinds, len(wrong)) | {"origin": int(wrong.sum())}
    probabilities = details.get("probabilities")
    # NaN is allowed: what a network gives for a sample that overflows.
    if probabilities is not None and ((probabilities < 0) | (probabilities > 1)).any():
        return False
    return "true" in details and all(
        name in kinds and (array.dtype.kind, array.ndim) == kinds[name] and len(array) == lengths[name]
        for name, array in details.items()
    )


def _confusion(result: DecodeResult, predictions: Predictions) -> Iterator[_Contradiction]:
    """Compare what follows of the confusion matrix: its columns and its diagonal."""
    import numpy as np

    predicted, wrong = predictions["predicted"], predictions["wrong"]
    matrix = result.confusion or []
    classes = len(matrix)
    yield "confusion, rows of each length", {len(row) for row in matrix}, {classes}
    if {len(row) for row in matrix} != {classes} or not 0 <= predicted.min() <= predicted.max() < max(classes, 1):
        yield "confusion, classes", classes, f"at least {int(predicted.max()) + 1}"
        return
    array = np.array(matrix, dtype=np.int64)
    yield "confusion, lowest count", min(int(array.min()), 0), 0
    yield (
        "confusion, by predicted class",
        array.sum(axis=0).tolist(),
        np.bincount(predicted, minlength=classes).tolist(),
    )
    right = np.bincount(predicted[~wrong], minlength=classes).tolist()
    yield "confusion, right of each class", array.diagonal().tolist(), right


def _metric(result: DecodeResult, predictions: Predictions) -> Iterator[_Contradiction]:
    """Compare what follows of the true labels: which samples are wrong, the confusion matrix, and the metric."""
    import numpy as np

    true, predicted = predictions.get("true"), predictions["predicted"]
    if true is None:
        yield "metric, without true labels", result.metric, None
        return
    yield "samples marked wrong", int((predictions["wrong"] != (true != predicted)).sum()), 0
    classes = len(result.confusion or [])
    if not classes or not 0 <= true.min() <= true.max() < classes:
        yield "confusion, classes", classes, f"at least {int(true.max()) + 1}"
        return
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (true, predicted), 1)
    yield "confusion", result.confusion, counts.tolist()
    if result.groups is not None and "group" in predictions:
        counted = [(one.group, one.samples, one.wrong) for one in result.groups]
        yield "groups", counted, _count_by_group(predictions["group"], predictions["wrong"])
    probabilities = predictions.get("probabilities")
    if probabilities is not None and probabilities.shape[1] != classes:
        yield "probabilities, classes", probabilities.shape[1], classes
        return
    if result.metric is None:
        yield "metric_value", result.metric_value, None
        return
    value = compute_metric(result.metric, true, Answers(predicted, probabilities), classes)
    if result.metric_value is None or abs(value - result.metric_value) > METRIC_ROUNDING:
        yield "metric_value", result.metric_value, value


def _count_by_group(group: "NDArray[Any]", wrong: "NDArray[Any]") -> list[tuple[int, int, int]]:
    """Return number, samples and wrong samples of each group."""
    import numpy as np

    numbers, index = np.unique(group, return_inverse=True)
    columns = (numbers, np.bincount(index), np.bincount(index, wrong).astype(np.int64))
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _groups(result: DecodeResult) -> Iterator[_Contradiction]:
    groups = result.groups
    if groups is None:
        return
    yield "groups, samples", sum(one.samples for one in groups), result.samples
    yield "groups, wrong", sum(one.wrong for one in groups), result.wrong
    yield "groups, named twice", len(groups) - len({one.group for one in groups}), 0
    yield "groups, impossible counts", sum(not 0 <= one.wrong <= one.samples for one in groups), 0


def _estimate(result: DecodeResult) -> Iterator[_Contradiction]:
    for field in ("wrong", "confusion", "groups", "events", "event_scoring", "recordings_sha256"):
        yield field, getattr(result, field), None
    yield "error", result.error, result.estimates.get("closed_loop")


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
