"""The answers of a frozen model to whole recordings of eval, as a part of its one decode."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from blindtune.core.errors import UserError
from blindtune.datasets.corpus.recordings import WINDOWS_AT_ONCE, iterate_windows
from blindtune.decoding.sealed_split import Seal
from blindtune.metrics.events import load_timescoring
from blindtune.records.decode_result import Predictions
from blindtune.training.base import Model


def check_recordings(manifest: Mapping[str, Any], seal: Seal) -> None:
    """Refuse whole recordings that were not sealed together with eval; called before a decode begins.

    Args:
        manifest: of train and dev.
        seal: of eval.

    Raises:
        UserError: the manifest names others, they are not what was sealed, or what scores them is not installed.
    """
    known = (manifest.get("eval_recordings") or {}).get("sha256")
    if known != seal.recordings_sha256:
        raise UserError(
            f"{seal.folder / 'seal.json'}: seals other recordings than the manifest names. Put back what was changed, "
            "or remove it and the manifest and run again, which prepares the dataset again."
        )
    if seal.recordings:
        load_timescoring()


def answer_recordings(model: Model, seal: Seal) -> Predictions:
    """Return the answers of a model to the windows of whole recordings, with the events that are in them.

    Args:
        model: takes stored samples.
        seal: of eval.

    Returns:
        The arrays of `blindtune.metrics.events.COLUMNS`; empty without recordings.

    Raises:
        UserError: a recording was changed since it was verified.
    """
    if not seal.recordings:
        return {}
    windows, described, events = [np.empty((0, 3))], [], []
    for number, one in enumerate(seal.recordings):
        described.append((one.patient, one.seconds, one.end, one.window / one.rate))
        events += [(number, start, stop) for start, stop in one.events]
        seal.check_recording(one)
        for starts, x in iterate_windows(one, seal.folder, WINDOWS_AT_ONCE):
            found = np.asarray(model.predict(x)) == one.label
            windows.append(np.column_stack([np.full(len(starts), float(number)), starts, found]))
    return {
        "event_windows": np.concatenate(windows),
        "event_recordings": np.array(described, dtype=np.float64),
        "event_references": np.array(events, dtype=np.float64).reshape(-1, 3),
    }
