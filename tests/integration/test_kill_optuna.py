"""Every tuner of Optuna, killed at any moment, goes on as if nothing had happened."""

import pytest

from blindtune.tuners.optuna.config import OptunaConfig
from support.kill_studies import STUDIES, check_random, drive, parts_of

pytestmark = pytest.mark.integration

MINE = STUDIES["optuna"]


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """What `kill_tuner_studies` found, by study."""
    return drive("kill_tuner_studies.py", tmp_path_factory.mktemp("killed"), "optuna")


@pytest.mark.parametrize("name", MINE)
def test_ten_kills_at_random_moments_change_nothing(killed, name):
    check_random(killed[name], name)


def test_the_kills_fell_into_training_into_suggesting_and_between(killed):
    assert set(parts_of(killed)) >= {"train", "suggest", ""}


@pytest.mark.parametrize("name", [name for name, study in MINE.items() if "pruner" in study["tuner"]])
def test_the_pruners_prune(killed, name):
    assert "pruned" in {outcome["status"] for outcome in killed[name]["undisturbed"]["outcomes"]}


def test_every_pruner_and_every_choice_of_objectives_is_killed():
    schema = OptunaConfig.model_json_schema()
    pruners = set(schema["properties"]["pruner"]["discriminator"]["mapping"])
    tuners = [OptunaConfig(library="optuna", **study["tuner"]) for study in MINE.values()]
    assert {tuner.pruner.algorithm for tuner in tuners} == pruners
    assert {len(tuner.objectives) for tuner in tuners} == {1, 2}
