"""The files that can be downloaded: addresses and sha256, as data in resources/datasets.yaml."""

from functools import cache

from pydantic import Field, RootModel

from blindtune.core.resources import RESOURCES
from blindtune.core.validation import Strict, load, suggest_name


class Download(Strict):
    """One set of files: their address and their sha256."""

    url: str = Field(pattern=r"^(https|http|file)://", description="folder of the files")
    sha256: dict[str, str | None] = Field(description="sha256 of each file; null: not known yet")


class _Downloads(RootModel[dict[str, Download]]):
    pass


def get_download(name: str) -> Download:
    """Return a set of files by its name.

    Raises:
        ValueError: resources/datasets.yaml has no such set.
    """
    known = _read()
    if name not in known:
        raise ValueError(f"fetch: no set {name!r} in resources/datasets.yaml: {suggest_name(name, list(known))}")
    return known[name]


@cache
def _read() -> dict[str, Download]:
    return load(_Downloads, RESOURCES / "datasets.yaml").root
