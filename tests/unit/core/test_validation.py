"""Messages about wrong content: the key, its path and a suggestion."""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, Field, RootModel, StringConstraints

from blindtune.core.errors import UserError
from blindtune.core.validation import NAME_PATTERN, Strict, load, parse, parse_json, suggest_name
from blindtune.core.yaml_files import check_duplicate_keys, read_yaml


class Circle(Strict):
    kind: Literal["circle"]
    radius: float
    centre: tuple[float, float] = (0.0, 0.0)


class Square(Strict):
    kind: Literal["square"]
    side: float


Shape = Annotated[Circle | Square, Field(discriminator="kind")]
Word = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]


class Picture(Strict):
    title: str
    shapes: list[Shape] = Field(default=[])
    named: dict[Word, Shape] = Field(default={})
    plain: dict[str, Circle] = Field(default={})
    frame: Square | None = None
    size: int = 1
    flag: bool = False
    colour: Literal["red", "blue"] = "red"


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
        ({"zzz": 1}, "zzz: unknown key: known: colour, flag, frame, named, plain, shapes, size, title."),
        # A union never offers the keys of its other members.
        ({"named": {"a": CIRCLE | {"sid": 1}}}, "named.a.sid: unknown key: known: centre, kind, radius."),
        ({"title": None}, "title: Input should be a valid string (got None)"),
        ({"title": 3}, "title: Input should be a valid string (got 3)"),
        ({"size": "1"}, "size: Input should be a valid integer (got '1')"),
        ({"size": True}, "size: Input should be a valid integer (got True)"),
        ({"flag": 1}, "flag: Input should be a valid boolean (got 1)"),
        ({"shapes": CIRCLE}, "shapes: Input should be a valid list"),
        ({"shapes": [{"kind": "circle"}]}, "shapes.0.radius: is missing."),
        ({"shapes": [{"radius": 1.0}]}, "shapes.0.kind: is missing."),
        ({"shapes": [{"kind": "cirle"}]}, "shapes.0.kind: 'cirle' is unknown: did you mean 'circle'?"),
        ({"named": {"A1": CIRCLE}}, "named.A1"),
        ({"named": {"A1": CIRCLE}}, "named.A1: is not a name: lower-case letters, digits and _, beginning with"),
        ({"shapes": [{"kind": "Circle"}]}, "shapes.0.kind: 'Circle' is unknown: did you mean 'circle'?"),
        ({"shapes": [{"kind": "sq"}]}, "shapes.0.kind: 'sq' is unknown: did you mean 'square'?"),
        ({"colour": "Red"}, "colour: Input should be 'red' or 'blue' (got 'Red'): did you mean 'red'?"),
        ({"size": "x" * 5000}, f"size: Input should be a valid integer (got '{'x' * 79}... (5,002 letters))"),
        ({"shapes": [{"kind": "circle", "radius": float("nan")}]}, "shapes.0.radius: Input should be a finite number"),
        ({"x" * 5000: 1}, f"'{'x' * 79}... (5,002 letters): unknown key"),
        ({"a\nb": 1}, "'a\\nb': unknown key"),
        ({3: 1}, "3: Keys should be strings"),
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
    wheel: Shape | None = None
    size: int = 1


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


def test_parse_key_with_the_name_of_a_tag() -> None:
    """A tag that is also the name of a key with content of its own does not give that key's path."""
    for change, path in (
        ({"shape": {"kind": "round"}}, "parts.one.shape.kind"),
        ({"size": "big"}, "parts.one.size"),
        ({"wheel": 3}, "parts.one.wheel"),
    ):
        wheel = {"kind": "wheel", "shape": CIRCLE, "wheel": {"kind": "square", "side": 1.0}}
        with pytest.raises(UserError) as caught:
            parse(Cart, {"parts": {"one": wheel | change}}, "my.yaml")
        assert f"  - {path}: " in str(caught.value)


@pytest.mark.parametrize("text", ["1e-3", "1E-3", "+.5", "-2.", "1.5e+10", "12", "1e5"])
def test_parse_takes_plain_decimals_for_floats(text: str) -> None:
    """Text that is a plain decimal number is a number where a float is wanted, at any depth."""
    content = {"title": "x", "shapes": [CIRCLE | {"radius": text}], "frame": {"kind": "square", "side": text}}
    parsed = parse(Picture, content, "my.yaml")
    assert parsed.frame is not None
    assert [shape.radius for shape in parsed.shapes if isinstance(shape, Circle)] == [float(text)]
    assert parsed.frame.side == float(text)
    assert content["frame"] == {"kind": "square", "side": text}, "what the user gave is not changed"


@pytest.mark.parametrize("text", ["inf", "nan", ".inf", "1_000", "0x10", "1e", "e3", "", " 1", "1 ", "1e999", "١"])
def test_parse_takes_no_other_text_for_a_float(text: str) -> None:
    """Other texts are refused, also those that Python would read as a number."""
    with pytest.raises(UserError, match="radius"):
        parse(Circle, {"kind": "circle", "radius": text}, "my.yaml")


def test_parse_takes_no_text_for_a_whole_number_or_a_title() -> None:
    """A decimal number in a text field stays text, and a whole number is never text."""
    assert parse(Picture, {"title": "1e-3"}, "my.yaml").title == "1e-3"
    with pytest.raises(UserError, match="size"):
        parse(Picture, {"title": "x", "size": "1e3"}, "my.yaml")


def test_parse_shortens_a_long_list_of_problems() -> None:
    """Of very many problems the first are listed."""
    with pytest.raises(UserError) as caught:
        parse(Picture, {"title": "x", "shapes": [{"kind": "circle"}] * 5000}, "my.yaml")
    assert len(str(caught.value).splitlines()) == 32
    assert str(caught.value).endswith("and 4,970 more")


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


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a: 1\nb: 2\na: 3\n", "'a' is in line 1 and in line 3"),
        (b"a:\n  b: 1\n  b: 2\n", "'b' is in line 2 and in line 3"),
        (b"- {x: 1, x: 2}", "'x' is in line 1 and in line 1"),
        (b"a: " + b"[" * 5000 + b"]" * 5000, "nested too deeply"),
        (b"a: " + b"[" * 200 + b"]" * 200, "nested too deeply"),
        (b"a: &x [*x]", "an alias holds itself"),
        (b"a: &x {b: *x}", "an alias holds itself"),
        (b"a: " + b"9" * 5000, "is not valid YAML"),
        (b"a: 2020-99-99", "is not valid YAML"),
        (b"a: \x00", "is not valid YAML"),
        (b"a: \xff", "is not valid YAML"),
        (b"? [1, 2]\n: 3\n? {a: 1}\n: 2", "is not valid YAML"),
        (b"a: 1\n---\na: 2", "is not valid YAML"),
        (b"<<: 3", "is not valid YAML"),
        (b"a: !!binary x", "is not valid YAML"),
        (b"a: !!int x", "is not valid YAML"),
        (b"a: !!float x", "is not valid YAML"),
        (b"a: !!timestamp x", "is not valid YAML"),
        (b"a: !!bool x", "is not valid YAML"),
        (b"a: !!set 3", "is not valid YAML"),
    ],
)
def test_read_yaml_refuses_hostile_files_with_one_message(tmp_path: Path, content: bytes, words: str) -> None:
    """Duplicate keys, depth, loops, impossible values and bad bytes are one message that names the file."""
    path = tmp_path / "my.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_yaml(path)
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")


def test_read_yaml_bounds_aliases(tmp_path: Path) -> None:
    """A few lines that stand for 10^9 values are refused at once."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    path = tmp_path / "bomb.yaml"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(UserError, match=r"gives more than 1,000,000 values"):
        read_yaml(path)


def test_read_yaml_reads_numbers_as_people_write_them(tmp_path: Path) -> None:
    """1e-3 and 1e3 are numbers; words, versions and hexadecimal text are not changed."""
    path = tmp_path / "my.yaml"
    path.write_text("a: [1e-3, 1E3, +2e5, .5e1, 1.0e-3, 1, '1e-3', e3, 1e, 1.2.3, 12e4x]\n<<: {b: 1}", encoding="utf-8")
    assert read_yaml(path) == {
        "a": [0.001, 1000.0, 2e5, 5.0, 0.001, 1, "1e-3", "e3", "1e", "1.2.3", "12e4x"],
        "b": 1,
    }


def test_read_yaml_refuses_a_pipe_without_waiting(tmp_path: Path) -> None:
    """A pipe, a device and a link to one are refused, not waited for."""
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    for name in ("pipe.yaml", "zero.yaml"):
        with pytest.raises(UserError, match=rf"{name}: cannot be read: it is a pipe or a device, not a file\."):
            read_yaml(tmp_path / name)


def test_check_duplicate_keys_names_file_and_lines(tmp_path: Path) -> None:
    """Files that another loader read are checked for duplicate keys alone; JSON too, a pipe is passed over."""
    good, odd, pipe, bad = (tmp_path / name for name in ("good.yaml", "odd.yaml", "pipe", "bad.json"))
    good.write_text("a: {b: 1}\nb: 1\nc: [{b: 2}, {b: 3}]\n", encoding="utf-8")
    odd.write_text("a: [", encoding="utf-8")
    os.mkfifo(pipe)
    check_duplicate_keys([good, str(odd), pipe])
    bad.write_text('{"a": {"b": 1,\n"b": 2}}', encoding="utf-8")
    with pytest.raises(UserError, match=r"bad\.json: the key 'b' is in line 1 and in line 2\. Keep one of the two\."):
        check_duplicate_keys([good, bad])


@pytest.mark.parametrize("text", ["010", "-042", "+0_17", "00010"])
def test_octal_numbers_are_refused_with_both_readings(tmp_path: Path, text: str) -> None:
    """YAML 1.1 reads 010 as 8, which nobody means who writes a seed or a number of samples."""
    path = tmp_path / "my.yaml"
    path.write_text(f"a: 1\nb: [7, {text}]\n", encoding="utf-8")
    digits = text.replace("_", "")
    message = re.escape(f"my.yaml: line 2: {text} begins with 0") + rf".*Write {int(digits)} or {int(digits, 8)}\."
    for read in (read_yaml, lambda place: check_duplicate_keys([place])):
        with pytest.raises(UserError, match=message):
            read(path)


def test_numbers_with_zeros_that_change_nothing_are_read(tmp_path: Path) -> None:
    """Text, numbers below 8 and what is no octal number are left as they are."""
    path = tmp_path / "my.yaml"
    path.write_text("a: [0, 07, '010', 08, 0.10, 0x10, 00, 0b11]", encoding="utf-8")
    check_duplicate_keys([path])
    assert read_yaml(path) == {"a": [0, 7, "010", "08", 0.1, 16, 0, 3]}


def test_suggest_name_gives_one_word_or_all() -> None:
    """The nearest known name is suggested, or all known names if none is near."""
    assert suggest_name("unit", ["layers", "units"]) == "did you mean 'units'?"
    assert suggest_name("UNITS", ["layers", "units"]) == "did you mean 'units'?"
    assert suggest_name("x" * 10**6, ["layers", "units"]) == "known: layers, units."
    assert suggest_name("xyz", ["layers", "units"]) == "known: layers, units."


def _refuse(name: str) -> str:
    raise ValueError(f"{name!r} is not known: take another name")


class Named(Strict):
    name: Annotated[str, AfterValidator(_refuse)]


def test_parse_shortens_a_long_value_in_a_message_of_our_own() -> None:
    """A check that repeats what was written does not fill the screen with it, and still says what to do."""
    with pytest.raises(UserError, match=r"  - name: 'xxx.* take another name$") as caught:
        parse(Named, {"name": "x" * 100_000}, "a.yaml")
    assert len(str(caught.value)) < 1200
