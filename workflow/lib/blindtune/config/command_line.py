"""Values of ``--config KEY=VALUE``: read as a config file is read.

Snakemake reads them without types: every number, truth value and null inside brackets is text. Its text is read again
here, and what Snakemake merged into the config is replaced.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from blindtune.core import yaml_files
from blindtune.core.errors import UserError


def type_arguments(
    content: Mapping[str, Any], parsed: Mapping[str, Any], arguments: Iterable[str], *, is_section: bool = False
) -> dict[str, Any]:
    """Return a config with the types of a config file for what came from ``--config``.

    Args:
        content: The config, with what Snakemake read from the command line merged into it.
        parsed: What Snakemake read from the command line.
        arguments: The command line itself, each as ``KEY=VALUE``.
        is_section: Whether the config may be a part of the one that the command line names, as in a module.

    Raises:
        UserError: A value is not clear; the message names its key.
    """
    result = dict(content)
    for key, text in dict(argument.split("=", 1) for argument in arguments if "=" in argument).items():
        plain = _read_untyped(text)
        # Another caller than the command line gives values with types; those are taken as they are.
        if key not in parsed or not isinstance(plain, str | list | dict) or plain != parsed[key]:
            continue
        typed = _read_typed(key, text, plain)
        result = _replace_in_dict(key, result, {key: plain}, {key: typed})
        for below, with_types in _list_dicts(plain, typed) if is_section else ():
            result = _replace_in_dict(key, result, below, with_types)
    return result


def _read_untyped(text: str) -> Any:
    """Return what Snakemake reads: every value in brackets is text; None if it is not YAML."""
    try:
        return yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506  makes nothing but text, lists and dicts
    except yaml.YAMLError:
        return None


def _read_typed(key: str, text: str, plain: Any) -> Any:
    try:
        # The function is of that module, whose code is part of the identity of every frozen model, and stays as it is.
        return yaml_files._construct(text)
    except (yaml.YAMLError, ValueError, ArithmeticError, LookupError, TypeError, AttributeError) as error:
        if isinstance(plain, str) and not isinstance(error, yaml_files._MisreadError):
            return plain
        problem = error.problem if isinstance(error, yaml.MarkedYAMLError) else str(error)
        raise UserError(f"--config {key}: {problem}") from error


def _list_dicts(plain: Any, typed: Any) -> list[tuple[dict[str, Any], dict[Any, Any]]]:
    """Return each dict of an argument, the outer ones first, without types and with them."""
    if not isinstance(plain, dict) or len(plain) != len(typed):
        return []
    below = [
        pair for one, other in zip(plain.values(), typed.values(), strict=True) for pair in _list_dicts(one, other)
    ]
    return [(plain, typed), *below]


def _replace(where: str, value: Any, plain: Any, typed: Any) -> Any:
    """Return a value of the config with types where it is what Snakemake read, and unchanged where it is not."""
    if isinstance(plain, dict) and isinstance(value, dict):
        return _replace_in_dict(where, value, plain, typed)
    return typed if value == plain else value


def _replace_in_dict(
    where: str, value: dict[str, Any], plain: Mapping[str, Any], typed: Mapping[Any, Any]
) -> dict[str, Any]:
    if len(plain) != len(typed):
        raise UserError(f"--config {where}: has a key twice, or an alias that merges keys. Write each key once.")
    result: dict[str, Any] = dict(value)
    for (name, text), (key, known) in zip(plain.items(), typed.items(), strict=True):
        if name in result:
            # The key too may be a number. The entry of that number comes from below, and this one replaces it.
            given = _replace(where, result[name], text, known)
            if key != name:
                del result[name]
            result[key] = given
    return result
