"""The jobs of a corpus: write the raw files of a batch, or survey them and cut samples from them."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from blindtune.core.arrays import write_array
from blindtune.core.errors import UserError
from blindtune.core.files import digest_file, tsv_writer, write_atomically, write_json
from blindtune.datasets.corpus.base import Corpus, RawFile
from blindtune.datasets.corpus.recordings import whole_path
from blindtune.datasets.corpus.splits import Extract, samples_path
from blindtune.datasets.corpus.survey import Candidate, Survey, rank_candidates


def simulate_batch(source: Corpus, batch: str, folder: Path, marker: Path) -> None:
    """Write the raw files of a batch of a simulated corpus, and a JSON of their sha256.

    Args:
        source: the simulated corpus.
        batch: name of one of its batches.
        folder: folder of the corpus.
        marker: path of the JSON, which is written last.
    """
    written: dict[str, str] = {}
    for raw in source.select_batch(batch):
        source.simulate(raw.file, folder)
        written |= {name: digest_file(folder / name) for name in (raw.file, *raw.companions)}
    write_json(marker, written)


def extract_batch(
    source: Corpus,
    batch: str,
    folder: Path,
    path: Path,
    log: Callable[[str], None] = lambda line: None,
    unusable: Mapping[str, str] | None = None,
) -> None:
    """Survey each raw file of a batch, and cut what may be drawn from it.

    Args:
        source: the corpus.
        batch: name of one of its batches.
        folder: folder of the corpus.
        path: path of the JSON, which is written last; the arrays go into a folder next to it.
        log: called with a line about each bad file, each good one without a sample, and each oddity of a file that does
            not matter.
        unusable: `blindtune.datasets.corpus.base.Corpus.list_unusable` while the workflow was planned. A job does not
            look again: what only its machine cannot read stops the run.

    Raises:
        UserError: a file is gone, its content stops the run, or it is bad and ``strict`` is true.
    """
    # What an earlier run cut may be bad now, so none of it may stay.
    shutil.rmtree(path.with_suffix(""), ignore_errors=True)
    surveys = []
    for raw in source.select_batch(batch):
        reason = (unusable or {}).get(raw.file)
        survey = _extract_file(source, raw, folder, path) if reason is None else _refuse_file(raw, reason)
        for line in [survey.bad] if survey.bad is not None else survey.facts.get("notes", []):
            log(f"{survey.file}: {line}")
        if survey.bad is None and survey.skipped is None and not survey.candidates:
            log(f"{survey.file}: offers no sample ({survey.explain_empty()})")
        surveys.append(survey)
    write_json(path, Extract(surveys=surveys).model_dump(mode="json"))


def _refuse_file(raw: RawFile, reason: str) -> Survey:
    """Return the survey of a file that is not opened."""
    return Survey(file=raw.file, sha256={}, group=raw.group or raw.file, split=raw.split, bad=reason)


def _extract_file(source: Corpus, raw: RawFile, folder: Path, path: Path) -> Survey:
    """Survey one raw file, write its samples, and return the survey with only the candidates that were cut."""
    with source.open_file(folder, raw) as opened:
        survey = opened.survey()
        if source.config.strict and survey.bad is not None:
            raise UserError(f"{survey.file}: {survey.bad}. strict: true stops at the first bad file: fix or remove it.")
        kept = [one for label in source.config.class_names for one in _first_candidates(source, survey, label)]
        survey = survey.model_copy(update={"candidates": kept})
        array = samples_path(path, survey.file)
        if survey.split == "eval" and survey.bad is None and survey.skipped is None:
            survey = survey.model_copy(update={"whole": opened.write_whole(whole_path(array))})
        if kept:
            write_array(array, opened.cut(kept))
            rows = [(row, candidate.label, *candidate.place.values()) for row, candidate in enumerate(kept)]
            write_atomically(array.with_suffix(".tsv"), tsv_writer(("sample", "class", *kept[0].place), rows))
    return survey


def _first_candidates(source: Corpus, survey: Survey, label: str) -> Iterator[Candidate]:
    """Return the candidates of one class that are drawn first, as many as the config allows for a file."""
    ranked = rank_candidates([survey], survey.split, label, source.config.seed)
    return (candidate for _, _, candidate in ranked[: source.config.max_per_file])
