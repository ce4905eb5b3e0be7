"""Apply a view to a dataset: what trainers and models get instead of stored samples."""

from dataclasses import replace

from blindtune.core.errors import UserError
from blindtune.core.registry import load_object
from blindtune.datasets.prepared import Prepared
from blindtune.views.base import ViewFunction, ViewInputs
from blindtune.views.config import ViewConfig
from blindtune.views.registry import view_entries


def make_view(config: ViewConfig, data: Prepared) -> ViewFunction:
    """Return the function that turns stored samples of a dataset into what a model gets.

    Args:
        config: of the view.
        data: the dataset; the view takes its statistics from train alone.

    Raises:
        UserError: the view does not fit the dataset; raised by this function or by the one that it returns.
    """
    entries = view_entries(config.kind, data.manifest["source"]["source"])
    create, *others = (load_object(entry.create) for entry in entries)
    view: ViewFunction = create(config, collect_inputs(config, data), *others)
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
    return ViewInputs(
        data.name,
        {key: source[key] for key in sorted(keys)},
        data.manifest["statistics"] if uses_statistics else None,
        {key: fitted[key] for key in sorted(fitted_keys)},
    )


def apply_view(config: ViewConfig, data: Prepared) -> Prepared:
    """Return the dataset with a view applied to train and dev.

    Args:
        config: of the view.
        data: the dataset as it is stored.

    Raises:
        UserError: the view does not fit the dataset.
    """
    view = make_view(config, data)
    train, dev = (replace(split, x=view(split.x)) for split in (data.train, data.dev))
    return replace(data, train=train, dev=dev)
