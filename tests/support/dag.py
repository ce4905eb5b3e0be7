"""Plans of the workflow, made in this process: what would run, with which files and params.

Snakemake has no public way to ask a plan for its jobs: the private attribute stays in `_jobs`.
"""

import copy
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from snakemake import parser
from snakemake.api import SnakemakeApi
from snakemake.cli import parse_config
from snakemake.common import configfile
from snakemake.scheduling.greedy import SchedulerSettings as GreedySchedulerSettings
from snakemake.settings.types import (
    ConfigSettings,
    DAGSettings,
    OutputSettings,
    Quietness,
    ResourceSettings,
    SchedulingSettings,
    StorageSettings,
)

from blindtune.core import code_digest as code
from blindtune.core import job_claims, yaml_files

ROOT = Path(__file__).parents[2]
STUB = Path(__file__).parent / "stub"


_RESOURCES = ("mem_mb", "runtime", "gpu", "nodes", "tasks", "slurm_extra", "slurm_partition")


@dataclass(frozen=True)
class Job:
    """One job of a plan.

    Attributes:
        params: their values as Snakemake compares them: sorted, without names.
        threads: cores that it takes.
        resources: what it asks for at its first attempt: memory, minutes, GPUs and nodes, as far as its rule says them.
        runs: whether it would run, given what lies in the working directory.
    """

    rule: str
    wildcards: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    params: tuple[str, ...]
    log: tuple[str, ...]
    conda: str | None
    threads: int
    resources: tuple[tuple[str, int | str], ...]
    runs: bool

    @property
    def name(self) -> str:
        """The rule and its wildcards: ``study set_08/knn/42``."""
        return " ".join([self.rule, "/".join(self.wildcards)]).strip()


def plan(
    directory: Path,
    config: dict[str, Any] | None = None,
    overlays: Iterable[Path] = (),
    snakefile: Path = ROOT / "Snakefile",
    arguments: Sequence[str] = (),
    storage: StorageSettings | None = None,
    resources: ResourceSettings | None = None,
) -> list[Job]:
    """Every job of the report, needed or not, in a fixed order.

    Args:
        directory: the working directory.
        config: laid over config.yaml; a key that is a dict is merged, all else replaced.
        overlays: config files, laid over config.yaml first.
        snakefile: through which the workflow is entered.
        arguments: of ``--config``, each as ``KEY=VALUE``, in place of `config`.
        storage: what machines share, and where outputs are.
        resources: what the command line or a profile gives to jobs; None: two cores.
    """
    if arguments:
        settings = ConfigSettings(config=parse_config(arguments), configfiles=list(overlays), config_args=arguments)
    else:
        settings = ConfigSettings(config=config or {}, configfiles=list(overlays))
    return _jobs(directory, settings, "dryrun", snakefile, storage, resources)


def pretend(directory: Path, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every job for real, with scripts that only make their outputs."""
    monkeypatch.setenv("PYTHONPATH", str(STUB))
    # A run holds its claim until its process ends, and checks it before each write: here other tests follow.
    with ExitStack() as ends, patch.object(job_claims, "atexit", SimpleNamespace(register=ends.callback)):
        _jobs(directory, ConfigSettings(config=config), "local")


def running(jobs: list[Job]) -> set[str]:
    """The names of those that would run, without the target."""
    return {job.name for job in jobs if job.runs and job.rule != "all"}


def edit(monkeypatch: pytest.MonkeyPatch, folder: Path, module: str, text: str) -> None:
    """Let the library's digests see ``module`` with ``text`` at its end, until the test ends."""
    edited, path = folder / "edited.py", code._path
    edited.write_text(path(module).read_text(encoding="utf-8") + text, encoding="utf-8")
    monkeypatch.setattr(code, "_path", lambda name: edited if name == module else path(name))
    monkeypatch.setattr(code, "_parsed", cache(code._parsed.__wrapped__))


def plan_in_order(directory: Path, config: dict[str, Any]) -> list[tuple[Any, bool, dict[str, Any]]]:
    """Return Snakemake's own jobs, each after those that it needs, whether it would run, and the merged config."""
    with _planned(directory, ConfigSettings(config=config), "dryrun") as workflow:
        jobs = [job for level in workflow.dag.toposorted() for job in sorted(level, key=str)]
        return [(job, workflow.dag.needrun(job), dict(workflow.config)) for job in jobs]


def _jobs(
    directory: Path,
    settings: ConfigSettings,
    executor: str,
    snakefile: Path = ROOT / "Snakefile",
    storage: StorageSettings | None = None,
    resources: ResourceSettings | None = None,
) -> list[Job]:
    with _planned(directory, settings, executor, snakefile, storage, resources) as workflow:
        return sorted((_job(workflow.dag, job) for job in workflow.dag.jobs), key=lambda job: job.name)


_load, _compose = configfile.load_configfile, cache(yaml_files._compose)


@cache
def _load_text(path: str, text: str) -> Any:
    """Return what Snakemake reads from a config file that holds a text."""
    return _load(path)


def _load_once(path: Any) -> Any:
    """Return a copy of what Snakemake reads from a config file; half of the time of a plan is for config.yaml."""
    file = Path(path)
    return copy.deepcopy(_load_text(str(path), file.read_text(encoding="utf-8"))) if file.is_file() else _load(path)


_parse = parser.parse
_parsed: dict[tuple[str, str, int], tuple[str, int, dict[int, int]]] = {}


def _parse_once(path: Any, workflow: Any, linemap: dict[int, int], rulecount: int = 0) -> tuple[str, int]:
    """Return the Python code of a Snakefile, as Snakemake's function does; it takes a third of a plan."""
    file = Path(path.get_path_or_uri(secret_free=True))
    if not file.is_file():  # of a repository
        return _parse(path, workflow, linemap, rulecount=rulecount)
    key = (str(file), file.read_text(encoding="utf-8"), rulecount)
    if key not in _parsed:
        lines: dict[int, int] = {}
        _parsed[key] = (*_parse(path, workflow, lines, rulecount=rulecount), lines)
    code, count, lines = _parsed[key]
    linemap |= lines
    return code, count


@contextmanager
def _planned(
    directory: Path,
    settings: ConfigSettings,
    executor: str,
    snakefile: Path = ROOT / "Snakefile",
    storage: StorageSettings | None = None,
    resources: ResourceSettings | None = None,
) -> Iterator[Any]:
    with (
        patch.object(configfile, "load_configfile", _load_once),
        patch("snakemake.workflow.parse", _parse_once),
        patch.object(yaml_files, "_compose", _compose),
        SnakemakeApi(OutputSettings(dryrun=executor == "dryrun", quiet={Quietness.ALL})) as api,
    ):
        workflow = api.workflow(
            resource_settings=resources or ResourceSettings(cores=2),
            config_settings=settings,
            storage_settings=storage,
            snakefile=snakefile,
            workdir=directory,
        )
        workflow.dag(DAGSettings()).execute_workflow(
            executor=executor,
            scheduling_settings=SchedulingSettings(scheduler="greedy"),
            scheduler_settings=GreedySchedulerSettings(),
        )
        yield workflow._workflow


def _job(dag: Any, job: Any) -> Job:
    return Job(
        rule=job.rule.name,
        wildcards=tuple(job.wildcards_dict.values()),
        inputs=tuple(sorted(map(str, job.input))),
        outputs=tuple(sorted(map(str, job.output))),
        params=tuple(sorted(repr(value) for value in job.params)),
        log=tuple(map(str, job.log)),
        conda=str(job.conda_env_spec.file) if job.rule.conda_env else None,
        threads=job.threads,
        resources=tuple((name, value) for name in _RESOURCES if (value := job.resources.get(name)) is not None),
        runs=dag.needrun(job),
    )
