"""The config key `worker_nodes`: which studies may run on several nodes, and what their jobs ask for."""

from pathlib import Path
from typing import Any

import pytest

from blindtune.config.schema import describe_plan, read
from blindtune.core.errors import UserError
from blindtune.job_resources.estimates import Estimator, check_requests
from support.builders import config, write_csv_folder

TPE = {"library": "optuna", "algorithm": "tpe", "batch": 6}
JOB = {"dataset": "toy", "system": "it", "seed": "1"}


def build(folder: Path, system: dict[str, Any], number: int = 2, **changes: Any) -> dict[str, Any]:
    """Return a config with one system on several nodes."""
    if not (folder / "csv").exists():
        write_csv_folder(folder / "csv")
    entry = {"dataset": "toy", "systems": ["it"], "budget": {"trials": 9}, "worker_nodes": {"it": number}}
    entry |= changes.pop("comparison", {})
    return config(str(folder / "csv"), compare=[entry], systems={"it": system}, seeds=[1]) | changes


def tuned(tuner: dict[str, Any] = TPE, **changes: Any) -> dict[str, Any]:
    """Return the entry of a tuned system."""
    return {"kind": "tuner", "tuner": tuner, "space": "mlp", "trainer": "pytorch"} | changes


@pytest.mark.parametrize(
    "system",
    [
        tuned(),
        tuned(TPE | {"batch": 1}, folds=3),
        tuned({"library": "keras-tuner", "algorithm": "hyperband"}),
        tuned({"library": "optuna", "algorithm": "random"}),
    ],
)
def test_study_on_nodes_is_planned(tmp_path: Path, system: dict[str, Any]) -> None:
    """The number of nodes is what the config says, the plan names it, and the job shares no job with others."""
    parsed = read(build(tmp_path, system), "my.yaml")
    assert describe_plan(parsed) == "searches that ask Slurm for several nodes: it on toy 2."
    estimator = Estimator(parsed)
    assert estimator.count_nodes(JOB) == 2
    assert not estimator.is_light("study", JOB)
    one = read(build(tmp_path, system, 1), "my.yaml")
    assert describe_plan(one) == "" and Estimator(one).is_light("study", JOB)


def test_memory_is_that_of_one_node(tmp_path: Path) -> None:
    """A study on nodes asks for the memory of its node, with the workers there; more nodes have no more each."""
    needs = {
        number: Estimator(read(build(tmp_path, tuned(), number), "my.yaml")).needs("study", JOB).mem_mb
        for number in (1, 2, 9)
    }
    assert needs[1] + 700 < needs[2] == needs[9]


@pytest.mark.parametrize(
    ("system", "comparison", "words"),
    [
        (tuned(TPE | {"batch": 1}), {}, "optuna's tpe proposes one set at a time, which one worker trains"),
        (tuned({"library": "keras-tuner", "algorithm": "bayesian"}), {}, "keras-tuner's bayesian proposes one"),
        (
            tuned({"library": "keras-tuner", "algorithm": "grid"}, space="guide_mlp"),
            {},
            "keras-tuner's grid proposes one",
        ),
        (tuned({"library": "smac", "algorithm": "forest"}), {}, "smac's forest proposes one"),
        (tuned({"library": "vizier", "algorithm": "eagle"}), {}, "vizier's eagle proposes one"),
        ({"kind": "knn", "n_neighbors": [1, 3]}, {}, "is for tuners"),
        ({"kind": "manual", "model": "mlp_m1"}, {}, "is for tuners"),
        (tuned({"library": "optuna", "algorithm": "random"}), {"shards": {"it": 2}}, "trained by its shards"),
        (tuned(), {"worker_nodes": {"its": 2}}, "'its' is not among the systems of this comparison: did you mean"),
        (tuned(), {"worker_nodes": {"it": 0}}, "worker_nodes.it: Input should be greater than or equal to 1"),
        (tuned(), {"worker_nodes": {"it": 1001}}, "worker_nodes.it: Input should be less than or equal to 1000"),
    ],
)
def test_read_refuses_what_would_use_one_node(
    tmp_path: Path, system: dict[str, Any], comparison: dict[str, Any], words: str
) -> None:
    """One message names the system or the key, and what to do."""
    with pytest.raises(UserError) as caught:
        read(build(tmp_path, system, comparison=comparison), "my.yaml")
    assert words in str(caught.value) and "worker_nodes" in str(caught.value)


@pytest.mark.parametrize("entry", [{"rules": {"study": {"gpu": 1}}}, {"systems": {"it": {"gpu": 1}}}])
def test_gpu_on_one_of_several_nodes_is_refused(tmp_path: Path, entry: dict[str, Any]) -> None:
    """A GPU that one node would have and the others not would make trials differ."""
    parsed = read(build(tmp_path, tuned(), resources=entry), "my.yaml")
    with pytest.raises(UserError, match=r"^my\.yaml: worker_nodes: it on toy asks for a GPU"):
        check_requests(parsed, "my.yaml")


def test_nodes_belong_to_no_identity(tmp_path: Path) -> None:
    """The study is the same on any number of nodes."""
    one, two = (read(build(tmp_path, tuned(), number), "my.yaml").study("toy", "it", 1) for number in (1, 2))
    assert one == two
