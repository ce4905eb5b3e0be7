"""Post-mortems of the searches of a built report, in its results and in its ledger."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from blindtune.core.files import read_json
from blindtune.core.paths import ResultPaths
from blindtune.core.post_mortem_paths import post_mortem_file
from blindtune.decoding.known_evals import EvalIdentity
from blindtune.decoding.ledger import Ledger
from blindtune.records.decode_result import parse_decode_result
from blindtune.records.model_card import read_card
from blindtune.records.post_mortem import AnalysedTrial, PostMortem, digest_searched, write_post_mortem
from blindtune.records.trial import Trial, TrialLog
from blindtune.report.records import ReportRecords, read_records
from support.report_records import RecordsBuilder

WHEN = "2026-01-02T04:05:06.789+00:00"


def analysed(number: int, dev: float | None, error: float | None, samples: int = 400, **changes: Any) -> AnalysedTrial:
    """Return a trial with an error on dev and one on eval."""
    fields: dict[str, Any] = {
        "trial": number,
        "status": "completed",
        "n_parameters": 100,
        "dev_error": dev,
        "restored": None if error is None else "retrained",
        "same_weights": None if error is None else True,
        "restored_dev_error": None if error is None else dev,
        "wrong": None if error is None else round(error * samples),
        "error": None if error is None else round(error * samples) / samples,
        "reason": "pruned" if error is None else None,
    }
    return AnalysedTrial(**(fields | changes))


def of_trial(trial: Trial, error: float | None, samples: int) -> AnalysedTrial:
    """Return what a post-mortem holds of a recorded trial."""
    known = trial.score is not None and trial.fold is None
    changes = {"status": trial.status, "n_parameters": trial.n_parameters}
    return analysed(
        trial.number, trial.score if trial.fold is None else None, error if known else None, samples, **changes
    )


def write_post_mortems(
    builder: RecordsBuilder,
    systems: Iterable[str],
    error: Callable[[Trial], float] = lambda trial: 0.1 + 0.8 * (trial.score or 0.0),
    cross_chosen: float | None = 0.15,
) -> list[list[str]]:
    """Write the post-mortems of systems on every dataset of a builder; its decodes must be in the ledger.

    Args:
        builder: of the report.
        systems: that searched.
        error: returns what a trial has on eval; the chosen one has what was decoded.
        cross_chosen: error of the best trial without luck.

    Returns:
        Dataset and system of each.
    """
    ledger = Ledger(builder.root.parent / "ledger")
    paths = ResultPaths(str(builder.root))
    pairs = [[name, system] for name in builder.datasets for system in systems]
    for name, system in pairs:
        for seed in builder.seeds:
            card = read_card(builder.root / f"studies/{name}/{system}/{seed}/card.json")
            trials = TrialLog(builder.root / f"studies/{name}/{system}/{seed}/trials.jsonl").read()
            place = builder.root / f"decodes/{name}/{system}/{seed}/result.json"
            decode = parse_decode_result(read_json(place), str(place))
            found = PostMortem(
                study=card.study,
                frozen_sha256=card.frozen_sha256(),
                eval_sha256=decode.eval_sha256,
                trials_sha256=digest_searched(trials),
                chosen=card.trial or 0,
                samples=builder.samples,
                cross_chosen_error=cross_chosen,
                trials=[
                    of_trial(one, decode.error if one.number == card.trial else error(one), builder.samples)
                    for one in trials
                ],
                analysed=WHEN,
            )
            identity = builder.identities.get(name) or EvalIdentity(decode.eval_sha256)
            decoded = [found.frozen_sha256]
            ledger.begin_post_mortem(found.study, found.frozen_sha256, found.trials_sha256, identity, decoded)
            found = ledger.finish_post_mortem(found, decoded)
            write_post_mortem(Path(post_mortem_file(paths, name, system, seed)), found)
    return pairs


def read_with(builder: RecordsBuilder, pairs: list[list[str]]) -> ReportRecords:
    """Read the records of a builder with post-mortems."""
    return read_records(builder.root, builder.compare, builder.seeds, post_mortems=pairs)
