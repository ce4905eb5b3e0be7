"""Montages: channels from those of a file, under any of their names."""

import numpy as np
import pytest

from blindtune.datasets.eeg.errors import UnusableRecording
from blindtune.datasets.eeg.montages import (
    CHANNELS,
    ELECTRODES,
    Derivation,
    Lead,
    create_montage,
    find_derivation,
    is_place,
    parse_label,
)

CHB_MIT = [
    "FP1-F7", "F7-T7", "T7-P7", "P7-O1", "FP1-F3", "F3-C3", "C3-P3", "P3-O1", "FP2-F4", "F4-C4", "C4-P4",
    "P4-O2", "FP2-F8", "F8-T8", "T8-P8", "P8-O2", "FZ-CZ", "CZ-PZ", "P7-T7", "T7-FT9", "FT9-FT10", "FT10-T8", "T8-P8",
]  # fmt: skip


def derive(labels: list[str], montage: str | list[str] = "tcp20") -> Derivation:
    return find_derivation(labels, create_montage(montage))


@pytest.mark.parametrize(
    ("label", "first", "second"),
    [
        ("EEG FP1-REF", "FP1", "REF"),
        ("EEG FP1-LE", "FP1", "LE"),
        ("eeg fp1-ref", "FP1", "REF"),
        ("EEG Fp1", "FP1", ""),
        ("EEG_Fp1", "FP1", ""),
        ("EEG Fp1 - REF", "FP1", "REF"),
        ("POL Fp1", "FP1", ""),
        ("EEG Fp1-Ref", "FP1", "REF"),
        ("Fp1-Avg", "FP1", "AVG"),
        ("Fp1-A1", "FP1", "A1"),
        ("Fp1-M2", "FP1", "A2"),
        ("Fp1-A1A2", "FP1", "A1A2"),
        ("Fp1-A1+A2", "FP1", "A1A2"),
        ("Fp1.", "FP1", ""),
        ("Cz..", "CZ", ""),
        ("EEG T7-REF", "T3", "REF"),
        ("T8..", "T4", ""),
        ("EEG P7-LE", "T5", "LE"),
        ("P8", "T6", ""),
        ("M1", "A1", ""),
        ("T8-P8-0", "T4", "T6"),
        ("EEG C3:M2", "C3", "A2"),
        ("EEG:Fp1", "FP1", ""),
        ("EEG EKG1-REF", "EKG1", "REF"),
        ("EEG", "EEG", ""),
        ("", "", ""),
    ],
)
def test_parse_label_knows_recorders(label: str, first: str, second: str) -> None:
    """What a channel measures is recognised by its label, as common recorders write it."""
    assert parse_label(label) == Lead(first, second)


def test_is_place_knows_the_10_20_system() -> None:
    """Places on the head are told from other channels."""
    assert all(is_place(name) for name in [*ELECTRODES, "FT10", "POZ", "TP9"])
    assert not any(is_place(name) for name in ("EKG1", "REF", "LE", "A1A2", "26", "IBI", "PHOTIC", "FP", ""))


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
@pytest.mark.parametrize("form", ["EEG {}-REF", "{}-Avg", "POL {}", "EEG {}-A1A2"])
def test_derive_subtracts_the_right_electrodes(name: str, form: str) -> None:
    """Channels are differences of the electrodes that their names tell, with any reference."""
    labels = [form.format(one) for one in ("EKG1", *reversed(ELECTRODES))]
    found = derive(labels, name)
    value = {one: float(2**number) for number, one in enumerate(ELECTRODES)}
    x = np.array([[value[ELECTRODES[-number]]] for number in found.sources])
    expected = [value[a] - value[b] if b else value[a] for a, _, b in (one.partition("-") for one in found.names)]
    assert found.derive(x)[:, 0].tolist() == expected
    assert found.notes == ()


def test_pairs_are_taken_as_recorded() -> None:
    """Bipolar channels are used as they are, reversed if need be; of two with one name, the first."""
    found = derive(CHB_MIT, ["FP1-F7", "T8-P8", "PZ-CZ", "Ft9-T7"])
    assert [CHB_MIT[number] for number in found.sources] == ["FP1-F7", "T8-P8", "CZ-PZ", "T7-FT9"]
    assert found.terms == (((0, 1),), ((1, 1),), ((2, -1),), ((3, -1),))
    assert found.notes == ("has 2 channels T8-P8; the first is used",)
    assert found.derive(np.array([[1.0], [2.0], [3.0], [4.0]]))[:, 0].tolist() == [1, 2, -3, -4]
    advice = r"and \d+ more\. They are pairs of electrodes: name those that you want in a list as montage$"
    with pytest.raises(UnusableRecording, match=rf"has no T3-C3, C3-CZ, .* neither as a channel nor as two.*{advice}"):
        derive(CHB_MIT)
    with pytest.raises(UnusableRecording, match="has no FP1, "):
        derive(CHB_MIT, "mono19")


def test_an_electrode_may_be_the_reference() -> None:
    """Channels against Cz give every pair, that of Cz itself as recorded."""
    labels = [f"{name}-Cz" for name in ELECTRODES if name != "CZ"]
    found = derive(labels)
    assert found.terms[found.names.index("C3-CZ")] == ((found.sources.index(labels.index("C3-Cz")), 1),)
    assert [sign for _, sign in found.terms[0]] == [1, -1]


def test_mixed_references_give_no_difference() -> None:
    """Electrodes against different references are not subtracted, and the message tells the references."""
    labels = [f"{name}-{'A2' if name[-1] in '2468' else 'A1'}" for name in ELECTRODES[:19]]
    with pytest.raises(UnusableRecording, match=r"has no CZ-C4.*CZ against A1; C4 against A2.*channels are FP1-A1, "):
        derive(labels)
    assert derive(labels, "mono19").notes == (
        "mixed references: A1 (11), A2 (8); no channel is a difference of two against different ones",
    )
    bare = [f"EEG {name}-REF" if name != "CZ" else "Cz" for name in ELECTRODES]
    assert derive(bare).notes == ("CZ without a reference; taken as against REF, as the others",)


def test_as_recorded_takes_the_electrodes_of_the_file() -> None:
    """All channels of electrodes are taken, sorted by name, and nothing else."""
    found = derive(["EEG Fz-REF", "EEG EKG1-REF", "", "LUE-RAE", "EEG Cz-REF"], "as_recorded")
    assert found.names == ("CZ", "FZ")
    assert found.notes == ("has channels of no known electrode, which as_recorded leaves out: EEG EKG1-REF, LUE-RAE",)
    assert derive(CHB_MIT, "as_recorded").names[:2] == ("C3-P3", "C4-P4")
    with pytest.raises(UnusableRecording, match="has no channel of a known electrode; its channels are IBI"):
        derive(["IBI"], "as_recorded")


def test_other_channels_are_found_by_their_labels() -> None:
    """A montage of the config may name any channel."""
    assert derive(["EEG EKG1-REF", "Photic"], ["photic", "EEG EKG1-REF"]).sources == (1, 0)


WEARABLE = ["BTEleft SD | BTEright SD", "CROSStop SD | BTEright SD"]


@pytest.mark.parametrize(
    ("labels", "taken"),
    [
        (["BTEleft SD", "CROSStop SD"], [0, 1]),
        (["CROSStop SD", "BTEright SD"], [1, 0]),
        (["BTEright SD", "BTEleft SD"], [1, 0]),
        (["BTEleft SD", "BTEright SD", "CROSStop SD"], [0, 2]),
    ],
)
def test_alternatives_take_the_first_that_is_there(labels: list[str], taken: list[int]) -> None:
    """Of the channels on either side of | the first that a recording has is taken, with a note; see SeizeIT2."""
    found = derive(labels, WEARABLE)
    assert found.names == tuple(WEARABLE)
    assert [found.sources[row] for ((row, sign),) in found.terms if sign == 1] == taken
    assert found.notes == tuple(f"{name}: {labels[at]} is taken" for name, at in zip(WEARABLE, taken, strict=True))


def test_alternatives_that_cannot_be_told_apart_are_refused() -> None:
    """No channel is used twice in place of another, and none that is missing is passed over."""
    with pytest.raises(UnusableRecording, match=r"only BTEright SD for both BTEleft SD \| .* and CROSStop SD"):
        derive(["BTEright SD"], WEARABLE)
    with pytest.raises(UnusableRecording, match=r"which montage needs.*its channels are BTEleft SD"):
        derive(["BTEleft SD"], WEARABLE)
    pair = derive(["F7-REF", "FP1-REF", "F3-REF"], ["FP1-T3 | FP1-F7", "F3"])
    assert pair.terms[0] == ((0, 1), (1, -1)) and len(pair.sources) == 3


@pytest.mark.parametrize("names", [["T8-P8-0", "T8-P8-1"], ["T8-P8", "T4-T6"]])
def test_two_names_of_one_channel_are_refused(names: list[str]) -> None:
    """A montage does not have a channel twice under two names, which would weigh double."""
    with pytest.raises(UnusableRecording, match=f"has only T8-P8 for both {names[0]} and {names[1]}; its channels are"):
        derive(CHB_MIT, names)
    assert len(derive(CHB_MIT, ["T8-P8", "P8-T8"]).names) == 2


def test_find_derivation_names_the_missing() -> None:
    """Missing electrodes are named, and what is there."""
    labels = [f"EEG {name}-REF" for name in ELECTRODES if name not in ("C4", "O1")]
    with pytest.raises(UnusableRecording, match="has no channel O1, C4, which tcp20 needs; its channels are EEG FP1"):
        derive(labels)


def test_find_derivation_refuses_two_names() -> None:
    """An electrode under two names is refused."""
    labels = [*(f"EEG {name}-REF" for name in ELECTRODES), "EEG T7-REF"]
    with pytest.raises(UnusableRecording, match=r"has 2 channels T3 \(EEG T3-REF and EEG T7-REF\)"):
        derive(labels)


def test_find_derivation_ignores_the_unneeded() -> None:
    """Electrodes that the montage does not need may be duplicate or missing."""
    labels = [f"EEG {name}-REF" for name in ELECTRODES if name not in ("A1", "A2", "FZ")]
    assert len(derive([*labels, "EEG PZ-REF"]).sources) == 17
