"""Keras Tuner's oracles as tuners: asked for sets and told scores, with nothing on disk."""

from collections import deque
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

from blindtune.core.seeds import derive
from blindtune.records.trial import Trial
from blindtune.search_space import Hyperparameters, Space
from blindtune.tuners.base import Proposal, RungTuner, Tuner
from blindtune.tuners.keras_tuner.space import to_keras_values

if TYPE_CHECKING:
    import keras_tuner


class OracleTuner(Tuner):
    """An oracle whose proposals are asked for and told one at a time.

    Args:
        space: the search space.
        oracle: an instance of a class made by `make_in_memory`.
    """

    OBJECTIVE = "dev_error"

    def __init__(self, space: Space, oracle: "keras_tuner.Oracle") -> None:
        self._space = space
        self._oracle = oracle
        self._running: deque[Any] = deque()
        self._is_exhausted = False

    def ask(self) -> Proposal | None:
        """Return the oracle's next set."""
        if self._is_exhausted:
            return None
        # The oracle takes every name for another worker, which has one trial at a time.
        trial = self._oracle.create_trial(f"blindtune-{len(self._oracle.start_order)}")
        if trial.status in ("STOPPED", "IDLE"):
            # It would wait for scores, but no score leads to another set.
            self._is_exhausted = True
            return None
        self._running.append(trial)
        return self._proposal(trial.hyperparameters.values)

    def tell(self, trial: Trial) -> None:
        """Pass a score to the oracle.

        Every trial is told as completed: from failures the Gaussian process learns nothing and Hyperband promotes none.
        """
        running = self._running.popleft()
        self._oracle.update_trial(running.trial_id, {self.OBJECTIVE: trial.objective_value()})
        running.status = "COMPLETED"
        self._oracle.end_trial(running)

    def _proposal(self, values: Hyperparameters) -> Proposal:
        return Proposal(self._space.from_library_values(values))


class IndependentOracleTuner(OracleTuner):
    """An oracle whose sets depend on no score."""

    def ask_batch(self, n: int) -> list[Proposal]:
        """Return the oracle's next `n` sets."""
        return list(islice(iter(self.ask, None), n))


class HyperbandTuner(RungTuner, OracleTuner):
    """Hyperband's oracle, which adds to its values the promoted trial and the epoch at which training ends."""

    def count_remaining_of_rung(self) -> int:
        """Count the sets still to come of the rung to which the last set belongs."""
        last = self._running[-1].trial_id
        for bracket in self._oracle._brackets:
            for number, rung in enumerate(bracket["rounds"]):
                if any(each["id"] == last for each in rung):
                    size: int = self._oracle._get_size(bracket["bracket_num"], number)
                    return size - len(rung)
        raise RuntimeError("the oracle has no rung with its last set")

    def _proposal(self, values: Hyperparameters) -> Proposal:
        past = values.get("tuner/trial_id")
        parent = None if past is None else self._oracle.start_order.index(past)
        return Proposal(self._space.from_library_values(values), parent, int(values["tuner/epochs"]))


class ReplayableTuner(OracleTuner):
    """An oracle of a class made by `make_replayable`, which adopts recorded sets instead of computing them again."""

    def replay(self, recorded: Trial) -> Proposal | None:
        """Return the recorded set, or the oracle's own if the recorded one is not in the space."""
        values: Any = recorded.hyperparameters
        with suppress(ValueError):
            self._oracle.recorded = self._space.snap(values)
        return self.ask()


def make_in_memory(oracle_class: Any) -> Any:
    """Return a subclass of an oracle class that writes nothing: our log is the record, theirs survives no kill."""

    class InMemoryOracle(oracle_class):  # type: ignore[misc]
        def save(self) -> None:
            pass

        def _save_trial(self, trial: Any) -> None:
            pass

    return InMemoryOracle


def make_replayable(oracle_class: Any, space: Space, seed: int) -> Any:
    """Return a subclass of an oracle class whose suggestion n depends only on the seed, n and the trials told before.

    So no suggestion must be computed to reach the next one. The oracle stores the values that were trained instead of
    the continuous draws that they were rounded from, since the records hold nothing else.

    Args:
        oracle_class: a class of oracles with ``_random_state``.
        space: the search space.
        seed: seed of the suggestions.
    """
    import numpy as np

    class ReplayableOracle(oracle_class):  # type: ignore[misc]
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

    return ReplayableOracle
