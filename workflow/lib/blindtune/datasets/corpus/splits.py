"""The record of an extracted batch, and the splits that are drawn from all of them.

For each raw file that offers samples there is, in a folder next to the JSON of its batch, an array of its samples
(``.npy``) and a table of where each was cut (``.tsv``). The table is the canonical record: with the raw file it gives
the array again.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from blindtune.core.errors import UserError
from blindtune.core.files import read_json
from blindtune.core.validation import parse_json
from blindtune.datasets.base import SPLITS, UNUSED_COLUMNS, ChunkedSplit, LoadedDataset, TsvTable
from blindtune.datasets.chunked import ChunkedArray, FileRows
from blindtune.datasets.content import digest_pieces
from blindtune.datasets.corpus.config import CorpusConfig
from blindtune.datasets.corpus.recordings import whole_path
from blindtune.datasets.corpus.survey import (
    Candidate,
    Survey,
    check_bad_fraction,
    check_groups,
    draw_samples,
    find_equal_files,
    list_bad_files,
    list_origins,
    list_skipped_files,
    mark_copies,
    refuse_equal_files,
    remove_equal_files,
    replace_group,
    sum_left_out,
)


class Extract(BaseModel):
    """The record of an extracted batch: the survey of each file, with the candidates whose samples were cut."""

    model_config = ConfigDict(extra="forbid")

    surveys: list[Survey]


def read_extract(path: Path) -> list[Survey]:
    """Return the surveys of an extracted batch.

    Raises:
        UserError: the file cannot be read or is damaged.
    """
    return parse_json(Extract, read_json(path), str(path)).surveys


def samples_path(path: Path, file: str) -> Path:
    """Return the path of the samples of one raw file.

    Args:
        path: the JSON of the batch.
        file: path of the raw file below the folder of the corpus.

    Raises:
        UserError: the path of the raw file leads out of the corpus.
    """
    if ".." in Path(file).parts or Path(file).is_absolute():
        raise UserError(f"{path}: names {file}, which is not a path below the corpus. Remove it and run again.")
    return path.with_suffix("") / f"{file}.npy"


def gather_splits(
    config: CorpusConfig,
    extracts: Iterable[Path],
    describe: Callable[[list[Survey]], dict[str, Any]],
    ignored: Sequence[tuple[str, str]] | None = None,
    take_notes: Callable[[list[Survey]], list[str]] = lambda _: [],
    groups: Mapping[str, str] | None = None,
) -> LoadedDataset:
    """Return the splits of a corpus, drawn from the extracts of all batches.

    Args:
        config: the config of the dataset.
        extracts: the JSON of every batch.
        describe: `blindtune.datasets.corpus.base.Corpus.describe`.
        ignored: files below the folder of the corpus that are not used, and why; None: not known.
        take_notes: `blindtune.datasets.corpus.base.Corpus.take_notes`.
        groups: `blindtune.datasets.corpus.base.Corpus.list_groups`.

    Raises:
        UserError: too many files are bad, a patient or the same data (unless the config allows it) are in two splits,
            there are too few samples, or an extract is damaged.
    """
    by_batch = {path: [replace_group(one, groups or {}) for one in read_extract(path)] for path in extracts}
    arrays = {one.file: samples_path(path, one.file) for path, surveys in by_batch.items() for one in surveys}
    # Sorted, so that no sample depends on how the files are divided into batches.
    surveys = sorted((one for some in by_batch.values() for one in some), key=_rank_survey)
    found = mark_copies(surveys, by_bytes=config.leaks == "report")
    check_bad_fraction(found, config.max_bad_fraction, config.strict)
    check_groups(found)
    equal = find_equal_files(found)
    if config.leaks == "refuse":
        refuse_equal_files(equal)
    elif config.leaks == "remove":
        # After the fraction of bad files was checked: these are no fault of the files.
        found = remove_equal_files(found, equal)
    drawn = draw_samples(found, config.class_names, config.sizes, config.seed)
    # A patient that gives no sample is not counted.
    drawn_groups = sorted({survey.group for survey in found if survey.file in drawn})
    used = [survey for survey in found if survey.bad is None and survey.skipped is None]
    described = describe(used)
    bad = list_bad_files(found)
    skipped = list_skipped_files(found)
    unused = sorted({*(ignored or ()), *skipped})
    return LoadedDataset(
        splits={
            split: _gather_split(
                [(one, drawn[one.file]) for one in found if one.split == split and one.file in drawn],
                arrays,
                config.class_names,
                drawn_groups,
            )
            for split in SPLITS
        },
        classes=config.class_names,
        axes=described.pop("axes"),
        units=described.pop("units"),
        parameters=described
        | {
            "bad_files": dict(bad),
            "left_out": [[*key, count] for key, count in sorted(sum_left_out(found).items())],
            "groups": drawn_groups,
            "equal_files": [[one.file, one.split, other.file, other.split] for one, other in equal],
            "raw_sha256": {name: sha256 for survey in found for name, sha256 in survey.sha256.items()},
        }
        | ({"unused": {"file": len(unused)}} if unused else {}),
        bad_files=TsvTable(("file", "reason"), [*bad]),
        unused=TsvTable(UNUSED_COLUMNS, [("file", *row) for row in unused]) if unused else None,
        notes=take_notes(used),
        origin_digests={split: digest_pieces(map(str.encode, list_origins(found, split))) for split in SPLITS},
        recordings=[
            (survey.file, survey.group, survey.whole, whole_path(arrays[survey.file]))
            for survey in used
            if survey.split == "eval" and survey.whole is not None
        ],
    )


def _rank_survey(survey: Survey) -> tuple[bool | str, ...]:
    """Return the place of a survey in the order of splits and files."""
    return *(survey.split != split for split in SPLITS), survey.file


def _gather_split(
    drawn: list[tuple[Survey, list[Candidate]]], arrays: dict[str, Path], classes: list[str], groups: list[str]
) -> ChunkedSplit:
    """Return one split: the samples of each file, file after file."""
    chosen = [(survey, candidate) for survey, candidates in drawn for candidate in candidates]
    numbers = {name: number for number, name in enumerate(groups)}
    return ChunkedSplit(
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
    """Return the rows of some candidates in the array of their file."""
    rows = {_key(candidate): row for row, candidate in enumerate(survey.candidates)}
    return [rows[_key(candidate)] for candidate in candidates]


def _key(candidate: Candidate) -> tuple[Any, ...]:
    return (candidate.label, *candidate.place.items())
