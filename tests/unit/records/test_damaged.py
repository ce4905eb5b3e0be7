"""Damaged records: with any content, the reader of a file names the file in one message."""

import json
import os
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blindtune.core.arrays import open_array, read_npz
from blindtune.core.claims import claim
from blindtune.core.errors import UserError
from blindtune.core.files import digest_file, loads_json, read_json
from blindtune.core.jsonl import read_lines
from blindtune.core.validation import parse
from blindtune.core.weights import load_weights
from blindtune.datasets.corpus.provenance import read_origins
from blindtune.datasets.corpus.splits import read_extract
from blindtune.datasets.verification import open_verified
from blindtune.decoding.known_evals import EvalIdentity
from blindtune.decoding.ledger import Ledger
from blindtune.decoding.sealed_split import read_seal
from blindtune.exports.stored_study import read_study
from blindtune.records.model_card import read_card
from blindtune.records.trial import TrialLog
from blindtune.report.manifests import ReportManifest
from blindtune.study.attempts import Attempts
from support.builders import trial

#: Each kind of record in JSON: the name of its file, and what reads it.
JSON_RECORDS: dict[str, Callable[[Path], Any]] = {
    "card.json": read_card,
    "seal.json": read_seal,
    "train-1.json": read_extract,
    "protocol.json": lambda path: read_study(path.parent),
    "manifest.json": lambda path: parse(ReportManifest, read_json(path), str(path)),
}
#: Each kind of record with one object a line.
LINE_RECORDS: dict[str, Callable[[Path], Any]] = {
    "trials.jsonl": lambda path: TrialLog(path).read(),
    "ledger.jsonl": lambda path: Ledger(path.parent).entries(),
}
ARRAYS: dict[str, Callable[[Path], Any]] = {
    "x.npy": lambda path: open_array(path, "Remove it."),
    "a.npz": lambda path: read_npz(path, "Remove it."),
    "a.safetensors": lambda path: load_weights(path, "Remove it."),
}
DAMAGES = {
    "bad bytes": b'{"a": "\xff\xfe"}',
    "NUL": b"\x00" * 40,
    "depth": b"[" * 100_000 + b"]" * 100_000,
    "object depth": b'{"a":' * 100_000,
    "huge number": b'{"a": ' + b"9" * 5000 + b"}",
    "infinite number": b'{"a": 1e999}',
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": -Infinity}',
    "key twice": b'{"sha256": "x", "sha256": "y"}',
    "half a surrogate": b'{"sha256": "\\ud800"}',
    "number": b"3",
    "null": b"null",
    "text": b'"text"',
    "list": b"[]",
    "list of lists": b"[[[1]]]",
    "empty object": b"{}",
    "wrong types": json.dumps(
        {
            key: [None, {"a": []}]
            for key in (
                *("study", "files", "data_sha256", "sha256", "event", "time", "eval_sha256", "frozen_sha256", "result"),
                *("surveys", "classes", "counts", "number", "schema_version", "splits", "parameters", "dataset"),
            )
        }
    ).encode(),
    "half": b'{"sha256": "ab',
    "byte-order mark": b'\xef\xbb\xbf{"a": 1}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
}


@pytest.mark.parametrize("damage", [*DAMAGES, "empty"])
@pytest.mark.parametrize("name", JSON_RECORDS)
def test_json_record_that_is_damaged_is_named(tmp_path: Path, name: str, damage: str) -> None:
    """A damaged record is one message that begins with its path."""
    path = tmp_path / name
    path.write_bytes(DAMAGES.get(damage, b""))
    with pytest.raises(UserError) as caught:
        JSON_RECORDS[name](path)
    assert str(caught.value).startswith(str(path))
    assert len(str(caught.value)) < 3000


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", LINE_RECORDS)
def test_line_that_is_damaged_is_named(tmp_path: Path, name: str, damage: str) -> None:
    """A damaged line of a log is named with its number; good lines before it do not hide it."""
    good = {
        "trials.jsonl": trial().model_dump_json().encode(),
        "ledger.jsonl": b'{"event": "sampled", "time": "now", "eval_sha256": "x", "dataset": "toy"}',
    }[name]
    path = tmp_path / name
    path.write_bytes(good + b"\n" + DAMAGES[damage] + b"\n")
    with pytest.raises(UserError) as caught:
        LINE_RECORDS[name](path)
    assert str(caught.value).startswith(f"{path}, line 2: ")
    path.write_bytes(good + b"\n")
    assert len(LINE_RECORDS[name](path)) == 1


def test_ledger_passes_over_half_a_letter_at_its_end(tmp_path: Path) -> None:
    """A kill may leave half a letter: it is no entry, and is set aside by the next one."""
    line = b'{"event": "sampled", "time": "now", "eval_sha256": "x", "dataset": "toy"}\n'
    (tmp_path / "ledger.jsonl").write_bytes(line + b'{"event": "\xc3')
    ledger = Ledger(tmp_path)
    assert len(ledger.entries()) == 1
    ledger.note_sample_splits("toy", EvalIdentity("y"))
    assert [entry["eval_sha256"] for entry in ledger.entries() if entry["event"] == "sampled"] == ["x", "y"]


@pytest.mark.parametrize("name", [*JSON_RECORDS, *LINE_RECORDS, *ARRAYS])
def test_record_that_is_not_a_file_is_refused(tmp_path: Path, name: str) -> None:
    """A pipe, a link to a device and a folder in place of a record are refused without waiting."""
    reader = (JSON_RECORDS | LINE_RECORDS | ARRAYS)[name]
    path = tmp_path / name
    os.mkfifo(path)
    with pytest.raises(UserError, match="cannot be read"):
        reader(path)
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(UserError, match="cannot be read"):
        reader(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(UserError, match="cannot be read"):
        reader(path)


def npy(header: str, body: bytes = b"\0" * 16) -> bytes:
    """Return a .npy file with this header."""
    text = header.encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + body


HEADERS = [
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000000,)}",
    f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({10**30},)}}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-4,)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': 4}",
    "{'descr': '|O', 'fortran_order': False, 'shape': (2,)}",
    "{'descr': '<q9', 'fortran_order': False, 'shape': (2,)}",
    "{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (2,)}",
    "{'descr': '<f4'",
    "[]",
    "__import__('os').system('true')",
    "(" * 4000,
    "{'descr': '<f4', 'fortran_order': 3, 'shape': (4,)}",
]


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("name", ["x.npy", "a.npz"])
def test_array_whose_header_lies_is_refused(tmp_path: Path, name: str, header: str) -> None:
    """A header that promises what does not follow, or objects, is one message with the file's name."""
    path = tmp_path / name
    if name == "x.npy":
        path.write_bytes(npy(header))
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("wrong.npy", npy(header))
    with pytest.raises(UserError) as caught:
        ARRAYS[name](path)
    assert str(caught.value).startswith(f"{path}: cannot be read (")
    assert "Traceback" not in str(caught.value)


def safetensors(header: str, body: bytes = b"\0" * 16) -> bytes:
    """Return a file of safetensors with this header."""
    text = header.encode()
    return len(text).to_bytes(8, "little") + text + body


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 8,
        safetensors("{"),
        safetensors("[]"),
        safetensors('{"a": {"dtype": "F32", "shape": [1000000000000], "data_offsets": [0, 16]}}'),
        safetensors('{"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 1000000]}}'),
        safetensors('{"a": {"dtype": "F32", "shape": [18446744073709551615, 2], "data_offsets": [0, 16]}}'),
        safetensors('{"a": {"dtype": "F8_E4M3", "shape": [16], "data_offsets": [0, 16]}}'),
        safetensors('{"a": {"dtype": "X", "shape": [16], "data_offsets": [0, 16]}}'),
        safetensors("[" * 10_000),
    ],
)
def test_weights_whose_header_lies_are_refused(tmp_path: Path, content: bytes) -> None:
    """Weights with a wrong header are one message with the file's name."""
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        load_weights(path, "Remove it.")
    assert str(caught.value).startswith(f"{path}: cannot be read (")


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"PK\x05\x06" + b"\0" * 18, b"\x80\x04N."])
def test_npz_that_is_no_archive_of_arrays_is_refused_or_empty(tmp_path: Path, content: bytes) -> None:
    """What is no archive is refused; a pickle is never read."""
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    if content.startswith(b"PK"):
        assert read_npz(path, "Remove it.") == {}
        return
    with pytest.raises(UserError, match="cannot be read"):
        read_npz(path, "Remove it.")


def test_npy_in_place_of_npz_and_the_reverse_are_refused(tmp_path: Path) -> None:
    """One array is no archive, and an archive is not one array."""
    np.save(tmp_path / "a.npy", np.zeros(3))
    (tmp_path / "a.npy").rename(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", x=np.zeros(3))
    (tmp_path / "b.npz").rename(tmp_path / "b.npy")
    with pytest.raises(UserError, match="cannot be read"):
        read_npz(tmp_path / "a.npz", "Remove it.")
    with pytest.raises(UserError, match="several arrays"):
        open_array(tmp_path / "b.npy", "Remove it.")


def test_origins_that_are_damaged_are_named(tmp_path: Path) -> None:
    """A table of origins with bad bytes, a field over the limit or a missing column is named."""
    path = tmp_path / "origins.tsv"
    for content in (b"\xff", b"sample\tclass\n" + b"x" * 200_000, b"sample\n1\n", b"a\0b\n"):
        path.write_bytes(content)
        if content.startswith(b"a"):
            continue
        with pytest.raises(UserError, match=r"origins\.tsv: cannot be read"):
            read_origins(path)


def test_loads_json_reads_what_is_valid() -> None:
    """Valid JSON is read as Python's reader does."""
    text = '{"a": [1, -2.5e-3, true, null, "\\u00e9\\ud83d\\ude00"], "b": {"a": 1}}'
    assert loads_json(text) == loads_json(text.encode()) == json.loads(text)


def test_digest_file_and_read_lines_wait_for_nothing(tmp_path: Path) -> None:
    """A pipe is refused by what reads bytes, too."""
    os.mkfifo(tmp_path / "pipe")
    for read in (digest_file, read_lines):
        with pytest.raises(UserError, match="not a file"):
            read(tmp_path / "pipe")


def _claim_again(path: Path) -> None:
    with claim(path.with_name("study"), "the study"):
        pass


#: What reads files that a study writes beside its records; by the name of the file.
SIDE_FILES: dict[str, Callable[[Path], Any]] = {
    "trials.jsonl": lambda path: TrialLog(path).repair(),
    "training.json": lambda path: Attempts(path.parent, 0),
    "verified.json": lambda path: open_verified(path.with_name("manifest.json"), {"splits": {}}, ()),
    ".study.claim-1": _claim_again,
}


@pytest.mark.parametrize("name", SIDE_FILES)
@pytest.mark.parametrize("put", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "device"])
def test_side_file_that_is_no_file_is_not_waited_for(name: str, put: Callable[[Path], Any], tmp_path: Path) -> None:
    """A pipe or a device in the place of a file that a study writes ends in one message, or counts as unreadable."""
    put(tmp_path / name)
    with suppress(UserError):
        SIDE_FILES[name](tmp_path / name)
    assert not (tmp_path / name).is_file()
