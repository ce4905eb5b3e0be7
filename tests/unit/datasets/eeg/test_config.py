"""What a config of EEG may say."""

from typing import Any

import pytest

from blindtune.core.errors import UserError
from blindtune.datasets.eeg.config import EegConfig
from support.eeg_files import eeg


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"folder": None}, "folder, made: give one of the two"),
        ({"made": {}}, "folder, made: give one of the two"),
        ({"folder": None, "made": {}}, "stand_in: must be true where the corpus is made"),
        ({"dev": 0.5, "eval": 0.5}, "dev 0.5 and eval 0.5 leave nothing for train"),
        ({"low": 35.0}, "low: 35.0 Hz must be below high and half of rate"),
        ({"low": 25.0}, "low: 25.0 Hz must be below high and half of rate"),
        ({"quietest": 600.0}, "quietest must be below loudest"),
        ({"flat": 6000.0}, "flat below loud"),
        ({"window": 0.31}, "window: 0.31 s hold no whole number of samples at 50 Hz"),
        ({"rate": 64}, "window: 0.3 s hold no whole number of samples at 64 Hz"),
        ({"step": 0.001}, "step: 0.001 s hold no whole number"),
        ({"window": 11.0}, "window: must not be longer than segment"),
        ({"segment": 0.5}, "segment: .*greater than or equal to 1"),
        ({"montage": "tcp21"}, "montage: .*'tcp20', 'tcp22', 'mono19' or 'mono21'"),
        ({"patient": "S("}, "patient: is no regular expression"),
        ({"patient": "S\\d+"}, "patient: must have exactly one group in brackets"),
        ({"lower": 0.5}, "lower: unknown key"),
        ({"folder": None, "stand_in": True, "made": {"faults": ["fire"]}}, "made.faults.0: .*'truncated'"),
        ({"folder": None, "stand_in": True, "made": {"patients": 3}}, "made.patients: .*greater than or equal to 6"),
    ],
)
def test_a_wrong_config_is_named_by_its_key(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        eeg(**changes)


def test_the_defaults_are_the_published_ones() -> None:
    settings = eeg()
    assert (settings.montage, settings.low, settings.high, settings.rate) == ("tcp20", 0.5, 35.0, 50)
    assert (settings.longer_than, settings.segment, settings.window, settings.step) == (15.0, 10.0, 0.3, 0.1)
    assert eeg(folder=None, stand_in=True, made={}).made is not None


def test_every_key_is_described() -> None:
    assert all(field.description for name, field in EegConfig.model_fields.items() if name != "source")
