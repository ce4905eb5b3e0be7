"""What every card says of its study, and what identifies its model."""

from typing import Any

from blindtune.study.context import StudyContext
from blindtune.study.model_code import digest_model_code


def card_identity(context: StudyContext) -> dict[str, Any]:
    """Return the fields of a card that say which study and which data it comes from.

    Args:
        context: the study, whose data have the view applied, so that nothing of the view can be collected from them.
    """
    study, data = context.study, context.data
    return {
        "study": study.id,
        "config": study.config,
        "dataset": study.dataset,
        "system": study.system,
        "seed": study.seed,
        "kind": study.settings.kind,
        "paper_row": study.settings.paper_row,
        "settings": study.settings.model_dump(mode="json"),
        "score_epoch": study.score_epoch,
        "data_sha256": data.sha256,
        "preprocessing": context.preprocessing,
        "code_sha256": digest_model_code(study.settings, data.manifest["source"]["source"]),
        "classes": len(data.classes),
    }
