"""Answer new data with a frozen model: classes and probabilities, for samples in the format of the model's dataset."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from blindtune.config.schema import read_dataset
from blindtune.core.errors import UserError
from blindtune.core.files import inert_cell, write_atomically
from blindtune.core.paths import ResultPaths, find_results
from blindtune.datasets.base import NewSamples, Source
from blindtune.datasets.content import digest_samples, find_among
from blindtune.datasets.prepared import Prepared, read_eval_origins
from blindtune.datasets.verification import read_manifest
from blindtune.decoding.frozen_model import FrozenModel
from blindtune.decoding.known_evals import KnownEvals
from blindtune.decoding.open_model import open_frozen
from blindtune.decoding.sealed_samples import (
    CheckedSamples,
    read_evals,
    refuse_samples_of_ledger,
    refuse_sealed_samples,
)
from blindtune.exports.stored_study import check_unsealed
from blindtune.metrics.base import Answers


@dataclass(frozen=True)
class Predictions:
    """What a frozen model answered for new data.

    Attributes:
        study: id of the study.
        new: the samples.
        answers: of the model.
        classes: a name for each label.
    """

    study: str
    new: NewSamples
    answers: Answers
    classes: list[str]

    def header(self) -> list[str]:
        """Return the names of the columns of the table."""
        given = [] if self.answers.probabilities is None else [f"probability_{name}" for name in self.classes]
        return [self.new.column, "class", *given]

    def rows(self) -> list[list[Any]]:
        """Return a row of the table for each sample."""
        named = [
            [place, self.classes[label]] for place, label in zip(self.new.places, self.answers.labels, strict=True)
        ]
        if self.answers.probabilities is None:
            return named
        shares = self.answers.probabilities.tolist()
        return [[*row, *(f"{share:.6g}" for share in of_row)] for row, of_row in zip(named, shares, strict=True)]


def predict_to_file(
    study: Path,
    on: Path,
    to: Path,
    *,
    manifest: Path | None = None,
    force: bool = False,
    report: Callable[[str], None] = lambda line: None,
) -> Predictions:
    """Answer new data with the frozen model of a study, and write the answers as a CSV file.

    Args:
        study: folder of the study, or its card.
        on: the new data, a file or a folder in the format of the dataset's source.
        to: the CSV file: the row or the file of each sample, its class, and the probability of each class.
        manifest: of the data of the study; None: where the study's config has put it.
        force: whether the file may replace another.
        report: takes a line about the data.

    Raises:
        UserError: as `predict`, or the file is there already, is sealed or cannot be written.
    """
    for path in (on, to):
        check_unsealed(path)
    if to.exists() and not force:
        raise UserError(f"{to}: is there already. Choose another file, or add --force to replace it.")
    if to.is_dir():
        raise UserError(f"{to}: is a folder. Give the name of the file, such as answers.csv.")
    if to.resolve() == on.resolve():
        raise UserError(f"{to}: is the file of the new data. Choose another file.")
    predictions = predict(study, on, manifest=manifest, report=report)

    def write(part: Path) -> None:
        with part.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(map(inert_cell, predictions.header()))
            writer.writerows(map(inert_cell, row) for row in predictions.rows())

    write_atomically(to, write)
    return predictions


def predict(
    study: Path, on: Path, *, manifest: Path | None = None, report: Callable[[str], None] = lambda line: None
) -> Predictions:
    """Answer new data with the frozen model of a study.

    The samples are read and preprocessed as train was. The model is rebuilt and proved by its dev error before it
    answers.

    Args:
        study: folder of the study, or its card.
        on: the new data, a file or a folder in the format of the dataset's source.
        manifest: of the data of the study; None: where the study's config has put it.
        report: takes a line about the data.

    Raises:
        UserError: a path is sealed, the study has no frozen model, the data are wrong or in no format that its source
            reads, or they hold samples of an eval that the results or their ledger know.
    """
    frozen = open_frozen(study, manifest)
    data = frozen.data
    new = _create_source(data).read_new(check_unsealed(on), data.manifest)
    if new.x.shape[1:] != data.sample_shape:
        raise UserError(
            f"{on}: its samples have the shape {new.x.shape[1:]}, those of {data.name} {data.sample_shape}. Give the "
            "same columns."
        )
    for note in new.notes:
        report(f"{on}: {note}")
    _refuse_sealed(on, new, frozen, report)
    _note_known(on, new, data, report)
    answers = frozen.model.answer(new.x)
    if answers.probabilities is None:
        report(f"{frozen.card.study}: this model gives classes alone, no probabilities")
    return Predictions(frozen.card.study, new, answers, data.classes)


def _create_source(data: Prepared) -> Source:
    """Return the source of a dataset, from the config that the manifest holds."""
    try:
        return read_dataset(data.manifest["source"])
    except (ValidationError, ValueError) as error:
        raise UserError(
            f"{data.path}: was written by another version of blindtune, with other keys. Remove it and run again."
        ) from error


def _refuse_sealed(on: Path, new: NewSamples, frozen: FrozenModel, report: Callable[[str], None]) -> None:
    """Refuse samples of any eval that the results of the study, those of its data, or their ledgers know."""
    data, card, own = frozen.data, frozen.card, frozen.data.path
    if own is None:
        raise TypeError("the data were not opened from a manifest")
    roots = [
        find_results(frozen.folder, ResultPaths("").study(card.dataset, card.system, card.seed)),
        find_results(own, ResultPaths("").manifest(own.resolve().parent.name)),
    ]
    results = {Path(root.root): root for root in roots if root is not None}
    manifests = [own, *(found for root in results for found in sorted(root.glob("data/*/manifest.json")))]
    ledgers = [read_evals(Path(root.ledger())) for root in results.values()]
    samples = CheckedSamples(on, new.x, "samples", "and run again")
    checked = refuse_sealed_samples(samples, manifests, ledgers, report)
    refuse_samples_of_ledger(samples, data, ledgers, checked)
    _refuse_origins(samples, new, data, manifests, ledgers)


def _refuse_origins(
    samples: CheckedSamples, new: NewSamples, data: Prepared, manifests: list[Path], ledgers: list[KnownEvals]
) -> None:
    """Refuse raw material of an eval that was prepared in another way, in another size for instance."""
    if new.origin_digests is None:
        return
    contents = {path: read_manifest(path) for path in manifests}
    known = [(str(content["dataset"]), read_eval_origins(path, content)) for path, content in contents.items()]
    for evals in ledgers:
        known += [(f"the ledger (evals/{one}.npy)", evals.read(one)) for one in evals.origins()]
    # Raw material may give samples to eval and to train as well; what the model has learned is no secret.
    opened = np.sort(np.concatenate([digest_samples(part.x) for part in (data.train, data.dev)]))
    secret = ~find_among(samples.digests(), opened)
    for name, origins in known:
        if origins is not None:
            samples.refuse(find_among(new.origin_digests, origins) & secret, f"the raw material of an eval of {name}")


def _note_known(on: Path, new: NewSamples, data: Prepared, report: Callable[[str], None]) -> None:
    """Say how many samples the model was trained on or chosen by."""
    digests = digest_samples(new.x)
    for name, part in (("train", data.train), ("dev", data.dev)):
        count = int(find_among(digests, np.sort(digest_samples(part.x))).sum())
        if count:
            report(
                f"{on}: {count:,} of {len(digests):,} samples are in {name} of {data.name}; the model knows them, so "
                "that its errors there say nothing about new data"
            )
