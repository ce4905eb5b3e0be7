"""Measure the time per trial of long searches, of going on from their records, and of a report over them.

The trainer trains nothing, so that what remains is the search itself: proposals, tasks, records on the disk, and the
library of the tuner. Prints for each tuner the milliseconds of a trial around the 100th, 1,000th, ... trial, those of
the tuner alone, and the replay of all records. Then writes records of a study with as many trials and times its report.
``python workflow/benchmarks/many_trials.py --trials 10000``
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from blindtune.config.study import Study
from blindtune.config.systems import Tuned
from blindtune.config.training import Training
from blindtune.core.budget import Budget
from blindtune.core.files import read_json, write_json
from blindtune.core.seeds import derive
from blindtune.core.timing import CpuWallTime
from blindtune.core.validation import load
from blindtune.datasets.base import Split
from blindtune.models.families import load_family
from blindtune.records.agreement import digest_trials
from blindtune.records.model_card import read_card, write_card
from blindtune.records.trial import EpochMetrics, Trial, TrialLog, rank_on_dev
from blindtune.search_space import Hyperparameters, Space
from blindtune.study.checkpoints import WeightStore
from blindtune.study.context import StudyContext
from blindtune.study.search import Search
from blindtune.study.setup import SearchSetup
from blindtune.training.base import EpochTracker, Outcome, Predict, TrainingOptions, TrainingTask
from blindtune.tuners.base import FixedListTuner, Tuner, TunerContext
from blindtune.tuners.registry import create_tuner
from blindtune.tuners.sklearn.grid import draw_sets

ROOT = Path(__file__).parents[2]
SPACE = ROOT / "resources" / "spaces" / "mlp.yaml"
TUNERS = {
    "list": None,
    "optuna random": {"library": "optuna", "algorithm": "random"},
    "optuna tpe": {"library": "optuna", "algorithm": "tpe"},
    "keras-tuner random": {"library": "keras-tuner", "algorithm": "random"},
    "keras-tuner hyperband": {"library": "keras-tuner", "algorithm": "hyperband"},
    "scikit-learn randomized-search": {"library": "scikit-learn", "algorithm": "randomized-search"},
}
MARKS = (100, 1_000, 5_000, 10_000)


class IdleTrainer:
    """Gives each set an error that its seed determines, without training."""

    supports_resume = True

    def train(self, task: TrainingTask, train: Split, dev: Split, options: TrainingOptions) -> Outcome:
        """Report one epoch."""
        tracker, error = EpochTracker(1, options), (task.seed % 1000) / 1000
        metrics = EpochMetrics(train_loss=error, train_error=error, dev_loss=error, dev_error=error)
        arrays = {"weights": np.array([error])}
        tracker.add(metrics, lambda: arrays)
        n_parameters = (task.model.number_of_parameters() if task.model else None) or 1
        return tracker.outcome(n_parameters, lambda: arrays, lambda: arrays)

    def rebuild(self, task: TrainingTask, weights: Any, train: Split) -> Predict:
        """Return no model: none is frozen."""
        raise NotImplementedError

    def versions(self) -> dict[str, str]:
        """Return nothing that matters."""
        return {"idle": "1"}


class TimedTuner(Tuner):
    """Adds up the seconds of another tuner.

    Attributes:
        seconds: so far.
    """

    def __init__(self, tuner: Tuner) -> None:
        self._tuner = tuner
        self.seconds = 0.0

    def _time(self, call: Callable[..., Any], *arguments: Any) -> Any:
        begun = time.process_time()
        try:
            return call(*arguments)
        finally:
            self.seconds += time.process_time() - begun

    def ask_batch(self, n: int) -> Any:
        """Ask the other tuner."""
        return self._time(self._tuner.ask_batch, n)

    def replay(self, recorded: Trial) -> Any:
        """Replay into the other tuner."""
        return self._time(self._tuner.replay, recorded)

    def report(self, epoch: int, dev_error: float) -> Any:
        """Report to the other tuner."""
        return self._time(self._tuner.report, epoch, dev_error)

    def tell(self, trial: Trial) -> None:
        """Tell the other tuner."""
        self._time(self._tuner.tell, trial)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--tuners", nargs="*", choices=list(TUNERS), default=list(TUNERS))
    parser.add_argument("--no-report", action="store_true")
    parser.add_argument("--rounds", type=int, default=1, help="of the report")
    arguments = parser.parse_args()
    for name in arguments.tuners:
        _measure(name, arguments.trials)
    if not arguments.no_report:
        _report(arguments.trials, arguments.rounds)


def _measure(name: str, trials: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ends, own = _search(name, trials, Path(folder))
        if not ends:
            print(f"{name}: proposed nothing", flush=True)
            return
        for mark in MARKS:
            first = mark - mark // 10
            if mark <= len(ends):
                whole, library = ((of[mark - 1] - of[first - 1]) / (mark - first) for of in (ends, own))
                print(
                    f"{name}: {1e3 * whole:.2f} CPU ms a trial around trial {mark:,}, without the tuner "
                    f"{1e3 * (whole - library):.2f} ms",
                    flush=True,
                )
        begun = time.process_time()
        replayed, own = _search(name, len(ends), Path(folder))
        took = time.process_time() - begun
        print(
            f"{name}: replay of {len(ends):,} records {took:.1f} CPU s, without the tuner {took - own[-1]:.1f} s"
            if not replayed
            else f"{name}: replay trained {len(replayed)} trials again",
            flush=True,
        )


def _search(name: str, trials: int, folder: Path) -> tuple[list[float], list[float]]:
    """Run a search, and return when each new trial ended and the seconds of the tuner until then."""
    space = load(Space, SPACE)
    settings = Tuned.model_validate(
        {"kind": "tuner", "tuner": TUNERS[name] or TUNERS["optuna random"], "space": str(SPACE), "trainer": "pytorch"}
    )
    budget = Budget(trials=trials)
    split = Split(np.zeros((30, 2), np.float32), np.arange(30) % 3)
    tuner = TimedTuner(
        create_tuner(settings.tuner, TunerContext(space, budget, 42, 27, split.y))
        if TUNERS[name]
        else FixedListTuner(draw_sets(space, trials, 42))
    )
    study = Study(
        config="many", dataset="none", system="tuned", seed=42, settings=settings, budget=budget,
        score_epoch="last", keep_best=1,
    )  # fmt: skip

    def build_task(values: Hyperparameters) -> TrainingTask:
        architecture = load_family("mlp").build(values, (2,), 3)
        return TrainingTask(architecture, Training(epochs=1), values, derive("trial", values), 3)

    class Data:
        train = dev = split

    context: Any = StudyContext(study=study, data=Data(), preprocessing={}, folder=folder)  # type: ignore[arg-type]
    setup = SearchSetup(tuner, IdleTrainer(), build_task, budget, resumes_trials=False)
    search = Search(context, setup, TrialLog(folder / "trials.jsonl"), WeightStore(folder, 1))
    ends: list[float] = []
    own: list[float] = []
    record = search._record

    def timed(*arguments: Any) -> None:
        record(*arguments)
        ends.append(time.process_time())
        own.append(tuner.seconds)

    search._record = timed  # type: ignore[method-assign,assignment]
    search.run()
    return ends, own or [tuner.seconds]


def _report(trials: int, rounds: int) -> None:
    """Time the report of one study of many trials, on records that the tests' builder writes."""
    sys.path.insert(0, str(ROOT / "tests"))
    from blindtune.report import page
    from blindtune.report.figures.write import write_figures
    from blindtune.report.tables.write import write_tables
    from support.report_records import RecordsBuilder

    systems = ["knn", "rnf", "mlp_m1", "opt_tpe"]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "results" / "many"
        builder = RecordsBuilder(root, seeds=[42], systems=systems, trials=12).write()
        _lengthen(root, "set_10/opt_tpe/42", trials)
        took: dict[str, list[float]] = {}
        for _ in range(rounds):
            for what in ("read", "tables", "figures", "page"):
                begun = time.process_time()
                if what == "read":
                    records = builder.read()
                elif what == "tables":
                    write_tables(records, root / "tables")
                elif what == "figures":
                    write_figures(records, root / "figures")
                else:
                    page.write_page(records, root / "tables", root / "figures", root / "report.html")
                took.setdefault(what, []).append(time.process_time() - begun)
        # The first round has the imports, as a job has: the fastest of each part alone would leave them out.
        for what, seconds in took.items():
            later = f", {min(seconds[1:]):.2f} without imports" if rounds > 1 else ""
            print(f"report over {trials:,} trials: {what} {seconds[0]:.2f} CPU s{later}", flush=True)
        print(f"report over {trials:,} trials: {sum(seconds[0] for seconds in took.values()):.2f} CPU s", flush=True)


def _lengthen(root: Path, study: str, trials: int) -> None:
    """Replace the records of a study by many, and its card and its decode by those of a study of so many trials."""
    card_path, result = root / "studies" / study / "card.json", root / "decodes" / study / "result.json"
    path = card_path.with_name("trials.jsonl")
    recorded = [_record(path, number) for number in range(trials)]
    path.write_text("".join(f"{trial.model_dump_json()}\n" for trial in recorded), encoding="utf-8")
    best = rank_on_dev(recorded)[0]
    card = read_card(card_path)
    card = card.model_copy(
        update={"trial": best.number, "dev_error": best.score, "hyperparameters": best.hyperparameters,
                "n_parameters": best.n_parameters, "statuses": {"completed": trials}, "budget": Budget(trials=trials),
                "spent": card.spent.model_copy(update={"trials": trials, "epochs": 10 * trials}),
                "trials_sha256": digest_trials(recorded)}
    )  # fmt: skip
    write_card(card_path, card)
    write_json(result, read_json(result) | {"frozen_sha256": card.frozen_sha256()})


_FIRST: list[Trial] = []


def _record(path: Path, number: int) -> Trial:
    """Return a record like the first of a log, with another number, score and times, and ten epochs."""
    if not _FIRST:
        _FIRST.append(TrialLog(path).read()[0])
    score = round(0.1 + 0.8 * ((number * 7919) % 10007) / 10007, 4)
    epochs = [EpochMetrics(train_loss=0.5, train_error=0.3, dev_loss=0.6, dev_error=score)] * 10
    seconds = {
        part: CpuWallTime(wall=0.1 + score, cpu=0.1) for part in ("suggest", "build", "train", "evaluate", "save")
    }
    return _FIRST[0].model_copy(
        update={"number": number, "score": score, "curve": epochs, "epochs": 10, "scored_epoch": 10, "best_epoch": 1,
                "seconds": seconds, "status": "completed", "reason": None}
    )  # fmt: skip


if __name__ == "__main__":
    main()
