"""Shards: parts of the trials of one search that other jobs have trained before it.

Where no proposal depends on a score, shard ``k`` of ``n`` trains every ``n``-th proposal, from the ``k``-th on. It is a
small search with a folder, records and claim like those of a study, so a shard that was killed goes on from what it
has. At its end it writes all its records to one file, the output of its job. The study walks through its proposals in
order and takes each record from there. It trains what is missing: what a shard does not have, what is damaged, and what
belongs to another protocol. So the records do not depend on the number of shards, nor on what is left of their files.

Where proposals depend on the scores of earlier rungs alone (Hyperband, halving), each rung is divided so, those of all
brackets together. A shard of a later rung reads the files of all shards of the rungs before it, tells their records to
the tuner, and so knows which trials are promoted. It continues their trainings from the states that are in the folders
of those shards, and trains a trial again whose state is lost.

The file holds JSON, one object per line: a `ShardHeader`, then a `ShardLine` for each trial. The weights of the best
trials of a shard are in the folder of the shard; the best of all trials are among them.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from blindtune.core.bounds import MAX_SHARDS
from blindtune.core.errors import UserError
from blindtune.core.files import read_regular_file, write_bytes
from blindtune.core.garbage import pause_collection
from blindtune.core.shards import Shard
from blindtune.records.trial import Trial, rank_on_dev
from blindtune.study.checkpoints import WeightStore
from blindtune.training.base import State
from blindtune.tuners.rungs import RungPlan

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ShardHeader(BaseModel):
    """The first line of the file of a shard."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    study: str = Field(description="study id: <config name>/<dataset>/<system>/<seed>")
    shard: int = Field(ge=1, le=MAX_SHARDS, description="number of the shard, from 1")
    n_shards: int = Field(ge=1, le=MAX_SHARDS, description="number of shards")
    rung: int | None = Field(default=None, ge=1, description="number of the rung, from 1; absent: there are none")
    protocol_sha256: str = Field(description="identifies all that determines the records of the study")


class ShardLine(BaseModel):
    """A trial in the file of a shard, under its number in the whole search."""

    model_config = ConfigDict(extra="forbid")

    sha256: str = Field(description="of the trial as JSON, by which any change is found")
    trial: Trial


@dataclass(frozen=True)
class RecordedTrial:
    """A trial that was trained elsewhere.

    Attributes:
        trial: its record, under its number in the search that takes it.
        store: has its weights, if they were kept.
        stored_number: its number there.
    """

    trial: Trial
    store: WeightStore
    stored_number: int

    def has_whole_weights(self) -> bool:
        """Return whether its weights are kept, and are those that its record names."""
        try:
            return self._weights() is not None
        except UserError:
            return False

    def copy_weights(self, store: WeightStore) -> None:
        """Write its weights, if they were kept, to the store of the search that takes it."""
        weights = self._weights()
        if weights is not None:
            store.save_weights(self.trial.number, weights)

    def copy_state(self, store: WeightStore) -> None:
        """Write its state, if it was kept whole, to the store of the search that takes it."""
        with suppress(UserError):  # it is trained again where it is needed
            state = self.load_state()
            if state is not None:
                store.save_state(self.trial, state)

    def load_state(self) -> State | None:
        """Return the state at the end of its training, or None if it was not kept.

        Raises:
            UserError: its file is damaged, or holds another state.
        """
        return self.store.load_state(self._stored)

    @property
    def _stored(self) -> Trial:
        return self.trial.model_copy(update={"number": self.stored_number})

    def _weights(self) -> "dict[str, NDArray[Any]] | None":
        return self.store.load_weights(self._stored)


class RecordedTrials:
    """Trials that were trained elsewhere, by their number in the search that takes them."""

    def __init__(self, trials: Iterable[RecordedTrial] = ()) -> None:
        self._trials: dict[int, RecordedTrial] = {}
        for one in trials:
            self._trials.setdefault(one.trial.number, one)

    def find(self, number: int) -> RecordedTrial | None:
        """Return a trial; None if there is none of this number."""
        return self._trials.get(number)

    def outcomes(self) -> dict[str, list[Any]]:
        """Return what a later rung depends on, by the number of the trial: its outcome, and the weights it has."""
        trials = [one.trial for _, one in sorted(self._trials.items())]
        return {
            str(one.number): [one.status, one.score, one.metric_value, one.epochs, one.weights_sha256] for one in trials
        }


def write_shard(path: Path, shard: Shard, study_id: str, protocol_sha256: str, trials: Sequence[Trial]) -> None:
    """Write the file of a shard, completely or not at all.

    Args:
        path: the file.
        shard: which it is.
        study_id: of the study.
        protocol_sha256: identifies all that determines the records of the study.
        trials: the records of the shard, numbered by their position in it.

    Raises:
        UserError: the disk refuses.
    """
    header = ShardHeader(
        study=study_id, shard=shard.number, n_shards=shard.n_shards, rung=shard.rung, protocol_sha256=protocol_sha256
    )
    lines = [header.model_dump_json(exclude_none=True)]
    for trial in trials:
        lines.append(format_line(trial.model_copy(update={"number": shard.trial_number(trial.number)})))
    write_bytes(path, "".join(f"{line}\n" for line in lines).encode())


def read_shards(
    paths: Sequence[Path],
    study_id: str,
    protocol_sha256: str,
    keep_best: int,
    notify: Callable[[str], None],
    plan: RungPlan | None = None,
) -> RecordedTrials:
    """Read what shards of a study have trained; what cannot be used is left out, with a line.

    Args:
        paths: the files of its shards, which may be missing or damaged.
        study_id: of the study.
        protocol_sha256: identifies all that determines its records.
        keep_best: number of trials of the study whose weights are kept. A shard's trials that may be among them are
            left out if their weights are not whole; 0: none is.
        notify: takes the lines, without a last sentence on what is done about it.
        plan: the trials of the study by their rungs; None: it has none.
    """
    found: list[RecordedTrial] = []
    for path in paths:
        try:
            trials, shard = _read_shard(path, study_id, protocol_sha256, notify, plan)
        except (UserError, ValueError) as error:
            notify(_first_line(error, path))
            continue
        store = WeightStore(folder_of(path), keep_best)
        # By their number in the whole search, as they will be ranked there.
        kept = {trial.number for trial in rank_on_dev(trials)[:keep_best] if trial.n_parameters is not None}
        for trial in trials:
            position = shard.position(trial.number)
            recorded = None if position is None else RecordedTrial(trial, store, position)
            if recorded is None:
                notify(f"{path}: trial {trial.number} is not one of {shard}.")
            elif trial.number in kept and not recorded.has_whole_weights():
                notify(f"{path}: the weights of trial {trial.number} are missing or damaged.")
            else:
                found.append(recorded)
    return RecordedTrials(found)


def folder_of(path: Path) -> Path:
    """Return the folder in which a shard trains, next to the file that it writes in the end."""
    return path.with_suffix("")


def remove_states(paths: Iterable[Path]) -> None:
    """Remove the states of trainings in the folders of shards; called when their search is over.

    Args:
        paths: the files of the shards. Folders next to theirs are those of another number of shards.
    """
    for parent in {path.parent for path in paths}:
        for states in sorted(parent.glob("*-of-*/states")):
            with suppress(OSError):  # they would only take space
                WeightStore(states.parent, 0).remove_states()


def _read_shard(
    path: Path, study_id: str, protocol_sha256: str, notify: Callable[[str], None], plan: RungPlan | None
) -> tuple[list[Trial], Shard]:
    """Return the trials of a shard that are whole, under their numbers in the whole search.

    Raises:
        UserError: there is no such file, or it is that of another study or protocol.
        ValueError: its header is not one.
    """
    # Only a line feed ends a line.
    lines = read_regular_file(path).removesuffix(b"\n").split(b"\n")
    header = ShardHeader.model_validate_json(lines[0])
    shard = find_shard(Shard(header.shard, header.n_shards, header.rung), plan)
    if (header.study, header.protocol_sha256) != (study_id, protocol_sha256) or shard is None:
        raise UserError(f"{path}: was made with another config, data or code.")
    trials = []
    with pause_collection():
        for row, line in enumerate(lines[1:], 2):
            trial = parse_line(line)
            if trial is None:
                notify(f"{path}, line {row}: is damaged.")
            else:
                trials.append(trial)
    return trials, shard


def format_line(trial: Trial) -> str:
    """Return a trial as a line of a file, without the line feed."""
    text = trial.model_dump_json()
    return f'{{"sha256":"{_digest(text)}","trial":{text}}}'


def parse_line(line: bytes) -> Trial | None:
    """Return the trial of a line that `format_line` wrote; None if anything in it was changed."""
    try:
        parsed = ShardLine.model_validate_json(line)
    except ValueError:
        return None
    return parsed.trial if parsed.sha256 == _digest(parsed.trial.model_dump_json()) else None


def find_shard(shard: Shard, plan: RungPlan | None) -> Shard | None:
    """Return a shard with the trials that are divided; None: its search has no such rung.

    Args:
        shard: by its number, and its rung if it has one.
        plan: the trials of its search by their rungs; None: it has none.
    """
    if plan is None or shard.rung is None:
        return shard if plan is None and shard.rung is None else None
    return replace(shard, trials=plan.trials[shard.rung - 1]) if shard.rung <= len(plan.trials) else None


def _first_line(error: Exception, path: Path) -> str:
    """Return why a file cannot be used, as one sentence."""
    if isinstance(error, UserError):
        return str(error)
    return f"{path}: is not the file of a shard ({str(error).splitlines()[0]})."


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
