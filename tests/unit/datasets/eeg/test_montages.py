"""Montages: channels from the electrodes of a file, under any of their names."""

import numpy as np
import pytest

from blindtune.datasets.eeg.errors import UnusableRecording
from blindtune.datasets.eeg.montages import CHANNELS, ELECTRODES, create_montage, electrode_name, locate_electrodes


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("EEG FP1-REF", "FP1"),
        ("EEG FP1-LE", "FP1"),
        ("eeg fp1-ref", "FP1"),
        ("Fp1.", "FP1"),
        ("Cz..", "CZ"),
        ("C3", "C3"),
        ("EEG T7-REF", "T3"),
        ("T8..", "T4"),
        ("EEG P7-LE", "T5"),
        ("P8", "T6"),
        ("EEG A1-REF", "A1"),
        ("EEG EKG1-REF", None),
        ("EEG 26-REF", None),
        ("PHOTIC-REF", None),
        ("IBI", None),
        ("FP1-F7", None),
        ("EEG FP1-A2", None),
        ("Fc5.", None),
        ("EDF Annotations", None),
        ("", None),
    ],
)
def test_electrode_name_knows_labels(label: str, name: str | None) -> None:
    """An electrode is recognised by any of its labels."""
    assert electrode_name(label) == name


@pytest.mark.parametrize(
    ("name", "channels", "electrodes"), [("tcp20", 20, 17), ("tcp22", 22, 19), ("mono19", 19, 19), ("mono21", 21, 21)]
)
def test_create_montage_has_the_channels(name: str, channels: int, electrodes: int) -> None:
    """Each montage has the number of channels that its name tells."""
    wanted = create_montage(name)
    assert (len(wanted.channels), len(wanted.electrodes)) == (channels, electrodes)
    assert set(wanted.electrodes) <= set(ELECTRODES)


def test_tcp20_is_tcp22_without_the_ears() -> None:
    """The default has the 22 channels without the two of the ears."""
    assert [name for name in CHANNELS["tcp22"] if name not in CHANNELS["tcp20"]] == ["A1-T3", "T4-A2"]
    assert " ".join(CHANNELS["tcp20"]) == (
        "FP1-F7 F7-T3 T3-T5 T5-O1 FP2-F8 F8-T4 T4-T6 T6-O2 T3-C3 C3-CZ CZ-C4 C4-T4 "
        "FP1-F3 F3-C3 C3-P3 P3-O1 FP2-F4 F4-C4 C4-P4 P4-O2"
    )


@pytest.mark.parametrize("name", CHANNELS)
def test_derive_subtracts_the_right_electrodes(name: str) -> None:
    """Channels are differences of the electrodes that their names tell."""
    wanted = create_montage(name)
    value = {one: float(2**number) for number, one in enumerate(ELECTRODES)}
    x = np.array([[value[one]] for one in wanted.electrodes])
    expected = [value[a] - value[b] if b else value[a] for a, _, b in (one.partition("-") for one in wanted.channels)]
    assert wanted.derive(x)[:, 0].tolist() == expected


def test_locate_electrodes_in_any_order() -> None:
    """Electrodes are found in any order and under any name."""
    wanted = create_montage("tcp20")
    labels = ["IBI", *(f"EEG {name}-LE" for name in reversed(ELECTRODES)), "EEG EKG1-LE"]
    labels[labels.index("EEG T3-LE")] = "T7."
    found = [electrode_name(labels[number]) for number in locate_electrodes(labels, wanted)]
    assert found == wanted.electrodes


def test_locate_electrodes_names_the_missing() -> None:
    """Missing electrodes are named."""
    labels = [f"EEG {name}-REF" for name in ELECTRODES if name not in ("C4", "O1")]
    with pytest.raises(UnusableRecording, match="has no channel O1, C4, which tcp20 needs"):
        locate_electrodes(labels, create_montage("tcp20"))


def test_locate_electrodes_refuses_two_names() -> None:
    """An electrode under two names is refused."""
    labels = [*(f"EEG {name}-REF" for name in ELECTRODES), "EEG T7-REF"]
    with pytest.raises(UnusableRecording, match=r"has 2 channels T3 \(EEG T3-REF and EEG T7-REF\)"):
        locate_electrodes(labels, create_montage("tcp20"))


def test_locate_electrodes_ignores_the_unneeded() -> None:
    """Electrodes that the montage does not need may be duplicate or missing."""
    labels = [f"EEG {name}-REF" for name in ELECTRODES if name not in ("A1", "A2", "FZ")]
    assert len(locate_electrodes([*labels, "EEG PZ-REF"], create_montage("tcp20"))) == 17
