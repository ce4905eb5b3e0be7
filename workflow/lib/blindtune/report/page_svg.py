"""Make the SVG of a figure small enough to be packed into the page, looking the same.

Matplotlib repeats the outlines of all letters in every file, names every group, and writes absolute coordinates with
more digits than can be seen. Here the outlines are kept once for all figures, coordinates are relative and rounded to a
tenth of a point, and what changes no pixel is left out. Pictures in the SVG, such as layers of dots, get the resolution
that a page shows. The files next to the page stay as they are.
"""

import base64
import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    from PIL.Image import Image

SVG, LINK = "http://www.w3.org/2000/svg", "{http://www.w3.org/1999/xlink}href"
#: What Matplotlib scales the outline of a letter by, in no other path.
LETTER = "scale(0.015625)"
#: Digits after the decimal point, in points: of coordinates, and of markers, which are small and drawn often.
DIGITS, MARKER_DIGITS = 1, 2
#: The most pixels of a picture in a point, 120 in an inch: its file has 200, and the page shows about 100.
MOST_PIXELS = 120 / 72
#: A picture is kept in so many colors if they are enough; others, such as photographs, by a lossy method.
COLORS, QUALITY = (32, 64, 128), 60
#: The largest root mean square difference of a picture with so many colors, of 255.
MAX_DIFFERENCE = 6.0

#: The numbers that follow each command of a path by Matplotlib.
_ARGUMENTS = {"M": 2, "L": 2, "C": 6, "Q": 4, "Z": 0}
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
_TOKEN = re.compile(rf"[A-Za-z]|{_NUMBER.pattern}")
#: Attributes whose numbers are rounded.
_ROUNDED = frozenset({"x", "y", "width", "height", "transform"})


class SvgPacker:
    """Shortens SVGs by Matplotlib, and collects the outlines of their letters."""

    def __init__(self) -> None:
        self._letters: dict[str, str] = {}

    @property
    def letters(self) -> str:
        """The outlines of all letters so far, the definitions that every shortened SVG needs in front of its parts."""
        paths = (f'<path id="{name}" d="{outline}" transform="{LETTER}"/>' for outline, name in self._letters.items())
        return f"<defs>{''.join(paths)}</defs>"

    def shorten(self, svg: bytes) -> str:
        """Return an SVG that looks the same once `letters` are added to it.

        Args:
            svg: a figure by Matplotlib.
        """
        # Written by this workflow from its records; entities would be an error.
        root = ElementTree.fromstring(svg)  # noqa: S314
        names = self._name(root)
        return "".join(self._write(root, names, root=True))

    def _name(self, root: ElementTree.Element) -> dict[str, str]:
        """Return short names of all that is referred to: the same in every figure for letters, own ones for others."""
        names: dict[str, str] = {}
        for element in root.iter():
            name = element.get("id")
            if name is None or _tag(element) == "g":
                continue
            if element.get("transform") == LETTER:
                outline = _shorten_path(element.get("d", ""), 0)
                names[name] = self._letters.setdefault(outline, f"l{len(self._letters)}")
            else:
                names[name] = f"i{len(names)}"
        return names

    def _write(self, element: ElementTree.Element, names: dict[str, str], root: bool = False) -> Iterator[str]:
        tag = _tag(element)
        if tag == "metadata" or element.get("transform") == LETTER:
            return
        inner = (element.text or "").strip() if tag in ("style", "title") else ""
        content = escape(inner) + "".join(part for child in element for part in self._write(child, names))
        attributes = "".join(_list_attributes(element, names))
        if tag in ("g", "defs") and not content:
            return
        if tag == "g" and not attributes:
            yield content
            return
        start = f' xmlns="{SVG}"' if root else ""
        yield f"<{tag}{start}{attributes}" + (f">{content}</{tag}>" if content else "/>")


def _tag(element: ElementTree.Element) -> str:
    return str(element.tag).rsplit("}", 1)[-1]


def _list_attributes(element: ElementTree.Element, names: dict[str, str]) -> Iterator[str]:
    tag = _tag(element)
    for name, value in element.attrib.items():
        if name == LINK:
            is_picture = value.startswith("data:")
            width = float(element.get("width", 0))
            found = _shrink_picture(value, width) if is_picture else f"#{names.get(value[1:], value[1:])}"
            yield f" href={quoteattr(found)}"
        elif name == "id":
            if value in names:
                yield f' id="{names[value]}"'
        elif name == "d":
            yield f' d="{_shorten_path(value, MARKER_DIGITS if "id" in element.attrib else DIGITS)}"'
        elif name in _ROUNDED and tag != "svg":
            yield f" {name}={quoteattr(_round_all(value))}"
        elif name != "version":
            found = re.sub(r"url\(#([^)]+)\)", lambda link: f"url(#{names.get(link[1], link[1])})", value)
            shown = re.sub("([:;]) ", r"\1", found) if name == "style" else found
            yield f" {name}={quoteattr(shown)}"


def _round_all(text: str) -> str:
    """Round the places in an attribute; factors and angles are kept."""

    def of_function(found: re.Match[str]) -> str:
        return found[0] if found[1] in ("scale", "matrix", "rotate") else _NUMBER.sub(_round, found[0])

    return re.sub(r"(\w+)\([^)]*\)", of_function, text) if "(" in text else _NUMBER.sub(_round, text)


def _round(found: re.Match[str]) -> str:
    return _decimal(round(float(found[0]) * 10**DIGITS), DIGITS)


def _decimal(number: int, digits: int) -> str:
    """Write an integer number of tenths, hundredths, ... in as few letters as SVG needs."""
    text = f"{number / 10**digits:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if digits else text
    return re.sub(r"^(-?)0\.", r"\1.", text)


def _shorten_path(path: str, digits: int) -> str:
    """Return a path with relative, rounded coordinates; one with other commands than Matplotlib's is kept."""
    tokens = _TOKEN.findall(path)
    if any(token.isalpha() and token.upper() not in _ARGUMENTS for token in tokens):
        return path
    written: list[str] = []
    at, start, command, place = (0, 0), (0, 0), "", 0
    while place < len(tokens):
        if tokens[place].isalpha():
            command, place = tokens[place].upper(), place + 1
        count = _ARGUMENTS[command]
        if not count:
            written.append("z")
            at, command = start, ""
            continue
        numbers = [round(float(token) * 10**digits) for token in tokens[place : place + count]]
        place += count
        moves = [number - at[axis % 2] for axis, number in enumerate(numbers)]
        written.append(_write_move(command, moves, digits))
        at = (numbers[-2], numbers[-1])
        if command == "M":
            start, command = at, "L"
    return "".join(written)


def _write_move(command: str, moves: list[int], digits: int) -> str:
    if command == "L" and not moves[1]:
        return f"h{_decimal(moves[0], digits)}"
    if command == "L" and not moves[0]:
        return f"v{_decimal(moves[1], digits)}"
    text = command.lower()
    for place, move in enumerate(moves):
        number = _decimal(move, digits)
        text += number if not place or number.startswith("-") else f" {number}"
    return text


def _shrink_picture(link: str, width: float) -> str:
    """Return a picture in a link as a smaller one: in few colors, or by a lossy method if few are not enough.

    Args:
        link: with the picture in base64.
        width: of the picture in the figure, in points.
    """
    from PIL import Image

    with Image.open(io.BytesIO(base64.b64decode(link.split(",", 1)[1]))) as opened:
        picture = opened.convert("RGBA")
    scale = min(1.0, MOST_PIXELS * width / picture.width)
    size = tuple(max(1, round(scale * side)) for side in picture.size)
    small = picture.resize((size[0], size[1]), Image.Resampling.BOX)
    fewer = (small.quantize(colors, method=Image.Quantize.FASTOCTREE).convert("RGBA") for colors in COLORS)
    kept = next((few for few in fewer if _differ(small, few) <= MAX_DIFFERENCE), None)
    stream = io.BytesIO()
    if kept is None:
        small.save(stream, "WEBP", quality=QUALITY, method=4)
    else:
        kept.save(stream, "WEBP", lossless=True, method=4)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}"


def _differ(one: "Image", other: "Image") -> float:
    """Return the root mean square difference of two pictures on white."""
    from PIL import Image, ImageChops, ImageStat

    white = Image.new("RGBA", one.size, "white")
    shown = [Image.alpha_composite(white, each).convert("RGB") for each in (one, other)]
    return max(ImageStat.Stat(ImageChops.difference(*shown)).rms)
