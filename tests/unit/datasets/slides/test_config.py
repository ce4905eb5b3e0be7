"""The config of slides."""

from typing import Any

import pytest

from blindtune.config.schema import read_dataset
from blindtune.core.errors import UserError
from blindtune.datasets.registry import create_corpus
from blindtune.datasets.slides.config import (
    SimulatedSlidesConfig,
    SlidesConfig,
    SplittingConfig,
    StainNormalizationConfig,
    TissueConfig,
)
from support.slide_files import slides_config

TWO = {"train": 2, "dev": 2, "eval": 2}
MADE = {"patients": TWO, "side": 1024, "faults": ["truncated", "null_region"]}
NAME = "0047778{}_aaaaaaa{}_s000_0hne_0000_a001_lvl001_t000"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"folder": None}, "folder, simulate: give one of the two"),
        ({"simulate": {}}, "folder, simulate: give one of the two"),
        ({"folder": None, "simulate": {}}, "stand_in: must be true where the corpus is simulated"),
        ({"patient": "S\\d+"}, "patient: must have exactly one group in brackets"),
        ({"mpp": 0.5, "magnification": 20.0}, "mpp and magnification exclude each other"),
        ({"classes": {"a": ["dcis"]}}, "classes: .*at least 2"),
        ({"classes": {"a": ["dcis"], "b": ["dcis"]}}, "classes: each class needs labels of its own"),
        ({"classes": {"a": ["dcis"], "b": []}}, "classes: each class needs labels of its own"),
        ({"classes": {"a": ["dcis"], "b": [None]}}, "classes: YAML takes null for nothing; write it in quotes"),
        ({"classes": ["dcis", "indc"]}, "classes: Input should be a valid dictionary"),
        ({"sizes": {"train": 4, "dev": 3, "eval": 2}}, "sizes.dev: 3 is not a multiple of 2, the classes"),
        ({"classes": {"a": ["DCIS"], "b": ["x"]}}, "classes: labels are compared in lower case .*; write 'dcis'"),
        ({"classes": {"a": ["in  situ"], "b": ["x"]}}, "with single spaces; write 'in situ'"),
        (
            {"max_per_file": 1_000_000, "max_attempts": 21},
            "max_per_file times max_attempts is more than 20,000,000 places; lower one of them",
        ),
        ({"splitting": {"by": "list"}}, "splitting: file: names the list"),
        ({"splitting": {"file": "a.csv"}}, "splitting: file: names the list"),
        ({"splitting": {"by": "seed", "dev": 0.5, "eval": 0.5}}, "leave nothing for train"),
        ({"splitting": {"by": "seed", "seed": 2}}, "splitting.seed: unknown key"),
        ({"tissue": {"blur": 1.0}}, "tissue.blur: unknown key"),
        ({"folder": None, "stand_in": True, "simulate": {"faults": ["fire"]}}, "simulate.faults.0: .*'no_mpp'"),
        (
            {"folder": None, "stand_in": True, "simulate": {"faults": ["damaged"] * 2}},
            "simulate: faults: names one twice",
        ),
        (
            {"folder": None, "stand_in": True, "simulate": {"patients": TWO | {"dev": 1}}},
            "simulate.patients: each split needs two, one of each class",
        ),
    ],
)
def test_config_errors_name_the_key(changes: dict[str, Any], message: str) -> None:
    """An invalid config is refused with its key."""
    with pytest.raises(UserError, match=message):
        slides_config(**changes)


def test_config_defaults_are_the_published_ones() -> None:
    """The defaults are the published values."""
    settings = slides_config()
    assert (settings.patch, settings.class_names, settings.splitting.by) == (512, ["dcis", "indc"], "folders")
    assert settings.target_mpp == 0.5 and slides_config(magnification=40.0).target_mpp == 0.25
    assert slides_config(mpp=None).target_mpp is None


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"magnification": 40.0},
        {"mpp": None},
        {"splitting": {"by": "seed"}},
        {"classes": {label: [label] for label in "abc"}, "sizes": {"train": 9, "dev": 3, "eval": 3}},
    ],
)
def test_config_round_trip(changes: dict[str, Any]) -> None:
    """A job reads the same config from plain data."""
    # Without the number of files, that of a job follows from the files of the folder, which is not here.
    settings = slides_config(files_per_job=8, **changes)
    assert read_dataset(settings.model_dump(mode="json")).config == settings
    source = create_corpus(settings)
    extraction_config = read_dataset(source.extraction_config()).config
    split_config = read_dataset(source.split_config()).config
    assert isinstance(extraction_config, SlidesConfig) and isinstance(split_config, SlidesConfig)
    assert extraction_config.target_mpp == settings.target_mpp
    assert extraction_config.splitting == split_config.splitting == settings.splitting


def test_config_keys_have_descriptions() -> None:
    """Every key of the config has a description."""
    for model in (SlidesConfig, TissueConfig, StainNormalizationConfig, SplittingConfig, SimulatedSlidesConfig):
        assert all(field.description for name, field in model.model_fields.items() if name != "source")
