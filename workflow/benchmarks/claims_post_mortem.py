"""The post-mortem of the searches of the claims: what `claims_tables.py` prints of why a search lost.

The records are those that `post_mortem: true` writes once every model of a study was decoded.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from blindtune.records.post_mortem import PostMortem
from blindtune.report.post_mortem import correlate, measure_overtuning, value_on_dev, value_on_eval

#: The columns of the table.
HEADER = (
    "search, manual model",
    "seeds",
    "trials on eval",
    "chosen",
    "lowest met",
    "its rank on dev",
    "manual",
    "loss",
    "by selection",
    "by search",
    "overtuning",
    "relative",
    "dev, eval",
    "weights, eval − dev",
    "lost by",
)


@dataclass(frozen=True)
class Autopsy:
    """One search on eval, in points of %.

    Attributes:
        evaluated: number of trials that were evaluated on eval, and of all.
        chosen: eval error of the chosen trial.
        lowest: the lowest eval error that the search had met; it is partly luck.
        expected: error of the best trial without that luck; it is above that of the best, which half of eval chose.
        rank: of the trial with the lowest eval error, on dev, from 1.
        manual: eval error of the manual model with the same seed.
        overtuning: eval of the last incumbent on dev minus the lowest one of all incumbents; None: it is not known.
        relative: the same, divided by what the first incumbent could have gained; None: it was the best of them.
        dev_and_eval: rank correlation; None: it has no value.
        size_and_gap: rank correlation of the number of weights and eval minus dev; None as above.
    """

    evaluated: tuple[int, int]
    chosen: float
    lowest: float
    expected: float
    rank: int
    manual: float
    overtuning: float | None
    relative: float | None
    dev_and_eval: float | None
    size_and_gap: float | None

    @property
    def loss(self) -> float:
        """By how much the chosen trial is worse than the manual model: the sum of both failures."""
        return self.chosen - self.manual

    @property
    def selection(self) -> tuple[float, float]:
        """The failure of selection: at least, by the best trial without luck, and at most, by the lowest met."""
        return self.chosen - self.expected, self.chosen - self.lowest

    @property
    def search(self) -> tuple[float, float]:
        """The failure of search: at least, by the lowest met, and at most, by the best trial without luck."""
        return self.lowest - self.manual, self.expected - self.manual


def examine(found: PostMortem, manual: float) -> Autopsy | None:
    """Return the autopsy of a search that minimised the error; None if none of its trials was evaluated.

    Args:
        found: its post-mortem.
        manual: eval error of the manual model with the same seed, from 0 to 1.
    """
    evaluated = [trial for trial in found.trials if trial.error is not None]
    own = next((trial for trial in evaluated if trial.trial == found.chosen), None)
    if found.metric is not None or own is None:
        return None
    best = min(evaluated, key=lambda trial: (value_on_eval(trial), trial.trial != found.chosen))
    lowest, dev = value_on_eval(best), value_on_dev(best)
    expected = lowest if found.cross_chosen_error is None else found.cross_chosen_error
    sized = [trial for trial in evaluated if trial.n_parameters is not None]
    tuned = measure_overtuning([trial for trial in found.trials if trial.dev_error is not None])
    return Autopsy(
        (len(evaluated), len(found.trials)),
        100 * value_on_eval(own),
        100 * lowest,
        100 * max(lowest, expected),
        1 + sum(value_on_dev(trial) < dev for trial in evaluated),
        100 * manual,
        None if tuned is None else 100 * tuned.loss,
        None if tuned is None else tuned.relative,
        correlate(list(map(value_on_dev, evaluated)), list(map(value_on_eval, evaluated))),
        correlate(
            [float(trial.n_parameters or 0) for trial in sized],
            [value_on_eval(trial) - value_on_dev(trial) for trial in sized],
        ),
    )


def make_row(name: str, autopsies: Sequence[Autopsy]) -> list[str]:
    """Return the row of a search: means over the seeds, with the lowest and the highest in parentheses.

    Args:
        name: of the search and of the manual model.
        autopsies: one for each seed, at least one.
    """
    counts = [sum(one.evaluated[at] for one in autopsies) for at in (0, 1)]
    return [
        name,
        str(len(autopsies)),
        f"{counts[0]:,} of {counts[1]:,}",
        _spread([one.chosen for one in autopsies]),
        _spread([one.lowest for one in autopsies]),
        _spread([one.rank for one in autopsies], 0),
        _spread([one.manual for one in autopsies]),
        _spread([one.loss for one in autopsies], sign="+"),
        _bounds([one.selection for one in autopsies]),
        _bounds([one.search for one in autopsies]),
        _known([one.overtuning for one in autopsies]),
        _known([one.relative for one in autopsies]),
        _known([one.dev_and_eval for one in autopsies], sign="+"),
        _known([one.size_and_gap for one in autopsies], sign="+"),
        decide(autopsies),
    ]


def decide(autopsies: Sequence[Autopsy]) -> str:
    """Return what a search lost by, by the means over its seeds: the part that is over half of the loss at both bounds.

    Args:
        autopsies: one for each seed, at least one.
    """
    loss = float(np.mean([one.loss for one in autopsies]))
    if loss <= 0:
        return "it did not"
    low, high = (float(np.mean([one.selection[at] for one in autopsies])) for at in (0, 1))
    if low > loss / 2:
        return "selection"
    return "search" if high < loss / 2 else "selection or search, not decided"


def _spread(values: Sequence[float], digits: int = 2, sign: str = "") -> str:
    mean = f"{np.mean(values):{sign}.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):{sign}.{digits}f} to {max(values):{sign}.{digits}f})"


def _bounds(values: Sequence[tuple[float, float]]) -> str:
    low, high = np.mean(values, axis=0)
    return f"{low:+.2f} to {high:+.2f}"


def _known(values: Sequence[float | None], sign: str = "") -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "no value"
    part = f"; {len(known)} of {len(values)} seeds" if len(known) < len(values) else ""
    return _spread(known, sign=sign) + part
