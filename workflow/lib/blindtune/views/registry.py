"""The kinds of views, and the types of the config keys that take one.

A new kind is one module with a function ``create(config, data)``, one config model, and one line here.
"""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator

from blindtune.core.registry import Entry, Registry

VIEWS = Registry(
    "blindtune.views",
    "view",
    Entry,
    {
        "samples": Entry("blindtune.views.samples:create", "blindtune.views.config:SamplesView"),
        "features": Entry("blindtune.views.features:create", "blindtune.views.config:FeaturesView"),
        "frames": Entry("blindtune.views.frames:create", "blindtune.views.config:FramesView"),
        "crops": Entry("blindtune.views.crops:create", "blindtune.views.config:CropsView"),
    },
)

#: By source: the function that computes the features of its samples.
FEATURES = Registry(
    "blindtune.features",
    "source with features",
    Entry,
    {
        "eeg": Entry("blindtune.datasets.eeg.features:feature_function"),
        "slides": Entry("blindtune.datasets.slides.features:feature_function"),
    },
)


def view_functions(kind: str, source: str) -> tuple[str, ...]:
    """Return where to find what computes a view of a source: its factory and what the factory takes besides the data.

    Args:
        kind: of the view, a key of `VIEWS`.
        source: the kind of the dataset's source, such as ``eeg``.

    Returns:
        A ``module:name`` each; the first is the factory ``create(config, data, *others)``.
    """
    entries = [VIEWS[kind], *([FEATURES[source]] if kind == "features" else [])]
    return tuple(entry.create for entry in entries)


def view_modules(kind: str, source: str) -> tuple[str, ...]:
    """Return the modules whose code determines a view of a source, for the digest of code.

    Args:
        kind: of the view, a key of `VIEWS`.
        source: the kind of the dataset's source, such as ``eeg``.
    """
    return tuple(place.partition(":")[0] for place in view_functions(kind, source))


def _expand_shorthand(value: Any) -> Any:
    """Return ``{kind: frames}`` for the plain word ``frames``, and anything else as it is."""
    return {"kind": value} if isinstance(value, str) else value


def _view_type(*kinds: str) -> Any:
    """Return the type of a config key that takes one of some kinds of views, in full or by its name alone."""
    union: Any = VIEWS.config_union("kind", *kinds)
    names: Any = Literal[tuple(kinds or VIEWS.names())]
    return Annotated[union, BeforeValidator(_expand_shorthand, json_schema_input_type=union | names)]


if TYPE_CHECKING:
    from blindtune.views.config import ViewConfig

    ReferenceView = ViewConfig
    NetworkView = ViewConfig
else:
    #: The views that a reference model takes: one vector per sample.
    ReferenceView = _view_type("samples", "features")
    #: The views that a network takes: all.
    NetworkView = _view_type()
