"""Global random states: everyone's are kept, and a library may have its own."""

import random

import numpy as np

from blindtune.core.random_state import OwnRandomState


def draw() -> tuple[float, float]:
    """Draw from both global states."""
    return random.random(), float(np.random.random())  # noqa: S311  no secret follows from it


def test_own_states_follow_from_the_seed_and_go_on() -> None:
    """Blocks of one seed draw one sequence for any global states, which are as before at the end."""
    sequences = []
    for seed in (1, 1, 2):
        random.seed(9)
        np.random.seed(9)
        own, found = OwnRandomState(seed), []
        for _ in range(3):
            with own.use():
                found.append(draw())
        sequences.append(found)
        after = draw()
        random.seed(9)
        np.random.seed(9)
        assert after == draw()
    assert sequences[0] == sequences[1] != sequences[2]
    assert len(set(sequences[0])) == 3
