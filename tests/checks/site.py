"""Check the built docs site: it loads nothing from elsewhere, and every link in it leads somewhere.

``make docs`` runs ``python tests/checks/site.py .site`` after the build. The builder checks the links of Markdown; this
checks the pages as a browser gets them, with pictures and with the links that the API reference and the theme make.
"""

import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

#: The attributes by which a browser loads a file when it shows a page, by tag.
LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src"}
#: Kinds of links in the head that load nothing.
PASSIVE = {"canonical", "next", "prev", "alternate"}


class _Page(HTMLParser):
    """The links, loaded files and anchors of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag links to, loads or names."""
        found = dict(attrs)
        self.anchors |= {str(found[key]) for key in ("id", "name") if found.get(key)}
        if tag == "a" and found.get("href"):
            self.links.append(str(found["href"]))
        if tag == "link" and not set(str(found.get("rel")).split()) & PASSIVE:
            self.loaded.append(str(found.get("href")))
        if tag in LOADS and found.get(LOADS[tag]):
            self.loaded.append(str(found[LOADS[tag]]))


def faults(site: Path) -> Iterator[str]:
    """Yield a sentence for each page that loads a file from elsewhere, and for each link that leads nowhere."""
    pages = {path: _Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    if not pages:
        yield f"{site} has no page; run make docs"
    for path, page in pages.items():
        # The page of errors is served at any address and links from the root of the site.
        if path.name == "404.html":
            continue
        where = path.relative_to(site)
        for target in [*page.loaded, *page.links]:
            parts = urlsplit(target)
            if parts.scheme in ("http", "https") or parts.netloc:
                if target in page.loaded:
                    yield f"{where}: loads {target}"
                continue
            if parts.scheme:
                continue
            file = (path.parent / unquote(parts.path)).resolve() if parts.path else path.resolve()
            file = file / "index.html" if file.is_dir() else file
            if not file.is_file():
                yield f"{where}: {target} does not exist"
            elif parts.fragment and file.suffix == ".html":
                known = pages[site / file.relative_to(site.resolve())].anchors
                # Ids that the theme's scripts make when the page is shown.
                if unquote(parts.fragment) not in known and not parts.fragment.startswith("__"):
                    yield f"{where}: {target}: there is no such anchor"
    for css in sorted(site.rglob("*.css")):
        text = css.read_text(encoding="utf-8")
        if "url(http" in text.replace('"', "").replace("'", "") or "@import" in text:
            yield f"{css.relative_to(site)}: loads a file from elsewhere"


def main() -> int:
    """Print the faults of the site that the first argument names; return the exit status."""
    found = list(faults(Path(sys.argv[1])))
    for fault in found:
        print(fault, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
