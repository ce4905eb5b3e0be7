"""What of a folder of slides is not used: files, regions, slides and patients that give no sample, and labels."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from blindtune.datasets.base import UNUSED_COLUMNS, LoadedDataset, TsvTable
from blindtune.datasets.corpus.survey import Survey


def add_unused(
    loaded: LoadedDataset, classes: Mapping[str, Sequence[str]], surveys: Sequence[Survey], ignored: Mapping[str, str]
) -> LoadedDataset:
    """Return the data with a table of what is not used, and how much it is.

    Bad slides are not in the table, since another one has them.

    Args:
        loaded: the splits of a corpus of slides.
        classes: the labels that make up each class.
        surveys: the survey of every slide.
        ignored: why a file is not used, by the file.
    """
    bad = {file for file, _ in (loaded.bad_files.rows if loaded.bad_files is not None else ())}
    good = [one for one in sorted(surveys, key=lambda survey: survey.file) if one.file not in bad]
    rows: list[tuple[str | int | float, ...]] = [("file", file, reason) for file, reason in sorted(ignored.items())]
    rows += [("region", one.file, text) for one in good for text in _list_regions(one, classes)]
    rows += [("slide", one.file, _explain(one, classes)) for one in good if not one.candidates]
    with_samples = {one.group for one in good if one.candidates}
    rows += [
        ("patient", patient, "none of its slides offers a sample")
        for patient in sorted({one.group for one in surveys} - with_samples)
    ]
    labels: list[tuple[str | int | float, ...]] = [("label", *row) for row in _list_missing_labels(good, classes)]
    if not rows and not labels:
        return loaded
    counts = {kind: sum(row[0] == kind for row in rows) for kind in ("file", "region", "slide", "patient")}
    if labels:
        counts["label"] = len(labels)
        rows += labels
    return replace(
        loaded,
        unused=TsvTable(UNUSED_COLUMNS, rows),
        parameters=loaded.parameters | {"unused": counts},
    )


def _list_regions(survey: Survey, classes: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a sentence for each region of a slide that is odd, and one for each label of no class."""
    known = {label for labels in classes.values() for label in labels}
    others = [
        f"{count:,} region{'s' * (count > 1)} {f'of the label {label}' if label else 'without a label'}: of no class"
        for label, count in survey.facts.get("regions", {}).items()
        if label not in known
    ]
    return [*survey.facts.get("oddities", []), *others]


def _list_missing_labels(surveys: Sequence[Survey], classes: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """Return the labels of the classes that no region has, each with the nearest one that regions of no class have."""
    met = {label for one in surveys for label in one.facts.get("regions", {})}
    known = {label for labels in classes.values() for label in labels}
    found = []
    for name, labels in classes.items():
        for label in sorted({*labels} - met):
            near = difflib.get_close_matches(label, sorted({*met} - known - {""}), n=1)
            guess = f"; is it {near[0]}?" if near else ""
            found.append((label, f"of the class {name}, no region of a slide that is not bad has it{guess}"))
    return found


def _explain(survey: Survey, classes: Mapping[str, Sequence[str]]) -> str:
    """Return why a slide that is not bad offers no sample."""
    known = {label for labels in classes.values() for label in labels}
    labels = survey.facts.get("regions", {})
    if not labels:
        return "its annotation has no region" + " that can be used" * bool(survey.facts.get("oddities"))
    if not known & set(labels):
        return f"none of its regions is of a class, their labels are {', '.join(map(repr, labels))}"
    counts = [f"{sum(by_class.values()):,} {rule}" for rule, by_class in sorted(survey.left_out.items())]
    return f"no place is good enough for a patch; left out: {', '.join(counts) or 'nothing'}"
