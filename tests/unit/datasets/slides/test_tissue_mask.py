"""The tissue of a slide."""

import numpy as np

from blindtune.datasets.slides.tissue_mask import TissueMask, choose_threshold, find_tissue


def test_choose_threshold_separates_two_groups() -> None:
    """The threshold is where the variance between both groups is largest; ties give the lowest."""
    counts = np.zeros(256, np.int64)
    counts[[10, 12, 100, 104]] = 5, 5, 3, 3
    assert choose_threshold(counts) == 12
    assert choose_threshold(np.eye(256, dtype=np.int64)[7]) == 0


def test_find_tissue_takes_coloured_pixels() -> None:
    """Pink and violet are tissue, white and grey are not; a picture of one kind only is not divided."""
    picture = np.full((40, 40, 3), 243, np.uint8)
    picture[:10], picture[10:20] = (220, 150, 190), (120, 80, 160)
    picture[30:] = 128
    damaged = np.zeros((40, 40), bool)
    mask = find_tissue(picture, damaged, (400, 400)).mask
    assert mask[:20].all() and not mask[20:].any()
    assert find_tissue(picture[:20], damaged[:20], (400, 200)).mask.all()
    assert not find_tissue(picture[20:], damaged[20:], (400, 200)).mask.any()
    assert not find_tissue(picture, ~damaged, (400, 400)).mask.any()


def test_a_damaged_part_may_be_tissue() -> None:
    """A place there is not left out for its background, but shows no stains."""
    damaged = np.zeros((10, 10), bool)
    damaged[:5] = True
    tissue = TissueMask(np.zeros((10, 10), bool), (100, 100), damaged)
    np.testing.assert_allclose(tissue.measure_share(np.array([[20, 0], [20, 45], [20, 80]]), 10.0), [1, 0.5, 0])
    assert tissue.sample_corners(5, 8.0, np.random.default_rng(1)) == []


def test_measure_share_is_exact_between_pixels() -> None:
    """Shares are those of the areas, also where a square cuts pixels of the mask; outside of the slide is no tissue."""
    mask = np.zeros((10, 20), bool)
    mask[:, :10] = True
    tissue = TissueMask(mask, (200, 100), np.zeros_like(mask))
    corners = np.array([[0, 0], [90, 10], [95, 33], [150, 50], [-10, 0], [-5, -5], [1000, 1000]])
    np.testing.assert_allclose(tissue.measure_share(corners, 20.0), [1, 0.5, 0.25, 0, 0.5, 0.5625, 0])


def test_sample_corners_are_in_the_tissue() -> None:
    """Squares are centred on different pixels of the mask, no more than it has."""
    mask = np.zeros((10, 20), bool)
    mask[2:4, 5:9] = True
    tissue = TissueMask(mask, (200, 100), np.zeros_like(mask))
    found = tissue.sample_corners(5, 8.0, np.random.default_rng(1))
    assert len(set(found)) == 5 and all(50 <= x + 4 < 90 and 20 <= y + 4 < 40 for x, y in found)
    assert len(tissue.sample_corners(99, 8.0, np.random.default_rng(1))) == 8
