"""The config of EEG."""

from typing import Any

import pytest

from blindtune.core.errors import UserError
from blindtune.datasets.eeg.config import EegConfig
from support.eeg_files import eeg_config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"folder": None}, "folder, simulate: give one of the two"),
        ({"simulate": {}}, "folder, simulate: give one of the two"),
        ({"folder": None, "simulate": {}}, "stand_in: must be true where the corpus is simulated"),
        ({"dev": 0.5, "eval": 0.5}, "dev 0.5 and eval 0.5 leave nothing for train"),
        ({"l_freq": 35.0}, "l_freq: 35.0 Hz must be below h_freq and half of sfreq"),
        ({"l_freq": 25.0}, "l_freq: 25.0 Hz must be below h_freq and half of sfreq"),
        ({"min_amplitude": 600.0}, "min_amplitude must be below max_amplitude"),
        ({"flat": 6000.0}, "flat below reject"),
        ({"frame_length": 0.31}, "frame_length: 0.31 s are not a whole number of samples at 50 Hz"),
        ({"sfreq": 64}, "frame_length: 0.3 s are not a whole number of samples at 64 Hz"),
        ({"frame_hop": 0.001}, "frame_hop: 0.001 s are not a whole number"),
        ({"frame_length": 11.0}, "frame_length: must not be longer than segment"),
        ({"segment": 0.5}, "segment: .*greater than or equal to 1"),
        ({"montage": ["Cz", "A | "]}, r"montage: 'A \| ' needs different channels on both sides of \|"),
        ({"montage": ["A|a"]}, r"montage: 'A\|a' needs different channels"),
        ({"montage": "tcp21"}, "montage: .*'tcp20', 'tcp22', 'mono19', 'mono21' or 'as_recorded'"),
        ({"annotations": "tusz", "annotation_table": "a.csv"}, "annotation_table: is not used by annotations: tusz"),
        ({"event_step": 10.5}, "event_step: must not be longer than segment"),
        ({"event_step": 0.08}, r"event_step: must be at least a hundredth of segment, 0\.1 s"),
        ({"event_step": 0.03}, r"event_step: 0\.03 s are not a whole number of samples"),
        ({"annotations": "edf_plus"}, "event_labels: must say which texts are seizures"),
        ({"event_labels": {"seizure_start": ["a"]}}, "seizure_start, seizure_stop: give both or none"),
        ({"event_labels": {"seizure_start": ["a"], "seizure_stop": ["b"]}}, "set annotations: edf_plus"),
        ({"event_labels": {"seizure": ["a"], "other": ["A"]}}, "event_labels: 'a' is listed twice"),
        ({"files": "../*.edf"}, "files: is a pattern of paths below the folder"),
        ({"same_patient": {"a": "b", "b": "c"}}, "same_patient: a name is on both sides"),
        ({"folder": None, "simulate": {}, "stand_in": True, "files": "*"}, "files, annotation_table: a simulated"),
        ({"folder": None, "simulate": {}, "stand_in": True, "annotations": "bids"}, "a simulated corpus has those of"),
        ({"patient": "S("}, "patient: is not a regular expression"),
        ({"patient": "S\\d+"}, "patient: must have exactly one group in brackets"),
        ({"lower": 0.5}, "lower: unknown key"),
        ({"low": 0.5}, "low: unknown key: it is called 'l_freq' now"),
        ({"folder": None, "stand_in": True, "simulate": {"faults": ["fire"]}}, "simulate.faults.0: .*'truncated'"),
        ({"folder": None, "stand_in": True, "simulate": {"faults": ["no_unit"] * 2}}, "faults: names one twice"),
        (
            {"folder": None, "stand_in": True, "simulate": {"patients": 3}},
            "simulate.patients: .*greater than or equal to 6",
        ),
    ],
)
def test_config_names_the_wrong_key(changes: dict[str, Any], message: str) -> None:
    """A wrong value is refused, and the message names the key."""
    with pytest.raises(UserError, match=message):
        eeg_config(**changes)


def test_config_defaults_are_the_published_ones() -> None:
    """The defaults are the settings of the published study."""
    settings = eeg_config()
    assert (settings.montage, settings.l_freq, settings.h_freq, settings.sfreq) == ("tcp20", 0.5, 35.0, 50)
    assert (settings.longer_than, settings.segment, settings.frame_length, settings.frame_hop) == (15.0, 10.0, 0.3, 0.1)
    assert eeg_config(folder=None, stand_in=True, simulate={}).simulate is not None


def test_config_describes_every_key() -> None:
    """Every key has a description."""
    assert all(field.description for name, field in EegConfig.model_fields.items() if name != "source")
