"""The page in a browser: accessible, readable on a phone, and whole without JavaScript or its folders.

Needs a Chromium: that of the system, or ``playwright install chromium``.
"""

import io
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from PIL import Image, ImageChops, ImageStat
from playwright.sync_api import Browser, Page

from blindtune.report import page as page_module
from blindtune.report.figures import write as figures
from blindtune.report.page import write_page
from blindtune.report.records import DatasetRecords
from blindtune.report.tables import write as tables
from support import browser as browser_module
from support.browser import LAPTOP, PHONE
from support.report_records import RecordsBuilder


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of two datasets, one of them a stand-in."""
    builder = RecordsBuilder(
        tmp_path_factory.mktemp("results") / "tiny",
        systems=["knn", "mlp_m1", "mlp_m2", "mlp_a1", "mlp_a2", "bayes"],
        datasets={"set_10": {}, "drawn_10": {"stand_in": True, "source": {"source": "drawing"}}},
        not_blind=("set_10/mlp_a1",),
        samples=100,
    )
    # With a ledger, so that notes hold the long digest of its head.
    builder.write().record()
    records, folder = builder.read(), builder.root / "report"
    tables.write_tables(records, folder / "tables")
    figures.write_figures(records, folder / "figures")
    write_page(records, folder / "tables", folder / "figures", folder / "report.html")
    return folder / "report.html"


@contextmanager
def open_on_laptop(browser: Browser, path: Path) -> Iterator[Page]:
    """Open a page on a laptop, and fail if its scripts do."""
    with browser.new_context(viewport=LAPTOP) as context:  # type: ignore[arg-type]
        opened = context.new_page()
        errors: list[str] = []
        opened.on("pageerror", lambda error: errors.append(str(error)))
        opened.goto(path.as_uri())
        yield opened
        assert errors == []


@pytest.fixture
def page(browser: Browser, report: Path) -> Iterator[Page]:
    """The page on a laptop; a test fails if its scripts do."""
    with open_on_laptop(browser, report) as opened:
        yield opened


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page without figures, of whose tables three rows each are shown at first."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(page_module, "MOST_ROWS", 3)
        patched.setattr(DatasetRecords, "figure_kinds", property(lambda _: []))
        root = tmp_path_factory.mktemp("results") / "tiny"
        systems = ["knn", "mlp_m1", "mlp_m2", "mlp_a1", "mlp_a2"]
        datasets: dict[str, dict[str, Any]] = {"set_1": {}, "set_10": {}}
        records = RecordsBuilder(root, systems=systems, datasets=datasets, samples=60, trials=4).write().read()
        folder = root / "report"
        tables.write_tables(records, folder / "tables")
        write_page(records, folder / "tables", folder / "figures", folder / "report.html")
    # Without the patches again: the other page of this module may be made after this one.
    return folder / "report.html"


@pytest.fixture
def rows(browser: Browser, plain: Path) -> Iterator[Page]:
    """That page on a laptop; a test fails if its scripts do."""
    with open_on_laptop(browser, plain) as opened:
        yield opened


@pytest.mark.parametrize(
    ("variables", "outcome"),
    [({}, "skipped"), ({"NEED_CHROMIUM": "false"}, "skipped"), ({"NEED_CHROMIUM": "1"}, "failed")],
)
def test_missing_chromium_fails_where_it_is_required(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], outcome: str
) -> None:
    """Tests of the page are skipped without a Chromium, and fail where one is required; so does its download."""
    monkeypatch.setattr(browser_module, "find_chromium", lambda: None)
    monkeypatch.setattr(subprocess, "run", fail_to_download)
    monkeypatch.delenv(browser_module.REQUIRING, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    expected = pytest.fail.Exception if outcome == "failed" else pytest.skip.Exception
    with pytest.raises(expected, match="no Chromium was found, so the page is not tested: install one"):
        browser_module.require_chromium()
    assert browser_module.provide_chromium() == (outcome == "failed")


def fail_to_download(*given: Any, **named: Any) -> None:
    """Fail as a download without a network."""
    raise subprocess.CalledProcessError(1, "playwright")


def read_column(page: Page, table: str, title: str) -> list[str]:
    """Return the texts of a column of a table, in the order of the rows."""
    header = page.locator(f"#{table} thead tr").last.locator("th", has_text=title).first
    column = header.evaluate("header => header.cellIndex")
    read = f"rows => rows.map(row => row.cells[{column}].textContent)"
    texts: list[str] = page.locator(f"#{table} tbody tr").evaluate_all(read)
    return texts


def test_all_rows_are_sorted_and_filtered(rows: Page) -> None:
    """Sorting and filtering a long table take in the rows that were packed, and then all are shown."""
    open_all(rows)
    for name in ("scores", "costs"):
        assert rows.locator(f"#{name} tbody tr").count() == 3
    rows.locator("#scores thead th button", has_text="eval").first.click()
    rows.wait_for_function("document.querySelectorAll('#scores tbody tr').length === 10")
    values = [float(text) for text in read_column(rows, "scores", "eval")]
    assert values == sorted(values) and rows.locator("#scores .more").count() == 0
    rows.locator("#costs button", has_text="more rows").click()
    rows.wait_for_function("document.querySelectorAll('#costs tbody tr').length === 10")
    rows.reload()
    rows.locator("nav a[href='#dataset-set_1']").click()
    rows.locator("#dataset-set_1 a[href='#scores'][data-rows]").click()
    rows.wait_for_function("document.querySelector('#scores .filter [role=status]').textContent === '5 of 10'")
    kept = rows.locator("#scores tbody tr:not([hidden])")
    assert kept.first.is_visible() and {row.split()[0] for row in kept.all_inner_texts()} == {"set_1"}


def test_bar_of_very_many_parts_stays_low(rows: Page) -> None:
    """The bar of links, which stays on the screen, takes a small part of it however many datasets there are."""
    rows.evaluate("""() => {
      const list = document.querySelector("nav ul"), item = list.lastElementChild;
      for (let at = 0; at < 150; at++) list.append(item.cloneNode(true));
    }""")
    assert rows.evaluate("document.querySelector('nav').offsetHeight") < 90
    rows.locator("nav li").last.locator("a").focus()
    assert rows.locator("nav li").last.is_visible()


def test_bounds_are_sorted_as_numbers(rows: Page) -> None:
    """A bound such as "< 0.001" is sorted by its number, and what is no number comes last."""
    open_all(rows)
    rows.evaluate(
        """() => {
          const body = document.querySelector("#table1_datasets tbody");
          const texts = ["1.000", "at least 3", "not in 3", "< 0.001", "3", "0.001", "−1", "–"];
          body.replaceChildren(...texts.map((text) => body.insertRow().appendChild(Object.assign(
            document.createElement("td"), { textContent: text })).parentElement));
        }"""
    )
    rows.locator("#table1_datasets thead th button", has_text="Dataset").first.click()
    texts = read_column(rows, "table1_datasets", "Dataset")
    assert texts == ["−1", "< 0.001", "0.001", "1.000", "3", "at least 3", "not in 3", "–"]


def test_records_are_linked_to_their_files(rows: Page, plain: Path) -> None:
    """From a value of the first screen, two clicks lead to the file of the record."""
    rows.locator(".ranking a[title='Records of mlp_m1']").first.click()
    links = rows.locator("[id='records/set_1/mlp_m1'] a")
    links.first.wait_for()
    files = [plain.parent / link.get_attribute("href") for link in links.all()]  # type: ignore[operator]
    assert len(files) == 10 and all(file.exists() for file in files)
    assert rows.locator("[id='records/set_1/mlp_m1']").inner_text().count("(frozen model, seed ") == 2


def test_paper_has_closed_parts_without_css(browser: Browser, plain: Path) -> None:
    """A browser whose style sheets cannot print what is closed opens it for the print, and closes it then."""
    with browser.new_context(viewport=LAPTOP) as context:  # type: ignore[arg-type]
        opened = context.new_page()
        opened.add_init_script("CSS.supports = () => false")
        opened.goto(plain.as_uri())
        closed = "document.querySelectorAll('details:not([open])').length"
        before = opened.evaluate(closed)
        opened.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert before > 10 and opened.evaluate(closed) == 0
        opened.evaluate("dispatchEvent(new Event('afterprint'))")
        assert opened.evaluate(closed) == before


def open_all(page: Page) -> None:
    """Open every part of the page."""
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_has_no_serious_finding_of_axe(browser: Browser, report: Path, scheme: str) -> None:
    """The checks of axe-core find nothing serious, with every part open, on a laptop in both color schemes."""
    with browser.new_context(viewport=LAPTOP, color_scheme=scheme) as context:  # type: ignore[arg-type]
        opened = context.new_page()
        opened.goto(report.as_uri())
        open_all(opened)
        found = Axe().run(opened).response
    serious = [
        (one["id"], [node["html"][:150] for node in one["nodes"][:3]])
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == [] and len(found["passes"]) > 15


def test_page_fits_a_phone(browser: Browser, report: Path) -> None:
    """On a phone, nothing but tables, figures and the row of links scrolls to the side; figures can be read."""
    with browser.new_context(viewport=PHONE) as context:  # type: ignore[arg-type]
        opened = context.new_page()
        opened.goto(report.as_uri())
        open_all(opened)
        assert opened.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        image = opened.locator("#figure-splits_set_10 img").bounding_box()
        assert image is not None and image["width"] > 1.4 * PHONE["width"]


def test_first_screen_has_the_answer(page: Page) -> None:
    """On a laptop, the sentence, all verdicts, the stand-in data and the first ranked system need no scrolling."""
    for shown in ("#answer-heading", ".answer .verdict", ".warning", ".ranking li"):
        boxes = [found.bounding_box() for found in page.locator(shown).all()]
        assert boxes and boxes[0] is not None, shown
        assert boxes[0]["y"] + boxes[0]["height"] < LAPTOP["height"], shown


def test_links_open_the_parts_that_they_lead_to(page: Page) -> None:
    """A link to a part, a record or a table opens every part around it, by the keyboard too."""
    target = page.locator("#how-good")
    assert not target.is_visible()
    page.locator("nav a[href='#how-good']").focus()
    page.keyboard.press("Enter")
    assert target.is_visible()
    page.locator("#table3_errors tbody a[href='#records/set_10/knn']").first.click()
    assert page.locator("[id='records/set_10/knn']").is_visible()


def test_tables_are_sorted_and_filtered(page: Page) -> None:
    """A heading sorts its table by numbers, first up and then down, and says so; a text filters the rows."""
    open_all(page)
    table = page.locator("#scores table")
    header = table.locator("thead tr").last.locator("th", has_text="eval − dev")
    column = header.evaluate("header => header.cellIndex")

    def values() -> list[float]:
        texts = table.locator("tbody tr").evaluate_all(f"rows => rows.map(row => row.cells[{column}].textContent)")
        return [float(text.replace("−", "-")) for text in texts]

    assert values() != sorted(values())
    header.locator("button").press("Enter")
    assert values() == sorted(values()) and header.get_attribute("aria-sort") == "ascending"
    header.locator("button").press("Enter")
    assert values() == sorted(values(), reverse=True) and header.get_attribute("aria-sort") == "descending"
    page.locator("#scores .filter input").fill("MLP_M1 set_10")
    assert table.locator("tbody tr:not([hidden])").count() == 1
    assert page.locator("#scores .filter [role=status]").inner_text() == "1 of 10"


def test_page_alone_shows_its_packed_figures(browser: Browser, report: Path, tmp_path: Path) -> None:
    """A page that was moved without its folders shows every figure."""
    alone = tmp_path / "alone.html"
    alone.write_bytes(report.read_bytes())
    with browser.new_context(viewport=LAPTOP) as context:  # type: ignore[arg-type]
        opened = context.new_page()
        opened.goto(alone.as_uri())
        open_all(opened)
        opened.wait_for_function(
            "[...document.images].every(image => image.src.startsWith('blob:')) && document.images.length > 5"
        )
        image = opened.locator("#figure-search_set_10 img")
        image.scroll_into_view_if_needed()
        opened.wait_for_function("document.querySelector('#figure-search_set_10 img').naturalWidth > 100")


def picture_of(browser: Browser, page: Path, figure: str) -> Image.Image:
    """Return a figure as the page shows it."""
    with browser.new_context(viewport=LAPTOP) as context:  # type: ignore[arg-type]
        opened = context.new_page()
        opened.goto(page.as_uri())
        open_all(opened)
        shown = opened.locator(f"#figure-{figure} img")
        shown.scroll_into_view_if_needed()
        opened.wait_for_function(f"document.querySelector('#figure-{figure} img').naturalWidth > 100")
        return Image.open(io.BytesIO(shown.screenshot())).convert("RGB")


@pytest.mark.parametrize("figure", ["splits_set_10", "worth_set_10"])
def test_packed_figures_look_like_their_files(browser: Browser, report: Path, tmp_path: Path, figure: str) -> None:
    """A packed figure, with dots as a picture or with lines and letters, is the same to the eye as its file."""
    alone = tmp_path / "alone.html"
    alone.write_bytes(report.read_bytes())
    file, packed = (picture_of(browser, page, figure) for page in (report, alone))
    assert file.size == packed.size
    difference = ImageStat.Stat(ImageChops.difference(file, packed)).mean
    assert max(difference) < 2 and len(file.getcolors(10**6) or []) > 50


def test_page_is_whole_without_javascript(browser: Browser, report: Path) -> None:
    """Without JavaScript, links open parts, and tables and figures are shown."""
    with browser.new_context(viewport=LAPTOP, java_script_enabled=False) as context:  # type: ignore[arg-type]
        opened = context.new_page()
        opened.goto(report.as_uri())
        opened.locator("nav a[href='#how-good']").click()
        assert opened.locator("#table3_errors tbody tr").first.is_visible()
        opened.locator("nav a[href='#dataset-set_10']").click()
        opened.locator("#figure-search_set_10 img").scroll_into_view_if_needed()
        assert opened.locator("#figure-search_set_10 img").is_visible()
