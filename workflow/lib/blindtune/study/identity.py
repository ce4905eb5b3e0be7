"""What every card says of its study, and what identifies its model."""

from typing import Any

from blindtune.config.study import Study
from blindtune.datasets.prepared import Prepared
from blindtune.study.model_code import digest_model_code
from blindtune.views.apply import collect_inputs


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
        "preprocessing": collect_inputs(study.settings.view, data).identity(),
        "code_sha256": digest_model_code(study.settings, data.manifest["source"]["source"]),
        "classes": len(data.classes),
    }
