"""A few samples of train for the report to show: which, whose, and where they lie on their raw files.

They come from train alone, so that nothing sealed is opened.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.core.arrays import write_npz
from blindtune.core.colors import class_color
from blindtune.core.errors import UserError
from blindtune.core.seeds import derive
from blindtune.datasets.corpus.base import Corpus
from blindtune.datasets.corpus.provenance import Origin, read_origins
from blindtune.datasets.corpus.splits import read_extract
from blindtune.datasets.corpus.survey import Candidate, Survey
from blindtune.datasets.prepared import open_prepared

#: Samples of each class.
SHOWN = 4


def write_examples(source: Corpus, manifest: Path, extracts: Iterable[Path], folder: Path, path: Path) -> None:
    """Write some samples of each class of train as .npz.

    ``x`` and ``y`` are the samples and their labels; ``group``, ``raw`` (the file) and ``place`` (text) say where each
    was cut.
    ``located_<label>`` is a picture (rows, columns, 3) of the raw file ``located_<label>_raw`` that shows where the
    samples drawn from it lie, for sources that can make one.

    Args:
        source: the dataset's config.
        manifest: of the prepared dataset, train beside it.
        extracts: what each batch of train gave.
        folder: of the corpus.
        path: of the file to write.

    Raises:
        UserError: a file is missing, or not what the preparation read.
    """
    data = open_prepared(manifest)
    origins = read_origins(manifest.parent / "train" / "origins.tsv")
    if len(origins) != len(data.train.y):
        raise UserError(f"{manifest.parent}: train has {len(data.train.y)} samples and {len(origins)} origins.")
    shown = [origin for label in data.classes for origin in choose(origins, label)]
    rows = [origin.sample for origin in shown]
    arrays: dict[str, NDArray[Any]] = {
        "x": data.train.x[rows],
        "y": data.train.y[rows],
        "group": np.array([origin.group for origin in shown]),
        "raw": np.array([origin.file for origin in shown]),
        "place": np.array([", ".join(f"{key} {value:g}" for key, value in one.place.items()) for one in shown]),
    }
    surveys = {one.file: one for extract in extracts for one in read_extract(extract)}
    colours = {label: class_color(number) for number, label in enumerate(data.classes)}
    for number, label in enumerate(data.classes):
        drawn = _on_one_file(origins, label)
        picture = source.locate_samples(folder, _with(surveys, drawn), colours)
        if picture is not None:
            arrays |= {f"located_{number}": picture, f"located_{number}_raw": np.array(drawn[0].file)}
    write_npz(path, arrays)


def choose(origins: list[Origin], label: str) -> list[Origin]:
    """Some samples of a class, drawn at random; of as many patients as there are."""
    ranked = sorted((origin for origin in origins if origin.label == label), key=_rank)
    seen: Counter[str] = Counter()
    turns = []
    for origin in ranked:
        turns.append((seen[origin.group], origin))
        seen[origin.group] += 1
    return [origin for _, origin in sorted(turns, key=lambda turn: turn[0])[:SHOWN]]


def _rank(origin: Origin) -> int:
    return derive("examples", origin.file, origin.label, origin.place)


def _on_one_file(origins: list[Origin], label: str) -> list[Origin]:
    """All samples of the raw file that gave the most of a class; the first by name of equals."""
    counts = Counter(origin.file for origin in origins if origin.label == label)
    file = min(counts, key=lambda name: (-counts[name], name))
    return [origin for origin in origins if origin.file == file]


def _with(surveys: dict[str, Survey], drawn: list[Origin]) -> Survey:
    """The survey of the file that the samples were drawn from, with no others as its candidates."""
    if drawn[0].file not in surveys:
        raise UserError(f"{drawn[0].file}: train has samples of it, but no batch has read it. Prepare again.")
    candidates = [Candidate(label=origin.label, place=origin.place) for origin in drawn]
    return surveys[drawn[0].file].model_copy(update={"candidates": candidates})
