"""What the workflow plans to do."""

from collections import Counter
from pathlib import Path

import pytest
import yaml

from support.builders import OVERLAYS
from support.dag import ROOT, plan

#: Rules that run for each dataset, system or study; the others run once.
_PER_DATA = ("make", "extract", "prepare", "sample_splits", "examples", "study", "decode")


@pytest.fixture(scope="module")
def default(tmp_path_factory):
    return plan(tmp_path_factory.mktemp("default"))


def test_the_default_study_plans_one_job_for_each_study_system_and_dataset(default):
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    systems = [f"{one['dataset']}/{system}" for one in config["compare"] for system in one["systems"]]
    wanted = [f"{system}/{seed}" for system in systems for seed in config["seeds"]]
    planned = {
        rule: [job.name.removeprefix(f"{rule} ") for job in default if job.rule == rule] for rule in _rules(default)
    }
    assert sorted(planned["study"]) == sorted(wanted)
    assert sorted(planned["decode"]) == sorted(systems)
    datasets = sorted(comparison["dataset"] for comparison in config["compare"])
    corpora = sorted(name for name in datasets if config["datasets"][name]["source"] in ("slides", "eeg"))
    assert planned["prepare"] == datasets
    assert planned["sample_splits"] == [name for name in datasets if name not in corpora]
    assert len(corpora) == 2 and planned["examples"] == corpora
    assert planned["make"] and len(planned["make"]) == len(planned["extract"])
    report_each_epoch_once = Counter(job.rule for job in default if job.rule not in _PER_DATA)
    assert report_each_epoch_once == Counter(tables=1, figures=1, page=1, all=1)


def test_only_decode_and_picture_have_a_sealed_file_among_their_inputs(default):
    readers = {job.rule for job in default if any("/sealed/" in path for path in job.inputs)}
    assert readers == {"decode", "sample_splits", "prepare"}
    text = (ROOT / "workflow" / "rules" / "decode.smk").read_text(encoding="utf-8")
    assert all(f"rule {rule}:" in text for rule in readers - {"prepare"})
    # Prepare makes the seal: it reads what was cut for eval from the raw files of a corpus, and nothing else of it.
    read = [path for job in default if job.rule == "prepare" for path in job.inputs if "/sealed/" in path]
    assert read and all("/extracts/eval-" in path for path in read)


def test_a_study_reads_the_manifest_and_nothing_else_of_its_dataset(default):
    for job in (job for job in default if job.rule == "study"):
        assert [path for path in job.inputs if path.startswith("results/")] == [
            f"results/default/data/{job.wildcards[0]}/manifest.json"
        ]


def test_a_picture_waits_until_every_model_of_its_dataset_is_frozen(default):
    for picture in (job for job in default if job.rule == "sample_splits"):
        cards = {path for path in picture.inputs if path.endswith("card.json")}
        assert cards == {
            path
            for job in default
            if job.rule == "study" and job.wildcards[0] == picture.wildcards[0]
            for path in job.outputs
        }


def test_every_rule_has_a_log_of_its_own_and_an_environment_that_exists(default):
    jobs = [job for job in default if job.rule != "all"]
    assert all(len(job.log) == 1 for job in jobs)
    assert len({job.log for job in jobs}) == len(jobs)
    assert all(job.conda and Path(job.conda).is_file() for job in jobs)


def test_everything_goes_below_the_folder_of_the_config(default):
    places = [path for job in default for path in (*job.outputs, *job.log)]
    assert all(path.startswith("results/default/") for path in places)
    assert len(set(places)) == len(places)


@pytest.mark.parametrize("overlays", OVERLAYS.values(), ids=OVERLAYS)
def test_the_studies_that_ship_can_be_planned(tmp_path, overlays):
    jobs = plan(tmp_path, overlays=overlays)
    names = {path.split("/")[1] for job in jobs for path in job.outputs}
    assert names == {yaml.safe_load(overlays[-1].read_text(encoding="utf-8"))["name"]}
    assert {"study", "decode", "page"} <= _rules(jobs)


def test_a_fetched_dataset_is_downloaded_before_it_is_prepared(tmp_path):
    config = {
        "compare": [{"dataset": "real", "systems": ["near"], "budget": {"trials": 1}}],
        "datasets": {"real": {"source": "csv_folder", "fetch": "set_10"}},
        "systems": {"near": {"kind": "knn", "n_neighbors": [3]}},
    }
    jobs = {job.name: job for job in plan(tmp_path, config)}
    files = [f"results/default/downloads/set_10/{split}.csv" for split in ("dev", "eval", "train")]
    assert list(jobs["prepare real"].inputs) == files
    assert [jobs[f"fetch set_10/{split}.csv"].outputs for split in ("dev", "eval", "train")] == [(f,) for f in files]


def _rules(jobs):
    return {job.rule for job in jobs}
