"""Runs a study of the tuner of `support.tuner_plugin`, and prints what the library knows of it as JSON.

Arguments: a folder for the study.
"""

import json
import sys
from pathlib import Path

from blindtune.config import generate
from blindtune.config.schema import read
from blindtune.core.code_digest import closure
from blindtune.records.trial import TrialLog
from blindtune.stages import study_digest, study_modules
from blindtune.study.run import run_study
from support.builders import RecordingConsole, config, prepared, write_csv_folder


def main(folder: Path) -> None:
    space = folder / "space.yaml"
    space.write_text(
        "layers: {type: int, low: 1, high: 1}\nunits: {type: int, low: 1, high: 9, repeat: layers}\n", encoding="utf-8"
    )
    write_csv_folder(folder / "csv")
    system = {
        "kind": "tuner",
        "tuner": {"library": "walkers", "algorithm": "up", "start": 3},
        "space": str(space),
        "trainer": "pytorch",
        "training": {"epochs": 1},
    }
    comparison = {"dataset": "toy", "systems": ["walk"], "budget": {"trials": 3}}
    content = read(config(str(folder / "csv"), systems={"walk": system}, compare=[comparison]), "plugin.yaml")
    study, dataset = content.study("toy", "walk", 42), content.datasets["toy"]
    digest = study_digest(study.settings, dataset)
    run_study(
        study,
        prepared(folder),
        files={"space": space},
        code=digest,
        folder=folder / "study",
        job_log=RecordingConsole(),
    )
    trials = TrialLog(folder / "study" / "trials.jsonl").read()
    found = {
        "schema": "WalkConfig" in json.loads(generate.schema())["$defs"],
        "units": [trial.hyperparameters["units_1"] for trial in trials],
        "statuses": [trial.status for trial in trials],
        "modules": sorted(closure(*study_modules(study.settings, dataset))),
        "digest": digest,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
