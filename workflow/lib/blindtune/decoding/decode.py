"""Decode a frozen model: its one use of eval, recorded in the ledger before the result is shown."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.core.arrays import digest_arrays, write_npz
from blindtune.core.files import write_json
from blindtune.datasets.origins import MAX_PLACE
from blindtune.datasets.prepared import open_prepared
from blindtune.decoding.entries import now
from blindtune.decoding.frozen_model import FrozenModel
from blindtune.decoding.known_evals import EvalIdentity
from blindtune.decoding.known_heads import keep_head, read_heads, refuse_lost
from blindtune.decoding.ledger import Ledger
from blindtune.decoding.ledger_file import LedgerContent
from blindtune.decoding.recordings import answer_recordings, check_recordings
from blindtune.decoding.sealed_split import Seal, read_seal
from blindtune.decoding.surface import compute_surface
from blindtune.metrics.compute import compute_metric
from blindtune.metrics.events import SCORING
from blindtune.records.agreement import check_agreement_of
from blindtune.records.decode_result import (
    DecodeResult,
    GroupErrors,
    Predictions,
    count_by_patient,
    is_same_answer,
)
from blindtune.records.model_card import read_card, read_card_digest
from blindtune.study.estimate import estimate_eval


def decode_to_files(
    *,
    card: Path,
    manifest: Path,
    sealed: Path,
    ledger: Path,
    allow_repeats: bool,
    points: int,
    folder: Path,
    report: Callable[[str], None],
    workers: int = 1,
    root: Path | None = None,
) -> None:
    """`decode` a frozen model, from files to files.

    Writes ``predictions.npz``, ``surface.npz``, the head of the ledger and ``result.json``. The first two are empty for
    an estimate, ``surface.npz`` also for data that have not exactly two features.

    Args:
        card: ``card.json`` of the frozen model; its weights are in the same folder.
        manifest: of train and dev.
        sealed: ``seal.json`` of eval.
        ledger: folder of the project's ledger.
        allow_repeats: whether the config allows this study to decode further models.
        points: number of points along each axis of the decision surface.
        folder: where the files are written.
        report: takes a line about what was done.
        workers: number of cores that a reference model may use; changes no prediction.
        root: ``results/<config name>``: the ledger must hold every entry that its decodes and its report have seen;
            None: nothing is compared.

    Raises:
        RepeatedDecodeError: as `decode`.
        UserError: as `decode`, or the ledger lacks an entry.
    """
    model = FrozenModel(read_card(card), card.parent, open_prepared(manifest, in_full=True), workers)
    record = Ledger(ledger)
    with record.decoding(
        model.card.study, report
    ):  # the files too: two runs that write them at once spoil each other's
        heads = {} if root is None else read_heads(root)
        content = record.read()
        refuse_lost(heads, content, record.path)
        result, predictions = _decode(model, sealed, record, content, allow_repeats, report)
        surface = {}
        if predictions is not None and model.data.sample_shape == (2,):
            surface = compute_surface(model, points)
        write_npz(folder / "predictions.npz", predictions or {})
        write_npz(folder / "surface.npz", surface)
        keep_head(folder, record.seen)
        write_json(folder / "result.json", result.model_dump(mode="json"))


def decode(
    model: FrozenModel, sealed: Path, ledger: Ledger, *, allow_repeats: bool, report: Callable[[str], None]
) -> tuple[DecodeResult, Predictions | None]:
    """Decode a frozen model on eval, or return the recorded result if it was decoded before.

    Args:
        model: the frozen model.
        sealed: path of ``seal.json``.
        ledger: the ledger of the project.
        allow_repeats: whether the config allows this study to decode further models.
        report: takes a line about what was done.

    Returns:
        The result, and the predictions or None for an estimate.

    Raises:
        RepeatedDecodeError: another model of the study was decoded on these data before.
        UserError: the sealed data or the frozen model are not what they were, or the model, rebuilt, does not give its
            recorded dev error.
    """
    with ledger.decoding(model.card.study, report):
        return _decode(model, sealed, ledger, ledger.read(), allow_repeats, report)


def _decode(
    model: FrozenModel,
    sealed: Path,
    ledger: Ledger,
    content: LedgerContent,
    allow_repeats: bool,
    report: Callable[[str], None],
) -> tuple[DecodeResult, Predictions | None]:
    """Decode a frozen model while no other process decodes one of its study; ``content`` is that of the ledger."""
    seal, card = read_seal(sealed), model.card
    model.data.check_seal(sealed, seal.sha256)
    frozen_sha256 = card.frozen_sha256()
    known = ledger.find_result(card.study, frozen_sha256, seal.sha256, content)
    if known is not None:
        predictions = ledger.read_predictions(known)
        ledger.note_records(known, _digests_of_records(model), content)
        missing = _describe_missing(known, seal)
        report(f"{card.study}: answered from the ledger, {_describe(known)}; not decoded again{missing}")
        return known, predictions
    similar = ledger.find_similar(card.study, card.model_sha256(), card.former_sha256(), seal.sha256, content)
    if similar is not None:
        confirmed = _compare(model, seal, ledger, similar)
        if confirmed is not None:
            report(
                f"{card.study}: gives the answers that were recorded at {similar.decoded} under other code, eval error "
                f"{confirmed[0].error:.2%}; it is the same model, decoded once{_describe_missing(confirmed[0], seal)}"
            )
            return confirmed
    # By the seal alone, before anything is rebuilt or read; `begin` looks again, by the content of eval.
    names = {"model_sha256": card.model_sha256(), "former_sha256": card.former_sha256()}
    sealed_identity = EvalIdentity(seal.sha256, seal.content_sha256)
    ledger.is_blind(card.study, frozen_sha256, sealed_identity, allow_repeats=allow_repeats, **names, content=content)
    identity = _verify(model, seal)
    for other in ledger.find_other_preparations(card.study, identity, content)[:1]:
        report(
            f"{card.study}: not blind, since {other['study']} was decoded at {other['time']} on another preparation of "
            "the same raw data; the report marks its row"
        )
    for entry in ledger.find_post_mortems(card.study, frozen_sha256, identity, content)[:1]:
        report(
            f"{card.study}: not blind, since a post-mortem of {entry['study']} showed this eval at {entry['time']}; "
            "the report marks its row"
        )
    blind = ledger.begin(
        card.study,
        frozen_sha256,
        identity,
        allow_repeats=allow_repeats,
        **names,
        records=_digests_of_records(model),
    )
    result, predictions = _score(model, seal, blind)
    result = ledger.finish(result, predictions)
    report(f"{card.study}: decoded once, {_describe(result)} on {result.samples} samples")
    return result, predictions


def _describe(result: DecodeResult) -> str:
    """Return the error of a result, and its metric if it has one, as a phrase."""
    metric = "" if result.metric_value is None else f", {result.metric} {result.metric_value:.4f}"
    return f"eval error {result.error:.2%}{metric}"


def _describe_missing(known: DecodeResult, seal: Seal) -> str:
    """Return the end of a line that says which event-based scores a recorded result does not have, or nothing."""
    if seal.recordings_sha256 in (None, known.recordings_sha256) or known.predictions_sha256 is None:
        return ""
    if known.events is None:
        return "; without event-based scores, which were asked for after its decode"
    return "; its event-based scores are of other recordings, or of another event_step, than the present ones"


def _digests_of_records(model: FrozenModel) -> dict[str, str]:
    """Return the digests of the card and of the manifest, by the names of the ledger's fields."""
    card = model.folder / "card.json"
    found = {
        "card_sha256": read_card_digest(card) if card.exists() else None,
        "manifest_sha256": model.data.manifest.get("manifest_sha256"),
    }
    return {name: digest for name, digest in found.items() if isinstance(digest, str)}


def _compare(
    model: FrozenModel, seal: Seal, ledger: Ledger, similar: DecodeResult
) -> tuple[DecodeResult, Predictions | None] | None:
    """Find out whether a frozen model that differs from a decoded one in code alone is the same model.

    Its answers on eval are compared with the recorded ones. Nothing else of them is shown: who changes the code learns
    whether they changed, and no score.

    Args:
        model: the frozen model.
        seal: of eval.
        ledger: gets a line before eval is answered, and one about the outcome if the answers are the same.
        similar: the recorded result.

    Returns:
        The recorded result under the model's identity and its predictions; None if the answers differ.
    """
    # Its events by the present rules, which the new answers are counted by too.
    counted, recorded = ledger.read_decode(similar)
    identity = _verify(model, seal)
    frozen_sha256 = model.card.frozen_sha256()
    ledger.note_comparison(similar, frozen_sha256, identity)
    result, _ = _score(model, seal, similar.blind)
    own = {"frozen_sha256": similar.frozen_sha256, "decoded": similar.decoded, "groups": similar.groups}
    if not is_same_answer(result.model_copy(update=own), counted):
        return None
    return ledger.confirm(similar, frozen_sha256, recorded, identity, _digests_of_records(model)), recorded


def _verify(model: FrozenModel, seal: Seal) -> EvalIdentity:
    """Refuse data or a frozen model that are not what they were, before the ledger says that a decode has begun.

    Returns:
        What eval is known by.
    """
    model.check_data()
    check_recordings(model.data.manifest, seal)
    if model.card.kind != "bayes":
        _ = model.model  # rebuilt and verified on dev here, once
        check_agreement_of(model.card, model.folder)
    model.check_view()
    return replace(seal.identity, origins=model.data.eval_origins())


def _score(model: FrozenModel, seal: Seal, blind: bool) -> tuple[DecodeResult, Predictions | None]:
    """Answer eval and score a frozen model on it."""
    split, card = seal.open(), model.card
    common: dict[str, Any] = {
        "study": card.study,
        "frozen_sha256": card.frozen_sha256(),
        "eval_sha256": seal.sha256,
        "samples": len(split.y),
        "blind": blind,
        "decoded": now(),
    }
    x = model.show_sealed(split.x, seal.sha256, seal.folder)
    if card.kind == "bayes":
        estimates = estimate_eval(card, x, split.y, model.workers)
        result = DecodeResult(
            **common,
            error=estimates["closed_loop"],
            wrong=None,
            confusion=None,
            estimates=estimates,
            predictions_sha256=None,
        )
        return result, None
    answers = model.viewed_model.answer(x)
    predicted = answers.labels.astype(np.int16)
    predictions = {"predicted": predicted, "wrong": predicted != split.y}
    wrong = int(predictions["wrong"].sum())
    details: Predictions = {"true": np.asarray(split.y).astype(np.int16)}
    if answers.probabilities is not None:
        details["probabilities"] = answers.probabilities
    details |= answer_recordings(model.model, seal)
    if split.group is not None:
        details["group"] = np.asarray(split.group).astype(np.int32)
    origins = seal.find_origins(np.flatnonzero(predictions["wrong"]))
    if origins is not None:
        details["origin"] = np.array([place.encode()[:MAX_PLACE] for place in origins], dtype=np.bytes_)
    confusion = np.zeros((card.classes, card.classes), dtype=np.int64)
    np.add.at(confusion, (split.y, predicted), 1)
    result = DecodeResult(
        **common,
        error=wrong / len(split.y),
        wrong=wrong,
        confusion=confusion.tolist(),
        groups=None if split.group is None else _count_by_group(split.group, predictions["wrong"]),
        events=(events := count_by_patient(details)),
        event_scoring=None if events is None else SCORING,
        recordings_sha256=None if events is None else seal.recordings_sha256,
        metric=card.metric,
        metric_value=None if card.metric is None else compute_metric(card.metric, split.y, answers, card.classes),
        predictions_sha256=digest_arrays(predictions),
        details_sha256=digest_arrays(details),
    )
    return result, predictions | details


def _count_by_group(group: NDArray[np.int64], wrong: NDArray[np.bool_]) -> list[GroupErrors]:
    numbers, index = np.unique(group, return_inverse=True)
    samples, missed = np.bincount(index), np.bincount(index, wrong)
    return [
        GroupErrors(group=int(number), samples=int(n_samples), wrong=int(n_wrong))
        for number, n_samples, n_wrong in zip(numbers, samples, missed, strict=True)
    ]
