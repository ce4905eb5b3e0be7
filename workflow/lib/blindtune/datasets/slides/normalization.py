"""Stain normalization: one transform of the colours for each slide, estimated from its own tissue.

The estimate uses the pixels of one slide and no label, and the target is in the config, so nothing of dev or eval
enters train. Pixels of ink do not count: no stain has such colours, and a line of a pen along the tissue would be taken
for one. One transform for a whole slide keeps the differences between its patches; statistics of single patches
would make a patch of few nuclei as blue as one of many.

- Macenko et al. (2009), A method for normalizing histology slides for quantitative analysis, ISBI: the two stains are
  the extreme directions of the optical density of the pixels; their amounts are scaled to those of the target.
- Reinhard et al. (2001), Color transfer between images, IEEE Computer Graphics and Applications 21(5): mean and
  deviation of each channel of Ruderman's l, alpha, beta become those of the target. Glass stays as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.datasets.slides.config import StainNormalizationConfig, are_parallel
from blindtune.datasets.slides.quality import MIN_WHITE, find_ink

#: Transmitted light, density from which a pixel is tissue, and percentile of the extremes; all from Macenko et al.
_LIGHT, _MIN_DENSITY, _EXTREME = 240.0, 0.15, 1.0
#: Percentile of a stain that is its maximum, in the code of Macenko et al.
_MAX_STAIN = 99.0
#: Fewer pixels of tissue give no estimate.
MIN_PIXELS = 2000
#: Smallest deviation of a channel of l, alpha, beta that is no noise of 8 bits.
_MIN_DEVIATION = 1e-3
#: Digits of a transform after the point. The last ones of its computation differ between machines.
_DIGITS = 6

#: Optical density by brightness.
_DENSITY = -np.log((np.arange(256) + 1) / _LIGHT).astype(np.float32)
#: From red, green and blue to the responses of three cones, and from their logarithms to l, alpha and beta.
_TO_LMS = np.array([[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]])
_TO_LAB = np.diag(1 / np.sqrt([3.0, 6.0, 2.0])) @ np.array([[1.0, 1.0, 1.0], [1.0, 1.0, -2.0], [1.0, -1.0, 0.0]])
_FROM_LMS = np.linalg.inv(_TO_LMS)
#: Smallest response of a cone whose logarithm is taken, since that of black has none.
_DARK = np.float32(1)


class StainError(Exception):
    """The stains of a slide cannot be estimated; the message has the reason."""


@dataclass(frozen=True)
class StainTransform:
    """How the colours of one slide become those of the target: an affine map of a logarithm of the colours.

    Attributes:
        method: ``macenko``: of optical densities; ``reinhard``: of the logarithm of the responses of three cones.
        matrix: (3, 3) what the logarithms, as a column, are multiplied by.
        shift: (3,) what is added then.
    """

    method: str
    matrix: NDArray[np.float64]
    shift: NDArray[np.float64]

    def to_facts(self) -> dict[str, Any]:
        """Return the transform as plain data."""
        return {"method": self.method, "matrix": self.matrix.tolist(), "shift": self.shift.tolist()}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> "StainTransform":
        """Return the transform that `to_facts` gave."""
        return cls(facts["method"], np.array(facts["matrix"]), np.array(facts["shift"]))

    def apply(self, patch: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return a patch (n_rows, n_columns, 3) in the colours of the target, uint8."""
        # Separate planes: loops over the three values of each pixel are several times slower.
        planes = np.ascontiguousarray(patch.transpose(2, 0, 1))
        changed: NDArray[Any]
        if self.method == "macenko":
            changed = _LIGHT * np.exp(-_mix(self.matrix, _DENSITY[planes]))
        else:
            cones = np.log(np.maximum(_mix(_TO_LMS, planes.astype(np.float32)), _DARK))
            moved = _mix(self.matrix, cones) + self.shift.astype(np.float32)[:, None, None]
            # Far above the brightest pixel, so that no exponential is infinite.
            changed = _mix(_FROM_LMS, np.exp(np.minimum(moved, 20)))
            # Glass has no stain.
            changed = np.where(planes.min(axis=0) >= MIN_WHITE, planes, changed)
        return np.ascontiguousarray(changed.round().clip(0, 255).astype(np.uint8).transpose(1, 2, 0))


def estimate_transform(pixels: NDArray[np.uint8], config: StainNormalizationConfig) -> StainTransform:
    """Return the transform of a slide.

    Args:
        pixels: (n_pixels, 3) red, green and blue of its tissue, with or without some glass.
        config: the method and the target.

    Raises:
        StainError: too few pixels are tissue, or there are not two stains.
    """
    if config.method == "reinhard":
        return _match_moments(measure_moments(pixels), config.values)
    own, target = measure_stains(pixels), config.values
    # The amounts of the stains, scaled, in the colours of the target; a linear map of the densities.
    scale = np.diag(np.array(target["maxima"]) / own["maxima"])
    unmix = np.linalg.pinv(np.stack([own["haematoxylin"], own["eosin"]], axis=1))
    matrix = np.stack([target["haematoxylin"], target["eosin"]], axis=1) @ scale @ unmix
    return StainTransform("macenko", matrix.round(_DIGITS), np.zeros(3))


def measure_stains(pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
    """Return the two stains of some pixels, by Macenko et al. (2009); usable as ``target`` of a config.

    Args:
        pixels: (n_pixels, 3) red, green and blue.

    Returns:
        ``haematoxylin`` and ``eosin``, unit vectors of optical density, and ``maxima``, the 99th percentile of each.

    Raises:
        StainError: too few pixels are tissue, or there are not two stains.
    """
    density = _DENSITY.astype(np.float64)[_drop_ink(pixels)]
    tissue = density[(density >= _MIN_DENSITY).all(axis=1)]
    _check_count(len(tissue))
    _, axes = np.linalg.eigh(np.cov(tissue.T))
    plane = axes[:, [2, 1]]
    # The sign of an axis is arbitrary; densities are positive, and so no angle below may pass half a turn.
    plane *= np.where(plane.sum(axis=0) < 0, -1.0, 1.0)
    along = tissue @ plane
    angles = np.percentile(np.arctan2(along[:, 1], along[:, 0]), [_EXTREME, 100 - _EXTREME])
    stains = [plane @ np.array([np.cos(angle), np.sin(angle)]) for angle in angles]
    # Haematoxylin absorbs more red than eosin does.
    haematoxylin, eosin = sorted((one / np.linalg.norm(one) for one in stains), key=lambda one: -one[0])
    if are_parallel(haematoxylin.tolist(), eosin.tolist()):
        raise StainError("shows one stain only, which cannot be normalized by macenko")
    amounts = tissue @ np.linalg.pinv(np.stack([haematoxylin, eosin], axis=1)).T
    maxima = np.percentile(amounts, _MAX_STAIN, axis=0)
    if maxima.min() <= 0:
        raise StainError("shows one stain only, which cannot be normalized by macenko")
    return {"haematoxylin": haematoxylin, "eosin": eosin, "maxima": maxima}


def measure_moments(pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
    """Return the colours of the tissue among some pixels, as Reinhard et al. (2001); usable as ``target`` of a config.

    Args:
        pixels: (n_pixels, 3) red, green and blue.

    Returns:
        ``mean`` and ``deviation`` of l, alpha and beta.

    Raises:
        StainError: too few pixels are tissue.
    """
    pixels = _drop_ink(pixels)
    tissue = pixels[pixels.min(axis=1) < MIN_WHITE].astype(np.float64)
    _check_count(len(tissue))
    lab = np.log(np.maximum(tissue @ _TO_LMS.T, _DARK)) @ _TO_LAB.T
    return {"mean": lab.mean(axis=0), "deviation": lab.std(axis=0)}


def _match_moments(own: Mapping[str, Any], target: Mapping[str, Any]) -> StainTransform:
    """Return the transform of cones, rather than of l, alpha and beta, that gives some tissue other moments."""
    scale = np.array(target["deviation"]) / np.maximum(own["deviation"], _MIN_DEVIATION)
    back = np.linalg.inv(_TO_LAB)
    matrix, shift = back @ np.diag(scale) @ _TO_LAB, back @ (np.array(target["mean"]) - scale * own["mean"])
    return StainTransform("reinhard", matrix.round(_DIGITS), shift.round(_DIGITS))


def _drop_ink(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the pixels (n_pixels, 3) that are no ink."""
    return pixels[~find_ink(*pixels.T)]


def _check_count(n_pixels: int) -> None:
    if n_pixels < MIN_PIXELS:
        raise StainError(f"shows too little tissue to estimate its stains ({n_pixels:,} pixels)")


def _mix(matrix: NDArray[np.float64], planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the planes (3, ...) multiplied by a matrix, added up in a fixed order on any machine."""
    first, second, third = planes
    rows = matrix.astype(np.float32)
    return np.stack([row[0] * first + row[1] * second + row[2] * third for row in rows])
