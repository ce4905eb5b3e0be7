"""The modules of the pages on extending: together they are an installed package, and its study runs."""

import ast
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from support.builders import ROOT
from support.documents import DOCS, Block, read_blocks
from support.plugins import run_with_plugin
from support.report_records import RecordsBuilder

PAGES = [DOCS / "extending" / f"{name}.md" for name in ("source", "view", "tuner", "trainer", "metric", "package")]
DRIVER = ROOT / "tests" / "support" / "drivers" / "run_documented_package.py"


def read_modules(pages: list[Path]) -> dict[str, Block]:
    """Return each block that begins with the name of its file, by that name."""
    blocks = [block for page in pages for block in read_blocks(page, "python")]
    named = [(re.match(r"# (my_package/\w+\.py)\n", block.text), block) for block in blocks]
    return {name[1]: block for name, block in named if name}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Return a folder into which the package of the pages is installed, as pip does it."""
    folder = tmp_path / "site"
    info = folder / "my_package-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "my_package").mkdir()
    (folder / "my_package" / "__init__.py").touch()
    for name, block in read_modules(PAGES).items():
        (folder / name).write_text(block.text, encoding="utf-8")
    [block] = read_blocks(DOCS / "extending" / "package.md", "toml")
    groups = tomllib.loads(block.text)["project"]["entry-points"]
    lines = [
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in it.items()) for group, it in groups.items()
    ]
    (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my_package\nVersion: 1.0\n", encoding="utf-8")
    return folder


@pytest.mark.slow
def test_package_of_the_pages_runs(package: Path, tmp_path: Path) -> None:
    """A source, a view, a tuner, a trainer and a metric work together in one study, and count in its digest."""
    [block] = read_blocks(DOCS / "extending" / "package.md", "yaml")
    config = tmp_path / "mine.yaml"
    config.write_text(block.text, encoding="utf-8")
    found = run_with_plugin(package, DRIVER, config, tmp_path / "work")
    assert found["statuses"] == ["completed"] * 4
    assert found["metric"] == "worst_class" and 0 < found["values"][0] < 0.5
    assert found["view"] == {"kind": "scaled", "factor": 2.0}
    assert {"my_package.climber", "my_package.nearest_mean", "my_package.scaled"} <= set(found["modules"])


def test_table_of_the_page_is_built(tmp_path: Path) -> None:
    """The example of a table makes a row for each system from the records of a small study."""
    [(name, block)] = read_modules([DOCS / "extending" / "report_item.md"]).items()
    module = ModuleType(Path(name).stem)
    exec(compile(block.text, name, "exec"), module.__dict__)  # noqa: S102  a block of our own page
    table = module.build(RecordsBuilder(tmp_path).write().read())
    assert {row["system"] for row in table.displayed} >= {"knn", "mlp_m1", "mlp_a1"}
    assert any(row["weights"] for row in table.rows) and table.rows[0]["records"].endswith("card.json")


def test_lines_of_registries_are_those_of_the_package() -> None:
    """What a page adds to a registry creates the same as the entry of the package."""
    entries = "".join(block.text for name, block in read_modules(PAGES).items() if name.endswith("_entry.py"))
    for page in PAGES[:-1]:
        lines = [block for block in read_blocks(page, "python") if block.text.startswith('"')]
        [node] = [ast.parse("{" + block.text + "}", mode="eval").body for block in lines] or [None]
        assert isinstance(node, ast.Dict), page
        places = [item.value for item in ast.walk(node.values[0]) if isinstance(item, ast.Constant)]
        assert all(f'"{place}"' in entries for place in places if "my_package" in str(place)), page
