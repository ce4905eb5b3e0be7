"""Outlines that cross too often are found."""

import numpy as np
import pytest
from numpy.typing import NDArray

from blindtune.datasets.slides import tangles
from blindtune.datasets.slides.tangles import find_tangle, find_tangled


def test_find_tangle_counts_crossings_within_lines(monkeypatch: pytest.MonkeyPatch):
    """Five lines of a star cross five times; lines that only touch, or follow each other, do not cross."""
    star = [(np.cos(4 * np.pi * k / 5), np.sin(4 * np.pi * k / 5)) for k in range(5)]
    closed = np.array([*star, star[0]])
    for limit, reason in ((4, "it crosses itself more than 4 times"), (5, None)):
        monkeypatch.setattr(tangles, "MAX_CROSSINGS", limit)
        assert find_tangle(closed) == reason
    monkeypatch.setattr(tangles, "MAX_CROSSINGS", 0)
    there_and_back = np.array([(0, 0), (10, 0), (10, 10), (10, 0), (5, 0), (5, 5), (5, 0), (0, 0)], float)
    assert find_tangle(there_and_back) is None
    monkeypatch.setattr(tangles, "MAX_LINE_PAIRS", 3)
    said = find_tangle(there_and_back)
    assert said == "more than 3 pairs of its lines are close to each other"


def cross_naively(first: NDArray[np.float64], second: NDArray[np.float64]) -> bool:
    """Whether two lines cross within both."""

    def side(a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64]) -> float:
        return float(np.sign((b - a)[0] * (c - a)[1] - (b - a)[1] * (c - a)[0]))

    return side(*first, second[0]) * side(*first, second[1]) < 0 > side(*second, first[0]) * side(*second, first[1])


@pytest.mark.parametrize("at_once", [1, 50, 1_000_000])
def test_crossings_are_those_of_a_plain_loop(at_once: int, monkeypatch: pytest.MonkeyPatch):
    """Within one outline and between several, in parts of any size."""
    import shapely

    monkeypatch.setattr(tangles, "_PAIRS_AT_ONCE", at_once)
    monkeypatch.setattr(tangles, "_MIN_PRODUCT", 0)
    random = np.random.default_rng(3)
    rings = [np.concatenate([ring, ring[:1]]) for ring in random.uniform(0, 9, (3, 12, 2))]
    lines = [np.stack([ring[:-1], ring[1:]], axis=1) for ring in rings]
    own = sum(cross_naively(a, b) for at, a in enumerate(lines[0]) for b in lines[0][at + 1 :])
    apart = {other: sum(cross_naively(a, b) for a in lines[0] for b in lines[other]) for other in (1, 2)}
    assert own > 1 and min(apart.values()) > 1
    shapes = np.array([shapely.Polygon(ring) for ring in rings[:2]])
    for short in (0, 1):
        monkeypatch.setattr(tangles, "MAX_CROSSINGS", own - short)
        assert (find_tangle(rings[0]) is not None) == bool(short)
        monkeypatch.setattr(tangles, "MAX_CROSSINGS", apart[1] - short)
        assert (1 in find_tangled(shapes)) == bool(short)


def test_long_outlines_are_compared_in_few_parts(monkeypatch: pytest.MonkeyPatch):
    """The number of parts is that of pairs that may be close, not the square of that of vertices."""
    sizes: list[int] = []
    original = tangles._cross

    def cross(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.bool_]:
        sizes.append(len(first))
        return original(first, second)

    monkeypatch.setattr(tangles, "_cross", cross)
    monkeypatch.setattr(tangles, "_PAIRS_AT_ONCE", 2000)
    angles = np.linspace(0, 2 * np.pi, 4001)
    assert find_tangle(np.stack([np.cos(angles), np.sin(angles)], 1)) is None
    assert len(sizes) < 50
    sizes.clear()
    random = np.random.default_rng(5).uniform(0, 9, (400, 2))
    monkeypatch.setattr(tangles, "MAX_CROSSINGS", 10**6)
    find_tangle(np.concatenate([random, random[:1]]))
    assert max(sizes) <= 2400
