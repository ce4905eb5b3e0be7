"""The registry of files that can be fetched: addresses and sha256, as data in resources/datasets.yaml."""

from functools import cache

from pydantic import Field, RootModel

from blindtune.core.resources import RESOURCES
from blindtune.core.validation import Strict, load, nearest


class Download(Strict):
    """One set: where its files lie and what they must be."""

    url: str = Field(pattern=r"^(https|http|file)://", description="folder that holds the files")
    sha256: dict[str, str | None] = Field(description="a hash per file; null where none is known yet")


class _Downloads(RootModel[dict[str, Download]]):
    pass


def get_download(name: str) -> Download:
    """The entry of a registered set; raises ValueError where there is none."""
    known = _read()
    if name not in known:
        raise ValueError(f"fetch: no set {name!r} in resources/datasets.yaml: {nearest(name, list(known))}")
    return known[name]


@cache
def _read() -> dict[str, Download]:
    return load(_Downloads, RESOURCES / "datasets.yaml").root
