"""The script that breaks a Slurm: what it leaves out, it names. The faults themselves need a cluster."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.drivers.break_slurm import FAULTS, SEARCHES, WORKER, choose_faults, list_job, parse_arguments

WORDS = ["folder", "--partition", "main"]


def test_faults_without_their_commands_are_named() -> None:
    """A fault whose command is missing is left out, and a line says which option it needs."""
    lines: list[str] = []
    chosen = choose_faults(parse_arguments([*WORDS, "--lose", "lose {node}"]), lines.append)
    assert lines == [
        "node-back is left out: it needs --return",
        "node-dead is left out: it needs --return",
        "controller is left out: it needs --controller-down and --controller-up",
        "worker-node-dead is left out: it needs --return",
    ]
    assert len(chosen) + len(lines) == len(FAULTS)


def test_all_faults_are_tried_with_all_commands() -> None:
    """With all commands nothing is left out."""
    options = ("--lose", "--return", "--controller-down", "--controller-up")
    lines: list[str] = []
    chosen = choose_faults(parse_arguments([*WORDS, *(f"{option}=true" for option in options)]), lines.append)
    assert (chosen, lines) == (list(FAULTS), [])


def test_searches_differ_from_undisturbed_ones_in_one_key() -> None:
    """What a search is compared with lacks only the key that divides it."""
    added = {
        name: set(search.config["compare"][0]) - set(search.whole["compare"][0]) for name, search in SEARCHES.items()
    }
    assert added == {"tpe": set(), "workers": {"worker_nodes"}, "shards": {"shards"}, "rungs": {"shards"}}
    for search in SEARCHES.values():
        assert {**search.config, "compare": None} == {**search.whole, "compare": None}


@pytest.fixture
def worker() -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that looks like a worker of job 77 on the node n9."""
    code = "import time; time.sleep(60)  # blindtune.training.pool.worker"
    variables = os.environ | {"SLURM_JOB_ID": "77", "SLURMD_NODENAME": "n9"}
    with subprocess.Popen([sys.executable, "-c", code], env=variables) as process:
        yield process
        process.kill()


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
def test_script_lists_processes_of_the_job_on_the_node(worker: "subprocess.Popen[bytes]") -> None:
    """The script that runs on a node finds the workers of the job there, and no other process."""

    def run(job: str, node: str) -> list[str]:
        script = list_job(job, node, WORKER)
        return subprocess.run(["sh"], input=script, capture_output=True, text=True, check=False).stdout.split()

    assert run("77", "n9") == [str(worker.pid)]
    assert run("77", "n8") == run("7", "n9") == []
