"""Montages: which channels a sample has, and how they are derived from the electrodes of a recording.

The published study only says "20 channels". `tcp20` assumes the bipolar TCP derivations without A1-T3 and T4-A2: the
largest set that all montages of TUSZ allow, and independent of the reference. The electrodes of `mono19` and `mono21`
are used as recorded, against the reference of the file.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blindtune.datasets.eeg.errors import UnusableRecording

TCP = [
    "FP1-F7", "F7-T3", "T3-T5", "T5-O1", "FP2-F8", "F8-T4", "T4-T6", "T6-O2", "A1-T3", "T3-C3", "C3-CZ", "CZ-C4",
    "C4-T4", "T4-A2", "FP1-F3", "F3-C3", "C3-P3", "P3-O1", "FP2-F4", "F4-C4", "C4-P4", "P4-O2",
]  # fmt: skip
ELECTRODES = [
    "FP1", "FP2", "F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2", "F7", "F8", "T3", "T4", "T5", "T6", "FZ", "CZ",
    "PZ", "A1", "A2",
]  # fmt: skip

CHANNELS = {
    "tcp20": [name for name in TCP if "A1" not in name and "A2" not in name],
    "tcp22": TCP,
    "mono19": ELECTRODES[:19],
    "mono21": ELECTRODES,
}

#: Newer names of the 10-20 system and the older names of the same places.
_SYNONYMS = {"T7": "T3", "T8": "T4", "P7": "T5", "P8": "T6"}
_LABEL = re.compile(r"(?:EEG\s+)?([A-Z]+[0-9]*)(?:-(?:REF|LE))?\.*", re.IGNORECASE)


@dataclass(frozen=True)
class Montage:
    """Channels as differences of electrodes.

    Attributes:
        name: name of the montage in the config.
        channels: a name for each channel, ``FP1-F7`` or ``FP1``.
    """

    name: str
    channels: tuple[str, ...]

    @property
    def electrodes(self) -> list[str]:
        """The electrodes that the montage needs, each once."""
        return list(dict.fromkeys(name for channel in self.channels for name in channel.split("-")))

    def derive(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the channels, (n_channels, n_samples).

        Args:
            x: the electrodes in the order of `electrodes`, (n_electrodes, n_samples).
        """
        row = {name: number for number, name in enumerate(self.electrodes)}
        derived = np.empty((len(self.channels), x.shape[1]))
        for channel, out in zip(self.channels, derived, strict=True):
            first, *second = (x[row[name]] for name in channel.split("-"))
            out[:] = first - second[0] if second else first
        return derived


def create_montage(name: str) -> Montage:
    """Create a montage by its name, one of `CHANNELS`."""
    return Montage(name, tuple(CHANNELS[name]))


def electrode_name(label: str) -> str | None:
    """Return the electrode of a channel by its older 10-20 name; None if it is not one of `ELECTRODES`.

    ``EEG FP1-REF`` and ``EEG FP1-LE`` (TUSZ), ``Fp1.`` (PhysioNet) and ``FP1`` are the same; case does not matter.

    Args:
        label: label of the channel.
    """
    found = _LABEL.fullmatch(label.strip())
    if found is None:
        return None
    name = found.group(1).upper()
    name = _SYNONYMS.get(name, name)
    return name if name in ELECTRODES else None


def locate_electrodes(labels: Sequence[str], montage: Montage) -> list[int]:
    """Return the numbers of the channels that hold the electrodes of a montage, in the order of `Montage.electrodes`.

    Args:
        labels: labels of the channels of a file.
        montage: the montage.

    Raises:
        UnusableRecording: an electrode is missing, or there are two channels of it.
    """
    found: dict[str, list[int]] = {}
    for number, label in enumerate(labels):
        name = electrode_name(label)
        if name is not None:
            found.setdefault(name, []).append(number)
    missing = [name for name in montage.electrodes if name not in found]
    if missing:
        raise UnusableRecording(f"has no channel {', '.join(missing)}, which {montage.name} needs")
    for name in montage.electrodes:
        if len(found[name]) > 1:
            twice = " and ".join(labels[number] for number in found[name])
            raise UnusableRecording(f"has {len(found[name])} channels {name} ({twice})")
    return [found[name][0] for name in montage.electrodes]
