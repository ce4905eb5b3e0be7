"""The margin of equivalence of two runs: each run's own, as its report keeps it."""

from dataclasses import dataclass

from blindtune.compare.run_folder import RunFolder
from blindtune.report.margin import DEFAULT_MARGIN, read_margin


@dataclass(frozen=True)
class Margins:
    """The margins of two runs, in points of %.

    Attributes:
        before: that of the first run.
        after: that of the second one.
        differ: whether both runs have one, and they differ.
        note: what was taken for a run without a report, a sentence; empty if both have one.
    """

    before: float
    after: float
    differ: bool
    note: str


def read_margins(before: RunFolder, after: RunFolder) -> Margins:
    """Return the margins of two runs; a run without a report gets that of the other one, or the default.

    Args:
        before: the first run.
        after: the second one.

    Raises:
        UserError: a run's file of the margin does not hold one.
    """
    one, other = read_margin(before.root), read_margin(after.root)
    if one is not None and other is not None:
        return Margins(one, other, one != other, "")
    known = one if one is not None else other
    margin = DEFAULT_MARGIN if known is None else known
    return Margins(margin, margin, False, _explain(before if one is None else after, known, margin))


def _explain(run: RunFolder, known: float | None, margin: float) -> str:
    which = "neither run has a report" if known is None else f"{run.root} has no report"
    taken = "the default" if known is None else "that of the other run"
    return f"{which}, which keeps the margin of equivalence (report.margin); {taken}, {margin:g}, is taken"
