"""Find the frozen model of a finished study together with the data that it was made with."""

import re
from pathlib import Path

from blindtune.core.errors import UserError
from blindtune.core.paths import ResultPaths, find_results
from blindtune.core.validation import NAME_PATTERN
from blindtune.datasets.prepared import open_prepared
from blindtune.decoding.frozen_model import FrozenModel
from blindtune.exports.stored_study import check_unsealed
from blindtune.records.agreement import check_agreement_of
from blindtune.records.model_card import ModelCard, read_card


def open_frozen(place: Path, manifest: Path | None = None, workers: int = 1) -> FrozenModel:
    """Return the frozen model of a study; it is rebuilt, and proved by its dev error, when it is first used.

    Args:
        place: folder of the study, or its ``card.json``.
        manifest: of the data of the study; None: where the study's config has put it.
        workers: number of cores that a reference model may use; changes no prediction.

    Raises:
        UserError: the study is sealed, not finished, has no model, or its data are not found.
    """
    folder = check_unsealed(place)
    if folder.name == "card.json" and not folder.is_dir():
        folder = folder.parent
    if not (folder / "card.json").exists():
        raise UserError(
            f"{folder}: holds no frozen model (card.json). Give the folder of a finished study, "
            "results/<name>/studies/<dataset>/<system>/<seed>."
        )
    card = read_card(folder / "card.json")
    if card.kind == "bayes":
        raise UserError(f"{card.study}: is an estimate of the Bayes error, not a model. Give the study of a model.")
    check_agreement_of(card, folder)
    manifest = manifest or _find_manifest(card, folder)
    for path in (manifest, manifest.parent / "train", manifest.parent / "dev"):
        check_unsealed(path)
    if not manifest.exists():
        raise UserError(f"{manifest}: the data of {card.study} are not there. Give their manifest (--data).")
    return FrozenModel(card, folder, open_prepared(manifest), workers)


def _find_manifest(card: ModelCard, folder: Path) -> Path:
    """Return where the config of a study has put its data."""
    named = all(re.fullmatch(NAME_PATTERN, name) for name in (card.dataset, card.system))
    place = ResultPaths("").study(card.dataset, card.system, card.seed)
    paths = find_results(folder, place) if named else None
    if paths is None:
        raise UserError(
            f"{folder}: is not below results/<name>/studies, so that the study's own data are not found. Give their "
            "manifest (--data)."
        )
    return Path(paths.manifest(card.dataset))
