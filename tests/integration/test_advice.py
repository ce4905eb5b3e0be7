"""What a message advises helps: each case damages a file, meets the message, does what it says, and runs well."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blindtune import cli
from blindtune.core.weights import write_weights
from support.fault_studies import stage_config
from support.stage_jobs import copy_tree, differences, import_of_jobs, run_needed, snapshot
from support.workflow_runs import read_content

pytestmark = pytest.mark.integration

RESULTS = "results/faults"
NEAR, EXPERT = f"{RESULTS}/studies/toy/near/42", f"{RESULTS}/studies/toy/expert/42"
DECODED = f"{RESULTS}/decodes/toy/near/42"
LEDGER = "results/ledger"
WEIGHTS = f"{EXPERT}/weights/00000.safetensors"
DATA, SEALED = f"{RESULTS}/data/toy", f"{RESULTS}/sealed/toy"
WAVES = f"{RESULTS}/data/waves"

#: Rules that read what others read too, and take long.
SKIPPED = ("figures", "page")

Damage = Callable[[Path], None]


@dataclass(frozen=True)
class Advice:
    """A damaged file and what its message says to do.

    Attributes:
        file: the damaged file.
        damage: damages it.
        message: part of the message, with the advice.
        remove: what the message says to remove, or to move away.
        undone: what is removed together with the damage, so that a job reads the file.
    """

    file: str
    damage: Damage
    message: str
    remove: str
    undone: tuple[str, ...] = ()


def truncate(path: Path) -> None:
    """Keep the first half of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def cut_last_record(path: Path) -> None:
    """Remove the end of the last record of a log."""
    path.write_bytes(path.read_bytes()[:-40])


def edit(**fields: Any) -> Damage:
    """Return what changes fields of a JSON object."""

    def change(path: Path) -> None:
        path.write_text(json.dumps(read_content(path) | fields), encoding="utf-8")

    return change


def edit_first_record(**fields: Any) -> Damage:
    """Return what changes fields of the first record of a log."""

    def change(path: Path) -> None:
        first, *rest = path.read_text(encoding="utf-8").splitlines()
        lines = [json.dumps(json.loads(first) | fields), *rest]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    return change


def double_last_line(path: Path) -> None:
    """Write the first record of a log once more, with the number of another one."""
    lines = path.read_text(encoding="utf-8").splitlines()
    record = json.loads(lines[0]) | {"score": 0.5, "number": 7}
    path.write_text("\n".join([*lines, json.dumps(record)]) + "\n", encoding="utf-8")


def remove(path: Path) -> None:
    """Remove a file or a folder."""
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def write_other_weights(path: Path) -> None:
    """Write weights of the right form that were not recorded."""
    from safetensors.numpy import load_file

    write_weights(path, {name: array + 1 for name, array in load_file(path).items()})


def write_other_predictions(path: Path) -> None:
    """Write predictions that were not recorded."""
    np.savez_compressed(path, predicted=np.zeros(100, np.int16), wrong=np.ones(100, bool))


def write_other_samples(path: Path) -> None:
    """Write other samples in the place of those that were sealed."""
    np.save(path, np.load(path) + 1)


def forget_weights(path: Path) -> None:
    """Change what was recorded of the weights of a trial, and remove them."""
    edit_first_record(weights_sha256="0" * 64)(path)
    remove(path.parent / "weights")


TABLES = f"{RESULTS}/report/tables"
DECODES = (f"{RESULTS}/decodes", LEDGER, TABLES)
AWAY = "away and run again"

#: Every message of the library that advises to remove or to move something that a run wrote. Others are tried
#: elsewhere or not at all:
#: - "make room or allow writing there and run again", "cannot be recorded": `test_full_disk.py`, `fill_disks.py`.
#: - "Fix or remove" a user's own file or row: the tests of its source.
#: - "does not fit the study's search space": its file has the same advice as `AWAY`, and the same damage meets the
#:   message of the search first.
#: - "was frozen on other train and dev data": only a card that is older than its data, kept by hand, meets it.
#: - "names a path that is not below the corpus", "no batch has read it", "samples and origins": files that were edited
#:   to fit each other.
ADVICE = {
    "card, edited": Advice(f"{NEAR}/card.json", edit(dev_error=0.0), "Remove it and run again", f"{NEAR}/card.json"),
    "card, cut off": Advice(f"{NEAR}/card.json", truncate, "Remove it and run again", f"{NEAR}/card.json"),
    "manifest": Advice(f"{DATA}/manifest.json", truncate, "Remove it and run again", f"{DATA}/manifest.json"),
    "seal": Advice(f"{SEALED}/seal.json", truncate, "Remove it and run again", f"{SEALED}/seal.json"),
    "result, cut off": Advice(f"{DECODED}/result.json", truncate, "Remove it and run again", f"{DECODED}/result.json"),
    "result of another model": Advice(
        f"{DECODED}/result.json", edit(frozen_sha256="0"), "Remove it and run again", f"{DECODED}/result.json"
    ),
    "result on other data": Advice(
        f"{DECODED}/result.json", edit(eval_sha256="0"), "Remove it and run again", f"{DECODED}/result.json"
    ),
    "predictions, cut off": Advice(
        f"{DECODED}/predictions.npz",
        truncate,
        "Remove result.json next to it and run again",
        f"{DECODED}/result.json",
        (TABLES,),
    ),
    "other predictions": Advice(
        f"{DECODED}/predictions.npz",
        write_other_predictions,
        "Remove result.json next to it and run again",
        f"{DECODED}/result.json",
        (TABLES,),
    ),
    "surface": Advice(
        f"{DECODED}/surface.npz",
        truncate,
        "Remove result.json next to it and run again",
        f"{DECODED}/result.json",
        (TABLES,),
    ),
    "sample splits": Advice(
        f"{RESULTS}/decodes/toy/sample_splits.npz",
        truncate,
        "Remove it and run again",
        f"{RESULTS}/decodes/toy/sample_splits.npz",
    ),
    "weights, cut off": Advice(
        WEIGHTS, truncate, "Remove the study's card.json and run again", f"{EXPERT}/card.json", DECODES
    ),
    "other weights": Advice(
        WEIGHTS, write_other_weights, "Remove the study's card.json and run again", f"{EXPERT}/card.json", DECODES
    ),
    "no weights": Advice(WEIGHTS, remove, "Remove the study's card.json and run again", f"{EXPERT}/card.json", DECODES),
    "train": Advice(
        f"{DATA}/train/x.npy", truncate, "manifest.json and run again", f"{DATA}/manifest.json", (f"{NEAR}/card.json",)
    ),
    "eval, cut off": Advice(
        f"{SEALED}/eval/x.npy", truncate, "seal.json and run again", f"{SEALED}/seal.json", DECODES
    ),
    "other eval": Advice(
        f"{SEALED}/eval/x.npy", write_other_samples, "Remove the folder and run again", SEALED, DECODES
    ),
    "trials, cut off": Advice(f"{NEAR}/trials.jsonl", cut_last_record, AWAY, NEAR, (TABLES,)),
    "trials, a number twice": Advice(f"{NEAR}/trials.jsonl", double_last_line, AWAY, NEAR, (TABLES,)),
    "trials, other hyperparameters": Advice(
        f"{NEAR}/trials.jsonl",
        edit_first_record(hyperparameters={"trees": 9}),
        AWAY,
        NEAR,
        (f"{NEAR}/card.json",),
    ),
    "trials, another score": Advice(
        f"{NEAR}/trials.jsonl", edit_first_record(score=0.0), AWAY, NEAR, (f"{NEAR}/card.json",)
    ),
    "trials, other weights": Advice(f"{EXPERT}/trials.jsonl", forget_weights, AWAY, EXPERT, (f"{EXPERT}/card.json",)),
    "protocol, cut off": Advice(f"{NEAR}/protocol.json", truncate, AWAY, NEAR, (f"{NEAR}/card.json",)),
    "no protocol": Advice(f"{NEAR}/protocol.json", remove, AWAY, NEAR, (f"{NEAR}/card.json",)),
    "extract": Advice(
        f"{WAVES}/extracts/train-0001.json",
        truncate,
        "Remove it and run again",
        f"{WAVES}/extracts/train-0001.json",
    ),
    "samples of an extract": Advice(
        f"{WAVES}/extracts/train-0001/**/*.npy",
        truncate,
        "Remove the folder 'extracts' that it is in and run again",
        f"{WAVES}/extracts",
        (f"{WAVES}/manifest.json",),
    ),
    "origins": Advice(
        f"{WAVES}/train/origins.tsv",
        truncate,
        "manifest.json and run again",
        f"{WAVES}/manifest.json",
        (f"{WAVES}/examples.npz",),
    ),
    "examples": Advice(f"{WAVES}/examples.npz", truncate, "Remove it and run again", f"{WAVES}/examples.npz"),
}


def make_config(folder: Path) -> dict[str, Any]:
    """Return a config of a drawn set and of recordings, with a reference model and a network."""
    config = stage_config(folder)
    first, second, _ = config["compare"]
    return config | {"compare": [first | {"systems": ["near", "expert"]}, second]}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Return the folder of a run that has ended, and its config."""
    folder = tmp_path_factory.mktemp("done")
    config = make_config(folder)
    status, shown = run_needed(folder / "run", config, SKIPPED, folder / "imported")
    assert status == 0, shown
    import_of_jobs(folder / "imported")
    return folder / "run", config


def records_of(folder: Path) -> dict[str, Any]:
    """Return what must be equal: all but the report, which shows times."""
    return {place: content for place, content in snapshot(folder).items() if "/report/" not in place}


@pytest.mark.parametrize("name", ADVICE)
def test_advice_helps(tmp_path: Path, done: tuple[Path, dict[str, Any]], name: str) -> None:
    """A damaged file is named with what to do; who does that gets a good run with the same records."""
    case, (run, config), folder = ADVICE[name], done, tmp_path / "run"
    copy_tree(run, folder)
    damaged = list(folder.glob(case.file))
    assert damaged
    for path in damaged:
        case.damage(path)
    for undone in case.undone:
        remove(folder / undone)

    status, shown = run_needed(folder, config, SKIPPED)
    message = shown.strip().splitlines()[-1]
    assert status == 65, f"nothing was wrong: {shown}"
    assert message.startswith("blindtune: ") and case.message in message, shown

    shutil.move(folder / case.remove, tmp_path / "away")
    status, shown = run_needed(folder, config, SKIPPED)
    assert status == 0, shown
    assert differences(records_of(folder), records_of(run)) == []


@pytest.mark.parametrize("file", [f"{LEDGER}/ledger.jsonl", f"{LEDGER}/predictions/*.npz"])
def test_restored_ledger_answers(tmp_path: Path, done: tuple[Path, dict[str, Any]], file: str) -> None:
    """A damaged ledger stops every decode until it is restored from a backup."""
    (run, config), folder = done, tmp_path / "run"
    copy_tree(run, folder)
    for path in folder.glob(file):
        path.write_bytes(b"damaged\n" + path.read_bytes())
    remove(folder / RESULTS / "decodes")
    status, shown = run_needed(folder, config, SKIPPED)
    assert status == 65 and "Restore it from a backup" in shown
    copy_tree(run / LEDGER, folder / LEDGER)
    status, shown = run_needed(folder, config, SKIPPED)
    assert status == 0, shown
    assert differences(records_of(folder), records_of(run)) == []


@pytest.mark.parametrize(
    ("file", "damage", "advice", "removed"),
    [
        ("trials.jsonl", cut_last_record, "Remove card.json next to it", f"{NEAR}/card.json"),
        ("protocol.json", truncate, AWAY, NEAR),
        ("protocol.json", edit(study=[]), AWAY, NEAR),
    ],
)
def test_advice_of_an_export_helps(
    tmp_path: Path,
    done: tuple[Path, dict[str, Any]],
    capsys: pytest.CaptureFixture[str],
    file: str,
    damage: Damage,
    advice: str,
    removed: str,
) -> None:
    """An export of a damaged study says what to do, and then exports it."""
    (run, config), folder = done, tmp_path / "run"
    copy_tree(run, folder)
    damage(folder / NEAR / file)
    export = ["export", "--form", "guide", "--to", str(tmp_path / "out"), str(folder / NEAR)]
    assert cli.main(export) == 1
    assert advice in capsys.readouterr().err
    shutil.move(folder / removed, tmp_path / "away")
    status, shown = run_needed(folder, config, SKIPPED)
    assert status == 0, shown
    assert cli.main(export) == 0
    assert differences(records_of(folder), records_of(run)) == []


def test_export_over_a_changed_export(tmp_path: Path, done: tuple[Path, dict[str, Any]]) -> None:
    """An earlier export that was changed is not replaced; moved away, it does not hinder a new one."""
    export = ["export", "--form", "guide", "--to", str(tmp_path / "out"), str(done[0] / NEAR)]
    assert cli.main(export) == 0
    (tmp_path / "out" / "note.txt").touch()
    assert cli.main(export) == 1
    (tmp_path / "out").rename(tmp_path / "away")
    assert cli.main(export) == 0
