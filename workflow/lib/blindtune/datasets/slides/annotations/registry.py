"""The dialects of annotations, and the choice of one by the content of a file.

The suffix only says whether a file is a table, XML or JSON: programs name their files alike.
"""

import codecs
import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from blindtune.core.errors import UserError
from blindtune.core.files import read_regular_file
from blindtune.core.validation import show_value
from blindtune.datasets.slides.annotations import asap, dsa, halo, imagescope, nedc_csv, qupath
from blindtune.datasets.slides.annotations.base import Annotation
from blindtune.datasets.slides.annotations.xml_document import DocumentBuilder, XmlDocument

#: MiB of the largest annotation that is read. It takes up to 26 times its size in memory, for which a job asks.
MAX_MIB = 128
#: Keys of JSON that a reader uses. QuPath's measurements have names that a user gives, of which two may be the same.
_READ_KEYS = qupath.KEYS | dsa.KEYS
#: How JSON writes half of a letter that takes two, which no file in UTF-8 can hold.
_HALF_LETTER = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True)
class AnnotationDialect:
    """How the annotations of one program are recognised and read.

    Attributes:
        name: the program, for messages.
        recognises: whether a file is of this dialect, from its parsed content.
        read: returns the annotation, from the parsed content and the path.
    """

    name: str
    recognises: Callable[[Any], bool]
    read: Callable[[Any, Path], Annotation]


#: The dialects of each kind of file; the first that recognises the content reads it.
XML = (
    AnnotationDialect("ASAP", asap.recognises, asap.read),
    AnnotationDialect("HALO", halo.recognises, halo.read),
    AnnotationDialect("ImageScope", imagescope.recognises, imagescope.read),
)
JSON = (
    AnnotationDialect("QuPath (GeoJSON)", qupath.recognises, qupath.read),
    AnnotationDialect("DSA or HistomicsUI", dsa.recognises, dsa.read),
)


def read_annotation(path: Path) -> Annotation:
    """Read an annotation of any dialect.

    Raises:
        UserError: the file cannot be read or has no known dialect; the message names the file, and the row, the region
            or the vertex.
    """
    with suppress(OSError):
        if path.stat().st_size > MAX_MIB * 2**20:
            raise UserError(
                f"{path}: has more than {MAX_MIB} MiB, which would take gigabytes of memory. Export annotations alone, "
                "without cells and measurements, or with simpler outlines."
            )
    content = read_regular_file(path, MAX_MIB * 2**20)
    suffix = path.suffix.lower()
    if suffix in (".xml", ".annotations"):
        document = _parse_xml(content, path)
        return _choose(XML, document, path, f"its root is {show_value(document.root.tag)}").read(document, path)
    text = _decode(content, path)
    del content
    if suffix in (".json", ".geojson"):
        value = _parse_json(text, path)
        annotation = _choose(JSON, value, path, "is JSON").read(value, path)
        return _replace_half_letters(annotation) if _HALF_LETTER.search(text) else annotation
    return nedc_csv.read(text, path)


def _choose(dialects: tuple[AnnotationDialect, ...], content: Any, path: Path, what: str) -> AnnotationDialect:
    for dialect in dialects:
        if dialect.recognises(content):
            return dialect
    names = ", ".join(dialect.name for dialect in dialects)
    raise UserError(f"{path}: {what}, not as one of these programs writes: {names}.")


def _decode(content: bytes, path: Path) -> str:
    """Return a text in UTF-8, or in UTF-16 with a mark at its start, as some programs of Windows write."""
    is_utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if is_utf_16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        name = "UTF-16" if is_utf_16 else "UTF-8"
        raise UserError(
            f"{path}: is not text in {name} ({error.reason} at byte {error.start}). Save it as UTF-8."
        ) from error


def _parse_xml(content: bytes, path: Path) -> XmlDocument:
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import DefusedXMLParser

    try:
        parser = DefusedXMLParser(target=DocumentBuilder(), forbid_dtd=True)
        parser.feed(content)
        # The parser returns what its target does.
        document = cast("XmlDocument", parser.close())
    except DefusedXmlException as error:
        raise UserError(f"{path}: holds a document type or entities, which are refused.") from error
    # An encoding that Python does not know is a LookupError, one that the parser does not take a ValueError.
    except (ParseError, LookupError, ValueError) as error:
        raise UserError(f"{path}: is not valid XML ({str(error)[:200]}).{_advise_encoding(content)}") from error
    return document


def _advise_encoding(content: bytes) -> str:
    """Return how to save a file that is not in UTF-8, as the end of a message."""
    try:
        content.decode()
    except UnicodeDecodeError:
        return " It is not in UTF-8: save it so, with no other encoding in its first line."
    return ""


def _parse_json(text: str, path: Path) -> Any:
    try:
        # QuPath writes NaN among measurements; a coordinate that is no number makes its region bad.
        return json.loads(text, parse_constant=float, object_pairs_hook=_create_object)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: is not valid JSON ({str(error)[:200]}).") from error


def _create_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON.

    Raises:
        ValueError: a key that is read is there twice, with two values of which one would count.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        known: set[str] = set()
        for key, _ in pairs:
            if key in known and key in _READ_KEYS:
                raise ValueError(f"an object has the key {show_value(key)} twice")
            known.add(key)
    return found


def _replace_half_letters(annotation: Annotation) -> Annotation:
    """Return an annotation whose texts can be written: with a question mark for each half of a letter."""

    def clean(text: str) -> str:
        return text.encode("utf-8", errors="replace").decode("utf-8")

    found = annotation.change(
        lambda one: replace(one, name=clean(one.name), label=clean(one.label), groups=tuple(map(clean, one.groups)))
    )
    return replace(found, unused=tuple(map(clean, found.unused)))
