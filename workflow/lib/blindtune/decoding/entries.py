"""The entries of the ledger: their events and fields, and what an entry says of a study and its decode."""

import getpass
import os
import re
import socket
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from blindtune.core.checkout import find_commit
from blindtune.core.errors import UserError
from blindtune.core.files import loads_json
from blindtune.decoding.chain import ADOPTED
from blindtune.records.decode_result import DecodeResult

#: The fields that an entry of each event must have.
_FIELDS = {
    "begun": {"time", "eval_sha256", "study", "frozen_sha256"},
    "done": {"time", "eval_sha256", "study", "frozen_sha256", "result"},
    "compared": {"time", "eval_sha256", "study", "frozen_sha256", "former_sha256"},
    "confirmed": {"time", "eval_sha256", "study", "frozen_sha256", "former_sha256", "result"},
    "recorded": {"time", "eval_sha256", "study", "frozen_sha256"},
    "sampled": {"time", "eval_sha256", "dataset"},
    "analysing": {"time", "eval_sha256", "study", "frozen_sha256", "trials_sha256"},
    "analysed": {"time", "eval_sha256", "study", "frozen_sha256", "trials_sha256", "result_sha256"},
    ADOPTED: {"time", "before"},
}

#: The events of a post-mortem: before eval is opened for it, and before its scores are shown.
ANALYSES = ("analysing", "analysed")

#: The field that identifies the samples of an eval with their labels, in any order.
LABELLED = "eval_labelled_sha256"

#: The fields that hold digests of the records of a decoded model.
RECORDS = ("card_sha256", "manifest_sha256")

#: The fields that say who wrote an entry: user, machine and commit of the code. Entries of before lack them.
WRITER = ("user", "host", "commit")

#: The version of the fields of an entry that is written now. Entries without a version are those of version 1.
ENTRY_VERSION = 2

#: The longest name of a user, a machine or a commit.
_LONGEST_NAME = 255

#: Old names of an event and of a field, which ledgers of before still have.
_RENAMED_EVENTS = {"pictured": "sampled"}
_RENAMED_FIELDS = {"look": "result"}

Entry = dict[str, Any]


def parse_entry(line: str, where: str) -> Entry:
    """Return the entry of a line, under the present names.

    Args:
        line: of the file, bytes that are not UTF-8 as surrogates.
        where: names file and line in the message.

    Raises:
        UserError: it is not an entry.
    """
    try:
        if not line.isascii() and any("\udc80" <= sign <= "\udcff" for sign in line):
            raise ValueError("not UTF-8")
        entry = loads_json(line)
        if not isinstance(entry, dict):
            raise ValueError("not an object")
        entry = {_RENAMED_FIELDS.get(name, name): value for name, value in entry.items()}
        event = entry.get("event")
        entry["event"] = event = _RENAMED_EVENTS.get(str(event), event)
        if not isinstance(event, str) or event not in _FIELDS:
            raise ValueError("an unknown event")
        if not _FIELDS[event] <= entry.keys():
            raise ValueError("a field is missing")
        if not all(isinstance(entry[name], str) for name in _FIELDS[event] - {"result"}):
            raise ValueError("a field is not a text")
        _check_optional_fields(entry)
        return entry
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: is not a ledger entry ({error}). Restore it from a backup.") from error


def _check_optional_fields(entry: Entry) -> None:
    """Refuse fields that an entry need not have and that are of another type; raises ValueError."""
    for name in ("model_sha256", *RECORDS):
        if not isinstance(entry.get(name, ""), str):
            raise ValueError(f"{name} is not a text")
    for name in ("eval_content_sha256", "eval_origins_sha256", LABELLED):  # two are parts of paths
        if name in entry and not (isinstance(entry[name], str) and re.fullmatch("[0-9a-f]{64}", entry[name])):
            raise ValueError(f"{name} is not a sha256")
    for name in WRITER:
        value = entry.get(name, "x")
        if not (isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME and value.isprintable()):
            raise ValueError(f"{name} is not a name")
    version = entry.get("schema_version", 1)
    if type(version) is not int or version < 1:
        raise ValueError("schema_version is not a whole number above 0")
    if version > ENTRY_VERSION:
        raise ValueError(f"it was written by a later version of blindtune, with entries of version {version}")
    for name in ("frozen", "lost"):
        listed = entry.get(name, [])
        if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
            raise ValueError(f"{name} is not a list of texts")


def comparison(event: str, similar: DecodeResult, frozen_sha256: str) -> Entry:
    """Return an entry that says that the answers of two models were compared.

    Args:
        event: ``compared`` or ``confirmed``.
        similar: result of the model of before.
        frozen_sha256: identifies the other model.
    """
    return {
        "event": event,
        "study": similar.study,
        "frozen_sha256": frozen_sha256,
        "former_sha256": similar.frozen_sha256,
    }


def decode_key(entry: Entry) -> tuple[str, str, str]:
    """Return what identifies the decode of an entry: study, frozen model and sealed data."""
    return entry["study"], entry["frozen_sha256"], entry["eval_sha256"]


def split_study(study: str) -> tuple[str, str, str, str]:
    """Return config, dataset, system and seed of a study's id; an id of another form is a config alone."""
    parts = study.split("/")
    return (parts[0], parts[1], parts[2], parts[3]) if len(parts) == 4 else (study, "", "", "")


def without_dataset(study: str) -> tuple[str, str, str]:
    """Return what makes a study the same one if its dataset is known by content: a dataset may have any name."""
    config, _, system, seed = split_study(study)
    return config, system, seed


def decodes_of_study(study: str, entries: list[Entry]) -> list[Entry]:
    """Return the entries of decodes of a study, under any name of its dataset.

    Args:
        study: id of the study.
        entries: of the ledger.
    """
    name = without_dataset(study)
    return [
        entry for entry in entries if entry["event"] in ("begun", "done") and without_dataset(entry["study"]) == name
    ]


def names_of(entries: Iterable[Entry], study: str, frozen_sha256: str) -> set[str]:
    """Return every identity of a frozen model: those under other code that gave the same answers too.

    Args:
        entries: of the ledger.
        study: id of its study.
        frozen_sha256: one of them.
    """
    names = {frozen_sha256}
    pairs = [
        {entry["frozen_sha256"], entry["former_sha256"]}
        for entry in entries
        if entry["event"] == "confirmed" and without_dataset(entry["study"]) == without_dataset(study)
    ]
    for _ in pairs:
        for pair in pairs:
            if not names.isdisjoint(pair):
                names |= pair
    return names


def find_records(entries: Iterable[Entry], result: DecodeResult) -> dict[str, list[str]]:
    """Return the digests of the card and the manifest that the ledger holds for a decode, the last one last.

    Args:
        entries: of the ledger.
        result: of the decode.
    """
    key = (result.study, result.frozen_sha256, result.eval_sha256)
    found: dict[str, list[str]] = {}
    for entry in entries:
        if entry["event"] in ("begun", "confirmed", "recorded") and decode_key(entry) == key:
            for name in RECORDS:
                if name in entry:
                    found.setdefault(name, []).append(entry[name])
    return found


def describe_writer() -> dict[str, str | int]:
    """Return the fields of an entry that say who writes it, with the version of the entry."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container may have no names of users
        user = str(os.getuid())
    found = {"user": user, "host": socket.gethostname(), "commit": find_commit()}
    named = {name: str(value)[:_LONGEST_NAME] for name, value in found.items() if value and str(value).isprintable()}
    return {"schema_version": ENTRY_VERSION, **named}


def name_writer(entry: Mapping[str, Any]) -> str:
    """Return user and machine of an entry, for a message; empty if it does not name them."""
    return "@".join(str(entry[name]) for name in ("user", "host") if name in entry)


def now() -> str:
    """Return the time, UTC, in the form of all records."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
