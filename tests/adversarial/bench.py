"""A small project to attack: data, five studies, their decodes, the ledger and the report, in one folder."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from adversarial.attack import Outcome
from blindtune.config.study import Study
from blindtune.config.systems import System
from blindtune.core.arrays import digest_arrays, write_npz
from blindtune.core.files import read_json, write_json
from blindtune.core.job_log import JobLog
from blindtune.core.paths import ResultPaths
from blindtune.datasets.csv_folder import CsvFolderConfig, CsvFolderSource
from blindtune.datasets.images import ImagesConfig, ImagesSource
from blindtune.datasets.prepared import Prepared, open_prepared, open_split, prepare
from blindtune.decoding.decode import decode_to_files
from blindtune.decoding.frozen_model import FrozenModel
from blindtune.decoding.ledger import Ledger
from blindtune.decoding.sample_splits import sample_splits
from blindtune.records.decode_result import DecodeResult, parse_decode_result
from blindtune.records.model_card import read_card
from blindtune.report.records import ReportRecords, read_records
from blindtune.study.estimate import estimate_eval
from blindtune.study.run import run_study
from support.builders import write_csv_folder

SEED = 42

_LOOP = {"n_neighbors": 3, "n_estimators": 3}

#: The systems that are compared, one of each kind.
SYSTEMS: dict[str, dict[str, Any]] = {
    "knn": {"kind": "knn", "n_neighbors": [3, 5]},
    "forest": {"kind": "random_forest", "n_estimators": [3], "max_depth": [4]},
    "expert": {"kind": "manual", "model": "mlp_m1", "training": {"epochs": 2, "batch_size": 20, "learning_rate": 0.05}},
    "tuned": {
        "kind": "tuner",
        "tuner": {"library": "optuna", "algorithm": "random"},
        "space": "mlp",
        "trainer": "pytorch",
        "training": {"epochs": 1},
    },
    "limit": {"kind": "bayes", "train": _LOOP, "dev": _LOOP, "eval": _LOOP},
}

#: Those that train nothing, for attacks that are about something else.
QUICK = ("knn", "forest")


def settings_of(content: dict[str, Any]) -> System:
    """Return the settings of a system as the config reads them."""
    return TypeAdapter[System](System).validate_python(content)


@dataclass(frozen=True)
class Bench:
    """A project in a folder.

    Attributes:
        folder: holds everything.
        config: name of the config.
        dataset: name of the dataset.
        systems: those of the report.
    """

    folder: Path
    config: str = "tiny"
    dataset: str = "toy"
    systems: tuple[str, ...] = tuple(SYSTEMS)

    @property
    def root(self) -> Path:
        """Folder of the results of the config."""
        return self.folder / "results" / self.config

    @property
    def paths(self) -> ResultPaths:
        """Paths of the results."""
        return ResultPaths(str(self.root))

    @property
    def manifest(self) -> Path:
        """Manifest of the dataset."""
        return Path(self.paths.manifest(self.dataset))

    @property
    def seal(self) -> Path:
        """Seal of its eval."""
        return Path(self.paths.seal(self.dataset))

    @property
    def ledger(self) -> Path:
        """Folder of the ledger, which all configs share."""
        return self.folder / "results" / "ledger"

    def split(self, name: str) -> Path:
        """Return the folder of a split."""
        return (self.seal if name == "eval" else self.manifest).parent / name

    def study_folder(self, system: str, seed: int = SEED) -> Path:
        """Return the folder of a study."""
        return Path(self.paths.study(self.dataset, system, seed))

    def decode_folder(self, system: str, seed: int = SEED) -> Path:
        """Return the folder of a decode."""
        return Path(self.paths.decode(self.dataset, system, seed))

    def prepare_csv(self, files: dict[str, Path] | None = None, **keys: Any) -> None:
        """Prepare the dataset from CSV files."""
        given = files or write_csv_folder(self.folder / "csv", train=40, dev=20, eval=24)
        folder = next(iter(given.values())).parent
        source = CsvFolderSource(CsvFolderConfig(source="csv_folder", folder=str(folder), **keys))
        prepare(self.dataset, source, given, self.manifest, self.seal)

    def prepare_images(self, folder: Path, **keys: Any) -> None:
        """Prepare the dataset from folders of pictures."""
        source = ImagesSource(ImagesConfig.model_validate({"source": "images", "folder": str(folder), **keys}))
        prepare(self.dataset, source, source.inputs(self.paths, self.dataset), self.manifest, self.seal)

    def open(self) -> Prepared:
        """Open train and dev."""
        return open_prepared(self.manifest)

    def study(self, system: str, seed: int = SEED, **changes: Any) -> Study:
        """Return a study; ``changes`` are keys of the system's settings, or fields of the study."""
        fields = {name: changes.pop(name) for name in ("budget", "score_epoch", "keep_best") if name in changes}
        content = changes if "kind" in changes else SYSTEMS.get(system, SYSTEMS["knn"]) | changes
        parts = {
            "config": self.config,
            "dataset": self.dataset,
            "system": system,
            "seed": seed,
            "settings": settings_of(content),
            "budget": {"trials": 2} if content["kind"] == "tuner" else None,
            "score_epoch": "last",
            "keep_best": 2,
        }
        return Study(**(parts | fields))

    def freeze(self, system: str, seed: int = SEED, code: str = "code", **changes: Any) -> Path:
        """Run a study to its frozen model, as its job does; return its folder."""
        study, folder = self.study(system, seed, **changes), self.study_folder(system, seed)
        run_study(study, self.open(), files=study.settings.files(), code=code, folder=folder, job_log=JobLog())
        return folder

    def decode(self, system: str, seed: int = SEED, *, allow_repeats: bool = False) -> DecodeResult:
        """Decode a frozen model into the files of its decode, as its job does; return the result."""
        folder = self.decode_folder(system, seed)
        decode_to_files(
            card=self.study_folder(system, seed) / "card.json",
            manifest=self.manifest,
            sealed=self.seal,
            ledger=self.ledger,
            allow_repeats=allow_repeats,
            points=3,
            folder=folder,
            report=lambda line: None,
            root=self.root,
        )
        return self.result(system, seed)

    def result(self, system: str, seed: int = SEED) -> DecodeResult:
        """Return the result of a decode."""
        path = self.decode_folder(system, seed) / "result.json"
        return parse_decode_result(read_json(path), str(path))

    def draw_samples(self) -> None:
        """Draw samples of all splits for the report."""
        arrays = sample_splits(self.open(), self.seal, Ledger(self.ledger), 20)
        write_npz(Path(self.paths.sample_splits(self.dataset)), arrays)

    def report(self, systems: Iterable[str] | None = None, seeds: Iterable[int] = (SEED,)) -> ReportRecords:
        """Read the records of the report."""
        chosen = list(self.systems if systems is None else systems)
        return read_records(self.root, [(self.dataset, chosen)], list(seeds), self.ledger)

    def true_error(self, system: str, seed: int = SEED) -> float:
        """Return the error of the frozen model on eval, by other means than decode."""
        folder, sealed = self.study_folder(system, seed), open_split(self.split("eval"))
        model = FrozenModel(read_card(folder / "card.json"), folder, self.open())
        if model.card.kind == "bayes":
            return estimate_eval(model.card, model.view(sealed.x), sealed.y, 1)["closed_loop"]
        return float(np.mean(model.predict(np.asarray(sealed.x)) != sealed.y))


def frozen(folder: Path) -> None:
    """Prepare the data and freeze every model; nothing is decoded."""
    _freeze_all(Bench(folder))


def decoded(folder: Path) -> None:
    """Run everything, to the files that the report reads."""
    _freeze_all(bench := Bench(folder))
    _decode_all(bench)


def quick_frozen(folder: Path) -> None:
    """As `frozen`, with the systems that train nothing."""
    _freeze_all(Bench(folder, systems=QUICK))


def quick_decoded(folder: Path) -> None:
    """As `decoded`, with the systems that train nothing."""
    _freeze_all(bench := Bench(folder, systems=QUICK))
    _decode_all(bench)


def _freeze_all(bench: Bench) -> None:
    """Freeze every model, and write what the report says when all are decoded."""
    bench.prepare_csv()
    for system in bench.systems:
        bench.freeze(system)
    with tempfile.TemporaryDirectory() as place:
        shutil.copytree(bench.folder, Path(place) / "copy")
        ahead = replace(bench, folder=Path(place) / "copy")
        _decode_all(ahead)
        shutil.copy(ahead.folder / HONEST, bench.folder)


def _decode_all(bench: Bench) -> None:
    for system in bench.systems:
        bench.decode(system)
    bench.draw_samples()
    write_json(bench.folder / HONEST, read_statement(bench))


#: The file of a scene that holds what the report says without an attack.
HONEST = "honest.json"

#: All that the report says, by study; and of the data.
Statement = dict[str, Any]


def read_statement(bench: Bench) -> Statement:
    """Return all that the report says: everything that it reads but the times of decodes, which differ by run."""
    said: Statement = {}
    for dataset in bench.report().datasets:
        said["history"] = [
            f"{one.recorded.study} {one.recorded.frozen_sha256} {one.recorded.outcome} {one.eval}"
            for one in dataset.uses.decodes
        ] + [f"samples of {one.recorded.dataset}" for one in dataset.uses.samplings]
        said["data"] = {
            "manifest": dataset.manifest.model_dump(mode="json"),
            "samples": digest_arrays(dataset.split_samples),
        }
        for system in dataset.systems:
            for run in system.runs:
                said[run.card.study] = {
                    "card": run.card.model_dump(mode="json"),
                    "decode": run.decode.model_dump(mode="json", exclude={"decoded"}),
                    "trials": [trial.model_dump(mode="json") for trial in run.trials],
                    "wrong": None if run.wrong is None else run.wrong.tolist(),
                    "surface": None if run.surface is None else digest_arrays(run.surface),
                }
    return json.loads(json.dumps(said))


def marks(records: ReportRecords) -> dict[str, str]:
    """Return what the report says next to the row of each system whose number is not an ordinary blind one."""
    found = {}
    for dataset in records.datasets:
        for system in dataset.systems:
            said = [str(system.precedents), "" if system.blind else "not blind"]
            if any(said):
                found[system.name] = "; ".join(filter(None, said))
    return found


def without_times(statement: Statement) -> Statement:
    """Return a statement without what differs when the same trials run again."""
    plain = json.loads(json.dumps(statement))
    for said in plain.values():
        if isinstance(said, dict) and "card" in said:
            del said["card"]["spent"]["seconds"], said["card"]["trials_sha256"]
            for trial in said["trials"]:
                for name in ("seconds", "started", "host", "versions"):
                    del trial[name]
    return plain


def judge_report(bench: Bench, *, times: bool = True) -> Outcome:
    """Read the report: it must say what it says without the attack, or mark the rows that differ.

    The report names further decodes of the same eval and decodes that the ledger does not hold, so these are shown.
    """
    honest, now = read_json(bench.folder / HONEST), read_statement(bench)
    if not times:
        honest, now = without_times(honest), without_times(now)
    differing = sorted(key for key in honest.keys() | now.keys() if honest.get(key) != now.get(key))
    if not differing:
        return Outcome("honest")
    shown = marks(records := bench.report())
    unrecorded = {study for dataset in records.datasets for study in dataset.uses.unrecorded}
    missing = [line for line in honest["history"] if line not in now.get("history", ())]
    if records.ledger_faults:  # at the top of the page
        missing = []
    elif any(dataset.uses.lacks_drawing for dataset in records.datasets):
        missing = [line for line in missing if not line.startswith("samples of ")]
    hidden = [key for key in differing if key == "data" or (key != "history" and key.split("/")[2] not in shown)]
    hidden += ["history"] if any(line.split()[0] not in unrecorded for line in missing) else []
    if hidden:
        return Outcome("lost", f"the report says something else without a word: {_describe(honest, now, hidden)}")
    return Outcome("shown", f"{shown or 'the list of all decodes'}")


def report_of(*systems: str) -> Callable[[Path], Outcome]:
    """Return a judge that reads the report."""
    return lambda scene: judge_report(Bench(scene, systems=systems or tuple(SYSTEMS)))


def decode_and_report(*systems: str) -> Callable[[Path], Outcome]:
    """Return a judge that decodes every frozen model, as a run does, and reads the report."""

    def judge(scene: Path) -> Outcome:
        bench = Bench(scene, systems=systems or tuple(SYSTEMS))
        for system in bench.systems:
            bench.decode(system)
        bench.draw_samples()
        return judge_report(bench)

    return judge


def _describe(honest: Statement, now: Statement, keys: list[str]) -> str:
    """Name the first values that differ."""
    found = [line for key in keys for line in _differences(honest.get(key), now.get(key), key)]
    return "; ".join(found[:3])


def _differences(one: Any, other: Any, where: str) -> list[str]:
    if one == other:
        return []
    if isinstance(one, dict) and isinstance(other, dict):
        return [
            line
            for name in sorted(one.keys() | other.keys())
            for line in _differences(one.get(name), other.get(name), f"{where}.{name}")
        ]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [line for at, (first, second) in pairs for line in _differences(first, second, f"{where}.{at}")]
    return [f"{where}: {str(one)[:40]} became {str(other)[:40]}"]
