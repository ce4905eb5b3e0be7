"""Every key of the config, changed alone in a small study: what changes an answer changes the identity.

The test finds by itself a key that changes what a frozen model answers on eval without changing what identifies the
model or the data; it also finds a key that voids a study though it changes nothing. A new key is varied without an edit
here, or must be listed in `NOT_VARIED` with a reason.
"""

import copy
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blindtune.config.schema import Config, read
from blindtune.config.study import Study
from blindtune.config.systems import Bayes
from blindtune.core import paths
from blindtune.core.arrays import digest_arrays
from blindtune.core.files import digest_json, read_json
from blindtune.core.job_log import JobLog
from blindtune.core.paths import ResultPaths
from blindtune.datasets.corpus.config import CorpusConfig
from blindtune.datasets.corpus.extraction import extract_batch, simulate_batch
from blindtune.datasets.prepared import Prepared, digest_of_split, open_prepared, open_split, prepare
from blindtune.datasets.registry import create_source
from blindtune.decoding.frozen_model import FrozenModel
from blindtune.records.model_card import read_card
from blindtune.records.trial import TrialLog
from blindtune.study.estimate import estimate_eval
from blindtune.study.run import run_study
from support.builders import write_csv_folder, write_images, write_labels
from support.config_keys import (
    ALGORITHMS,
    BASE,
    OPTIONAL,
    OTHERS,
    Leaf,
    belongs_to_other_model,
    choose_other_value,
    is_optional_setting_elsewhere,
    is_varied_elsewhere,
    list_leaves,
    replace_value,
)
from support.tables import write_table_folder

#: What is small or quick here, or needs other values to run at all.
CHANGES: dict[tuple[str | int, ...], Any] = {
    ("datasets", "written", "sizes"): None,
    ("datasets", "brains", "simulate"): {"patients": 6, "recordings": 2, "seconds": 180, "faults": []},
    ("datasets", "brains", "sizes"): {"train": 4, "dev": 2, "eval": 2},
    ("datasets", "brains", "max_bad_fraction"): 0.5,
    ("datasets", "tissues", "simulate"): {"patients": {"train": 2, "dev": 2, "eval": 2}, "side": 1024, "faults": []},
    ("datasets", "tissues", "patch"): 64,
    ("systems", "trees", "n_estimators"): [3],
    ("systems", "expert", "training"): {"epochs": 1, **OPTIONAL},
    ("systems", "framer", "model"): "hybrid_12",
    ("systems", "framer", "training"): {"epochs": 1},
    ("systems", "cropper", "training"): {"epochs": 1},
    ("systems", "cropper", "view"): {"kind": "crops", "side": 4},
    ("systems", "augmenter", "training"): {"epochs": 1},
    ("compare", 0, "budget"): {"trials": 4},
    ("compare", 6, "budget"): {"trials": 20},
}

#: Values that other keys of this config need.
OTHER_VALUES: dict[str, Any] = OTHERS | {
    "Config.container": "another.sif",
    "Tuned.trainer": "fused",
    "TunerOverrides.trainer": "fused",
    "CropsView.side": 5,
    "SimulatedEegConfig.faults": ["truncated"],
    "EegConfig.segment": 12.0,
    "DrawingConfig.seed": 2,
    "Budget.trial_seconds": 500.0,
    "SlidesConfig.mpp": 1.0,
    "SlidesConfig.magnification": 10.0,
    "Manual.trainer": "skorch",
    "SklearnConfig.folds": 2,
    "SklearnConfig.min_epochs": 2,
}

#: The same for single keys, by their path.
PATH_VALUES: dict[str, Any] = {
    "datasets.tissues.classes.dcis": ["dcis", "norm"],
    "datasets.tissues.classes.indc": ["indc", "infl"],
}

#: Keys that can change no answer, and why: they must not void a study.
NEUTRAL: dict[str, str] = {
    "Config.keep_best": "says which weights stay on the disk",
    "Config.verbosity": "says what is shown",
    "Config.wait_for_owner": "says how long a job waits for another run",
    "Config.container": "says in which image jobs run",
    "JobRequest.mem_mb": "says what a job asks a cluster for",
    "JobRequest.runtime": "says what a job asks a cluster for",
    "JobRequest.gpu": "says what a job asks a cluster for; whether there is a GPU is up to the machine",
    "Config.ledger": "says where decodes are recorded",
    "Config.ledger_group_writable": "says who may write there",
    "Config.workers": "says on how many cores a study runs",
    "Config.allow_repeated_decode": "says what decode refuses",
    "Config.post_mortem": "says what is analysed after all decodes",
    "Comparison.seeds_in_one_job": "says how studies are divided into jobs",
    "Comparison.shards": "says how a search is divided into jobs",
    "Comparison.worker_nodes": "says on how many nodes workers run",
    "Comparison.systems": "says what else is compared, and the order of the tables",
    "ReportConfig.points": "belongs to a figure",
    "ReportConfig.surface": "belongs to a figure",
    "*.paper_row": "is a label",
    "*.published": "is a label",
    "ImagesConfig.layout": "the names of the folders say the same",
    "ImagesConfig.brightest": "is for pictures of more than 8 bits; here is none",
    "EegConfig.unannotated": "is for recordings without an annotation; here is none",
    "EegConfig.event_step": "adds scores of whole recordings to the decode",
    "*.strict": "stops a run at a bad file; here is none",
    "*.files_per_job": "says how the preparation is divided into jobs",
}

#: Keys that are not varied here, and why.
NOT_VARIED: dict[str, str] = {
    "*.kind": "another kind has another set of keys, each of which is varied",
    "*.source": "another source has another set of keys, each of which is varied",
    "*.library": "another library has another set of keys, each of which is varied",
    "Comparison.dataset": "another dataset is another study",
    "*.family": "no space suits two families; the space is varied",
    "*.folder": "has a test of its own: the same files in another folder are the same data",
    "*.fetch": "excludes the folder",
    "ImagesConfig.labels": "has a test: a table that says what the folders say is the same data",
    "datasets.labelled.label_columns.label": "a column of files is no column of labels",
    "*.stand_in": "goes with a corpus that is simulated",
    "NoPrunerConfig.algorithm": "another pruner has another set of keys, each of which is varied",
    "MedianPrunerConfig.algorithm": "another pruner has another set of keys, each of which is varied",
    "SuccessiveHalvingPrunerConfig.algorithm": "another pruner has another set of keys, each of which is varied",
    "HyperbandPrunerConfig.algorithm": "another pruner has another set of keys, each of which is varied",
    "systems.median.tuner.objectives": "a pruner takes one objective; varied for a system without one",
    "systems.halving.tuner.objectives": "a pruner takes one objective; varied for a system without one",
    "systems.brackets.tuner.objectives": "a pruner takes one objective; varied for a system without one",
    "systems.batches.tuner.algorithm": "only TPE takes batches; varied for a system without one",
    "systems.median.tuner.batch": "a pruner takes no batches; varied for a system without one",
    "systems.halving.tuner.batch": "a pruner takes no batches; varied for a system without one",
    "systems.brackets.tuner.batch": "a pruner takes no batches; varied for a system without one",
    "systems.median.folds": "a pruner compares trainings on dev; varied for a system without one",
    "systems.halving.folds": "a pruner compares trainings on dev; varied for a system without one",
    "systems.brackets.folds": "a pruner compares trainings on dev; varied for a system without one",
    "systems.vectors.space": "a single space of its estimator ships; varied for other systems",
    "systems.vectors.tuner.algorithm": "the first other algorithm takes no parts; varied for other systems",
    "systems.framer.model": "other models that ship do not take frames; varied for expert",
    "systems.cropper.model": "other models that ship do not take such crops; varied for expert",
    "systems.augmenter.model": "other models that ship do not take such pictures; varied for expert",
    "systems.augmenter.trainer": "the other trainers of random views are those of Keras; varied for expert",
    "systems.cropper.trainer": "the other trainers of crops are those of Keras, slow to import; varied for expert",
    "*.bundled": "excludes the file",
    "TableConfig.file": "other files are other data, which is tested for their content",
    "TableFiles.train": "other files are other data, which is tested for their content",
    "TableFiles.dev": "other files are other data, which is tested for their content",
    "TableFiles.eval": "other files are other data, which is tested for their content",
    "*.time": "goes with splitting by time",
    "*.sheet": "goes with an Excel file",
    "SplittingConfig.file": "goes with splitting by list",
    "SplittingConfig.by": "list needs a file; seed is varied by its shares",
}


def small_config(folder: Path) -> dict[str, Any]:
    """Return the config in which every key is varied."""
    config = copy.deepcopy(BASE)
    for path, value in CHANGES.items():
        if value is not None:
            config = replace_value(config, path, value)
    for name, system in config["systems"].items():
        if system["kind"] == "tuner" and "estimator" not in system:
            optional = OPTIONAL if name == "tuner" else {}
            config["systems"][name] = system | {"trainer": "pytorch", "training": {"epochs": 2, **optional}}
    del config["datasets"]["fetched"]
    # Recordings of a user, which are only named to plan.
    del config["datasets"]["wards"]
    # Varied for a system of its own; slides would take long.
    del config["compare"][5]["tuner_overrides"]
    config["compare"] = [one for one in config["compare"] if one["dataset"] not in ("fetched", "wards")]
    config["datasets"]["labelled"]["labels"] = str(folder / "labels.csv")
    for name in ("files", "pictures", "labelled"):
        config["datasets"][name]["folder"] = str(folder / config["datasets"][name]["folder"])
    for name in ("cropper", "augmenter"):
        config["systems"][name]["model"] = str(folder / "tiny.yaml")
    for name, key in (("rows", "file"), ("marked", "file"), ("weighed", "file")):
        config["datasets"][name][key] = str(folder / config["datasets"][name][key])
    files = config["datasets"]["parted"]["files"]
    config["datasets"]["parted"]["files"] = {split: str(folder / path) for split, path in files.items()}
    return config


@dataclass(frozen=True)
class Outcome:
    """What one study came to.

    Attributes:
        protocol: what its records were made for.
        trials: what its trials recorded.
        identity: of the frozen model and of eval.
        answers: what the frozen model answers on eval.
    """

    protocol: str
    trials: tuple[str, ...]
    identity: tuple[str, str]
    answers: str


class Bench:
    """Runs studies of configs that differ in one key; equal datasets and equal studies run once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        write_csv_folder(folder / "one")
        write_csv_folder(folder / "two", seed=1)
        write_images(folder / "three", classes=2, count=12, size=12)
        write_images(folder / "four", classes=3, count=12, size=12)
        write_labels(folder / "three", "labels.csv")
        write_table_folder(folder / "five")
        write_table_folder(folder / "six", seed=1)
        layers = [{"kind": "conv2d", "filters": 2, "kernel": 3, "activation": "relu"}, {"kind": "flatten"}]
        (folder / "tiny.yaml").write_text(json.dumps({"layers": layers, "training": {"epochs": 1}}), encoding="utf-8")
        self.base = small_config(folder)
        self.leaves = {".".join(map(str, leaf.path)): leaf for leaf in list_leaves(Config.model_validate(self.base))}
        self._outcomes: dict[str, Outcome] = {}
        self._configs: dict[str, Config] = {}

    def run(self, content: dict[str, Any], dataset: str, system: str) -> Outcome:
        """Return the outcome of a system on a dataset."""
        config = self._read(content, dataset)
        place = self._prepare(config, dataset)
        study = config.study(dataset, system, config.seeds[0])
        name = digest_json([study.model_dump(mode="json"), config.workers, str(place)])
        if name not in self._outcomes:
            self._outcomes[name] = self._run(study, place, self.folder / "studies" / name, config.workers)
        return self._outcomes[name]

    def _read(self, content: dict[str, Any], dataset: str) -> Config:
        """Return a config with the comparisons of one dataset; equal ones are read once.

        To check those of all datasets takes longer than most of the studies.
        """
        compared = content | {"compare": [one for one in content["compare"] if one["dataset"] == dataset]}
        name = digest_json(compared)
        if name not in self._configs:
            self._configs[name] = read(compared, "the config")
        return self._configs[name]

    def _run(self, study: Study, place: Path, folder: Path, workers: int) -> Outcome:
        data, files = open_prepared(place / "data" / "manifest.json"), study.settings.files()
        run_study(study, data, files=files, code="code", folder=folder, job_log=JobLog(), workers=workers)
        card, sealed = read_card(folder / "card.json"), open_split(place / "sealed" / "eval")
        model = FrozenModel(card, folder, data)
        if isinstance(study.settings, Bayes):
            answers = digest_json(estimate_eval(card, model.view(sealed.x), sealed.y, 1))
        else:
            answers = digest_arrays({"predicted": model.predict(sealed.x)})
        trials = TrialLog(folder / "trials.jsonl").read()
        return Outcome(
            digest_json(read_json(folder / "protocol.json")),
            tuple(digest_json(trial.reproducible_fields()) for trial in trials),
            (card.frozen_sha256(), digest_of_split(sealed)),
            answers,
        )

    def _prepare(self, config: Config, dataset: str) -> Path:
        """Prepare a dataset unless it is prepared, and return its folder."""
        settings = config.datasets[dataset]
        place = self.folder / "prepared" / digest_json([dataset, settings.model_dump(mode="json")])
        if (place / "data" / "manifest.json").exists():
            return place
        source = create_source(settings)
        files = source.inputs(ResultPaths(str(place)), dataset)
        if isinstance(settings, CorpusConfig):
            files = self._extract(source, place)
        prepare(dataset, source, files, place / "data" / "manifest.json", place / "sealed" / "seal.json")
        return place

    def _extract(self, source: Any, place: Path) -> dict[str, Path]:
        corpus = self.folder / "corpora" / digest_json(source.config.simulate.model_dump(mode="json"))
        extracts = {}
        for batch, files in source.batches().items():
            # The simulator is given nothing but `simulate`, so the files of an equal one are the same.
            if not all((corpus / raw.file).exists() for raw in files):
                simulate_batch(source, batch, corpus, place / "simulated" / f"{batch}.json")
            extracts[batch] = place / "extracts" / f"{batch}.json"
            extract_batch(source, batch, corpus, extracts[batch])
        return extracts

    def studies_of(self, leaf: Leaf) -> list[tuple[str, str]]:
        """Return the studies, dataset and system, that a key may change."""
        pairs = [(one["dataset"], system) for one in self.base["compare"] for system in one["systems"]]
        tuned = {name for name, system in self.base["systems"].items() if system["kind"] == "tuner"}
        match leaf.path:
            case ("systems", system, *_):
                return [next(pair for pair in pairs if pair[1] == system)]
            case ("datasets", dataset, *_):
                return [pair for pair in pairs if pair[0] == dataset and pair[1] not in tuned]
            case ("compare", int(number), "budget" | "tuner_overrides", *_):
                dataset = self.base["compare"][number]["dataset"]
                own = [pair for pair in pairs if pair[0] == dataset]
                # Without a tuner there, the key changes no study.
                return [next((pair for pair in own if pair[1] in tuned), own[0])]
            case ("compare", int(number), *_):
                return [(self.base["compare"][number]["dataset"], "near")]
        return [("drawing", "near"), ("drawing", "expert")]


def listed(leaf: Leaf, table: dict[str, str]) -> str | None:
    """Return the reason in a table for a key, by its path, by its model, or by its name in any model; None if none."""
    names = (".".join(map(str, leaf.path)), leaf.key, f"*.{leaf.key.partition('.')[2]}")
    return next((table[name] for name in names if name in table), None)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """The bench of all tests of this module."""
    return Bench(tmp_path_factory.mktemp("identity"))


SMALL = small_config(Path("/"))
LEAVES = [
    leaf
    for leaf in list_leaves(Config.model_validate(SMALL))
    if not belongs_to_other_model(SMALL, leaf)
    and not is_varied_elsewhere(leaf)
    and not is_optional_setting_elsewhere(leaf)
]


def test_tables_name_keys_of_the_config() -> None:
    """Each key that is listed as neutral or as not varied exists."""
    for table in (NEUTRAL, NOT_VARIED):
        used = {reason for leaf in LEAVES if (reason := listed(leaf, table))}
        assert used == set(table.values())


@pytest.mark.parametrize("name", [".".join(map(str, leaf.path)) for leaf in LEAVES if not listed(leaf, NOT_VARIED)])
def test_identity_changes_with_every_answer(bench: Bench, name: str) -> None:
    """A key that changes an answer on eval changes the identity; one that cannot voids no study."""
    leaf = bench.leaves[name]
    value = PATH_VALUES.get(name, choose_other_value(leaf, OTHER_VALUES))
    assert value is not None, f"{leaf.key}: no other value is known; add one, or a reason to NOT_VARIED"
    base = bench.base
    if leaf.key in ALGORITHMS:
        base = replace_value(base, (*leaf.path[:-1], "algorithm"), ALGORITHMS[leaf.key])
    content = replace_value(base, leaf.path, value)
    for dataset, system in bench.studies_of(leaf):
        before, after = bench.run(base, dataset, system), bench.run(content, dataset, system)
        if listed(leaf, NEUTRAL):
            assert after == before, f"{name} changes nothing, but another value voids {dataset}/{system}"
        if after.answers != before.answers:
            assert after.identity != before.identity, f"{name} changes answers of {dataset}/{system}, not the identity"
        if after.protocol == before.protocol:  # a larger budget goes on from the records of a smaller one
            both = min(len(after.trials), len(before.trials))
            assert after.trials[:both] == before.trials[:both], f"{name} changes trials of {dataset}/{system}"


def test_identity_is_that_of_the_content(bench: Bench, tmp_path: Path) -> None:
    """The same files in another folder are the same data and give the same frozen model."""
    write_csv_folder(tmp_path / "moved")
    moved = replace_value(bench.base, ("datasets", "files", "folder"), str(tmp_path / "moved"))
    assert bench.run(moved, "files", "near") == bench.run(bench.base, "files", "near")


@pytest.mark.parametrize(
    ("dataset", "system", "changes"),
    [
        ("brains", "near", {"view": {"kind": "features"}}),
        ("brains", "framer", {"view": {"kind": "samples"}, "model": "tiny_signals.yaml"}),
        ("pictures", "cropper", {"view": {"kind": "crops", "side": 4, "n_eval_crops": 9}}),
        ("pictures", "cropper", {"view": {"kind": "crops", "side": 4, "downsample": 2}}),
        ("pictures", "augmenter", {"view": {"kind": "augmented", "shift": 0}}),
    ],
)
def test_identity_changes_with_the_view(bench: Bench, dataset: str, system: str, changes: dict[str, Any]) -> None:
    """Another view of the same stored samples is another frozen model, though data and hyperparameters are equal."""
    if "model" in changes:
        layers = [{"kind": "flatten"}, {"kind": "dense", "units": 2, "activation": "relu"}]
        path = bench.folder / changes["model"]
        path.write_text(json.dumps({"layers": layers, "training": {"epochs": 1}}), encoding="utf-8")
        changes = changes | {"model": str(path)}
    identities = set()
    for settings in (bench.base["systems"][system], bench.base["systems"][system] | changes):
        content = copy.deepcopy(bench.base)
        content["systems"]["viewer"] = settings
        content["compare"] = [{"dataset": dataset, "systems": ["viewer"], "budget": {"trials": 1}}]
        identities.add(bench.run(content, dataset, "viewer").identity[0])
    assert len(identities) == 2


def test_answers_depend_on_the_statistics_of_train(bench: Bench, tmp_path: Path) -> None:
    """Other statistics in the manifest are another identity, though the samples are the same."""
    content = bench.base
    outcome = bench.run(content, "pictures", "cropper")
    config = Config.model_validate(content)
    place = bench._prepare(config, "pictures")
    study = config.study("pictures", "cropper", config.seeds[0])
    data = open_prepared(place / "data" / "manifest.json")
    doubled = {name: (2 * np.array(values)).tolist() for name, values in data.manifest["statistics"].items()}
    other = Prepared(
        data.name, data.train, data.dev, data.classes, data.sha256, data.manifest | {"statistics": doubled}
    )
    card = run_study(study, other, files=study.settings.files(), code="code", folder=tmp_path, job_log=JobLog())
    assert card.frozen_sha256() != outcome.identity[0]


def test_module_of_paths_is_what_it_was() -> None:
    """Every frozen model has this module in its digest: a path that is new belongs to a module of its own."""
    source = Path(paths.__file__).read_bytes()
    assert hashlib.sha256(source).hexdigest() == ("b01b8ad7ede7481fc220bc2a57517e04aa3c2d1dae775a77f576469e1d70e437"), (
        "a change of core/paths.py voids every frozen model; change this line only if that is wanted"
    )
