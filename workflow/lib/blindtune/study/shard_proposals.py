"""What a job proposes that trains a part of a search: the proposals that the whole search has, and no other."""

from collections.abc import Sequence
from typing import Any

from blindtune.core.errors import UserError
from blindtune.core.timing import Stopwatch
from blindtune.records.trial import Trial
from blindtune.study.pending import build_pending, is_record_of
from blindtune.study.setup import SearchSetup
from blindtune.study.shards import RecordedTrials
from blindtune.tuners.base import Proposal, Tuner
from blindtune.tuners.rungs import RungPlan

#: Proposals that are asked for at once: no more than these are proposed in vain if epochs limit the search.
_CHUNK = 256


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


def list_rung(setup: SearchSetup, plan: RungPlan, rung: int, earlier: RecordedTrials) -> list[Proposal]:
    """Return the proposals of one rung, those of all brackets, in order, as far as the search has them.

    The tuner is told the records of the rungs before it. Other trials are told without a score: a bracket depends on
    no other bracket, and a rung on no later one.

    Args:
        setup: of the study, whose tuner has proposed nothing yet; it is used up.
        plan: the trials of the search by their rungs.
        rung: number of the rung, from 1.
        earlier: every trial of the rungs before it.

    Raises:
        UserError: a trial of a rung before it is missing, or is not what the tuner proposes.
    """
    found: list[Proposal] = []
    tuner, number, n_trials = setup.tuner, 0, plan.trials[rung - 1][-1] + 1
    while number < n_trials:
        batch = tuner.ask_batch(min(_CHUNK, n_trials - number))
        if not batch:
            break
        for proposal in batch:
            if plan.rungs[number] < rung:
                tuner.tell(_find_record(earlier, number, proposal))
            else:
                found.extend([proposal] if plan.rungs[number] == rung else [])
                tuner.tell(_without_score(proposal))
            number += 1
    return found


def _find_record(earlier: RecordedTrials, number: int, proposal: Proposal) -> Trial:
    """Return the record of a trial of an earlier rung."""
    recorded = earlier.find(number)
    if recorded is None or not is_record_of(recorded.trial, proposal):
        problem = "is missing" if recorded is None else "has another set than the tuner proposes now"
        raise UserError(
            f"trial {number + 1}, whose score decides what this rung trains, {problem}. Remove the files of the shards "
            "of the rungs before it, and run the same command again: what they have recorded is not trained again."
        )
    return recorded.trial


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
