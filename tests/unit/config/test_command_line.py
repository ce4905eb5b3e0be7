"""Values of --config have the types that they would have in a file."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from snakemake.cli import parse_config

from blindtune.config.command_line import type_arguments
from blindtune.config.schema import merge
from blindtune.core.errors import UserError


def read(*arguments: str, below: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a config with arguments of the command line, as the Snakefile gets it."""
    parsed = parse_config(arguments)
    return type_arguments(merge(below or {}, parsed), parsed, arguments)


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("seeds=[42,43]", [42, 43]),
        ("seeds=[]", []),
        ("report={margin: 0.5, points: 10}", {"margin": 0.5, "points": 10}),
        ("report={margin: 1e-3}", {"margin": 0.001}),
        (
            "report={a: true, b: false, c: null, d: ~, e: yes, f: 'yes'}",
            {"a": True, "b": False, "c": None, "d": None, "e": True, "f": "yes"},
        ),
        ("report={a: '10', b: [1, '2', {c: 3}]}", {"a": "10", "b": [1, "2", {"c": 3}]}),
        ("report={class_weight: {0: 1.5, 1: 2}}", {"class_weight": {0: 1.5, 1: 2}}),
        ("name=smoke", "smoke"),
        ("name=null", None),
        ("name=true", True),
        ("workers=4", 4),
        ("wait=1.5", 1.5),
        ("name=", None),
        ("name=a: b: c", "a: b: c"),
    ],
)
def test_value_has_the_type_of_a_file(argument: str, expected: Any) -> None:
    """Whole numbers, decimal ones, truth values, lists, dicts and null are read as in a config file."""
    key = argument.partition("=")[0]
    assert read(argument) == {key: expected}
    assert repr(read(argument)[key]) == repr(expected) or isinstance(expected, dict)


def test_dict_is_merged_and_a_list_is_replaced() -> None:
    """What the command line does not name stays; a key that is a number replaces that of the file."""
    below = {"seeds": [1, 2, 3], "report": {"margin": 1.0, "weight": {0: 1, 1: 1}}, "name": "x"}
    assert read("seeds=[4]", "report={weight: {0: 5}}", below=below) == {
        "seeds": [4],
        "report": {"margin": 1.0, "weight": {0: 5, 1: 1}},
        "name": "x",
    }


@pytest.mark.parametrize(
    ("argument", "problem"),
    [
        ("seeds=[042]", "--config seeds: .* 042 begins with 0"),
        ("report={a: 1, a: 2}", "--config report: the key 'a' is in line 1 and in line 1"),
        ("report={1: 1, 0x1: 2}", "--config report: has a key twice"),
        ("report={a: 2025-02-30}", "--config report: "),
    ],
)
def test_unclear_value_is_refused(argument: str, problem: str) -> None:
    """What would be read as something else than it seems is one message with the key."""
    with pytest.raises(UserError, match=problem):
        read(argument)


def test_values_of_another_caller_are_taken_as_they_are() -> None:
    """A program that gives values with types, not a command line, gets them back."""
    content = {"seeds": [1], "name": "12", "report": {"a": None}}
    assert type_arguments(content, content, ["seeds=[1]", "name='12'", "report={'a': None}"]) == content


def test_section_of_the_config_is_found() -> None:
    """A module that gets a section of the config gets the section's values with types."""
    arguments = ["mine={seeds: [1, 2], report: {margin: 0.5}}", "other=[3]"]
    parsed = parse_config(arguments)
    section = merge({"seeds": [7], "name": "x"}, parsed["mine"])
    expected = {"seeds": [1, 2], "name": "x", "report": {"margin": 0.5}}
    assert type_arguments(section, parsed, arguments, is_section=True) == expected
    assert type_arguments(section, parsed, arguments)["seeds"] == ["1", "2"]


_LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text("ab1 ")
_VALUES = st.recursive(
    _LEAVES, lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text("ab1", min_size=1), below, max_size=3)
)


@given(value=_VALUES)
def test_any_value_written_as_yaml_is_read_back(value: Any) -> None:
    """A value that is written as YAML on the command line arrives as it is, in a list or a dict."""
    text = yaml.safe_dump([value], default_flow_style=True, width=10**6).strip()
    assert read(f"key={text}") == {"key": [value]}
