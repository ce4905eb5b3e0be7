"""The check of the built site finds what a browser would miss."""

from pathlib import Path

from checks.site import faults

PAGE = '<html><head>{head}</head><body id="top">{body}</body></html>'


def write_site(folder: Path, **pages: tuple[str, str]) -> Path:
    """Write pages of a head and a body, by their names without the suffix."""
    for name, (head, body) in pages.items():
        (folder / f"{name}.html").write_text(PAGE.format(head=head, body=body), encoding="utf-8")
    return folder


def test_faults_of_a_good_site_are_none(tmp_path: Path) -> None:
    """Links within the site, to other sites, and to anchors pass; so does a style of the site."""
    (tmp_path / "a.css").write_text("p {color: red}", encoding="utf-8")
    head = '<link rel="stylesheet" href="a.css"><link rel="canonical" href="https://example.com/">'
    body = '<a href="two.html#top">x</a><a href="#top">x</a><a href="https://example.com">x</a><a href="mailto:x">x</a>'
    assert list(faults(write_site(tmp_path, one=(head, body), two=("", "")))) == []


def test_faults_names_each_page_and_target(tmp_path: Path) -> None:
    """A file from elsewhere, a missing page, picture or anchor, and a style that loads another are named."""
    (tmp_path / "a.css").write_text('@import "https://example.com/b.css";', encoding="utf-8")
    body = '<a href="two.html">x</a><img src="no.png"><a href="one.html#no">x</a>'
    found = list(faults(write_site(tmp_path, one=('<script src="https://example.com/x.js"></script>', body))))
    assert sorted(found) == [
        "a.css: loads a file from elsewhere",
        "one.html: loads https://example.com/x.js",
        "one.html: no.png does not exist",
        "one.html: one.html#no: there is no such anchor",
        "one.html: two.html does not exist",
    ]


def test_faults_of_an_empty_folder_is_one(tmp_path: Path) -> None:
    """A folder without pages is no site."""
    assert list(faults(tmp_path)) == [f"{tmp_path} has no page; run make docs"]
