"""Reads and checks what a user writes: the pydantic base of the config and of data files, and clear messages."""

import difflib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from blindtune.core.errors import UserError
from blindtune.core.renamed import KEYS, VALUES


class Strict(BaseModel):
    """A model that refuses unknown keys, silent conversions between types, and numbers that are not finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Model = TypeVar("Model", bound=BaseModel)


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file, read by the safe loader.

    Raises:
        UserError: the file is missing, unreadable or not YAML.
    """
    try:
        with path.open(encoding="utf-8") as stream:
            return yaml.safe_load(stream)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: is not valid YAML: {error}") from error


def parse(model: type[Model], content: Any, where: str) -> Model:
    """Check plain data against a model and return it as one; one message names each wrong key by its path.

    Args:
        model: the pydantic model to check against.
        content: plain data, as YAML or JSON gives it.
        where: the file that the content came from, for the message.

    Raises:
        UserError: the content does not fit.
    """
    return _checked(model, lambda: model.model_validate(content), content, where)


def parse_json(model: type[Model], content: Any, where: str) -> Model:
    """Check data that were read from JSON, whose lists may be tuples, against a model and return them as one.

    Args:
        model: the pydantic model to check against.
        content: plain data.
        where: the file that the content came from, for the message.

    Raises:
        UserError: the content does not fit.
    """
    return _checked(model, lambda: model.model_validate_json(json.dumps(content)), content, where)


def _checked(model: type[Model], validate: Callable[[], Model], content: Any, where: str) -> Model:
    try:
        return validate()
    except ValidationError as error:
        problems = [_sentence(problem, model, content) for problem in error.errors(include_url=False)]
        listed = "\n".join(f"  - {problem}" for problem in dict.fromkeys(problems))
        raise UserError(f"{where} does not fit:\n{listed}") from None


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
        name: the unknown word.
        known: all words that are allowed.
    """
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(known))}."


def _sentence(problem: Any, model: type[BaseModel], content: Any) -> str:
    """Describe one problem that pydantic found, with the path of the key and what to do."""
    kind, loc = problem["type"], problem["loc"]
    path = ".".join(_written_parts(loc, content, kind == "missing")) or "the whole"
    if kind == "extra_forbidden":
        known = _sibling_fields(loc, model)
        if KEYS.get(str(loc[-1])) in known:
            return f"{path}: unknown key: it is called {KEYS[str(loc[-1])]!r} now."
        hint = f": {suggest_name(str(loc[-1]), known)}" if known else "."
        return f"{path}: unknown key{hint}"
    if kind == "missing":
        return f"{path}: is missing."
    message = problem["msg"].removeprefix("Value error, ")
    if kind == "value_error":
        # A check of the whole names its own keys.
        return f"{path}: {message}" if loc else message
    given = problem.get("input")
    shown = "" if isinstance(given, dict | list) else f" (got {given!r})"
    return f"{path}: {message}{shown}{_renamed_value(problem)}"


def _renamed_value(problem: Any) -> str:
    """Say what an old value is called now; nothing for any other value."""
    if problem["type"] == "union_tag_invalid":
        key, value = problem["ctx"]["discriminator"].strip("'"), problem["ctx"]["tag"]
    else:
        words = [part for part in problem["loc"] if isinstance(part, str)]
        key, value = (words or [""])[-1], problem.get("input")
    new = VALUES.get((key, value)) if isinstance(value, str) else None
    return "" if new is None else f": it is called {new!r} now"


def _written_parts(loc: tuple[Any, ...], content: Any, missing: bool) -> list[str]:
    """Return the parts of ``loc`` that the user wrote.

    pydantic puts the tag of each union's member after its key. A tag may have the name of a key (``tuner``), so of all
    readings of ``loc`` the one that follows the content furthest is right.

    Args:
        loc: where something is wrong.
        content: what was checked.
        missing: whether the last part is a key that the user did not write.
    """
    if not loc:
        return []
    part, rest = loc[0], loc[1:]
    readings = []
    known = isinstance(content, dict) and part in content
    if known or (isinstance(content, list) and isinstance(part, int) and part < len(content)):
        readings.append([str(part), *_written_parts(rest, content[part], missing)])
    elif missing and not rest:
        readings.append([str(part)])
    if len(readings) == 0 or isinstance(part, str):
        readings.append(_written_parts(rest, content, missing))
    return max(readings, key=len)


def _sibling_fields(loc: tuple[Any, ...], model: Any) -> list[str]:
    """Return the field names of the model in which the last part of ``loc`` was found."""
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})
    nodes = [schema]
    for part in loc[:-1]:
        nodes = [found for node in nodes for found in _step(node, part, definitions)]
    found = [option for node in nodes for option in (node, *_options(node, definitions))]
    return sorted({name for node in found for name in _resolve(node, definitions).get("properties", {})})


def _resolve(node: Any, definitions: dict[str, Any]) -> Any:
    while "$ref" in node:
        node = definitions[node["$ref"].rsplit("/", 1)[-1]]
    return node


def _options(node: Any, definitions: dict[str, Any]) -> list[Any]:
    node = _resolve(node, definitions)
    return [_resolve(option, definitions) for key in ("anyOf", "oneOf") for option in node.get(key, [])]


def _step(node: Any, part: Any, definitions: dict[str, Any]) -> list[Any]:
    node = _resolve(node, definitions)
    options = _options(node, definitions)
    if options:
        tagged = [option for option in options if _is_tagged(option, part)]
        return tagged or [found for option in options for found in _step(option, part, definitions)]
    if isinstance(part, int):
        return [node["items"]] if "items" in node else []
    if part in node.get("properties", {}):
        return [node["properties"][part]]
    # A dict whose keys must match a pattern is under patternProperties.
    values = [node.get("additionalProperties"), *node.get("patternProperties", {}).values()]
    return [value for value in values if isinstance(value, dict)]


def _is_tagged(option: Any, tag: Any) -> bool:
    return any(tag in (field.get("const"), *field.get("enum", [])) for field in option.get("properties", {}).values())
