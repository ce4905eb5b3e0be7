"""The config key ``resources``: what jobs ask a cluster for, where the estimates do not fit."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from blindtune.core.bounds import MAX_GPUS, MAX_MEM_MB, MAX_RUNTIME
from blindtune.core.validation import NAME_PATTERN, Strict

#: The rules that ask for memory and time; those of studies of all seeds and of one seed are one.
RuleName = Literal[
    "fetch",
    "simulate",
    "extract",
    "examples",
    "prepare",
    "features",
    "study",
    "decode",
    "sample_splits",
    "post_mortem",
    "tables",
    "figures",
    "page",
]

SystemName = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=60)]


class JobRequest(Strict):
    """What the jobs of a rule or of a system ask for; a key that is null is estimated."""

    mem_mb: int | None = Field(
        default=None,
        ge=200,
        le=MAX_MEM_MB,
        description="memory in MB, the 300 MB of Snakemake's own processes included; each further attempt asks for as "
        "much again; null: estimated",
    )
    runtime: int | None = Field(
        default=None,
        gt=0,
        le=MAX_RUNTIME,
        description="minutes, after which a cluster ends the job; each further attempt asks for as much again; null: "
        "estimated",
    )
    gpu: int | None = Field(
        default=None,
        ge=0,
        le=MAX_GPUS,
        description="number of GPUs; a rule's number holds for the systems whose trainer can use one; null: none",
    )


class JobRequests(Strict):
    """What jobs ask a cluster for in place of the estimates; a system's entry counts before a rule's."""

    rules: dict[RuleName, JobRequest] = Field(
        default={}, description="by the name of a rule; study is also for all seeds in one job, and for shards"
    )
    systems: dict[SystemName, JobRequest] = Field(
        default={}, description="by a name from systems: for its studies, its decodes and its post-mortems"
    )
