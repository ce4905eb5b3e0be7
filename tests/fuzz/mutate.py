"""Change valid files at random: their bytes, and the values and keys of their JSON or YAML."""

import json
import random
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import yaml

#: Values in place of any other: wrong types, extremes, and what other fields might take for theirs.
VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 3, 0.5, -0.5, 1e-3, 1e300, -1e300, 5e-324),
    *(2**31, 2**32, 2**63, 2**64, -(2**63), 10**30, float("nan"), float("inf")),
    *("", "x", "1e-3", "0", "-1", "inf", "nan", "1_000", "é\u202e\U0001f600", "a\nb", "a\x00b", "x" * 3000),
    *("..", "../..", "~", "{dataset}", "<results>", "*", "=1+1", "knn", "adam", "layers", "units", "train"),
    *([], {}, [[]], [{}], {"": None}, {"a": {"b": [1]}}, ["x"], [1, 2, 3], [0.5] * 50),
    *({"type": "int", "low": 0, "high": 5}, {"type": "float", "low": 0.0, "high": 1.0}, {"kind": "dense", "units": 3}),
]
#: Pieces of text between others.
TOKENS = [
    *(b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\n", b"\t", b",", b'"', b"'", b"#", b"- ", b": ", b"[", b"]"),
    *(b"{", b"}", b"<", b"</", b"<!DOCTYPE x [<!ENTITY a 'b'>]>", b"&a;", b"<![CDATA[", b"encoding='x'", b"-->"),
    *(b"nan", b"inf", b"-inf", b"1e999", b"-1", b"0", b"1e-400", b"9" * 400, b"9" * 5000, b"0x10", b"1_0", b"1:30"),
    *(b"[" * 2000, b"{" * 300, b'{"a":' * 2000, b"\xe2\x80\xa8", b"\x1c", b"\x0b", b"\x85", b"\xd9\xa1"),
    *(b"x" * 140_000, b"<<: ", b"? ", b"!!python/name:os.system", b"!!binary ", b"!!timestamp ", b"2020-99-99"),
    *(b"--- ", b"...", b"%YAML 9", b"&a ", b"*a", b"!!", b"1e5"),
]
#: What one number in a text becomes.
NUMBERS = [b"0", b"-1", b"99999999", b"1e999", b"nan", b"", b"x", b"0.000001", b"9" * 30, b"-0", b"1e-3"]


def mutate(seed: bytes, chance: random.Random, structured: bool) -> bytes:
    """Return a file that differs from a valid one in a few places.

    Args:
        seed: the valid file.
        chance: the source of all choices.
        structured: whether the file is YAML or JSON, or has a JSON object on each line.
    """
    content = seed
    if structured and chance.random() < 0.75:
        content = _mutate_values(content, chance)
        if chance.random() < 0.8:
            return content
    for _ in range(1 + int(chance.expovariate(0.7))):
        content = chance.choice(_BYTE_CHANGES)(content, chance)
    return content


def _mutate_values(content: bytes, chance: random.Random) -> bytes:
    lines = content.splitlines() if content.startswith(b"{") and content.count(b"\n{") else [content]
    at = chance.randrange(len(lines))
    is_json, value = _parsed(lines[at])
    for _ in range(1 + int(chance.expovariate(1.0))):
        value = _changed(value, chance)
    text = json.dumps(value) if is_json else yaml.safe_dump(value, sort_keys=False)
    lines[at] = text.encode("utf-8", "surrogatepass")
    return b"\n".join(lines) + b"\n"


@lru_cache(maxsize=64)
def _parsed(content: bytes) -> tuple[bool, Any]:
    is_json = content.lstrip().startswith(b"{")
    return is_json, json.loads(content) if is_json else yaml.safe_load(content)


def _changed(value: Any, chance: random.Random) -> Any:
    """Return a value with one value, key or item somewhere in it changed."""
    if isinstance(value, dict) and value and chance.random() < 0.95:
        key = chance.choice(list(value))
        action = chance.random()
        if action < 0.8:
            return {**value, key: _changed(value[key], chance)}
        if action < 0.87:
            return {name: item for name, item in value.items() if name != key}
        name = chance.choice(["x", "", "A", "a b", "seed", "sealed", "{a}", "1", str(key).upper(), f"{key}s"])
        return {(name if other == key else other): item for other, item in value.items()} | (
            {key: value[key]} if action < 0.94 else {}
        )
    if isinstance(value, list) and value and chance.random() < 0.9:
        at = chance.randrange(len(value))
        action = chance.random()
        if action < 0.7:
            return [*value[:at], _changed(value[at], chance), *value[at + 1 :]]
        return [*value[:at], *value[at + 1 :]] if action < 0.8 else [*value, *value[at:]] * chance.choice([1, 1, 1, 50])
    return chance.choice(VALUES)


def _flip(content: bytes, chance: random.Random) -> bytes:
    if not content:
        return content
    at = chance.randrange(len(content))
    return content[:at] + bytes([chance.randrange(256)]) + content[at + 1 :]


def _delete(content: bytes, chance: random.Random) -> bytes:
    first = chance.randrange(len(content) + 1)
    return content[:first] + content[first + chance.choice([1, 2, 8, 100, len(content)]) :]


def _cut(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content) + 1)]


def _insert(content: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(content) + 1)
    return content[:at] + chance.choice(TOKENS) + content[at:]


def _repeat(content: bytes, chance: random.Random) -> bytes:
    first = chance.randrange(len(content) + 1)
    piece = content[first : first + chance.randrange(1, 200)]
    return content[:first] + piece * chance.choice([2, 2, 2, 100]) + content[first + len(piece) :]


def _swap_lines(content: bytes, chance: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    chance.shuffle(lines)
    return b"".join(lines)


def _other_number(content: bytes, chance: random.Random) -> bytes:
    found = list(re.finditer(rb"-?\d+(\.\d+)?", content))
    if not found:
        return content
    number = chance.choice(found)
    other = chance.choice(
        [b"0", b"-1", b"99999999", b"1e999", b"nan", b"", b"x", b"0.000001", b"9" * 30, b"-0", b"1e-3"]
    )
    return content[: number.start()] + other + content[number.end() :]


_BYTE_CHANGES: list[Callable[[bytes, random.Random], bytes]] = [
    _flip,
    _flip,
    _delete,
    _cut,
    _insert,
    _insert,
    _repeat,
    _swap_lines,
    _other_number,
    _other_number,
]
