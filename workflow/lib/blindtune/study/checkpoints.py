"""The weights of a study's best trials, and where the training of each promotable one stands."""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from blindtune.core.weights import read_weights, write_weights
from blindtune.records.trial import Trial, ranked
from blindtune.training.base import Outcome, State


class WeightStore:
    """Files below a study's folder; a function of the records, so that a kill leaves no doubt.

    ``weights/`` holds those of the best trials. ``states/`` holds where each training stands, while the search
    may still promote it.
    """

    def __init__(self, folder: Path, keep: int) -> None:
        self._weights = folder / "weights"
        self._states = folder / "states"
        self._keep = keep

    def save(self, trial: Trial, outcome: Outcome) -> None:
        """Write what a trial leaves, before its record; a reference model leaves nothing, it is fitted anew."""
        if trial.score is not None and trial.fold is None and outcome.n_parameters is not None:
            write_weights(self._weights / file_name(trial.number), outcome.weights)
        if outcome.state is not None:
            write_weights(self._states / file_name(trial.number), outcome.state.arrays)

    def prune(self, trials: list[Trial]) -> None:
        """Remove the weights of all but the best of all recorded ``trials``."""
        kept = {file_name(trial.number) for trial in ranked(trials)[: self._keep]}
        for path in self._weights.glob("*.safetensors"):
            if path.name not in kept:
                path.unlink()

    def load(self, trial: Trial) -> dict[str, NDArray[Any]] | None:
        """The weights of a trial, or None where they were not kept."""
        path = self._weights / file_name(trial.number)
        return read_weights(path, str(trial.weights_sha256)) if path.exists() else None

    def state(self, trial: Trial) -> State | None:
        """Where the training of a trial stood, or None where that was not kept."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            arrays = load_file(self._states / file_name(trial.number))
        except (OSError, SafetensorError):
            return None  # the trial is trained again, which costs time and nothing else
        return State(trial.trained_before + trial.epochs, arrays)

    def drop_states(self) -> None:
        """Remove every state: the search is over."""
        if self._states.exists():
            # Everything, since a kill may have left a part of a file among them.
            for path in self._states.iterdir():
                path.unlink()
            self._states.rmdir()


def file_name(number: int) -> str:
    """File name of what a trial leaves."""
    return f"{number:05d}.safetensors"
