"""Generates the commented ``config.yaml``, the JSON schema and the page of all keys from the models of the config.

``python -m blindtune.config.generate`` from the repository's root; a test fails when the files drift.
"""

import json
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from blindtune.config.defaults import DEFAULT
from blindtune.config.reference import render_reference
from blindtune.config.schema import REFERENCE_PAGE, Config, read
from blindtune.core.files import write_text

_HEAD = """\
# The default study: small, runs everywhere. Written by `python -m blindtune.config.generate`.
# Change it, or lay a file of your own over it: snakemake --configfile mine.yaml
# (keys are merged one by one, lists are replaced as a whole).
"""


def default_config() -> str:
    """Return the text of ``config.yaml``: every key, with its description where it first appears."""
    lines = _model(read(DEFAULT, "the default study"), DEFAULT, 0, set())
    return _HEAD + "\n" + "\n".join(lines) + "\n"


def schema() -> str:
    """Return the text of the JSON schema."""
    return (
        json.dumps(
            {"$schema": "https://json-schema.org/draft/2020-12/schema", **Config.model_json_schema()},
            indent=2,
        )
        + "\n"
    )


def write(root: Path) -> None:
    """Write the three files below ``root``."""
    write_text(root / "config.yaml", default_config())
    write_text(root / "workflow" / "schemas" / "config.schema.json", schema())
    write_text(root / REFERENCE_PAGE, render_reference())


def _model(model: BaseModel, given: dict[str, Any], depth: int, explained: set[str]) -> list[str]:
    lines: list[str] = []
    for name, field in type(model).model_fields.items():
        # A class that narrows an inherited field explains it again.
        fields = {base.__name__: getattr(base, "model_fields", {}) for base in type(model).__mro__[::-1]}
        owner = next(
            base for base in fields if name in fields[base] and fields[base][name].description == field.description
        )
        key = f"{owner}.{name}"
        if field.description and key not in explained:
            if depth == 0 and lines:
                lines.append("")
            lines.append(f"{'  ' * depth}# {field.description}")
        explained.add(key)
        lines += _entry(name, getattr(model, name), given.get(name), depth, explained)
    return lines


def _entry(name: str, value: Any, given: Any, depth: int, explained: set[str]) -> list[str]:
    indent = "  " * depth
    if isinstance(value, BaseModel):
        return [f"{indent}{name}:", *_model(value, given or {}, depth + 1, explained)]
    if isinstance(value, dict) and value:
        lines = [f"{indent}{name}:"]
        for key, item in value.items():
            lines += _entry(key, item, (given or {}).get(key), depth + 1, explained)
        return lines
    if isinstance(value, list) and value and isinstance(value[0], BaseModel):
        lines = [f"{indent}{name}:"]
        for item, part in zip(value, given, strict=True):
            block = _model(item, part, depth + 2, explained)
            first = next(number for number, line in enumerate(block) if not line.lstrip().startswith("#"))
            block[first] = f"{indent}  - {block[first].lstrip()}"
            lines += block
        return lines
    return [f"{indent}{name}: {_scalar(value)}"]


def _scalar(value: Any) -> str:
    if isinstance(value, str) and value.isdigit():
        return f'"{value}"'
    return yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("\n...\n").strip()


if __name__ == "__main__":
    write(Path(__file__).parents[4])
