"""Export studies of any tuner to an Optuna database that optuna-dashboard can open."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blindtune.core.errors import UserError
from blindtune.core.timing import total_wall_seconds
from blindtune.core.validation import parse_json
from blindtune.exports.guide import compute_end_time
from blindtune.exports.stored_study import StoredStudy
from blindtune.metrics.registry import ERROR
from blindtune.records.trial import Trial
from blindtune.search_space import Space, Value
from blindtune.tuners.optuna.sampler import suggest

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution

#: The file of the database: ``optuna-dashboard sqlite:///<folder>/optuna.db``.
DATABASE = "optuna.db"

_Distributions = dict[str, "BaseDistribution"]


def write(studies: list[StoredStudy], folder: Path) -> None:
    """Write ``optuna.db``; each study is named by its id.

    Completed and pruned trials keep their state. Invalid, failed and diverged trials become FAIL, which has no value;
    the user attribute ``status`` keeps the recorded status. A trial scored on a cross-validation fold becomes PRUNED,
    because its score is not a dev error.

    Args:
        studies: the studies to export.
        folder: the folder of the export.

    Raises:
        UserError: a record does not fit the search space of its study.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.RDBStorage(f"sqlite:///{folder / DATABASE}")
    for stored in studies:
        study = optuna.create_study(storage=storage, study_name=stored.study.id, direction="minimize")
        study.set_user_attr("system", stored.study.settings.model_dump(mode="json"))
        space = parse_json(Space, stored.files["space"], f"{stored.folder}: space") if "space" in stored.files else None
        others = _choices(stored.trials)
        for trial in stored.trials:
            study.add_trial(_trial(stored, trial, space, others))
    storage.remove_session()
    storage.engine.dispose()


def _trial(
    stored: StoredStudy, trial: Trial, space: Space | None, others: _Distributions
) -> "optuna.trial.FrozenTrial":
    import optuna

    distributions = _distributions(stored, trial, space) if space else {}
    distributions = {name: distributions.get(name, others[name]) for name in trial.hyperparameters if name in others}
    state = _state(trial)
    frozen = optuna.trial.create_trial(
        state=state,
        value=trial.objective_value() if state == optuna.trial.TrialState.COMPLETE else None,
        params={name: trial.hyperparameters[name] for name in distributions},
        distributions=distributions,
        user_attrs=_attributes(trial, set(distributions)),
        intermediate_values={
            number: value
            for number, epoch in enumerate(trial.curve, trial.trained_before + 1)
            if (value := epoch.objective(trial.metric or ERROR)) is not None
        },
    )
    frozen.datetime_start = _local(datetime.fromisoformat(trial.started))
    frozen.datetime_complete = _local(compute_end_time(trial))
    return frozen


def _state(trial: Trial) -> "optuna.trial.TrialState":
    from optuna.trial import TrialState

    if trial.status == "pruned" or (trial.status == "completed" and trial.fold is not None):
        return TrialState.PRUNED
    return TrialState.COMPLETE if trial.status == "completed" else TrialState.FAIL


def _distributions(stored: StoredStudy, trial: Trial, space: Space) -> _Distributions:
    """Return the distributions of the active dimensions, as blindtune's Optuna tuner declares them."""
    from optuna.trial import FixedTrial

    values: dict[str, Any] = trial.hyperparameters
    fixed = FixedTrial(values)
    try:
        suggest(fixed, space)  # type: ignore[arg-type]
    except ValueError as error:
        raise UserError(
            f"{stored.folder}: trial {trial.number} does not fit the study's search space ({error}). "
            "Restore trials.jsonl and protocol.json, or move the study's folder away and run again."
        ) from error
    return fixed.distributions


def _choices(trials: list[Trial]) -> _Distributions:
    """Return distributions over the recorded values, for systems without a search space such as nearest neighbors."""
    from optuna.distributions import CategoricalDistribution

    found: dict[str, dict[Value, None]] = {}
    for trial in trials:
        for name, value in trial.hyperparameters.items():
            if isinstance(value, bool | int | float | str):
                found.setdefault(name, {})[value] = None
    return {name: CategoricalDistribution(list(values)) for name, values in found.items()}


def _attributes(trial: Trial, params: set[str]) -> dict[str, Any]:
    """Return the fields of the record that Optuna has no field for."""
    rest = {name: value for name, value in trial.configuration().items() if name not in params}
    attributes = {
        "status": trial.status,
        "reason": trial.reason,
        "retries": trial.retries or None,
        "told": trial.objective_value(),
        "score": trial.score,
        "metric": trial.metric,
        "metric_value": trial.metric_value,
        "fold": trial.fold,
        "parent": trial.parent,
        "epochs": trial.epochs,
        "n_parameters": trial.n_parameters,
        "seconds": round(total_wall_seconds(trial.seconds), 3),
        "exceptions": trial.exceptions or None,
        "weights_sha256": trial.weights_sha256,
    }
    return {name: value for name, value in (attributes | rest).items() if value is not None}


def _local(moment: datetime) -> datetime:
    """Return a time as Optuna stores it: local to this machine, without a time zone."""
    return moment.astimezone().replace(tzinfo=None)
