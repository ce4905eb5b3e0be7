"""SMAC: whole rungs, exact conditions, ends of small spaces."""

from typing import Any

import pytest

from blindtune.search_space import Space
from blindtune.tuners.smac.config import SmacConfig
from support.builders import build_tuner, check, finished_trial, tuner
from support.engines import SPACE, marks_of, propose

pytestmark = marks_of("smac")


def run(algorithm: str, count: int, **keys: Any) -> list[list[Any]]:
    """Return the proposals of a study whose scores follow from the sets."""
    return propose(tuner("smac", algorithm, **keys), count)


def test_hyperband_takes_eta_and_min_epochs() -> None:
    """Both decide the rungs."""
    epochs = [epochs for _, _, epochs in run("hyperband", 9, eta=2, min_epochs=4)]
    assert epochs == [4, 4, 9, 9, 9, 4, 4, 9, 9]


def test_n_initial_decides_the_initial_design_for_any_budget() -> None:
    """With a number of initial sets, a larger budget continues the records."""
    config = SmacConfig(library="smac", algorithm="forest", n_initial=4)
    assert not config.depends_on_budget and SmacConfig(library="smac", algorithm="forest").depends_on_budget
    assert run("forest", 8, n_initial=4)[:6] == run("forest", 6, n_initial=4)
    # SMAC's forest proposes from the fifth set on.
    assert run("forest", 6, n_initial=4)[:4] == run("forest", 4, n_initial=6)
    assert run("forest", 6, n_initial=4)[4:] != run("forest", 6, n_initial=6)[4:]


def test_worst_scores_do_not_stop_the_forest() -> None:
    """Trials without any score are told as the worst error, from which the forest can learn."""
    made = build_tuner(tuner("smac", "forest"), SPACE, 12, 3)
    for _ in range(12):
        proposal = made.ask()
        assert proposal is not None
        made.tell(finished_trial(None, hyperparameters=proposal.hyperparameters))


def test_space_of_one_set_ends() -> None:
    """A space of one set gives it once; a small one ends when SMAC finds no other set."""
    one = Space.model_validate({"units": {"type": "fixed", "value": 3}})
    made = build_tuner(tuner("smac", "forest"), one, 5)
    assert made.ask() is not None and made.ask() is None
    few = Space.model_validate({"units": {"type": "int", "low": 1, "high": 4}})
    made = build_tuner(tuner("smac", "forest"), few, 40)
    found = []
    while (proposal := made.ask()) is not None:
        found.append(proposal.hyperparameters["units"])
        made.tell(finished_trial(0.5, hyperparameters=proposal.hyperparameters))
    assert sorted(found) == [1, 2, 3, 4] and made.ask() is None


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"algorithm": "random", "n_initial": 3}, "n_initial: only forest and multi-fidelity take it"),
        ({"algorithm": "forest", "eta": 3}, "eta: only hyperband and multi-fidelity take it"),
    ],
)
def test_keys_of_other_algorithms_are_refused(keys: dict[str, Any], message: str) -> None:
    """A key that an algorithm does not take is refused by its name."""
    with pytest.raises(ValueError, match=message):
        SmacConfig.model_validate({"library": "smac", **keys})


def test_min_epochs_above_the_training_is_refused() -> None:
    """The first rung must fit into a complete training."""
    config = SmacConfig(library="smac", algorithm="hyperband", min_epochs=10)
    with pytest.raises(ValueError, match=r"^min_epochs: 10 is above the 9 epochs"):
        check(config, SPACE)
