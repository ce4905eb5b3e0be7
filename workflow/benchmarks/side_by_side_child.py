"""Run one side of `side_by_side`: train a list of sets in this process and print time and errors as JSON.

``python workflow/benchmarks/side_by_side_child.py keras-tuner MANIFEST JOB WORKERS``; the job is a file
with ``sets``, ``epochs`` and ``batch``. ``side_by_side_child.py rate`` measures the rate of the machine instead.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import child_scripts
import numpy as np
import side_by_side_scripts
import workload

from blindtune.config.study import Study
from blindtune.config.systems import Tuned
from blindtune.core.budget import Budget
from blindtune.core.files import read_json
from blindtune.datasets.prepared import Prepared, open_prepared
from blindtune.records.model_card import write_card
from blindtune.records.trial import TrialLog
from blindtune.search_space import Hyperparameters
from blindtune.study.checkpoints import WeightStore
from blindtune.study.context import StudyContext
from blindtune.study.freeze import freeze
from blindtune.study.search import Search
from blindtune.study.setup import build_search_setup
from blindtune.training.registry import create_trainer
from blindtune.tuners.base import FixedListTuner
from blindtune.views.apply import apply_view, collect_inputs

#: Trainer and study seed of each side that is a study; another seed gives other weights and orders of samples.
STUDIES = {"keras": ("keras", 42), "pytorch": ("pytorch", 42), "fused": ("fused", 42), "fused-again": ("fused", 43)}


def main() -> None:
    """Run the side that the command line names."""
    if sys.argv[1] == "rate":
        print(json.dumps({"rate": workload.measure_rate()}))
        return
    side, manifest, path, workers = sys.argv[1:]
    data, job = open_prepared(Path(manifest)), read_json(Path(path))
    work = _plain(side, data, job) if side in side_by_side_scripts.SCRIPTS else _study(side, data, job, int(workers))
    wall, cpu = time.perf_counter(), child_scripts.family_cpu_seconds()
    errors = work()
    print(
        json.dumps(
            {"wall": time.perf_counter() - wall, "cpu": child_scripts.family_cpu_seconds() - cpu, "errors": errors}
        )
    )


def _plain(side: str, data: Prepared, job: dict[str, Any]) -> Callable[[], list[float]]:
    """Import the libraries of a plain script; return a function that runs it."""
    if side == "keras-tuner":
        import keras_tuner  # noqa: F401
    else:
        import optuna  # noqa: F401
        import torch._dynamo  # noqa: F401 - PyTorch itself imports it with the first optimizer, for seconds
    arrays = (data.train.x, data.train.y, data.dev.x, data.dev.y)
    parts = [np.array(part) for part in arrays]
    return lambda: side_by_side_scripts.SCRIPTS[side](parts, job["sets"], job["epochs"], job["batch"])


def _study(side: str, data: Prepared, job: dict[str, Any], workers: int) -> Callable[[], list[float | None]]:
    """Import the libraries of a study; return a function that runs it, from its first trial to its card."""
    trainer, seed = STUDIES[side]
    settings = Tuned.model_validate(
        {
            "kind": "tuner",
            "tuner": {"library": "optuna", "algorithm": "random"},
            "space": "mlp",
            "trainer": trainer,
            "training": {"epochs": job["epochs"], "batch_size": job["batch"], "initial_weights": "keras"},
        }
    )
    study = Study(
        config="benchmark",
        dataset=data.name,
        system=side,
        seed=seed,
        settings=settings,
        budget=Budget(trials=len(job["sets"])),
        score_epoch="last",
        keep_best=1,
    )
    create_trainer(settings.trainer_name)
    import optuna  # noqa: F401

    return lambda: _run(study, settings, data, job["sets"], workers)


def _run(
    study: Study, settings: Tuned, data: Prepared, sets: list[Hyperparameters], workers: int
) -> list[float | None]:
    inputs = collect_inputs(settings.view, data)
    data = apply_view(settings.view, data, inputs)
    # The processes of its pool end with this one.
    setup = build_search_setup(study, data, settings.files(), workers)
    setup = replace(setup, tuner=FixedListTuner(sets))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = WeightStore(folder, study.keep_best)
        log = TrialLog(folder / "trials.jsonl")
        context = StudyContext(study=study, data=data, preprocessing=inputs.identity(), folder=folder)
        result = Search(context, setup, log, store).run()
        write_card(folder / "card.json", freeze(context, setup, store, result.trials, exhausted=result.exhausted))
        return [trial.score for trial in log.read()]


if __name__ == "__main__":
    main()
