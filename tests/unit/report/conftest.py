"""What the tests of the report share."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """A headless Chromium."""
    # Not imported for tests without a browser.
    from support.browser import find_chromium, open_browser

    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium was found: install one, or run `playwright install chromium`")
    with open_browser(path) as started:
        yield started
