"""The kinds of views, and the types of the config keys that take one.

A new kind is one module with a function ``create(config, inputs)``, one config model, and one line here.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator

from blindtune.core.registry import Entry, Registry


@dataclass(frozen=True)
class ViewEntry(Entry):
    """A view, or a function that computes features, and what it takes of a dataset besides the samples.

    It gets nothing else of the dataset. What it gets is part of the identity of the models that use it: a key that is
    not declared cannot change an answer.

    Attributes:
        source_keys: keys of the dataset's config.
        uses_statistics: whether it takes the mean and deviation of each channel over train.
        fitted_keys: keys of what the dataset's source fitted on train.
        opens: ``module:name`` of a function ``(config, data)`` that returns the `blindtune.views.base.SplitFeatures` of
            train and dev; None: the view takes none.
        fits_all: whether every source has the view.
    """

    source_keys: tuple[str, ...] = ()
    uses_statistics: bool = False
    fitted_keys: tuple[str, ...] = ()
    opens: str | None = None
    fits_all: bool = False


VIEWS = Registry(
    "blindtune.views",
    "view",
    ViewEntry,
    {
        # A source that prefers no view shows samples as they are stored.
        "default": ViewEntry("blindtune.views.samples:create", "blindtune.views.config:DefaultView"),
        "samples": ViewEntry("blindtune.views.samples:create", "blindtune.views.config:SamplesView"),
        "standardized": ViewEntry(
            "blindtune.views.standardized:create",
            "blindtune.views.config:StandardizedView",
            fitted_keys=("scaling",),
        ),
        "features": ViewEntry("blindtune.views.features:create", "blindtune.views.config:FeaturesView"),
        "frames": ViewEntry(
            "blindtune.views.frames:create",
            "blindtune.views.config:FramesView",
            source_keys=("frame_length", "frame_hop", "sfreq"),
            uses_statistics=True,
        ),
        "crops": ViewEntry("blindtune.views.crops:create", "blindtune.views.config:CropsView", uses_statistics=True),
        "augmented": ViewEntry(
            "blindtune.views.augmented:create", "blindtune.views.config:AugmentedView", uses_statistics=True
        ),
        "extracted": ViewEntry(
            "blindtune.views.extracted:create",
            "blindtune.views.config:ExtractedView",
            opens="blindtune.views.feature_store:open_features",
            fits_all=True,
        ),
    },
)

#: By source: the function that computes the features of its samples.
FEATURES = Registry(
    "blindtune.features",
    "source with features",
    ViewEntry,
    {
        "eeg": ViewEntry("blindtune.datasets.eeg.features:feature_function", source_keys=("sfreq",)),
        "slides": ViewEntry("blindtune.datasets.slides.features:feature_function"),
    },
)


def view_entries(kind: str, source: str) -> tuple[ViewEntry, ...]:
    """Return the entries of what computes a view of a source: its factory, and what the factory takes.

    Args:
        kind: of the view, a key of `VIEWS`.
        source: the kind of the dataset's source, such as ``eeg``.

    Returns:
        The first names the factory ``create(config, inputs, *others)``, the others name its further arguments.
    """
    return (VIEWS[kind], *([FEATURES[source]] if kind == "features" else []))


def view_modules(kind: str, source: str) -> tuple[str, ...]:
    """Return the modules whose code determines a view of a source, for the digest of code.

    Args:
        kind: of the view, a key of `VIEWS`.
        source: the kind of the dataset's source, such as ``eeg``.
    """
    return tuple(entry.module for entry in view_entries(kind, source))


def _expand_shorthand(value: Any) -> Any:
    """Return ``{kind: frames}`` for the plain word ``frames``, and anything else as it is."""
    return {"kind": value} if isinstance(value, str) else value


def _view_type(*kinds: str) -> Any:
    """Return the type of a config key that takes one of some kinds of views, in full or by its name alone."""
    union: Any = VIEWS.config_union("kind", *kinds)
    # A view that opens features needs keys that say what computes them.
    names: Any = Literal[tuple(name for name in kinds or VIEWS.names() if VIEWS[name].opens is None)]
    return Annotated[union, BeforeValidator(_expand_shorthand, json_schema_input_type=union | names)]


if TYPE_CHECKING:
    from blindtune.views.config import ViewConfig

    ReferenceView = ViewConfig
    NetworkView = ViewConfig
else:
    #: The views that a reference model takes: one vector per sample.
    ReferenceView = _view_type("default", "samples", "standardized", "features", "extracted")
    #: The views that a network takes: all.
    NetworkView = _view_type()
