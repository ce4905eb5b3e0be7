"""Build the rows of Tables 4 and 5: architectures, published and ours."""

from collections.abc import Iterable
from pathlib import Path

from blindtune.metrics.registry import is_error
from blindtune.models.architecture import Architecture, count_parameters
from blindtune.models.estimator import EstimatorBlueprint
from blindtune.models.layers import Layer, describe
from blindtune.records.model_card import ModelCard
from blindtune.report.minimised import list_metrics
from blindtune.report.published import PublishedNetwork, load_published
from blindtune.report.records import DatasetRecords, RunRecords, SystemRecords
from blindtune.report.searches import describe_view
from blindtune.report.table import ABSENT, Column, Row, join_paths, number_column, text_column, to_percent

#: Kinds of layers without weights; they are listed with the layer before them.
WEIGHTLESS = ("dropout", "flatten", "max_pool1d", "max_pool2d")
TRAINING = ("optimizer", "learning_rate", "epochs", "batch_size")
HEAD = ("dataset", "data", "network", "origin", "input")

_NOTES = [
    "With several seeds, the network with the lowest dev error is shown. A network in code is listed by its file. An "
    "estimator has no layers: it is listed as an output layer, with the arguments that were set.",
    "As in the published table, the 'input layer' is the first one with weights; 'linear' means that no activation "
    "follows the weighted sum.",
]
_STAND_IN = "Networks of origin 'ours, stand-in data' were found on simulated data that resemble the published ones."

#: A row without its layers, and the layers.
_NetworkRow = tuple[Row, list[str]]


def build_rows(datasets: list[DatasetRecords], table: int) -> tuple[list[Row], list[Column], list[str]]:
    """Build one row per dataset and network, each below the published one that it reproduces.

    Args:
        datasets: the datasets of the table.
        table: the number of the published table.

    Returns:
        The rows, the displayed columns, and the notes that both tables share.
    """
    found = [entry for dataset in datasets for entry in _dataset_rows(dataset, table)]
    depth = max((len(layers) for _, layers in found), default=1)
    columns = [
        text_column("dataset", "Dataset"),
        text_column("network", "Network", wide=True),
        text_column("origin", "Origin", wide=True),
        text_column("input", "One sample", wide=True),
        text_column("input_layer", "Input layer", wide=True),
        *(text_column(f"layer_{at}", f"Layer {at}", wide=True) for at in range(1, depth - 1)),
        text_column("output_layer", "Output layer", wide=True),
        number_column("parameters", "Parameters"),
        Column("Training", _describe_training, wide=True),
        number_column("dev", "Dev error %", 2),
    ]
    rows = [_with_layers(row, layers, depth) for row, layers in found]
    notes = _NOTES + ([_STAND_IN] if any(row["data"] == "stand-in" for row in rows) else [])
    others = [dataset for dataset in datasets if not is_error(dataset.metric)]
    if others:
        notes.append(f"With several seeds, the network lowest on dev by the metric is shown: {list_metrics(others)}.")
    return rows, columns, notes


def _dataset_rows(dataset: DatasetRecords, table: int) -> list[_NetworkRow]:
    networks = load_published().networks[table]
    known = {layout.system: layout for layout in networks if layout.dataset == dataset.manifest.published}
    found: list[_NetworkRow] = []
    for system in dataset.systems:
        run = system.best_on_dev()
        card = run.card
        if card.architecture is not None:
            layout = known.pop(system.paper_row or "", None)
            found += [_published_row(dataset, layout, table)] if layout else []
            described = _describe_input(card, card.architecture.input_shape)
            found.append((_our_row(dataset, system, run, described), _blocks(card.architecture.layers)))
        elif card.network is not None:
            described = _describe_input(card, card.network.input_shape)
            found.append((_our_row(dataset, system, run, described), [Path(card.network.source).name]))
        elif card.estimator is not None:
            described = _describe_input(card, dataset.manifest.sample_shape)
            found.append((_our_row(dataset, system, run, described), [_describe_estimator(card.estimator)]))
    return found + [_published_row(dataset, layout, table) for layout in known.values()]


def _published_row(dataset: DatasetRecords, layout: PublishedNetwork, table: int) -> _NetworkRow:
    training = layout.training or load_published().training(layout.dataset, layout.kind)
    row: Row = {
        "dataset": dataset.name,
        "data": "published",
        "network": layout.system,
        "origin": f"published (#{layout.dataset})",
        "input": _shape(layout.shape) if layout.shape else "not printed",
        "parameters": count_parameters(_network(layout, layout.shape)) if layout.shape else None,
        **{name: getattr(training, name, None) for name in TRAINING},
        "dev": load_published().errors[layout.dataset, layout.system].dev,
        "records": f"resources/published/table{table}.yaml",
    }
    return row, _blocks(layout.layers)


def _network(layout: PublishedNetwork, shape: list[int]) -> Architecture:
    return Architecture(input_shape=tuple(shape), layers=tuple(layout.layers))


def _our_row(dataset: DatasetRecords, system: SystemRecords, run: RunRecords, described_input: str) -> Row:
    return {
        "dataset": dataset.name,
        "data": dataset.data,
        "network": f"{system.name}, seed {run.card.seed}" if len(system.runs) > 1 else system.name,
        "origin": "ours, stand-in data" if dataset.stand_in else "ours",
        "input": described_input,
        "parameters": run.card.n_parameters,
        **_training(run.card),
        "dev": to_percent(run.card.dev_error),
        "records": join_paths([run.paths[0]]),
    }


def _describe_input(card: ModelCard, input_shape: Iterable[int]) -> str:
    """Return the shape of one sample, and the view that makes the input of the model from it."""
    shape, view = _shape(input_shape), describe_view(card)
    return f"{shape}: {view}" if view else shape


def _describe_estimator(estimator: EstimatorBlueprint) -> str:
    """Return the classes of an estimator with the arguments that were set, in the place of an output layer."""
    values = ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in estimator.parameters.items()
    )
    classes = " + ".join(step.rpartition(".")[2] for step in estimator.steps)
    return f"{classes} ({values})" if values else classes


def _training(card: ModelCard) -> Row:
    return {name: _short(getattr(card.training, name, None)) for name in TRAINING}


def _describe_training(row: Row) -> str:
    """Return how a network was trained, in one cell: four columns would leave no room for the layers."""
    words = {"optimizer": "{}", "learning_rate": "rate {}", "batch_size": "batch {}", "epochs": "{} epochs"}
    return ", ".join(form.format(row[name]) for name, form in words.items() if row[name] is not None) or ABSENT


def _short(value: object) -> str | None:
    return None if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _shape(shape: Iterable[int]) -> str:
    return " × ".join(map(str, shape))


def _blocks(layers: Iterable[Layer]) -> list[str]:
    """Group layers as the published tables do: each layer with weights, and those without that follow it."""
    blocks: list[list[str]] = [[]]
    weighted = False
    for layer in layers:
        if weighted and layer.kind not in WEIGHTLESS:
            blocks.append([])
        weighted = weighted or layer.kind not in WEIGHTLESS
        blocks[-1].append(describe(layer))
    return [", ".join(block) for block in blocks]


def _with_layers(row: Row, blocks: list[str], depth: int) -> Row:
    """Return ``row`` with one column per layer of the deepest network."""
    hidden = blocks[1:-1]
    layers: Row = {"input_layer": blocks[0] if len(blocks) > 1 else None}
    for at in range(1, depth - 1):
        layers[f"layer_{at}"] = hidden[at - 1] if at <= len(hidden) else None
    layers["output_layer"] = blocks[-1]
    head = {key: row[key] for key in HEAD}
    return {**head, **layers, **{key: value for key, value in row.items() if key not in head}}
