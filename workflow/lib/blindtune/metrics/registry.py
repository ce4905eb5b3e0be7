"""The metrics that a comparison can name.

To add one: write a module with a `blindtune.metrics.base.MetricFunction`, and add a line here. Another package adds a
metric through an entry point of the group ``blindtune.metrics``, whose name is the value of ``metric`` and whose object
is a `MetricEntry`.
"""

from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from blindtune.core.registry import Entry, Registry
from blindtune.core.validation import suggest_name

#: The metric of a comparison that names none: the share of wrong samples.
ERROR = "error"

#: The highest log loss of probabilities in float32, rounded up: scikit-learn takes none for less than 2**-23.
_WORST_LOG_LOSS = 16.0


@dataclass(frozen=True, kw_only=True)
class MetricEntry(Entry):
    """Where to find a metric, and what planning and the report must know of it.

    `create` names a function like `blindtune.metrics.base.MetricFunction`.

    Attributes:
        title: its name in tables.
        description: one phrase for the description of the config key.
        worst: the highest value that there is; what the tuner is told of a trial without a value.
        needs_probabilities: whether labels alone do not determine it.
        is_share: whether it is from 0 to 1, and shown in percent.
    """

    title: str
    description: str
    worst: float = 1.0
    needs_probabilities: bool = False
    is_share: bool = True


METRICS = Registry(
    "blindtune.metrics",
    "metric",
    MetricEntry,
    {
        ERROR: MetricEntry(
            create="blindtune.metrics.error:compute", title="error", description="share of wrong samples"
        ),
        "balanced_error": MetricEntry(
            create="blindtune.metrics.balanced_error:compute",
            title="balanced error",
            description="mean over the classes of the share of their samples that is wrong",
        ),
        "macro_f1": MetricEntry(
            create="blindtune.metrics.macro_f1:compute",
            title="1 − macro F1",
            description="1 minus the mean F1 of the classes",
        ),
        "roc_auc": MetricEntry(
            create="blindtune.metrics.roc_auc:compute",
            title="1 − ROC AUC",
            description="1 minus the area under the ROC curve; of more than two classes, the mean of one against the "
            "rest",
            needs_probabilities=True,
        ),
        "log_loss": MetricEntry(
            create="blindtune.metrics.log_loss:compute",
            title="log loss",
            description="mean negative logarithm of the probability of the true class",
            worst=_WORST_LOG_LOSS,
            needs_probabilities=True,
            is_share=False,
        ),
    },
)


def describe_metrics() -> str:
    """Return the description of the config key ``metric``: every value and what it means."""
    return "; ".join(f"{name}: {entry.description}" for name, entry in METRICS.entries.items())


def worst_value(name: str) -> float:
    """Return the highest value of a metric; 1 for one of another package that is not installed any more."""
    entry = METRICS.entries.get(name)
    return 1.0 if entry is None else entry.worst


def is_error(metric: str) -> bool:
    """Return whether a metric is the error; keys of this value are left out of records, which then are as before."""
    return metric == ERROR


def _check_name(name: str) -> str:
    if name not in METRICS.entries:
        raise ValueError(f"{name!r} is not a metric: {suggest_name(name, METRICS.names())}")
    return name


#: The type of a config key that takes the name of a metric.
MetricName = Annotated[str, AfterValidator(_check_name), WithJsonSchema({"enum": METRICS.names(), "type": "string"})]
