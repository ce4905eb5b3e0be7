"""The documents as tests read them: pages, links, anchors and blocks of code."""

import re
from dataclasses import dataclass
from pathlib import Path

from support.builders import ROOT

DOCS = ROOT / "docs"
_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(([^()\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A block of code of a page.

    Attributes:
        page: the file.
        line: number of its first line.
        kind: the language after the fence; empty if there is none.
        text: the code, without the indentation of a list.
    """

    page: Path
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        """Return where it is, for messages."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def list_pages() -> list[Path]:
    """Return every document of the project but the copy of the changelog that `make docs` writes."""
    pages = [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
    return sorted(page for page in pages if page != DOCS / "project" / "changelog.md")


def read_blocks(page: Path, kind: str | None = None) -> list[Block]:
    """Return the blocks of code of a page in their order.

    Args:
        page: the file.
        kind: only those of this language; None: all.
    """
    text = page.read_text(encoding="utf-8")
    blocks = []
    for found in _FENCE.finditer(text):
        indent = found[1]
        lines = [line.removeprefix(indent) for line in found[3].splitlines(keepends=True)]
        blocks.append(Block(page, text.count("\n", 0, found.start(3)) + 1, found[2], "".join(lines)))
    return [block for block in blocks if kind in (None, block.kind)]


def read_links(page: Path) -> list[str]:
    """Return the target of each link and picture of a page, outside of code."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    return _LINK.findall(re.sub(r"`[^`\n]*`(?!\])", "", text))


def read_anchors(page: Path) -> set[str]:
    """Return the anchors of a page: those of its headings, as GitHub and the site make them, and explicit ones."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    anchors = set(re.findall(r'<a id="([^"]+)">', text))
    for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
        anchors.add(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
    return anchors
