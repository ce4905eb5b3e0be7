"""What the workflow plans for a search that is divided into shards, or has workers on several nodes."""

import pytest
from snakemake.settings.types import ResourceSettings

from support.builders import merged
from support.dag import plan, plan_in_order, pretend, running

CONFIG = {
    "seeds": [42, 43],
    "compare": [{"dataset": "one", "systems": ["near", "tuner"], "budget": {"trials": 9}, "shards": {"tuner": 3}}],
    "datasets": {
        "one": {
            "source": "drawing",
            "drawing": "set_10",
            "sizes": {"train": 60, "dev": 30, "eval": 30},
            "seed": 1,
        }
    },
    "systems": {
        "near": {"kind": "knn", "n_neighbors": [3]},
        "tuner": {"kind": "tuner", "tuner": {"library": "optuna", "algorithm": "random"}, "space": "mlp"},
    },
}
PLACE = "results/default/shards/one/tuner"


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """Return a working directory in which every job of CONFIG has run."""
    folder = tmp_path_factory.mktemp("sharded")
    with pytest.MonkeyPatch.context() as patch:
        pretend(folder, CONFIG, patch)
    return folder


def test_shards_are_jobs_of_each_seed(workdir):
    """Each seed has its shards, whose files are inputs of its study alone."""
    jobs = plan(workdir, CONFIG)
    shards = {job.name: job.outputs for job in jobs if job.rule == "shard"}
    assert shards == {
        f"shard one/tuner/{seed}/{number}-of-3": (f"{PLACE}/{seed}/{number}-of-3.jsonl",)
        for seed in (42, 43)
        for number in (1, 2, 3)
    }
    readers = {job.name: sorted(path for path in job.inputs if path.startswith(PLACE)) for job in jobs}
    assert {name: paths for name, paths in readers.items() if paths} == {
        f"study one/tuner/{seed}": [f"{PLACE}/{seed}/{number}-of-3.jsonl" for number in (1, 2, 3)] for seed in (42, 43)
    }


def test_shard_has_what_its_study_has(workdir):
    """A shard has the settings, code, files, environment and cores of its study, and its data."""
    jobs = {job.name: job for job in plan(workdir, CONFIG)}
    shard, study = jobs["shard one/tuner/42/1-of-3"], jobs["study one/tuner/42"]
    assert (shard.conda, shard.threads) == (study.conda, study.threads)
    assert set(shard.inputs) == {path for path in study.inputs if not path.startswith(PLACE)}
    params = {text.strip("[]") for text in study.params}
    own = {text.strip("[]") for text in shard.params} - params
    assert len(own) == 1, "the digest of its script"


def test_second_run_plans_no_shard(workdir):
    """A second run of the same config plans no job."""
    assert running(plan(workdir, CONFIG)) == set()


def test_lost_shards_of_a_finished_study_are_not_made_again(workdir):
    """Shards whose study is finished may be removed."""
    jobs = plan(workdir, CONFIG)
    removed = [workdir / path for job in jobs if job.rule == "shard" for path in job.outputs]
    contents = {path: path.read_bytes() for path in removed}
    try:
        for path in removed:
            path.unlink()
        assert running(plan(workdir, CONFIG)) == set()
    finally:
        for path, content in contents.items():
            path.write_bytes(content)


def test_raised_budget_runs_shards_and_studies(workdir):
    """With more trials, shards and studies run again: they train what is missing."""
    raised = merged(CONFIG, {"compare": [CONFIG["compare"][0] | {"budget": {"trials": 12}}]})
    names = running(plan(workdir, raised))
    assert {name for name in names if name.startswith("shard")} == {
        f"shard one/tuner/{seed}/{number}-of-3" for seed in (42, 43) for number in (1, 2, 3)
    }
    assert {"study one/tuner/42", "study one/tuner/43"} <= names and "study one/near/42" not in names


RUNGS = CONFIG | {
    "compare": [CONFIG["compare"][0] | {"systems": ["tuner"], "budget": {"trials": 23}, "shards": {"tuner": 2}}],
    "systems": {
        "tuner": CONFIG["systems"]["tuner"]
        | {"tuner": {"library": "keras-tuner", "algorithm": "hyperband"}, "training": {"epochs": 9}}
    },
}


def test_shards_of_a_rung_wait_for_those_before(tmp_path):
    """Each rung has its shards, which read all shards of the rungs before; the study reads all of them."""
    jobs = {job.name: job for job in plan(tmp_path, RUNGS)}
    first, second, third = (
        [f"{PLACE}/42/rung{rung}-{number}-of-{of}.jsonl" for number in range(1, of + 1)]
        for rung, of in ((1, 2), (2, 2), (3, 1))
    )

    def read(name):
        return sorted(path for path in jobs[name].inputs if path.startswith(PLACE))

    assert read("shard one/tuner/42/rung1-1-of-2") == []
    assert read("shard one/tuner/42/rung2-2-of-2") == first
    assert read("shard one/tuner/42/rung3-1-of-1") == [*first, *second]
    assert read("study one/tuner/42") == [*first, *second, *third]
    assert sum(name.startswith("shard one/tuner/42/") for name in jobs) == 5


def test_job_of_all_seeds_has_the_shards_of_all(tmp_path):
    """With `seeds_in_one_job`, one job takes the trials of the shards of every seed."""
    config = CONFIG | {"compare": [CONFIG["compare"][0] | {"seeds_in_one_job": True}]}
    [job] = [job for job in plan(tmp_path, config) if job.name == "study_of_all_seeds one/tuner"]
    assert [path for path in job.inputs if path.startswith(PLACE)] == [
        f"{PLACE}/{seed}/{number}-of-3.jsonl" for seed in (42, 43) for number in (1, 2, 3)
    ]


def test_study_with_worker_nodes_asks_for_them(workdir):
    """A study on two nodes asks for them and survives a lost one; nothing runs for it, and no other job asks."""
    entry = {"dataset": "one", "systems": ["near", "tuner"], "budget": {"trials": 9}}
    one, two = (plan(workdir, CONFIG | {"compare": [entry | {"worker_nodes": {"tuner": number}}]}) for number in (1, 2))
    asked = {
        job.name: {name: value for name, value in job.resources if name in ("nodes", "tasks", "slurm_extra")}
        for job in two
    }
    expected = {"nodes": 2, "tasks": 2, "slurm_extra": "--no-kill"}
    assert {name: found for name, found in asked.items() if found} == {
        f"study one/tuner/{seed}": expected for seed in (42, 43)
    }
    assert running(one) == running(two)


@pytest.mark.parametrize(
    ("given", "nodes", "tasks"),
    [({"nodes": 3}, 3, 3), ({"tasks": 6}, 2, 6)],
)
def test_another_number_of_nodes_is_for_studies_on_several_nodes_alone(tmp_path, given, nodes, tasks):
    """Shards, and studies that share a job of the cluster, keep to one node."""
    systems = CONFIG["systems"] | {"sharded": CONFIG["systems"]["tuner"]}
    entry = {"dataset": "one", "systems": list(systems), "budget": {"trials": 9}}
    entry |= {"worker_nodes": {"tuner": 2}, "shards": {"sharded": 2}}
    settings = ResourceSettings(cores=2, overwrite_resources={"study": given})
    jobs = plan(tmp_path, CONFIG | {"compare": [entry], "systems": systems, "seeds": [42]}, resources=settings)
    asked = {job.name: {key: value for key, value in job.resources if key in ("nodes", "tasks")} for job in jobs}
    assert {name: found for name, found in asked.items() if found} == {
        "study one/tuner/42": {"nodes": nodes, "tasks": tasks}
    }


def test_dry_run_shows_the_nodes_of_a_study_on_several(tmp_path):
    """A dry run is where a user looks at what each job would ask for."""
    entry = {"dataset": "one", "systems": ["near", "tuner"], "budget": {"trials": 9}, "worker_nodes": {"tuner": 2}}
    jobs = [job for job, _, _ in plan_in_order(tmp_path, CONFIG | {"compare": [entry], "seeds": [42]})]
    shown = {job.wildcards.system: job.message.endswith(", nodes: 2)") for job in jobs if job.rule.name == "study"}
    assert shown == {"near": False, "tuner": True}
