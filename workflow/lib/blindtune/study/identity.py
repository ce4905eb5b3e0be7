"""What every card says of its study."""

from typing import Any

from blindtune.config.study import Study
from blindtune.datasets.prepared import Prepared


def card_identity(study: Study, data: Prepared) -> dict[str, Any]:
    """Return the fields of a card that say which study and which data it comes from."""
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
        "classes": len(data.classes),
    }
