"""What the raw files of a corpus offer, and the draw of samples from it.

A corpus of recordings or slides is prepared in three steps:

1. Each file is surveyed on its own: what is wrong with it, and where samples of which class could be cut.
2. The candidates that could be drawn are cut from each file.
3. Samples are drawn from the surveys of all files together.

A survey is small; signals and pixels stay in arrays next to it.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from blindtune.core.errors import UserError
from blindtune.core.seeds import derive
from blindtune.core.validation import is_none
from blindtune.datasets.base import SPLITS, Sizes
from blindtune.datasets.corpus.recordings import WholeRecording

#: Number of bad files that a message names.
MAX_LISTED = 10


class Candidate(BaseModel):
    """A place where a sample could be cut."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: str = Field(description="name of the class")
    place: dict[str, int | float] = Field(description="start in seconds, or column and row in pixels of level 0")


class Survey(BaseModel):
    """What one raw file offers."""

    model_config = ConfigDict(extra="forbid")

    file: str = Field(description="path below the folder of the corpus")
    sha256: dict[str, str] = Field(description="sha256 of every file that was read, by its path below the corpus")
    content: str | None = Field(
        default=None,
        description="digest of what the file holds once it is decoded, without its metadata; null: not known",
    )
    origin: str | None = Field(
        default=None,
        description="digest of all that the file holds once it is decoded, whatever the config takes of it; null: that "
        "of content",
    )
    group: str = Field(description="group that must be in one split only: the patient")
    split: str = Field(description="the split of the file")
    bad: str | None = Field(default=None, description="why the file gives no sample; null: it is not bad")
    skipped: str | None = Field(default=None, description="why the config leaves the file out; null: it does not")
    candidates: list[Candidate] = Field(default_factory=list, description="places where samples could be cut")
    left_out: dict[str, dict[str, int]] = Field(
        default_factory=dict, description="what each rule removed, by the name of the rule and the class"
    )
    facts: dict[str, Any] = Field(default_factory=dict, description="rate, montage, microns per pixel and the like")
    whole: WholeRecording | None = Field(
        default=None, exclude_if=is_none, description="the whole file, if eval has event-based scores"
    )

    def explain_empty(self) -> str:
        """Return what each rule has left out of a file that offers no sample, over all classes."""
        totals = {rule: sum(by_class.values()) for rule, by_class in self.left_out.items()}
        return ", ".join(f"{count} {rule}" for rule, count in sorted(totals.items())) or "nothing was left out"


def draw_samples(surveys: list[Survey], classes: list[str], sizes: Sizes, seed: int) -> dict[str, list[Candidate]]:
    """Draw samples for every split, the same number of each class.

    Each candidate has its own rank, derived from the seed and from what it is. So a changed file changes little of what
    is drawn from the others, and the order of the files does not matter.

    Args:
        surveys: one survey for each file of the corpus.
        classes: names of the classes.
        sizes: number of samples in each split, over all classes.
        seed: another seed draws other samples.

    Returns:
        The drawn candidates by file, in the order of their ranks; files without any are left out.

    Raises:
        UserError: a split has too few candidates of a class.
        ValueError: a size is not a multiple of the number of classes.
    """
    drawn: dict[str, list[Candidate]] = {}
    for split in SPLITS:
        wanted = samples_per_class(sizes, split, classes)
        for label in classes:
            offered = rank_candidates(surveys, split, label, seed)
            if len(offered) < wanted:
                raise UserError(
                    f"sizes.{split}: {wanted} samples of {label} are wanted, its files offer {len(offered)}"
                    f"{_explain_shortage(surveys, split, label)}. Lower it, add files, or loosen what leaves samples "
                    "out."
                )
            for _, file, candidate in offered[:wanted]:
                drawn.setdefault(file, []).append(candidate)
    return drawn


def _explain_shortage(surveys: list[Survey], split: str, label: str) -> str:
    """Return what is known about the missing samples of a class: files, what was left out, which labels there are."""
    in_split = [survey for survey in surveys if survey.split == split]
    of_split = _good(in_split)
    removed = [f"{count} {rule}" for (_, rule, name), count in sorted(sum_left_out(of_split).items()) if name == label]
    labels, events = Counter[str](), Counter[str]()
    for survey in of_split:
        labels.update(survey.facts.get("regions", {}))
        events.update(survey.facts.get("events", {}))
    named = [f"{name} ({count})" for name, count in sorted(labels.items())]
    met = [f"{name} ({count})" for name, count in sorted(events.items())]
    unread = [
        f"{len(files)} of its {len(in_split)} files are {what}, such as {files[0][0]}: {files[0][1]}"
        for what, files in (("bad", list_bad_files(in_split)), ("skipped", list_skipped_files(in_split)))
        if files
    ]
    parts = (("left out", removed), ("labels of their regions", named), ("labels of their annotations", met))
    named_parts = [f"{what}: {', '.join(found)}" for what, found in parts if found]
    return "".join(f"; {part}" for part in [*unread, *named_parts])


def samples_per_class(sizes: Sizes, split: str, classes: list[str]) -> int:
    """Return the number of samples of each class in a split.

    Args:
        sizes: number of samples in each split, over all classes.
        split: name of the split.
        classes: names of the classes.

    Raises:
        ValueError: the size is not a multiple of the number of classes.
    """
    wanted: int = getattr(sizes, split)
    count, rest = divmod(wanted, len(classes))
    if rest:
        raise ValueError(f"sizes.{split}: {wanted} is not a multiple of {len(classes)}, the classes")
    return count


def rank_candidates(surveys: list[Survey], split: str, label: str, seed: int) -> list[tuple[int, str, Candidate]]:
    """Return the candidates of one class in one split, in the order in which they are drawn.

    Args:
        surveys: surveys of any files; bad ones are ignored.
        split: name of the split.
        label: name of the class.
        seed: another seed gives another order.

    Returns:
        Rank, file and candidate.
    """
    found = [
        (derive("drawn", seed, survey.file, label, candidate.place), survey.file, candidate)
        for survey in _good(surveys)
        if survey.split == split
        for candidate in survey.candidates
        if candidate.label == label
    ]
    return sorted(found, key=lambda one: one[:2])


def check_groups(surveys: list[Survey]) -> None:
    """Refuse a group that is in two splits.

    Raises:
        UserError: the message names the group and a file of each split.
    """
    check_files_by_group((survey.file, survey.group, survey.split) for survey in surveys)


def check_files_by_group(files: Iterable[tuple[str, str, str]]) -> None:
    """Refuse a group that is in two splits, and two that may be one: their names differ in case only.

    Args:
        files: path, group and split of each file.

    Raises:
        UserError: the message names the group, or both, and a file of each.
    """
    first_of: dict[str, tuple[str, str]] = {}
    written: dict[str, str] = {}
    for file, group, split in files:
        first, before = first_of.setdefault(group, (file, split))
        other = written.setdefault(fold_group(group), group)
        if other != group:
            raise UserError(
                f"{file}: its group (patient) {group!r} differs from {other!r} of {first_of[other][0]} only in the "
                "case of letters or in how they are encoded. If they are one patient, name both alike (of recordings, "
                "same_patient does it, of slides a list of splits with a column patient), so that it is in one split; "
                "if they are two, let their names differ in more."
            )
        if before != split:
            raise UserError(
                f"{file}: {group} is in {split} and, with {first}, in {before}. A group (patient) belongs to one "
                "split only: move one of the two, or have patients assigned to the splits."
            )


def replace_group(survey: Survey, groups: Mapping[str, str]) -> Survey:
    """Return the survey of a file with the group that others give it, if they do.

    Args:
        survey: of the file.
        groups: group by file.
    """
    group = groups.get(survey.file, survey.group)
    return survey if group == survey.group else survey.model_copy(update={"group": group})


def fold_group(group: str) -> str:
    """Return the name of a group as groups are compared: without case, and with each letter encoded in one way."""
    return unicodedata.normalize("NFKC", group).casefold()


def find_equal_files(surveys: list[Survey]) -> list[tuple[Survey, Survey]]:
    """Return the files that hold the same as another: the first by name in eval, else in dev, else in train.

    Args:
        surveys: surveys of any files; bad ones are ignored.

    Returns:
        Pairs of a file and the one that it equals, in the order of the surveys.
    """
    order = ("eval", "dev", "train")
    first: dict[str, Survey] = {}
    for survey in sorted(_good(surveys), key=lambda one: (order.index(one.split), one.file)):
        first.setdefault(_content(survey), survey)
    pairs = [(survey, first[_content(survey)]) for survey in _good(surveys)]
    return [(survey, equal) for survey, equal in pairs if survey.file != equal.file]


def refuse_equal_files(pairs: list[tuple[Survey, Survey]]) -> None:
    """Refuse files that hold the same.

    Args:
        pairs: as `find_equal_files` returns them; those within a split are bad already, see `mark_copies`.

    Raises:
        UserError: there are any; the message says how many, and names the first `MAX_LISTED`.
    """
    if not pairs:
        return
    listed = [f"{equal.file} in {equal.split} {_holds(survey, equal)} in {survey.split}" for survey, equal in pairs]
    more = [f"and {len(pairs) - MAX_LISTED} more"] if len(pairs) > MAX_LISTED else []
    raise UserError(
        f"{'; '.join(listed[:MAX_LISTED] + more)}. Remove one of the two, or put both in one split. In the config of "
        "the dataset, 'leaks: remove' leaves one out, never that in eval, and 'leaks: report' keeps both."
    )


def remove_equal_files(surveys: list[Survey], pairs: list[tuple[Survey, Survey]]) -> list[Survey]:
    """Return the same surveys; files that hold the same as another are bad, but in eval only copies in eval.

    Args:
        surveys: one survey for each file of the corpus.
        pairs: as `find_equal_files` returns them.
    """
    equal_of = {survey.file: equal for survey, equal in pairs}
    return [
        _mark_bad(survey, f"{_holds(equal_of[survey.file], survey)} in {equal_of[survey.file].split}")
        if survey.file in equal_of
        else survey
        for survey in surveys
    ]


def mark_copies(surveys: list[Survey], by_bytes: bool = False) -> list[Survey]:
    """Return the same surveys; of files that hold the same in one split, all but the first by name are bad.

    Args:
        surveys: surveys of any files.
        by_bytes: only files with the same bytes count, not the same data with other metadata.
    """

    def key(survey: Survey) -> tuple[str, str]:
        return survey.split, survey.sha256[survey.file] if by_bytes else _content(survey)

    first: dict[tuple[str, str], Survey] = {}
    for survey in sorted(_good(surveys), key=lambda one: one.file):
        first.setdefault(key(survey), survey)
    return [survey if survey.bad or survey.skipped else _mark_copy(survey, first[key(survey)]) for survey in surveys]


def _mark_copy(survey: Survey, first: Survey) -> Survey:
    return survey if first.file == survey.file else _mark_bad(survey, _holds(first, survey))


def _mark_bad(survey: Survey, reason: str) -> Survey:
    return survey.model_copy(update={"bad": reason, "candidates": [], "left_out": {}})


def _content(survey: Survey) -> str:
    """Return what identifies the content of a file; that of its bytes where it was not decoded."""
    return survey.content or survey.sha256[survey.file]


def list_origins(surveys: list[Survey], split: str) -> list[str]:
    """Return what identifies the raw content of each file of a split, whatever the config takes of it.

    Args:
        surveys: surveys of any files; bad ones are ignored.
        split: name of the split.
    """
    return [survey.origin or _content(survey) for survey in _good(surveys) if survey.split == split]


def _holds(first: Survey, copy: Survey) -> str:
    """Return in which way a file is a copy of another, as a part of a sentence that ends with the other."""
    same_bytes = first.sha256[first.file] == copy.sha256[copy.file]
    return f"holds the same {'bytes' if same_bytes else 'data, with other metadata,'} as {first.file}"


def _good(surveys: list[Survey]) -> list[Survey]:
    return [survey for survey in surveys if survey.bad is None and survey.skipped is None]


def list_bad_files(surveys: list[Survey]) -> list[tuple[str, str]]:
    """Return the files that give no sample and the reasons, sorted by file."""
    return sorted((survey.file, survey.bad) for survey in surveys if survey.bad is not None)


def list_skipped_files(surveys: list[Survey]) -> list[tuple[str, str]]:
    """Return the files that the config leaves out and the reasons, sorted by file."""
    return sorted((survey.file, survey.skipped) for survey in surveys if survey.skipped is not None)


def check_bad_fraction(surveys: list[Survey], max_fraction: float, strict: bool) -> None:
    """Refuse a corpus with too many bad files.

    Args:
        surveys: one survey for each file of the corpus.
        max_fraction: maximum fraction of bad files, from 0 to 1.
        strict: refuse any bad file.

    Raises:
        UserError: the message says how many there are, and names the first `MAX_LISTED`.
    """
    bad = list_bad_files(surveys)
    if bad and (strict or len(bad) > max_fraction * len(surveys)):
        limit = (
            "strict: true allows none"
            if strict
            else f"at most a fraction of {max_fraction:g} is allowed (max_bad_fraction)"
        )
        listed = [f"  - {file}: {reason}" for file, reason in bad[:MAX_LISTED]]
        if len(bad) > MAX_LISTED:
            listed.append(f"  - and {len(bad) - MAX_LISTED} more")
        raise UserError("\n".join([f"{len(bad)} of {len(surveys)} files are bad; {limit}. Fix or remove:", *listed]))


def sum_left_out(surveys: list[Survey]) -> dict[tuple[str, str, str], int]:
    """Return what each rule removed over all files, by split, rule and class."""
    total: Counter[tuple[str, str, str]] = Counter()
    for survey in surveys:
        for reason, by_class in survey.left_out.items():
            for label, count in by_class.items():
                total[survey.split, reason, label] += count
    return dict(total)
