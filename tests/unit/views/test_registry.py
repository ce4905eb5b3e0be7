"""The registry of views: kinds, config types and modules for the digest of code."""

from typing import Any, get_args

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from blindtune.core.code_digest import closure
from blindtune.core.registry import load_object
from blindtune.datasets.registry import SOURCES
from blindtune.views.config import CropsView, FramesView
from blindtune.views.registry import FEATURES, VIEWS, NetworkView, ReferenceView, view_modules


def test_views_kinds_are_those_of_their_configs() -> None:
    """Each entry names a factory and a config model whose kind is the entry's name."""
    for name, entry in VIEWS.entries.items():
        config: type[BaseModel] = load_object(str(entry.config))
        assert get_args(config.model_fields["kind"].annotation) == (name,)
        assert callable(load_object(entry.create))


def test_features_are_of_the_sources_that_offer_them() -> None:
    """A source offers the view ``features`` if and only if the registry names its feature function."""
    offered = {name for name in SOURCES.names() if "features" in SOURCES.load(name).views}
    assert offered == set(FEATURES.names())
    assert all(callable(load_object(entry.create)) for entry in FEATURES.entries.values())


def test_sources_offer_only_registered_views() -> None:
    """Every view that a source offers is in the registry."""
    for name in SOURCES.names():
        assert set(SOURCES.load(name).views) <= set(VIEWS.names())


@pytest.mark.parametrize(("source", "other"), [("eeg", "slides"), ("slides", "eeg")])
def test_view_modules_of_features_are_of_one_source(source: str, other: str) -> None:
    """Features of one source are not voided by a change of the features of another."""
    modules = closure(*view_modules("features", source))
    assert f"blindtune.datasets.{source}.features" in modules
    assert f"blindtune.datasets.{other}.features" not in modules
    assert not any("simulated" in module for module in modules)


@pytest.mark.parametrize("kind", ["frames", "crops"])
def test_view_modules_include_the_normalization(kind: str) -> None:
    """A change of the normalisation voids what was trained on frames or crops."""
    assert "blindtune.views.normalization" in closure(*view_modules(kind, "images"))


def test_view_types_take_a_name_or_a_mapping() -> None:
    """A view without settings can be given by its name alone."""
    adapter: TypeAdapter[Any] = TypeAdapter(NetworkView)
    assert adapter.validate_python("frames") == adapter.validate_python({"kind": "frames"}) == FramesView(kind="frames")
    assert adapter.validate_python("crops") == CropsView(kind="crops")
    assert adapter.validate_python(FramesView(kind="frames")) == FramesView(kind="frames")
    assert adapter.validate_json('{"kind": "crops", "side": 64}').side == 64


@pytest.mark.parametrize("value", ["frame", {"kind": "frame"}, {}, 3])
def test_view_types_refuse_unknown_kinds(value: Any) -> None:
    """A kind that is not registered is refused, by its name and in full."""
    with pytest.raises(ValidationError, match=r"kind|valid"):
        TypeAdapter(NetworkView).validate_python(value)


def test_reference_views_are_vectors() -> None:
    """A reference model takes stored samples or features, and no frames or crops."""
    adapter: TypeAdapter[Any] = TypeAdapter(ReferenceView)
    assert adapter.validate_python("features").kind == "features"
    with pytest.raises(ValidationError, match="crops"):
        adapter.validate_python("crops")


def test_view_schema_allows_the_shorthand() -> None:
    """The JSON schema, which editors use, takes the name of a view as well as a mapping."""
    options = TypeAdapter(ReferenceView).json_schema()["anyOf"]
    assert {"enum": ["default", "samples", "standardized", "features"], "type": "string"} in options
    assert any("oneOf" in option or "discriminator" in option for option in options)
