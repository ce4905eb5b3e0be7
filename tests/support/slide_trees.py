"""Builders of trees with copies of a real slide, annotated by hand in both formats."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from support.slide_files import REAL

Polygon = list[tuple[float, float]]
SIZE = (2220, 2967)

#: What is on the real slide, in its own pixels: epithelium, stroma to its left, a darker piece at the lower right edge
#: that extends past the slide, and a place outside it.
EPITHELIUM = [
    (1090, 660),
    (1610, 660),
    (1580, 960),
    (1300, 1090),
    (1200, 1590),
    (1310, 1850),
    (1450, 2050),
    (1310, 2440),
]
EPITHELIUM += [(1100, 2310), (1070, 1550)]
STROMA = [(810, 1850), (1060, 1710), (1100, 2500), (1080, 2930), (530, 2960), (545, 2640)]
CORNER = [(1640, 2290), (1770, 2290), (1830, 3200), (1390, 3200), (1540, 2600)]
NOWHERE = [(4000, 4000), (4500, 4000), (4500, 4500)]
REGIONS: list[tuple[str, Polygon]] = [
    ("dcis", EPITHELIUM), ("indc", STROMA), ("null", CORNER), ("norm", [(0, 0), (400, 0), (0, 300)]), ("dcis", NOWHERE)
]  # fmt: skip


@dataclass(frozen=True)
class TreeSlide:
    """One slide of a tree: its path and its patient."""

    file: str
    patient: str


def tudp_tree() -> list[TreeSlide]:
    """Return a tree in the layout of TUDP v3; every other patient has a deeper cut of the same block."""
    slides = []
    for number in range(6):
        digits, split = f"{477780 + 13 * number:08}", ("train", "train", "dev", "eval", "dev", "eval")[number]
        patient = f"{digits}_aaaaaag{chr(ord('a') + number)}"
        for block in ("0000", "deep")[: 1 + number % 2]:
            stem = f"{patient}_s000_0hne_{block}_a001_lvl001_t000"
            slides.append(TreeSlide(f"v3.0.0/svs/{split}/{patient}/s000_2017/breast/{stem}.svs", digits))
    return slides


def plain_tree() -> list[TreeSlide]:
    """Return a tree in a layout other than TUDP's."""
    return [
        TreeSlide(f"box {number % 2}/case {number // 2} cut {number % 2}.svs", str(number // 2)) for number in range(10)
    ]


def write_tree(folder: Path, slides: list[TreeSlide], annotate: dict[str, Callable[[TreeSlide], str]]) -> None:
    """Write a tree: copies of the real slide, each with a different identity in its description."""
    for number, slide in enumerate(slides):
        path = folder / slide.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(
            REAL.read_bytes().replace(b"ImageID = 1004486", f"ImageID = {2000000 + number}".encode("ascii"))
        )
        for suffix, text in annotate.items():
            path.with_suffix(suffix).write_text(text(slide), encoding="utf-8")


def format_csv(slide: TreeSlide) -> str:
    """Return the annotation in the format of NEDC's tools: a line for each vertex, row before column."""
    lines = [
        "# version = csv_v1.0.0",
        "# MicronsPerPixel = 0.4990",
        f"# bname = {Path(slide.file).stem}",
        f"# width = {SIZE[0]} pixels, height = {SIZE[1]} pixels",
        "# tissue = breast",
        "#",
        "index,region_id,tissue,label,coord_index,row,column,depth,confidence",
    ]
    for index, (label, polygon) in enumerate(REGIONS):
        lines += [f"{index},{index + 1},breast,{label},{at},{y},{x},0,1.0000" for at, (x, y) in enumerate(polygon)]
    return "\n".join([*lines, ""])


def format_xml(slide: TreeSlide) -> str:
    """Return the annotation in the format of ImageScope, with NEDC's size among the attributes."""
    regions = []
    for number, (label, polygon) in enumerate(REGIONS, 1):
        vertices = "".join(f'<Vertex X="{x:.6f}" Y="{y:.6f}" Z="0"/>' for x, y in polygon)
        regions.append(
            f'<Region Id="{number}" Type="0" Zoom="0.05" Selected="0" ImageLocation="" ImageFocus="-1" '
            f'Length="1234.5" Area="98765.4" LengthMicrons="616.0" AreaMicrons="24593.2" Text="{label}" '
            f'NegativeROA="0" InputRegionId="0" Analyze="1" DisplayId="{number}"><Attributes><Attribute '
            f'Name="tissue" Id="0" Value="breast"/></Attributes>\n<Vertices>{vertices}</Vertices></Region>'
        )
    columns = '<AttributeHeader Id="9999" Name="Region" ColumnWidth="-1"/>'
    size = "".join(
        f'<Attribute Name="{name}" Id="{at}" Value="{value}"/>'
        for at, (name, value) in enumerate(zip(("width", "height"), SIZE, strict=True))
    )
    return (
        '<Annotations MicronsPerPixel="0.499000">\n<Annotation Id="1" Name="" ReadOnly="0" NameReadOnly="0" '
        'LineColorReadOnly="0" Incremental="0" Type="4" LineColor="65280" Visible="1" Selected="1" MarkupImagePath="" '
        f'MacroName=""><Attributes>{size}</Attributes><Regions><RegionAttributeHeaders>{columns}'
        f"</RegionAttributeHeaders>\n{''.join(regions)}</Regions><Plots/></Annotation></Annotations>\n"
    )
