"""The dialects of annotations: the same two outlines as each program writes them, and what is refused."""

import inspect
import json
import re
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from blindtune.core.errors import UserError
from blindtune.datasets.slides.annotations import Annotation, base, qupath, read_annotation
from blindtune.datasets.slides.annotations import dsa as dsa_module
from support.slide_files import ASYMMETRIC, rectangle, slides_config

HOLE = rectangle(500, 250, 40, 30)
RING = [[x, y] for x, y in ASYMMETRIC]


def xml(tag: str, points: Any) -> str:
    return "".join(f'<{tag} X="{x}" Y="{y}"/>' for x, y in points)


def imagescope(regions: str, layer: str = "", attributes: str = "") -> str:
    return (
        f'<Annotations {attributes}><Annotation Name="{layer}"><Regions>{regions}</Regions></Annotation></Annotations>'
    )


def region(points: Any, text: str = "dcis", kind: int = 0, negative: int = 0) -> str:
    vertices = xml("Vertex", points)
    return (
        f'<Region Id="7" Type="{kind}" Text="{text}" NegativeROA="{negative}"><Vertices>{vertices}</Vertices></Region>'
    )


def halo(regions: str) -> str:
    return f'<Annotations><Annotation Name="DCIS"><Regions>{regions}</Regions></Annotation></Annotations>'


def halo_region(kind: str, points: Any, negative: int = 0) -> str:
    return f'<Region Type="{kind}" NegativeROA="{negative}"><Vertices>{xml("V", points)}</Vertices></Region>'


def asap(annotations: str) -> str:
    return f"<ASAP_Annotations><Annotations>{annotations}</Annotations></ASAP_Annotations>"


def asap_annotation(points: Any, kind: str = "Polygon", group: str = "dcis") -> str:
    inner = "".join(f'<Coordinate Order="{n}" X="{x}" Y="{y}"/>' for n, (x, y) in reversed(list(enumerate(points))))
    return f'<Annotation Name="it" Type="{kind}" PartOfGroup="{group}"><Coordinates>{inner}</Coordinates></Annotation>'


def feature(geometry: Any, properties: Any = None) -> dict[str, Any]:
    properties = {"classification": {"name": "DCIS"}} if properties is None else properties
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def polygon(*rings: Any) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": list(rings)}


def dsa(*elements: dict[str, Any], name: str = "layer") -> list[Any]:
    return [{"annotation": {"name": name, "elements": list(elements)}}]


def polyline(**changes: Any) -> dict[str, Any]:
    return {"type": "polyline", "closed": True, "points": [[*p, 0] for p in RING], "label": {"value": "DCIS"}} | changes


def write(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def read(folder: Path, name: str, content: Any) -> Annotation:
    return read_annotation(write(folder, name, content))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.xml", imagescope(region(ASYMMETRIC))),
        ("a.XML", imagescope(region(ASYMMETRIC, text=""), layer="DCIS")),
        ("a.xml", halo(halo_region("Polygon", ASYMMETRIC))),
        ("a.annotations", halo(halo_region("Polygon", ASYMMETRIC))),
        ("a.xml", asap(asap_annotation(ASYMMETRIC))),
        ("a.xml", asap(asap_annotation([(f"{x},0", f"{y},0") for x, y in ASYMMETRIC]))),
        ("a.xml", asap(asap_annotation(ASYMMETRIC, group="None").replace('"it"', '"dcis"'))),
        ("a.geojson", {"type": "FeatureCollection", "features": [feature(polygon(RING))]}),
        ("a.json", [feature(polygon(RING))]),
        ("a.geojson", feature(polygon(RING), {"name": "dcis"})),
        ("a.geojson", feature(polygon(RING), {"classification": {"names": ["DCIS"]}})),
        ("a.geojson", feature({"type": "GeometryCollection", "geometries": [polygon(RING)]})),
        ("a.geojson", feature({"type": "MultiPolygon", "coordinates": [[RING]]})),
        ("a.json", dsa(polyline())),
        ("a.json", dsa(polyline(label=None, group="dcis"))),
        ("a.json", dsa(polyline(label=None), name="dcis")[0]),
        ("a.json", dsa(polyline())[0]["annotation"]),
    ],
)
def test_every_dialect_gives_the_same_outline(tmp_path: Path, name: str, content: Any) -> None:
    """The same outline of the same label, from any program."""
    (one,) = read(tmp_path, name, content).regions
    assert (one.label, one.polygon.tolist(), one.negative) == ("dcis", [[float(x), float(y)] for x, y in RING], False)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.xml", imagescope(region([(10, 60), (110, 20)], kind=2))),
        ("a.xml", halo(halo_region("Ellipse", [(10, 60), (110, 20)]))),
        ("a.json", dsa({"type": "ellipse", "center": [60, 40, 0], "width": 100, "height": 40, "rotation": 0})),
        ("a.json", dsa({"type": "ellipse", "center": [60, 40], "width": 40, "height": 100, "rotation": np.pi / 2})),
    ],
)
def test_ellipses_are_ellipses(tmp_path: Path, name: str, content: Any) -> None:
    """An ellipse fills the box between its corners, and has the area of an ellipse."""
    (one,) = read(tmp_path, name, content).regions
    assert one.polygon.min(axis=0) == pytest.approx([10, 20])
    assert one.polygon.max(axis=0) == pytest.approx([110, 60])
    x, y = one.polygon.T
    area = abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2
    assert area == pytest.approx(np.pi * 50 * 20, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.xml", imagescope(region([(10, 60), (110, 20)], kind=1))),
        ("a.xml", imagescope(region(rectangle(10, 20, 100, 40), kind=1))),
        ("a.xml", halo(halo_region("Rectangle", [(10, 60), (110, 20)]))),
        ("a.xml", asap(asap_annotation(rectangle(10, 20, 100, 40), kind="Rectangle"))),
        ("a.json", dsa({"type": "rectangle", "center": [60, 40, 0], "width": 100, "height": 40})),
        ("a.json", dsa({"type": "rectanglegrid", "center": [60, 40, 0], "width": 100, "height": 40})),
    ],
)
def test_rectangles_have_four_corners(tmp_path: Path, name: str, content: Any) -> None:
    """A rectangle is given by two corners, by four, or by its center."""
    (one,) = read(tmp_path, name, content).regions
    assert one.polygon.tolist() == [[10, 20], [110, 20], [110, 60], [10, 60]]


def test_dsa_rotation_turns_x_towards_y(tmp_path: Path) -> None:
    """A rotated rectangle is turned as the viewer turns it; a circle needs a center and a radius."""
    turned = {"type": "rectangle", "center": [0, 0, 0], "width": 2, "height": 0, "rotation": np.pi / 6}
    circle = {"type": "circle", "center": [5, 5, 0], "radius": 3}
    first, second = read(tmp_path, "a.json", dsa(turned, circle)).regions
    assert first.polygon.max(axis=0) == pytest.approx([np.cos(np.pi / 6), 0.5])
    assert second.polygon.max(axis=0) == pytest.approx([8, 8])


def test_holes_of_every_dialect(tmp_path: Path) -> None:
    """Holes are inner rings, or negative regions of the layer."""
    hole = [[x, y] for x, y in HOLE]
    (one,) = read(tmp_path, "a.geojson", feature(polygon(RING, hole))).regions
    assert [ring.tolist() for ring in one.holes] == [hole]
    (one,) = read(tmp_path, "a.json", dsa(polyline(holes=[hole]))).regions
    assert [ring.tolist() for ring in one.holes] == [hole]
    for content in (
        imagescope(region(ASYMMETRIC) + region(HOLE, text="", negative=1)),
        halo(halo_region("Polygon", ASYMMETRIC) + halo_region("Polygon", HOLE, negative=1)),
    ):
        first, second = read(tmp_path, "a.xml", content).regions
        assert (first.negative, second.negative, first.layer) == (False, True, second.layer)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.xml", imagescope(region([(1, 2)], kind=3)), "region 7 (dcis) is an arrow, which has no area"),
        ("a.xml", imagescope(region([(1, 2)], kind=4, text="")), "region 7 (without a label) is a ruler, which"),
        ("a.xml", halo(halo_region("Pin", [(1, 2)])), "region 1 (dcis) is a pin, which has no area"),
        ("a.xml", asap(asap_annotation([(1, 2)], kind="Dot")), "annotation 1 (dcis) is a dot, which has no area"),
        (
            "a.geojson",
            feature({"type": "MultiPoint", "coordinates": [[1, 2]]}),
            "feature 1 (dcis) is a MultiPoint, which has no area",
        ),
        ("a.geojson", feature(None), "feature 1 (dcis) is a feature without a geometry"),
        ("a.json", dsa({"type": "point", "center": [1, 2, 0]}), "element 1 (layer) is of the type point, which has no"),
        ("a.json", dsa({"type": "pixelmap"}), "element 1 (layer) is of the type pixelmap, which is not read"),
        ("a.json", dsa(polyline(closed=False)), "element 1 (dcis) is an open line, which has no area"),
    ],
)
def test_shapes_without_area_are_named(tmp_path: Path, name: str, content: Any, message: str) -> None:
    """Points, arrows and lines are no regions, and the file is read all the same."""
    found = read(tmp_path, name, content)
    assert found.regions == []
    assert found.unused[0].startswith(message)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (imagescope(region(HOLE, kind=9, negative=1)), "region 7"),
        (halo(halo_region("Magic\x85wand", HOLE, negative=1)), "region 1"),
        (asap(asap_annotation(HOLE, kind="Magic\x85wand")), "annotation 1"),
    ],
)
def test_regions_of_unknown_types_are_outlines(tmp_path: Path, content: str, name: str) -> None:
    """Such a region can be a hole, without which another one would be too large; its type is named in one line."""
    found = read(tmp_path, "a.xml", content)
    assert found.regions[0].polygon.tolist() == [[x, y] for x, y in HOLE]
    assert found.regions[0].negative == (name != "annotation 1")
    (text,) = found.unused
    assert text.startswith(f"{name} (dcis) is used, but not its type ")
    assert text.isprintable()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("region 7 (dcis)", imagescope(region(ASYMMETRIC))),
        ("region 1 (dcis)", halo(halo_region("Polygon", ASYMMETRIC))),
    ],
)
def test_a_region_that_may_be_negative_is_refused(tmp_path: Path, name: str, content: str) -> None:
    """Yes and no are read in all spellings; where it is neither, nobody knows which area is meant."""
    for text, negative in (("1", True), ("True", True), (" yes", True), ("0", False), ("", False), ("FALSE", False)):
        (one,) = read(tmp_path, "a.xml", content.replace('NegativeROA="0"', f'NegativeROA="{text}"')).regions
        assert one.negative == negative
    message = re.escape(f"a.xml, {name}: NegativeROA is '2', which is neither 1 nor 0")
    with pytest.raises(UserError, match=message):
        read(tmp_path, "a.xml", content.replace('NegativeROA="0"', 'NegativeROA="2"'))


def test_labels_are_one_line(tmp_path: Path) -> None:
    """A label with line breaks or codes of a terminal goes into tables and messages without them."""
    label = "dcis\t(a)\x1b[2J\r\n\u2028"
    found = read(tmp_path, "a.geojson", feature(polygon(RING), {"classification": {"name": label}}))
    assert found.regions[0].label == "dcis (a) [2j"
    (path := tmp_path / "a.csv").write_text("index,label,coord_index,row,column\n0,dc\x00is,0,1,1\n")
    assert read_annotation(path).regions[0].label == "dc is"


@pytest.mark.parametrize("text", ["Épithélium sain", "E\u0301pithe\u0301lium sain", "\u00c9PITHÉLIUM\u00a0 Sain "])
def test_labels_that_look_alike_are_one(tmp_path: Path, text: str) -> None:
    """The encoding of a letter, the kind of a space and how many there are make no other label, nor another class."""
    found = read(tmp_path, "a.geojson", feature(polygon(RING), {"classification": {"name": text}}))
    assert found.regions[0].label == "\u00e9pith\u00e9lium sain"
    for label in ("\u00e9pith\u00e9lium sain", "e\u0301pithe\u0301lium sain"):
        assert slides_config(classes={"a": [label], "b": ["x"]}).classes["a"] == [found.regions[0].label]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    """UTF-8 and, with a mark at its start, UTF-16 are read; other encodings are refused with what to do."""
    mark = "\ufeff" * (encoding == "utf-16-be")
    contents = {
        "a.csv": "index,label,coord_index,row,column\n"
        + "".join(f"0,größe,{n},{y},{x}\n" for n, (x, y) in enumerate(HOLE)),
        "a.json": json.dumps(feature(polygon(RING), {"name": "Größe"}), ensure_ascii=False),
        "a.xml": imagescope(region(HOLE, text="Größe")),
    }
    for name, content in contents.items():
        path = tmp_path / name
        path.write_bytes((mark + content).encode(encoding))
        assert read_annotation(path).regions[0].label == "größe"
        path.write_bytes(content.encode("latin-1"))
        with pytest.raises(UserError, match=r"not (text )?in UTF-8.*[Ss]ave it"):
            read_annotation(path)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.xml", halo(halo_region("Polygon", [("x", 1)])), "region 1 (dcis) {}: vertex 1, X: 'x' is not a number"),
        ("a.xml", imagescope(region([(1, 2), (1, "")])), "region 7 (dcis) {}: vertex 2, Y: '' is not a number"),
        ("a.xml", imagescope(region([("1_0", 2)])), "region 7 (dcis) {}: vertex 1, X: '1_0' is not a number"),
        (
            "a.xml",
            imagescope(region([(1e12, 1)])),
            "region 7 (dcis) {}: vertex 1 is [1000000000000.0, 1.0], farther away than 1e+09",
        ),
        ("a.xml", asap(asap_annotation([("1", "nan")])), "annotation 1 (dcis) {}: vertex 1, Y: 'nan' is not a number"),
        (
            "a.xml",
            asap(asap_annotation([(1, 1)])).replace('Order="0"', 'Order="x"'),
            "annotation 1 (dcis) {}: vertex 1, Order: 'x' is not a number",
        ),
        ("a.geojson", feature(polygon([[1, 1e999]])), "feature 1 (dcis) {}: vertex 1, Y: inf is not a number"),
        ("a.geojson", feature(polygon([[1, None]])), "feature 1 (dcis) {}: vertex 1, Y: None is not a number"),
        ("a.geojson", feature(polygon([[1, "a"]])), "feature 1 (dcis) {}: vertex 1, Y: 'a' is not a number"),
        ("a.geojson", feature(polygon([["1_0", 1]])), "feature 1 (dcis) {}: vertex 1, X: '1_0' is not a number"),
        ("a.geojson", feature(polygon([[True, 1]])), "feature 1 (dcis) {}: vertex 1, X: True is not a number"),
        ("a.geojson", feature(polygon([[1]])), "feature 1 (dcis) {}: vertex 1: [1] is not an x and a y"),
        ("a.geojson", feature(polygon(["12", "34"])), "feature 1 (dcis) {}: vertex 1: '12' is not an x and a y"),
        ("a.geojson", feature(polygon(3)), "feature 1 (dcis) {}: its coordinates are not lists of vertices"),
        ("a.geojson", feature({"type": 3}), "feature 1 (dcis) {}: it has no valid geometry"),
        ("a.geojson", {"type": "FeatureCollection", "features": [3]}, "feature 1 {}: is not a GeoJSON feature"),
        (
            "a.json",
            dsa({"type": "circle", "center": [1, 1], "radius": 1e300}),
            "element 1 (layer) {}: radius: 1e+300 is too large",
        ),
        (
            "a.json",
            dsa({"type": "rectangle", "center": [1, 1], "width": None, "height": 1}),
            "element 1 (layer) {}: width: None is not a number",
        ),
        (
            "a.json",
            dsa({"type": "circle", "center": "12", "radius": 1}),
            "element 1 (layer) {}: center 1: '12' is not an x and a y",
        ),
        ("a.json", dsa(polyline(points=["12", "34"])), "element 1 (dcis) {}: vertex 1: '12' is not an x and a y"),
        ("a.json", dsa(polyline(points=None)), "element 1 (dcis) {}: it has no list of points"),
        ("a.json", dsa(polyline(holes=[[[1]]])), "element 1 (dcis) {}: hole 1, vertex 1: [1] is not an x and a y"),
        ("a.json", dsa({"type": None}), "element 1 {}: has no type"),
        ("a.json", [3, *dsa()], "entry 1 of the file {}: is not an annotation"),
    ],
)
def test_bad_regions_are_named(tmp_path: Path, name: str, content: Any, reason: str) -> None:
    """A region with a bad number is named with the place of the fault, and the file is read all the same."""
    found = read(tmp_path, name, content)
    assert (found.regions, found.unused) == ([], (reason.format("cannot be used"),))


@pytest.mark.parametrize(
    "content", [imagescope(region([("x", 1)], negative=1)), halo(halo_region("Polygon", [("x", 1)], 1))]
)
def test_a_bad_negative_region_makes_the_file_bad(tmp_path: Path, content: str) -> None:
    """Without it, the region that it is cut out of would be too large."""
    with pytest.raises(UserError, match=r"the negative region \d \(dcis\) cannot be used: vertex 1, X: 'x' is not a"):
        read(tmp_path, "a.xml", content)


def test_other_regions_of_a_file_with_a_bad_one_are_read(tmp_path: Path) -> None:
    """One bad feature does not take the others; NaN among measurements is none of the coordinates."""
    good = feature(polygon(RING), {"name": "dcis", "measurements": {"area": float("nan")}})
    found = read(tmp_path, "a.geojson", [feature(polygon([[1, None]])), good])
    assert [one.name for one in found.regions] == ["feature 2"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.geojson", []),
        ("a.json", {"type": "FeatureCollection", "features": []}),
        ("a.json", {"annotation": {"name": "layer"}}),
        ("a.json", [{"annotation": {"name": "layer", "elements": None}}]),
    ],
)
def test_files_without_regions_are_read(tmp_path: Path, name: str, content: Any) -> None:
    """An annotation may have no region."""
    assert read(tmp_path, name, content) == Annotation([])


def test_dsa_rotation_may_be_null(tmp_path: Path) -> None:
    """A rectangle whose rotation is null is not rotated."""
    content = dsa({"type": "rectangle", "center": [60, 40, 0], "width": 100, "height": 40, "rotation": None})
    (one,) = read(tmp_path, "a.json", content).regions
    assert one.polygon.tolist() == [[10, 20], [110, 20], [110, 60], [10, 60]]


def test_qupath_reads_annotations_only(tmp_path: Path) -> None:
    """Cells, detections and tiles are no regions; they are counted by their type."""
    kinds = [{"objectType": "annotation"}, {}, *[{"objectType": "cell"}] * 3, {"objectType": "Tile"}]
    features = [feature(polygon(RING), {"classification": {"name": "DCIS"}} | kind) for kind in kinds]
    old = [feature(polygon(RING)) | {"id": name} for name in ("PathCellObject", "PathAnnotationObject", "b2f1")]
    found = read(tmp_path, "a.geojson", features + old)
    assert [one.name for one in found.regions] == ["feature 1", "feature 2", "feature 8", "feature 9"]
    assert found.unused == (
        "4 objects of the type cell cannot be used: only annotations are regions",
        "1 object of the type tile cannot be used: only annotations are regions",
    )


def test_qupath_objects_within_objects_are_read(tmp_path: Path) -> None:
    """The children of an annotation, of a cell or of the root are regions too; an inner one owns its area."""
    inner = feature(polygon(RING), {"objectType": "annotation", "name": "inner"})
    cell = feature(polygon(RING), {"objectType": "cell", "childObjects": [inner, 3]})
    outer = feature(polygon(RING), {"name": "outer", "children": [inner, cell]})
    root = feature(None, {"objectType": "root", "childObjects": [outer]}) | {"id": "PathRootObject"}
    found = read(tmp_path, "a.geojson", {"type": "FeatureCollection", "features": [root, inner]})
    assert [(one.name, one.label) for one in found.regions] == [
        ("feature 1.1", "outer"), ("feature 1.1.1", "inner"), ("feature 1.1.2.1", "inner"), ("feature 2", "inner")
    ]  # fmt: skip
    assert found.unused == (
        "feature 1.1.2.2 cannot be used: is not a GeoJSON feature",
        "1 object of the type cell cannot be used: only annotations are regions",
        "1 object of the type root cannot be used: only annotations are regions",
    )


@pytest.mark.parametrize(
    ("properties", "n_regions"),
    [
        ({"object_type": "detection"}, 0),
        ({"object_type": "annotation"}, 1),
        ({"type": "Cell"}, 0),
        ({"type": "tmaCore"}, 0),
        ({"type": "a polygon"}, 1),
        ({"objectType": "annotation", "type": "cell"}, 1),
    ],
)
def test_qupath_types_of_other_versions(tmp_path: Path, properties: dict[str, str], n_regions: int) -> None:
    """QuPath 0.3 names the type otherwise, and reads another key; a word of another program is no type."""
    content = feature(polygon(RING), {"classification": {"name": "DCIS"}} | properties)
    assert len(read(tmp_path, "a.geojson", content).regions) == n_regions


def test_asap_automatic_names_are_no_labels(tmp_path: Path) -> None:
    """A region without a group has its own name as a label, but not the one that ASAP gave."""
    automatic = asap_annotation(ASYMMETRIC, group="None").replace('"it"', '"Annotation 12"')
    in_group = asap_annotation(ASYMMETRIC).replace('"it"', '"Annotation 13"')
    found = read(tmp_path, "a.xml", asap(automatic + in_group))
    assert [one.label for one in found.regions] == ["", "dcis"]


def test_asap_groups_in_groups(tmp_path: Path) -> None:
    """The label is the nearest group that a class has, else that of the annotation."""
    groups = '<Group Name="DCIS" PartOfGroup="Tumor"/><Group Name="Tumor" PartOfGroup="All"/>'
    groups += '<Group Name="All" PartOfGroup="DCIS"/><Group Name="norm" PartOfGroup="None"/>'
    text = asap(asap_annotation(ASYMMETRIC) + asap_annotation(ASYMMETRIC, group="norm"))
    text = text.replace("</Annotations>", f"</Annotations><AnnotationGroups>{groups}</AnnotationGroups>")
    found = read(tmp_path, "a.xml", text)
    assert [one.groups for one in found.regions] == [("tumor", "all", "dcis"), ()]
    for known, label in (({"tumor"}, "tumor"), ({"all", "dcis"}, "dcis"), ({"all"}, "all"), ({"norm"}, "dcis")):
        assert [one.label for one in found.resolve_labels(known).regions] == [label, "norm"]


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [("12.5", "3", None), ("wide", "1024", None), ("200", "1024", None), ("1280", "1024.0", (1280, 1024))],
)
def test_imagescope_size_is_that_of_a_slide(
    tmp_path: Path, width: str, height: str, size: tuple[int, int] | None
) -> None:
    """Attributes of a layer that cannot be the size of a slide, such as the width of a pen, are none."""
    attributes = f'<Attribute Name="Width" Value="{width}"/><Attribute Name="Height" Value="{height}"/>'
    text = imagescope(region(ASYMMETRIC)).replace("<Regions>", f"<Attributes>{attributes}</Attributes><Regions>")
    assert read(tmp_path, "a.xml", text).size == size


def test_imagescope_unknown_type_is_named(tmp_path: Path) -> None:
    """A region of an unknown type is an outline, and that is said."""
    found = read(tmp_path, "a.xml", imagescope(region(ASYMMETRIC, kind=6)))
    assert len(found.regions) == 1
    assert found.unused == (
        "region 7 (dcis) is used, but not its type 6, which is unknown: its vertices are taken for an outline",
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", {"a": 1}, "is JSON, not as one of these programs writes: QuPath .GeoJSON., DSA"),
        ("a.json", [dsa(polyline())[0], {"annotation": 3}], "one of its annotations has no list of elements"),
        ("a.json", "[" * 100_000, "is not valid JSON"),
        ("a.json", "1" * 5000, "is not valid JSON"),
        ("a.json", '[{"type": "Feature", "type": "Feature"}]', "an object has the key 'type' twice"),
        ("a.xml", "", "is not valid XML"),
        ("a.xml", "<V><V/></V>", "its root is 'V'"),
    ],
)
def test_wrong_files_are_refused(tmp_path: Path, name: str, content: Any, message: str) -> None:
    """A file that is no annotation is refused with its name."""
    with pytest.raises(UserError, match=f"a.(xml|json|geojson).*{message}"):
        read(tmp_path, name, content)


@pytest.mark.parametrize(("text", "value"), [("0,499", 0.499), ("0.000000", None), ("", None), ("0.25", 0.25)])
def test_scale_of_imagescope(tmp_path: Path, text: str, value: float | None) -> None:
    """A decimal comma is read, and 0 is a scale that is not known."""
    assert read(tmp_path, "a.xml", imagescope("", attributes=f'MicronsPerPixel="{text}"')).mpp == value


HEADER = "index,region_id,label,coord_index,row,column\n"


def test_csv_regions_of_one_index(tmp_path: Path) -> None:
    """Rows of one index but of two regions are two outlines."""
    rows = "".join(f"0,{number},dcis,{at},{at},{number}\n" for number in (1, 2) for at in range(3))
    first, second = read(tmp_path, "a.csv", HEADER + rows).regions
    assert (first.name, first.polygon.tolist()) == ("region 0/1", [[1, 0], [1, 1], [1, 2]])
    assert (second.name, second.polygon.tolist()) == ("region 0/2", [[2, 0], [2, 1], [2, 2]])


def test_csv_vertex_twice_is_refused(tmp_path: Path) -> None:
    """Two outlines that nothing tells apart would be woven into one."""
    with pytest.raises(UserError, match=r"row 3: vertex 0 of region 5 is there twice. Two regions need"):
        read(tmp_path, "a.csv", HEADER + "5,1,dcis,0,1,1\n5,1,dcis,0,9,9\n")


def test_csv_name_with_a_comma(tmp_path: Path) -> None:
    """The name of the slide may have a comma, and the scale a decimal comma."""
    found = read(tmp_path, "a.csv", "# bname = p1, left = 2\n# MicronsPerPixel = 0,5\n" + HEADER)
    assert (found.slide, found.mpp) == ("p1, left = 2", 0.5)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (HEADER.replace("region_id", "row"), "row 1: names the column row twice"),
        (HEADER + '5,1,"dc\nis",0,1,1\n', r"row 2: is not valid CSV \(unexpected end of data\)"),
        (HEADER + "5,1\n", "row 2: has 2 values for 6 columns"),
        ("# width = 5\n", "is empty. It needs a line of column names"),
    ],
)
def test_csv_rows_that_are_ambiguous_are_refused(tmp_path: Path, content: str, message: str) -> None:
    """Neither a column that is there twice nor a quotation mark that joins two rows is guessed."""
    with pytest.raises(UserError, match=rf"a\.csv.*{message}"):
        read(tmp_path, "a.csv", content)


def test_labels_can_be_written(tmp_path: Path) -> None:
    """Half of a letter, as of an emoji that was cut in two, and very long labels stop no job that writes them."""
    properties = [{"name": "a\ud800b"}, {"name": "\U0001f600"}, {"name": "x" * 5000}, {"objectType": "\udfff"}]
    found = read(tmp_path, "a.geojson", [feature(polygon(RING), one) for one in properties])
    assert [one.label for one in found.regions] == ["a?b", "\U0001f600", "x" * 1000]
    assert found.unused == ("1 object of the type ? cannot be used: only annotations are regions",)


BAD = [(10, 20), ("x", 3), (90, 20), (90, 70)]
BAD_ROWS = "".join(f"5,1,DCIS,{at},{y},{x}\n" for at, (x, y) in enumerate(BAD))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.xml", imagescope(region(BAD, text="DCIS"))),
        ("a.xml", halo(halo_region("Polygon", BAD))),
        ("a.xml", asap(asap_annotation(BAD))),
        ("a.xml", asap(asap_annotation([(x if x != "x" else -1e12, y) for x, y in BAD]))),
        ("a.geojson", feature(polygon([list(one) for one in BAD]))),
        ("a.geojson", feature(polygon([[10, 20], [90, 20], [90, 70]], [[50, 50], [None, 1]]))),
        ("a.json", dsa(polyline(points=[[*one, 0] for one in BAD]))),
        ("a.json", dsa(polyline(points=[[10, 20, 0], [90, 20, 0], [90, 70, 0]], holes=[3]))),
        ("a.csv", HEADER + BAD_ROWS),
    ],
)
def test_a_bad_region_is_known_by_the_box_around_its_other_vertices(tmp_path: Path, name: str, content: Any) -> None:
    """A region with a bad number may be an inner one, so the place where it is belongs to no other class."""
    found = read(tmp_path, name, content)
    assert found.regions == [] and len(found.unused) == 1
    (one,) = found.shift(1, 2).unclear
    assert (one.label, one.polygon.tolist()) == ("dcis", [[11, 22], [91, 22], [91, 72], [11, 72]])


def test_halo_open_lines_have_no_area(tmp_path: Path) -> None:
    """HALO calls a line that was not closed a polygon; an outline without its last vertex is one."""
    wave = [(x, 50 + 20 * (x % 2)) for x in range(0, 400, 10)]
    outline = [(200 + 100 * np.cos(t), 200 + 100 * np.sin(t)) for t in np.linspace(0, 6.2, 40)]
    lines = halo_region("Polygon", wave) + halo_region("Polygon", outline).replace("Type", 'HasEndcaps="1" Type')
    found = read(tmp_path, "a.xml", halo(lines + halo_region("Polygon", outline) + halo_region("Polygon", ASYMMETRIC)))
    assert [one.name for one in found.regions] == ["region 3", "region 4"]
    assert found.unused == (
        "region 1 (dcis) is an open line, which has no area",
        "region 2 (dcis) is an open line, which has no area",
    )


def test_halo_negative_open_line_makes_the_file_bad(tmp_path: Path) -> None:
    """Without the hole, the region that it is cut out of would be too large."""
    outline = halo_region("Polygon", [(200 + 100 * np.cos(t), 200 + 100 * np.sin(t)) for t in np.linspace(0, 4, 40)], 1)
    capped = halo_region("Polygon", HOLE, 1).replace("Type", 'HasEndcaps="1" Type')
    for line in (outline, capped):
        with pytest.raises(UserError, match=r"the negative region 2 \(dcis\) cannot be used: it is an open line"):
            read(tmp_path, "a.xml", halo(halo_region("Polygon", ASYMMETRIC) + line))


def test_only_keys_that_are_read_may_not_be_there_twice(tmp_path: Path) -> None:
    """QuPath's measurements have names of a user; many keys take no time."""
    measured = ", ".join(f'"m{at}": {at}' for at in [*range(40_000), 39_999])
    text = json.dumps(feature(polygon(RING), {"name": "dcis", "measurements": {"x": 1}})).replace('"x": 1', measured)
    began = time.process_time()
    assert [one.label for one in read(tmp_path, "a.geojson", text).regions] == ["dcis"]
    with pytest.raises(UserError, match="an object has the key 'name' twice"):
        read(tmp_path, "a.geojson", text.replace('"name"', '"name": "indc", "name"'))
    assert time.process_time() - began < 5


def test_deep_xml_and_many_long_comments_take_no_time(tmp_path: Path) -> None:
    """Layers within layers are refused at a depth that no program writes; comments are read once."""
    deep = "<Annotations>" + "<Annotation>" * 20_000 + "</Annotation>" * 20_000 + "</Annotations>"
    comments = "# " + "\n# ".join(["a" * 998] * 1000) + "\n# x, MicronsPerPixel = 0.25, width = 7 pixels, height = 9\n"
    began = time.process_time()
    with pytest.raises(UserError, match=r"a.xml: is not valid XML \(more than 100 elements within each other\)"):
        read(tmp_path, "a.xml", deep)
    found = read(tmp_path, "a.csv", comments + "index,label,coord_index,row,column\n")
    assert (found.mpp, found.size) == (0.25, (7, 9))
    assert time.process_time() - began < 3


@pytest.mark.parametrize("module", [qupath, dsa_module])
def test_keys_of_readers_are_those_that_they_read(module: ModuleType) -> None:
    """Every key in the source of a reader is in its list."""
    keys = re.findall(
        r'(?:\.get\(|_number\(element, |properties\[|content\[|element\[)"(\w+)"', inspect.getsource(module)
    )
    assert len(keys) > 9 and set(keys) <= module.__dict__["KEYS"]


def test_many_bad_vertices_have_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the first one is explained, and all others are left out of the box."""
    shown: list[object] = []

    def show(value: object) -> str:
        shown.append(value)
        return repr(value)

    monkeypatch.setattr(base, "show_value", show)
    ring = [[10, 20], ["x", 1], [5], 3, [1, None], [90, "70"], [True, 0]]
    found = read(tmp_path, "a.geojson", feature(polygon(ring)))
    assert found.unused == ("feature 1 (dcis) cannot be used: vertex 2, X: 'x' is not a number",)
    assert found.unclear[0].polygon.tolist() == [[10, 20], [90, 20], [90, 70], [10, 70]]
    assert shown == ["x"]


@pytest.mark.parametrize("bad", [0, 1])
def test_vertices_in_several_lists_are_all_known(tmp_path: Path, bad: int) -> None:
    """A bad number in one list takes nothing of the others from the box, and has its number among all."""
    lists: list[list[Any]] = [[(10, 20), (90, 20)], [(90, 70), (50, 60)]]
    lists[bad].append(("x", 3))
    split = halo_region("Polygon", lists[0]).replace("</Region>", f"<Vertices>{xml('V', lists[1])}</Vertices></Region>")
    found = read(tmp_path, "a.xml", halo(split))
    assert found.unused == (f"region 1 (dcis) cannot be used: vertex {(3, 5)[bad]}, X: 'x' is not a number",)
    assert found.unclear[0].polygon.tolist() == [[10, 20], [90, 20], [90, 70], [10, 70]]
