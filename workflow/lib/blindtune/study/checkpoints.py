"""Files of weights and training states below the folder of a study."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from blindtune.core.arrays import digest_arrays
from blindtune.core.errors import UserError
from blindtune.core.weights import load_with_metadata, read_weights, write_weights
from blindtune.records.trial import Trial, rank_on_dev
from blindtune.training.base import Outcome, State


class WeightStore:
    """The weights of the best trials, and the states from which trials can be resumed.

    ``weights/`` holds the weights of the best trials. ``states/`` holds the state of each training while the search may
    still promote its trial. Which files there are follows from the records, so that a kill leaves no doubt.
    """

    def __init__(self, folder: Path, keep_best: int, check_claim: Callable[[], None] = lambda: None) -> None:
        """Use the folders of a study.

        Args:
            folder: the folder of the study.
            keep_best: number of trials whose weights are kept.
            check_claim: called before a file is written or removed; raises an error if another process writes there.
        """
        self._weights = folder / "weights"
        self._states = folder / "states"
        self._keep_best = keep_best
        self._check_claim = check_claim
        self._best: list[Trial] = []

    def save(self, number: int, outcome: Outcome, *, scored_on_dev: bool) -> None:
        """Write the weights and the state of a trial; called before its record is written.

        The weights of a reference model are not written: it is fitted again.

        Args:
            number: of the trial.
            outcome: what its training returned.
            scored_on_dev: whether the trial has a score on dev, not on a fold; without one it has no weights to keep.
        """
        if scored_on_dev and outcome.n_parameters is not None:
            self.save_weights(number, outcome.weights)
        if outcome.state is not None:
            self._write_state(number, digest_arrays(outcome.weights), outcome.state)

    def save_state(self, trial: Trial, state: State) -> None:
        """Write the state at the end of the training of a recorded trial.

        Args:
            trial: the record.
            state: of its training.
        """
        self._write_state(trial.number, str(trial.weights_sha256), state)

    def _write_state(self, number: int, weights_sha256: str, state: State) -> None:
        self._check_claim()
        described = _describe_state(number, weights_sha256, state)
        write_weights(self._states / file_name(number), state.arrays, described)

    def save_weights(self, number: int, weights: dict[str, NDArray[Any]]) -> None:
        """Write the weights of a trial.

        Args:
            number: of the trial.
            weights: by name.
        """
        self._check_claim()
        write_weights(self._weights / file_name(number), weights)

    def prune(self, trials: list[Trial]) -> None:
        """Remove the weights of all recorded trials but the best.

        Args:
            trials: every recorded trial.
        """
        self._best = rank_on_dev(trials)[: self._keep_best]
        self._remove_others()

    def prune_after(self, trial: Trial) -> None:
        """Remove weights that are no longer among the best, after one more trial was recorded."""
        # Only the best so far are ranked with it: a search of many trials must not sort them all after each.
        self._best = rank_on_dev([*self._best, trial])[: self._keep_best]
        self._remove_others()

    def _remove_others(self) -> None:
        kept = {file_name(trial.number) for trial in self._best}
        for path in self._weights.glob("*.safetensors"):
            if path.name not in kept:
                self._check_claim()
                path.unlink()

    def load_weights(self, trial: Trial) -> dict[str, NDArray[Any]] | None:
        """Return the weights of a trial by name, or None if they were not kept."""
        path = self._weights / file_name(trial.number)
        return read_weights(path, str(trial.weights_sha256)) if path.exists() else None

    def load_state(self, trial: Trial) -> State | None:
        """Return the state at the end of a trial's training, or None if it was not kept.

        Raises:
            UserError: its file is damaged, or holds another state.
        """
        path = self._states / file_name(trial.number)
        if not path.exists():
            return None
        arrays, described = load_with_metadata(path, "")
        state = State(trial.trained_before + trial.epochs, arrays)
        if described != _describe_state(trial.number, str(trial.weights_sha256), state):
            raise UserError(f"{path}: was damaged, or is not the state of trial {trial.number}.")
        return state

    def remove_states(self) -> None:
        """Remove every state; called when the search is over."""
        if self._states.exists():
            # Every file, since a kill may have left a part of one.
            for path in self._states.iterdir():
                self._check_claim()
                path.unlink()
            self._states.rmdir()


def _describe_state(number: int, weights_sha256: str, state: State) -> dict[str, str]:
    """Return what the file of a state says of it: whose it is, and a digest by which any change is found.

    Args:
        number: of the trial.
        weights_sha256: digest of the weights that its record names.
        state: after its last epoch.
    """
    return {
        "trial": str(number),
        "weights_sha256": weights_sha256,
        "epochs": str(state.epochs),
        "state_sha256": digest_arrays(state.arrays),
    }


def file_name(number: int) -> str:
    """Return the file name of the weights and of the state of a trial."""
    return f"{number:05d}.safetensors"
