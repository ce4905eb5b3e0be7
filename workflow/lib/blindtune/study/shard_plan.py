"""How many shards a study takes its trials from: those of the config, or those that it had if it is finished.

Snakemake runs a job again if its list of inputs has changed. Another number of shards changes no record, so a finished
study keeps the number that it had.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from blindtune.config.study import Study
from blindtune.core.bounds import MAX_SHARDS
from blindtune.core.errors import UserError
from blindtune.core.files import read_json_object, write_json
from blindtune.core.shards import Shard
from blindtune.study.protocol import build_protocol, without_places

#: What the protocol holds besides, which other jobs determine.
_DATA = ("data_sha256", "preprocessing", "engine")


def note_shards(folder: Path, shards: Sequence[Path]) -> None:
    """Write down how many shards a study had; called before its card is written.

    Args:
        folder: the folder of the study.
        shards: the files of its shards; of a search with rungs, the number of shards is that of its largest rung.
    """
    path, n_shards = folder / "shards.json", max((Shard.parse(file.stem).n_shards for file in shards), default=0)
    if n_shards:
        write_json(path, {"n_shards": n_shards})
    else:
        path.unlink(missing_ok=True)


def choose_shards(folder: Path, wanted: int, study: Study, files: dict[str, Path], code: Callable[[], str]) -> int:
    """Return the number of shards of which a study takes its trials; called while the workflow is planned.

    Args:
        folder: the folder of the study, which need not exist.
        wanted: the number by the config; 0: none.
        study: the study by the config.
        files: the data files of its system, by the names of its ``files()``.
        code: returns the digest of the code that determines its records.
    """
    had = _read_noted(folder)
    if had == wanted or not (folder / "card.json").exists():
        return wanted
    return had if _is_finished(folder, study, files, code()) else wanted


def _read_noted(folder: Path) -> int:
    path = folder / "shards.json"
    if not path.exists():
        return 0
    try:
        noted: int = read_json_object(path, n_shards=int)["n_shards"]
    except UserError:
        return 0
    return noted if 0 < noted <= MAX_SHARDS else 0


def _is_finished(folder: Path, study: Study, files: dict[str, Path], code: str) -> bool:
    """Return whether a study has ended, and nothing that the config says of its records has changed since."""
    try:
        recorded = without_places(read_json_object(folder / "protocol.json"))
        budget = read_json_object(folder / "card.json").get("budget")
    except UserError:
        return False
    protocol = without_places(build_protocol(study, "", {}, files, code))
    same = all(recorded.get(name) == value for name, value in protocol.items() if name not in _DATA)
    return same and budget == study.model_dump(mode="json")["budget"]
