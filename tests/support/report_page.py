"""What tests know of the page: the script elements that it may have."""

import re

#: The beginning of every script element of the page: data that is not run, and the page's own script.
PAGE_SCRIPTS = {
    '<script type="text/plain" id="packed-" data-media="">',
    '<script type="text/plain" id="packed-">',
    '<script type="text/plain" class="rest" data-rows="">',
    '<script type="application/gzip" id="chart-">',
    "<script>",
}


def list_scripts(page: str) -> set[str]:
    """Return the beginnings of all script elements of a page, without the values of their other attributes."""
    found = re.findall(r"<script\b[^>]*>", page, re.IGNORECASE)
    blank = (re.sub(r'((?:data-media|data-rows)=")[^"]*', r"\1", tag) for tag in found)
    return {re.sub(r'(id="(?:packed|chart)-)[^"]*', r"\1", tag) for tag in blank}
