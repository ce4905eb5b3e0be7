"""Fetching writes the complete right file, or nothing and one message."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from blindtune.core.download import fetch
from blindtune.core.errors import UserError

CONTENT = b"0,1,2\n" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        match self.path:
            case "/train.csv":
                self._send(CONTENT, len(CONTENT))
            case "/empty.csv":
                self._send(b"", 0)
            case "/broken.csv":
                self._send(CONTENT[:500], len(CONTENT))
            case "/rude.csv":
                self.wfile.write(b"no http\n")
            case _:
                self.send_error(404)

    def _send(self, content: bytes, length: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("published")
    (path / "train.csv").write_bytes(CONTENT)
    (path / "empty.csv").touch()
    return path.as_uri()


@pytest.fixture(params=["server", "folder"])
def base(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


@pytest.mark.parametrize("sha256", [SHA256, None])
def test_fetch_writes_the_complete_file(base: str, tmp_path: Path, sha256: str | None) -> None:
    """The right file is written completely, with or without a known hash."""
    path = tmp_path / "new" / "train.csv"
    fetch(f"{base}/train.csv", sha256, path)
    assert path.read_bytes() == CONTENT
    assert [entry.name for entry in path.parent.iterdir()] == ["train.csv"]


def test_fetch_refuses_another_hash(base: str, tmp_path: Path) -> None:
    """A file with another hash is refused; the message names both hashes."""
    with pytest.raises(UserError, match=rf"/train\.csv: has sha256 {SHA256}, but 0000 was expected"):
        fetch(f"{base}/train.csv", "0000", tmp_path / "train.csv")
    assert list(tmp_path.iterdir()) == []


def test_fetch_keeps_the_old_file_if_the_new_one_is_wrong(base: str, tmp_path: Path) -> None:
    """A file that was fetched before stays if the new one is wrong."""
    (tmp_path / "train.csv").write_text("old", encoding="utf-8")
    with pytest.raises(UserError):
        fetch(f"{base}/train.csv", "0000", tmp_path / "train.csv")
    assert (tmp_path / "train.csv").read_text(encoding="utf-8") == "old"


@pytest.mark.parametrize(("name", "word"), [("gone.csv", "cannot be fetched"), ("empty.csv", "is empty")])
def test_fetch_refuses_a_missing_or_empty_file(base: str, tmp_path: Path, name: str, word: str) -> None:
    """A missing or empty file is refused and nothing is written."""
    with pytest.raises(UserError, match=rf"/{name}: {word}"):
        fetch(f"{base}/{name}", None, tmp_path / "train.csv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "word"), [("broken.csv", "broke off after 500 of 6000"), ("rude.csv", "cannot be")])
def test_fetch_refuses_an_incomplete_transfer(server: str, tmp_path: Path, name: str, word: str) -> None:
    """A transfer that breaks off is refused even if no hash is known."""
    with pytest.raises(UserError, match=rf"/{name}: {word}"):
        fetch(f"{server}/{name}", None, tmp_path / "train.csv")
    assert list(tmp_path.iterdir()) == []


def test_fetch_names_an_unreachable_server(tmp_path: Path) -> None:
    """A server that cannot be reached is an error that names the URL."""
    with pytest.raises(UserError, match=r"127\.0\.0\.1:9/train\.csv: cannot be fetched"):
        fetch("http://127.0.0.1:9/train.csv", None, tmp_path / "train.csv")
    assert list(tmp_path.iterdir()) == []
