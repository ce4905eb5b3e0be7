"""Apply a view to a dataset: what trainers and models get instead of stored samples."""

from dataclasses import replace
from typing import Literal

from blindtune.core.errors import UserError
from blindtune.core.registry import load_object
from blindtune.datasets.prepared import Prepared
from blindtune.views.base import Floats, SampleView, StoredView, ViewFunction, ViewInputs
from blindtune.views.config import ViewConfig
from blindtune.views.registry import view_entries


def make_view(config: ViewConfig, data: Prepared, inputs: ViewInputs | None = None) -> ViewFunction:
    """Return the function that turns stored samples of a dataset into what a model gets.

    Args:
        config: of the view.
        data: the dataset; the view takes its statistics from train alone.
        inputs: as `collect_inputs` returns them; None: they are collected.

    Raises:
        UserError: the view does not fit the dataset; raised by this function or by the one that it returns.
    """
    entries = view_entries(config.kind, data.manifest["source"]["source"])
    create, *others = (load_object(entry.create) for entry in entries)
    view: ViewFunction = create(config, collect_inputs(config, data) if inputs is None else inputs, *others)
    return view


def collect_inputs(config: ViewConfig, data: Prepared) -> ViewInputs:
    """Return what a view takes of a dataset besides the samples, as its entry declares.

    Args:
        config: of the view.
        data: the dataset.

    Raises:
        UserError: the view takes what was not fitted on train.
    """
    source = data.manifest["source"]
    entries = view_entries(config.kind, source["source"])
    keys = {key for entry in entries for key in entry.source_keys}
    uses_statistics = any(entry.uses_statistics for entry in entries)
    fitted_keys = {key for entry in entries for key in entry.fitted_keys}
    fitted = data.manifest.get("fitted") or {}
    if not fitted_keys <= fitted.keys():
        raise UserError(
            f"{data.name}: the view {config.kind} needs what only a table has fitted on train. Take view: samples."
        )
    opened = [load_object(entry.opens)(config, data) for entry in entries if entry.opens is not None]
    return ViewInputs(
        data.name,
        {key: source[key] for key in sorted(keys)},
        data.manifest["statistics"] if uses_statistics else None,
        {key: fitted[key] for key in sorted(fitted_keys)},
        opened[0] if opened else None,
    )


def show_split(view: ViewFunction, data: Prepared, name: Literal["train", "dev"]) -> Floats | SampleView:
    """Return what a model gets of train or dev; what was computed before is not computed again.

    Args:
        view: as `make_view` returns it for the dataset.
        data: the dataset as it is stored.
        name: of the split.

    Raises:
        UserError: the view does not fit the dataset.
    """
    if isinstance(view, StoredView):
        return view.show_split(name)
    return view((data.train if name == "train" else data.dev).x)


def apply_view(config: ViewConfig, data: Prepared, inputs: ViewInputs | None = None) -> Prepared:
    """Return the dataset with a view applied to train and dev.

    Args:
        config: of the view.
        data: the dataset as it is stored.
        inputs: as `collect_inputs` returns them; None: they are collected.

    Raises:
        UserError: the view does not fit the dataset.
    """
    view = make_view(config, data, inputs)
    train = replace(data.train, x=show_split(view, data, "train"))
    return replace(data, train=train, dev=replace(data.dev, x=show_split(view, data, "dev")))
