"""Short reasons: Snakemake names every file because of which a job runs, which is 25 kB for a report of many records.

What runs, and why, is as before; only the text is shorter. `--quiet reason` hides it.
"""

from snakemake.jobs import Reason

from blindtune.core.short_lists import shorten_lists

_full_reason = Reason.__str__
Reason.__str__ = lambda reason: shorten_lists(_full_reason(reason))
