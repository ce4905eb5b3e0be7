"""Keras Tuner's oracles as tuners: asked for sets, told scores, with nothing on disk."""

from collections import deque
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

from blindtune.core.seeds import derive
from blindtune.records.trial import Trial
from blindtune.search_space import Hyperparameters, Space
from blindtune.tuners.base import Proposal, Tuner
from blindtune.tuners.keras_tuner.space import to_keras_values

if TYPE_CHECKING:
    import keras_tuner


class OracleTuner(Tuner):
    """An oracle whose proposals are trained by themselves.

    Args:
        space: the search space.
        oracle: of `in_memory`.
    """

    OBJECTIVE = "dev_error"

    def __init__(self, space: Space, oracle: "keras_tuner.Oracle") -> None:
        self._space = space
        self._oracle = oracle
        self._running: deque[Any] = deque()
        self._over = False

    def ask(self) -> Proposal | None:
        """The oracle's next set."""
        if self._over:
            return None
        # The oracle takes every name for a worker of its own, which has one trial at a time.
        trial = self._oracle.create_trial(f"blindtune-{len(self._oracle.start_order)}")
        if trial.status in ("STOPPED", "IDLE"):
            # It would wait for scores, but no score gives it another set.
            self._over = True
            return None
        self._running.append(trial)
        return self._proposal(trial.hyperparameters.values)

    def tell(self, trial: Trial) -> None:
        """Every trial has completed: of failures the Gaussian process learns nothing, and Hyperband promotes none."""
        running = self._running.popleft()
        self._oracle.update_trial(running.trial_id, {self.OBJECTIVE: trial.objective_value()})
        running.status = "COMPLETED"
        self._oracle.end_trial(running)

    def _proposal(self, values: Hyperparameters) -> Proposal:
        return Proposal(self._space.from_library_values(values))


class IndependentOracleTuner(OracleTuner):
    """An oracle whose sets depend on no score."""

    def ask_batch(self, most: int) -> list[Proposal]:
        """The oracle's next sets."""
        return list(islice(iter(self.ask, None), most))


class HyperbandTuner(OracleTuner):
    """Hyperband's oracle, which says in values of its own which trial is promoted and until which epoch it trains."""

    def ask_batch(self, most: int) -> list[Proposal]:
        """As many as are left of the rung: beyond it the oracle would not wait, but begin another bracket."""
        first = self.ask()
        if first is None:
            return []
        return [first, *islice(iter(self.ask, None), min(most - 1, self._left_of_rung()))]

    def _left_of_rung(self) -> int:
        """Sets that belong to the rung of the one asked for last."""
        last = self._running[-1].trial_id
        for bracket in self._oracle._brackets:
            for number, rung in enumerate(bracket["rounds"]):
                if any(each["id"] == last for each in rung):
                    size: int = self._oracle._get_size(bracket["bracket_num"], number)
                    return size - len(rung)
        raise RuntimeError("the oracle has no rung of the set that it gave last")

    def _proposal(self, values: Hyperparameters) -> Proposal:
        past = values.get("tuner/trial_id")
        parent = None if past is None else self._oracle.start_order.index(past)
        return Proposal(self._space.from_library_values(values), parent, int(values["tuner/epochs"]))


class ReplayableTuner(OracleTuner):
    """An oracle of `remembering`, which takes recorded sets for its own."""

    def replay(self, recorded: Trial) -> Proposal | None:
        """The recorded set; the oracle's own where the recorded one is not of this space."""
        values: Any = recorded.hyperparameters
        with suppress(ValueError):
            self._oracle.recorded = self._space.snap(values)
        return self.ask()


def in_memory(kind: Any) -> Any:
    """The class of oracles ``kind``, kept off the disk: our log is the record, and theirs does not survive a kill."""

    class InMemory(kind):  # type: ignore[misc]
        def save(self) -> None:
            pass

        def _save_trial(self, trial: Any) -> None:
            pass

    return InMemory


def remembering(kind: Any, space: Space, seed: int) -> Any:
    """The class of oracles ``kind``, whose suggestion n follows from the seed, n and what it was told before.

    So one need not be computed to come to the next. The values that it holds are those that were trained, not the
    draws they were cut from, since the records know no others.

    Args:
        kind: an oracle with ``_random_state``.
        space: the search space.
        seed: seeds the suggestions.
    """
    import numpy as np

    class Remembering(kind):  # type: ignore[misc]
        recorded: Hyperparameters | None = None

        def populate_space(self, trial_id: str) -> dict[str, Any]:
            recorded, self.recorded = self.recorded, None
            if recorded is not None:
                return {"status": "RUNNING", "values": to_keras_values(space, recorded)}
            self._seed_state = derive("suggestion", seed, len(self.trials))
            self._random_state = np.random.RandomState(self._seed_state)
            response: dict[str, Any] = super().populate_space(trial_id)
            if response["values"] is not None:
                response["values"] = to_keras_values(space, space.from_library_values(response["values"]))
            return response

    return Remembering
