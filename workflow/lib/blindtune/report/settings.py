"""Compare the settings of a system with those of the published row that it reproduces."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from blindtune.datasets.base import SPLITS
from blindtune.models.layers import Layer, describe
from blindtune.report.published import PublishedNetwork, load_published
from blindtune.report.records import DatasetRecords, RunRecords, SystemRecords

#: The settings of training that are compared.
_TRAINING = ("optimizer", "learning_rate", "batch_size", "epochs", "loss")

#: Our names of what the paper calls otherwise.
_SAME = {"sparse_categorical_cross_entropy": "cross_entropy", "sparse_categorical_crossentropy": "cross_entropy"}


@dataclass(frozen=True)
class SettingsComparison:
    """The settings of a system next to those of the published row.

    Attributes:
        ours: each of our settings that can be compared, with its values in all seeds.
        published: each setting of the published row that is known.
        printed: whether the paper prints the latter; if not, they are known to give the published error.
    """

    ours: Mapping[str, str]
    published: Mapping[str, str]
    printed: bool

    @property
    def differences(self) -> list[str]:
        """Each setting that is known to differ, as text."""
        return [
            f"{name} {ours} instead of {known}"
            for name, known in self.published.items()
            if not _fits(ours := self.ours.get(name, "unknown"), known)
        ]

    @property
    def mark(self) -> str:
        """The comparison in two words, for a cell."""
        if not self.published:
            return "not printed"
        return "differ" if self.differences else "as published" if self.printed else "as reproduced"

    def describe(self) -> str:
        """Return our settings and in what they differ, as sentences."""
        text = f"{', '.join(f'{name} {value}' for name, value in self.ours.items())}."
        if not self.published:
            return f"{text} The paper prints no settings for this row."
        if not self.differences:
            if self.printed:
                return f"{text} As printed."
            known = ", ".join(f"{name} {value}" for name, value in self.published.items())
            return f"{text} On the real set, {known} gives the published error."
        origin = "as printed" if self.printed else "which gives the published error on the real set"
        return f"{text} They differ from the published row: {', '.join(self.differences)}, {origin}."


def compare_settings(dataset: DatasetRecords, system: SystemRecords) -> SettingsComparison | None:
    """Compare the settings of a system with those of the published row that it reproduces.

    Args:
        dataset: the dataset.
        system: a system on it.

    Returns:
        The comparison; None if the system reproduces no published row.
    """
    key = (dataset.manifest.published or "", system.paper_row or "")
    if key not in load_published().errors:
        return None
    if system.kind in ("manual", "tuner"):
        return SettingsComparison(_join(system, _network_settings), _published_network(key, system.kind), printed=True)
    return SettingsComparison(
        _join(system, lambda run: run.card.hyperparameters),
        _flatten(load_published().settings.get(key, {})),
        printed=False,
    )


def _join(system: SystemRecords, of: Callable[[RunRecords], Mapping[str, Any]]) -> dict[str, str]:
    """Return each setting with its distinct values over the seeds."""
    each = [_flatten(of(run)) for run in system.runs]
    return {name: " or ".join(dict.fromkeys(one.get(name, "unknown") for one in each)) for name in each[0]}


def _flatten(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return settings by name; of settings by split, ``<split> <name>``."""
    flat: dict[str, str] = {}
    for name, value in sorted(settings.items(), key=lambda item: SPLITS.index(item[0]) if item[0] in SPLITS else -1):
        parts = {f"{name} {part}": one for part, one in value.items()} if isinstance(value, Mapping) else {name: value}
        flat |= {part: _word(one) for part, one in parts.items()}
    return flat


def _network_settings(run: RunRecords) -> dict[str, Any]:
    card = run.card
    found: dict[str, Any] = {}
    if card.kind == "tuner":
        tuner = card.settings["tuner"]
        found = {"tuner": f"{tuner['library']} {tuner['algorithm']}", "trials": _trials(run)}
    found |= {name: getattr(card.training, name, None) for name in _TRAINING}
    if card.kind == "manual" and card.architecture is not None:
        found["layers"] = _layers(card.architecture.layers)
    return found


def _trials(run: RunRecords) -> str:
    budget = run.card.budget
    if budget is None or budget.trials is None:
        return f"{run.card.spent.trials} within another budget"
    return str(budget.trials)


def _published_network(key: tuple[str, str], kind: str) -> dict[str, str]:
    """Return what the paper prints on the network of a row."""
    tables, (number, row) = load_published(), key
    training = tables.training(number, kind)
    known = {name: _word(value) for name in _TRAINING if (value := getattr(training, name, None)) is not None}
    if kind == "tuner":
        printed = {argument.name: argument.published for argument in tables.arguments.arguments}
        ranges = {name: printed[name] for name in ("batch_size", "epochs")}
        return {"tuner": "keras-tuner random", "trials": printed["max_trials"], **ranges, **known}
    layers = [one for networks in tables.networks.values() for one in networks if _is_row(one, number, row)]
    return known | ({"layers": _layers(layers[0].layers)} if layers else {})


def _is_row(network: PublishedNetwork, number: str, row: str) -> bool:
    return (network.dataset, network.system) == (number, row)


def _layers(layers: Sequence[Layer]) -> str:
    return "; ".join(describe(layer) for layer in layers if layer.kind != "flatten")


def _word(value: object) -> str:
    """Return a value as text that is equal for equal settings, e.g. ``adam`` for ``Adam``."""
    if isinstance(value, float):
        return f"{value:g}"
    text = str(value)
    if "(" in text:
        return text
    word = text.lower().replace("-", "_").replace(" ", "_")
    return _SAME.get(word, text if word[:1].isdigit() or " " in text else word)


def _fits(ours: str, known: str) -> bool:
    """Return whether our value is the known one, or is within a known range such as ``8 to 512``."""
    low, is_range, high = known.partition(" to ")
    try:
        if is_range:
            return all(float(low) <= float(value) <= float(high) for value in ours.split(" or "))
        return float(ours) == float(known)
    except ValueError:  # words
        return ours == known
