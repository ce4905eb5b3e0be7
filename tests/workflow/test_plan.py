"""What the workflow plans to do."""

from collections import Counter
from pathlib import Path

import pytest
import yaml
from snakemake.exceptions import WorkflowError
from snakemake.settings.types import ResourceSettings

from blindtune.tuners import engines
from support.builders import OVERLAYS
from support.dag import ROOT, plan

#: Rules that run for each dataset, system or study; the others run once.
_PER_DATA = ("simulate", "extract", "prepare", "sample_splits", "examples", "study_of_all_seeds", "decode")


@pytest.fixture(scope="module")
def default_jobs(tmp_path_factory):
    """Return the jobs that the default config plans."""
    return plan(tmp_path_factory.mktemp("default"))


def test_plan_has_one_job_per_system_and_dataset(default_jobs):
    """The default config plans one job for all studies of a system, each decode, dataset and part of the report."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    systems = [f"{one['dataset']}/{system}" for one in config["compare"] for system in one["systems"]]
    planned = {
        rule: [job.name.removeprefix(f"{rule} ") for job in default_jobs if job.rule == rule]
        for rule in _collect_rules(default_jobs)
    }
    assert sorted(planned["study_of_all_seeds"]) == sorted(systems)
    assert sorted(planned["decode"]) == sorted(systems)
    datasets = sorted(comparison["dataset"] for comparison in config["compare"])
    corpora = sorted(name for name in datasets if config["datasets"][name]["source"] in ("slides", "eeg"))
    assert planned["prepare"] == datasets
    assert planned["sample_splits"] == [name for name in datasets if name not in corpora]
    assert len(corpora) == 2 and planned["examples"] == corpora
    assert planned["simulate"] and len(planned["simulate"]) == len(planned["extract"])
    once = Counter(job.rule for job in default_jobs if job.rule not in _PER_DATA)
    assert once == Counter(tables=1, figures=1, page=1, all=1)


def test_plan_gives_sealed_files_to_few_rules(default_jobs):
    """Only `decode`, `sample_splits` and `prepare` have a sealed file among their inputs; the target reads nothing."""
    readers = {job.rule for job in default_jobs if any("/sealed/" in path for path in job.inputs)} - {"all"}
    assert readers == {"decode", "sample_splits", "prepare"}
    text = (ROOT / "workflow" / "rules" / "decode.smk").read_text(encoding="utf-8")
    assert all(f"rule {rule}:" in text for rule in readers - {"prepare"})
    # Prepare makes the seal: it reads what was cut for eval from the raw files of a corpus, and nothing else of it.
    read = [path for job in default_jobs if job.rule == "prepare" for path in job.inputs if "/sealed/" in path]
    assert read and all("/extracts/eval-" in path for path in read)


def test_target_asks_for_every_file_that_must_stay(default_jobs):
    """The target has the outputs of all jobs as inputs, but for those that may be removed once they were used."""
    check_target(default_jobs)


def check_target(jobs):
    """Compare the inputs of the target with the outputs of the jobs of a plan."""
    [target] = [job for job in jobs if job.rule == "all"]
    kept = {path for job in jobs if job.rule not in ("simulate", "extract", "fetch", "shard") for path in job.outputs}
    assert set(target.inputs) == kept


def test_study_depends_on_the_manifest_only(default_jobs):
    """A study has the manifest of its dataset as input, and no other file of it."""
    for job in (job for job in default_jobs if job.rule == "study_of_all_seeds"):
        assert [path for path in job.inputs if path.startswith("results/")] == [
            f"results/default/data/{job.wildcards[0]}/manifest.json"
        ]


def test_sample_splits_waits_for_every_frozen_model(default_jobs):
    """`sample_splits` runs after every model of its dataset is frozen."""
    for sampling in (job for job in default_jobs if job.rule == "sample_splits"):
        cards = {path for path in sampling.inputs if path.endswith("card.json")}
        assert cards == {
            path
            for job in default_jobs
            if job.rule == "study_of_all_seeds" and job.wildcards[0] == sampling.wildcards[0]
            for path in job.outputs
        }


@pytest.fixture(scope="module")
def mixed_jobs(tmp_path_factory):
    """Return the jobs of a config in which one dataset has a job for each seed, and the other one for all seeds."""
    compare = [
        {"dataset": "set_08", "systems": ["knn", "mlp_a"], "budget": {"trials": 3}, "seeds_in_one_job": True},
        {"dataset": "set_10", "systems": ["knn", "mlp_a1"], "budget": {"trials": 3}},
    ]
    return plan(tmp_path_factory.mktemp("mixed"), {"compare": compare, "seeds": [5, 6]})


def test_seeds_in_one_job_is_of_each_dataset(mixed_jobs):
    """One job writes the cards of all seeds where the config has it so, elsewhere one job for each seed."""
    written = {job.name: job.outputs for job in mixed_jobs if job.rule.startswith("study")}
    place = "results/default/studies"
    assert written == {
        f"study_of_all_seeds set_08/{system}": tuple(f"{place}/set_08/{system}/{seed}/card.json" for seed in (5, 6))
        for system in ("knn", "mlp_a")
    } | {
        f"study set_10/{system}/{seed}": (f"{place}/set_10/{system}/{seed}/card.json",)
        for system in ("knn", "mlp_a1")
        for seed in (5, 6)
    }


def test_settings_of_studies_count_for_every_job_that_does_the_work_of_one(tmp_path):
    """--set-threads and --set-resources of study are also for jobs of all seeds and shards; GPUs have a place."""
    compare = [
        {"dataset": "set_08", "systems": ["knn", "mlp_m"], "budget": {"trials": 4}, "seeds_in_one_job": True},
        {"dataset": "set_10", "systems": ["mlp_a1"], "budget": {"trials": 4}, "shards": {"mlp_a1": 2}},
    ]
    jobs = plan(
        tmp_path,
        {"compare": compare, "seeds": [5], "resources": {"rules": {"study": {"gpu": 1}}}},
        resources=ResourceSettings(
            cores=8,
            overwrite_threads={"study": 3},
            overwrite_resources={"study": {"runtime": 77}},
            default_resources={"slurm_partition": "main", "gpu_partition": "gpus"},
        ),
    )
    found = {job.name: {"threads": job.threads, **dict(job.resources)} for job in jobs}
    names = ["study_of_all_seeds set_08/knn", "study set_10/mlp_a1/5", "shard set_10/mlp_a1/5/1-of-2"]
    assert {(found[name]["threads"], found[name]["runtime"]) for name in names} == {(3, 77)}
    partitions = {name: (entry["gpu"], entry["slurm_partition"]) for name, entry in found.items() if "gpu" in entry}
    assert partitions == {
        "study_of_all_seeds set_08/knn": (0, "main"),
        "decode set_08/knn": (0, "main"),
        "study_of_all_seeds set_08/mlp_m": (1, "gpus"),
        "decode set_08/mlp_m": (1, "gpus"),
        **dict.fromkeys(("shard set_10/mlp_a1/5/1-of-2", "shard set_10/mlp_a1/5/2-of-2"), (1, "gpus")),
        "study set_10/mlp_a1/5": (1, "gpus"),
        "decode set_10/mlp_a1": (1, "gpus"),
    }


def test_jobs_of_all_seeds_have_what_a_job_of_one_has(tmp_path, mixed_jobs):
    """A job of all seeds has the inputs, environment, settings and code of those of one seed, and each one's log."""
    alone = plan(
        tmp_path,
        {"compare": [{"dataset": "set_08", "systems": ["knn", "mlp_a"], "budget": {"trials": 3}}], "seeds": [5, 6]},
    )
    for system in ("knn", "mlp_a"):
        [job] = [job for job in mixed_jobs if job.name == f"study_of_all_seeds set_08/{system}"]
        singles = [one for one in alone if one.name in {f"study set_08/{system}/{seed}" for seed in (5, 6)}]
        assert {(one.inputs, one.conda, one.threads) for one in singles} == {(job.inputs, job.conda, job.threads)}
        assert job.log == tuple(log for one in singles for log in one.log) and len(job.log) == 2
        # The studies are a list of each: one of two, and two of one.
        studies = [value for one in singles for value in one.params if value.startswith("[{")]
        assert {f"[{', '.join(value[1:-1] for value in studies)}]"} == set(job.params) - set(singles[0].params)
        assert set(singles[0].params) - set(job.params) == {studies[0]}


def test_jobs_have_their_own_logs_and_an_existing_environment(default_jobs):
    """Every job has a log that no other job writes, one for each study, and a conda environment that exists."""
    jobs = [job for job in default_jobs if job.rule != "all"]
    assert all(len(job.log) == (3 if job.rule == "study_of_all_seeds" else 1) for job in jobs)
    logs = [log for job in jobs for log in job.log]
    assert len(set(logs)) == len(logs)
    assert all(job.conda and Path(job.conda).is_file() for job in jobs)


def test_outputs_are_below_the_results_folder(default_jobs):
    """All outputs and logs are below the results folder of the config, and no two jobs write one file."""
    places = [path for job in default_jobs for path in (*job.outputs, *job.log)]
    assert all(path.startswith("results/default/") for path in places)
    assert len(set(places)) == len(places)


@pytest.mark.parametrize("overlays", OVERLAYS.values(), ids=OVERLAYS)
def test_plan_takes_every_shipped_overlay(tmp_path, overlays, monkeypatch):
    """Every overlay that is part of the project can be planned, into a results folder with its name."""
    # Those of optional engines where they are not installed, too.
    monkeypatch.setattr(engines, "find_fault", lambda library: None)
    jobs = plan(tmp_path, overlays=overlays)
    names = {path.split("/")[1] for job in jobs for path in job.outputs}
    assert names == {yaml.safe_load(overlays[-1].read_text(encoding="utf-8"))["name"]}
    assert {"decode", "page"} <= _collect_rules(jobs)
    assert _collect_rules(jobs) & {"study", "study_of_all_seeds"}


def test_post_mortems_wait_for_every_decode(tmp_path, default_jobs):
    """With consent, each search gets a post-mortem after all decodes of the config; no other job changes.

    Those of other datasets too: datasets may share their eval, and what is decoded after a post-mortem is not blind.
    """
    jobs = plan(tmp_path, {"post_mortem": True})
    found = [job for job in jobs if job.rule == "post_mortem"]
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    searching = {
        name
        for name, system in config["systems"].items()
        if system["kind"] == "tuner" or any(len(value) > 1 for value in system.values() if isinstance(value, list))
    }
    wanted = {
        (one["dataset"], system, str(seed))
        for one in config["compare"]
        for system in one["systems"]
        for seed in config["seeds"]
        if system in searching
    }
    assert {job.wildcards for job in found} == wanted
    for job in found:
        decodes = {path for path in job.inputs if path.endswith("result.json")}
        assert decodes == {
            path for other in jobs if other.rule == "decode" for path in other.outputs if path.endswith("result.json")
        }
    assert {job.rule for job in jobs if any("/sealed/" in path for path in job.inputs)} == {
        "decode",
        "sample_splits",
        "prepare",
        "post_mortem",
        "all",
    }
    reports = ("tables", "figures", "page", "post_mortem", "all")
    assert [job for job in jobs if job.rule not in reports] == [job for job in default_jobs if job.rule not in reports]
    check_target(jobs)
    made = {path for job in found for path in job.outputs}
    for rule in ("tables", "figures", "page"):
        [job] = [job for job in jobs if job.rule == rule]
        assert made <= set(job.inputs)
    assert not any(
        "post_mortem" in path
        for job in default_jobs
        for path in (*job.inputs, *job.outputs)
        if "report/tables" not in path
    )


def test_post_mortem_without_a_search_is_refused(tmp_path):
    """Consent to a post-mortem where nothing searches is refused by name."""
    config = {
        "post_mortem": True,
        "compare": [{"dataset": "set_08", "systems": ["mlp_m", "one"], "budget": {"trials": 1}}],
        "systems": {"one": {"kind": "knn", "n_neighbors": [3]}},
    }
    with pytest.raises(WorkflowError, match="post_mortem: no system of compare searches"):
        plan(tmp_path, config)


def test_fetch_runs_before_prepare(tmp_path):
    """A fetched dataset is downloaded before it is prepared."""
    config = {
        "compare": [{"dataset": "real", "systems": ["near"], "budget": {"trials": 1}}],
        "datasets": {"real": {"source": "csv_folder", "fetch": "set_10"}},
        "systems": {"near": {"kind": "knn", "n_neighbors": [3]}},
    }
    jobs = {job.name: job for job in plan(tmp_path, config)}
    files = [f"results/default/downloads/set_10/{split}.csv" for split in ("dev", "eval", "train")]
    assert list(jobs["prepare real"].inputs) == files
    assert [jobs[f"fetch set_10/{split}.csv"].outputs for split in ("dev", "eval", "train")] == [(f,) for f in files]


def _collect_rules(jobs):
    """Return the names of the rules of jobs."""
    return {job.rule for job in jobs}


def test_plan_refuses_duplicate_keys(tmp_path):
    """A key that is twice in an overlay is refused with both lines; Snakemake lets the last one count."""
    overlay = tmp_path / "mine.yaml"
    overlay.write_text("name: mine\nseeds: [1]\nseeds: [2]\n", encoding="utf-8")
    with pytest.raises(WorkflowError, match=r"mine\.yaml: the key 'seeds' is in line 2 and in line 3"):
        plan(tmp_path, overlays=[overlay])


def test_plan_takes_numbers_as_people_write_them(tmp_path):
    """1e-3 in an overlay is a number, though Snakemake's loader reads it as text."""
    overlay = tmp_path / "mine.yaml"
    overlay.write_text("name: mine\nsystems: {mlp_m: {training: {learning_rate: 1e-3}}}\n", encoding="utf-8")
    assert plan(tmp_path, overlays=[overlay])
