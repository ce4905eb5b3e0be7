"""The post-mortem of a search: what all its trials score on eval, when every model of the dataset has taken its look.

It is an analysis after the fact. Nothing is chosen by it, and it is in the ledger before its scores are shown: a model
that is decoded later on the same eval is not blind.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.config.study import Study
from blindtune.core.errors import UserError
from blindtune.core.files import read_json
from blindtune.core.paths import ResultPaths
from blindtune.core.post_mortem_paths import post_mortem_file
from blindtune.core.seeds import derive
from blindtune.datasets.prepared import Prepared, open_prepared
from blindtune.decoding.entries import now
from blindtune.decoding.frozen_model import FrozenModel
from blindtune.decoding.known_heads import keep_head, read_heads, refuse_lost
from blindtune.decoding.ledger import Ledger
from blindtune.decoding.ledger_file import LedgerContent
from blindtune.decoding.recorded_results import RecordedResults
from blindtune.decoding.sealed_split import Seal, read_seal
from blindtune.metrics.compute import compute_metric
from blindtune.metrics.registry import ERROR
from blindtune.records.agreement import check_agreement
from blindtune.records.decode_result import METRIC_TOLERANCE, parse_decode_result
from blindtune.records.model_card import ModelCard, read_card
from blindtune.records.post_mortem import AnalysedTrial, PostMortem, digest_searched, write_post_mortem
from blindtune.records.trial import Trial, TrialLog
from blindtune.study.rebuild import score_split
from blindtune.study.restore import RestoredTrial, TrialRestorer
from blindtune.views.apply import apply_view

#: A part of the name of a folder of records that a later study has replaced.
_SUPERSEDED = ".superseded-"

#: Random halves of eval by which the best trial is estimated.
_HALVES = 50

#: How often progress is reported, in trials.
_EVERY = 20


@dataclass(frozen=True)
class Looks:
    """The looks that must have been taken before a post-mortem of a dataset.

    Attributes:
        root: ``results/<config name>``.
        dataset: its name.
        systems: all that are compared on it.
        seeds: all of the config.
    """

    root: Path
    dataset: str
    systems: Sequence[str]
    seeds: Sequence[int]

    @property
    def paths(self) -> ResultPaths:
        """The layout of the results."""
        return ResultPaths(str(self.root))

    def check(self, seal: Seal, ledger: Ledger, content: LedgerContent) -> list[str]:
        """Refuse a post-mortem before every system and seed was decoded on an eval, and recorded in the ledger.

        Args:
            seal: of the eval.
            ledger: of the project.
            content: of the ledger.

        Returns:
            What identifies each model that was decoded.

        Raises:
            UserError: a decode is missing, is of another model or another eval, is not what the ledger recorded, or a
                study in the folder of the dataset is none of the config's and was not decoded.
        """
        recorded = RecordedResults(ledger.path, content.entries)
        named = [(system, str(seed)) for system in self.systems for seed in self.seeds]
        return [
            self._check_decode(system, seed, seal, ledger, recorded)
            for system, seed in [*named, *self._find_others(set(named))]
        ]

    def _find_others(self, named: set[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return the studies of the dataset that the config does not name: they are to be decoded some day, perhaps."""
        folder = self.root / "studies" / self.dataset
        places = sorted(path for path in folder.glob("*/*") if path.is_dir() and _SUPERSEDED not in path.name)
        begun = [path for path in places if any((path / name).exists() for name in ("protocol.json", "card.json"))]
        found = [(path.parent.name, path.name) for path in begun]
        return [place for place in found if place not in named]

    def _check_decode(self, system: str, seed: str, seal: Seal, ledger: Ledger, recorded: RecordedResults) -> str:
        """Return what identifies the frozen model of a study that was decoded."""
        study = f"{self.dataset}/{system}/{seed}"
        card_path = Path(self.paths.card(self.dataset, system, seed))
        path = Path(self.paths.decode(self.dataset, system, seed)) / "result.json"
        for place, what in ((card_path, "is not frozen yet"), (path, "has not been decoded yet")):
            if not place.exists():
                raise UserError(self._explain(f"{study} {what}: {place} is not there", card_path.parent))
        card, result = read_card(card_path), parse_decode_result(read_json(path), str(path))
        if card.study.split("/")[1:] != [self.dataset, system, seed]:
            raise UserError(
                f"{card_path}: is of the study {card.study}, in the place of {study}. Put back what was moved."
            )
        if (result.study, result.frozen_sha256) != (card.study, card.frozen_sha256()):
            raise UserError(self._explain(f"{path} is the decode of another model than {card_path}", card_path.parent))
        if result.eval_sha256 != seal.sha256:
            raise UserError(self._explain(f"{path} is the decode of other eval data", card_path.parent))
        if not recorded.holds(result, path):
            raise UserError(self._explain(f"{path} is not in the ledger {ledger.path}", card_path.parent))
        ledger.read_predictions(result)
        return result.frozen_sha256

    def _explain(self, what: str, folder: Path) -> str:
        return (
            f"post-mortem of {self.dataset}: {what}. Eval is opened for it only after the last look of every system "
            f"and seed. Run the decode of that study first, or, if it is no longer compared, move {folder} away."
        )


def write_post_mortem_of(
    looks: Looks,
    system: str,
    seed: int,
    *,
    ledger: Path,
    report: Callable[[str], None],
    progress: Callable[[float, str], None] = lambda fraction, line: None,
    workers: int = 1,
) -> PostMortem:
    """Make the post-mortem of one search, and write it to its file.

    Args:
        looks: of all systems and seeds on the dataset.
        system: of the search.
        seed: of the search.
        ledger: folder of the project's ledger.
        report: takes a line about what was done.
        progress: takes the share of the trials that are done, and a line.
        workers: number of cores that may be used; changes no score.

    Raises:
        UserError: a look is missing, the sealed data or the records are not what they were, or the ledger lacks an
            entry.
    """
    paths = looks.paths
    folder = Path(paths.study(looks.dataset, system, seed))
    data = open_prepared(Path(paths.manifest(looks.dataset)), in_full=True)
    model = FrozenModel(read_card(folder / "card.json"), folder, data, workers)
    record = Ledger(ledger)
    path = Path(post_mortem_file(paths, looks.dataset, system, seed))
    with record.decoding(model.card.study, report):  # the file too, as for decodes
        heads = read_heads(looks.root)
        content = record.read()
        refuse_lost(heads, content, record.path)
        found = _analyse(model, looks, record, content, report, progress)
        keep_head(path.parent, record.seen)
        write_post_mortem(path, found)
    return found


def _analyse(
    model: FrozenModel,
    looks: Looks,
    ledger: Ledger,
    content: LedgerContent,
    report: Callable[[str], None],
    progress: Callable[[float, str], None],
) -> PostMortem:
    """Return the post-mortem of a search, from the ledger if it was made before."""
    card, sealed = model.card, Path(looks.paths.seal(looks.dataset))
    seal = read_seal(sealed)
    model.data.check_seal(sealed, seal.sha256)
    decoded = looks.check(seal, ledger, content)
    log = TrialLog(model.folder / "trials.jsonl")
    trials = check_agreement(card, log.read(), log.path)
    key = (card.study, card.frozen_sha256(), seal.sha256, digest_searched(trials))
    known = ledger.find_post_mortem(*key, content)
    if known is not None:
        report(f"{card.study}: its post-mortem is answered from the ledger, {_describe(known)}")
        return known
    model.check_data()
    model.check_view()
    seal.verify()
    identity = replace(seal.identity, origins=model.data.eval_origins())
    ledger.begin_post_mortem(card.study, key[1], key[3], identity, decoded)
    scored, cross_chosen = _score_trials(model, seal, trials, report, progress)
    found = PostMortem(
        study=card.study,
        frozen_sha256=key[1],
        eval_sha256=key[2],
        trials_sha256=key[3],
        chosen=_chosen(card),
        samples=sum(model.data.manifest["counts"]["eval"].values()),
        metric=card.metric,
        cross_chosen_error=cross_chosen,
        trials=scored,
        analysed=now(),
    )
    found = ledger.finish_post_mortem(found, decoded)
    report(f"{card.study}: post-mortem made, {_describe(found)}")
    return found


def _describe(found: PostMortem) -> str:
    """Return what was evaluated and what not, as a phrase that shows no score."""
    evaluated = [trial for trial in found.trials if trial.error is not None]
    return f"{len(evaluated)} of {len(found.trials)} trials evaluated"


def _chosen(card: ModelCard) -> int:
    if card.trial is None:
        raise UserError(f"{card.study}: is an estimate, and has no trials.")
    return card.trial


def study_of(model: FrozenModel) -> Study:
    """Return the study of a frozen model, as its card describes it."""
    card = model.card
    return Study.model_validate(
        {
            "config": card.config,
            "dataset": card.dataset,
            "system": card.system,
            "seed": card.seed,
            "settings": model.settings,
            "budget": card.budget,
            "score_epoch": card.score_epoch,
            "metric": card.metric or ERROR,
            "keep_best": 1,
        }
    )


def _score_trials(
    model: FrozenModel,
    seal: Seal,
    trials: Sequence[Trial],
    report: Callable[[str], None],
    progress: Callable[[float, str], None],
) -> tuple[list[AnalysedTrial], float | None]:
    """Restore the model of each trial, and score it on eval if it is the one that was recorded.

    Returns:
        The trials, and what `estimate_cross_chosen` says of them.
    """
    card, split = model.card, seal.open()
    data = apply_view(model.settings.view, model.data)
    x: Any = model.show_sealed(split.x, seal.sha256, seal.folder)
    scorer = _Scorer(data, x, split.y, card.metric, len(data.classes))
    found: dict[int, AnalysedTrial] = {}
    restorer = TrialRestorer(study_of(model), data, model.folder, trials, model.workers, report)
    for restored in restorer.restore():
        found[restored.trial.number] = scorer.score(restored)
        if len(found) % _EVERY == 0:
            progress(len(found) / len(trials), f"{card.study}: post-mortem, {len(found)} trials restored")
    scored = [found.get(trial.number) or _unscored(trial) for trial in trials]
    if card.metric is not None:
        return scored, None
    wrong = [scorer.wrong[trial.trial] for trial in scored if trial.error is not None]
    return scored, estimate_cross_chosen(wrong, split.group, card.study)


def _unscored(trial: Trial) -> AnalysedTrial:
    """Return what is recorded of a trial that has no model to evaluate."""
    reason = f"scored on fold {trial.fold + 1}, not on dev" if trial.fold is not None else trial.reason or trial.status
    return _analysed(RestoredTrial(trial, None, None, None, reason))


def _analysed(restored: RestoredTrial, **scores: Any) -> AnalysedTrial:
    trial = restored.trial
    nothing: dict[str, Any] = dict.fromkeys(("restored_dev_error", "wrong", "error"))
    on_dev = trial.fold is None
    return AnalysedTrial(
        trial=trial.number,
        status=trial.status,
        n_parameters=trial.n_parameters,
        dev_error=trial.score if on_dev else None,
        dev_metric=trial.metric_value if on_dev else None,
        restored=restored.restored,
        same_weights=restored.same_weights,
        **(nothing | {"reason": restored.reason} | scores),
    )


@dataclass(frozen=True)
class _Scorer:
    """Scores restored models.

    Attributes:
        data: train and dev, with the view of the system applied.
        x: samples of eval, with the view applied.
        y: their labels.
        metric: what the search minimised; None: the error.
        classes: number of classes.
        wrong: whether each eval sample was answered wrongly, (n_samples,) bool, by number of the trial.
    """

    data: Prepared
    x: Any
    y: NDArray[Any]
    metric: str | None
    classes: int
    wrong: dict[int, NDArray[np.bool_]] = field(default_factory=dict)

    def score(self, restored: RestoredTrial) -> AnalysedTrial:
        """Return the scores of a trial on eval, or why its model is not the one that was recorded."""
        if restored.model is None:
            return _analysed(restored)
        dev = self.data.dev
        dev_error, dev_metric = score_split(restored.model, dev, self.metric, self.classes)
        reason = _explain_difference(restored.trial, dev_error, dev_metric, len(dev.y))
        if reason is not None:
            return _analysed(restored, restored_dev_error=dev_error, reason=reason)
        value: float | None = None
        if self.metric is None:
            labels = restored.model.predict(self.x)
        else:
            answers = restored.model.answer(self.x)
            labels, value = answers.labels, compute_metric(self.metric, self.y, answers, self.classes)
        self.wrong[restored.trial.number] = labels != self.y
        wrong = int(self.wrong[restored.trial.number].sum())
        error = wrong / len(self.y)
        return _analysed(restored, restored_dev_error=dev_error, wrong=wrong, error=error, metric_value=value)


def estimate_cross_chosen(
    wrong: Sequence[NDArray[np.bool_]], group: NDArray[np.int64] | None, study: str
) -> float | None:
    """Estimate the error of the best trial without the luck of being the lowest of many on the same samples.

    The trial that is lowest on a random half of eval is scored on the other half.

    Args:
        wrong: of each trial, whether each sample was answered wrongly, (n_samples,).
        group: of each sample, whose groups are halved, not its samples; None: there are none.
        study: id of the study; the halves are drawn by it.

    Returns:
        The mean over many halves; None for fewer than two trials, samples or groups.
    """
    if len(wrong) < 2:
        return None
    n_samples = len(wrong[0])
    units = np.arange(n_samples) if group is None else np.unique(group, return_inverse=True)[1]
    n_units = int(units.max()) + 1
    if n_units < 2:
        return None
    random = np.random.default_rng(derive("halves", study))
    halves = np.zeros((_HALVES, n_units), dtype=np.float32)
    for half in halves:
        half[random.permutation(n_units)[: n_units // 2]] = 1
    first = halves[:, units].T
    table = np.stack(wrong).astype(np.float32)  # whole numbers up to 2**24: every sum is exact
    on_first = table @ first
    on_second = table.sum(axis=1, keepdims=True) - on_first
    sizes = first.sum(axis=0)
    places = np.arange(_HALVES)
    errors = [
        on_second[np.argmin(on_first, axis=0), places] / (n_samples - sizes),
        on_first[np.argmin(on_second, axis=0), places] / sizes,
    ]
    return float(np.mean(errors, dtype=np.float64))


def _explain_difference(trial: Trial, dev_error: float, dev_metric: float | None, samples: int) -> str | None:
    """Return why a restored model is not that of its record; None if it gives what was recorded on dev."""
    recorded = 1.0 if trial.score is None else trial.score
    if abs(dev_error - recorded) > 0.5 / samples:
        return f"restored, it has a dev error of {dev_error:.4%}, but {recorded:.4%} was recorded"
    if trial.metric_value is not None:
        value = float("nan") if dev_metric is None else dev_metric
        if not abs(value - trial.metric_value) <= METRIC_TOLERANCE:
            return f"restored, it has a dev {trial.metric} of {value:.6g}, but {trial.metric_value:.6g} was recorded"
    return None
