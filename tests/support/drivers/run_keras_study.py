"""Runs a Keras Tuner study with a Keras trainer: ``python run_keras_study.py TRAINER FOLDER CORES``.

Prints its records, the versions of its card, and the labels of a model with given weights, as JSON.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np

from blindtune.config.systems import Tuned
from blindtune.config.training import Training
from blindtune.core.job_log import JobLog
from blindtune.datasets.base import Split
from blindtune.models.architecture import Architecture
from blindtune.records.trial import TrialLog
from blindtune.study.run import run_study
from blindtune.training.base import TrainingTask
from blindtune.training.registry import create_trainer
from support.builders import points, prepared, study
from support.networks import conv1d, dense, dropout, lstm, pool1d

SPACE = "layers: {type: int, low: 1, high: 2}\nunits: {type: int, low: 4, high: 5, repeat: layers}\n"

trainer, folder, cores = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
folder.mkdir()
(folder / "space.yaml").write_text(SPACE, encoding="utf-8")
system = Tuned.model_validate(
    {
        "kind": "tuner",
        "tuner": {"library": "keras-tuner", "algorithm": "random"},
        "space": str(folder / "space.yaml"),
        "trainer": trainer,
        "training": {"epochs": 2, "batch_size": 16},
    }
)
data = prepared(folder, train=300, dev=100)
card = run_study(
    study(system, budget={"trials": 3}),
    data,
    files=system.files(),
    code="code",
    folder=folder / "study",
    job_log=JobLog(),
)

layers = (conv1d(6, 3), pool1d(2), dropout(0.2), lstm(5, "relu", sequence=True), lstm(4), dense(2))
task = TrainingTask(Architecture(input_shape=(9, 3), layers=layers), Training(), {}, 1, 2)
random = np.random.default_rng(0)
shapes = {"1.kernel": (3, 3, 6), "1.bias": (6,), "4.kernel": (6, 20), "4.recurrent_kernel": (5, 20), "4.bias": (20,)}
shapes |= {"5.kernel": (5, 16), "5.recurrent_kernel": (4, 16), "5.bias": (16,), "6.kernel": (4, 2), "6.bias": (2,)}
weights = {name: random.normal(scale=0.5, size=shape).astype(np.float32) for name, shape in shapes.items()}
predict = create_trainer(system.trainer_name).rebuild(task, weights, Split(*points(4, 0)))
labels = predict(random.normal(size=(2_000, 9, 3)).astype(np.float32))

records = [trial.reproducible_fields() for trial in TrialLog(folder / "study" / "trials.jsonl").read()]
print(json.dumps({"records": records, "versions": card.versions, "labels": labels.tolist()}))
