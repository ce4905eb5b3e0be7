"""Run a study, from proposals to a frozen model.

The folder of a study holds ``protocol.json`` (what determines its records), ``trials.jsonl`` (the record of every
trial), ``weights/`` (weights of the best trials), and at its end ``card.json``. A study that was killed and is started
again goes on from its records, and ends with the same records. A claim next to the folder lets only one process at a
time write to it.
"""

from collections.abc import Sequence
from pathlib import Path

from blindtune.config.study import Study
from blindtune.config.systems import Bayes, Tuned
from blindtune.core.claims import claim
from blindtune.core.job_log import JobLog
from blindtune.datasets.prepared import Prepared
from blindtune.metrics.compute import check_classes
from blindtune.records.model_card import ModelCard, write_card
from blindtune.study.context import StudyContext
from blindtune.study.estimate import estimate
from blindtune.study.protocol import build_protocol, digest_protocol, prepare_folder
from blindtune.study.search import search_and_freeze
from blindtune.study.shard_plan import note_shards
from blindtune.tuners.engines import check_engine
from blindtune.views.apply import apply_view, collect_inputs


def run_study(
    study: Study,
    data: Prepared,
    *,
    files: dict[str, Path],
    code: str,
    folder: Path,
    job_log: JobLog,
    workers: int = 1,
    wait_seconds: float = 0.0,
    shards: Sequence[Path] = (),
    on_nodes: bool = False,
) -> ModelCard:
    """Run a study to its end, going on from the records in its folder, and freeze its model.

    Args:
        study: what to run.
        data: train and dev.
        files: the data files of the system, by the names of its ``files()``.
        code: digest of the code that determines the records.
        folder: the folder of the study.
        job_log: takes messages and progress.
        workers: number of cores to use; changes no record.
        wait_seconds: how long to wait for another process that runs this study.
        shards: files of trials that other jobs have trained, as `blindtune.study.shard_run` writes them; changes no
            record.
        on_nodes: whether workers run on all nodes of the allocation of Slurm, ``workers`` on each; changes no record.

    Returns:
        The card of the frozen model, which is also written to ``card.json``.

    Raises:
        ClaimedError: another process runs this study.
        LostClaimError: another process has taken over this study meanwhile.
        UserError: no trial completed, a record cannot be read or written, a file of the system is wrong, or a class
            without which the metric is not defined has no sample.
    """
    check_study_engine(study)
    check_defined(study, data)
    inputs = collect_inputs(study.settings.view, data)
    preprocessing = inputs.identity()
    protocol = build_protocol(study, data.sha256, preprocessing, files, code)
    with claim(folder, f"the study {study.id}", wait_seconds=wait_seconds, notify=job_log.info) as held:
        prepare_folder(folder, protocol, study.id, job_log)
        context = StudyContext(
            study=study,
            data=apply_view(study.settings.view, data, inputs),
            preprocessing=preprocessing,
            folder=folder,
            job_log=job_log,
            workers=workers,
            on_nodes=on_nodes,
            check_claim=held.check,
        )
        settings = study.settings
        if isinstance(settings, Bayes):
            card = estimate(context, settings)
        else:
            card = search_and_freeze(context, files, shards, digest_protocol(protocol))
        held.check()
        note_shards(folder, shards)
        write_card(folder / "card.json", card)
    metric = "" if card.dev_metric is None else f", dev {card.metric} {card.dev_metric:.4f}"
    job_log.finish(f"{study.id}: frozen, train error {card.train_error:.2%}, dev error {card.dev_error:.2%}{metric}")
    return card


def check_study_engine(study: Study) -> None:
    """Refuse a tuner whose optional engine is not in this Python, before anything is read or recorded.

    Under conda or in an image this is another Python than the one that planned the workflow.

    Args:
        study: names the tuner.

    Raises:
        UserError: the engine is not installed, or a version is wrong.
    """
    if isinstance(study.settings, Tuned):
        check_engine(study.settings.tuner, study.id)


def check_defined(study: Study, data: Prepared) -> None:
    """Refuse a metric that is not defined on dev or on eval, before anything is trained.

    Args:
        study: names the metric.
        data: its manifest counts the samples of each class; eval is not opened.

    Raises:
        UserError: a class has no sample; the message names it.
    """
    for split in ("dev", "eval"):
        check_classes(study.metric, data.manifest["counts"][split], f"{split} of {study.dataset}")
