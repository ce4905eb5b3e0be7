"""Whether a decode is blind: which decodes of before may have told something of the same sealed data."""

from blindtune.decoding.entries import (
    ANALYSES,
    LABELLED,
    Entry,
    decode_key,
    decodes_of_study,
    name_writer,
    names_of,
    split_study,
)
from blindtune.decoding.known_evals import EvalIdentity, KnownEvals


def find_looks_of_others(
    study: str,
    frozen_sha256: str,
    identity: EvalIdentity,
    same_but_code: set[str | None],
    entries: list[Entry],
    evals: KnownEvals,
) -> list[Entry]:
    """Return the entries of decodes of a study on an eval by other models than a frozen one.

    Args:
        study: id of the study.
        frozen_sha256: identifies the frozen model.
        identity: of the sealed data; without labels, decodes of the same model are not among them.
        same_but_code: what the same model has under other code, None for what is not known. A decode of it that was
            begun and never done has shown nothing.
        entries: of the ledger.
        evals: of these entries.
    """
    names = names_of(entries, study, frozen_sha256)
    done = {decode_key(entry) for entry in entries if entry["event"] == "done"}
    labelled = {entry["eval_sha256"]: entry[LABELLED] for entry in entries if LABELLED in entry}
    others = []
    for entry in decodes_of_study(study, entries):
        sha256 = entry["eval_sha256"]
        if not evals.is_same(sha256, identity):
            continue
        same_samples = sha256 == identity.sha256 or labelled.get(sha256) == identity.labelled_sha256
        if entry["frozen_sha256"] in names and (same_samples or identity.labelled_sha256 is None):
            continue
        if decode_key(entry) not in done and entry.get("model_sha256", entry["frozen_sha256"]) in same_but_code:
            continue
        others.append(entry)
    return others


def find_other_preparations(study: str, identity: EvalIdentity, entries: list[Entry], evals: KnownEvals) -> list[Entry]:
    """Return the entries of decodes of a study on other evals that were made of the same raw material.

    Args:
        study: id of the study.
        identity: of the sealed data.
        entries: of the ledger.
        evals: of these entries.
    """
    return [
        entry
        for entry in decodes_of_study(study, entries)
        if not evals.is_same(entry["eval_sha256"], identity) and evals.is_of_same_origin(entry["eval_sha256"], identity)
    ]


def find_post_mortems(
    study: str, frozen_sha256: str, identity: EvalIdentity, entries: list[Entry], evals: KnownEvals
) -> list[Entry]:
    """Return the entries of post-mortems on an eval before which a model was not decoded.

    They showed what every trial of a search scores on eval. A model whose decode had begun before cannot follow from
    that, nor one that they name as decoded, under any of its identities.

    Args:
        study: id of the study of the model.
        frozen_sha256: identifies the model.
        identity: of the sealed data.
        entries: of the ledger.
        evals: of these entries.
    """
    names = names_of(entries, study, frozen_sha256)
    found: list[Entry] = []
    for entry in entries:
        if entry["event"] == "begun" and entry["frozen_sha256"] in names:
            break  # it was frozen before all that follows
        if entry["event"] in ANALYSES and names.isdisjoint(entry.get("frozen", ())):
            sha256 = entry["eval_sha256"]
            if evals.is_same(sha256, identity) or evals.is_of_same_origin(sha256, identity):
                found.append(entry)
    return found


def explain_refusal(study: str, other: Entry) -> str:
    """Return what to say of a decode that would not be blind.

    Args:
        study: id of the study.
        other: entry of the decode of before.
    """
    _, dataset, system, _ = split_study(study)
    before = "this study" if other["study"] == study else f"{other['study']}, the same study under another name,"
    by = f" by {writer}" if (writer := name_writer(other)) else ""
    return (
        f"{study}: another model of {before} was decoded on this eval data at {other['time']}{by}; a second decode "
        "would not be blind. Put back the config and code that gave the first model, or give the changed system a new "
        f"name, or allow it by name with 'allow_repeated_decode: [{dataset}/{system}]', and the report will mark its "
        "row as not blind."
    )
