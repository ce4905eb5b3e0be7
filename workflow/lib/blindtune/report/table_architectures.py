"""Table 4: the architectures, published and ours."""

from blindtune.cards import Card
from blindtune.models.architecture import Architecture, count_parameters
from blindtune.models.layers import Dense, Layer, describe
from blindtune.report.published import Layout, published
from blindtune.report.records import DatasetRecords, Records, Run, SystemRecords
from blindtune.report.table import Row, Table, joined, number, percent, plain


def build(records: Records) -> Table:
    """One row per dataset and network, each below the published one that it reproduces."""
    found = [entry for dataset in records.datasets for entry in _dataset_rows(dataset)]
    depth = max((len(hidden) for _, hidden in found), default=1)
    rows = [_with_layers(row, layers, depth) for row, layers in found]
    columns = [
        plain("dataset", "Dataset"),
        plain("network", "Network", wide=True),
        plain("origin", "Origin", wide=True),
        plain("input_layer", "Input layer", wide=True),
        *(plain(f"layer_{number}", f"Layer {number}", wide=True) for number in range(1, depth - 1)),
        plain("output_layer", "Output layer", wide=True),
        number("parameters", "Parameters"),
        plain("training", "Training", wide=True),
        number("dev", "Dev error %", 2),
    ]
    notes = [
        "Of several seeds, the network with the lowest dev error is shown.",
        "As in the published table, the 'input layer' is the first one with weights. The published "
        "'Linear (2, 64), ReLU' is written 'Dense (64), relu' here; 'linear' means that "
        "nothing follows the weighted sum.",
        "The parameters of the published networks were counted from their layers, for two features.",
    ]
    if any(dataset.stand_in for dataset in records.datasets):
        notes.append(
            "Networks of origin 'ours, stand-in data' were found on data that only look like the published ones."
        )
    return Table("table4_architectures", "Table 4. The architectures", rows, columns, notes)


_Found = tuple[Row, list[str]]


def _dataset_rows(dataset: DatasetRecords) -> list[_Found]:
    known = {layout.system: layout for layout in published().layouts if layout.dataset == dataset.manifest.published}
    found: list[_Found] = []
    for system in dataset.systems:
        run = system.chosen()
        if run.card.architecture is None:
            continue
        layout = known.pop(system.published or "", None)
        found += [_published_row(dataset, layout)] if layout else []
        found.append(_our_row(dataset, system, run, run.card.architecture))
    return found + [_published_row(dataset, layout) for layout in known.values()]


def _published_row(dataset: DatasetRecords, layout: Layout) -> _Found:
    architecture = Architecture(input_shape=(layout.features,), layers=tuple(layout.layers))
    text = {said.kind: said for said in published().arguments.training}
    said = text["manual" if layout.library == "PyTorch" else "tuner"]
    error = published().errors[layout.dataset, layout.system]
    row: Row = {
        "dataset": dataset.name,
        "data": "published",
        "network": layout.system,
        "origin": f"published (#{layout.dataset})",
        "parameters": count_parameters(architecture),
        "training": f"{said.optimizer}, rate {said.learning_rate}, batch {said.batch_size}, {said.epochs} epochs",
        "dev": error.dev,
        "records": "resources/published/table4.yaml",
    }
    return row, _blocks(layout.layers)


def _our_row(dataset: DatasetRecords, system: SystemRecords, run: Run, architecture: Architecture) -> _Found:
    row: Row = {
        "dataset": dataset.name,
        "data": dataset.data,
        "network": f"{system.name}, seed {run.card.seed}" if len(system.runs) > 1 else system.name,
        "origin": "ours, stand-in data" if dataset.stand_in else "ours",
        "parameters": run.card.parameters,
        "training": _training(run.card),
        "dev": percent(run.card.dev_error),
        "records": joined([run.paths[0]]),
    }
    return row, _blocks(list(architecture.layers))


def _training(card: Card) -> str | None:
    if card.training is None:
        return None
    training = card.training
    return (
        f"{training.optimizer}, rate {training.learning_rate:g}, batch {training.batch_size}, {training.epochs} epochs"
    )


def _blocks(layers: list[Layer]) -> list[str]:
    """The layers as the published table counts them: what has no weights belongs to the layer before it."""
    blocks: list[str] = []
    for layer in layers:
        if isinstance(layer, Dense) or not blocks:
            blocks.append(describe(layer))
        else:
            blocks[-1] += f", {describe(layer)}"
    return blocks


def _with_layers(row: Row, blocks: list[str], depth: int) -> Row:
    """``row`` with a column per layer, as many as the deepest network has."""
    hidden = blocks[1:-1]
    layers: Row = {"input_layer": blocks[0] if len(blocks) > 1 else None}
    for at in range(1, depth - 1):
        layers[f"layer_{at}"] = hidden[at - 1] if at <= len(hidden) else None
    layers["output_layer"] = blocks[-1]
    head = {key: row[key] for key in ("dataset", "data", "network", "origin")}
    tail = {key: value for key, value in row.items() if key not in head}
    return {**head, **layers, **tail}
