"""The config of views; a system has one under ``sees``."""

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from blindtune.core.validation import Strict


class SamplesView(Strict):
    """Samples as they are stored."""

    view: Literal["samples"]


class FeaturesView(Strict):
    """A few numbers of each sample, which its source knows how to compute."""

    view: Literal["features"]


class FramesView(Strict):
    """Overlapping frames of a signal, as long and as far apart as the dataset says, normalised by train."""

    view: Literal["frames"]


class CropsView(Strict):
    """Squares of a picture, normalised by train: drawn at random in training, always the same ones in scoring."""

    view: Literal["crops"]
    side: int = Field(default=128, gt=0, description="side of a crop in pixels, as the model sees it")
    downsample: int = Field(
        default=1, gt=0, description="so many pixels along each side become one, their mean, before the crop is taken"
    )
    n_eval_crops: int = Field(
        default=1, gt=0, description="crops of a sample whose answers are averaged when it is scored; a square number"
    )
    jitter: float = Field(
        default=0.1, ge=0, lt=1, description="in training, colours are scaled and shifted by up to this share; 0: not"
    )
    rotate: bool = Field(default=True, description="in training, crops are turned by quarters and mirrored at random")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if math.isqrt(self.n_eval_crops) ** 2 != self.n_eval_crops:
            raise ValueError(
                f"n_eval_crops: {self.n_eval_crops} is not a square number; crops are taken from a square grid"
            )
        return self


#: What a reference model can see, and what a network can.
Plain = Annotated[SamplesView | FeaturesView, Field(discriminator="view")]
View = Annotated[SamplesView | FeaturesView | FramesView | CropsView, Field(discriminator="view")]
AnyView = SamplesView | FeaturesView | FramesView | CropsView

#: The module of each view, for the digest of code.
MODULES = {
    "samples": "blindtune.views.base",
    "features": "blindtune.views.features",
    "frames": "blindtune.views.frames",
    "crops": "blindtune.views.crops",
}
