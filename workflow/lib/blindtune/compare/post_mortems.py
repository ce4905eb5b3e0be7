"""What differs between the post-mortems of two runs."""

from dataclasses import dataclass

from blindtune.compare.run_folder import RunFolder, StudyKey
from blindtune.records.post_mortem import AnalysedTrial, PostMortem

ONLY_BEFORE, ONLY_AFTER = "only before", "only after"


@dataclass(frozen=True)
class PostMortemChange:
    """A post-mortem that one run alone has, or that has other values in the other.

    Attributes:
        dataset: its dataset.
        system: the search.
        seed: its seed.
        what: what differs, in words.
        first: the first trial with another score on eval; empty if there is none.
    """

    dataset: str
    system: str
    seed: int
    what: str
    first: str = ""


def compare_post_mortems(before: RunFolder, after: RunFolder) -> list[PostMortemChange]:
    """Compare the post-mortems of two runs: which there are, and what each trial scores on eval.

    When it was made, and how each model was restored, is not compared.

    Args:
        before: the first run.
        after: the second one.
    """
    keys = sorted({*before.post_mortems, *after.post_mortems})
    changes = [_compare(key, before.post_mortems.get(key), after.post_mortems.get(key)) for key in keys]
    return [change for change in changes if change is not None]


def _compare(key: StudyKey, before: PostMortem | None, after: PostMortem | None) -> PostMortemChange | None:
    if before is None or after is None:
        return PostMortemChange(*key, ONLY_AFTER if before is None else ONLY_BEFORE)
    if before.eval_sha256 != after.eval_sha256:
        return PostMortemChange(*key, "other eval data")
    counts = len(before.trials), len(after.trials)
    if counts[0] != counts[1]:
        return PostMortemChange(*key, f"{counts[0]:,} -> {counts[1]:,} trials")
    pairs = list(zip(before.trials, after.trials, strict=True))
    different = [(one, other) for one, other in pairs if _scores(one) != _scores(other)]
    if different:
        what = f"{len(different):,} of {counts[0]:,} trials with another eval"
        return PostMortemChange(*key, what, _describe(*different[0]))
    if before.chosen != after.chosen:
        return PostMortemChange(*key, f"chosen: trial {before.chosen} -> {after.chosen}")
    if (before.metric, before.cross_chosen_error) != (after.metric, after.cross_chosen_error):
        return PostMortemChange(*key, "another best trial without luck")
    return None


def _scores(trial: AnalysedTrial) -> tuple[int | None, float | None]:
    return trial.wrong, trial.metric_value


def _describe(before: AnalysedTrial, after: AnalysedTrial) -> str:
    values = ["not evaluated" if one.error is None else f"{100 * one.error:.2f}%" for one in (before, after)]
    if values[0] == values[1]:  # the metric alone differs
        values = [f"{one.metric_value:.6g}" if one.metric_value is not None else "–" for one in (before, after)]
    return f"trial {before.trial}: {values[0]} -> {values[1]}"
