"""What the raw files of a corpus offer, and the draw of samples from it.

A corpus of recordings or slides is prepared in three steps: each file is surveyed by itself (what is wrong with
it, and where samples of which class could be cut), samples are drawn from all surveys at once, and each file gives
the samples that were drawn from it. A survey is small; signals and pixels are read again when samples are cut.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from blindtune.core.errors import UserError
from blindtune.core.seeds import derive
from blindtune.datasets.base import SPLITS, Sizes

#: Bad files that a message names.
LISTED = 10


class Candidate(BaseModel):
    """Where a sample could be cut."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: str = Field(description="name of the class")
    place: dict[str, int | float] = Field(description="start in seconds, or column and row in pixels of level 0")


class Survey(BaseModel):
    """What one raw file offers."""

    model_config = ConfigDict(extra="forbid")

    file: str = Field(description="path below the folder of the corpus")
    sha256: dict[str, str] = Field(description="of every file that was read, by its path below the corpus")
    group: str = Field(description="what stands in one split only: the patient")
    split: str
    bad: str | None = Field(default=None, description="why the file gives no sample")
    candidates: list[Candidate] = Field(default_factory=list)
    left_out: dict[str, dict[str, int]] = Field(
        default_factory=dict, description="by the filter's name and the class: what it took away"
    )
    facts: dict[str, Any] = Field(default_factory=dict, description="rate, montage, microns per pixel and the like")


def draw(surveys: list[Survey], classes: list[str], sizes: Sizes, seed: int) -> dict[str, list[Candidate]]:
    """Samples for every split, as many of each class as of the others.

    Each candidate has a rank of its own, from the seed and from what it is, so that a changed file changes little of
    what is drawn from the others, and the order of files nothing.

    Args:
        surveys: one for each file of the corpus.
        classes: names of the classes.
        sizes: samples per split, over all classes.
        seed: another seed draws others.

    Returns:
        The drawn candidates by file, in the order of their ranks; files without any are left out.

    Raises:
        UserError: a split has too few candidates of a class.
        ValueError: a size is no multiple of the number of classes.
    """
    drawn: dict[str, list[Candidate]] = {}
    for split in SPLITS:
        wanted = per_class(sizes, split, classes)
        for label in classes:
            offered = ranked(surveys, split, label, seed)
            if len(offered) < wanted:
                raise UserError(
                    f"sizes.{split}: {wanted} samples of {label} are wanted, its files offer {len(offered)}"
                    f"{_seen(surveys, split, label)}. Lower it, add files, or loosen what leaves samples out."
                )
            for _, file, candidate in offered[:wanted]:
                drawn.setdefault(file, []).append(candidate)
    return drawn


def _seen(surveys: list[Survey], split: str, label: str) -> str:
    """What is known about the missing samples of a class: what was left out, and the labels that there are."""
    of_split = [survey for survey in _good(surveys) if survey.split == split]
    taken = [f"{count} {rule}" for (_, rule, name), count in sorted(left_out(of_split).items()) if name == label]
    labels = Counter[str]()
    for survey in of_split:
        labels.update(survey.facts.get("regions", {}))
    named = [f"{name} ({count})" for name, count in sorted(labels.items())]
    parts = (("left out", taken), ("labels of their regions", named))
    return "".join(f"; {what}: {', '.join(found)}" for what, found in parts if found)


def per_class(sizes: Sizes, split: str, classes: list[str]) -> int:
    """Samples of each class in a split; raises ValueError where they cannot be as many of each."""
    wanted: int = getattr(sizes, split)
    count, rest = divmod(wanted, len(classes))
    if rest:
        raise ValueError(f"sizes.{split}: {wanted} is no multiple of {len(classes)}, the classes")
    return count


def ranked(surveys: list[Survey], split: str, label: str, seed: int) -> list[tuple[int, str, Candidate]]:
    """The candidates of one class in one split, with rank and file, in the order in which they are drawn."""
    found = [
        (derive("drawn", seed, survey.file, label, candidate.place), survey.file, candidate)
        for survey in _good(surveys)
        if survey.split == split
        for candidate in survey.candidates
        if candidate.label == label
    ]
    return sorted(found, key=lambda one: one[:2])


def check_groups(surveys: list[Survey]) -> None:
    """Refuse a group that stands in two splits.

    Raises:
        UserError: the message names the group and a file of each split.
    """
    check_apart((survey.file, survey.group, survey.split) for survey in surveys)


def check_apart(files: Iterable[tuple[str, str, str]]) -> None:
    """Refuse a group that stands in two splits.

    Args:
        files: path, group and split of each.

    Raises:
        UserError: the message names the group and a file of each split.
    """
    seen: dict[str, tuple[str, str]] = {}
    for file, group, split in files:
        first, before = seen.setdefault(group, (file, split))
        if before != split:
            raise UserError(
                f"{file}: {group} stands in {split} and, with {first}, in {before}. A group (patient) belongs to one "
                "split only: move one of the two, or have patients dealt to the splits."
            )


def check_contents(surveys: list[Survey]) -> None:
    """Refuse files with the same bytes in two splits.

    Raises:
        UserError: the message names both.
    """
    seen: dict[str, Survey] = {}
    for survey in _good(surveys):
        first = seen.setdefault(survey.sha256[survey.file], survey)
        if first.split != survey.split:
            raise UserError(
                f"{survey.file} in {survey.split} holds the same bytes as {first.file} in {first.split}. "
                "Remove one of the two, or put both in one split."
            )


def without_copies(surveys: list[Survey]) -> list[Survey]:
    """The same surveys; of files of one split that hold the same bytes all but the first by name are bad."""
    first: dict[tuple[str, str], str] = {}
    for survey in sorted(_good(surveys), key=lambda one: one.file):
        first.setdefault((survey.split, survey.sha256[survey.file]), survey.file)
    return [
        survey if survey.bad else _checked(survey, first[survey.split, survey.sha256[survey.file]])
        for survey in surveys
    ]


def _checked(survey: Survey, first: str) -> Survey:
    if first == survey.file:
        return survey
    return survey.model_copy(update={"bad": f"holds the same bytes as {first}", "candidates": [], "left_out": {}})


def _good(surveys: list[Survey]) -> list[Survey]:
    return [survey for survey in surveys if survey.bad is None]


def bad_files(surveys: list[Survey]) -> list[tuple[str, str]]:
    """The files that give no sample, and why, by name."""
    return sorted((survey.file, survey.bad) for survey in surveys if survey.bad is not None)


def check_bad(surveys: list[Survey], most: float, strict: bool) -> None:
    """Stop where too much of a corpus is bad.

    Args:
        surveys: one for each file of the corpus.
        most: the largest share of bad files that is put up with, from 0 to 1.
        strict: put up with none.

    Raises:
        UserError: the message says how many there are, and names the first `LISTED`.
    """
    bad = bad_files(surveys)
    if bad and (strict or len(bad) > most * len(surveys)):
        limit = "strict: true allows none" if strict else f"at most a share of {most:g} is allowed (most_bad)"
        listed = [f"  - {file}: {reason}" for file, reason in bad[:LISTED]]
        if len(bad) > LISTED:
            listed.append(f"  - and {len(bad) - LISTED} more")
        raise UserError("\n".join([f"{len(bad)} of {len(surveys)} files are bad; {limit}. Mend or remove:", *listed]))


def left_out(surveys: list[Survey]) -> dict[tuple[str, str, str], int]:
    """What each filter took away, by split, filter and class, over all files."""
    total: Counter[tuple[str, str, str]] = Counter()
    for survey in surveys:
        for reason, by_class in survey.left_out.items():
            for label, count in by_class.items():
                total[survey.split, reason, label] += count
    return dict(total)
