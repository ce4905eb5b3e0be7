"""Every tuner of Keras Tuner and scikit-learn, killed and started again, ends with the same records."""

import pytest

from blindtune.tuners.registry import list_algorithms
from support.builders import tuner
from support.kill_studies import PROMOTING, STUDIES, check_points, check_random, count_kills_by_part, drive

pytestmark = pytest.mark.integration

LIBRARIES = ["keras-tuner", "scikit-learn"]
MINE = [(library, name) for library in LIBRARIES for name in STUDIES[library]]


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """Return what `kill_tuner_studies` printed, by library and study."""
    return {
        library: drive("kill_tuner_studies.py", tmp_path_factory.mktemp("killed"), library) for library in LIBRARIES
    }


@pytest.mark.parametrize(("library", "name"), MINE)
def test_random_kills_change_nothing(killed, library, name):
    """Kills at random moments change nothing."""
    check_random(killed[library][name], name)


@pytest.mark.parametrize(("library", "name"), [pair for pair in PROMOTING if pair[0] in LIBRARIES])
def test_kill_at_each_point_of_a_promotion_changes_nothing(killed, library, name):
    """A kill between any two writes of a promotion changes nothing."""
    check_points(killed[library][name])
    assert any(outcome["trained_before"] for outcome in killed[library][name]["undisturbed"]["outcomes"])


@pytest.mark.parametrize("library", LIBRARIES)
def test_kills_hit_training_and_between(killed, library):
    """The kills fell into training and between the measured parts."""
    assert set(count_kills_by_part(killed[library])) >= {"train", ""}


def test_studies_cover_every_algorithm():
    """A study of every algorithm is killed."""
    studies = {(library, study["tuner"]["algorithm"]) for library in STUDIES for study in STUDIES[library].values()}
    assert studies == list_algorithms()


def test_studies_cover_every_promoting_tuner():
    """Every tuner that promotes trials is killed at each point of a promotion."""
    killed = {(library, name.removesuffix(", fused")) for library, name in PROMOTING}
    assert killed == {pair for pair in list_algorithms() if tuner(*pair).resumes_trials}


def test_studies_cover_searchers_with_and_without_folds():
    """Every searcher of scikit-learn is killed with folds and without."""
    folds = {
        (study["tuner"]["algorithm"], "folds" in study["tuner"])
        for study in STUDIES["scikit-learn"].values()
        if "search" in study["tuner"]["algorithm"]
    }
    searchers = {
        algorithm for library, algorithm in list_algorithms() if library == "scikit-learn" and "search" in algorithm
    }
    assert folds == {(algorithm, with_folds) for algorithm in searchers for with_folds in (True, False)}


def test_studies_cover_every_unit_of_a_budget():
    """Budgets in trials, in epochs and in both are killed."""
    units = {tuple(study["budget"]) for library in STUDIES.values() for study in library.values()}
    assert units == {("trials",), ("epochs",), ("trials", "epochs")}
