"""Runs a study of the trainer of `support.trainer_plugin`, and prints what the library knows of it as JSON.

Arguments: a folder for the study.
"""

import json
import sys
from pathlib import Path

from blindtune.config import generate
from blindtune.config.schema import read
from blindtune.core.code_digest import closure
from blindtune.core.errors import UserError
from blindtune.records.trial import TrialLog
from blindtune.stages import study_digest, study_modules
from blindtune.study.run import run_study
from blindtune.training.registry import describe_trainers
from support.builders import RecordingConsole, config, prepared, write_csv_folder


def main(folder: Path) -> None:
    write_csv_folder(folder / "csv")
    system = {
        "kind": "tuner",
        "tuner": {"library": "optuna", "algorithm": "random"},
        "space": "mlp",
        "trainer": "majority",
        "training": {"epochs": 2},
    }
    comparison = {"dataset": "toy", "systems": ["vote"], "budget": {"trials": 2}}
    content = read(config(str(folder / "csv"), systems={"vote": system}, compare=[comparison]), "plugin.yaml")
    study, dataset = content.study("toy", "vote", 42), content.datasets["toy"]
    digest = study_digest(study.settings, dataset)
    run_study(
        study,
        prepared(folder),
        files=study.settings.files(),
        code=digest,
        folder=folder / "study",
        job_log=RecordingConsole(),
    )
    trials = TrialLog(folder / "study" / "trials.jsonl").read()
    found = {
        "schema": "majority" in json.loads(generate.schema())["$defs"]["Tuned"]["properties"]["trainer"]["enum"],
        "description": describe_trainers(),
        "scores": [trial.score for trial in trials],
        "versions": trials[0].versions,
        "environment": study.settings.environment,
        "modules": sorted(closure(*study_modules(study.settings, dataset))),
        "digest": digest,
        "refusals": [
            refusal(folder, system | {"space": "convnet", "family": "convnet"}),
            refusal(folder, {"kind": "manual", "model": "convnet_m", "trainer": "majority"}),
        ],
    }
    print(json.dumps(found))


def refusal(folder: Path, system: dict[str, object]) -> str:
    """Return the message with which a config with a system is refused."""
    comparison = {"dataset": "toy", "systems": ["vote"], "budget": {"trials": 2}}
    try:
        read(config(str(folder / "csv"), systems={"vote": system}, compare=[comparison]), "plugin.yaml")
    except UserError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    main(Path(sys.argv[1]))
