"""Retries: `--retries` repeats jobs that were killed or lost, not those that end with an error of the user.

Snakemake repeats every failed job. It asks the job how often, after each failure, so the answer is given here.
"""

from pathlib import Path

from snakemake.jobs import GroupJob, Job
from snakemake.logging import logger

from blindtune.core.retries import clear_user_error, has_user_error


def restarts(job):
    # As Snakemake's own property, unless a marker of this run says that another attempt cannot help.
    if not any(has_user_error(Path(log)) for log in job.log):
        return job.rule.restart_times
    logger.info(f"blindtune: {job.rule.name} is not repeated: another attempt would end with the same message.")
    return 0


def restarts_of_group(group):
    return min(map(restarts, group.jobs))


def forget_user_errors(jobs):
    # What an earlier run left says nothing about this one.
    for job in jobs:
        for log in job.log:
            clear_user_error(Path(log))


if workflow.is_main_process:
    Job.restart_times = property(restarts)
    GroupJob.restart_times = property(restarts_of_group)
