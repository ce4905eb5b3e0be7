"""Reads and checks what a user writes: the pydantic base of the config and of data files, and clear messages."""

import difflib
import json
import os
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from blindtune.core.errors import UserError
from blindtune.core.renamed import KEYS, VALUES
from blindtune.core.yaml_files import read_yaml

#: Names of everything that a config names: datasets and systems.
NAME_PATTERN = r"^[a-z][a-z0-9_]*$"
#: Names of dimensions, which are parameters of Python objects.
PARAMETER_PATTERN = r"^[A-Za-z][A-Za-z0-9_]*$"
#: What a pattern asks for, in words.
_IN_WORDS = {
    NAME_PATTERN: "a name: lower-case letters, digits and _, beginning with a letter",
    PARAMETER_PATTERN: "a name: letters, digits and _, beginning with a letter",
}
#: What people write for a number and YAML 1.1 reads as text, such as 1e-3.
_DECIMAL = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?", re.ASCII)
#: Problems that one message lists.
_MAX_LISTED = 30
#: Descriptions of keys that one message names.
_MAX_REFERENCES = 3
_LONGEST_SHOWN = 80
_LONGEST_MESSAGE = 1000


class Strict(BaseModel):
    """A model that refuses unknown keys, silent conversions between types, and numbers that are not finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    #: The page that describes every key, under the anchors that messages name; empty if there is none.
    reference_page: ClassVar[str] = ""


def expand_home(path: str) -> str:
    """Return a path with the folder of the user for a ``~`` at its beginning; other texts are returned unchanged."""
    return os.path.expanduser(path) if path.startswith("~") and "\0" not in path else path  # noqa: PTH111  a text


#: The type of a config key that takes a path.
UserPath = Annotated[str, AfterValidator(expand_home)]
Model = TypeVar("Model", bound=BaseModel)


def parse(model: type[Model], content: Any, where: str) -> Model:
    """Check plain data against a model and return it as one; one message names each wrong key by its path.

    Text is taken for a number where the model wants a float and the text is a plain decimal number, such as ``1e-3``,
    which YAML 1.1 reads as text.

    Args:
        model: the pydantic model to check against.
        content: plain data, as YAML or JSON gives it.
        where: the file that the content came from, for the message.

    Raises:
        UserError: the content does not fit.
    """
    return _checked(model, model.model_validate, content, where)


def parse_json(model: type[Model], content: Any, where: str) -> Model:
    """Check data that were read from JSON, whose lists may be tuples, against a model and return them as one.

    Args:
        model: the pydantic model to check against.
        content: plain data.
        where: the file that the content came from, for the message.

    Raises:
        UserError: the content does not fit.
    """
    return _checked(model, lambda data: model.model_validate_json(json.dumps(data)), content, where)


def _checked(model: type[Model], validate: Callable[[Any], Model], content: Any, where: str) -> Model:
    try:
        return validate(content)
    except ValidationError as error:
        problems = error.errors(include_url=False)
    except RecursionError:
        raise UserError(f"{where} does not fit: it is nested too deeply.") from None
    with_numbers = _with_numbers(content, problems, model)
    if with_numbers is not content:
        return _checked(model, validate, with_numbers, where)
    found = list(dict.fromkeys(_sentence(problem, model) for problem in problems[: 10 * _MAX_LISTED]))
    listed = "\n".join(f"  - {sentence}" for sentence in found[:_MAX_LISTED])
    more = f"\n  and {len(problems) - _MAX_LISTED:,} more" if len(found) > _MAX_LISTED else ""
    raise UserError(f"{where} does not fit:\n{listed}{more}{_refer(problems, model)}")


def _refer(problems: list[Any], model: type[BaseModel]) -> str:
    """Return a line that names where the keys of the first problems are described; nothing without such a page."""
    page = getattr(model, "reference_page", "")
    anchors = dict.fromkeys(".".join(_follow(problem["loc"], model)[2]) for problem in problems[:_MAX_LISTED])
    named = [f"#{anchor}" for anchor in anchors if anchor][:_MAX_REFERENCES]
    return f"\n  See {page}{', '.join(named)}." if page and named else ""


def _with_numbers(content: Any, problems: list[Any], model: type[BaseModel]) -> Any:
    """Return the content with decimal numbers for the texts that a float field refused; itself if there are none."""
    for problem in problems:
        text = problem.get("input")
        if problem["type"] == "float_type" and isinstance(text, str) and _DECIMAL.fullmatch(text):
            content = _replaced(content, _follow(problem["loc"], model)[0], text)
    return content


def _replaced(content: Any, path: list[str | int], text: str) -> Any:
    """Return the content with the number in place of the text at a path; itself if the text is not there."""
    if not path:
        return float(text) if content == text else content
    if isinstance(content, dict) and path[0] in content:
        value = _replaced(content[path[0]], path[1:], text)
        return content if value is content[path[0]] else {**content, path[0]: value}
    if isinstance(content, list) and isinstance(path[0], int) and path[0] < len(content):
        value = _replaced(content[path[0]], path[1:], text)
        return content if value is content[path[0]] else [*content[: path[0]], value, *content[path[0] + 1 :]]
    return content


def load(model: type[Model], path: Path) -> Model:
    """Read a YAML file and check it against a model.

    Args:
        model: the pydantic model to check against.
        path: of the file.

    Returns:
        The content as a ``model``.

    Raises:
        UserError: as `read_yaml` and `parse`.
    """
    return parse(model, read_yaml(path), str(path))


def suggest_name(name: str, known: list[str]) -> str:
    """Return a hint that names the most similar known word, or all known words if none is similar.

    Args:
        name: the unknown word; its case does not matter.
        known: all words that are allowed.
    """
    close = _nearest(name, known)
    return f"did you mean {close!r}?" if close is not None else f"known: {', '.join(sorted(known))}."


def show_value(value: Any) -> str:
    """Return a value as a message shows it, shortened if it is long."""
    try:
        text = repr(value)
    except ValueError:
        # Python does not write whole numbers of more than 4300 digits.
        return "a number of more than 4300 digits"
    cut = f"{text[:_LONGEST_SHOWN]}... ({len(text):,} letters)"
    return text if len(text) <= _LONGEST_SHOWN + 20 else cut


def _nearest(name: str, known: list[str]) -> str | None:
    by_lower = {word.lower(): word for word in reversed(known)}
    given = name[:_LONGEST_SHOWN].lower()
    longer = [word for word in by_lower if len(given) > 1 and word.startswith(given)]
    close = difflib.get_close_matches(given, list(by_lower), n=1, cutoff=0.6) or longer
    return by_lower[close[0]] if close else None


def _sentence(problem: Any, model: type[BaseModel]) -> str:
    """Describe one problem that pydantic found, with the path of the key and what to do."""
    kind, loc, context = problem["type"], problem["loc"], problem.get("ctx", {})
    parts, known, _ = _follow(loc, model)
    path = ".".join(map(_show_key, parts)) or "the whole"
    if kind == "extra_forbidden":
        if KEYS.get(str(loc[-1])) in known:
            return f"{path}: unknown key: it is called {KEYS[str(loc[-1])]!r} now."
        hint = f": {suggest_name(str(loc[-1]), known)}" if known else "."
        return f"{path}: unknown key{hint}"
    if kind == "missing":
        return f"{path}: is missing."
    if kind.startswith("union_tag"):
        return _tag_sentence(kind, "" if path == "the whole" else f"{path}.", context)
    message = _shortened(problem["msg"].removeprefix("Value error, "))
    if kind == "value_error":
        # A check of the whole names its own keys.
        return f"{path}: {message}" if loc else message
    if kind == "string_pattern_mismatch" and context.get("pattern") in _IN_WORDS:
        message = f"is not {_IN_WORDS[context['pattern']]}"
    given = problem.get("input")
    shown = "" if isinstance(given, dict | list) else f" (got {show_value(given)})"
    return f"{path}: {message}{shown}{_hint(kind, loc, given, context)}"


def _shortened(message: str) -> str:
    """Return the message of a check of our own, of which a value that a user wrote may be a long part."""
    half = _LONGEST_MESSAGE // 2
    return message if len(message) <= _LONGEST_MESSAGE else f"{message[:half]} ... {message[-half:]}"


def _tag_sentence(kind: str, path: str, context: Any) -> str:
    """Describe a wrong or missing value of the key that tells the members of a union apart."""
    key = context["discriminator"].strip("'")
    if kind == "union_tag_not_found":
        return f"{path}{key}: is missing."
    tag, expected = str(context["tag"]), _quoted(context["expected_tags"])
    return f"{path}{key}: {show_value(tag)} is unknown: {_renamed_value(key, tag) or suggest_name(tag, expected)}"


def _hint(kind: str, loc: tuple[Any, ...], given: Any, context: Any) -> str:
    """Say what an old value is called now, or which allowed value is near; nothing for any other value."""
    words = [part for part in loc if isinstance(part, str)]
    renamed = _renamed_value((words or [""])[-1], given) if isinstance(given, str) else ""
    if renamed or kind != "literal_error" or not isinstance(given, str):
        return f": {renamed}" if renamed else ""
    near = _nearest(given, _quoted(context.get("expected", "")))
    return f": did you mean {near!r}?" if near is not None else ""


def _renamed_value(key: str, value: str) -> str:
    new = VALUES.get((key, value))
    return "" if new is None else f"it is called {new!r} now"


def _quoted(text: str) -> list[str]:
    """Return the words that a message of pydantic has in quotes."""
    return re.findall(r"'([^']*)'", text)


def _show_key(key: str | int) -> str:
    text = str(key)
    return text if text.isprintable() and len(text) <= _LONGEST_SHOWN else show_value(text)


def _follow(loc: tuple[Any, ...], model: type[BaseModel]) -> tuple[list[str | int], list[str], list[str]]:
    """Return the keys of ``loc`` that the user wrote, the names that are known where the last is, and their anchor.

    The anchor is the path without names of the user and places in lists, but with the tags of unions.

    pydantic puts the tag of each union's member after its key, and a tag may have the name of a key (``tuner``). The
    schema says which is which.
    """
    definitions, nodes = read_schema(model)
    path: list[str | int] = []
    known: list[str] = []
    anchor: list[str] = []
    for number, part in enumerate(loc):
        nodes = [option for node in nodes for option in _options(node, definitions)]
        members = [node["discriminator"]["mapping"].get(part) for node in nodes if "discriminator" in node]
        if any(members):
            nodes = [{"$ref": member} for member in members if member]
            anchor.append(str(part))
            continue
        known = sorted({name for node in nodes for name in node.get("properties", {})})
        children = [child for node in nodes for child in _children(node, part)]
        is_key = part != "[key]" and number == len(loc) - 1 and any(node.get("type") == "object" for node in nodes)
        # What is neither is pydantic's name of a member of a union without tags.
        if children or is_key:
            path.append(part)
            nodes = children
        if part in known:
            anchor.append(part)
    return path, known, anchor


@lru_cache(maxsize=32)
def read_schema(model: type[BaseModel]) -> tuple[dict[str, Any], list[Any]]:
    """Return the definitions of a model's JSON schema, and a list of its root alone."""
    schema = model.model_json_schema()
    return schema.get("$defs", {}), [schema]


def _options(node: Any, definitions: dict[str, Any]) -> list[Any]:
    """Return a node, or the members of a union that has no tags."""
    while "$ref" in node:
        node = definitions[node["$ref"].rsplit("/", 1)[-1]]
    if "discriminator" in node or not {"anyOf", "oneOf"} & set(node):
        return [node]
    members = [*node.get("anyOf", []), *node.get("oneOf", [])]
    return [option for member in members for option in _options(member, definitions)]


def _children(node: Any, part: Any) -> list[Any]:
    if isinstance(part, int) and node.get("type") == "array":
        items = node.get("items", {})
        return [node["prefixItems"][part]] if part < len(node.get("prefixItems", [])) else [items or {}]
    if part in node.get("properties", {}):
        return [node["properties"][part]]
    # A dict whose keys must match a pattern is under patternProperties.
    values = [node.get("additionalProperties"), *node.get("patternProperties", {}).values()]
    return [value for value in values if isinstance(value, dict)]


def is_none(value: object) -> bool:
    """Return whether a field has no value: a field that older records lack is left out if it says nothing."""
    return value is None
