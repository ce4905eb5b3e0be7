"""A headless Chromium for tests of the page: that of the system, or the one that Playwright has installed.

    PYTHONPATH=tests python -m support.browser

has Playwright download one if there is none, as ``make test`` does. Without one, the tests of the page are skipped,
with a line in the summary; where NEED_CHROMIUM is set they fail.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

#: Sizes of the window in pixels.
LAPTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

#: Variable of the environment by which tests of the page fail without a Chromium, and are not skipped.
REQUIRING = "NEED_CHROMIUM"

ABSENT = "no Chromium was found, so the page is not tested: install one, or run `playwright install chromium`"

#: Seconds that its download may take.
PATIENCE = 300


def find_chromium() -> str | None:
    """Return the path of a Chromium; None if there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is not None:
        return found
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def is_required() -> bool:
    """Return whether tests of the page must not be skipped."""
    return os.environ.get(REQUIRING, "").lower() not in ("", "0", "false")


def require_chromium() -> str:
    """Return the path of a Chromium; without one, skip the test, or fail it where one is required."""
    path = find_chromium()
    if path is not None:
        return path
    if is_required():
        pytest.fail(f"{ABSENT}. It may not be skipped here: {REQUIRING} is set", pytrace=False)
    pytest.skip(ABSENT)


def provide_chromium() -> int:
    """Have Playwright download a Chromium if there is none, and say so if it cannot.

    Returns:
        The exit status: 1 if there is none where it is required.
    """
    if find_chromium() is not None:
        return 0
    print("There is no Chromium for the tests of the page: Playwright downloads one into its cache.", flush=True)
    try:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=True, timeout=PATIENCE)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"It could not be downloaded ({error}).", file=sys.stderr)
    if find_chromium() is not None:
        return 0
    print(ABSENT, file=sys.stderr)
    return int(is_required())


@contextmanager
def open_browser(path: str) -> Iterator[Browser]:
    """Start the Chromium at ``path``; tests may run as root, so it has no sandbox, and it opens files of tests only."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


if __name__ == "__main__":
    sys.exit(provide_chromium())
