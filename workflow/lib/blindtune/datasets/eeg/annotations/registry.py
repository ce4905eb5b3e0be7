"""The readers of annotations that a config can name, and which one a tree of files asks for.

To add a reader: write a module with a class, see `blindtune.datasets.eeg.annotations.base.AnnotationReader`, and add
one line here and its name to the key ``annotations`` of the config.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from blindtune.core.errors import UserError
from blindtune.datasets.eeg.annotations.base import AnnotationReader
from blindtune.datasets.eeg.annotations.bids import BidsReader
from blindtune.datasets.eeg.annotations.chbmit import ChbMitReader
from blindtune.datasets.eeg.annotations.edf_plus import EdfPlusReader, has_annotations
from blindtune.datasets.eeg.annotations.nedc import NedcReader
from blindtune.datasets.eeg.annotations.siena import SienaReader
from blindtune.datasets.eeg.annotations.table import TableReader
from blindtune.datasets.eeg.config import EegConfig

READERS: dict[str, type[AnnotationReader]] = {
    "tusz": NedcReader,
    "bids": BidsReader,
    "chbmit": ChbMitReader,
    "siena": SienaReader,
    "edf_plus": EdfPlusReader,
    "table": TableReader,
}
#: Recordings whose headers are opened for a message.
_LOOKED_AT = 5
#: Kinds of files that a message names.
_MAX_KINDS = 8


def find_layouts(tree: Sequence[str], recordings: Sequence[str]) -> dict[str, list[str]]:
    """Return the annotation files of each layout that a tree has, by the name of the reader.

    Args:
        tree: all files below the folder of the corpus.
        recordings: those of them that are recordings.
    """
    found = {name: reader.find(tree, recordings) for name, reader in READERS.items()}
    return {name: files for name, files in found.items() if files}


def create_reader(folder: Path, tree: Sequence[str], recordings: Sequence[str], config: EegConfig) -> AnnotationReader:
    """Return the reader that the config names, or the only one whose files are there.

    Args:
        folder: folder of the corpus.
        tree: all files below it, with slashes.
        recordings: those of them that are recordings.
        config: the config of the dataset.

    Raises:
        UserError: there are annotations of no layout or of several, or not of the one that is named.
    """
    name: str = config.annotations
    if name == "auto" and config.annotation_table is not None:
        name = "table"
    if name == "auto":
        found = find_layouts(tree, recordings)
        if not found:
            raise UserError(_explain_none(folder, tree, recordings))
        if len(found) > 1:
            listed = "; ".join(f"{one}: {len(files)} files, such as {files[0]}" for one, files in found.items())
            raise UserError(
                f"annotations: auto: {folder} holds annotations of {len(found)} layouts ({listed}). Set annotations to "
                f"{' or '.join(found)}."
            )
        name = next(iter(found))
    reader = READERS[name](folder, tree, config)
    if isinstance(reader, TableReader):
        reader.check()
    elif name != "edf_plus" and not READERS[name].find(tree, recordings):
        raise UserError(
            f"annotations: {name}: {folder} holds no {READERS[name].looks_for}. It holds {_count_kinds(tree)}."
        )
    return reader


def name_of_reader(reader: AnnotationReader) -> str:
    """Return the name by which a config names a reader."""
    return next(name for name, kind in READERS.items() if kind is type(reader))


def _explain_none(folder: Path, tree: Sequence[str], recordings: Sequence[str]) -> str:
    known = ", ".join(reader.looks_for for name, reader in READERS.items() if name != "edf_plus")
    looked_at = recordings[:_LOOKED_AT]
    inside = sum(has_annotations(folder / file) for file in looked_at)
    hint = (
        f" {inside} of {len(looked_at)} recordings that were opened hold annotations inside (EDF+): set annotations: "
        "edf_plus, and say in event_labels which texts are seizures."
        if inside
        else ""
    )
    return (
        f"folder: no file has an annotation next to it. Looked for: {known}. {folder} holds {_count_kinds(tree)}.{hint}"
    )


def _count_kinds(tree: Sequence[str]) -> str:
    """Return how many files there are of each suffix, the most frequent first."""
    kinds = Counter(PurePosixPath(file).suffix.lower() or "files without a suffix" for file in tree).most_common()
    more = [f"{len(kinds) - _MAX_KINDS} other kinds"] if len(kinds) > _MAX_KINDS else []
    return ", ".join([*(f"{count} {kind}" for kind, count in kinds[:_MAX_KINDS]), *more]) or "no files"
