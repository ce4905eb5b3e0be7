"""The page of every config key: its anchor, type, bounds, default and description, from the models of the config."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from blindtune.config.schema import Config
from blindtune.core.validation import read_schema

_HEAD = """\
# Config keys

<!-- Written by `python -m blindtune.config.generate` from the models of the config. -->

Every key of a config, generated from the models that check it. `config.yaml` has the same descriptions next to the
values of the default study. A config of your own is merged into it key by key; lists are replaced as a whole.

An anchor is the path of a key without your own names and without numbers of list items. Where the value of one key says
which others there are, such as `source: table`, that value is part of the path. A message about a wrong config names
the anchors of its keys.
"""
_WORDS = {"integer": "a whole number", "number": "a number", "string": "text", "boolean": "true or false"}


@dataclass
class _Section:
    """What the page says about one model: every path that leads to it, and its keys."""

    paths: list[str] = field(default_factory=list)
    definition: dict[str, Any] = field(default_factory=dict)

    @property
    def keys(self) -> dict[str, Any]:
        """The schema of each key."""
        properties: dict[str, Any] = self.definition.get("properties", {})
        return properties

    @property
    def title(self) -> str:
        """The heading."""
        return f"The keys of `{self.paths[0]}`" if self.paths[0] else "The top level"

    @property
    def link(self) -> str:
        """The link to the section, whose anchor both GitHub and the site make from the heading."""
        slug = self.title.lower().replace(" ", "-").replace("`", "").replace(".", "")
        return f"[`{self.paths[0]}`](#{slug})"


def render_reference() -> str:
    """Return the text of ``docs/reference/config.md``."""
    definitions, sections = _read_sections()
    parts = [_HEAD]
    for name, section in sections.items():
        parts.append("\n".join(_render_section(name, section, sections, definitions)) + "\n")
    return "\n".join(parts)


def list_anchors() -> set[str]:
    """Return the anchor of every key of a config, and of every member of a union of models."""
    _, sections = _read_sections()
    anchors = {path for section in sections.values() for path in section.paths if path}
    for section in sections.values():
        anchors |= {_join(path, key) for path in section.paths for key in section.keys}
    return anchors


def _read_sections() -> tuple[dict[str, Any], dict[str, _Section]]:
    """Return the definitions of the schema, and a section for each model by its name; the top level is first."""
    definitions, nodes = read_schema(Config)
    sections = {"": _Section([""], nodes[0])}
    # What replaces a part of a system in one comparison is described with the systems.
    properties = dict(sorted(nodes[0]["properties"].items(), key=lambda item: item[0] == "compare"))
    _collect({"properties": properties}, "", definitions, sections)
    places = list(nodes[0]["properties"])
    ordered = sorted(sections, key=lambda name: places.index(sections[name].paths[0].split(".")[0]) if name else -1)
    return definitions, {name: sections[name] for name in ordered}


def _collect(model: Any, path: str, definitions: dict[str, Any], sections: dict[str, _Section]) -> None:
    """Add every model below the keys of one, in the order of the keys, with the paths that lead to it."""
    for key, node in model.get("properties", {}).items():
        for tag, name in _models(node):
            definition = definitions[name]
            if "properties" not in definition and not tag:
                continue
            reached = _join(_join(path, key), tag)
            section = sections.setdefault(name, _Section(definition=definition))
            section.paths.append(reached)
            _collect(definition, reached, definitions, sections)


def _models(node: Any) -> Iterator[tuple[str, str]]:
    """Yield the tag and the name of each model that a value may be; the tag is empty without a union of models."""
    if "discriminator" in node:
        for tag, reference in node["discriminator"]["mapping"].items():
            yield tag, reference.rsplit("/", 1)[-1]
        return
    if "$ref" in node:
        yield "", node["$ref"].rsplit("/", 1)[-1]
    for member in [*node.get("anyOf", []), *_items(node)]:
        yield from _models(member)


def _items(node: Any) -> list[Any]:
    """Return what the items of a list, or the values of a mapping, may be."""
    values = [node.get("items"), node.get("additionalProperties"), *node.get("patternProperties", {}).values()]
    return [value for value in values if isinstance(value, dict)]


def _render_section(
    name: str, section: _Section, sections: dict[str, _Section], definitions: dict[str, Any]
) -> Iterator[str]:
    yield f"## {section.title}"
    yield ""
    if name:
        if len(section.paths) > 1:
            yield f"And of {_listed([f'`{path}`' for path in section.paths[1:]])}. "
        # A path that ends in the name of a key is the anchor of that key.
        tagged = [path for path in section.paths if not _is_key(path, sections)]
        described = section.definition.get("description", "").split("\n\n")[0].replace("\n", " ")
        yield _make_anchors(tagged) + described.replace("``", "`")
        yield ""
    required = section.definition.get("required", [])
    for key, node in section.keys.items():
        paths = [_join(path, key) for path in section.paths]
        default = "required" if key in required else _default(node)
        kind = f"{_type(node, definitions, sections)}; {default}."
        described = f"{_escape(node['description'])}<br>\n  Value: " if "description" in node else ""
        yield f"- {_make_anchors(paths)}[`{key}`](#{paths[0]}): {described}{kind}"


def _is_key(path: str, sections: dict[str, _Section]) -> bool:
    parent, _, key = path.rpartition(".")
    return any(parent in section.paths and key in section.keys for section in sections.values())


def _make_anchors(paths: list[str]) -> str:
    return "".join(f'<a id="{path}"></a>' for path in paths)


def _type(node: Any, definitions: dict[str, Any], sections: dict[str, _Section]) -> str:
    if "const" in node:
        return f"`{node['const']}`"
    if "enum" in node:
        return _listed([f"`{value}`" for value in node["enum"]], "or")
    if "anyOf" in node:
        return _listed([_type(member, definitions, sections) for member in node["anyOf"]], "or")
    if "discriminator" in node:
        members = [sections[name].link.replace(sections[name].paths[0], tag, 1) for tag, name in _models(node)]
        return f"keys that depend on `{node['discriminator']['propertyName']}`: {_listed(members, 'or')}"
    if "$ref" in node:
        name = node["$ref"].rsplit("/", 1)[-1]
        return f"the keys of {sections[name].link}" if name in sections else "any value"
    if node.get("type") == "null":
        return "null"
    if node.get("type") == "array":
        several = _listed([_type(member, definitions, sections) for member in _items(node)] or ["any value"])
        return f"a list{_bounds(node)}, each item {several}"
    if node.get("type") == "object":
        several = _listed([_type(member, definitions, sections) for member in _items(node)] or ["any value"])
        return f"names, each with {several}{_bounds(node)}"
    return _WORDS.get(node.get("type", ""), "any value") + _bounds(node)


def _bounds(node: Any) -> str:
    words = {
        "minimum": "at least {}", "exclusiveMinimum": "above {}",
        "maximum": "at most {}", "exclusiveMaximum": "below {}",
        "minItems": "at least {} of them", "minProperties": "at least {} of them", "maxLength": "at most {} letters",
        "pattern": "matching `{}`",
    }  # fmt: skip
    found = [text.format(_number(node[key])) for key, text in words.items() if key in node]
    return f" ({', '.join(found)})" if found else ""


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def _default(node: Any) -> str:
    if "default" not in node:
        return "default: from the program"
    return f"default: `{json.dumps(node['default'], ensure_ascii=False)}`"


def _escape(text: str) -> str:
    """Return a description as Markdown, which takes nothing in it for markup but code."""
    text = text.replace("<", "&lt;").replace("*", "\\*").replace("[", "\\[")
    return text if text.endswith(".") else f"{text}."


def _listed(words: list[str], last: str = "and") -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"


def _join(path: str, key: str) -> str:
    return ".".join(part for part in (path, key) if part)
