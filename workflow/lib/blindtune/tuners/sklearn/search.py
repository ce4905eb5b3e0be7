"""scikit-learn's searchers behind ask and tell.

A searcher drives an estimator itself. It gets one whose score is a question to the study: the searcher runs in a thread
of its own, hands over each set that it wants scored, and waits.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from queue import SimpleQueue
from threading import Thread
from typing import Any
from weakref import finalize

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    RandomizedSearchCV,
    StratifiedGroupKFold,
    StratifiedKFold,
)

from blindtune.core.errors import UserError
from blindtune.records.trial import Trial
from blindtune.search_space import Hyperparameters, Space
from blindtune.tuners.base import Fold, Proposal, Tuner, TunerContext
from blindtune.tuners.sklearn.config import Distribution, SklearnConfig, grid


@dataclass(frozen=True)
class Candidate:
    """One set as a searcher holds it; the number tells equal draws apart."""

    number: int
    hyperparameters: Hyperparameters


@dataclass(frozen=True)
class Wish:
    """What a searcher wants scored.

    Attributes:
        candidate: the set.
        epochs: where its training ends; None: where the hyperparameters say.
        fold: number of the fold; None: train on train, score on dev.
    """

    candidate: Candidate
    epochs: int | None
    fold: int | None


class Ended(Exception):
    """Ends the thread of a searcher whose study asks no more."""


#: From all that a searcher wants scored before it looks at any score, to the scores.
Score = Callable[[list[Wish]], list[float]]


class Exchange:
    """Carries wishes from the thread of a searcher to the study, and scores back.

    Attributes:
        search: what runs in the thread; it calls its argument for all scores that it needs at once.
    """

    def __init__(self, search: Callable[[Score], None]) -> None:
        self._search = search
        self._wishes: SimpleQueue[list[Wish] | Exception | None] = SimpleQueue()
        self._scores: SimpleQueue[list[float] | None] = SimpleQueue()
        self._thread: Thread | None = None
        self._over = False

    def next(self) -> list[Wish] | None:
        """Wait for the next wishes; None where the search is over. Raises what the search raised."""
        if self._over:
            return None
        if self._thread is None:
            self._thread = Thread(target=self._drive, name="scikit-learn searcher", daemon=True)
            self._thread.start()
        wishes = self._wishes.get()
        self._over = not isinstance(wishes, list)
        if isinstance(wishes, Exception):
            raise wishes
        return wishes

    def answer(self, scores: list[float]) -> None:
        """Let the search go on."""
        self._scores.put(scores)

    def end(self) -> None:
        """End the thread where it waits."""
        self._scores.put(None)

    def _drive(self) -> None:
        try:
            self._search(self._score)
            self._wishes.put(None)
        except Exception as error:  # whatever it is, it belongs to whoever asks next
            self._wishes.put(error)

    def _score(self, wishes: list[Wish]) -> list[float]:
        self._wishes.put(wishes)
        scores = self._scores.get()
        if scores is None:
            raise Ended
        return scores


class Asking(BaseEstimator):  # type: ignore[misc]
    """The estimator that a searcher drives: its samples are places in train, its score is asked for."""

    def __init__(
        self,
        ask: Callable[[Candidate, int | None, NDArray[np.int64]], float],
        hyperparameters: Candidate | None = None,
        epochs: int | None = None,
    ) -> None:
        self.ask = ask
        self.hyperparameters = hyperparameters
        self.epochs = epochs

    def fit(self, places: NDArray[np.int64], labels: NDArray[np.int64]) -> "Asking":
        """Nothing: training and scoring are one question."""
        return self

    def score(self, places: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
        """The share of right predictions on the held-out places."""
        if self.hyperparameters is None:
            raise TypeError("scored without a set")
        return self.ask(self.hyperparameters, self.epochs, places)


@dataclass(frozen=True)
class _Trained:
    number: int
    epochs: int | None
    score: float


class SearchTuner(Tuner):
    """A searcher, asked and told; a set that comes again for more epochs names the trial that it goes on from."""

    def __init__(self, exchange: Exchange, folds: list[Fold]) -> None:
        self._exchange = exchange
        self._folds = folds
        self._trained: dict[tuple[int, int | None], _Trained] = {}
        self._wishes: list[Wish] = []
        self._waiting: deque[Wish] = deque()
        self._asked: deque[Wish] = deque()
        self._told = 0
        # The thread does not outlive the tuner; at the end of the program nobody waits for it.
        finalize(self, exchange.end).atexit = False

    def ask(self) -> Proposal | None:
        """The searcher's next wish."""
        return next(iter(self.ask_batch(1)), None)

    def ask_batch(self, most: int) -> list[Proposal]:
        """Wishes that the searcher has at once: a list, or a rung."""
        if self._asked:
            raise RuntimeError("asked before it was told")
        while not self._waiting:
            if self._wishes:
                self._exchange.answer([self._trained[_key(wish)].score for wish in self._wishes])
            self._wishes = self._exchange.next() or []
            if not self._wishes:
                return []
            # A rung with the epochs of the one before would give its scores again.
            self._waiting.extend(wish for wish in self._wishes if not self._known(wish))
        self._asked.extend(self._waiting.popleft() for _ in range(min(most, len(self._waiting))))
        return [self._proposal(wish) for wish in self._asked]

    def tell(self, trial: Trial) -> None:
        """Note a score; the searcher never hears of a NaN, a trial without a score is the worst there is."""
        if not self._asked:
            raise RuntimeError("told before it was asked")
        wish = self._asked.popleft()
        self._trained[_key(wish)] = _Trained(self._told, wish.epochs, 1.0 - trial.objective_value())
        self._told += 1

    def _proposal(self, wish: Wish) -> Proposal:
        before = self._trained.get(_key(wish))
        return Proposal(
            dict(wish.candidate.hyperparameters),
            parent=before.number if before else None,
            epochs=wish.epochs,
            fold=None if wish.fold is None else self._folds[wish.fold],
        )

    def _known(self, wish: Wish) -> _Trained | None:
        known = self._trained.get(_key(wish))
        return known if known and known.epochs == wish.epochs else None


def _key(wish: Wish) -> tuple[int, int | None]:
    return wish.candidate.number, wish.fold


def _name(wish: Wish) -> tuple[int, int | None, int | None]:
    return wish.candidate.number, wish.epochs, wish.fold


class _Draws:
    """The space as a distribution over candidates."""

    def __init__(self, space: Space) -> None:
        self._distribution = Distribution(space)
        self._numbers = count()

    def rvs(self, random_state: np.random.RandomState | None = None) -> Candidate:
        return Candidate(next(self._numbers), self._distribution.rvs(random_state))


def tuner(settings: SklearnConfig, start: TunerContext) -> SearchTuner:
    """A fresh searcher of the algorithm that ``settings`` name.

    Raises:
        UserError: train cannot be parted into so many folds.
    """
    folds = folds_of(start, settings.folds) if settings.folds else []
    samples = len(start.labels)
    fold_of = np.zeros(samples, dtype=np.int64)
    for fold in folds:
        fold_of[fold.held_out] = fold.number

    def search(score: Score) -> None:
        scores: dict[tuple[int, int | None, int | None], float] = {}

        def announce(candidates: list[dict[str, Any]]) -> None:
            numbers: list[int | None] = [fold.number for fold in folds] or [None]
            sets = [(each["hyperparameters"], each.get("epochs")) for each in candidates]
            wishes = [Wish(candidate, epochs, number) for candidate, epochs in sets for number in numbers]
            scores.update(zip(map(_name, wishes), score(wishes), strict=True))

        def ask(candidate: Candidate, epochs: int | None, held_out: NDArray[np.int64]) -> float:
            return scores[_name(Wish(candidate, epochs, int(fold_of[held_out[0]]) if folds else None))]

        places = np.arange(samples)
        parts = [(fold.fitted, fold.held_out) for fold in folds] or [(places, places)]
        made = searcher(settings, start, Asking(ask), parts, announce)
        made.fit(places, start.labels)
        if folds:
            chosen = made.best_params_
            score([Wish(chosen["hyperparameters"], chosen.get("epochs"), None)])

    return SearchTuner(Exchange(search), folds)


#: Hears of all parameter sets that a searcher is about to score.
Announce = Callable[[list[dict[str, Any]]], None]


def announcing(kind: Any, announce: Announce) -> Any:
    """The class of searchers ``kind``, which announces what it is about to score: a list, or a rung."""

    class Announcing(kind):  # type: ignore[misc]
        def _run_search(self, evaluate_candidates: Any, *, callback_ctx: Any) -> None:
            def evaluate(candidates: Any, *arguments: Any, **named: Any) -> Any:
                listed = list(candidates)
                announce(listed)
                return evaluate_candidates(listed, *arguments, **named)

            super()._run_search(evaluate, callback_ctx=callback_ctx)

    return Announcing


def searcher(
    settings: SklearnConfig, start: TunerContext, estimator: BaseEstimator, parts: list[Any], announce: Announce
) -> Any:
    """The library's searcher over ``estimator``, whose parameters are ``hyperparameters`` and ``epochs``.

    Args:
        settings: the algorithm and its arguments.
        start: space, budget and seed.
        estimator: what is searched over.
        parts: fitted and held-out places of each fold.
        announce: hears of what is about to be scored.
    """
    common: dict[str, Any] = {"cv": parts, "refit": False, "error_score": "raise", "return_train_score": False}
    halving: dict[str, Any] = common | {
        "factor": settings.factor,
        "resource": "epochs",
        "max_resources": start.epochs,
        "min_resources": settings.min_epochs or "exhaust",
        "aggressive_elimination": settings.aggressive_elimination,
        "random_state": start.seed,
    }
    draws = {"hyperparameters": _Draws(start.space)}
    match settings.algorithm:
        case "randomized-search":
            sets = _sets(settings, start, start.budget.most_trials())
            return announcing(RandomizedSearchCV, announce)(
                estimator, draws, n_iter=sets, random_state=start.seed, **common
            )
        case "halving-random-search":
            sets = _sets(settings, start, start.budget.most_trials())
            return announcing(HalvingRandomSearchCV, announce)(estimator, draws, n_candidates=sets, **halving)
        case "grid-search":
            return announcing(GridSearchCV, announce)(
                estimator, {"hyperparameters": _points(settings, start)}, **common
            )
        case _:
            return announcing(HalvingGridSearchCV, announce)(
                estimator, {"hyperparameters": _points(settings, start)}, **halving
            )


def _points(settings: SklearnConfig, start: TunerContext) -> list[Candidate]:
    """The grid, or as much of its beginning as the budget allows."""
    points = [Candidate(*point) for point in enumerate(grid(start.space, start.budget.most_trials()))]
    return points[: _sets(settings, start, len(points))]


def _sets(settings: SklearnConfig, start: TunerContext, limit: int) -> int:
    return settings.sets(start.space, start.budget, start.epochs, limit)


def folds_of(start: TunerContext, folds: int) -> list[Fold]:
    """The folds of train: classes as even as can be, no group in two of them.

    Raises:
        UserError: a class or the groups are too few, or a fold would leave a class without a sample to train on.
    """
    labels, groups = start.labels, start.groups
    _enough(np.bincount(labels), folds, "samples of a class")
    if groups is not None:
        _enough(np.array([len(np.unique(groups))]), folds, "groups")
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    splitter = kind(n_splits=folds, shuffle=True, random_state=start.seed)
    parts = splitter.split(np.zeros(len(labels)), labels, groups)
    made = [Fold(number, fitted, held_out) for number, (fitted, held_out) in enumerate(parts)]
    for fold in made:
        if len(fold.held_out) == 0 or len(np.unique(labels[fold.fitted])) < len(np.unique(labels)):
            raise UserError(
                f"tuner.folds: {folds} folds that keep groups together leave fold {fold.number + 1} without samples "
                "or without a class to train on. Give fewer folds, or null to score on dev."
            )
    return made


def _enough(counts: NDArray[np.int64], folds: int, what: str) -> None:
    if counts.min() < folds:
        raise UserError(f"tuner.folds: train has only {counts.min()} {what}, too few for {folds} folds. Give fewer.")
