"""Fetching a published file, whole and checked."""

import http.client
import shutil
import urllib.error
import urllib.request
from pathlib import Path

from blindtune.core.errors import UserError
from blindtune.core.files import digest_of_file, write_beside

_TIMEOUT = 60.0


def fetch(url: str, sha256: str | None, path: Path) -> None:
    """Fetch ``url`` to ``path``.

    Args:
        url: http, https or file address.
        sha256: what the content must be; None where no hash is known.
        path: where to put it.

    Raises:
        UserError: it cannot be fetched, is empty, or is not what was expected.
    """
    write_beside(path, lambda beside: _download(url, beside, sha256))


def _download(url: str, path: Path, sha256: str | None) -> None:
    try:
        # The registry admits https, http and file addresses only.
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer, path.open("wb") as stream:  # noqa: S310
            shutil.copyfileobj(answer, stream)
            expected = answer.headers.get("Content-Length")
    except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException) as error:
        raise UserError(f"{url}: cannot be fetched ({error}). Fetch it by hand and give its folder instead.") from error
    if path.stat().st_size == 0:
        raise UserError(f"{url}: is empty.")
    if expected is not None and path.stat().st_size != int(expected):
        raise UserError(f"{url}: broke off after {path.stat().st_size} of {expected} bytes. Run again.")
    found = digest_of_file(path)
    if sha256 is not None and found != sha256:
        raise UserError(
            f"{url}: has sha256 {found}, but {sha256} was expected. The file changed or was damaged on its way; "
            "if the change is right, put the new hash into resources/datasets.yaml."
        )
