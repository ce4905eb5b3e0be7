"""The interactive charts in a browser: drawn without a warning or a request, and changed by mouse, keyboard and touch.

Needs a Chromium: that of the system, or ``playwright install chromium``. One page is shared: a test leaves a chart as
it found it.
"""

import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page

from blindtune.core.files import write_text
from blindtune.report.charts.registry import CHARTS
from blindtune.report.contents import FIGURES
from blindtune.report.page import write_page
from blindtune.report.records import ReportRecords
from blindtune.report.tables.write import BUILD, FORMATS
from support.browser import LAPTOP, PHONE
from support.chart_page import ChartPage
from support.report_records import RecordsBuilder
from support.report_searches import SearchBuilder

SYSTEMS = ["knn", "mlp_m1", "mlp_m2", "kt_random", "opt_asha", "opt_tpe", "bayes"]
SEED, OTHER_SEED = 42, 43
#: Milliseconds that a slow machine may take to draw a chart.
PATIENCE = 120_000
ZOOMED = ("search", "trials", "systems")


def _suggest(builder: SearchBuilder, number: int) -> dict[str, Any]:
    """Return a set of hyperparameters that fills all axes of the chart."""
    names = ("exponential", "sigmoid", "relu")
    return {"layers": 1 + number % 3, "dropout_rate": number / 50} | {
        f"activation_{layer}": names[(number + layer) % 3] for layer in range(12)
    }


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> ReportRecords:
    """A dataset with reference models, manual ones and three tuners, with two seeds."""
    root = tmp_path_factory.mktemp("results") / "tiny"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(SearchBuilder, "_set", _suggest)
        return RecordsBuilder(root, systems=SYSTEMS, trials=17, samples=100).write().read()


@pytest.fixture(scope="module")
def report(records: ReportRecords) -> Path:
    """The page, with a plain picture for every static figure and empty files of tables, which are not of interest."""
    folder = records.root / "report"
    for name in (f"{name}.{kind}" for name in BUILD for kind in FORMATS):
        write_text(folder / "tables" / name, "")
    for kind in records.datasets[0].figure_kinds:
        picture = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 200"><circle cx="90" cy="90" r="50"/></svg>'
        write_text(folder / "figures" / f"{kind}_set_10.svg", picture)
    write_page(records, folder / "tables", folder / "figures", folder / "report.html")
    return folder / "report.html"


def watch(page: Page) -> tuple[list[str], list[str]]:
    """Return what a page writes to its console or throws, and what it requests, from now on."""
    said: list[str] = []
    requested: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: requested.append(request.url))
    return said, requested


@pytest.fixture(scope="module")
def opened(browser: Browser, report: Path) -> Iterator[tuple[Page, list[str], list[str]]]:
    """The page on a laptop, with what it said and requested."""
    with browser.new_context(viewport=LAPTOP, accept_downloads=True) as context:  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        seen = watch(page)
        page.goto(report.as_uri())
        yield page, *seen


@pytest.fixture
def page(opened: tuple[Page, list[str], list[str]]) -> Iterator[Page]:
    """The shared page; a test fails if its scripts write to the console."""
    page, said, _ = opened
    yield page
    seen = said[:]
    said.clear()
    assert seen == []


@pytest.fixture
def search(page: Page) -> ChartPage:
    """The chart of searches."""
    return ChartPage(page, "chart-0-search").show()


@pytest.fixture
def trials(page: Page) -> ChartPage:
    """The chart of trials."""
    return ChartPage(page, "chart-0-trials").show()


@pytest.fixture
def systems(page: Page) -> ChartPage:
    """The chart of frozen models."""
    return ChartPage(page, "chart-0-systems").show()


def test_every_chart_is_drawn_without_a_warning_or_a_request(
    opened: tuple[Page, list[str], list[str]], report: Path
) -> None:
    """All charts are drawn from the page alone: nothing in the console, and no request but for the static figures."""
    page, said, requested = opened
    for kind in CHARTS:
        chart = ChartPage(page, f"chart-0-{kind}").show()
        assert chart.canvas.bounding_box()["width"] > 500, kind  # type: ignore[index]
        assert page.locator(f"#chart-0-{kind}-frame .chart-caption").is_visible()
    assert said == []
    figures = (report.parent / "figures").as_uri()
    outside = [url for url in requested if not url.startswith((figures, "blob:", "data:")) and url != report.as_uri()]
    assert outside == []


def test_drawn_charts_have_no_serious_finding_of_axe(search: ChartPage) -> None:
    """The checks of axe-core find nothing serious in charts with their controls and legends."""
    ChartPage(search.page, "chart-0-parallel").show()
    found = Axe().run(search.page, context="#chart-0-search-frame, #chart-0-parallel-frame").response
    serious = [
        (one["id"], [node["html"][:150] for node in one["nodes"][:3]])
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == [] and len(found["passes"]) > 8


def test_charts_have_the_titles_of_their_figures() -> None:
    """A heading is the same over a chart and over the static figure that it takes the place of."""
    for entry in CHARTS.values():
        assert entry.figure is None or FIGURES[entry.figure].title == entry.title
        assert (entry.figure is None) == (entry.instead in FIGURES)


def test_nothing_chosen_gives_no_warning(page: Page) -> None:
    """Every chart can be emptied and filled again."""
    for kind in CHARTS:
        chart = ChartPage(page, f"chart-0-{kind}").show()
        chart.click("none")
        chart.click("all")


def test_menu_chooses_the_horizontal_axis(search: ChartPage, records: ReportRecords) -> None:
    """The axis has the chosen measure, its title and its range."""
    assert search.axis_title("x") == "trials ended"
    assert search.scale("x") == ("log", [1, 17])
    search.choose("Horizontal axis", "training epochs")
    assert search.axis_title("x") == "training epochs spent, all trials together"
    runs = [run for system in records.datasets[0].systems_of_kind("tuner") for run in system.runs]
    assert search.scale("x")[1][1] == max(sum(trial.epochs for trial in run.trials) for run in runs)
    search.choose("Horizontal axis", "trials")
    assert search.scale("x") == ("log", [1, 17])


def test_menu_chooses_the_seeds(search: ChartPage, trials: ChartPage) -> None:
    """Points of the chosen seed alone are drawn."""
    for chart, every in ((trials, "every seed"), (search, "median")):
        chart.choose("Seeds", str(OTHER_SEED))
        assert {item["row"]["seed"] for item in chart.items("symbol") if "seed" in item["row"]} == {OTHER_SEED}
        chart.choose("Seeds", "every seed")
        assert {item["row"]["seed"] for item in chart.items("symbol") if "seed" in item["row"]} == {SEED, OTHER_SEED}
        chart.choose("Seeds", every)


def test_legend_chooses_the_systems(systems: ChartPage) -> None:
    """A box hides one system, "only" all others; the keyboard works it too, and keeps its place."""
    whole = systems.systems()
    assert whole == set(SYSTEMS) - {"bayes"}
    systems.check("knn", False)
    assert systems.systems() == whole - {"knn"}
    systems.click("Only opt_asha")
    assert systems.systems() == {"opt_asha"}
    box = systems.box.get_by_role("checkbox", name="knn", exact=True)
    box.focus()
    systems.page.keyboard.press("Space")
    systems.settle()
    assert systems.systems() == {"opt_asha", "knn"}
    assert systems.box.get_by_role("checkbox", name="knn", exact=True).evaluate("box => box === document.activeElement")
    systems.click("all")
    assert systems.systems() == whole


@pytest.mark.parametrize(("kind", "axis"), [("search", "x"), ("search", "y"), ("trials", "y"), ("systems", "y")])
def test_axis_is_logarithmic_or_not(page: Page, kind: str, axis: str) -> None:
    """The box of an axis switches its scale, and back; the points stay within the frame."""
    chart = ChartPage(page, f"chart-0-{kind}").show()
    before = chart.scale(axis)
    chart.check(f"log {axis}", False)
    after = chart.scale(axis)
    assert (before[0], after[0]) == ("log", "linear")
    assert after[1] == pytest.approx(before[1], rel=0.5)
    chart.check(f"log {axis}", True)
    assert chart.scale(axis) == before


@pytest.mark.parametrize("kind", ZOOMED)
def test_buttons_zoom_and_reset(page: Page, kind: str) -> None:
    """Zooming in narrows both axes around their middle, out widens them, and the reset restores them."""
    chart = ChartPage(page, f"chart-0-{kind}").show()
    before = {axis: chart.scale(axis) for axis in "xy"}
    chart.click("Zoom in")
    for axis in "xy":
        (low, high), (first, last) = chart.scale(axis)[1], before[axis][1]
        assert low > first and high < last
        assert math.log(high / low) == pytest.approx(0.6 * math.log(last / first))
    chart.click("Zoom out")
    assert [chart.scale(axis)[1] for axis in "xy"] == [pytest.approx(before[axis][1]) for axis in "xy"]
    chart.click("Zoom out")
    chart.click("Reset the zoom")
    assert {axis: chart.scale(axis) for axis in "xy"} == before


def test_keys_zoom_and_move(systems: ChartPage) -> None:
    """A focused chart is zoomed and moved by keys, however fast they come, and the page does not scroll."""
    plot, press = systems.box.locator(".chart-plot"), systems.page.keyboard.press
    before = {axis: systems.scale(axis) for axis in "xy"}
    plot.focus()
    place = systems.page.evaluate("scrollY")
    for key in ("+", "ArrowRight", "ArrowRight", "ArrowUp"):
        press(key)
    systems.settle()
    for axis, steps in (("x", 0.2), ("y", 0.1)):
        (first, last), (low, high) = before[axis][1], systems.scale(axis)[1]
        width = 0.6 * math.log(last / first)
        assert math.log(high / low) == pytest.approx(width)
        assert math.log(high * low / first / last) / 2 == pytest.approx(steps * width)
    assert systems.page.evaluate("scrollY") == place
    assert plot.evaluate("plot => plot === document.activeElement")
    press("0")
    systems.settle()
    assert {axis: systems.scale(axis) for axis in "xy"} == before


def test_mouse_zooms_and_moves(systems: ChartPage) -> None:
    """Dragging moves a chart, the wheel with Ctrl zooms it, and without Ctrl it scrolls the page."""
    before = {axis: systems.scale(axis) for axis in "xy"}
    area = systems.canvas.bounding_box()
    assert area is not None
    mouse, middle = systems.page.mouse, (area["x"] + area["width"] / 2, area["y"] + 150)
    mouse.move(*middle)
    mouse.down()
    mouse.move(middle[0] + 100, middle[1], steps=4)
    mouse.up()
    systems.settle()
    moved = systems.scale("x")[1]
    assert moved[0] < before["x"][1][0] and moved[1] < before["x"][1][1]
    mouse.move(middle[0] - 150, middle[1], steps=4)
    systems.settle()
    assert systems.scale("x")[1] == moved, "the drag goes on without a button"
    systems.page.keyboard.down("Control")
    mouse.wheel(0, -200)
    systems.page.keyboard.up("Control")
    systems.settle()
    zoomed = systems.scale("y")[1]
    assert zoomed[1] / zoomed[0] < before["y"][1][1] / before["y"][1][0]
    systems.click("Reset the zoom")
    assert {axis: systems.scale(axis) for axis in "xy"} == before


def test_menu_ends_the_zoom_of_its_axis(search: ChartPage) -> None:
    """Another measure is shown whole, not in the range that was zoomed into."""
    search.click("Zoom in")
    search.choose("Horizontal axis", "wall seconds")
    assert search.scale("x")[1][1] > 50
    search.choose("Horizontal axis", "trials")
    search.click("Reset the zoom")
    assert search.scale("x") == ("log", [1, 17])


def test_hover_shows_a_frozen_model(systems: ChartPage, records: ReportRecords) -> None:
    """The box has system, seed, errors on dev and eval, size and record of the model, and goes when the mouse does."""
    system = next(one for one in records.datasets[0].systems if one.name == "opt_tpe")
    run = system.runs[1]
    systems.click("Only opt_tpe")
    (item,) = systems.items("symbol", system="opt_tpe", seed=OTHER_SEED)
    systems.point_at(item)
    shown = systems.read_tip()
    assert (shown["System"], shown["Seed"]) == ("opt_tpe", str(OTHER_SEED))
    assert float(shown["Dev error"].rstrip("%")) == pytest.approx(100 * run.card.dev_error, rel=1e-4)
    assert float(shown["Eval error"].rstrip("%")) == pytest.approx(100 * run.decode.error, rel=1e-4)
    assert shown["Record"] == run.paths[0]
    systems.page.mouse.move(5, 5)
    systems.tip.wait_for(state="hidden")
    systems.click("all")


def test_hover_shows_a_trial(trials: ChartPage, records: ReportRecords) -> None:
    """The box has the trial's value, outcome, hyperparameters and line; one without a score has its reason."""
    run = next(one for one in records.datasets[0].systems if one.name == "opt_asha").runs[0]
    trials.click("Only opt_asha")
    trials.choose("Seeds", str(SEED))
    for outcome in ("completed", "invalid"):
        item = trials.items("symbol", system="opt_asha", outcome=outcome)[0]
        trial = run.trials[item["row"]["trial"]]
        trials.point_at(item)
        shown = trials.read_tip()
        trial = run.trials[int(shown["Trial"])]
        assert (trial.status, shown["Outcome"]) == (outcome, outcome)
        assert shown.get("Reason") == trial.reason
        assert {name: shown[name] for name in ("layers", "activation_0")} == {
            name: str(trial.hyperparameters[name]) for name in ("layers", "activation_0")
        }
        assert shown["Record"] == f"studies/set_10/opt_asha/{SEED}/trials.jsonl, line {trial.number + 1}"
        if trial.score is not None:
            assert float(shown["Dev error"].rstrip("%")) == pytest.approx(100 * trial.score, rel=1e-4)
    trials.choose("Seeds", "every seed")
    trials.click("all")


def test_hover_shows_a_median_and_a_step(search: ChartPage, records: ReportRecords) -> None:
    """A point of a median says of how many seeds and between which values, a step of a seed which trial it is."""
    search.click("Only kt_random")
    last = max(search.items("symbol", system="kt_random"), key=lambda item: float(item["x"]))
    search.point_at(last)
    shown = search.read_tip()
    assert (shown["System"], shown["Seed"], shown["Trials ended"]) == ("kt_random", "median of 2", "17")
    low, middle, high = (float(shown[name].rstrip("%")) for name in ("Lowest seed", "Dev error", "Highest seed"))
    runs = next(one for one in records.datasets[0].systems if one.name == "kt_random").runs
    assert [low, high] == pytest.approx(sorted(100 * run.card.dev_error for run in runs), rel=1e-4)
    assert low <= middle <= high
    search.choose("Seeds", str(SEED))
    best = max(search.items("symbol", system="kt_random"), key=lambda item: float(item["x"]))
    search.point_at(best)
    shown = search.read_tip()
    assert shown["Trial"] == str(runs[0].card.trial)
    assert "Epochs so far" in shown and "Record" in shown
    search.choose("Seeds", "median")
    search.click("all")


def test_hover_shows_a_line_of_hyperparameters_and_a_part_of_the_time(page: Page, records: ReportRecords) -> None:
    """The box of the other two charts has the row that it points at."""
    parallel = ChartPage(page, "chart-0-parallel").show()
    parallel.choose("Trials by dev", "lowest 2%")
    # A little off the line, which is thin.
    item = parallel.items("line")[0]
    parallel.point_at(item | {"x": item["x"] + 1, "y": item["y"] + 2})
    shown = parallel.read_tip()
    scores = [
        (trial.score, system.name)
        for system in records.datasets[0].systems_of_kind("tuner")
        for run in system.runs
        for trial in run.trials
        if trial.score is not None
    ]
    lowest = sorted(scores)[: math.ceil(0.02 * len(scores))]
    assert shown["System"] in {name for _, name in lowest}
    assert float(shown["Dev error"].rstrip("%")) <= 100 * max(lowest)[0] + 1e-9
    parallel.choose("Trials by dev", "all")

    cost = ChartPage(page, "chart-0-cost").show()
    bar = cost.items("rect", system="kt_random", part="training")[0]
    cost.point_at(bar | {"x": sum(bar["box"][::2]) / 2, "y": sum(bar["box"][1::2]) / 2})
    shown = cost.read_tip()
    assert (shown["System"], shown["Part"], shown["Mean over seeds"]) == ("kt_random", "training", "2")
    runs = next(one for one in records.datasets[0].systems if one.name == "kt_random").runs
    seconds = [run.card.spent.seconds["train"].wall for run in runs]
    assert float(shown["Wall seconds"]) == pytest.approx(sum(seconds) / 2, rel=1e-3)


def test_click_on_a_point_leads_to_its_record(page: Page, systems: ChartPage, trials: ChartPage) -> None:
    """A click opens the list of records at those of the system, in the same tab."""
    for chart, name in ((trials, "opt_asha"), (systems, "mlp_m2")):
        target = page.locator(f"[id='records/set_10/{name}']")
        chart.show()
        chart.click(f"Only {name}")
        assert not target.is_visible()
        page.mouse.click(*chart.point_at(chart.items("symbol", system=name)[0]))
        target.wait_for(state="visible")
        assert page.evaluate("decodeURIComponent(location.hash)") == f"#records/set_10/{name}"
        # Once more, after it was closed, and not at the end of a drag.
        page.evaluate("for (const part of document.querySelectorAll('.records')) part.open = false")
        chart.show()
        x, y = chart.point_at(chart.items("symbol", system=name)[0])
        page.mouse.down()
        page.mouse.move(x + 60, y, steps=3)
        page.mouse.up()
        chart.settle()
        assert not target.is_visible()
        page.mouse.click(x + 60, y)
        target.wait_for(state="visible")
        chart.show()
        chart.click("Reset the zoom")
        chart.click("all")
        page.evaluate("for (const part of document.querySelectorAll('.records')) part.open = false")
    assert len(page.context.pages) == 1


def test_chart_is_saved_under_its_name(systems: ChartPage) -> None:
    """The menu of a chart saves it as SVG, on the color of the page, under the name of the chart and the dataset."""
    systems.box.locator("summary").click()
    entry = systems.box.get_by_text("Save as SVG")
    entry.hover()
    with systems.page.expect_download() as started:
        systems.page.mouse.down()
        systems.page.wait_for_function("link => link.href !== ''", arg=entry.element_handle())
        systems.page.mouse.up()
    assert started.value.suggested_filename == "systems_set_10.svg"
    text = Path(started.value.path()).read_text(encoding="utf-8")
    assert "<svg" in text and 'fill="rgb(255, 255, 255)"' in text
    systems.box.locator("summary").click()


def test_chart_follows_the_color_scheme(systems: ChartPage) -> None:
    """In a dark page text is light, and dark in a light one again; the zoom stays."""

    def ink() -> set[str]:
        return {item["fill"] for item in systems.items("text") if item["role"] == "axis-title"}

    systems.click("Zoom in")
    before, zoomed = ink(), systems.scale("x")
    systems.page.emulate_media(color_scheme="dark")
    systems.settle()
    assert before.isdisjoint(ink())
    assert systems.scale("x") == zoomed
    systems.page.emulate_media(color_scheme="light")
    systems.settle()
    assert ink() == before
    systems.click("Reset the zoom")


def test_chart_keeps_its_width_in_a_closed_part(systems: ChartPage) -> None:
    """A window that changes while the part of a chart is closed leaves it readable."""
    page, part = systems.page, "document.getElementById('dataset-set_10').closest('details').open"
    page.evaluate(f"{part} = false")
    page.set_viewport_size({"width": 900, "height": 800})
    page.wait_for_timeout(50)
    page.evaluate(f"{part} = true")
    page.wait_for_timeout(50)
    systems.settle()
    assert 700 < systems.canvas.bounding_box()["width"] < 900  # type: ignore[index]
    page.set_viewport_size(LAPTOP)  # type: ignore[arg-type]


def test_table_is_sorted_and_filtered_by_mouse_and_keyboard(page: Page) -> None:
    """A click or a key on a heading sorts a table, typing into its filter keeps rows, and clearing shows them all."""
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    table, filter_box = page.locator("#scores table"), page.locator("#scores .filter input")
    header = table.locator("thead tr").last.locator("th", has_text="eval − dev")
    column = header.evaluate("header => header.cellIndex")

    def values() -> list[float]:
        texts = table.locator("tbody tr").evaluate_all(f"rows => rows.map(row => row.cells[{column}].textContent)")
        return [float(text.replace("−", "-")) for text in texts]

    header.locator("button").click()
    assert values() == sorted(values()) and header.get_attribute("aria-sort") == "ascending"
    page.keyboard.press("Space")
    assert values() == sorted(values(), reverse=True) and header.get_attribute("aria-sort") == "descending"
    filter_box.focus()
    page.keyboard.type("opt_tpe")
    assert table.locator("tbody tr:not([hidden])").count() == 1
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    assert table.locator("tbody tr[hidden]").count() == 0


@pytest.fixture
def phone(browser: Browser, report: Path) -> Iterator[Page]:
    """The page on a phone; a test fails if its scripts write to the console."""
    with browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True) as context:  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        said, _ = watch(page)
        page.goto(report.as_uri())
        yield page
        assert said == []


def drag(page: Page, start: tuple[float, float], step: tuple[float, float]) -> None:
    """Touch a page, move the finger in five steps, and lift it."""
    session = page.context.new_cdp_session(page)
    for at in range(6):
        place = {"x": start[0] + at * step[0], "y": start[1] + at * step[1]}
        kind = "touchMove" if at else "touchStart"
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [place]})
        page.wait_for_timeout(20)
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_phone_shows_names_that_do_not_collide(phone: Page) -> None:
    """On a phone, names and values of the axes keep apart, the chart scrolls to the side, and the page does not."""
    parallel = ChartPage(phone, "chart-0-parallel").show()
    texts = parallel.items("text")
    names = sorted(item["x"] for item in texts if item["role"] == "axis-label")
    assert len(names) == 15
    # Names are inclined: from one baseline to the next it takes the height of a line.
    step = min(later - earlier for earlier, later in itertools.pairwise(names))
    assert step * math.sin(math.radians(28)) > 12
    values = {(item["row"]["axis"], item["text"]): item["box"] for item in texts if "axis" in (item["row"] or {})}
    collisions = [
        (one, other)
        for (one, first), (other, last) in itertools.combinations(values.items(), 2)
        if one[0] != other[0] and _overlap(first, last)
    ]
    assert collisions == []
    scroller = parallel.box.locator(".chart-scroll")
    scroller.focus()
    assert scroller.evaluate("box => box.scrollWidth > box.clientWidth && box === document.activeElement")
    assert phone.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def _overlap(one: list[float], other: list[float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def test_finger_shows_a_point_and_then_its_record(phone: Page) -> None:
    """A tap near a point shows its box, a second one goes to its record, one elsewhere hides the box."""
    systems = ChartPage(phone, "chart-0-systems").show()
    systems.click("Only opt_tpe")
    area = systems.canvas.bounding_box()
    assert area is not None
    item = systems.items("symbol", system="opt_tpe", seed=SEED)[0]
    near = area["x"] + item["x"] + 5, area["y"] + item["y"] + 4
    target = phone.locator("[id='records/set_10/opt_tpe']")
    phone.touchscreen.tap(*near)
    systems.tip.wait_for(state="visible")
    assert systems.read_tip()["Seed"] == str(SEED)
    assert not target.is_visible()
    phone.touchscreen.tap(3, area["y"] + 100)
    systems.tip.wait_for(state="hidden")
    for _ in range(2):
        phone.touchscreen.tap(*near)
    target.wait_for(state="visible")


def test_finger_moves_a_chart_to_the_side_and_scrolls_the_page(phone: Page) -> None:
    """A finger moves a chart sideways; up and down it scrolls the page, which is over for the chart when it lifts."""
    systems = ChartPage(phone, "chart-0-systems").show()
    area = systems.canvas.bounding_box()
    assert area is not None
    place = area["x"] + 150, area["y"] + 150
    before, scrolled = systems.scale("x")[1], phone.evaluate("scrollY")
    drag(phone, place, (0, -20))
    phone.wait_for_function(f"scrollY > {scrolled + 50}")
    phone.mouse.move(150, 300)
    phone.mouse.move(250, 340, steps=3)
    systems.settle()
    assert systems.scale("x")[1] == pytest.approx(before)
    area = systems.canvas.bounding_box()
    assert area is not None
    drag(phone, (area["x"] + 150, area["y"] + 150), (20, 0))
    systems.settle()
    assert systems.scale("x")[1][1] < 0.9 * before[1]


def test_page_without_javascript_has_tables_and_static_figures(browser: Browser, report: Path) -> None:
    """Without JavaScript, each chart is its static figure, or a sentence on where to look; tables are there."""
    with browser.new_context(viewport=LAPTOP, java_script_enabled=False) as context:  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.goto(report.as_uri())
        for kind, entry in CHARTS.items():
            frame = page.locator(f"#chart-0-{kind}-frame")
            assert frame.locator(".chart-fallback").is_visible(), kind
            assert frame.locator("img").count() == (entry.figure is not None)
            assert not frame.locator(".chart").is_visible()
        page.locator("nav a[href='#how-good']").click()
        assert page.locator("#table3_errors tbody tr").first.is_visible()


def test_print_has_static_figures(page: Page, systems: ChartPage) -> None:
    """On paper, static figures with their captions take the place of the charts, and no chart's caption is left."""
    page.emulate_media(media="print")
    page.locator("#print-appendix").evaluate("box => { box.checked = true; }")
    for kind in CHARTS:
        frame = page.locator(f"#chart-0-{kind}-frame")
        assert frame.locator(".chart-fallback").is_visible(), kind
        assert not frame.locator(".chart").is_visible()
        assert not frame.locator(".chart-caption").is_visible()
    page.locator("#print-appendix").evaluate("box => { box.checked = false; }")
    page.emulate_media(media="screen")
