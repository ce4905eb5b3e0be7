"""The drawings: any number of points, always the same ones, as hard as published, and clear errors."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier

from blindtune.core.errors import UserError
from blindtune.core.validation import load, parse
from blindtune.datasets.base import SPLITS, Sizes
from blindtune.datasets.drawing import DRAWINGS, Drawing, DrawingConfig, DrawingSource, sample

SHIPPED = ("set_08", "set_09", "set_10")

ONE_OF_EACH: dict[str, Any] = {
    "name": "one of each",
    "classes": ["pen", "fill"],
    **{
        split: {
            "outliers": {"share": 0.05, "x": [-2, 2], "y": [-2, 2]},
            "shapes": {
                "pen": [
                    {"kind": "frame", "x": [-1, 1], "y": [0, 1], "width": 0.1},
                    {"kind": "stroke", "path": [[0, 0], [0.5, 1], [1, 0]], "dots": 7, "share": 2.0},
                ],
                "fill": [
                    {"kind": "rectangle", "x": [-1, 1], "y": [-1, 1], "jitter": 0.1},
                    {"kind": "ellipse", "centre": [0, 0], "radii": [1, 0.5], "hole": 0.5},
                    {"kind": "blob", "centre": [0, 0], "spread": [0.1, 0.2]},
                ],
            },
        }
        for split in SPLITS
    },
}


def only(shape: dict[str, Any], share: float = 0.0) -> Drawing:
    """A drawing whose every class is this one shape."""
    content = copy.deepcopy(ONE_OF_EACH)
    for split in SPLITS:
        content[split]["outliers"]["share"] = share
        content[split]["shapes"] = {"pen": [shape], "fill": [shape]}
    return parse(Drawing, content, "test")


def drawing_source(**changes: Any) -> DrawingSource:
    """Return a source, with some keys of its config changed."""
    sizes = Sizes(train=60, dev=31, eval=30)
    content = {"source": "drawing", "drawing": "set_08", "sizes": sizes, "seed": 1}
    return DrawingSource(DrawingConfig.model_validate(content | changes))


@given(
    count=st.integers(0, 400),
    seed=st.integers(0, 2**63),
    scale=st.floats(1e-3, 1e3),
    split=st.sampled_from(SPLITS),
)
@settings(max_examples=50, deadline=None)
def test_sample_of_any_count_seed_and_scale(count: int, seed: int, scale: float, split: str) -> None:
    """Any count, seed and scale give balanced, finite and reproducible points."""
    drawing = parse(Drawing, ONE_OF_EACH, "test")
    x, y = sample(drawing, split, count, seed, scale)
    assert (x.shape, y.shape) == ((count, 2), (count,))
    assert (x.dtype.name, y.dtype.name) == ("float32", "int64")
    assert np.isfinite(x).all()
    per_class = np.bincount(y, minlength=2)
    assert per_class.max() - per_class.min() <= 1
    again_x, again_y = sample(drawing, split, count, seed, scale)
    assert np.array_equal(x, again_x)
    assert np.array_equal(y, again_y)
    plain, _ = sample(drawing, split, count, seed)
    np.testing.assert_allclose(x, plain * scale, rtol=1e-5, atol=1e-6 * scale)


def test_sample_is_the_same_everywhere() -> None:
    """The points of a seed are fixed numbers."""
    x, y = sample(parse(Drawing, ONE_OF_EACH, "test"), "train", 4, 0)
    assert y.tolist() == [1, 1, 0, 0]
    np.testing.assert_allclose(
        x,
        [[0.693128, -0.789366], [-0.863977, -0.95679], [-0.248767, 1.008484], [0.42951, 0.85902]],
        atol=1e-6,
    )


def test_sample_depends_on_split_seed_and_name() -> None:
    """Split, seed and name of the drawing each change the points."""
    drawing = parse(Drawing, ONE_OF_EACH, "test")
    renamed = drawing.model_copy(update={"name": "another"})
    samples = [
        sample(drawing, "train", 50, 0)[0],
        sample(drawing, "dev", 50, 0)[0],
        sample(drawing, "train", 50, 1)[0],
        sample(renamed, "train", 50, 0)[0],
    ]
    assert len({x.tobytes() for x in samples}) == len(samples)


def test_sample_shuffles_labels() -> None:
    """Labels are in random order."""
    _, y = sample(parse(Drawing, ONE_OF_EACH, "test"), "train", 1000, 0)
    assert 400 < np.count_nonzero(np.diff(y)) < 600


def test_rectangle_is_uniform() -> None:
    """A rectangle is filled uniformly, up to its sides."""
    x, _ = sample(only({"kind": "rectangle", "x": [1, 3], "y": [-1, 0]}), "train", 20_000, 0)
    np.testing.assert_allclose(x.min(axis=0), [1, -1], atol=0.01)
    np.testing.assert_allclose(x.max(axis=0), [3, 0], atol=0.01)
    np.testing.assert_allclose(x.mean(axis=0), [2, -0.5], atol=0.02)


def test_frame_is_within_its_brush() -> None:
    """The points of a frame are within its brush."""
    x, _ = sample(only({"kind": "frame", "x": [-2, 2], "y": [-1, 1], "width": 0.2}), "train", 20_000, 0)
    to_side = np.abs(np.abs(x) - [2, 1]).min(axis=1)
    assert to_side.max() <= 0.1 + 1e-6
    upright = np.mean(np.abs(np.abs(x[:, 0]) - 2) <= 0.1)
    assert upright == pytest.approx(4 / 12, abs=0.05)


def test_ellipse_has_an_empty_hole() -> None:
    """The hole of an ellipse is empty."""
    shape = {"kind": "ellipse", "centre": [1, 2], "radii": [2, 1], "hole": 0.5}
    x, _ = sample(only(shape), "train", 20_000, 0)
    radius = np.hypot(*((x - [1, 2]) / [2, 1]).T)
    assert radius.min() >= 0.5 - 1e-6
    assert radius.max() <= 1 + 1e-6
    # Half of the area between radius 0.5 and 1 lies within this radius.
    assert np.mean(radius < np.sqrt(0.625)) == pytest.approx(0.5, abs=0.02)


def test_stroke_is_uniform_along_its_length() -> None:
    """A stroke is uniform along its length."""
    x, _ = sample(only({"kind": "stroke", "path": [[0, 0], [1, 0], [1, 3]]}), "train", 20_000, 0)
    assert np.mean(x[:, 0] < 1) == pytest.approx(0.25, abs=0.02)


def test_blob_and_jitter_have_their_spread() -> None:
    """A blob and the jitter have their standard deviations."""
    shape = {"kind": "blob", "centre": [1, -1], "spread": [0.3, 0.0], "jitter": 0.4}
    x, _ = sample(only(shape), "train", 20_000, 0)
    np.testing.assert_allclose(x.mean(axis=0), [1, -1], atol=0.02)
    np.testing.assert_allclose(x.std(axis=0), [0.5, 0.4], atol=0.02)


def test_dots_are_sampled_repeatedly() -> None:
    """Dots are sampled repeatedly."""
    shape = {"kind": "rectangle", "x": [0, 1], "y": [0, 1], "dots": 5}
    x, y = sample(only(shape), "train", 1000, 0)
    assert [len(np.unique(x[y == label], axis=0)) for label in (0, 1)] == [5, 5]


def test_outliers_have_their_share() -> None:
    """Outliers have their share of the points."""
    x, _ = sample(only({"kind": "blob", "centre": [0, 0], "spread": [0, 0]}, 0.25), "train", 20_000, 0)
    assert np.mean(np.any(x != 0, axis=1)) == pytest.approx(0.25, abs=0.02)
    assert 1.9 < np.abs(x).max() <= 2


SHAPE = ("dev", "shapes", "fill", 0)


@pytest.mark.parametrize(
    ("where", "value", "named"),
    [
        ((*SHAPE, "share"), 0, "dev.shapes.fill.0.share"),
        ((*SHAPE, "share"), float("nan"), "dev.shapes.fill.0.share"),
        ((*SHAPE, "jitter"), -0.1, "dev.shapes.fill.0.jitter"),
        ((*SHAPE, "dots"), 0, "dev.shapes.fill.0.dots"),
        ((*SHAPE, "kind"), "triangle", "triangle"),
        ((*SHAPE, "colour"), "red", "dev.shapes.fill.0.colour: unknown key"),
        ((*SHAPE, "x"), [1, -1], "dev.shapes.fill.0.x"),
        ((*SHAPE, "x"), [1], "dev.shapes.fill.0.x"),
        (("dev", "shapes", "fill"), [], "dev.shapes.fill"),
        (("dev", "shapes"), {"pen": [ONE_OF_EACH["dev"]["shapes"]["pen"][0]]}, "dev.shapes: class 'fill'"),
        (("dev", "shapes", "other"), ONE_OF_EACH["dev"]["shapes"]["pen"], "dev.shapes.other"),
        (("train", "shapes", "pen", 1, "path"), [[0, 0], [0, 0]], "train.shapes.pen.1: path"),
        (("eval", "outliers", "share"), 1, "eval.outliers.share"),
        (("classes",), ["pen", "fill", "pen"], "classes"),
        (("eval",), None, "eval"),
    ],
)
def test_load_refuses_a_wrong_drawing(tmp_path: Path, where: tuple[Any, ...], value: Any, named: str) -> None:
    """A wrong drawing is refused, and the message names file and key."""
    content = copy.deepcopy(ONE_OF_EACH)
    inner = content
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = value
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(UserError) as caught:
        drawing_source(drawing=str(path)).load({"drawing": path})
    assert str(path) in str(caught.value)
    assert named in str(caught.value)


def test_user_files_refuses_an_unknown_drawing() -> None:
    """An unknown drawing is refused with a hint."""
    with pytest.raises(UserError, match=r"'set_8'.*set_08"):
        drawing_source(drawing="set_8").user_files()
    with pytest.raises(UserError, match=r"nowhere\.yaml"):
        drawing_source(drawing="nowhere.yaml").user_files()


def test_load_refuses_a_split_that_is_too_small() -> None:
    """A split that is too small for its classes is refused."""
    source = drawing_source(sizes=Sizes(train=60, dev=2, eval=30))
    with pytest.raises(UserError, match=r"sizes\.dev"):
        source.load(source.user_files())


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_drawings_load(name: str) -> None:
    """The shipped drawings load and are stand-ins."""
    source = drawing_source(drawing=name, scale=2.0)
    loaded = source.load(source.user_files())
    assert source.config.stand_in
    assert [len(loaded.splits[split].y) for split in SPLITS] == [60, 31, 30]
    assert loaded.files == [DRAWINGS / f"{name}.yaml"]
    for split in loaded.splits.values():
        assert set(split.y.tolist()) == set(range(len(loaded.classes)))


@pytest.mark.parametrize(
    ("name", "published"),
    [("set_08", (23.5, 26.6, 64.2)), ("set_09", (2.1, 3.8, 16.6)), ("set_10", (7.6, 38.8, 33.4))],
)
def test_shipped_drawings_are_as_hard_as_published(name: str, published: tuple[float, float, float]) -> None:
    """KNN has about the published errors on the shipped drawings."""
    drawing = load(Drawing, DRAWINGS / f"{name}.yaml")
    splits = [sample(drawing, split, 5000, 42) for split in SPLITS]
    knn = KNeighborsClassifier(15).fit(*splits[0])
    errors = [100 * np.mean(knn.predict(x) != y) for x, y in splits]
    np.testing.assert_allclose(errors, published, atol=6)
