"""Plans of the workflow, made in this process: what would run, with which files and params.

Snakemake has no public way to ask a plan for its jobs: the private attribute stays in `_jobs`.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, Quietness, ResourceSettings

ROOT = Path(__file__).parents[2]
SNAKEFILE = ROOT / "Snakefile.tmp"


@dataclass(frozen=True)
class Job:
    """One job of a plan.

    Attributes:
        params: their values as Snakemake compares them: sorted, without names.
        runs: whether it would run, given what lies in the working directory.
    """

    rule: str
    wildcards: tuple[tuple[str, str], ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    params: tuple[str, ...]
    log: tuple[str, ...]
    conda: str | None
    runs: bool

    @property
    def name(self) -> str:
        """The rule and its wildcards: ``study set_08/knn/42``."""
        return " ".join([self.rule, "/".join(value for _, value in self.wildcards)]).strip()


def plan(directory: Path, config: dict[str, Any] | None = None, overlays: Iterable[Path] = ()) -> list[Job]:
    """Every job of the report, needed or not, in a fixed order.

    Args:
        directory: the working directory.
        config: laid over the config; a key that is a dict is merged, all else replaced.
        overlays: config files, laid over config.yaml first.
    """
    return _jobs(directory, config or {}, overlays, executor="dryrun")


def touch(directory: Path, config: dict[str, Any] | None = None) -> None:
    """Make every output, empty, and have Snakemake record it as if its job had run."""
    for job in plan(directory, config):
        for output in job.outputs:
            path = directory / output
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    _jobs(directory, config or {}, (), executor="touch")


def running(jobs: list[Job]) -> set[str]:
    """The names of those that would run, without the target."""
    return {job.name for job in jobs if job.runs and job.rule != "all"}


def _jobs(directory: Path, config: dict[str, Any], overlays: Iterable[Path], executor: str) -> list[Job]:
    output = OutputSettings(dryrun=executor == "dryrun", quiet={Quietness.ALL})
    with SnakemakeApi(output) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(config=config, configfiles=list(overlays)),
            snakefile=SNAKEFILE,
            workdir=directory,
        )
        workflow.dag(DAGSettings()).execute_workflow(executor=executor)
        dag = workflow._workflow.dag
        return sorted((_job(dag, job) for job in dag.jobs), key=lambda job: job.name)


def _job(dag: Any, job: Any) -> Job:
    environment = job.rule.conda_env
    return Job(
        rule=job.rule.name,
        wildcards=tuple(job.wildcards_dict.items()),
        inputs=tuple(sorted(map(str, job.input))),
        outputs=tuple(sorted(map(str, job.output))),
        params=tuple(sorted(json.dumps(value, sort_keys=True) for value in job.params)),
        log=tuple(map(str, job.log)),
        conda=str(job.conda_env_spec.file) if environment is not None else None,
        runs=dag.needrun(job),
    )
