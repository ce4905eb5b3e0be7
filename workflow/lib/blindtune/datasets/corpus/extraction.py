"""What raw files gave, batch by batch, and the splits that are gathered from all of it.

Beside the JSON of a batch lie, for each raw file that offers samples, an array of them (``.npy``) and the table of
where each was cut (``.tsv``), which is the canonical record: with the raw file it gives the array again.
"""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from blindtune.core.arrays import write_array
from blindtune.core.errors import UserError
from blindtune.core.files import digest_file, read_json, tsv_writer, write_atomically, write_json
from blindtune.core.validation import parse_json
from blindtune.datasets.base import SPLITS, Gathered, Loaded, TsvTable
from blindtune.datasets.chunked import ChunkedArray, FileRows
from blindtune.datasets.corpus.config import Corpus, RawFile
from blindtune.datasets.corpus.survey import (
    Candidate,
    Survey,
    bad_files,
    check_bad,
    check_contents,
    check_groups,
    draw,
    left_out,
    ranked,
    without_copies,
)


class Extract(BaseModel):
    """What a batch gave: the survey of each file; its samples lie beside, in an array for each file."""

    model_config = ConfigDict(extra="forbid")

    surveys: list[Survey]


def simulate_batch(source: Corpus, batch: str, folder: Path, marker: Path) -> None:
    """Make the raw files of a batch, and write down what was made."""
    made: dict[str, str] = {}
    for raw in source.batches()[batch]:
        source.simulate(raw.file, folder)
        made |= {name: digest_file(folder / name) for name in (raw.file, *raw.companions)}
    write_json(marker, made)


def extract_batch(source: Corpus, batch: str, folder: Path, path: Path) -> None:
    """Survey each raw file of a batch, and cut what may be drawn from it.

    Args:
        source: the dataset's config.
        batch: one of its batches.
        folder: of the corpus.
        path: of the JSON that is written last; the arrays go into a folder beside it.

    Raises:
        UserError: a file is gone, or what it says of itself stops the run, as every fault does where ``strict`` is.
    """
    # What an earlier run cut may be bad now; nothing of it may stay.
    shutil.rmtree(path.with_suffix(""), ignore_errors=True)
    surveys = [_extract(source, raw, folder, path) for raw in source.batches()[batch]]
    write_json(path, Extract(surveys=surveys).model_dump(mode="json"))


def _extract(source: Corpus, raw: RawFile, folder: Path, path: Path) -> Survey:
    survey = source.survey(folder, raw)
    if source.strict and survey.bad is not None:
        raise UserError(f"{survey.file}: {survey.bad}. strict: true stops at the first bad file: mend or remove it.")
    kept = [candidate for label in source.names() for candidate in _kept(source, survey, label)]
    survey = survey.model_copy(update={"candidates": kept})
    if kept:
        array = array_of(path, survey.file)
        write_array(array, source.cut(folder, survey, kept))
        rows = [(row, candidate.label, *candidate.place.values()) for row, candidate in enumerate(kept)]
        write_atomically(array.with_suffix(".tsv"), tsv_writer(("sample", "class", *kept[0].place), rows))
    return survey


def _kept(source: Corpus, survey: Survey, label: str) -> Iterator[Candidate]:
    of_file = ranked([survey], survey.split, label, source.seed)
    return (candidate for _, _, candidate in of_file[: source.candidates])


def array_of(path: Path, file: str) -> Path:
    """Where the samples of one raw file lie, beside the JSON of its batch."""
    if ".." in Path(file).parts or Path(file).is_absolute():
        raise UserError(f"{path}: names {file}, which is no path below the corpus. Remove it and run again.")
    return path.with_suffix("") / f"{file}.npy"


def gather(source: Corpus, extracts: Iterable[Path]) -> Loaded:
    """The splits of a corpus, drawn from what its batches gave.

    Args:
        source: the dataset's config.
        extracts: the JSON of every batch.

    Raises:
        UserError: too many files are bad, a patient or the same file stands in two splits, there are too few samples,
            or an extract is damaged.
    """
    of_batch = {path: parse_json(Extract, read_json(path), str(path)).surveys for path in extracts}
    arrays = {one.file: array_of(path, one.file) for path, surveys in of_batch.items() for one in surveys}
    found = without_copies([survey for surveys in of_batch.values() for survey in surveys])
    check_bad(found, source.most_bad, source.strict)
    check_groups(found)
    check_contents(found)
    drawn = draw(found, source.names(), source.sizes, source.seed)
    groups = sorted({survey.group for survey in found})
    described = source.describe([survey for survey in found if survey.bad is None])
    bad = bad_files(found)
    return Loaded(
        splits={
            split: _gathered(
                [(one, drawn[one.file]) for one in found if one.split == split and one.file in drawn],
                arrays,
                source.names(),
                groups,
            )
            for split in SPLITS
        },
        classes=source.names(),
        axes=described.pop("axes"),
        units=described.pop("units"),
        parameters=described
        | {
            "bad_files": dict(bad),
            "left_out": [[*key, count] for key, count in sorted(left_out(found).items())],
            "groups": groups,
            "raw_sha256": {name: sha256 for survey in found for name, sha256 in survey.sha256.items()},
        },
        bad_files=TsvTable(("file", "reason"), [*bad]),
    )


def _gathered(
    drawn: list[tuple[Survey, list[Candidate]]], arrays: dict[str, Path], classes: list[str], groups: list[str]
) -> Gathered:
    """One split: the samples of each file after those of the file before."""
    chosen = [(survey, candidate) for survey, candidates in drawn for candidate in candidates]
    numbers = {name: number for number, name in enumerate(groups)}
    return Gathered(
        x=ChunkedArray([FileRows(arrays[survey.file], _rows(survey, candidates)) for survey, candidates in drawn]),
        y=np.array([classes.index(candidate.label) for _, candidate in chosen], dtype=np.int64),
        group=np.array([numbers[survey.group] for survey, _ in chosen], dtype=np.int64),
        origins=TsvTable(
            ("sample", "class", "group", "file", *chosen[0][1].place),
            [
                (row, candidate.label, survey.group, survey.file, *candidate.place.values())
                for row, (survey, candidate) in enumerate(chosen)
            ],
        ),
    )


def _rows(survey: Survey, candidates: list[Candidate]) -> list[int]:
    """Where the samples of ``candidates`` stand in the array of their file."""
    rows = {_key(candidate): row for row, candidate in enumerate(survey.candidates)}
    return [rows[_key(candidate)] for candidate in candidates]


def _key(candidate: Candidate) -> tuple[Any, ...]:
    return (candidate.label, *candidate.place.items())
