"""What a user is shown: short reasons, and on a cluster why jobs failed.

Snakemake names every file because of which a job runs, which is 25 kB for a report of many records. What runs, and why,
is as before; only the text is shorter. `--quiet reason` hides it.
"""

from pathlib import Path

from snakemake.jobs import Reason

from blindtune.core.retries import explain_unstarted, list_cluster_logs, read_message
from blindtune.core.short_lists import shorten_lists

# Once in each process, however often workflows are read in it.
if not hasattr(Reason, "full_text"):
    Reason.full_text = Reason.__str__
    Reason.__str__ = lambda reason: shorten_lists(reason.full_text())


def explain_failures(jobs):
    # On a cluster nothing of a job is in this terminal: what its last attempt ended with, and where the rest is.
    found = {read_message(Path(log)) for job in jobs for log in job.log} - {None}
    lines = [f"blindtune: {message}" for message in sorted(found)]
    failed = [some.jobs if some.is_group() else [some] for some in workflow.scheduler.failed]
    unstarted = explain_unstarted([Path(log) for job in group for log in job.log] for group in failed)
    lines += [f"blindtune: {unstarted}"] if unstarted else []
    kept_in = list_cluster_logs()
    kept = f", and what the cluster kept of it in {kept_in}" if kept_in else ""
    lines.append(f"A job failed. Its log is in {PLACES.root}/logs/<rule>{kept}.")
    return "\n\n".join(lines)
