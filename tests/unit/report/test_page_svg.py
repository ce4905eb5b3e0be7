"""The figures that are packed into the page: much smaller than their files, and the same to the eye."""

import base64
import io
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from blindtune.report.page_svg import COLORS, LETTER, SvgPacker

HEAD = '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
NUMBER = st.floats(-999, 999).map(lambda value: round(value, 2))
POINT = st.tuples(NUMBER, NUMBER)
Point = tuple[float, float]


def shorten(body: str) -> str:
    """Return the shortened body of an SVG."""
    return SvgPacker().shorten(f"{HEAD}{body}</svg>".encode()).split(">", 1)[1].removesuffix("</svg>")


def follow(path: str) -> list[tuple[float, float]]:
    """Return all points of a path of relative moves, with the control points of curves."""
    at, start, found = np.zeros(2), np.zeros(2), []
    for command, text in re.findall(r"([mlhvcqz])([^a-z]*)", path):
        numbers = [float(number) for number in re.findall(r"-?\d*\.?\d+", text)]
        if command == "z":
            at = start
            continue
        pairs = {"h": [[*numbers, 0.0]], "v": [[0.0, *numbers]]}.get(command) or np.reshape(numbers, (-1, 2)).tolist()
        points = [at + pair for pair in pairs]
        found += [(float(x), float(y)) for x, y in points]
        at = points[-1]
        start = at if command == "m" else start
    return found


@given(st.lists(st.tuples(POINT, st.lists(st.lists(POINT, min_size=1, max_size=3), min_size=1), st.booleans())))
def test_shorten_keeps_the_points_of_a_path(parts: list[tuple[Point, list[list[Point]], bool]]) -> None:
    """Every point of a path is where it was, to a twentieth of a point: errors do not add up."""
    written, points = "", []
    for start, moves, closed in parts:
        written += f"M {start[0]} {start[1]} \n"
        points.append(start)
        for move in moves:
            written += f"{'LQC'[len(move) - 1]} {' '.join(f'{x} {y}' for x, y in move)} \n"
            points += move
        written += "z\n" if closed else ""
    found = re.search(r' d="([^"]*)"', shorten(f'<path d="{written}"/>'))
    assert found is not None
    assert np.allclose(np.reshape(follow(found[1]), (-1, 2)), np.reshape(points, (-1, 2)), atol=0.0501)


def test_shorten_keeps_what_it_does_not_know() -> None:
    """A path with arcs, an unknown element and names with markup are kept."""
    assert 'd="M 1 1 A 3 3 0 0 1 5 5"' in shorten('<path d="M 1 1 A 3 3 0 0 1 5 5"/>')
    assert shorten('<circle cx="1.2345" r="&lt;&quot;"/>') == '<circle cx="1.2345" r=\'&lt;"\'/>'
    assert shorten("<title>a &lt; b &amp; c</title>") == "<title>a &lt; b &amp; c</title>"


def test_shorten_leaves_out_what_draws_nothing() -> None:
    """Comments, names of groups, groups without a mark and empty definitions are left out, references are kept."""
    svg = """
    <metadata>by</metadata>
    <defs><clipPath id="p1"><rect x="1.234" y="2" width="3.99" height="4"/></clipPath></defs><defs></defs>
    <!-- text -->
    <g id="axes_1"><g id="line_1"><path d="M 0 0 L 0 5 " clip-path="url(#p1)" style="fill: none; stroke: #000"/></g></g>
    <g id="empty"></g>
    <g transform="translate(10.123 20.456) scale(0.09 -0.09)"><rect x="1" y="1"/></g>
    """
    assert shorten(svg) == (
        '<defs><clipPath id="i0"><rect x="1.2" y="2" width="4" height="4"/></clipPath></defs>'
        '<path d="m0 0v5" clip-path="url(#i0)" style="fill:none;stroke:#000"/>'
        '<g transform="translate(10.1 20.5) scale(0.09 -0.09)"><rect x="1" y="1"/></g>'
    )


def test_letters_are_shared_by_all_figures() -> None:
    """An outline that several figures draw is defined once; another one of the same name is another letter."""
    packer = SvgPacker()

    def draw(outline: str) -> str:
        letter = f'<defs><path id="Sans-61" d="{outline}" transform="{LETTER}"/></defs>'
        return packer.shorten(f'{HEAD}{letter}<use xlink:href="#Sans-61"/></svg>'.encode())

    drawn = [draw(outline) for outline in ("M 0 0 L 9 9 ", "M 0 0 L 9 9 ", "M 0 0 L 8 9 ")]
    names = [re.findall(r'href="#(\w+)"', svg) for svg in drawn]
    assert names == [["l0"], ["l0"], ["l1"]] and all("<path" not in svg for svg in drawn)
    defined = ElementTree.fromstring(packer.letters)  # noqa: S314
    assert [(one.get("id"), one.get("d")) for one in defined] == [("l0", "m0 0l9 9"), ("l1", "m0 0l8 9")]


@pytest.mark.parametrize("photograph", [False, True])
def test_shorten_shrinks_pictures(photograph: bool) -> None:
    """A layer of dots is kept in few colors, a photograph keeps all its colors; both at the resolution of a page."""
    pixels = np.zeros((100, 80, 4), np.uint8)
    if photograph:
        across, up = np.meshgrid(np.linspace(0, 3, 80), np.linspace(0, 3, 100))
        pixels[..., :3] = 127 * (1 + np.stack([np.sin(across + up), np.cos(up - across), np.sin(2 * up)], axis=-1))
        pixels[..., 3] = 255
    else:
        pixels[20:60, 10:30] = (0, 100, 200, 200)
        pixels[50:90, 20:70] = (200, 100, 0, 200)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    link = f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
    found = re.search(r'href="data:image/webp;base64,([^"]+)"', shorten(f'<image xlink:href="{link}" width="28.8"/>'))
    assert found is not None
    shown = Image.open(io.BytesIO(base64.b64decode(found[1]))).convert("RGBA")
    # At most 120 pixels in an inch.
    assert shown.size == (48, 60)
    assert (len(shown.getcolors(10**6) or []) <= COLORS[0]) == (not photograph)
    expected = np.asarray(Image.fromarray(pixels).resize(shown.size, Image.Resampling.BOX), float)
    difference = np.abs(np.asarray(shown, float) - expected) * (expected[..., 3:] > 0)
    assert difference.mean() < 12
