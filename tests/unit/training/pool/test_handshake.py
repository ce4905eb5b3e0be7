"""The connection of a worker on another node: whoever does not know the key gets nothing unpickled, and no time."""

import os
import pickle
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from blindtune.training.pool import channel as channels
from blindtune.training.pool import handshake
from blindtune.training.pool.channel import Channel, ChannelError, SignedChannel
from blindtune.training.pool.handshake import connect_to_study
from blindtune.training.pool.launcher import WORKER_MODULE, worker_environment
from blindtune.training.pool.listener import Listener


@pytest.fixture
def listener() -> Iterator[Listener]:
    with closing(Listener("127.0.0.1")) as found:
        yield found


def wait_for(condition: Callable[[], Any], seconds: float = 5.0) -> Any:
    """Return the first value of a function that is true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.01)
    return found


def connect(listener: Listener, number: int = 1) -> tuple[Channel, Channel]:
    """Return both ends of a channel."""
    listener.expect(number)
    theirs = connect_to_study(listener.address, listener.port, number, listener.key)
    return wait_for(lambda: listener.take(number)), theirs


def is_closed(connection: socket.socket) -> bool:
    """Return whether the other end closes a connection without a word."""
    connection.settimeout(5.0)
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_messages_pass_in_both_directions(listener: Listener) -> None:
    """Both ends send and receive, messages of any size."""
    ours, theirs = connect(listener)
    large = os.urandom(3_000_000)
    sender = threading.Thread(target=lambda: [ours.send(message) for message in (1, large, {"a": 2})])
    sender.start()
    assert [theirs.receive() for _ in range(3)] == [1, large, {"a": 2}]
    sender.join()
    theirs.send("back")
    assert ours.receive() == "back"
    theirs.close()
    with pytest.raises(EOFError):
        ours.receive()


def test_wrong_key_is_refused_on_both_sides(listener: Listener) -> None:
    """A worker with another key does not trust the study, and the study gets no worker."""
    listener.expect(1)
    with pytest.raises(ChannelError, match="is not the study of this worker"):
        connect_to_study(listener.address, listener.port, 1, os.urandom(32))
    assert listener.take(1) is None


def test_study_refuses_a_worker_that_cannot_prove_its_key(listener: Listener) -> None:
    """A worker that takes every study for its own, and answers with what it got, is sent away."""
    listener.expect(1)
    hello = handshake._MAGIC + (1).to_bytes(8, "big") + bytes(32)
    for answer in (lambda got: got[32:], lambda got: bytes(32)):
        with socket.create_connection((listener.address, listener.port)) as connection:
            connection.sendall(hello)
            connection.sendall(answer(connection.recv(64, socket.MSG_WAITALL)))
            assert is_closed(connection)
    assert listener.take(1) is None


@pytest.mark.parametrize("number", [2, 1])
def test_unexpected_number_is_refused(listener: Listener, number: int) -> None:
    """A worker that was not started, or has connected before, is sent away, though it knows the key."""
    connect(listener, 1)
    with pytest.raises(OSError, match=r"closed the connection|reset by peer"):
        connect_to_study(listener.address, listener.port, number, listener.key)


def test_silent_connections_are_closed_and_keep_no_worker_away(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections that say nothing, or trickle, are closed in time; a worker connects meanwhile and afterwards."""
    monkeypatch.setattr(handshake, "HANDSHAKE_SECONDS", 0.6)
    silent = [socket.create_connection((listener.address, listener.port)) for _ in range(100)]
    for connection in silent[:3]:
        connection.sendall(b"blind")
    ours, theirs = connect(listener)
    ours.send("hello")
    assert theirs.receive() == "hello"
    assert all(map(is_closed, silent))
    for connection in silent:
        connection.close()


def test_nothing_is_unpickled_before_the_handshake(listener: Listener) -> None:
    """A pickle in place of a greeting is not looked at."""
    listener.expect(1)
    with socket.create_connection((listener.address, listener.port)) as connection:
        connection.sendall(pickle.dumps(_Bomb()) * 10)
        assert is_closed(connection)
    assert not _Bomb.exploded


class _Bomb:
    exploded = False

    def __reduce__(self) -> Any:
        return _explode, ()


def _explode() -> None:
    _Bomb.exploded = True


@pytest.mark.parametrize("change", ["flip", "repeat", "reflect", "cut"])
def test_forged_message_is_refused(change: str) -> None:
    """A message that was changed, sent twice, sent back or has no signature is not unpickled."""
    wire, end = socket.socketpair()
    keys = os.urandom(32), os.urandom(32)
    sender_end, tap = socket.socketpair()
    sender, receiver = SignedChannel(sender_end.detach(), *keys), SignedChannel(end.detach(), *reversed(keys))
    sender.send("a")
    sent = tap.recv(1000)
    forged = {
        "flip": sent[:-2] + bytes([sent[-2] ^ 1]) + sent[-1:],
        "repeat": sent * 2,
        "reflect": sent,
        "cut": (3).to_bytes(4, "big") + b"abc",
    }[change]
    wire.sendall(forged)
    if change == "repeat":
        assert receiver.receive() == "a"
    target: Channel = receiver
    if change == "reflect":
        tap.sendall(sent)
        target = sender
    with pytest.raises(ChannelError, match="wrong signature"):
        target.receive()


def test_message_over_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A length that no message has is refused before memory is taken for it."""
    wire, end = socket.socketpair()
    monkeypatch.setattr(channels, "MAX_MESSAGE_BYTES", 1000)
    wire.sendall((2000).to_bytes(4, "big"))
    with pytest.raises(OSError, match="bad message length"):
        SignedChannel(end.detach(), b"", b"").receive()


def test_listener_listens_on_its_address_alone(listener: Listener) -> None:
    """The port is closed on any other address of the machine, and everywhere after `close`."""
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.2", listener.port), 2)
    listener.close()
    with pytest.raises(OSError):
        socket.create_connection((listener.address, listener.port), 2)


@pytest.mark.parametrize("key", [b"", bytes(32)])
def test_worker_without_the_key_or_a_study_ends(key: bytes, listener: Listener) -> None:
    """A worker that gets no key, or a key that nobody knows, ends with a sentence and no traceback."""
    listener.expect(1)
    command = [sys.executable, "-P", "-m", WORKER_MODULE, listener.address, str(listener.port), "1"]
    done = subprocess.run(command, input=key, capture_output=True, env=worker_environment(), timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(b"worker: ") and done.stderr.count(b"\n") == 1
