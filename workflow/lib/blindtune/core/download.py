"""Fetch published files and verify their content."""

import http.client
import shutil
import urllib.error
import urllib.request
from pathlib import Path

from blindtune.core.errors import TransientError
from blindtune.core.files import digest_file, write_atomically

_TIMEOUT = 60.0


def fetch(url: str, sha256: str | None, path: Path) -> None:
    """Fetch ``url`` to ``path``.

    Args:
        url: An http, https or file URL.
        sha256: The expected SHA-256 of the content; None if it is not known.
        path: The file to write.

    Raises:
        TransientError: The file cannot be fetched, is empty, or is not the expected one.
    """
    write_atomically(path, lambda part: _download(url, part, sha256))


def _download(url: str, path: Path, sha256: str | None) -> None:
    try:
        # resources/datasets.yaml accepts https, http and file URLs only.
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer, path.open("wb") as stream:  # noqa: S310
            shutil.copyfileobj(answer, stream)
            expected = answer.headers.get("Content-Length")
    except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException) as error:
        raise TransientError(
            f"{url}: cannot be fetched ({error}). Fetch it by hand and give its folder instead."
        ) from error
    if path.stat().st_size == 0:
        raise TransientError(f"{url}: is empty.")
    if expected is not None and path.stat().st_size != int(expected):
        raise TransientError(f"{url}: broke off after {path.stat().st_size} of {expected} bytes. Run again.")
    found = digest_file(path)
    if sha256 is not None and found != sha256:
        raise TransientError(
            f"{url}: has sha256 {found}, but {sha256} was expected. The file changed or was damaged on its way; "
            "if the change is right, put the new hash into resources/datasets.yaml."
        )
