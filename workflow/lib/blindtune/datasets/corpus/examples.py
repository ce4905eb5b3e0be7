"""Example samples for the report: the samples, their patients, and their places in the raw files.

They are taken from train only, so that nothing sealed is opened.
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

#: Number of samples of each class.
SAMPLES_PER_CLASS = 4


def write_examples(source: Corpus, manifest: Path, extracts: Iterable[Path], folder: Path, path: Path) -> list[str]:
    """Write some samples of each class of train as .npz.

    - ``x`` and ``y``: the samples and their labels.
    - ``group``, ``raw`` (the file) and ``place`` (text): where each sample was cut.
    - ``located_<label>``: a picture, (n_rows, n_columns, 3), of the raw file ``located_<label>_raw`` with the places of
      its samples, if the source can draw one.

    Args:
        source: the corpus.
        manifest: manifest of the prepared dataset, with train next to it.
        extracts: the extracts of the batches of train.
        folder: folder of the corpus.
        path: the file to write.

    Returns:
        Why raw files have no picture, one sentence each; a picture is no reason to stop.

    Raises:
        UserError: the prepared data are missing, or is not what the preparation read.
    """
    data = open_prepared(manifest)
    origins = read_origins(manifest.parent / "train" / "origins.tsv")
    if len(origins) != len(data.train.y):
        raise UserError(
            f"{manifest.parent}: train has {len(data.train.y)} samples and {len(origins)} origins. "
            f"Remove {manifest} and run again."
        )
    chosen = [origin for label in data.classes for origin in choose_origins(origins, label)]
    rows = [origin.sample for origin in chosen]
    arrays: dict[str, NDArray[Any]] = {
        "x": data.train.x[rows],
        "y": data.train.y[rows],
        "group": np.array([origin.group for origin in chosen]),
        "raw": np.array([origin.file for origin in chosen]),
        "place": np.array([", ".join(f"{key} {value:g}" for key, value in one.place.items()) for one in chosen]),
    }
    surveys = {one.file: one for extract in extracts for one in read_extract(extract)}
    colors = {label: class_color(number) for number, label in enumerate(data.classes)}
    missing: list[str] = []
    for number, label in enumerate(data.classes):
        drawn = _origins_of_largest_file(origins, label)
        survey = _survey_with(surveys, drawn)
        try:
            picture = source.locate_samples(folder, survey, colors)
        except UserError as error:
            missing.append(f"no picture of {survey.file}: {error}")
            continue
        if picture is not None:
            arrays |= {f"located_{number}": picture, f"located_{number}_raw": np.array(drawn[0].file)}
    write_npz(path, arrays)
    return missing


def choose_origins(origins: list[Origin], label: str) -> list[Origin]:
    """Return some samples of a class, drawn at random from as many patients as possible.

    Args:
        origins: the origins of train.
        label: name of the class.
    """
    ranked = sorted((origin for origin in origins if origin.label == label), key=_rank)
    count_of: Counter[str] = Counter()
    turns = []
    for origin in ranked:
        turns.append((count_of[origin.group], origin))
        count_of[origin.group] += 1
    return [origin for _, origin in sorted(turns, key=lambda turn: turn[0])[:SAMPLES_PER_CLASS]]


def _rank(origin: Origin) -> int:
    return derive("examples", origin.file, origin.label, origin.place)


def _origins_of_largest_file(origins: list[Origin], label: str) -> list[Origin]:
    """Return all samples of the raw file with the most samples of a class; ties are broken by name."""
    counts = Counter(origin.file for origin in origins if origin.label == label)
    file = min(counts, key=lambda name: (-counts[name], name))
    return [origin for origin in origins if origin.file == file]


def _survey_with(surveys: dict[str, Survey], drawn: list[Origin]) -> Survey:
    """Return the survey of the file of some samples, with these as its only candidates."""
    if drawn[0].file not in surveys:
        raise UserError(
            f"{drawn[0].file}: train has samples of it, but no batch has read it. "
            "Remove the manifest.json of its dataset and run again."
        )
    candidates = [Candidate(label=origin.label, place=origin.place) for origin in drawn]
    return surveys[drawn[0].file].model_copy(update={"candidates": candidates})
