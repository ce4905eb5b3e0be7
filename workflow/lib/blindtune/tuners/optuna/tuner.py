"""Creates tuners of Optuna, driven through ``ask`` and ``tell`` on a study that is held in memory."""

from collections import deque
from typing import TYPE_CHECKING

from blindtune.records.trial import Trial
from blindtune.tuners.base import Proposal, Tuner, TunerContext
from blindtune.tuners.optuna.config import OptunaConfig, grid_size
from blindtune.tuners.optuna.sampler import create_pruner, create_sampler, suggest
from blindtune.tuners.parameter_counts import ParameterCounts

if TYPE_CHECKING:
    import optuna


def create(config: OptunaConfig, context: TunerContext) -> Tuner:
    """Create the tuner that a config of Optuna describes.

    Args:
        config: sampler, pruner and objectives.
        context: search space, epochs and seed.
    """
    return OptunaTuner(config, context)


class OptunaTuner(Tuner):
    """A study of Optuna, asked and told.

    Args:
        config: sampler, pruner and objectives.
        context: search space, epochs and seed.
    """

    def __init__(self, config: OptunaConfig, context: TunerContext) -> None:
        self._space = context.space
        self._pruner = config.pruner
        self._batch = config.batch
        self._n_remaining = grid_size(context.space) if config.algorithm == "grid" else None
        #: Whether no proposal depends on any score.
        self._is_independent = config.algorithm in ("random", "grid") and config.pruner.algorithm == "none"
        self._study = create_study(
            create_sampler(config, context.space, context.seed),
            create_pruner(config.pruner, context.epochs),
            len(config.objectives),
        )
        self._waiting: deque[tuple[optuna.Trial, Proposal]] = deque()
        self._running: deque[optuna.Trial] = deque()
        self._counts = ParameterCounts()

    def ask(self) -> Proposal | None:
        """Return the next suggestion."""
        return next(iter(self.ask_batch(1)), None)

    def ask_batch(self, n: int) -> list[Proposal]:
        """Return at most `n` suggestions; of a sampler that learns, those of the current batch."""
        if not self._waiting:
            for _ in range(n if self._is_independent else self._batch):
                self._propose()
        asked = [self._waiting.popleft() for _ in range(min(n, len(self._waiting)))]
        self._running.extend(trial for trial, _ in asked)
        return [proposal for _, proposal in asked]

    def _propose(self) -> None:
        if self._n_remaining is not None:
            if self._n_remaining == 0:
                return
            self._n_remaining -= 1
        trial = self._study.ask()
        self._waiting.append((trial, Proposal(self._space.from_library_values(suggest(trial, self._space)))))

    def report(self, epoch: int, dev_error: float) -> str | None:
        """Return the name of the pruner if it prunes the trial."""
        if self._pruner.algorithm == "none":
            return None
        running = self._first_running()
        running.report(dev_error, epoch)
        return f"Optuna's {self._pruner.algorithm} pruner" if running.should_prune() else None

    def tell(self, trial: Trial) -> None:
        """Pass a score to the study: as pruned if it was pruned, else as complete, even without a score."""
        from optuna.trial import TrialState

        running = self._first_running()
        self._running.popleft()
        if trial.status == "pruned":
            self._study.tell(running, state=TrialState.PRUNED)
        elif len(self._study.directions) == 1:
            self._study.tell(running, trial.objective_value())
        else:
            self._study.tell(running, [trial.objective_value(), self._counts.to_tell(trial)])

    def _first_running(self) -> "optuna.Trial":
        if not self._running:
            raise RuntimeError("a score was told before a proposal was asked for")
        return self._running[0]


def create_study(
    sampler: "optuna.samplers.BaseSampler", pruner: "optuna.pruners.BasePruner", n_objectives: int
) -> "optuna.Study":
    """Create a study of Optuna in memory.

    Args:
        sampler: proposes.
        pruner: ends trainings early.
        n_objectives: number of values that are minimised.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # A study of a fixed name: some of Optuna's pruners decide by it.
    return optuna.create_study(
        study_name="blindtune", directions=["minimize"] * n_objectives, sampler=sampler, pruner=pruner
    )
