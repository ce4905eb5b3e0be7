"""The ledger edited after all decodes.

The adversary wants a decode forgotten, a better number remembered, a decode marked blind, or another order. The report
must refuse the ledger or say what is missing, and a further model of a study must be refused its decode.
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from adversarial.attack import Attack, Family, KnownLimit, Outcome
from adversarial.bench import QUICK, Bench, judge_report, quick_decoded
from adversarial.edits import change_bytes, change_lines, flip, other, put, without
from blindtune.core.arrays import write_npz
from blindtune.decoding.chain import digest_line
from blindtune.decoding.ledger import Ledger

#: Lines of the ledger of the scene: begun and done of two systems, and the samples that were drawn.
LINES = 5

#: The fields of its lines; those of a result are listed once.
FIELDS: dict[int, list[str]] = {
    1: ["event", "study", "frozen_sha256", "eval_sha256", "eval_content_sha256", "number", "previous", "time"],
    5: ["event", "dataset", "eval_sha256", "eval_content_sha256", "number", "previous", "time"],
}
RESULT = [
    "blind",
    "confusion.0.0",
    "confusion.0.1",
    "confusion.1.0",
    "confusion.1.1",
    "decoded",
    "error",
    "eval_sha256",
    "frozen_sha256",
    "predictions_sha256",
    "samples",
    "schema_version",
    "study",
    "wrong",
]


def path_of(scene: Path) -> Path:
    """Return the file of the ledger."""
    return Bench(scene).ledger / "ledger.jsonl"


def judge_ledger(scene: Path) -> Outcome:
    """Read the report, then decode a further model of the first study: it must be refused or marked."""
    bench = Bench(scene, systems=QUICK)
    report = judge_report(bench)
    if not report.survived:
        return report
    first = bench.result("knn")
    bench.freeze("knn", n_neighbors=[7])
    again = bench.decode("knn")
    if again.blind and again.frozen_sha256 != first.frozen_sha256:
        return Outcome("lost", f"a second model of the study was decoded as blind; the report before: {report}")
    return report


def parse(place: str) -> tuple[str | int, ...]:
    """Return a place from its name."""
    return tuple(int(part) if part.isdigit() else part for part in place.split("."))


def on_line(number: int, change: Callable[[Any], Any]) -> Callable[[list[str]], list[str]]:
    """Return an edit of what one line holds."""

    def edit(lines: list[str]) -> list[str]:
        changed = json.dumps(change(json.loads(lines[number - 1])), sort_keys=True, separators=(",", ":"))
        if changed == lines[number - 1]:
            raise ValueError(f"line {number} is not changed")
        return [*lines[: number - 1], changed, *lines[number:]]

    return edit


def edit_lines(change: Callable[[list[str]], list[str]], scene: Path) -> None:
    """Edit the lines of the ledger; the head is left as it is."""
    change_lines(path_of(scene), change)


def set_head(scene: Path) -> None:
    """Write the head that belongs to the present lines."""
    lines = path_of(scene).read_text(encoding="utf-8").splitlines()
    head = {"entries": len(lines), "sha256": digest_line(lines[-1]) if lines else None}
    (Bench(scene).ledger / "head.json").write_text(json.dumps(head), encoding="utf-8")


def chained_again(lines: list[str]) -> list[str]:
    """Return lines with numbers and digests that form a chain."""
    result: list[str] = []
    for number, line in enumerate(lines, 1):
        place = {"number": number, "previous": digest_line(result[-1]) if result else None}
        result.append(json.dumps(json.loads(line) | place, sort_keys=True, separators=(",", ":")))
    return result


def field_edits() -> list[Attack]:
    """Every field of every line: another value, or none; with the head left, and with the head of the edited lines."""
    found = []
    for line in range(1, LINES + 1):
        fields = FIELDS.get(line, FIELDS[1]) + ([f"result.{name}" for name in RESULT] if line in (2, 4) else [])
        for name in fields:
            for kind, change in (
                ("value", lambda entry, name=name: put(entry, parse(name), other(_value(entry, name)))),
                ("removed", lambda entry, name=name: without(entry, parse(name))),
            ):
                # The last line with a head that fits is a chain written again, see the known limits.
                for head in ("head kept", "head rewritten") if line < LINES else ("head kept",):
                    found.append(
                        Attack(
                            f"field {kind}/{head}/line {line}/{name}",
                            quick_decoded,
                            partial(_edit, on_line(line, change), head),
                            judge_ledger,
                        )
                    )
    return found


def _value(entry: Any, name: str) -> Any:
    for key in parse(name):
        entry = entry[key]
    return entry


def _edit(change: Callable[[list[str]], list[str]], head: str, scene: Path) -> None:
    edit_lines(change, scene)
    if head == "head rewritten":
        set_head(scene)
    elif head == "head removed":
        (Bench(scene).ledger / "head.json").unlink()


def line_edits() -> list[Attack]:
    """Lines removed, doubled, swapped, inserted and cut off; the head kept, rewritten or removed."""
    changes: dict[str, Callable[[list[str]], list[str]]] = {}
    for at in range(LINES):
        changes[f"removed/line {at + 1}"] = lambda lines, at=at: lines[:at] + lines[at + 1 :]
        changes[f"doubled/line {at + 1}"] = lambda lines, at=at: [*lines[: at + 1], *lines[at:]]
        changes[f"doubled at the end/line {at + 1}"] = lambda lines, at=at: [*lines, lines[at]]
        changes[f"inserted/line {at + 1}"] = lambda lines, at=at: [*lines[:at], _forged(lines[at]), *lines[at:]]
        changes[f"end cut off/line {at + 1}"] = lambda lines, at=at: lines[:at]
        for later in range(at + 1, LINES):
            changes[f"swapped/lines {at + 1} and {later + 1}"] = lambda lines, at=at, later=later: _swapped(
                lines, at, later
            )
    return [
        Attack(
            f"{kind}/{head}/{where}",
            quick_decoded,
            partial(_edit, change, head),
            judge_ledger,
        )
        for (kind, _, where), change in ((name.partition("/"), change) for name, change in changes.items())
        for head in ("head kept", "head rewritten", "head removed")
    ]


def _forged(line: str) -> str:
    return json.dumps(json.loads(line) | {"study": "other/toy/knn/42", "frozen_sha256": "0" * 64})


def _swapped(lines: list[str], one: int, two: int) -> list[str]:
    result = list(lines)
    result[one], result[two] = result[two], result[one]
    return result


def byte_edits() -> list[Attack]:
    """Cut at any byte, or one byte changed, in the ledger, its head, and the files next to it."""
    found = []
    for part in range(1, 40):
        found.append(Attack(f"cut at a byte/{part}", quick_decoded, partial(_cut, part / 40), judge_ledger))
    for seed in range(40):
        found.append(Attack(f"byte changed/{seed}", quick_decoded, partial(_flip, "ledger.jsonl", seed), judge_ledger))
    for seed in range(10):
        for pattern in ("head.json", "predictions/*.npz", "evals/*.npy"):
            found.append(
                Attack(
                    f"byte changed nearby/{pattern}/{seed}", quick_decoded, partial(_flip, pattern, seed), judge_ledger
                )
            )
    for pattern in ("predictions/*.npz", "evals/*.npy", "ledger.jsonl"):
        found.append(Attack(f"file removed/{pattern}", quick_decoded, partial(_remove, pattern), judge_ledger))
    return found


def _cut(part: float, scene: Path) -> None:
    change_bytes(path_of(scene), lambda content: content[: int(part * len(content))])


def _flip(pattern: str, seed: int, scene: Path) -> None:
    path = sorted(Bench(scene).ledger.glob(pattern))[seed % 2 if "*" in pattern and "pred" in pattern else 0]
    change_bytes(path, lambda content: flip(content, f"{pattern}/{seed}"))


def _remove(pattern: str, scene: Path) -> None:
    for path in Bench(scene).ledger.glob(pattern):
        path.unlink()


def consistent_edits() -> list[Attack]:
    """One field of a result edited, and the whole chain and the head written again to fit.

    Lines that are missing or in another order leave a chain without a fault then; only the printed head tells it.
    """
    found = []
    for line in (2, 4):
        for name in RESULT:
            change = on_line(
                line,
                lambda entry, name=name: put(entry, ("result", *parse(name)), other(_value(entry, f"result.{name}"))),
            )
            found.append(
                Attack(
                    f"chain rewritten/line {line}/{name}",
                    quick_decoded,
                    partial(_edit, lambda lines, change=change: chained_again(change(lines)), "head rewritten"),
                    judge_ledger,
                )
            )
    for seed in range(8):
        found.append(
            Attack(
                f"predictions of another decode/{seed}", quick_decoded, partial(_swap_predictions, seed), judge_ledger
            )
        )
    return found


def _swap_predictions(seed: int, scene: Path) -> None:
    """Put the predictions of one decode in the place of another, in the ledger, the results, or both."""
    bench = Bench(scene)
    kept, others = (
        sorted((bench.ledger / "predictions").iterdir()),
        [bench.decode_folder(system) / "predictions.npz" for system in QUICK],
    )
    if seed % 4 in (0, 2):
        kept[seed // 4].write_bytes(kept[1 - seed // 4].read_bytes())
    if seed % 4 in (1, 2):
        others[seed // 4].write_bytes(others[1 - seed // 4].read_bytes())
    if seed % 4 == 3:
        write_npz(others[seed // 4], {})


def unfinished(folder: Path) -> None:
    """As `quick_decoded`, and a decode of a third model that was begun and then killed."""
    quick_decoded(folder)
    bench = Bench(folder)
    bench.freeze("near", n_neighbors=[1])
    Ledger(bench.ledger)
    _begin(bench)


def _begin(bench: Bench) -> None:
    from blindtune.decoding import decode as module

    score = module._score

    def killed(*args: Any) -> None:
        raise KeyboardInterrupt

    module._score = killed  # type: ignore[assignment]
    try:
        bench.decode("near")
    except KeyboardInterrupt:
        pass
    finally:
        module._score = score


def judge_unfinished(scene: Path) -> Outcome:
    """Decode another model of the study whose decode was begun: it has been seen, so this is not blind."""
    bench = Bench(scene, systems=QUICK)
    report = judge_report(bench)
    bench.freeze("near", n_neighbors=[9])
    if bench.decode("near").blind:
        return Outcome("lost", f"a begun decode was forgotten; the report before: {report}")
    return report


def torn_edits() -> list[Attack]:
    """The line of a decode that was begun and not finished, cut as a kill while writing would: eval was opened."""
    found = []
    for part in range(1, 12):
        found.append(Attack(f"begun line cut/{part}", unfinished, partial(_cut_last, part / 12), judge_unfinished))
    found.append(
        Attack(
            "begun line cut/whole", unfinished, partial(_edit, lambda lines: lines[:-1], "head kept"), judge_unfinished
        )
    )
    return found


def _cut_last(part: float, scene: Path) -> None:
    def cut(content: bytes) -> bytes:
        start = content[:-1].rindex(b"\n") + 1
        return content[: start + int(part * (len(content) - start))]

    change_bytes(path_of(scene), cut)


FAMILY = Family(
    "ledger",
    "lines of the ledger, its head and its files edited",
    field_edits() + line_edits() + byte_edits() + consistent_edits() + torn_edits(),
    [
        KnownLimit(
            "The end of the ledger, or all of it, is cut off, head.json is written again, and the results of the "
            "removed decodes and every later ledger_head.json are removed too: these models can be decoded again as if "
            "for the first time.",
            "Nothing on the same disk remembers them. The head of the chain, which the end of each run and each report "
            "print, tells it to whoever has an earlier report.",
        ),
        KnownLimit(
            "The chain is computed again after an entry was changed (for the last entry, head.json is enough), for a "
            "result together with its predictions and the result of the decode.",
            "All is consistent then; the sha256 are no signatures. An earlier report or head tells it, and so does a "
            "decode in another folder.",
        ),
    ],
)
