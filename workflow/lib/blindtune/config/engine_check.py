"""Refuse, while a workflow is planned, a config whose optional engines are not installed."""

from collections.abc import Callable

from blindtune.config.study import Study
from blindtune.config.systems import Tuned
from blindtune.tuners.engines import check_engine


def check_engines(studies: list[Study], is_finished: Callable[[Study], bool]) -> None:
    """Refuse the first study that needs an engine which this Python does not have. Nothing is imported.

    Args:
        studies: of the config.
        is_finished: whether a study has ended; one that has needs its engine no more, so a report can be made again
            where the engine is not installed.

    Raises:
        UserError: the message names the system and the command that installs the engine.
    """
    for study in studies:
        settings = study.settings
        if isinstance(settings, Tuned) and settings.tuner.engine is not None and not is_finished(study):
            check_engine(settings.tuner, f"systems.{study.system}")
