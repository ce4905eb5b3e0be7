"""What the workflow plans for systems whose features the user's own code computes."""

import copy
from pathlib import Path

import pytest
from snakemake.exceptions import WorkflowError

from support.dag import plan, pretend, running
from support.extractors import write_extractor

SIZES = {"train": 60, "dev": 30, "eval": 30}
CONFIG = {
    "seeds": [42, 43],
    "compare": [
        {"dataset": "one", "systems": ["near", "forest", "tuner", "plain"], "budget": {"trials": 2}},
        {"dataset": "two", "systems": ["near"], "budget": {"trials": 2}},
    ],
    "datasets": {
        "one": {"source": "drawing", "drawing": "set_10", "sizes": SIZES, "seed": 1},
        "two": {"source": "drawing", "drawing": "set_10", "sizes": SIZES, "seed": 2},
    },
    "systems": {
        "near": {"kind": "knn", "n_neighbors": [3]},
        "forest": {"kind": "random_forest"},
        "tuner": {"kind": "tuner", "tuner": {"library": "optuna", "algorithm": "random"}, "space": "mlp"},
        "plain": {"kind": "knn", "n_neighbors": [3]},
    },
}


def with_views(folder: Path, **keys) -> dict:
    """Return CONFIG with one view of all systems but ``plain``, whose files are in a folder."""
    view = write_extractor(folder, **keys).model_dump(mode="json")
    config = copy.deepcopy(CONFIG)
    for name in ("near", "forest", "tuner"):
        config["systems"][name]["view"] = view
    config["systems"]["forest"]["view"] = view | {"standardize": False}
    return config


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """Return a working directory in which every job of CONFIG has run, with the files of its view in ``own``."""
    folder = tmp_path_factory.mktemp("features")
    with pytest.MonkeyPatch.context() as patch:
        pretend(folder, with_views(folder / "own"), patch)
    return folder


def test_features_are_one_job_of_each_dataset(workdir):
    """All systems and seeds of a view share one job, whose record is an input of their studies and decodes alone."""
    jobs = plan(workdir, with_views(workdir / "own"))
    features = {job.wildcards[0]: job for job in jobs if job.rule == "features"}
    assert set(features) == {"one", "two"} and sum(job.rule == "features" for job in jobs) == 2
    for dataset, job in features.items():
        assert job.inputs == (f"results/default/data/{dataset}/manifest.json",)
        [record] = job.outputs
        assert "/sealed/" not in record
        readers = {(one.rule, one.wildcards[1]) for one in jobs if record in one.inputs and one.rule != "all"}
        systems = ("near", "forest", "tuner") if dataset == "one" else ("near",)
        assert readers == {(rule, system) for rule in ("study", "decode") for system in systems}
        assert dict(job.resources)["mem_mb"] > 1500
    assert not running(jobs)


def test_sealed_files_are_read_by_the_same_rules(workdir):
    """Features open no eval: the rules that do are those of any other config; `all` runs nothing."""
    jobs = plan(workdir, with_views(workdir / "own"))
    assert {job.rule for job in jobs if any("/sealed/" in path for path in job.inputs)} == {
        "decode",
        "sample_splits",
        "all",
    }


def test_systems_run_where_the_code_can(workdir):
    """A system of scikit-learn gets the environment with deep learning, which its decode needs for eval."""
    jobs = {job.name: job for job in plan(workdir, with_views(workdir / "own"))}
    names = {name: Path(job.conda).stem for name, job in jobs.items() if job.rule in ("study", "decode")}
    assert names["study one/near/42"] == names["decode one/near"] == "networks"
    assert names["study one/plain/42"] == "scikit"
    assert names["study one/tuner/42"] == "networks"


def test_moved_or_commented_code_computes_no_features(workdir, tmp_path):
    """Files elsewhere have the same features; other weights, or other code, have others."""
    before = {job.outputs for job in plan(workdir, with_views(workdir / "own")) if job.rule == "features"}
    for code, is_same in (("# a comment\n", True), ("SIZE = 3\n", False)):
        config = with_views(tmp_path / str(is_same))
        path = tmp_path / str(is_same) / "extractor.py"
        path.write_text(code + path.read_text(encoding="utf-8"), encoding="utf-8")
        found = {job.outputs for job in plan(workdir, config) if job.rule == "features"}
        assert (found == before) == is_same and bool(found & before) == is_same
    other = plan(workdir, with_views(tmp_path / "weights", seed=1))
    assert {"features", "study", "decode"} <= {job.rule for job in other if job.runs}
    assert not {name for name in running(other) if "plain" in name}


def test_lost_features_are_made_again(tmp_path, monkeypatch):
    """Without their record, which finished studies no longer need, the features are computed again."""
    config = with_views(tmp_path / "own")
    pretend(tmp_path, config, monkeypatch)
    [lost] = (tmp_path / "results" / "default" / "data" / "two" / "features").glob("*.json")
    lost.unlink()
    assert f"features two/{lost.stem}" in running(plan(tmp_path, config))


def test_bad_extractor_is_refused_by_the_plan(tmp_path):
    """A missing file of weights is named with the system and the dataset."""
    config = with_views(tmp_path / "own")
    (tmp_path / "own" / "backbone.json").unlink()
    with pytest.raises(WorkflowError, match=r"systems\.near on one: view: weights: .*backbone\.json does not exist"):
        plan(tmp_path, config)
