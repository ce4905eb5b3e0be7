"""Files next to a record that are no outputs of a rule: arrays, samples, trials and weights.

Snakemake does not look for them, and would delete them as outputs when a job starts again. So each job that writes such
files lists them with their sizes, and whoever plans a run compares. Without a list nothing is compared.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from blindtune.core.errors import UserError
from blindtune.core.files import read_json_object, write_json
from blindtune.core.paths import ResultPaths

#: The folder of the lists of a dataset, next to its manifest, and the name of the list of a study, next to its card.
NAME = "side_files"

#: Files that one message names.
_MAX_NAMED = 3


def dataset_list(paths: ResultPaths, dataset: str, record: str) -> str:
    """Return the list of the files of a record of a dataset.

    Lists of eval too are in the open folder, since the sealed one stays closed while a run is planned.

    Args:
        paths: Of the results of the config.
        dataset: Its name.
        record: The name of the record without its folder and its suffix: ``manifest``, or a batch.
    """
    return str(Path(paths.manifest(dataset)).parent / NAME / f"{record}.json")


def study_list(card: str | Path) -> Path:
    """Return the list of the files of a study, which is next to its card."""
    return Path(card).with_name(f"{NAME}.json")


def list_side_files(path: Path, root: Path, places: Iterable[Path], times_made_again: int = 0) -> None:
    """Write a list of files that belong to a record.

    Args:
        path: Of the list.
        root: ``results/<config name>``.
        places: Files, or folders of which every file belongs to the record. What does not exist is left out.
        times_made_again: How often the files were lost and made again.
    """
    files = sorted(file for place in places for file in _walk(place))
    sizes = {file.relative_to(root).as_posix(): file.stat().st_size for file in files}
    write_json(path, {"times_made_again": times_made_again, "sizes": sizes})


def find_damage(path: Path, root: Path) -> list[str]:
    """Return the files of a list that are missing, or shorter than they were.

    Args:
        path: Of the list, which need not exist.
        root: ``results/<config name>``.
    """
    return _find_damage(_read_list(path), root)


def count_times_made_again(path: Path, root: Path) -> tuple[int, list[str]]:
    """Return how often the files of a list were lost and made again, with the time that is due now, and what is lost.

    The number is among the params of the job that makes the files: it starts the job when a file is lost, and stays as
    it is afterwards.

    Args:
        path: Of the list, which need not exist.
        root: ``results/<config name>``.
    """
    content = _read_list(path)
    lost = _find_damage(content, root)
    before = content.get("times_made_again", 0)
    return (before if isinstance(before, int) else 0) + bool(lost), lost


def name_files(files: list[str]) -> str:
    """Return the first of some files, and how many more there are, for a message."""
    more = f" and {len(files) - _MAX_NAMED:,} more" if len(files) > _MAX_NAMED else ""
    return ", ".join(files[:_MAX_NAMED]) + more


def describe_lost_records(card: str, files: str) -> str:
    """Return what to say and to do about lost records of a finished study.

    Args:
        card: The card of the study.
        files: What is lost, as `name_files` returns it.
    """
    return (
        f"records of a finished study are missing or cut: {files}. They are not made again by themselves. Put the "
        f"files back. If only weights are lost, you may remove {card} and run again, which trains the chosen trial "
        "again and compares it with its record. If trials are lost, remove the folder "
        f"{Path(card).parent} and run again: the study is searched again from its start, and if its model was decoded "
        "before, the ledger compares the new one."
    )


def _walk(place: Path) -> Iterator[Path]:
    if place.is_dir():
        yield from (file for file in place.rglob("*") if file.is_file())
    elif place.exists():
        yield place


def _read_list(path: Path) -> dict[str, Any]:
    try:
        return read_json_object(path, sizes=dict) if path.exists() else {}
    except UserError:
        return {}  # the next job writes it again


def _find_damage(content: Mapping[str, Any], root: Path) -> list[str]:
    sizes = content.get("sizes", {})
    return [str(root / name) for name, size in sizes.items() if isinstance(size, int) and _size_of(root / name) < size]


def _size_of(path: Path) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116  ten thousand of them are felt in each planning
    except OSError:
        return -1
