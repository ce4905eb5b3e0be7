"""scikit-learn's searchers, driven through ask and tell.

scikit-learn's searchers call ``estimator.score`` themselves. We pass a `ProxyEstimator`, whose scores come from the
study:

1. A `SearcherThread` runs `SearcherDriver.run`, which fits the searcher.
2. Before the searcher scores a batch (a list of sets, or a rung), `with_batch_hook` calls `SearcherDriver.announce`.
   It hands one `EvaluationRequest` per set and fold to the study and blocks until their scores arrive.
3. `SearcherTuner` turns the requests into proposals, and answers when all of them have been told.
4. The searcher scores each set; `ProxyEstimator.score` looks the score up.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from queue import SimpleQueue
from threading import Thread
from typing import Any, Self
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
)

from blindtune.records.trial import Trial
from blindtune.search_space import Hyperparameters, Space
from blindtune.tuners.base import Fold, Proposal, Tuner, TunerContext
from blindtune.tuners.folds import make_folds
from blindtune.tuners.sklearn.config import SklearnConfig
from blindtune.tuners.sklearn.grid import SpaceDistribution, list_grid


@dataclass(frozen=True)
class SearchCandidate:
    """One set in a searcher; the number alone identifies it, since two draws can be equal."""

    number: int
    hyperparameters: Hyperparameters = field(compare=False)


@dataclass(frozen=True)
class EvaluationRequest:
    """One score that a searcher needs.

    Attributes:
        candidate: the set.
        epochs: epoch at which its training ends; None: the hyperparameters decide.
        fold: number of the fold; None: train on train, score on dev.
    """

    candidate: SearchCandidate
    epochs: int | None
    fold: int | None


#: Blocks until the study has answered all requests; returns their scores in the same order.
Evaluate = Callable[[list[EvaluationRequest]], list[float]]


class SearchAbandoned(Exception):
    """Ends the thread of a searcher when its tuner is gone."""


class SearcherThread:
    """Runs a search in a thread, and exchanges requests and scores with it.

    Args:
        search: called in the thread; it calls its argument for all scores that it needs at once.
    """

    def __init__(self, search: Callable[[Evaluate], None]) -> None:
        self._search = search
        self._requests: SimpleQueue[list[EvaluationRequest] | Exception | None] = SimpleQueue()
        self._scores: SimpleQueue[list[float] | None] = SimpleQueue()
        self._thread: Thread | None = None
        self._is_over = False

    def next_requests(self) -> list[EvaluationRequest] | None:
        """Block until the search needs scores; start the thread at the first call.

        Returns:
            The requests; None if the search is over.

        Raises:
            Exception: what the search raised.
        """
        if self._is_over:
            return None
        if self._thread is None:
            self._thread = Thread(target=self._run, name="scikit-learn searcher", daemon=True)
            self._thread.start()
        requests = self._requests.get()
        self._is_over = not isinstance(requests, list)
        if isinstance(requests, Exception):
            raise requests
        return requests

    def answer(self, scores: list[float]) -> None:
        """Give the search the scores of its last requests, and let it go on."""
        self._scores.put(scores)

    def stop(self) -> None:
        """End the thread where it waits for scores."""
        self._scores.put(None)

    def _run(self) -> None:
        try:
            self._search(self._evaluate)
            self._requests.put(None)
        except Exception as error:  # the study's thread raises it, at its next question
            self._requests.put(error)

    def _evaluate(self, requests: list[EvaluationRequest]) -> list[float]:
        self._requests.put(requests)
        scores = self._scores.get()
        if scores is None:
            raise SearchAbandoned
        return scores


class SearcherDriver:
    """Fits a searcher of scikit-learn to scores that the study computes; everything runs in the searcher's thread.

    Args:
        config: algorithm and arguments.
        context: search space, budget, epochs, seed and train's labels.
        folds: folds of train; empty: dev is the single fold.
    """

    def __init__(self, config: SklearnConfig, context: TunerContext, folds: list[Fold]) -> None:
        self._config = config
        self._context = context
        self._folds = folds
        self._fold_of_sample = np.zeros(len(context.labels), dtype=np.int64)
        for fold in folds:
            self._fold_of_sample[fold.held_out_indices] = fold.number
        self._scores: dict[EvaluationRequest, float] = {}
        self._evaluate: Evaluate | None = None

    def run(self, evaluate: Evaluate) -> None:
        """Run the search to its end; on folds, evaluate the best set on all of train as well.

        Args:
            evaluate: blocks until the study has computed the scores.
        """
        self._evaluate = evaluate
        indices = np.arange(len(self._context.labels))
        splits = [(fold.train_indices, fold.held_out_indices) for fold in self._folds] or [(indices, indices)]
        searcher = create_searcher(self._config, self._context, ProxyEstimator(self), splits, self.announce)
        searcher.fit(indices, self._context.labels)
        if self._folds:
            best = searcher.best_params_
            evaluate([EvaluationRequest(best["hyperparameters"], best.get("epochs"), None)])

    def announce(self, candidates: list[dict[str, Any]]) -> None:
        """Compute the scores of a batch; called before the searcher scores its first candidate.

        Args:
            candidates: parameters of `ProxyEstimator`, one dict for each candidate.
        """
        if self._evaluate is None:
            raise RuntimeError("announced before the search runs")
        numbers: list[int | None] = [fold.number for fold in self._folds] or [None]
        requests = [
            EvaluationRequest(each["hyperparameters"], each.get("epochs"), number)
            for each in candidates
            for number in numbers
        ]
        self._scores.update(zip(requests, self._evaluate(requests), strict=True))

    def score(self, candidate: SearchCandidate, epochs: int | None, held_out_indices: NDArray[np.int64]) -> float:
        """Return the score of an announced candidate.

        Args:
            candidate: the set.
            epochs: epoch at which its training ends; None: the hyperparameters decide.
            held_out_indices: samples of train that the searcher scores on, which identify the fold.

        Returns:
            The share of right predictions, from 0 to 1.
        """
        fold = int(self._fold_of_sample[held_out_indices[0]]) if self._folds else None
        return self._scores[EvaluationRequest(candidate, epochs, fold)]

    def __sklearn_clone__(self) -> Self:
        """Return itself: scikit-learn clones an estimator with its arguments, and all clones share one driver."""
        return self


class ProxyEstimator(BaseEstimator):  # type: ignore[misc]
    """The estimator that a searcher fits and scores: the study trains in its place.

    Its samples are indices into train.

    Args:
        driver: knows the scores.
        hyperparameters: the set; set by the searcher.
        epochs: epoch at which training ends; set by halving.
    """

    def __init__(
        self, driver: SearcherDriver, hyperparameters: SearchCandidate | None = None, epochs: int | None = None
    ) -> None:
        self.driver = driver
        self.hyperparameters = hyperparameters
        self.epochs = epochs

    def fit(self, indices: NDArray[np.int64], labels: NDArray[np.int64]) -> "ProxyEstimator":
        """Do nothing: the study trains and scores in one step."""
        return self

    def score(self, indices: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
        """Return the share of right predictions on the held-out samples."""
        if self.hyperparameters is None:
            raise TypeError("scored without a set")
        return self.driver.score(self.hyperparameters, self.epochs, indices)


@dataclass(frozen=True)
class _Evaluation:
    trial_number: int
    epochs: int | None
    score: float


class SearcherTuner(Tuner):
    """A searcher, asked and told; a set that is requested again for more epochs names the trial that it resumes.

    Args:
        thread: runs the search.
        folds: folds of train, by number.
    """

    def __init__(self, thread: SearcherThread, folds: list[Fold]) -> None:
        self._thread = thread
        self._folds = folds
        self._evaluations: dict[tuple[int, int | None], _Evaluation] = {}
        self._requests: list[EvaluationRequest] = []
        self._waiting: deque[EvaluationRequest] = deque()
        self._running: deque[EvaluationRequest] = deque()
        self._n_told = 0
        # The thread does not outlive the tuner; at the end of the program nobody waits for it.
        finalize(self, thread.stop).atexit = False

    def ask(self) -> Proposal | None:
        """Return the searcher's next request."""
        return next(iter(self.ask_batch(1)), None)

    def ask_batch(self, n: int) -> list[Proposal]:
        """Return at most `n` requests of the searcher's current batch: a list of sets, or a rung."""
        if self._running:
            raise RuntimeError("a proposal was asked for before the score of the last one was told")
        while not self._waiting:
            if self._requests:
                self._thread.answer([self._evaluations[_key(request)].score for request in self._requests])
            self._requests = self._thread.next_requests() or []
            if not self._requests:
                return []
            # A rung with the epochs of the one before would give the same scores again.
            self._waiting.extend(request for request in self._requests if not self._is_known(request))
        self._running.extend(self._waiting.popleft() for _ in range(min(n, len(self._waiting))))
        return [self._proposal(request) for request in self._running]

    def tell(self, trial: Trial) -> None:
        """Store a score; a trial without one gets the worst score, since the searcher would take a NaN as it is."""
        if not self._running:
            raise RuntimeError("a score was told before a proposal was asked for")
        request = self._running.popleft()
        self._evaluations[_key(request)] = _Evaluation(self._n_told, request.epochs, 1.0 - trial.objective_value())
        self._n_told += 1

    def _proposal(self, request: EvaluationRequest) -> Proposal:
        earlier = self._evaluations.get(_key(request))
        return Proposal(
            dict(request.candidate.hyperparameters),
            parent=earlier.trial_number if earlier else None,
            epochs=request.epochs,
            fold=None if request.fold is None else self._folds[request.fold],
        )

    def _is_known(self, request: EvaluationRequest) -> bool:
        earlier = self._evaluations.get(_key(request))
        return earlier is not None and earlier.epochs == request.epochs


def _key(request: EvaluationRequest) -> tuple[int, int | None]:
    return request.candidate.number, request.fold


def create_searcher_tuner(config: SklearnConfig, context: TunerContext) -> SearcherTuner:
    """Create the tuner of the searcher that a config names.

    Args:
        config: algorithm and arguments.
        context: search space, budget, epochs, seed and train's labels and groups.

    Raises:
        UserError: train cannot be divided into so many folds.
    """
    folds = make_folds(context, config.folds) if config.folds else []
    driver = SearcherDriver(config, context, folds)
    return SearcherTuner(SearcherThread(driver.run), folds)


def with_batch_hook(searcher_class: Any, hook: Callable[[list[dict[str, Any]]], None]) -> Any:
    """Return a subclass of a searcher class that calls a hook before it scores a batch.

    Args:
        searcher_class: a searcher class of scikit-learn.
        hook: receives the parameters of all candidates of the batch: a list of sets, or a rung.
    """

    class BatchHookSearcher(searcher_class):  # type: ignore[misc]
        def _run_search(self, evaluate_candidates: Any, *, callback_ctx: Any) -> None:
            def evaluate(candidates: Any, *arguments: Any, **keywords: Any) -> Any:
                batch = list(candidates)
                hook(batch)
                return evaluate_candidates(batch, *arguments, **keywords)

            super()._run_search(evaluate, callback_ctx=callback_ctx)

    return BatchHookSearcher


def create_searcher(
    config: SklearnConfig,
    context: TunerContext,
    estimator: BaseEstimator,
    splits: list[Any],
    hook: Callable[[list[dict[str, Any]]], None],
) -> Any:
    """Create a searcher of scikit-learn over an estimator with the parameters ``hyperparameters`` and ``epochs``.

    Args:
        config: algorithm and arguments.
        context: search space, budget, epochs and seed.
        estimator: what is fitted and scored.
        splits: for each fold, indices to fit on and indices to score on.
        hook: called before each batch, see `with_batch_hook`.
    """
    common: dict[str, Any] = {"cv": splits, "refit": False, "error_score": "raise", "return_train_score": False}
    halving: dict[str, Any] = common | {
        "factor": config.factor,
        "resource": "epochs",
        "max_resources": context.epochs,
        "min_resources": config.min_epochs or "exhaust",
        "aggressive_elimination": config.aggressive_elimination,
        "random_state": context.seed,
    }
    draws = {"hyperparameters": _CandidateDistribution(context.space)}
    match config.algorithm:
        case "randomized-search":
            n_sets = _count_sets(config, context, context.budget.max_trials())
            return with_batch_hook(RandomizedSearchCV, hook)(
                estimator, draws, n_iter=n_sets, random_state=context.seed, **common
            )
        case "halving-random-search":
            n_sets = _count_sets(config, context, context.budget.max_trials())
            return with_batch_hook(HalvingRandomSearchCV, hook)(estimator, draws, n_candidates=n_sets, **halving)
        case "grid-search":
            grid = {"hyperparameters": _list_candidates(config, context)}
            return with_batch_hook(GridSearchCV, hook)(estimator, grid, **common)
        case _:
            grid = {"hyperparameters": _list_candidates(config, context)}
            return with_batch_hook(HalvingGridSearchCV, hook)(estimator, grid, **halving)


class _CandidateDistribution:
    """The search space as a distribution of candidates."""

    def __init__(self, space: Space) -> None:
        self._distribution = SpaceDistribution(space)
        self._numbers = count()

    def rvs(self, random_state: np.random.RandomState | None = None) -> SearchCandidate:
        return SearchCandidate(next(self._numbers), self._distribution.rvs(random_state))


def _list_candidates(config: SklearnConfig, context: TunerContext) -> list[SearchCandidate]:
    """Return the grid, or as much of its beginning as the budget covers."""
    candidates = [SearchCandidate(*point) for point in enumerate(list_grid(context.space, context.budget.max_trials()))]
    return candidates[: _count_sets(config, context, len(candidates))]


def _count_sets(config: SklearnConfig, context: TunerContext, limit: int) -> int:
    return config.count_sets(context.space, context.budget, context.epochs, limit)
