"""The config of each kind of view: the value of a system's key ``view``."""

import math
import re
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, JsonValue, StringConstraints, model_validator

from blindtune.core.bounds import MAX_PIXELS, MAX_SAMPLES
from blindtune.core.validation import Strict, UserPath


class ViewConfig(Strict):
    """What the configs of all views have in common.

    Attributes:
        kind: the name of the view in `blindtune.views.registry.VIEWS`.
        is_random: whether the same sample gives other values each time in training.
    """

    kind: str
    is_random: ClassVar[bool] = False


class DefaultView(ViewConfig):
    """The view that the dataset's source prefers for a system; the config puts that view in its place."""

    kind: Literal["default"]


class SamplesView(ViewConfig):
    """Samples as they are stored."""

    kind: Literal["samples"]


class StandardizedView(ViewConfig):
    """Samples of a table with each number scaled to zero mean and unit deviation over train."""

    kind: Literal["standardized"]


class FeaturesView(ViewConfig):
    """A few numbers per sample, computed by the features module of the dataset's source."""

    kind: Literal["features"]


class FramesView(ViewConfig):
    """Overlapping frames of a signal, normalised by train; the dataset's config gives their length and hop."""

    kind: Literal["frames"]


class CropsView(ViewConfig):
    """Square crops of a picture, normalised by train: random ones in training, fixed ones in scoring."""

    kind: Literal["crops"]
    is_random: ClassVar[bool] = True
    side: int = Field(default=128, gt=0, le=MAX_PIXELS, description="side of a crop in pixels, after downsampling")
    downsample: int = Field(
        default=1,
        gt=0,
        le=MAX_PIXELS,
        description="factor of downsampling before the crop: blocks of n x n pixels become their mean; 1: none",
    )
    n_eval_crops: int = Field(
        default=1,
        gt=0,
        le=10_000,
        description="fixed crops per sample when it is scored; their class probabilities are averaged; a square number",
    )
    jitter: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="in training, each colour is scaled and shifted at random by at most this share; 0: no jitter",
    )
    rotate: bool = Field(
        default=True, description="in training, crops are rotated by multiples of 90 degrees and mirrored at random"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if math.isqrt(self.n_eval_crops) ** 2 != self.n_eval_crops:
            raise ValueError(
                f"n_eval_crops: {self.n_eval_crops} is not a square number; crops are taken from a square grid"
            )
        return self


class AugmentedView(ViewConfig):
    """Whole pictures, normalised by train; in training they are mirrored, shifted and changed in colour at random."""

    kind: Literal["augmented"]
    is_random: ClassVar[bool] = True
    mirror: bool = Field(default=True, description="in training, pictures are mirrored left to right at random")
    upside_down: bool = Field(default=False, description="in training, pictures are mirrored top to bottom at random")
    shift: int = Field(
        default=4,
        ge=0,
        le=MAX_PIXELS,
        description="in training, pictures are shifted at random by at most so many pixels along each axis; the margin "
        "repeats the mirrored picture; 0: no shift",
    )
    jitter: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="in training, each colour is scaled and shifted at random by at most this share; 0: no jitter",
    )


#: A file of Python code, and the name of a function after a colon or none.
BUILD = re.compile(r"(?P<file>.*[^/]\.py)(:(?P<function>[A-Za-z_][A-Za-z0-9_]*))?", re.DOTALL)


def _check_build(build: str) -> str:
    """Return a value of ``build``: a file, with the name of a function or without it."""
    if BUILD.fullmatch(build) is None:
        raise ValueError(
            f"{build!r} is not a file of Python code with the name of a function; give extractor.py, whose function is "
            "called build, or extractor.py:name"
        )
    return build


class ExtractedView(ViewConfig):
    """Features that a function of your own code computes of each sample, such as those of a pretrained network."""

    kind: Literal["extracted"]
    build: Annotated[UserPath, StringConstraints(max_length=1000), AfterValidator(_check_build)] = Field(
        description="a file of Python code, and the name of its function after a colon (without it: build); the "
        "function gets input_shape, arguments and weights, and returns a callable from samples (n, ...) to features "
        "(n, n_features)",
        examples=["extractor.py:build"],
    )
    weights: Annotated[UserPath, StringConstraints(min_length=1, max_length=1000)] | None = Field(
        default=None,
        description="a file that the function gets the path of; its content is part of the identity of a model; null: "
        "none",
    )
    arguments: dict[Annotated[str, StringConstraints(max_length=200)], JsonValue] = Field(
        default={}, description="what else the function gets, as a dict"
    )
    batch_size: int = Field(default=32, gt=0, le=MAX_SAMPLES, description="samples that the callable gets at once")
    standardize: bool = Field(
        default=True, description="true: each feature is scaled to zero mean and unit deviation over train"
    )
