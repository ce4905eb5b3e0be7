"""The digest of each stage holds all the code that the stage runs, and none of other kinds."""

from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from blindtune import stages
from blindtune.config.schema import read_dataset
from blindtune.config.systems import System
from blindtune.core.code_digest import closure, is_digested
from blindtune.core.job_log import JobLog
from blindtune.datasets.corpus.examples import write_examples
from blindtune.datasets.corpus.extraction import extract_batch, simulate_batch
from blindtune.datasets.prepared import open_prepared, prepare
from blindtune.decoding.decode import decode_to_files
from blindtune.study.run import run_study
from blindtune.views.feature_store import write_features
from support.builders import prepare_toy, study
from support.extractors import compute_features, write_extractor
from support.post_mortem_lab import PostMortemLab
from support.sharded_studies import ShardLab
from support.tables import write_table_folder
from support.tracing import traced

DRAWING = {"source": "drawing", "drawing": "set_10", "sizes": {"train": 60, "dev": 30, "eval": 30}, "seed": 1}
EEG = {
    "source": "eeg",
    "stand_in": True,
    "simulate": {"patients": 6, "recordings": 2, "seconds": 180, "faults": []},
    "sizes": {"train": 4, "dev": 2, "eval": 2},
    "files_per_job": 2,
}
TUNER = {"kind": "tuner", "space": "mlp", "training": {"epochs": 1}}
SYSTEMS: dict[str, dict[str, Any]] = {
    "knn": {"kind": "knn", "n_neighbors": [1, 3]},
    "random_forest": {"kind": "random_forest", "n_estimators": [3]},
    "bayes": {"kind": "bayes", **{split: {"n_neighbors": 3, "n_estimators": 3} for split in ("train", "dev", "eval")}},
    "manual": {"kind": "manual", "model": "mlp_m1", "training": {"epochs": 1}},
    "fused_random": TUNER | {"trainer": "fused", "tuner": {"library": "keras-tuner", "algorithm": "random"}},
    "pytorch_tpe": TUNER
    | {"trainer": "pytorch", "tuner": {"library": "optuna", "algorithm": "tpe", "pruner": {"algorithm": "median"}}},
    "svc_folds": {"kind": "tuner", "space": "svc", "estimator": "svc", "folds": 2}
    | {"tuner": {"library": "optuna", "algorithm": "tpe"}},
    "skorch_halving": TUNER
    | {"trainer": "skorch", "tuner": {"library": "scikit-learn", "algorithm": "halving-random-search"}},
}
TABLE = {"source": "table", "missing": "median", "label": "class"}
TABLE_SYSTEMS: dict[str, dict[str, Any]] = {
    "standardized": {"kind": "knn", "n_neighbors": [1], "view": "standardized"},
    "samples": {"kind": "random_forest", "n_estimators": [3], "view": "samples"},
}
VIEWS: dict[str, dict[str, Any]] = {
    "eeg_frames": {"kind": "manual", "model": "hybrid_12", "training": {"epochs": 1}, "view": "frames"},
    "eeg_features": {"kind": "knn", "n_neighbors": [1], "view": "features"},
}


def system_of(content: dict[str, Any]) -> Any:
    """Return the config of a system."""
    return TypeAdapter[Any](System).validate_python(content)


def check(ran: set[str], digested: set[str]) -> None:
    """Every module that ran and counts must be in the digest."""
    assert ran, "the tracer saw nothing"
    missing = {module for module in ran if is_digested(module)} - digested
    assert not missing, f"ran, but in no digest: {sorted(missing)}"


def digested(modules: set[str], system: Any = None) -> set[str]:
    """Return the modules of a digest."""
    return closure(*modules, without=() if system is None else stages.other_modules(system))


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A prepared dataset of two features."""
    return prepare_toy(tmp_path_factory.mktemp("toy"), train=60, dev=30, eval=30)


@pytest.fixture(scope="module")
def eeg(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A simulated corpus, through every stage of the preparation under the tracer; what ran, by stage."""
    folder = tmp_path_factory.mktemp("eeg")
    found: dict[str, Any] = {"folder": folder}
    extracts = {}
    for batch in read_dataset(EEG).batches():
        place = folder / "extracts" / f"{batch}.json"
        with traced() as ran:
            simulate_batch(read_dataset(EEG), batch, folder / "corpus", folder / f"{batch}.json")
        found.setdefault("simulate", set()).update(ran)
        with traced() as ran:
            extract_batch(read_dataset(EEG), batch, folder / "corpus", place)
        found.setdefault("extract", set()).update(ran)
        extracts[batch] = place
    manifest, seal = folder / "data" / "manifest.json", folder / "sealed" / "seal.json"
    with traced() as found["prepare"]:
        prepare("eeg", read_dataset(EEG), extracts, manifest, seal)
    train = [path for batch, path in extracts.items() if batch.startswith("train-")]
    with traced() as found["examples"]:
        write_examples(read_dataset(EEG), manifest, train, folder / "corpus", folder / "examples.npz")
    return found | {"manifest": manifest, "seal": seal}


STAGES = {
    "simulate": stages.SIMULATE,
    "extract": stages.EXTRACT,
    "prepare": stages.PREPARE,
    "examples": stages.EXAMPLES,
}


@pytest.mark.parametrize("stage", STAGES)
def test_preparation_runs_only_digested_code(eeg: dict[str, Any], stage: str) -> None:
    """Every stage of a simulated corpus has all that it ran in its digest."""
    check(eeg[stage], digested({STAGES[stage], *stages.source_modules(read_dataset(EEG).config)}))


def decode_arguments(folder: Path, manifest: Path, seal: Path) -> dict[str, Any]:
    """Return the arguments of the decode of the study in ``folder``."""
    return {
        "card": folder / "study" / "card.json",
        "manifest": manifest,
        "sealed": seal,
        "ledger": folder / "ledger",
        "allow_repeats": False,
        "points": 5,
        "folder": folder / "decode",
        "report": lambda line: None,
    }


def trace_study(content: dict[str, Any], data: Any, folder: Path) -> Any:
    """Run a study under the tracer; return its system and what ran."""
    system = system_of(content)
    it = study(system, budget={"trials": 3} if content["kind"] == "tuner" else None)
    compute_features(system.extractor, data)
    with traced() as ran:
        run_study(it, data, files=system.files(), code="code", folder=folder, job_log=JobLog())
    return system, ran


@pytest.mark.parametrize("name", SYSTEMS)
def test_study_and_decode_run_only_digested_code(toy: Any, tmp_path: Path, name: str) -> None:
    """A study and the decode of its model have all that they ran in their digests."""
    system, ran = trace_study(SYSTEMS[name], toy.open(), tmp_path / "study")
    dataset = read_dataset(DRAWING).config
    check(ran, digested(stages.study_modules(system, dataset), system))
    with traced() as ran:
        decode_to_files(**decode_arguments(tmp_path, toy.manifest, toy.seal))
    check(ran, digested(stages.decode_modules(system, dataset), system))


@pytest.mark.parametrize("name", ["knn", "fused_random", "skorch_halving"])
def test_shards_run_only_digested_code(toy: Any, tmp_path: Path, name: str) -> None:
    """Shards, and the study that takes their trials, have all that they ran in the digest of the study."""
    system = system_of(SYSTEMS[name])
    lab = ShardLab(toy.open(), tmp_path, system, budget={"trials": 3} if SYSTEMS[name]["kind"] == "tuner" else None)
    with traced() as ran:
        lab.run(chain.from_iterable(lab.run_rungs(2)) if "halving" in name else lab.run_shards(2))
    assert "blindtune.study.shard_run" in ran
    check(ran, digested(stages.study_modules(system, read_dataset(DRAWING).config), system))


@pytest.mark.parametrize("name", ["knn", "fused_random", "skorch_halving", "svc_folds"])
def test_post_mortem_runs_only_digested_code(tmp_path: Path, name: str) -> None:
    """A post-mortem has all that it ran in its digest."""
    lab = PostMortemLab(tmp_path, {name: SYSTEMS[name]})
    lab.run()
    lab.decode()
    with traced() as ran:
        lab.analyse(name)
    system, dataset = system_of(SYSTEMS[name]), read_dataset(DRAWING).config
    check(ran, digested(stages.post_mortem_modules(system, dataset), system))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A prepared table with missing values and categories; what ran."""
    folder = tmp_path_factory.mktemp("table")
    source = read_dataset(TABLE | {"file": str(write_table_folder(folder) / "rows.csv")})
    manifest, seal = folder / "data" / "manifest.json", folder / "sealed" / "seal.json"
    with traced() as ran:
        prepare("toy", source, source.user_files(), manifest, seal)
    return {"ran": ran, "manifest": manifest, "seal": seal, "config": source.config}


def test_preparation_of_a_table_runs_only_digested_code(table: dict[str, Any]) -> None:
    """All that reads, splits and encodes a table is in the digest of its preparation."""
    check(table["ran"], digested({stages.PREPARE, *stages.source_modules(table["config"])}))


@pytest.mark.parametrize("name", TABLE_SYSTEMS)
def test_view_of_a_table_runs_only_digested_code(table: dict[str, Any], tmp_path: Path, name: str) -> None:
    """What scales a table is in the digests of study and decode; what reads one is not."""
    system, ran = trace_study(TABLE_SYSTEMS[name], open_prepared(table["manifest"]), tmp_path / "study")
    modules = digested(stages.study_modules(system, table["config"]), system)
    check(ran, modules)
    assert "blindtune.datasets.table.text" not in modules
    with traced() as ran:
        decode_to_files(**decode_arguments(tmp_path, table["manifest"], table["seal"]))
    check(ran, digested(stages.decode_modules(system, table["config"]), system))


def test_features_of_own_code_run_only_digested_code(toy: Any, tmp_path: Path) -> None:
    """What runs a user's code and keeps its features is in the digests of features, study and decode."""
    view = write_extractor(tmp_path / "own")
    content = {"kind": "knn", "n_neighbors": [1], "view": view.model_dump(mode="json")}
    system, ran = trace_study(content, toy.open(), tmp_path / "study")
    dataset = read_dataset(DRAWING).config
    check(ran, digested(stages.study_modules(system, dataset), system))
    with traced() as ran:
        decode_to_files(**decode_arguments(tmp_path, toy.manifest, toy.seal))
    check(ran, digested(stages.decode_modules(system, dataset), system))
    with traced() as ran:
        write_features(view.model_copy(update={"batch_size": 7}), toy.open(), "0" * 16)
    check(ran, digested({stages.FEATURES}))


def test_features_of_own_code_void_no_other_view(toy: Any) -> None:
    """A change of what runs a user's code voids no study of another view."""
    dataset = read_dataset(DRAWING).config
    modules = digested(stages.decode_modules(system_of(SYSTEMS["knn"]), dataset))
    assert not {module for module in modules if "extract" in module or "feature_store" in module}


@pytest.mark.parametrize("name", VIEWS)
def test_view_runs_only_digested_code(eeg: dict[str, Any], tmp_path: Path, name: str) -> None:
    """What a view computes, normalisation included, is in the digests of study and decode."""
    system, ran = trace_study(VIEWS[name], open_prepared(eeg["manifest"]), tmp_path / "study")
    dataset = read_dataset(EEG).config
    check(ran, digested(stages.study_modules(system, dataset), system))
    with traced() as ran:
        decode_to_files(**decode_arguments(tmp_path, eeg["manifest"], eeg["seal"]))
    check(ran, digested(stages.decode_modules(system, dataset), system))
