"""A card and the records of its trials must agree: one of them alone cannot be changed by hand."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter

from blindtune.core.errors import UserError
from blindtune.core.files import digest_json
from blindtune.core.garbage import pause_collection
from blindtune.records.model_card import ModelCard
from blindtune.records.trial import Trial, TrialLog

#: All at once takes a third of the time of one after the other.
_TRIALS = TypeAdapter(list[Trial])


def digest_trials(trials: Sequence[Trial]) -> str:
    """Return what identifies the records of trials; a field that a later version adds does not count by default."""
    with pause_collection():
        return digest_json(_TRIALS.dump_python(list(trials), mode="json", exclude_defaults=True))


def check_agreement(card: ModelCard, trials: Sequence[Trial], where: Path) -> list[Trial]:
    """Refuse a card that says something else than the records of its trials.

    Args:
        card: the card.
        trials: all records of its study.
        where: the file of the records, for the message.

    Returns:
        The records that the card counts: those within the budget that it was frozen with.

    Raises:
        UserError: a record that the card counts is missing or was changed, or the card differs from its trial.
    """
    counted = list(trials[: card.spent.trials])
    chosen = next((trial for trial in counted if trial.number == card.trial), None)
    statuses = Counter(trial.status for trial in counted)
    agreeing = {
        "trials": len(counted) == card.spent.trials,
        "statuses": statuses == {name: count for name, count in card.statuses.items() if count},
        "epochs": sum(trial.epochs for trial in counted) == card.spent.epochs,
        "chosen trial": chosen is not None
        and chosen.n_parameters in (None, card.n_parameters)
        and (chosen.score, chosen.metric, chosen.metric_value, chosen.hyperparameters, chosen.weights_sha256)
        == (card.dev_error, card.metric, card.dev_metric, card.hyperparameters, card.weights_sha256),
        "records": card.trials_sha256 in (None, digest_trials(counted)),
    }
    wrong = [name for name, agrees in agreeing.items() if not agrees]
    if wrong:
        raise UserError(
            f"{where}: does not agree with card.json ({', '.join(wrong)}): one of them was changed after the model was "
            "frozen. Restore both, or move the study's folder away and run again."
        )
    return counted


def check_agreement_of(card: ModelCard, folder: Path) -> None:
    """Refuse a frozen model whose card says something else than the records in its folder, as `check_agreement`.

    Args:
        card: the card.
        folder: of the study.
    """
    if card.kind != "bayes":
        path = folder / "trials.jsonl"
        check_agreement(card, TrialLog(path).read(), path)
