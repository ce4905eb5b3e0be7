"""Every tuner of Keras Tuner and scikit-learn, killed at any moment, goes on as if nothing had happened."""

import pytest

from support.builders import algorithms, tuner
from support.kill_studies import PROMOTING, STUDIES, check_points, check_random, drive, parts_of

pytestmark = pytest.mark.integration

LIBRARIES = ["keras-tuner", "scikit-learn"]
MINE = [(library, name) for library in LIBRARIES for name in STUDIES[library]]


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """What `kill_tuner_studies` found, by library and study."""
    return {
        library: drive("kill_tuner_studies.py", tmp_path_factory.mktemp("killed"), library) for library in LIBRARIES
    }


@pytest.mark.parametrize(("library", "name"), MINE)
def test_ten_kills_at_random_moments_change_nothing(killed, library, name):
    check_random(killed[library][name], name)


@pytest.mark.parametrize(("library", "name"), PROMOTING)
def test_a_kill_at_each_delicate_point_of_a_promotion_changes_nothing(killed, library, name):
    check_points(killed[library][name])
    assert any(outcome["trained_before"] for outcome in killed[library][name]["undisturbed"]["outcomes"])


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_kills_fell_into_training_and_between(killed, library):
    assert set(parts_of(killed[library])) >= {"train", ""}


def test_a_study_of_every_algorithm_is_killed():
    studies = {(library, study["tuner"]["algorithm"]) for library in STUDIES for study in STUDIES[library].values()}
    assert studies == algorithms()


def test_every_tuner_that_promotes_is_killed_at_its_delicate_points():
    killed = {(library, name.removesuffix(", fused")) for library, name in PROMOTING}
    assert killed == {pair for pair in algorithms() if tuner(*pair).resumes_trials}


def test_every_searcher_is_killed_with_folds_and_without():
    folds = {
        (study["tuner"]["algorithm"], "folds" in study["tuner"])
        for study in STUDIES["scikit-learn"].values()
        if "search" in study["tuner"]["algorithm"]
    }
    searchers = {
        algorithm for library, algorithm in algorithms() if library == "scikit-learn" and "search" in algorithm
    }
    assert folds == {(algorithm, with_folds) for algorithm in searchers for with_folds in (True, False)}


def test_budgets_in_trials_in_epochs_and_in_both_are_killed():
    units = {tuple(study["budget"]) for library in STUDIES.values() for study in library.values()}
    assert units == {("trials",), ("epochs",), ("trials", "epochs")}
