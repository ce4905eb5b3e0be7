"""Which patches are left out for what they show."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ImageFilter

from blindtune.datasets.slides.config import TissueConfig
from blindtune.datasets.slides.quality import rejection_reason
from support.slide_files import REAL, tissue

LIMITS = TissueConfig()


def painted(colour: tuple[int, int, int], rows: int) -> NDArray[np.uint8]:
    """Tissue with its first rows in one colour."""
    patch = tissue(128, 128)
    patch[:rows] = colour
    return patch


@pytest.mark.parametrize(
    ("patch", "fault"),
    [
        (tissue(128, 128), None),
        (painted((240, 238, 241), 60), None),
        (painted((240, 238, 241), 68), "white"),
        (painted((240, 120, 200), 128), "blur"),
        (painted((20, 90, 40), 20), "ink"),
        (painted((30, 80, 190), 20), "ink"),
        (painted((20, 20, 25), 20), "ink"),
        (painted((20, 20, 25), 10), None),
        (painted((80, 60, 140), 60), None),
        (painted((190, 30, 50), 60), None),
    ],
)
def test_rejection_reason_rules(patch: NDArray[np.uint8], fault: str | None):
    """Each rule rejects its patch, and a good patch passes."""
    assert rejection_reason(patch, LIMITS) == fault


def test_rejection_reason_limits():
    """The limits are those of the config."""
    assert rejection_reason(painted((240, 238, 241), 100), TissueConfig(max_white=0.9)) is None
    assert rejection_reason(painted((20, 90, 40), 20), TissueConfig(max_ink=0.2)) is None
    assert rejection_reason(tissue(128, 128), TissueConfig(min_focus=1e6)) == "blur"


@pytest.mark.skipif(not REAL.exists(), reason="the real slide is not here")
def test_rejection_reason_of_real_tissue():
    """Real tissue is kept, and its blurred copy is rejected."""
    from openslide import OpenSlide

    with OpenSlide(REAL) as slide:
        for place in ((1024, 1024), (1000, 2400)):
            sharp = slide.read_region(place, 0, (512, 512)).convert("RGB")
            assert rejection_reason(np.asarray(sharp), LIMITS) is None
            assert rejection_reason(np.asarray(sharp.filter(ImageFilter.GaussianBlur(2.5))), LIMITS) == "blur"
        glass = slide.read_region((0, 0), 0, (512, 512)).convert("RGB")
    assert rejection_reason(np.asarray(glass), LIMITS) == "white"
