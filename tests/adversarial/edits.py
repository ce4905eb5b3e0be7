"""Changes that an adversary makes to files: to values of JSON, to lines, and to bytes."""

import copy
import json
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from blindtune.core.files import digest_json

#: Where a value is in plain data: keys and numbers of items.
Place = tuple[str | int, ...]


def leaves(content: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Yield every value of plain data that is no dict and no list with items, and where it is."""
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    if not items:
        yield place, content
    for key, value in items:
        yield from leaves(value, (*place, key))


def name_of(place: Place) -> str:
    """Return a place as a text."""
    return ".".join(map(str, place))


def get(content: Any, place: Place) -> Any:
    """Return the value at a place."""
    for key in place:
        content = content[key]
    return content


def put(content: Any, place: Place, value: Any) -> Any:
    """Return plain data with another value at a place."""
    result = copy.deepcopy(content)
    get(result, place[:-1])[place[-1]] = value
    return result


def without(content: Any, place: Place) -> Any:
    """Return plain data without the value at a place."""
    result = copy.deepcopy(content)
    del get(result, place[:-1])[place[-1]]
    return result


def other(value: Any) -> Any:
    """Return another value of the same type that an adversary might prefer: a lower error, another name."""
    match value:
        case bool():
            return not value
        case int():
            return value - 1 if value > 1 else value + 1
        case float():
            return value / 2 if value else 0.25
        case str() if value and len(value) == 64 and set(value) <= set("0123456789abcdef"):
            return value[:-1] + ("0" if value[-1] != "0" else "1")
        case str():
            return f"{value[:-1]}{'x' if value[-1:] != 'x' else 'y'}"
        case None:
            return 0
        case list() | dict():
            return None
    raise TypeError(f"no other value for {value!r}")


def change_json(path: Path, change: Callable[[Any], Any]) -> None:
    """Replace the content of a JSON file."""
    path.write_text(json.dumps(change(json.loads(path.read_text(encoding="utf-8")))), encoding="utf-8")


def change_card(path: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Replace the content of a card and compute its digests again, as `write_card` does."""
    from blindtune.records.model_card import ModelCard

    content = json.loads(path.read_text(encoding="utf-8"))
    plain = change({key: value for key, value in content.items() if key not in ("frozen_sha256", "card_sha256")})
    frozen = content["frozen_sha256"]
    with suppress(ValueError):  # no card any more: the digests cannot help
        frozen = ModelCard.model_validate_json(json.dumps(plain)).frozen_sha256()
    path.write_text(json.dumps(plain | {"frozen_sha256": frozen, "card_sha256": digest_json(plain)}), encoding="utf-8")


def change_lines(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    """Replace the lines of a file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("".join(f"{line}\n" for line in change(lines)), encoding="utf-8")


def change_bytes(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Replace the bytes of a file."""
    path.write_bytes(change(path.read_bytes()))


def flip(content: bytes, seed: str) -> bytes:
    """Return bytes of which one has another value."""
    chance = random.Random(seed)  # noqa: S311
    at = chance.randrange(len(content))
    return content[:at] + bytes([content[at] ^ chance.randrange(1, 256)]) + content[at + 1 :]
