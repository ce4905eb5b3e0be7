"""Stain normalization."""

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from blindtune.datasets.slides.config import STAIN_TARGETS, StainNormalizationConfig
from blindtune.datasets.slides.normalization import (
    MIN_PIXELS,
    StainError,
    StainTransform,
    estimate_transform,
    measure_moments,
    measure_stains,
)

Vector = NDArray[np.float64]
MACENKO = StainNormalizationConfig(method="macenko")
REINHARD = StainNormalizationConfig(method="reinhard")
#: Two stains that no target has, and their largest amounts.
HAEMATOXYLIN, EOSIN = np.array([0.7, 0.6, 0.3]), np.array([0.1, 0.9, 0.25])


def stain(haematoxylin: Vector, eosin: Vector, most: tuple[float, float]) -> NDArray[np.uint8]:
    """Return pixels (n_pixels, 3) of two stains in every mixture, by the law of Lambert and Beer."""
    amounts = np.stack(np.meshgrid(np.linspace(0, most[0], 80), np.linspace(0, most[1], 80)), axis=-1).reshape(-1, 2)
    units = np.stack([one / np.linalg.norm(one) for one in (haematoxylin, eosin)])
    light: Vector = 240 * np.exp(-(amounts @ units))
    return light.round().clip(1, 255).astype(np.uint8)


def test_macenko_finds_the_stains_that_were_mixed() -> None:
    """The two stains are found within a few degrees, and the maxima are the amounts that were mixed."""
    found = measure_stains(stain(HAEMATOXYLIN, EOSIN, (1.6, 1.2)))
    for name, truth in (("haematoxylin", HAEMATOXYLIN), ("eosin", EOSIN)):
        assert found[name] @ truth / np.linalg.norm(truth) > np.cos(np.radians(6)), name
    np.testing.assert_allclose(found["maxima"], (1.6, 1.2), rtol=0.1)


@pytest.mark.parametrize("config", [MACENKO, REINHARD])
def test_two_scans_of_a_slide_get_the_same_colours(config: StainNormalizationConfig) -> None:
    """The same mixtures in other stains and other amounts look alike after normalization, and did not before."""
    first, second = stain(HAEMATOXYLIN, EOSIN, (1.6, 1.2)), stain(np.array([0.6, 0.7, 0.4]), EOSIN, (1.1, 1.0))
    changed = [estimate_transform(one, config).apply(one[None])[0].astype(int) for one in (first, second)]
    before, after = (np.abs(a - b).mean() for a, b in ((first.astype(int), second.astype(int)), changed))
    assert after < before / 3


def test_normalized_pixels_have_the_target() -> None:
    """Measured again, normalized pixels have the published stains, or the published mean and deviation."""
    pixels = stain(HAEMATOXYLIN, EOSIN, (1.6, 1.2))
    again = measure_stains(estimate_transform(pixels, MACENKO).apply(pixels[None])[0])
    for name, values in STAIN_TARGETS["macenko"].items():
        np.testing.assert_allclose(again[name], values, atol=0.08 * max(values), err_msg=name)
    # A narrow range, so that nothing is cut at white, and no glass.
    pixels = pixels[pixels.min(axis=1) < 160]
    target = {"mean": [8.6, -0.05, 0.02], "deviation": [0.2, 0.03, 0.02]}
    config = StainNormalizationConfig(method="reinhard", target=target)
    moments = measure_moments(estimate_transform(pixels, config).apply(pixels[None])[0])
    for name, values in target.items():
        np.testing.assert_allclose(moments[name], values, atol=0.01, err_msg=name)


def test_the_own_stains_as_target_change_nothing() -> None:
    """A slide whose own measurements are the target stays as it is, within rounding."""
    pixels = stain(HAEMATOXYLIN, EOSIN, (1.6, 1.2))
    for method, measured in (("macenko", measure_stains(pixels)), ("reinhard", measure_moments(pixels))):
        target = {name: values.tolist() for name, values in measured.items()}
        config = StainNormalizationConfig.model_validate({"method": method, "target": target})
        changed = estimate_transform(pixels, config).apply(pixels[None])[0]
        assert np.abs(changed.astype(int) - pixels).max() <= 2, method


def test_reinhard_uses_ruderman_space() -> None:
    """Known values: red, green and blue of 100 are l 7.97, alpha and beta near 0, by the constants of the paper."""
    found = measure_moments(np.full((MIN_PIXELS, 3), 100, np.uint8))
    cones = np.log(100 * np.array([0.9996, 0.9993, 0.9973]))
    known = [cones.sum() / 3**0.5, (cones[0] + cones[1] - 2 * cones[2]) / 6**0.5, (cones[0] - cones[1]) / 2**0.5]
    np.testing.assert_allclose(found["mean"], known, atol=1e-6)
    np.testing.assert_allclose(found["deviation"], 0, atol=1e-9)


def test_glass_stays_glass() -> None:
    """White pixels stay nearly white by macenko and as they are by reinhard; black gives no infinity."""
    pixels = stain(HAEMATOXYLIN, EOSIN, (1.6, 1.2))
    patch = np.array([[[255, 255, 255], [240, 240, 240], [0, 0, 0]]], np.uint8)
    assert estimate_transform(pixels, MACENKO).apply(patch)[0, :2].min() >= 239
    changed = estimate_transform(pixels, REINHARD).apply(patch)
    assert (changed[0, :2] == patch[0, :2]).all() and changed[0, 2].max() < 60


def test_transform_survives_its_facts() -> None:
    """The transform in the survey of a slide gives the same pixels."""
    pixels = stain(HAEMATOXYLIN, EOSIN, (1.6, 1.2))
    for config in (MACENKO, REINHARD):
        transform = estimate_transform(pixels, config)
        again = StainTransform.from_facts(transform.to_facts())
        np.testing.assert_array_equal(transform.apply(pixels[None]), again.apply(pixels[None]))


def test_slides_without_two_stains_are_refused() -> None:
    """Too little tissue, or one stain alone, gives no estimate but a reason."""
    white = np.full((10_000, 3), 250, np.uint8)
    for config in (MACENKO, REINHARD):
        with pytest.raises(StainError, match=r"too little tissue to estimate its stains \(0 pixels\)"):
            estimate_transform(white, config)
    with pytest.raises(StainError, match="one stain only"):
        measure_stains(stain(EOSIN, EOSIN, (1.6, 1.2)))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            {"haematoxylin": [1, 1, 1]},
            r"needs for macenko exactly haematoxylin \(3 numbers\), eosin \(3 numbers\), m",
        ),
        ({"haematoxylin": [1, 2, 3], "eosin": [2, 4, 6], "maxima": [1, 1]}, "haematoxylin and eosin are one colour"),
        ({"haematoxylin": [1, 2, -3], "eosin": [1, 1, 1], "maxima": [1, 1]}, "not below 0"),
        ({"haematoxylin": [1, 2, 3], "eosin": [1, 1, 1], "maxima": [1, 99]}, "less than or equal to 20"),
    ],
)
def test_config_refuses_an_impossible_target(target: dict[str, list[float]], message: str) -> None:
    """A target that lacks a stain, is negative or too large, or has one stain twice, is refused."""
    with pytest.raises(ValidationError, match=message):
        StainNormalizationConfig.model_validate({"method": "macenko", "target": target})


def test_colours_far_from_those_of_a_slide_stay_finite() -> None:
    """Tissue of one colour has no deviation, so any other colour is moved very far."""
    transform = estimate_transform(np.full((3000, 3), (180, 90, 150), np.uint8), REINHARD)
    with np.errstate(over="raise", invalid="raise"):
        changed = transform.apply(np.full((2, 2, 3), (255, 0, 0), np.uint8))
    assert changed.shape == (2, 2, 3)


@pytest.mark.parametrize("config", [MACENKO, REINHARD])
@pytest.mark.parametrize("ink", [(20, 120, 60), (30, 60, 160), (10, 10, 10)], ids=["green", "blue", "black"])
def test_a_line_of_a_pen_changes_no_transform(config: StainNormalizationConfig, ink: tuple[int, int, int]) -> None:
    """Pixels of ink, however many, are no stain."""
    pixels = stain(HAEMATOXYLIN, EOSIN, (1.6, 1.2))
    marked = np.concatenate([pixels, np.full((len(pixels) // 4, 3), ink, np.uint8)])
    plain, found = estimate_transform(pixels, config), estimate_transform(marked, config)
    np.testing.assert_array_equal(found.matrix, plain.matrix)
    np.testing.assert_array_equal(found.shift, plain.shift)
