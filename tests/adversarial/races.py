"""Several runs and decodes of one study at once, in processes of their own.

The adversary, or a hurried user, starts everything twice and hopes for doubled records or two looks. Each record must
be there once, and one of two models of a study is decoded, the other refused.
"""

import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

from adversarial.attack import Attack, Family, Outcome
from adversarial.bench import Bench, quick_frozen
from blindtune.decoding.ledger import Ledger
from blindtune.records.trial import TrialLog

#: What a process does: it waits for the others, then acts on the scene.
SCRIPT = """
import sys, time
from pathlib import Path
from adversarial.bench import Bench
from blindtune.core.errors import UserError
from blindtune.decoding.decode import decode
from blindtune.decoding.frozen_model import FrozenModel
from blindtune.decoding.ledger import Ledger
from blindtune.records.model_card import read_card

scene, what, number, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
bench = Bench(scene, systems=("knn", "forest"))
(scene / f"ready{number}").touch()
while len(list(scene.glob("ready*"))) < count:
    time.sleep(0.002)
time.sleep(number * float(sys.argv[5]))
try:
    if what == "runs":
        bench.freeze("knn", n_neighbors=[1, 3, 5, 7, 9, 11, 13, 15])
    elif what == "decodes":
        bench.decode("knn")
    elif what == "models":
        folder = scene / "models" / str(number)
        model = FrozenModel(read_card(folder / "card.json"), folder, bench.open())
        decode(model, bench.seal, Ledger(bench.ledger), allow_repeats=False, report=lambda line: None)
    elif what == "everything":
        bench.freeze("knn")
        bench.decode("knn")
        bench.decode("forest")
        bench.draw_samples()
except UserError as error:
    print(f"refused: {error}", file=sys.stderr)
    sys.exit(3)
"""


def play(what: str, count: int, delay: float, scene: Path) -> list[tuple[int, str]]:
    """Run processes at once; return the exit status and the errors of each."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(scene), what, str(number), str(count), str(delay)],
            stderr=subprocess.PIPE,
            text=True,
            # What this process found by its own means, such as the settings of a test runner.
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for number in range(count)
    ]
    errors = [process.communicate(timeout=120)[1] for process in processes]
    return [(process.returncode, text) for process, text in zip(processes, errors, strict=True)]


def judge_race(what: str, count: int, delay: float, scene: Path) -> Outcome:
    """Run processes at once and look at what is left."""
    bench = Bench(scene, systems=("knn", "forest"))
    ends = play(what, count, delay, scene)
    if any(status not in (0, 3) or "Traceback" in errors for status, errors in ends):
        return Outcome("lost", f"a process ended with a traceback: {ends}")
    refused = sum(status == 3 for status, _ in ends)
    if refused == count:
        return Outcome("lost", f"all were refused: {ends}")
    numbers = [trial.number for trial in TrialLog(bench.study_folder("knn") / "trials.jsonl").read()]
    if numbers != list(range(len(numbers))):
        return Outcome("lost", f"records {numbers}")
    lines = (bench.study_folder("knn") / "trials.jsonl").read_text(encoding="utf-8").splitlines()
    if len(lines) != len(numbers):
        return Outcome("lost", f"{len(lines)} lines for {len(numbers)} records")
    done = [entry for entry in Ledger(bench.ledger).entries() if entry["event"] == "done"]
    keys = [(entry["study"], entry["frozen_sha256"]) for entry in done]
    blind = [entry["study"] for entry in done if entry["result"]["blind"]]
    if len(set(keys)) != len(keys) or len(set(blind)) != len(blind):
        return Outcome("lost", f"decoded twice: {keys}")
    expected = {"runs": 8, "decodes": 2, "models": 2, "everything": 2}[what]
    if len(numbers) != expected:
        return Outcome("lost", f"{len(numbers)} records, not {expected}")
    return Outcome("refused" if refused else "honest", f"{refused} of {count} were refused")


def several_models(folder: Path) -> None:
    """Freeze several models of one study; each is kept in a folder of its own."""
    quick_frozen(folder)
    bench = Bench(folder)
    original = folder / "original"
    shutil.copytree(bench.study_folder("knn"), original)
    for number in range(4):
        bench.freeze("knn", n_neighbors=[2 * number + 1])
        shutil.copytree(bench.study_folder("knn"), folder / "models" / str(number))
    for path in bench.study_folder("knn").parent.glob("42*"):
        shutil.rmtree(path)
    original.rename(bench.study_folder("knn"))


def nothing(scene: Path) -> None:
    """Leave the scene to the processes."""


def _fresh(scene: Path) -> None:
    """Remove the study, so that every process runs it from the beginning."""
    shutil.rmtree(Bench(scene).study_folder("knn"))


FAMILY = Family(
    "races",
    "several processes at once on one study",
    [
        Attack(
            f"{what} at once/{count} processes, {delay:g} s apart",
            several_models if what == "models" else quick_frozen,
            _fresh if what in ("runs", "everything") else nothing,
            partial(judge_race, what, count, delay),
        )
        for what in ("runs", "decodes", "models", "everything")
        for count, delay in ((2, 0.0), (2, 0.05), (4, 0.0), (4, 0.01))
    ],
)
