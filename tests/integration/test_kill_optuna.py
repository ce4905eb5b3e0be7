"""Every tuner of Optuna, killed at any moment and started again, ends with the same records."""

import pytest

from blindtune.tuners.optuna.config import OptunaConfig
from support.kill_studies import STUDIES, check_random, count_kills_by_part, drive

pytestmark = pytest.mark.integration

MINE = STUDIES["optuna"]


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """Return what `kill_tuner_studies` printed, by study."""
    return drive("kill_tuner_studies.py", tmp_path_factory.mktemp("killed"), "optuna")


@pytest.mark.parametrize("name", MINE)
def test_random_kills_change_nothing(killed, name):
    """Kills at random moments change nothing."""
    check_random(killed[name], name)


def test_kills_hit_training_and_suggesting(killed):
    """The kills fell into training, into suggesting, and between them."""
    assert set(count_kills_by_part(killed)) >= {"train", "suggest", ""}


@pytest.mark.parametrize("name", [name for name, study in MINE.items() if "pruner" in study["tuner"]])
def test_pruners_prune(killed, name):
    """Every pruner prunes a trial of its study."""
    assert "pruned" in {outcome["status"] for outcome in killed[name]["undisturbed"]["outcomes"]}


def test_studies_cover_pruners_and_objectives():
    """Every pruner and every choice of objectives is killed."""
    schema = OptunaConfig.model_json_schema()
    pruners = set(schema["properties"]["pruner"]["discriminator"]["mapping"])
    tuners = [OptunaConfig(library="optuna", **study["tuner"]) for study in MINE.values()]
    assert {tuner.pruner.algorithm for tuner in tuners} == pruners
    assert {len(tuner.objectives) for tuner in tuners} == {1, 2}
