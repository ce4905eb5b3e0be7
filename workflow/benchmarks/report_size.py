"""Measure the page of a large report: its size, and how long a browser needs to open it.

``python workflow/benchmarks/report_size.py FOLDER`` writes generated records of 25 tuners on 10 datasets with 10 seeds,
makes the report, and opens it in headless Chromium. It prints the bytes of the page and of its parts, and, of several
times that it is opened, the median and the shortest time until the first screen is painted and until all is loaded, and
the time until a part has opened. ``--tuners``, ``--datasets`` and ``--seeds`` make it smaller. Times are in seconds,
those of the report with the seconds of CPU: those tell more on a busy machine.
"""

import argparse
import re
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow" / "lib"), str(ROOT / "tests")]

from blindtune.report.figures.write import write_figures  # noqa: E402
from blindtune.report.page import write_page  # noqa: E402
from blindtune.report.records import ReportRecords  # noqa: E402
from blindtune.report.tables.write import write_tables  # noqa: E402
from support.browser import find_chromium, open_browser  # noqa: E402
from support.report_records import RecordsBuilder  # noqa: E402
from support.report_searches import TUNERS  # noqa: E402

#: Milliseconds after the start of the navigation, as the browser reports them.
TIMES = """() => {
  const [entry] = performance.getEntriesByType("navigation");
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  return [entry.domContentLoadedEventEnd, entry.loadEventEnd, paint ? paint.startTime : NaN];
}"""


@contextmanager
def measured(what: str) -> Iterator[None]:
    """Print how long something took."""
    begun, spent = time.perf_counter(), time.process_time()
    yield
    wall, cpu = time.perf_counter() - begun, time.process_time() - spent
    print(f"{what}: {wall:.1f} s, {cpu:.1f} s of CPU", flush=True)


def print_parts(page: Path) -> None:
    """Print the size of a page and of what is packed into it."""
    text = page.read_text(encoding="utf-8")
    print(f"size of the page: {len(text.encode()) / 1e6:.2f} MB")
    for part, names in (("figures", "packed-"), ("data of charts", "chart-data-"), ("library of charts", "chart-lib")):
        found = re.findall(rf'<script [^>]*id="{names}[^>]*>([^<]*)</script>', text)
        print(f"  {part}: {sum(map(len, found)) / 1e6:.2f} MB in {len(found)}")
    rest = re.findall(r'<script [^>]*class="rest"[^>]*>([^<]*)</script>', text)
    print(f"  packed rows of tables: {sum(map(len, rest)) / 1e6:.2f} MB of {len(rest)} tables")


def measure_opening(page: Path, path: str, times: int = 7) -> None:
    """Open a page in Chromium several times, and print how long it takes.

    Args:
        page: the page.
        path: of Chromium.
        times: how often.
    """
    found = []
    with open_browser(path) as browser:
        for _ in range(times):
            with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
                opened = context.new_page()
                opened.goto(page.as_uri())
                opened.wait_for_timeout(500)
                seconds = [value / 1000 for value in opened.evaluate(TIMES)]
                begun = time.perf_counter()
                opened.click("nav a[href='#which-tuner']")
                opened.locator("#tuner_pairs tbody tr").first.wait_for(state="visible")
                found.append([*seconds, time.perf_counter() - begun])
    for what, each in zip(
        ("document ready", "loaded", "first paint", "opening a part"), zip(*found, strict=True), strict=True
    ):
        print(f"{what}: median {statistics.median(each):.2f} s, shortest {min(each):.2f} s")


def generate(folder: Path, tuners: int, datasets: int, seeds: int) -> ReportRecords:
    """Write generated records and read them back.

    Args:
        folder: the folder to write to; it must not hold other records.
        tuners: number of tuners.
        datasets: number of datasets.
        seeds: number of seeds.
    """
    names, known = list(TUNERS), list(TUNERS)
    # Further tuners are copies of known ones under other names.
    for number in range(len(known), tuners):
        names.append(f"{known[number % len(known)]}_{number // len(known) + 1}")
        TUNERS[names[-1]] = TUNERS[known[number % len(known)]]
    builder = RecordsBuilder(
        folder / "large",
        seeds=list(range(42, 42 + seeds)),
        systems=["knn", "rnf", "mlp_m1", "mlp_m2", *names[:tuners]],
        datasets={f"set_{number:02}": {"published": None} for number in range(datasets)},
        trials=40,
    )
    return builder.write().read()


def main() -> None:
    """Make the report, open it and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    for name, number in (("tuners", 25), ("datasets", 10), ("seeds", 10)):
        parser.add_argument(f"--{name}", type=int, default=number)
    given = parser.parse_args()
    report = given.folder / "large" / "report"
    with measured("records"):
        records = generate(given.folder, given.tuners, given.datasets, given.seeds)
    with measured("tables"):
        write_tables(records, report / "tables")
    with measured("figures"):
        write_figures(records, report / "figures")
    with measured("page"):
        write_page(records, report / "tables", report / "figures", report / "report.html")
    print_parts(report / "report.html")
    path = find_chromium()
    if path is None:
        sys.exit("No Chromium was found, so it was not opened: install one, or run `playwright install chromium`.")
    measure_opening(report / "report.html", path)


if __name__ == "__main__":
    main()
