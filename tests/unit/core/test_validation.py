"""Messages about wrong content: the key, its path and a suggestion."""

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, RootModel, StringConstraints

from blindtune.core.errors import UserError
from blindtune.core.validation import Strict, load, parse, parse_json, read_yaml, suggest_name


class Circle(Strict):
    kind: Literal["circle"]
    radius: float
    centre: tuple[float, float] = (0.0, 0.0)


class Square(Strict):
    kind: Literal["square"]
    side: float


Shape = Annotated[Circle | Square, Field(discriminator="kind")]
Word = Annotated[str, StringConstraints(pattern="^[a-z]+$")]


class Picture(Strict):
    title: str
    shapes: list[Shape] = Field(default=[])
    named: dict[Word, Shape] = Field(default={})
    plain: dict[str, Circle] = Field(default={})
    frame: Square | None = None
    size: int = 1
    flag: bool = False


class Album(RootModel[dict[Word, Picture]]):
    pass


CIRCLE = {"kind": "circle", "radius": 1.0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"titel": 1}, "titel: unknown key: did you mean 'title'?"),
        ({"shapes": [CIRCLE, CIRCLE | {"radus": 1}]}, "shapes.1.radus: unknown key: did you mean 'radius'?"),
        ({"named": {"a": CIRCLE | {"center": 1}}}, "named.a.center: unknown key: did you mean 'centre'?"),
        ({"plain": {"a": CIRCLE | {"knd": 1}}}, "plain.a.knd: unknown key: did you mean 'kind'?"),
        ({"frame": {"kind": "square", "side": 1.0, "sied": 1}}, "frame.sied: unknown key: did you mean 'side'?"),
        ({"zzz": 1}, "zzz: unknown key: known: flag, frame, named, plain, shapes, size, title."),
        # A union never offers the keys of its other members.
        ({"named": {"a": CIRCLE | {"sid": 1}}}, "named.a.sid: unknown key: known: centre, kind, radius."),
        ({"title": None}, "title: Input should be a valid string (got None)"),
        ({"title": 3}, "title: Input should be a valid string (got 3)"),
        ({"size": "1"}, "size: Input should be a valid integer (got '1')"),
        ({"size": True}, "size: Input should be a valid integer (got True)"),
        ({"flag": 1}, "flag: Input should be a valid boolean (got 1)"),
        ({"shapes": CIRCLE}, "shapes: Input should be a valid list"),
        ({"shapes": [{"kind": "circle"}]}, "shapes.0.radius: is missing."),
        ({"shapes": [{"radius": 1.0}]}, "shapes.0: Unable to extract tag using discriminator 'kind'"),
        ({"shapes": [{"kind": "cirle"}]}, "shapes.0: Input tag 'cirle' found using 'kind' does not match"),
        ({"named": {"A1": CIRCLE}}, "named.A1"),
    ],
)
def test_parse_names_the_path_and_a_suggestion(change: dict[str, Any], message: str) -> None:
    """A message names the path of the mistake and suggests a fix."""
    with pytest.raises(UserError) as caught:
        parse(Picture, {"title": "x"} | change, "my.yaml")
    assert str(caught.value).startswith("my.yaml does not fit:\n")
    assert f"  - {message}" in str(caught.value)


class Wheel(Strict):
    kind: Literal["wheel"]
    shape: Shape
    square: Square | None = None


class Axle(Strict):
    kind: Literal["axle"]


class Cart(Strict):
    parts: dict[str, Annotated[Wheel | Axle, Field(discriminator="kind")]]


def test_parse_tag_that_is_also_a_key() -> None:
    """A union's tag that has the name of a key does not give a wrong path."""
    wheel = {
        "kind": "wheel",
        "shape": {"kind": "square", "side": 1.0, "sied": 1},
        "square": {"kind": "square", "side": 1.0},
    }
    with pytest.raises(UserError) as caught:
        parse(Cart, {"parts": {"one": wheel}}, "my.yaml")
    assert "  - parts.one.shape.sied: unknown key: did you mean 'side'?" in str(caught.value)


class Renamed(Strict):
    n_neighbors: int = 1
    verbosity: Literal["normal", "verbose"] = "normal"
    source: Annotated[Circle | Square, Field(discriminator="kind")] | None = None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"neighbours": 3}, "neighbours: unknown key: it is called 'n_neighbors' now."),
        ({"verbosity": "talkative"}, "(got 'talkative'): it is called 'verbose' now"),
        # An old name is only answered where the new one is known.
        ({"trees": 3}, "trees: unknown key: known: n_neighbors, source, verbosity."),
    ],
)
def test_parse_old_name_is_answered_with_the_new_one(change: dict[str, Any], message: str) -> None:
    """A key or a value of before the renames is answered with the new one."""
    with pytest.raises(UserError) as caught:
        parse(Renamed, change, "my.yaml")
    assert message in str(caught.value)


def test_parse_follows_a_dict_at_the_root() -> None:
    """The path of a mistake is found in a root model that is a dictionary."""
    with pytest.raises(UserError, match=r"one\.titel: unknown key: did you mean 'title'\?"):
        parse(Album, {"one": {"title": "x", "titel": 1}}, "my.yaml")


def test_parse_reports_all_mistakes_once() -> None:
    """One message reports all mistakes, each in one line."""
    with pytest.raises(UserError) as caught:
        parse(Picture, {"titel": 1, "size": "x"}, "my.yaml")
    lines = str(caught.value).splitlines()[1:]
    assert len(lines) == len(set(lines)) == 3


@pytest.mark.parametrize("content", [None, [], "text", 3])
def test_parse_refuses_content_that_is_not_a_mapping(content: Any) -> None:
    """Content that is not a mapping is refused as a whole."""
    with pytest.raises(UserError, match=r"my\.yaml does not fit:\n  - the whole: "):
        parse(Picture, content, "my.yaml")


def test_parse_json_takes_lists_for_tuples() -> None:
    """JSON content may have lists for tuples; YAML content may not."""
    content = {"kind": "circle", "radius": 1, "centre": [1.0, 2.0]}
    assert parse_json(Circle, content, "a.json").centre == (1.0, 2.0)
    with pytest.raises(UserError, match="centre"):
        parse(Circle, content, "a.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['true']",
        "a: !!python/object:blindtune.core.errors.UserError {}",
        "a: !!python/name:os.system ''",
        "a: [1",
        "a: b: c",
        "\t- a",
    ],
)
def test_load_refuses_tags_and_broken_yaml(tmp_path: Path, text: str) -> None:
    """YAML tags that would run code are refused, as is text that is not valid YAML."""
    path = tmp_path / "my.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"my\.yaml: is not valid YAML: ") as caught:
        load(Picture, path)
    if "python" in text:
        assert "could not determine a constructor for the tag 'tag:yaml.org,2002:python/" in str(caught.value)


def test_read_yaml_names_a_file_that_it_cannot_read(tmp_path: Path) -> None:
    """A missing file, a folder and a file that is not UTF-8 are named."""
    with pytest.raises(UserError, match=r"gone\.yaml: cannot be read"):
        read_yaml(tmp_path / "gone.yaml")
    with pytest.raises(UserError, match="cannot be read"):
        read_yaml(tmp_path)
    (tmp_path / "bytes.yaml").write_bytes(b"a: \xff\xfe")
    with pytest.raises(UserError, match=r"bytes\.yaml: is not valid YAML"):
        read_yaml(tmp_path / "bytes.yaml")


def test_suggest_name_gives_one_word_or_all() -> None:
    """The nearest known name is suggested, or all known names if none is near."""
    assert suggest_name("unit", ["layers", "units"]) == "did you mean 'units'?"
    assert suggest_name("xyz", ["layers", "units"]) == "known: layers, units."
