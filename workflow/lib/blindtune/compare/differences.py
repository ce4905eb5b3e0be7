"""What differs between two runs, as data."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from blindtune.compare.effects import Effect, dataset_effect, study_effect, system_effect
from blindtune.compare.margins import Margins, read_margins
from blindtune.compare.post_mortems import PostMortemChange, compare_post_mortems
from blindtune.compare.run_folder import RunFolder, StudyFolder, StudyKey, Unfinished, read_run
from blindtune.compare.values import ABSENT, find_differences
from blindtune.compare.verdicts import VerdictChange, compare_verdicts
from blindtune.datasets.base import SPLITS
from blindtune.metrics.registry import ERROR
from blindtune.records.model_card import ModelCard, describe_view_alone
from blindtune.records.trial import Trial

_Item = TypeVar("_Item")
#: The versions of libraries in two records.
_Versions = tuple[Mapping[str, str], Mapping[str, str]]

#: Fields of a trial that name its place or its format, not what happened.
_PLACE = {"study", "schema_version"}

#: Fields of a card that two equal models share, next to the view and the trainer. A name of a config is not among them.
_MODEL = {
    "kind", "hyperparameters", "architecture", "estimator", "network", "training", "score_epoch", "classes", "trial",
    "model_seed", "n_parameters", "weights_sha256", "data_sha256", "preprocessing", "train_error", "dev_error",
    "metric", "train_metric", "dev_metric", "estimates", "exhausted", "statuses",
}  # fmt: skip

#: Fields of a decode result that differ from run to run, or follow from the code and the name of the config.
_RESULT_PLACE = {"schema_version", "study", "frozen_sha256", "decoded"}

#: Fields of a decode result from which others follow, the first cause first, in words.
_RESULT_CAUSES = {
    "eval_sha256": "data",
    "predictions_sha256": "predictions",
    "recordings_sha256": "recordings",
    "details_sha256": "probabilities",
}


@dataclass(frozen=True)
class ConfigChange:
    """A key of the config with another value.

    Attributes:
        key: its path, such as ``systems.mlp_a1.training.epochs``.
        before: the value in the first run, as plain data.
        after: the value in the second one.
        effect: what it affects.
        datasets: those on which the key of a system differs; empty for other keys.
    """

    key: str
    before: Any
    after: Any
    effect: Effect
    datasets: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class SoftwareChange:
    """Another version of a library, or other code.

    Attributes:
        name: a library, python, device, or what the code is of.
        before: the version in the first run; of code, empty.
        after: the version in the second one.
        places: number of studies and datasets for which it differs.
        of: number of studies and datasets that both runs have.
    """

    name: str
    before: str
    after: str
    places: int
    of: int


@dataclass(frozen=True)
class DataChange:
    """A dataset that differs.

    Attributes:
        dataset: its name.
        changes: sentences, such as "train: 2,000 -> 4,000 samples".
    """

    dataset: str
    changes: list[str]


@dataclass(frozen=True)
class ScoreChange:
    """What was minimised, on one split.

    Attributes:
        metric: a key of `blindtune.metrics.registry.METRICS`.
        before: the value in the first run; None: it is not there.
        after: the value in the second one.
    """

    metric: str
    before: float | None
    after: float | None

    @property
    def differs(self) -> bool:
        """Whether the two values differ."""
        return self.before != self.after


@dataclass(frozen=True)
class StudyChange:
    """A study of both runs whose records differ.

    Attributes:
        dataset: its dataset.
        system: its system.
        seed: its seed.
        states: how far it has come, in the first run and in the second.
        equal: number of trials that are equal but for times, host and versions.
        different: number of trials that are in both and differ.
        only: number of trials that only the first run has, and only the second.
        first: the first difference of a trial; empty if there is none.
        model: what differs of the frozen model; empty if nothing does.
        dev: what was minimised, on dev.
        eval: the same on eval.
        answers: what differs of the results on eval; empty if nothing does.
    """

    dataset: str
    system: str
    seed: int
    states: tuple[str, str]
    equal: int
    different: int
    only: tuple[int, int]
    first: str
    model: str
    dev: ScoreChange
    eval: ScoreChange
    answers: str

    @property
    def differs(self) -> bool:
        """Whether anything differs."""
        trials = self.different or any(self.only)
        return bool(trials or self.model or self.answers or self.states[0] != self.states[1])


@dataclass(frozen=True)
class RunComparison:
    """All that differs between two runs.

    Attributes:
        before: the folder of the first run.
        after: the folder of the second one.
        n_studies: number of studies that both have.
        config: keys of the config as the records hold them.
        software: libraries and code; these alone do not make two runs different.
        data: datasets that both have and that differ.
        only_datasets: datasets that only the first run has, and only the second.
        only_studies: studies that only the first run has, and only the second.
        studies: studies that both have and that differ.
        post_mortems: those that one run alone has, or that have other values.
        verdicts: answers to the report's questions that differ.
        unknown_verdicts: why an answer could not be compared, one sentence each.
        margin_note: which margin of equivalence was taken for a run without a report; empty if both have one.
        unfinished: studies of each run that have no result on eval.
    """

    before: Path
    after: Path
    n_studies: int
    config: list[ConfigChange]
    software: list[SoftwareChange]
    data: list[DataChange]
    only_datasets: tuple[list[str], list[str]]
    only_studies: tuple[list[StudyKey], list[StudyKey]]
    studies: list[StudyChange]
    post_mortems: list[PostMortemChange]
    verdicts: list[VerdictChange]
    unknown_verdicts: list[str]
    margin_note: str
    unfinished: tuple[list[Unfinished], list[Unfinished]]

    @property
    def differs(self) -> bool:
        """Whether anything but libraries and code differs."""
        only = any((*self.only_datasets, *self.only_studies))
        return bool(self.config or self.data or only or self.studies or self.post_mortems or self.verdicts)


def compare_runs(before: Path, after: Path) -> RunComparison:
    """Compare two runs.

    Args:
        before: the folder of the first run, ``results/<config name>``.
        after: the folder of the second one.

    Raises:
        UserError: a folder holds no run that can be read.
    """
    first, second = read_run(before), read_run(after)
    shared = [key for key in first.studies if key in second.studies]
    studies = [_compare_study(key, first.studies[key], second.studies[key]) for key in shared]
    margins = read_margins(first, second)
    verdicts, unknown = compare_verdicts(first, second, (margins.before, margins.after))
    return RunComparison(
        before=before,
        after=after,
        n_studies=len(shared),
        config=[
            *_compare_sources(first, second),
            *_compare_seeds(first, second),
            *_compare_settings(first, second),
            *_compare_margins(margins),
        ],
        software=_compare_software(first, second),
        data=[
            DataChange(name, changes)
            for name, manifest in first.manifests.items()
            if name in second.manifests and (changes := list(_compare_data(manifest, second.manifests[name])))
        ],
        only_datasets=_only(list(first.manifests), list(second.manifests)),
        only_studies=_only(list(first.studies), list(second.studies)),
        studies=[study for study in studies if study.differs],
        post_mortems=compare_post_mortems(first, second),
        verdicts=verdicts,
        unknown_verdicts=unknown,
        margin_note=margins.note,
        unfinished=(first.unfinished, second.unfinished),
    )


def _only(before: list[_Item], after: list[_Item]) -> tuple[list[_Item], list[_Item]]:
    return [one for one in before if one not in after], [one for one in after if one not in before]


def _compare_sources(before: RunFolder, after: RunFolder) -> Iterator[ConfigChange]:
    for name, manifest in before.manifests.items():
        if name not in after.manifests:
            continue
        for change in find_differences(
            manifest.get("source", {}), after.manifests[name].get("source", {}), whole_lists=True
        ):
            yield ConfigChange(f"datasets.{name}.{change.key}", change.before, change.after, dataset_effect(change.key))


def _compare_seeds(before: RunFolder, after: RunFolder) -> Iterator[ConfigChange]:
    if before.studies and after.studies and before.seeds() != after.seeds():
        yield ConfigChange("seeds", before.seeds(), after.seeds(), study_effect("seeds"))
    for name in before.manifests:
        systems = sorted(before.systems(name)), sorted(after.systems(name))
        if name in after.manifests and systems[0] != systems[1]:
            left_out, added = _only(*systems)
            yield ConfigChange(f"systems of {name}", left_out, added, study_effect("systems"))


def _compare_margins(margins: Margins) -> Iterator[ConfigChange]:
    if margins.differ:
        yield ConfigChange("report.margin", margins.before, margins.after, "report only")


def _compare_settings(before: RunFolder, after: RunFolder) -> list[ConfigChange]:
    """Compare the configs of all studies that both runs have; a key that differs alike in several is one change."""
    found: dict[str, ConfigChange] = {}
    for key in (key for key in before.studies if key in after.studies):
        one, other = before.studies[key], after.studies[key]
        for name, effect, was, now in _settings_changes(key, one, other):
            change = found.setdefault(f"{name} {was!r} {now!r}", ConfigChange(name, was, now, effect))
            if name.startswith("systems.") and key[0] not in change.datasets:
                change.datasets.append(key[0])
    return list(found.values())


def _settings_changes(key: StudyKey, before: StudyFolder, after: StudyFolder) -> Iterator[tuple[str, Effect, Any, Any]]:
    dataset, system, _ = key
    if before.card is not None and after.card is not None:
        one, other = ({**_of_card(study.card), "files": study.protocol.get("files", {})}
                      for study in (before, after) if study.card is not None)  # fmt: skip
    else:
        one, other = (_of_protocol(study.protocol) for study in (before, after))
    if not one or not other:
        return
    for change in find_differences(one["settings"], other["settings"], whole_lists=True):
        yield f"systems.{system}.{change.key}", system_effect(change.key), change.before, change.after
    for change in find_differences(one["files"], other["files"], whole_lists=True):
        name, _, place = change.key.partition(".")
        effect = system_effect(name.partition("[")[0])
        yield f"systems.{system}.{name}: {place}".removesuffix(": "), effect, change.before, change.after
    for change in find_differences(one["shared"], other["shared"]):
        where = change.key if change.key == "score_epoch" else f"compare.{dataset}.{change.key}"
        yield where, study_effect(change.key), change.before, change.after


def _of_card(card: ModelCard) -> dict[str, Any]:
    """Return the config of a study as the card of its model holds it."""
    budget = {} if card.budget is None else card.budget.model_dump(mode="json")
    return {
        "settings": card.settings,
        "shared": {"budget": budget, "metric": card.metric or ERROR, "score_epoch": card.score_epoch},
    }


def _of_protocol(protocol: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config of an unfinished study as its protocol holds it: without the budget and labels."""
    study = protocol.get("study")
    if study is None:
        return {}
    shared = {"metric": study.get("metric", ERROR), "score_epoch": study.get("score_epoch")}
    settings = {name: value for name, value in study["settings"].items() if name != "paper_row"}
    return {"settings": settings, "files": protocol.get("files", {}), "shared": shared}


def _compare_software(before: RunFolder, after: RunFolder) -> list[SoftwareChange]:
    pairs = [(before.studies[key], after.studies[key]) for key in before.studies if key in after.studies]
    cards = [(one.card, other.card) for one, other in pairs if one.card is not None and other.card is not None]
    versions: list[_Versions] = [(one.versions, other.versions) for one, other in cards]
    versions += [
        (manifest.get("versions", {}), after.manifests[name].get("versions", {}))
        for name, manifest in before.manifests.items()
        if name in after.manifests
    ]
    found = list(_count_versions(versions))
    # Code is compared by its digests, which say nothing but that it differs.
    protocols = [(one.protocol.get("code"), other.protocol.get("code")) for one, other in pairs]
    found += _count_code("code of searches", protocols)
    found += _count_code("code of frozen models", [(one.code_sha256, other.code_sha256) for one, other in cards])
    return found


def _count_versions(versions: list[_Versions]) -> Iterator[SoftwareChange]:
    names = dict.fromkeys(name for one, other in versions for name in (*one, *other))
    for name in names:
        both = [(one.get(name, "not used"), other.get(name, "not used")) for one, other in versions]
        both = [pair for pair in both if pair != ("not used", "not used")]
        for pair in dict.fromkeys(pair for pair in both if pair[0] != pair[1]):
            yield SoftwareChange(name, *pair, both.count(pair), len(both))


def _count_code(name: str, digests: list[tuple[str | None, str | None]]) -> list[SoftwareChange]:
    known = [(one, other) for one, other in digests if one is not None and other is not None]
    different = sum(one != other for one, other in known)
    return [SoftwareChange(name, "", "", different, len(known))] if different else []


def _compare_data(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Yield what differs between two manifests of a dataset, one sentence for each split or property."""
    for key in ("classes", "sample_shape", "dtype", "units", "axes"):
        if before.get(key) != after.get(key):
            yield f"{key.replace('_', ' ')}: {before.get(key)} -> {after.get(key)}"
    for split in SPLITS:
        if before["splits"].get(split) == after["splits"].get(split):
            continue
        counts = [manifest.get("counts", {}).get(split, {}) for manifest in (before, after)]
        totals = [sum(one.values()) for one in counts]
        if totals[0] != totals[1]:
            yield f"{split}: {totals[0]:,} -> {totals[1]:,} samples"
        elif counts[0] != counts[1]:
            changed = [f"{name} {counts[0].get(name, 0):,} -> {counts[1].get(name, 0):,}" for name in counts[0]]
            yield f"{split}: {totals[0]:,} samples of other classes ({', '.join(changed)})"
        else:
            yield f"{split}: {totals[0]:,} other samples, as many of each class"
    yield from _compare_files(before.get("files", {}), after.get("files", {}))


def _compare_files(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    changed = [name for name in before if name in after and before[name] != after[name]]
    left_out, added = _only(list(before), list(after))
    for names, what in ((changed, "other content"), (left_out, "only before"), (added, "only after")):
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            yield f"files, {what}: {', '.join(names[:3])}{more}"


def _compare_study(key: StudyKey, before: StudyFolder, after: StudyFolder) -> StudyChange:
    pairs = [(_comparable(one), _comparable(other)) for one, other in zip(before.trials, after.trials, strict=False)]
    different = [number for number, (one, other) in enumerate(pairs) if one != other]
    lengths = len(before.trials), len(after.trials)
    return StudyChange(
        *key,
        states=(before.state, after.state),
        equal=len(pairs) - len(different),
        different=len(different),
        only=(max(lengths[0] - lengths[1], 0), max(lengths[1] - lengths[0], 0)),
        first=_describe_first(different[0], *pairs[different[0]]) if different else "",
        model="" if before.card is None or after.card is None else _compare_models(before.card, after.card),
        dev=_scores(before, after, "dev"),
        eval=_scores(before, after, "eval"),
        answers=_compare_results(before, after),
    )


def _comparable(trial: Trial) -> dict[str, Any]:
    return {name: value for name, value in trial.reproducible_fields().items() if name not in _PLACE}


def _describe_first(number: int, before: dict[str, Any], after: dict[str, Any]) -> str:
    """Return what differs of the first trial that does: what it was made of comes before what came of it."""
    found = list(find_differences(before, after))
    made = [change for change in found if change.key.partition(".")[0] in ("hyperparameters", "layers", "seeds")]
    change = (made or found)[0]
    return f"trial {number}: {change.key} {_plain(change.before)} -> {_plain(change.after)}"


def _plain(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _compare_models(before: ModelCard, after: ModelCard) -> str:
    """Return what differs of two frozen models, empty if nothing does."""
    one, other = (card.model_dump(mode="json", include=_MODEL) for card in (before, after))
    for content, card in ((one, before), (other, after)):
        content |= {"view": describe_view_alone(card.settings.get("view")), "trainer": card.settings.get("trainer")}
    names = [name for name in one | other if one.get(name, ABSENT) != other.get(name, ABSENT)]
    if not names:
        return ""
    if before.trial != after.trial:
        return f"trial {before.trial} -> {after.trial}"
    labels = {"weights_sha256": "weights", "data_sha256": "data"}
    for name in ("data_sha256", "view", "preprocessing", "trainer", "hyperparameters", "architecture"):
        if name in names:
            return f"other {labels.get(name, name)}"
    return f"other {', '.join(labels.get(name, name) for name in names)}"


def _scores(before: StudyFolder, after: StudyFolder, split: str) -> ScoreChange:
    metrics = [study.card.metric or ERROR for study in (before, after) if study.card is not None]
    # What each minimised, if it is the same; else the error, which all have.
    metric = metrics[0] if len(set(metrics)) == 1 else ERROR
    return ScoreChange(metric, *(_score(study, split, metric) for study in (before, after)))


def _score(study: StudyFolder, split: str, metric: str) -> float | None:
    card, result = study.card, study.result
    if split == "dev":
        return None if card is None else card.dev_error if metric == ERROR else card.dev_metric
    return None if result is None else result.error if metric == ERROR else result.metric_value


def _compare_results(before: StudyFolder, after: StudyFolder) -> str:
    """Return what differs of two results on eval, empty if nothing does."""
    if before.result is None or after.result is None:
        return ""
    one, other = (study.model_dump(mode="json", exclude=_RESULT_PLACE) for study in (before.result, after.result))
    # What one of the two lacks, such as the details in older results, cannot be compared.
    names = [name for name in one if name in other and one[name] != other[name]]
    # The error, and all else that is counted, follows from the predictions.
    causes = [words for name, words in _RESULT_CAUSES.items() if name in names]
    return causes[0] if causes else ", ".join(names)
