"""Hostile bytes in every record and file that blindtune reads.

The adversary wants a traceback, a hang, or a file that is read as something else. Each reader ends with one sentence,
or uses the file as it is where nothing that counts was changed.
"""

from functools import partial
from pathlib import Path

from adversarial.attack import Attack, Family, Outcome
from adversarial.bench import QUICK, Bench, judge_report, quick_decoded
from blindtune.cli import main
from blindtune.decoding.audit import audit, show
from blindtune.exports.stored_study import find_studies

#: The files of the scene that hold records, below its results.
FILES = [
    "ledger/ledger.jsonl",
    "ledger/head.json",
    "tiny/data/toy/manifest.json",
    "tiny/data/toy/eval_digests.npy",
    "tiny/data/toy/verified.json",
    "tiny/data/toy/train/x.npy",
    "tiny/data/toy/dev/y.npy",
    "tiny/sealed/toy/seal.json",
    "tiny/sealed/toy/eval/x.npy",
    "tiny/studies/toy/knn/42/card.json",
    "tiny/studies/toy/knn/42/protocol.json",
    "tiny/studies/toy/knn/42/trials.jsonl",
    "tiny/decodes/toy/knn/42/result.json",
    "tiny/decodes/toy/knn/42/predictions.npz",
    "tiny/decodes/toy/knn/42/surface.npz",
    "tiny/decodes/toy/sample_splits.npz",
]

#: What is written in their place.
CONTENTS: dict[str, bytes] = {
    "nothing": b"",
    "zeros": bytes(200),
    "not UTF-8": b"\xff\xfe\x00{\x80\n",
    "deep": b"[" * 100_000,
    "deep object": b'{"a":' * 50_000,
    "huge number": b'{"entries": ' + b"9" * 5000 + b"}",
    "number": b"7\n",
    "null": b"null\n",
    "list": b"[1, 2, 3]\n",
    "NaN": b'{"error": NaN, "sha256": Infinity}\n',
    "object": b"{}\n",
    "pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x05hello\x94.",
    "surrogates": b'{"sha256": "\\ud800"}\n',
    "zip bomb head": b"PK\x03\x04" + bytes(60),
    "npy of objects": b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (3,), }".ljust(128)
    + b"\n"
    + bytes(24),
    "npy too large": b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999,), }".ljust(
        127
    )
    + b"\n",
}


def write(file: str, content: str, scene: Path) -> None:
    """Replace a file."""
    path = scene / "results" / file
    path.write_bytes(CONTENTS[content])


def replace_by(file: str, what: str, scene: Path) -> None:
    """Put a folder, a link to nowhere, or a link to itself in the place of a file."""
    path = scene / "results" / file
    path.unlink(missing_ok=True)
    if what == "folder":
        path.mkdir()
    else:
        path.symlink_to(path.name if what == "link to itself" else "nowhere")


def judge_readers(scene: Path) -> Outcome:
    """Let everything that reads a record read: each may refuse, none may end with a traceback."""
    from blindtune.core.errors import UserError

    bench = Bench(scene, systems=QUICK)
    refusals = []

    def report() -> None:
        outcome = judge_report(bench)
        if not outcome.survived:
            raise AssertionError(outcome.why)

    for reader in (
        report,
        lambda: audit(bench.ledger, None),
        lambda: show(bench.ledger),
        lambda: find_studies([bench.root / "studies"]),
        lambda: bench.decode("knn"),
        lambda: bench.freeze("forest"),
        lambda: main(["ledger", "verify", str(bench.ledger)]),
    ):
        try:
            reader()
        except UserError as error:
            refusals.append(str(error))
    return Outcome("refused", refusals[0]) if refusals else Outcome("honest")


FAMILY = Family(
    "damage",
    "hostile bytes in every record and file",
    [
        Attack(f"{content}/{file}", quick_decoded, partial(write, file, content), judge_readers)
        for content in CONTENTS
        for file in FILES
    ]
    + [
        Attack(f"{what}/{file}", quick_decoded, partial(replace_by, file, what), judge_readers)
        for what in ("folder", "link to itself", "link to nowhere")
        for file in FILES
    ],
)
