"""Measure the page of a large report: its size, and how long a browser needs to open it.

``python workflow/benchmarks/report_size.py FOLDER`` writes generated records of 25 tuners on 10 datasets with 10 seeds,
makes the report, and opens it in headless Chromium. It prints the bytes of the page, the seconds until it is loaded
and the first screen is painted, and the seconds until a part has opened. ``--tuners``, ``--datasets`` and ``--seeds``
make it smaller.
"""

import argparse
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
    begun = time.perf_counter()
    yield
    print(f"{what}: {time.perf_counter() - begun:.1f} s", flush=True)


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
    print(f"size of the page: {(report / 'report.html').stat().st_size / 1e6:.2f} MB")
    path = find_chromium()
    if path is None:
        sys.exit("No Chromium was found, so it was not opened: install one, or run `playwright install chromium`.")
    with open_browser(path) as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto((report / "report.html").as_uri())
        page.wait_for_timeout(500)
        ready, loaded, painted = (value / 1000 for value in page.evaluate(TIMES))
        print(f"first paint: {painted:.2f} s, document ready: {ready:.2f} s, loaded: {loaded:.2f} s")
        with measured("opening the largest part"):
            page.click("nav a[href='#which-tuner']")
            page.locator("#tuner_pairs tbody tr").first.wait_for(state="visible")


if __name__ == "__main__":
    main()
