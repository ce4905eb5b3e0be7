"""Build the records of a small study with the models that write the real ones."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from blindtune.config.training import Training
from blindtune.core.arrays import digest_arrays, write_npz
from blindtune.core.budget import Budget
from blindtune.core.files import digest_json, read_json, write_json
from blindtune.core.timing import CpuWallTime
from blindtune.decoding.known_evals import EvalIdentity
from blindtune.decoding.ledger import Ledger
from blindtune.metrics.base import Answers
from blindtune.metrics.compute import compute_metric
from blindtune.models.architecture import Architecture, count_parameters
from blindtune.models.layers import Dense, Dropout, Flatten
from blindtune.records.decode_result import DecodeResult, GroupErrors, parse_decode_result
from blindtune.records.model_card import ModelCard, Spent, write_card
from blindtune.records.trial import EpochMetrics, Status, Trial, TrialLog, find_best
from blindtune.report.records import ReportRecords, read_records
from support.report_corpora import examples
from support.report_searches import PARTS, TUNERS, VERSIONS, SearchBuilder

KINDS = {
    "knn": ("knn", "KNN"),
    "rnf": ("random_forest", "RNF"),
    "mlp_m1": ("manual", "MLP-M1"),
    "mlp_m2": ("manual", "MLP-M2"),
    "mlp_a1": ("tuner", "MLP-A1"),
    "mlp_a2": ("tuner", "MLP-A2"),
    "bayes": ("bayes", "BER"),
}
#: The published systems for images and signals.
DEEP = {"deep_m": ("manual", "Manual"), "deep_a": ("tuner", "Auto")}
_ALL = KINDS | DEEP
VIEWS: dict[str, dict[str, Any]] = {"deep_m": {"view": {"kind": "crops", "side": 128, "rotate": True}}}
ESTIMATES = {
    "closed_loop": 0.05,
    "closed_loop_knn": 0.08,
    "closed_loop_rnf": 0.05,
    "nearest_neighbour": 0.21,
    "lower_bound": 0.12,
    "upper_bound": 0.21,
}


@dataclass
class RecordsBuilder:
    """Writes the records of a study; each test changes the fields that it is about.

    Attributes:
        root: ``results/<config name>``.
        seeds: the study seeds.
        systems: the names of the systems, the same on every dataset.
        datasets: the changes to `_manifest` by dataset name.
        errors: the eval errors by system; others have a default.
        samples: the number of eval samples.
        trials: the number of trials of a tuner.
        not_blind: ``<dataset>/<system>`` whose decodes were not blind.
        budget: the budget of every tuner; None means its number of trials.
        identities: the identity of eval by dataset name, for the ledger; others are known by their arrays alone.
        metric: what every classifier minimised; None: the error.
        has_details: whether the answers have true labels and probabilities, as those of a metric always do.
        rare: every so many eval samples are of the second class, all others of the first; None: classes of one size.
        majority: the systems that are nearly sure of the first of two classes for every sample.
        dev_metric: returns the metric of a trial on dev from its error.
    """

    root: Path
    seeds: list[int] = field(default_factory=lambda: [42, 43])
    systems: list[str] = field(default_factory=lambda: list(KINDS))
    datasets: dict[str, dict[str, Any]] = field(default_factory=lambda: {"set_10": {}})
    errors: dict[str, float] = field(default_factory=dict)
    samples: int = 400
    trials: int = 12
    not_blind: tuple[str, ...] = ()
    budget: Budget | None = None
    identities: dict[str, EvalIdentity] = field(default_factory=dict)
    metric: str | None = None
    has_details: bool = False
    rare: int | None = None
    majority: tuple[str, ...] = ()
    dev_metric: Callable[[float], float] = lambda error: error / 2

    @property
    def compare(self) -> list[tuple[str, list[str]]]:
        """The datasets and systems as `blindtune.report.records.read_records` takes them."""
        return [(name, self.systems) for name in self.datasets]

    def write(self) -> "RecordsBuilder":
        """Write all records and return the builder."""
        for name, changes in self.datasets.items():
            manifest = _manifest(name, self.samples) | changes
            write_json(self.root / f"data/{name}/manifest.json", manifest)
            is_plane = manifest["sample_shape"] == [2]
            write_npz(
                self.root / f"decodes/{name}/sample_splits.npz", _picture(manifest, self.samples) if is_plane else {}
            )
            if "raw_sha256" in manifest["parameters"]:
                write_npz(self.root / f"data/{name}/examples.npz", examples(manifest))
            for system in self.systems:
                for seed in self.seeds:
                    self._study(name, manifest, system, seed)
        return self

    def record(self, systems: Iterable[str] | None = None) -> "RecordsBuilder":
        """Write the decodes of these systems, or of all, to the ledger next to the root; return the builder."""
        ledger = Ledger(self.root.parent / "ledger")
        for name in self.datasets:
            for system in self.systems if systems is None else systems:
                for seed in self.seeds:
                    folder = self.root / f"decodes/{name}/{system}/{seed}"
                    result = parse_decode_result(read_json(folder / "result.json"), "result")
                    with np.load(folder / "predictions.npz") as stored:
                        predictions = dict(stored) or None
                    identity = self.identities.get(name) or EvalIdentity(result.eval_sha256)
                    ledger.begin(result.study, result.frozen_sha256, identity, allow_repeats=True)
                    ledger.finish(result, predictions)
        return self

    def read(self) -> ReportRecords:
        """Read the records back."""
        return read_records(self.root, self.compare, self.seeds)

    def _study(self, name: str, manifest: dict[str, Any], system: str, seed: int) -> None:
        rng = np.random.default_rng(int(digest_json([name, system, seed])[:8], 16))
        study = f"{self.root.name}/{name}/{system}/{seed}"
        if system in TUNERS:
            trials = SearchBuilder(study, TUNERS[system], seed, rng).run(self.trials)
        else:
            trials = [] if system == "bayes" else _trials(study, system, seed, self.trials, rng)
        if self.metric is not None:
            trials = [self._with_metric(trial) for trial in trials]
        card = _card(study, system, seed, manifest, trials)
        if card.kind == "tuner":
            card = card.model_copy(update={"budget": self.budget or Budget(trials=self.trials)})
        write_card(self.root / f"studies/{name}/{system}/{seed}/card.json", card)
        log = TrialLog(self.root / f"studies/{name}/{system}/{seed}/trials.jsonl")
        for trial in trials:
            log.append(trial)
        self._decode(card, manifest, self.root / f"decodes/{name}/{system}/{seed}", rng)

    def _decode(self, card: ModelCard, manifest: dict[str, Any], folder: Path, rng: np.random.Generator) -> None:
        error = self._error(card.system) + (rng.normal(0, 0.02) if card.system in TUNERS else 0)
        classes = len(manifest["classes"])
        labels = _labels(self.samples, classes, self.rare)
        answers = {} if card.kind == "bayes" else _answers(error, labels, rng, classes)
        if card.system in self.majority:
            answers = {"predicted": np.zeros(self.samples, np.int16), "wrong": labels != 0}
        wrong = int(answers["wrong"].sum()) if answers else None
        has_details = answers and (self.has_details or self.metric is not None)
        details = _details(answers, manifest, labels, classes) if has_details else {}
        if details and card.system in self.majority:
            details["probabilities"] = np.tile(np.array([0.9999, 0.0001], np.float32), (self.samples, 1))
        result = DecodeResult(
            study=card.study,
            frozen_sha256=card.frozen_sha256(),
            eval_sha256=manifest["splits"]["eval"],
            samples=self.samples,
            error=ESTIMATES["closed_loop"] if wrong is None else wrong / self.samples,
            wrong=wrong,
            confusion=_confusion(answers, labels, classes) if answers else None,
            groups=_groups(manifest, answers) if answers and "groups" in manifest["parameters"] else None,
            estimates={} if answers else ESTIMATES,
            blind=f"{card.dataset}/{card.system}" not in self.not_blind,
            predictions_sha256=digest_arrays(answers) if answers else None,
            metric=card.metric,
            metric_value=None if card.metric is None else _compute_metric(card.metric, answers | details, classes),
            details_sha256=digest_arrays(details) if details else None,
            decoded="2026-01-02T03:04:05.678+00:00",
        )
        write_json(folder / "result.json", result.model_dump(mode="json"))
        write_npz(folder / "predictions.npz", answers | details)
        is_plane = manifest["sample_shape"] == [2] and answers
        write_npz(folder / "surface.npz", _surface(rng) if is_plane else {})

    def _with_metric(self, trial: Trial) -> Trial:
        value = None if trial.score is None else self.dev_metric(trial.score)
        return trial.model_copy(update={"metric": self.metric, "metric_value": value})

    def _error(self, system: str) -> float:
        default = 0.2 + (0.015 * list(TUNERS).index(system) if system in TUNERS else 0.03 * list(_ALL).index(system))
        return self.errors.get(system, default)


def _manifest(name: str, samples: int) -> dict[str, Any]:
    counts = {"train": 5 * samples, "dev": samples, "eval": samples}
    return {
        "dataset": name,
        "classes": ["left", "right"],
        "counts": {split: {"left": count // 2, "right": count // 2} for split, count in counts.items()},
        "axes": ["sample", "feature"],
        "sample_shape": [2],
        "dtype": "float32",
        "units": "arbitrary",
        "published": "10",
        "stand_in": False,
        "source": {"source": "csv_folder", "published": "10"},
        "parameters": {},
        "files": {"train.csv": digest_json("train")},
        "sha256": digest_json([name, "open"]),
        "splits": {split: digest_json([name, split]) for split in counts},
        "versions": {"python": "3.11.9", "numpy": "2.4.6"},
    }


def _picture(manifest: dict[str, Any], samples: int) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(1)
    arrays: dict[str, NDArray[Any]] = {}
    for split in ("train", "dev", "eval"):
        y = rng.integers(len(manifest["classes"]), size=samples)
        x = rng.normal(size=(samples, *manifest["sample_shape"]))
        arrays[f"{split}_x"] = (x + 1.5 * y.reshape(-1, *[1] * (x.ndim - 1))).astype(np.float32)
        arrays[f"{split}_y"] = y
    return arrays


def _answers(error: float, labels: NDArray[Any], rng: np.random.Generator, classes: int) -> dict[str, NDArray[Any]]:
    samples = len(labels)
    # The same samples are hard for every system, as in real data.
    hardness = np.random.default_rng(7).uniform(size=samples)
    wrong = hardness + rng.normal(0, 0.1, samples) < error
    return {"predicted": ((labels + wrong) % classes).astype(np.int16), "wrong": wrong}


def _details(
    answers: dict[str, NDArray[Any]], manifest: dict[str, Any], labels: NDArray[Any], classes: int
) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(11)
    samples, predicted = len(answers["wrong"]), answers["predicted"]
    probabilities = rng.dirichlet(np.ones(classes), samples)
    probabilities[np.arange(samples), predicted] += 1.0
    details: dict[str, NDArray[Any]] = {
        "true": labels.astype(np.int16),
        "probabilities": (probabilities / 2).astype(np.float32),
        "origin": np.array([f"<file {row}>.png".encode() for row in np.flatnonzero(answers["wrong"])], dtype=np.bytes_),
    }
    if "groups" in manifest["parameters"]:
        counts = [one.samples for one in _groups(manifest, answers)]
        numbers = [one.group for one in _groups(manifest, answers)]
        details["group"] = np.repeat(numbers, counts).astype(np.int32)
    return details


def _compute_metric(metric: str, answers: dict[str, NDArray[Any]], classes: int) -> float:
    return compute_metric(metric, answers["true"], Answers(answers["predicted"], answers["probabilities"]), classes)


def _labels(samples: int, classes: int, rare: int | None) -> NDArray[np.int64]:
    numbers = np.arange(samples)
    return numbers % classes if rare is None else (numbers % rare == 0).astype(np.int64)


def _confusion(answers: dict[str, NDArray[Any]], labels: NDArray[Any], classes: int) -> list[list[int]]:
    counts = np.zeros((classes, classes), dtype=int)
    np.add.at(counts, (labels, answers["predicted"]), 1)
    return [[int(count) for count in row] for row in counts]


def _groups(manifest: dict[str, Any], answers: dict[str, NDArray[Any]]) -> list[GroupErrors]:
    """Assign eval samples to the last five groups, or to all of fewer, in blocks of different sizes."""
    first = max(0, len(manifest["parameters"]["groups"]) - 5)
    ends = np.cumsum([0.15, 0.18, 0.2, 0.22]) * len(answers["wrong"])
    parts = np.split(answers["wrong"], ends.astype(int)[: len(manifest["parameters"]["groups"]) - 1])
    return [GroupErrors(group=first + at, samples=len(part), wrong=int(part.sum())) for at, part in enumerate(parts)]


def _surface(rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    axis = np.linspace(-3, 5, 80, dtype=np.float32)
    across, up = np.meshgrid(axis, axis)
    label = (across + rng.normal(1, 0.5) * np.sin(up) > 1).astype(np.int16)
    return {"x": axis, "y": axis, "label": label}


def _trials(study: str, system: str, seed: int, count: int, rng: np.random.Generator) -> list[Trial]:
    kind = _ALL[system][0]
    number = {"tuner": count, "manual": 1}.get(kind, 3)
    return [_trial(study, kind, seed, at, rng) for at in range(number)]


def _trial(study: str, kind: str, seed: int, number: int, rng: np.random.Generator) -> Trial:
    invalid = kind == "tuner" and number % 5 == 3
    score = None if invalid else float(np.round(rng.uniform(0.1, 0.4), 4))
    wall = rng.uniform(1, 4, 5)
    epochs = 0 if invalid else 2
    return Trial(
        study=study,
        number=number,
        hyperparameters={"loss": "sparse_categorical_crossentropy", "at": number}
        if kind == "tuner"
        else {"at": number},
        status="invalid" if invalid else "completed",
        reason="a layer of 0 units" if invalid else None,
        score=score,
        epochs=epochs,
        curve=[EpochMetrics(train_loss=0.5, train_error=0.3, dev_loss=0.6, dev_error=score)] * epochs,
        best_epoch=epochs or None,
        scored_epoch=epochs or None,
        n_parameters=None,
        weights_sha256=None,
        seeds={"study": seed, "trial": 100 + number},
        seconds={part: CpuWallTime(wall=float(w), cpu=float(w) * 0.9) for part, w in zip(PARTS, wall, strict=True)},
        started="2026-01-02T03:04:05.678+00:00",
        host="maker",
        versions=VERSIONS,
    )


def _card(study: str, system: str, seed: int, manifest: dict[str, Any], trials: list[Trial]) -> ModelCard:
    kind, row = _ALL.get(system, ("tuner", None))
    config, dataset = study.split("/")[:2]
    network = kind in ("manual", "tuner")
    architecture = _architecture(system, manifest, seed) if network else None
    chosen = find_best(trials)
    published = {"library": "keras-tuner", "algorithm": "random", "allow_new_entries": True, "tune_new_entries": True}
    tuner = TUNERS.get(system, published)
    totals = {
        part: CpuWallTime(
            wall=sum(trial.seconds[part].wall for trial in trials), cpu=sum(trial.seconds[part].cpu for trial in trials)
        )
        for part in PARTS
    }
    statuses = {status: sum(trial.status == status for trial in trials) for status in get_args(Status)}
    n_parameters = count_parameters(architecture) if architecture else None
    return ModelCard(
        study=study,
        config=config,
        dataset=dataset,
        system=system,
        seed=seed,
        kind=kind,
        paper_row=row,
        settings={
            "kind": kind,
            **({"tuner": tuner, "trainer": "keras"} if kind == "tuner" else {}),
            **VIEWS.get(system, {}),
        },
        score_epoch="last",
        budget=None,
        data_sha256=manifest["sha256"],
        preprocessing={"source": {}, "statistics": None},
        code_sha256="0" * 64,
        classes=len(manifest["classes"]),
        trial=chosen.number if chosen else None,
        hyperparameters=dict(chosen.hyperparameters) if chosen else {"neighbours": 10},
        architecture=architecture,
        training=Training(loss="sparse_categorical_crossentropy") if network else None,
        model_seed=7,
        n_parameters=n_parameters if chosen is None or chosen.n_parameters is None else chosen.n_parameters,
        train_error=0.123,
        dev_error=float(chosen.score or 0) if chosen else ESTIMATES["closed_loop"],
        metric=chosen.metric if chosen else None,
        train_metric=0.1 if chosen and chosen.metric else None,
        dev_metric=chosen.metric_value if chosen else None,
        estimates={} if chosen else {"train": ESTIMATES, "dev": ESTIMATES},
        weights=None,
        weights_sha256=None,
        statuses={status: count for status, count in statuses.items() if count},
        spent=Spent(trials=len(trials), epochs=sum(trial.epochs for trial in trials), seconds=totals),
        exhausted=False,
        versions=VERSIONS,
    )


def _architecture(system: str, manifest: dict[str, Any], seed: int) -> Architecture:
    depth = {"mlp_m1": 3, "mlp_m2": 2, "mlp_a1": 5, "mlp_a2": 4}.get(system, 2)
    layers: list[Dense | Dropout | Flatten] = []
    if len(manifest["sample_shape"]) > 1:
        layers.append(Flatten(kind="flatten"))
    for number in range(depth):
        layers.append(Dense(kind="dense", units=97 - 5 * number - seed % 2, activation="tanh"))
        if system.endswith("2"):
            layers.append(Dropout(kind="dropout", rate=0.25))
    layers.append(Dense(kind="dense", units=len(manifest["classes"]), activation="softmax"))
    return Architecture(input_shape=tuple(manifest["sample_shape"]), layers=tuple(layers))
