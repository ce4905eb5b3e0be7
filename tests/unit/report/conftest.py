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
    from support.browser import open_browser, require_chromium

    with open_browser(require_chromium()) as started:
        yield started
