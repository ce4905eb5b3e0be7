"""Prepares the dataset and runs the study of a config that uses the package of the documents; prints JSON.

Arguments: the config, and a folder to work in.
"""

import json
import sys
from pathlib import Path

import yaml

from blindtune.config.defaults import DEFAULT
from blindtune.config.schema import read
from blindtune.core.code_digest import closure
from blindtune.datasets.prepared import open_prepared, prepare
from blindtune.datasets.registry import create_source
from blindtune.records.model_card import read_card
from blindtune.records.trial import TrialLog
from blindtune.stages import study_digest, study_modules
from blindtune.study.run import run_study
from support.builders import ROOT, RecordingConsole


def main(config: Path, folder: Path) -> None:
    content = read({**DEFAULT, **yaml.safe_load(config.read_text(encoding="utf-8"))}, str(config))
    study, dataset = content.study("moons", "climber", 1), content.datasets["moons"]
    manifest = folder / "data" / "moons" / "manifest.json"
    prepare("moons", create_source(dataset), {}, manifest, folder / "sealed" / "moons" / "seal.json")
    run_study(
        study,
        open_prepared(manifest),
        files={"space": ROOT / "resources" / "spaces" / "mlp.yaml"},
        code=study_digest(study.settings, dataset),
        folder=folder / "study",
        job_log=RecordingConsole(),
    )
    trials = TrialLog(folder / "study" / "trials.jsonl").read()
    found = {
        "statuses": [trial.status for trial in trials],
        "metric": trials[0].metric,
        "values": [trial.metric_value for trial in trials],
        "view": read_card(folder / "study" / "card.json").settings["view"],
        "modules": sorted(name for name in closure(*study_modules(study.settings, dataset)) if "my_package" in name),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
