"""What a folder of EEG recordings is by the names of its files: layout, patients and annotations."""

from pathlib import Path

from blindtune.core.errors import UserError
from blindtune.datasets.corpus.filetree import check_nameless
from blindtune.datasets.eeg.annotations.registry import find_layouts
from blindtune.datasets.eeg.config import EegConfig
from blindtune.datasets.eeg.discovery import find_files, parse_paths

#: Sizes that a config needs and nobody knows before the recordings are read.
_SIZES = {"train": 200, "dev": 50, "eval": 50}


def explain(folder: Path) -> str:
    """Return sentences on the recordings below a folder, and the lines of a config for them.

    Args:
        folder: of the corpus.
    """
    config = EegConfig.model_validate({"source": "eeg", "folder": str(folder), "sizes": _SIZES})
    try:
        tree = find_files(folder, config)
    except UserError as error:
        return str(error)
    nameless = tree.list_nameless()
    layouts = find_layouts(tree.files, [*tree.recordings, *tree.nameless])
    found = ", ".join(f"{name} ({len(files)} files)" for name, files in layouts.items()) or "none next to them"
    keys = f"source: eeg, folder: {folder}"
    try:
        check_nameless(nameless, config.max_bad_fraction)
        patients = len({one.patient for one in parse_paths(tree.recordings, config)})
        whose = f" of {patients} patients"
        if tree.nameless:
            whose += f" ({len(tree.nameless)} without a patient, not used, such as {next(iter(tree.nameless))})"
    except UserError:
        whose, keys = "", f"{keys}, patient: 'A REGULAR EXPRESSION'"
    if len(layouts) > 1:
        keys += f", annotations: {' OR '.join(layouts)}"
    sizes = ", ".join(f"{split}: {size}" for split, size in _SIZES.items())
    return (
        f"{nameless.n_files} recordings{whose}, annotations: {found}. A dataset of a config: "
        f"{{{keys}, sizes: {{{sizes}}}}}."
    )
