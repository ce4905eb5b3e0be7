"""Refuse, while a workflow is planned, a config whose optional engines are not installed."""

from collections.abc import Callable
from pathlib import Path

from blindtune.config.study import Study
from blindtune.config.systems import Tuned
from blindtune.core.errors import UserError
from blindtune.core.files import read_json_object
from blindtune.tuners.engines import check_engine


def check_engines(studies: list[Study], find_card: Callable[[Study], Path]) -> None:
    """Refuse the first study that needs an engine which this Python does not have. Nothing is imported.

    A study that its tuner has ended needs the engine no more, so a report can be made again where it is not installed.

    Args:
        studies: of the config.
        find_card: from a study to the card of its frozen model, which need not exist.

    Raises:
        UserError: the message names the system and the command that installs the engine.
    """
    for study in studies:
        settings = study.settings
        if not isinstance(settings, Tuned) or settings.tuner.engine is None:
            continue
        if not _is_finished(find_card(study), settings):
            check_engine(settings.tuner, f"systems.{study.system}")


def _is_finished(card: Path, settings: Tuned) -> bool:
    """Return whether a card is that of a model which this tuner has found, and not one of an earlier config."""
    if not card.exists():
        return False
    try:
        found = read_json_object(card, settings=dict)["settings"].get("tuner")
        return type(settings.tuner).model_validate(found) == settings.tuner
    except (UserError, ValueError):  # it is damaged, or of another tuner: the study runs again
        return False
