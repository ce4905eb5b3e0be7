"""The record of a trial, and the log of a study: one JSON object per line, written when the trial ends.

The log is the only record of a study. The storage of a tuner is a cache; after a kill its state is rebuilt from the
log.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from blindtune.core.errors import UserError
from blindtune.core.files import loads_json
from blindtune.core.garbage import pause_collection
from blindtune.core.jsonl import append_line, move_lines, read_lines, repair_last_line
from blindtune.core.timing import CpuWallTime
from blindtune.core.validation import is_none
from blindtune.metrics.registry import is_error, worst_value
from blindtune.models.layers import Layer
from blindtune.records.schema import SCHEMA_VERSION, upgrade
from blindtune.search_space import Hyperparameters

Status = Literal["completed", "pruned", "invalid", "failed", "diverged"]

#: How `TrialLog.append` begins a record.
_PRESENT = f'{{"schema_version":{SCHEMA_VERSION},'

#: The objective value of a trial without a score: the largest error that is possible.
WORST_ERROR = 1.0

# Not the file alone: the study would not run again while its card is there.
_ADVICE = "Restore the file, or move the study's folder away and run again."


class EpochMetrics(BaseModel):
    """Metrics of one epoch; errors are shares of wrong samples, from 0 to 1.

    Metrics of train are running means over the batches of the epoch, as both libraries report them: the weights change
    and dropout is active. Metrics of dev are taken at the end of the epoch.
    """

    train_loss: float | None
    train_error: float | None
    dev_loss: float | None
    dev_error: float | None
    dev_metric: float | None = Field(
        default=None, exclude_if=is_none, description="the metric of the comparison on dev; left out for the error"
    )

    def objective(self, metric: str) -> float | None:
        """Return what an epoch is ranked by, lower is better; None if it is not known.

        Args:
            metric: of the comparison, a key of `blindtune.metrics.registry.METRICS`.
        """
        return self.dev_error if is_error(metric) else self.dev_metric


class Trial(BaseModel):
    """One hyperparameter set, trained and scored on dev; every framework writes the same fields."""

    model_config = ConfigDict(extra="forbid")

    schema_version: Literal[2] = SCHEMA_VERSION
    study: str = Field(description="study id: <config name>/<dataset>/<system>/<seed>")
    number: int = Field(ge=0, description="trial number, from 0, in the order of the proposals")
    parent: int | None = Field(default=None, description="number of the trial from which this one was promoted")
    trained_before: int = Field(
        default=0, ge=0, description="epochs of the parent that this trial continues; 0: trained from the start"
    )
    fold: int | None = Field(
        default=None, ge=0, description="fold of a cross-validation on which it was scored; null: on dev"
    )
    hyperparameters: Hyperparameters = Field(description="the active hyperparameters")
    layers: list[Layer] | None = Field(
        default=None, description="layers of a manual model, without the output layer; null: the hyperparameters decide"
    )
    status: Status
    reason: str | None = Field(default=None, description="why a trial did not complete")
    retries: list[str] = Field(
        default_factory=list, description="one line for each time that its worker process died and it was started again"
    )
    exceptions: list[str] = Field(
        default_factory=list,
        description="layers that could not be built and were skipped; what an estimator's fit warned of",
    )
    score: float | None = Field(description="dev error of the scored epoch; null unless completed")
    metric: str | None = Field(
        default=None, exclude_if=is_none, description="what the tuner minimises; left out for the error"
    )
    metric_value: float | None = Field(
        default=None,
        exclude_if=is_none,
        description="the metric on dev in the scored epoch; left out for the error and unless completed",
    )
    epochs: int = Field(ge=0, description="training epochs spent on this trial, without those of its parent")
    curve: list[EpochMetrics]
    best_epoch: int | None = Field(
        description="epoch of the lowest dev error, or of the lowest metric, counted from the start of the training"
    )
    scored_epoch: int | None = Field(
        description="epoch whose weights were scored and kept, counted from the start of the training"
    )
    n_parameters: int | None = Field(description="number of trainable parameters; null: not a network")
    weights_sha256: str | None = Field(description="identifies the scored weights")
    seeds: dict[str, int] = Field(description="seed of the study and of the trial")
    seconds: dict[str, CpuWallTime] = Field(
        description="by part: suggest, build, train, evaluate, save; every second counts once"
    )
    started: str = Field(description="UTC, ISO 8601")
    host: str
    versions: dict[str, str]

    def objective_value(self) -> float:
        """Return what the tuner minimises: the score or the metric, and the worst value if there is none."""
        if self.metric is not None:
            return worst_value(self.metric) if self.metric_value is None else self.metric_value
        return WORST_ERROR if self.score is None else self.score

    def reproducible_fields(self) -> dict[str, object]:
        """Return the record without what differs from run to run: retries, times, host and versions."""
        return self.model_dump(mode="json", exclude={"retries", "seconds", "started", "host", "versions"})

    def configuration(self) -> dict[str, Any]:
        """Return the hyperparameters and, of a manual model, its layers under the key ``layers``."""
        layers = {} if self.layers is None else {"layers": [layer.model_dump(mode="json") for layer in self.layers]}
        return {**self.hyperparameters, **layers}


def find_best(trials: list[Trial]) -> Trial | None:
    """Return the completed trial with the lowest objective on dev, the earliest of equal ones; None if none completed.

    Trials that were scored on a fold of a cross-validation do not count.
    """
    return next(iter(rank_on_dev(trials)), None)


def rank_on_dev(trials: list[Trial]) -> list[Trial]:
    """Return the completed trials that were scored on dev, by objective, and equal ones by number."""
    scored = [trial for trial in trials if trial.score is not None and trial.fold is None]
    return sorted(scored, key=lambda trial: (trial.objective_value(), trial.number))


class TrialLog:
    """An append-only file of trial records.

    Attributes:
        path: the file.
    """

    def __init__(self, path: Path, check_claim: Callable[[], None] = lambda: None) -> None:
        """Use a file.

        Args:
            path: the file; it need not exist.
            check_claim: called before each write; raises an error if another process writes there.
        """
        self.path = path
        self._check_claim = check_claim

    def read(self) -> list[Trial]:
        """Return the records, in order; a record that is there twice is returned once.

        Raises:
            UserError: a line is not a record, or two records have one number but differ; the message names the lines.
        """
        return self.scan()[0]

    def scan(self) -> tuple[list[Trial], list[int]]:
        """Read the log as `read` does.

        Returns:
            The records, in order, and the numbers of the lines, from 1, that repeat an earlier record.

        Raises:
            UserError: as `read`.
        """
        records: list[tuple[int, Trial]] = []
        doubled: list[int] = []
        lines = read_lines(self.path) if self.path.exists() else []
        with pause_collection():
            for row, line in enumerate(lines, 1):
                trial = self._parse(line, row)
                if trial.number < len(records):
                    self._check_same(records[trial.number], row, trial)
                    doubled.append(row)
                elif trial.number > len(records):
                    raise UserError(
                        f"{self.path}: the trial numbers are not 0, 1, 2, ...: line {row} holds trial {trial.number}, "
                        f"not {len(records)}. {_ADVICE}"
                    )
                else:
                    records.append((row, trial))
        return [trial for _, trial in records], doubled

    def repair(self) -> Path | None:
        """Move an unfinished last record to a separate file, as `repair_last_line` does.

        Returns:
            That file, or None if the last record was whole.
        """
        self._check_claim()
        return repair_last_line(self.path, self._is_record)

    def move_lines(self, rows: list[int]) -> Path | None:
        """Move lines that repeat an earlier record to a separate file; two runs at once leave such lines.

        Args:
            rows: their numbers, as `scan` returns them.

        Returns:
            That file, or None without lines.
        """
        if not rows:
            return None
        self._check_claim()
        return move_lines(self.path, rows, "doubled")

    def append(self, trial: Trial) -> None:
        """Write one record and flush it to the disk.

        Raises:
            LostClaimError: another process writes to the study's folder by now; nothing is written.
            UserError: the disk refuses; no part of the record is left.
        """
        line = (trial.model_dump_json() + "\n").encode()
        self._check_claim()
        append_line(self.path, line, f"trial {trial.number}")

    def _check_same(self, earlier: tuple[int, Trial], row: int, trial: Trial) -> None:
        """Refuse a second record of a number unless it is the same but for times and machine."""
        first, recorded = earlier
        own, other = recorded.reproducible_fields(), trial.reproducible_fields()
        differing = [name for name in own | other if own.get(name) != other.get(name)]
        if differing:
            raise UserError(
                f"{self.path}: lines {first} and {row} are different records of trial {trial.number}: they differ in "
                f"{', '.join(differing)}. Restore the file from a backup, or move it away to start the study again."
            )

    def _parse(self, line: str, row: int) -> Trial:
        where = f"{self.path}, line {row}"
        try:
            return _parse_record(line, where)
        except ValueError as error:
            raise UserError(f"{where}: is not a trial record ({str(error).splitlines()[0]}). {_ADVICE}") from error

    def _is_record(self, line: str) -> bool:
        try:
            _parse_record(line, f"{self.path}, last line")
        except ValueError:
            return False
        return True


def _parse_record(line: str, where: str) -> Trial:
    """Return the record in a line, of the present version or an older one; raises ValueError if it is none."""
    if line.startswith(_PRESENT):
        # Parsed once: a report reads ten thousand such lines. One that would not be written so again may hold a key
        # twice or a number that is none.
        with suppress(ValueError):
            trial = Trial.model_validate_json(line)
            if trial.model_dump_json() == line:
                return trial
    content = loads_json(line)
    upgraded = _move_layers(upgrade(content, {"parameters": "n_parameters"}, where))
    # As JSON: layers have tuples, which are lists there.
    return Trial.model_validate_json(line if upgraded is content else json.dumps(upgraded))


def _move_layers(content: Any) -> Any:
    """Move the layers of a manual model out of the hyperparameters, where version 1 had them."""
    values = content.get("hyperparameters") if isinstance(content, dict) else None
    if not isinstance(values, dict) or not isinstance(values.get("layers"), list):
        return content
    rest = {name: value for name, value in values.items() if name != "layers"}
    return content | {"hyperparameters": rest, "layers": values["layers"]}
