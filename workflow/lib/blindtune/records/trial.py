"""The trial record and its log: one JSON object a line, written as the trial ends.

The log is the only record of a study. A tuner's own storage is a cache, and its state after a kill
is rebuilt from here.
"""

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from blindtune.core.errors import UserError
from blindtune.core.jsonl import append_line, read_lines, repair_last_line
from blindtune.core.timing import CpuWallTime

Status = Literal["completed", "pruned", "invalid", "failed", "diverged"]

#: What a tuner is told for a trial that has no score: the worst error there is.
WORST_ERROR = 1.0


class EpochMetrics(BaseModel):
    """One epoch's measures; errors are shares of wrong samples, from 0 to 1.

    Those of train are running means over the epoch's batches, as both libraries report them while
    the weights move and dropout is on; those of dev are taken at the epoch's end.
    """

    train_loss: float | None
    train_error: float | None
    dev_loss: float | None
    dev_error: float | None


class Trial(BaseModel):
    """One hyperparameter set, trained and scored on dev; the same fields from every framework."""

    model_config = ConfigDict(extra="forbid")

    study: str = Field(description="study id: <config name>/<dataset>/<system>/<seed>")
    number: int = Field(ge=0, description="trial number, from 0, in the order of the proposals")
    parent: int | None = Field(default=None, description="the trial from which this one was promoted")
    trained_before: int = Field(
        default=0, ge=0, description="epochs of the parent that this trial continues; 0: trained from the start"
    )
    fold: int | None = Field(
        default=None, ge=0, description="the fold of a cross-validation on which it was scored; null: on dev"
    )
    hyperparameters: dict[str, object] = Field(description="the active hyperparameters")
    status: Status
    reason: str | None = Field(default=None, description="why a trial did not complete")
    retries: list[str] = Field(
        default_factory=list, description="why it was begun again, each time: how the process that trained it ended"
    )
    exceptions: list[str] = Field(default_factory=list, description="layers that could not be built")
    score: float | None = Field(description="dev error by the scoring rule; null unless completed")
    epochs: int = Field(ge=0, description="training epochs spent on this trial, those of its parent left out")
    curve: list[EpochMetrics]
    best_epoch: int | None = Field(description="epoch of the lowest dev error, counted from the start of the training")
    scored_epoch: int | None = Field(description="epoch whose weights were scored and kept, counted alike")
    parameters: int | None = Field(description="trainable parameters")
    weights_sha256: str | None = Field(description="identifies the scored weights")
    seeds: dict[str, int] = Field(description="study seed and the trial's own")
    seconds: dict[str, CpuWallTime] = Field(
        description="suggest, build, train, evaluate, save; every second counts once"
    )
    started: str = Field(description="UTC, ISO 8601")
    host: str
    versions: dict[str, str]

    def objective_value(self) -> float:
        """The error that the tuner hears: the score, or the worst legal value."""
        return WORST_ERROR if self.score is None else self.score

    def reproducible_fields(self) -> dict[str, object]:
        """The record without what differs from run to run: retries, times, host, versions."""
        return self.model_dump(mode="json", exclude={"retries", "seconds", "started", "host", "versions"})


def best(trials: list[Trial]) -> Trial | None:
    """The completed trial with the lowest dev error, the earliest of equals; None where none completed.

    Trials that were scored on a fold of a cross-validation do not count.
    """
    return next(iter(ranked(trials)), None)


def ranked(trials: list[Trial]) -> list[Trial]:
    """The completed trials that were scored on dev, the lowest error first, of equals the earliest."""
    scored = [trial for trial in trials if trial.score is not None and trial.fold is None]
    return sorted(scored, key=lambda trial: (trial.objective_value(), trial.number))


class TrialLog:
    """An append-only file of trial records."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[Trial]:
        """The records, in order.

        Raises:
            UserError: a line is no record; the message names it.
        """
        if not self.path.exists():
            return []
        trials = [self._parse(line, row) for row, line in enumerate(read_lines(self.path), 1)]
        if [trial.number for trial in trials] != list(range(len(trials))):
            raise UserError(f"{self.path}: the trial numbers are not 0, 1, 2, ... Restore the file or move it away.")
        return trials

    def mend(self) -> Path | None:
        """Set an unfinished last record aside, as `repair_last_line` does; returns where it was put, if there was one."""
        return repair_last_line(self.path, _is_record)

    def append(self, trial: Trial) -> None:
        """Write one record and bring it to the disk.

        Raises:
            UserError: the disk refuses; no part of the record is left.
        """
        line = (trial.model_dump_json() + "\n").encode()
        append_line(self.path, line, f"trial {trial.number}")

    def _parse(self, line: str, row: int) -> Trial:
        try:
            return Trial.model_validate(json.loads(line))
        except (ValueError, ValidationError) as error:
            raise UserError(
                f"{self.path}, line {row}: is no trial record ({str(error).splitlines()[0]}). "
                "Restore the file, or move it away to begin the study anew."
            ) from error


def _is_record(line: str) -> bool:
    try:
        Trial.model_validate_json(line)
    except ValidationError:
        return False
    return True
