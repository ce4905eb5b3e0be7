"""Shards: parts of the trials of one search that other jobs have trained before it.

Where no proposal depends on a score, shard ``k`` of ``n`` trains every ``n``-th proposal, from the ``k``-th on. It is a
small search with a folder, records and claim like those of a study, so a shard that was killed goes on from what it
has. At its end it writes all its records to one file, the output of its job. The study walks through its proposals in
order and takes each record from there. It trains what is missing: what a shard does not have, what is damaged, and what
belongs to another protocol. So the records do not depend on the number of shards, nor on what is left of their files.

The file holds JSON, one object per line: a `ShardHeader`, then a `ShardLine` for each trial. The weights of the best
trials of a shard are in the folder of the shard; the best of all trials are among them.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from blindtune.core.bounds import MAX_SHARDS
from blindtune.core.errors import UserError
from blindtune.core.files import read_regular_file, write_bytes
from blindtune.core.garbage import pause_collection
from blindtune.core.timing import Stopwatch
from blindtune.records.trial import Trial, rank_on_dev
from blindtune.study.checkpoints import WeightStore
from blindtune.study.pending import build_pending
from blindtune.study.setup import SearchSetup
from blindtune.tuners.base import Proposal, Tuner

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Proposals that are asked for at once: no more than these are proposed in vain if epochs limit the search.
_CHUNK = 256


@dataclass(frozen=True)
class Shard:
    """One part of a search.

    Attributes:
        number: from 1.
        n_shards: number of parts.
    """

    number: int
    n_shards: int

    def __post_init__(self) -> None:
        """Refuse a part that there is not."""
        if not 1 <= self.number <= self.n_shards <= MAX_SHARDS:
            raise UserError(f"there is no shard {self.number} of {self.n_shards}; the most are {MAX_SHARDS}")

    def trial_number(self, position: int) -> int:
        """Return the number in the whole search of a trial of the shard, by its position in the shard, from 0."""
        return self.number - 1 + position * self.n_shards

    def position(self, trial_number: int) -> int | None:
        """Return the position of a trial of the whole search in the shard; None: it belongs to another one."""
        position, rest = divmod(trial_number - self.number + 1, self.n_shards)
        return None if rest else position

    def __str__(self) -> str:
        """Return ``shard 1 of 4``."""
        return f"shard {self.number} of {self.n_shards}"


class ShardHeader(BaseModel):
    """The first line of the file of a shard."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    study: str = Field(description="study id: <config name>/<dataset>/<system>/<seed>")
    shard: int = Field(ge=1, le=MAX_SHARDS, description="number of the shard, from 1")
    n_shards: int = Field(ge=1, le=MAX_SHARDS, description="number of shards")
    protocol_sha256: str = Field(description="identifies all that determines the records of the study")


class ShardLine(BaseModel):
    """A trial in the file of a shard, under its number in the whole search."""

    model_config = ConfigDict(extra="forbid")

    sha256: str = Field(description="of the trial as JSON, by which any change is found")
    trial: Trial


def list_proposals(setup: SearchSetup) -> list[Proposal]:
    """Return the first proposals of a search whose proposals depend on no score, as many as it will surely train.

    Where epochs limit the search, those are as many as fit if every training comes to its end; the study itself trains
    what it can afford beyond them. A set that ends a cross-validation, the best on all of train, is not among them.

    Args:
        setup: of the study, whose tuner has proposed nothing yet; it is used up.
    """
    found: list[Proposal] = []
    tuner, budget = setup.tuner, setup.budget
    epochs = 0
    while len(found) < budget.max_trials():
        batch = tuner.ask_batch(min(_CHUNK, budget.max_trials() - len(found)))
        if not batch:
            break
        for proposal in batch:
            if found and (proposal.fold is None) != (found[0].fold is None):
                return found
            if budget.epochs is not None:
                pending = build_pending(len(found), proposal, setup.build_task, Stopwatch())
                epochs += pending.epochs(trained_before=0)
                if epochs > budget.epochs:
                    return found
            found.append(proposal)
        for proposal in batch:
            tuner.tell(_without_score(proposal))
    return found


def _without_score(proposal: Proposal) -> Trial:
    """Return what a tuner is told in the place of a score, where no proposal depends on one."""
    fields: dict[str, Any] = {
        "status": "failed",
        "score": None,
        "hyperparameters": dict(proposal.hyperparameters),
        "fold": None if proposal.fold is None else proposal.fold.number,
        "n_parameters": None,
    }
    return Trial.model_construct(None, **fields)


class ProposalsTuner(Tuner):
    """Proposes what another tuner has proposed.

    Args:
        proposals: all of them, in order.
    """

    def __init__(self, proposals: Sequence[Proposal]) -> None:
        self._proposals = proposals
        self._asked = 0

    def ask(self) -> Proposal | None:
        """Return the next proposal."""
        return next(iter(self.ask_batch(1)), None)

    def ask_batch(self, n: int) -> list[Proposal]:
        """Return the next `n` proposals."""
        asked = list(self._proposals[self._asked : self._asked + n])
        self._asked += len(asked)
        return asked


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

    def _weights(self) -> "dict[str, NDArray[Any]] | None":
        return self.store.load_weights(self.trial.model_copy(update={"number": self.stored_number}))


class RecordedTrials:
    """Trials that were trained elsewhere, by their number in the search that takes them."""

    def __init__(self, trials: Iterable[RecordedTrial] = ()) -> None:
        self._trials: dict[int, RecordedTrial] = {}
        for one in trials:
            self._trials.setdefault(one.trial.number, one)

    def find(self, number: int) -> RecordedTrial | None:
        """Return a trial; None if there is none of this number."""
        return self._trials.get(number)


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
    header = ShardHeader(study=study_id, shard=shard.number, n_shards=shard.n_shards, protocol_sha256=protocol_sha256)
    lines = [header.model_dump_json()]
    for trial in trials:
        text = trial.model_copy(update={"number": shard.trial_number(trial.number)}).model_dump_json()
        lines.append(f'{{"sha256":"{_digest(text)}","trial":{text}}}')
    write_bytes(path, "".join(f"{line}\n" for line in lines).encode())


def read_shards(
    paths: Sequence[Path], study_id: str, protocol_sha256: str, keep_best: int, notify: Callable[[str], None]
) -> RecordedTrials:
    """Read what shards of a study have trained; what cannot be used is left out, with a line.

    Args:
        paths: the files of its shards, which may be missing or damaged.
        study_id: of the study.
        protocol_sha256: identifies all that determines its records.
        keep_best: number of trials of the study whose weights are kept. A shard's trials that may be among them are
            left out if their weights are not whole.
        notify: takes the lines.
    """
    found: list[RecordedTrial] = []
    for path in paths:
        try:
            trials, shard = _read_shard(path, study_id, protocol_sha256, notify)
        except (UserError, ValueError) as error:
            notify(f"{_first_line(error, path)} Its trials are trained by the study itself")
            continue
        store = WeightStore(folder_of(path), keep_best)
        # By their number in the whole search, as they will be ranked there.
        kept = {trial.number for trial in rank_on_dev(trials)[:keep_best] if trial.n_parameters is not None}
        for trial in trials:
            position = shard.position(trial.number)
            recorded = None if position is None else RecordedTrial(trial, store, position)
            if recorded is None:
                notify(f"{path}: trial {trial.number} is not one of {shard}. It is trained by the study itself")
            elif trial.number in kept and not recorded.has_whole_weights():
                notify(f"{path}: the weights of trial {trial.number} are missing or damaged. It is trained again")
            else:
                found.append(recorded)
    return RecordedTrials(found)


def folder_of(path: Path) -> Path:
    """Return the folder in which a shard trains, next to the file that it writes in the end."""
    return path.with_suffix("")


def _read_shard(
    path: Path, study_id: str, protocol_sha256: str, notify: Callable[[str], None]
) -> tuple[list[Trial], Shard]:
    """Return the trials of a shard that are whole, under their numbers in the whole search.

    Raises:
        UserError: there is no such file, or it is that of another study or protocol.
        ValueError: its header is not one.
    """
    # Only a line feed ends a line.
    lines = read_regular_file(path).removesuffix(b"\n").split(b"\n")
    header = ShardHeader.model_validate_json(lines[0])
    if (header.study, header.protocol_sha256) != (study_id, protocol_sha256):
        raise UserError(f"{path}: was made with another config, data or code.")
    trials = []
    with pause_collection():
        for row, line in enumerate(lines[1:], 2):
            try:
                parsed = ShardLine.model_validate_json(line)
            except ValueError:
                parsed = None
            if parsed is None or parsed.sha256 != _digest(parsed.trial.model_dump_json()):
                notify(f"{path}, line {row}: is damaged. Its trial is trained again")
            else:
                trials.append(parsed.trial)
    return trials, Shard(header.shard, header.n_shards)


def _first_line(error: Exception, path: Path) -> str:
    """Return why a file cannot be used, as one sentence."""
    if isinstance(error, UserError):
        return str(error)
    return f"{path}: is not the file of a shard ({str(error).splitlines()[0]})."


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
