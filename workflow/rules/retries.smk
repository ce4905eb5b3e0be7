"""Retries: `--retries` repeats jobs that were killed or lost, not those that would end with the same error again.

Snakemake repeats every failed job. It asks the job how often, after each failure, so the answer is given here.
"""

from pathlib import Path

from snakemake.jobs import GroupJob, Job
from snakemake.logging import logger

from blindtune.core.retries import clear_message, has_final_message


def restarts(job):
    # As Snakemake's own property, unless a message of this run says that another attempt cannot help.
    if not any(has_final_message(Path(log)) for log in job.log):
        return job.rule.restart_times
    logger.info(f"blindtune: {job.rule.name} is not repeated: another attempt would end with the same message.")
    return 0


def restarts_of_group(group):
    return min(map(restarts, group.jobs))


def forget_messages(jobs):
    # What an earlier run left says nothing about this one.
    for job in jobs:
        for log in job.log:
            clear_message(Path(log))


if workflow.is_main_process:
    Job.restart_times = property(restarts)
    GroupJob.restart_times = property(restarts_of_group)
