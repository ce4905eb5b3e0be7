"""What a post-mortem says of a search: failure of selection, failure of search, and overtuning.

All of it is computed from the record of the post-mortem, the trials and the decodes; nothing is chosen by it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from blindtune.records.post_mortem import AnalysedTrial, PostMortem
from blindtune.report.records import DatasetRecords, RunRecords, SystemRecords
from blindtune.report.stats.seed_statistics import compute_rank_correlation

#: Fewest trials of which a rank correlation is given.
MIN_TRIALS = 5


@dataclass(frozen=True)
class SearchAutopsy:
    """The post-mortem of one search in numbers; values are what was minimised, the error or the metric.

    Attributes:
        system: what searched.
        run: the search with one seed.
        found: its post-mortem.
        evaluated: the trials that were evaluated on eval, in order.
        chosen: the value of the chosen model on eval, as it was decoded.
        best: the evaluated trial with the lowest value on eval; of equals the chosen one, or the first. None: none was
            evaluated.
        overtuning: see `measure_overtuning`; None: it is not known.
        dev_and_eval: rank correlation of the values on dev and on eval; None: too few trials, or all are equal.
        size_and_gap: rank correlation of the number of parameters and the value on eval minus that on dev; None as
            above, or no networks.
    """

    system: SystemRecords
    run: RunRecords
    found: PostMortem
    evaluated: list[AnalysedTrial]
    chosen: float
    best: AnalysedTrial | None
    overtuning: "Overtuning | None"
    dev_and_eval: float | None
    size_and_gap: float | None

    @property
    def best_value(self) -> float | None:
        """The lowest value on eval that the search had met; the chosen model is one of what it had met."""
        return None if self.best is None else min(value_on_eval(self.best), self.chosen)

    @property
    def selection(self) -> float | None:
        """The failure of selection: how much lower the value on eval could have been by choosing among its trials."""
        return None if self.best_value is None else self.chosen - self.best_value

    @property
    def cross_selection(self) -> float | None:
        """The failure of selection without luck: chosen minus the trial that is best on another half of eval."""
        return None if self.found.cross_chosen_error is None else self.chosen - self.found.cross_chosen_error

    def search(self, manual: float | None) -> float | None:
        """Return the failure of search: the lowest value that it had met minus that of the best manual model.

        Args:
            manual: the value of the manual model on eval; None: there is none.

        Returns:
            Positive: not even the best of its trials is as good.
        """
        return None if manual is None or self.best_value is None else self.best_value - manual

    def cross_search(self, manual: float | None) -> float | None:
        """Return the failure of search without luck, as `cross_selection`."""
        return (
            None
            if manual is None or self.found.cross_chosen_error is None
            else (self.found.cross_chosen_error - manual)
        )

    @property
    def dev_rank(self) -> int | None:
        """The rank on dev, from 1, of the trial that was best on eval, among the evaluated trials."""
        if self.best is None:
            return None
        return 1 + sum(value_on_dev(trial) < value_on_dev(self.best) for trial in self.evaluated)

    @property
    def other_weights(self) -> list[AnalysedTrial]:
        """The evaluated trials whose restored weights are not those that were recorded, bit by bit."""
        return [trial for trial in self.evaluated if trial.same_weights is False]

    @property
    def unmatched(self) -> list[AnalysedTrial]:
        """The trials that were scored on dev and could not be restored as they were recorded."""
        return [trial for trial in self.found.trials if trial.dev_error is not None and trial.error is None]

    @property
    def decoded_otherwise(self) -> bool:
        """Whether the chosen trial was restored with another eval error than it was decoded with."""
        own = next((trial for trial in self.evaluated if trial.trial == self.found.chosen), None)
        return own is not None and own.wrong != self.run.decode.wrong


@dataclass(frozen=True)
class Overtuning:
    """How much a search lost by going on, as Schneider, Bischl and Feurer (2025) define it.

    The paper is "Overtuning in Hyperparameter Optimization". An incumbent is the trial with the lowest value on dev so
    far.

    Attributes:
        loss: the value on eval of the last incumbent minus the lowest one of all incumbents.
        relative: ``loss`` divided by the value of the first incumbent minus the lowest one; above 1, the search ended
            with a model that is worse on eval than its first. None: it lost, and its first incumbent was the best.
        incumbents: number of incumbents.
    """

    loss: float
    relative: float | None
    incumbents: int


def find_autopsies(dataset: DatasetRecords) -> list[SearchAutopsy]:
    """Return the post-mortem of each search on a dataset, in the order of the config and of the seeds."""
    return [
        _examine(system, run, run.post_mortem)
        for system in dataset.systems
        for run in system.runs
        if run.post_mortem is not None
    ]


def _examine(system: SystemRecords, run: RunRecords, found: PostMortem) -> SearchAutopsy:
    evaluated = [trial for trial in found.trials if trial.error is not None]
    sized = [trial for trial in evaluated if trial.n_parameters is not None]
    return SearchAutopsy(
        system,
        run,
        found,
        evaluated,
        run.decode.error if run.decode.metric_value is None else run.decode.metric_value,
        min(evaluated, key=lambda trial: (value_on_eval(trial), trial.trial != found.chosen), default=None),
        measure_overtuning([trial for trial in found.trials if trial.dev_error is not None]),
        correlate([value_on_dev(trial) for trial in evaluated], [value_on_eval(trial) for trial in evaluated]),
        correlate(
            [float(trial.n_parameters or 0) for trial in sized],
            [value_on_eval(trial) - value_on_dev(trial) for trial in sized],
        ),
    )


def value_on_dev(trial: AnalysedTrial) -> float:
    """Return what was minimised, on dev."""
    value = trial.dev_error if trial.dev_metric is None else trial.dev_metric
    if value is None:
        raise ValueError(f"trial {trial.trial} was not scored on dev")
    return value


def value_on_eval(trial: AnalysedTrial) -> float:
    """Return what was minimised, on eval."""
    value = trial.error if trial.metric_value is None else trial.metric_value
    if value is None:
        raise ValueError(f"trial {trial.trial} was not evaluated")
    return value


def measure_overtuning(scored: Sequence[AnalysedTrial]) -> Overtuning | None:
    """Return the overtuning of a search over its incumbents.

    Args:
        scored: all trials with a value on dev, in the order of the search.

    Returns:
        The overtuning; None without a trial, or if an incumbent was not evaluated.
    """
    incumbents: list[AnalysedTrial] = []
    for trial in scored:
        if not incumbents or value_on_dev(trial) < value_on_dev(incumbents[-1]):
            incumbents.append(trial)
    if not incumbents or any(trial.error is None for trial in incumbents):
        return None
    values = [value_on_eval(trial) for trial in incumbents]
    loss, gain = values[-1] - min(values), values[0] - min(values)
    relative = loss / gain if gain > 0 else None if loss > 0 else 0.0
    return Overtuning(loss, relative, len(values))


def correlate(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return Spearman's rank correlation; None for too few values, or if all on one side are equal."""
    return None if len(first) < MIN_TRIALS else compute_rank_correlation(first, second)
