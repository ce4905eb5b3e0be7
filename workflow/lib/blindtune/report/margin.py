"""The difference that is too small to matter: two systems that differ by less are equivalent."""

#: In points of %: the region of practical equivalence of Benavoli et al. (JMLR 18, 2017) for accuracies.
DEFAULT_MARGIN = 1.0


def from_points(margin: float) -> float:
    """Return a margin in the unit of errors from 0 to 1, and of metrics that are no shares, such as the log loss.

    Args:
        margin: in points of %.
    """
    return margin / 100
