"""The handshake by which a worker on another node connects to its study.

Both know a key of 32 random bytes, which the study gives to each worker that it starts. They exchange messages of fixed
sizes:

1. worker: `_MAGIC`, its number (8 bytes), a nonce
2. study: a nonce, and the signature of all of this as the study
3. worker: the signature of all of this as the worker

Each proves that it knows the key without sending it. Nonces make every handshake another one, and the names of the two
sides make a proof useless to whoever sends it back. The keys of the `SignedChannel` are derived from the same. Nothing
is unpickled before, and whoever says nothing is sent away after a few seconds.
"""

import hmac
import os
import socket
import time
from collections.abc import Callable

from blindtune.training.pool.channel import DIGEST_BYTES, ChannelError, SignedChannel

#: Identifies the protocol, and its version.
_MAGIC = b"blindtune pool 1"

_NUMBER_BYTES = 8

#: Seconds in which a worker must prove who it is.
HANDSHAKE_SECONDS = 10.0

#: Seconds that a worker waits for its turn: many may connect at the same time.
PATIENCE = 60.0

#: Seconds after which a connection is closed whose other end does not answer: its node is lost.
_LOST_SECONDS = 45


def accept_worker(
    connection: socket.socket, key: bytes, is_expected: Callable[[int], bool]
) -> tuple[int, SignedChannel]:
    """Let a worker prove that it is one, and prove that this is its study.

    Args:
        connection: as it was accepted; this function closes it or gives it to the channel.
        key: of the study.
        is_expected: whether a worker with this number was started and has not connected yet.

    Returns:
        The number of the worker, and the channel to it.

    Raises:
        OSError: it did not, or took too long.
    """
    with connection:
        deadline = time.monotonic() + HANDSHAKE_SECONDS
        hello = _receive(connection, len(_MAGIC) + _NUMBER_BYTES + DIGEST_BYTES, deadline)
        number = int.from_bytes(hello[len(_MAGIC) : len(_MAGIC) + _NUMBER_BYTES], "big")
        if not hello.startswith(_MAGIC) or not is_expected(number):
            raise ChannelError("this is no worker that was started")
        nonce = os.urandom(DIGEST_BYTES)
        spoken = hello + nonce
        connection.sendall(nonce + _prove(key, b"study", spoken))
        proof = _receive(connection, DIGEST_BYTES, deadline)
        if not hmac.compare_digest(proof, _prove(key, b"worker", spoken)):
            raise ChannelError("a worker has another key")
        return number, _open(connection, _prove(key, b"to worker", spoken), _prove(key, b"to study", spoken))


def connect_to_study(address: str, port: int, number: int, key: bytes) -> SignedChannel:
    """Connect a worker to its study, and let both prove who they are.

    Args:
        address: where the study listens.
        port: where the study listens.
        number: of the worker.
        key: of the study.

    Raises:
        OSError: nothing listens there, or it is not the study of this worker.
    """
    deadline = time.monotonic() + PATIENCE
    with socket.create_connection((address, port), PATIENCE) as connection:
        hello = _MAGIC + number.to_bytes(_NUMBER_BYTES, "big") + os.urandom(DIGEST_BYTES)
        connection.sendall(hello)
        answer = _receive(connection, 2 * DIGEST_BYTES, deadline)
        spoken = hello + answer[:DIGEST_BYTES]
        if not hmac.compare_digest(answer[DIGEST_BYTES:], _prove(key, b"study", spoken)):
            raise ChannelError(f"{address}:{port} is not the study of this worker")
        connection.sendall(_prove(key, b"worker", spoken))
        return _open(connection, _prove(key, b"to study", spoken), _prove(key, b"to worker", spoken))


def _receive(connection: socket.socket, size: int, deadline: float) -> bytes:
    """Return exactly so many bytes.

    Raises:
        OSError: the other end is closed, or has not sent them in time.
    """
    received = b""
    while len(received) < size:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the other end says nothing")
        connection.settimeout(left)
        part = connection.recv(size - len(received))
        if not part:
            raise ChannelError("the other end has closed the connection")
        received += part
    return received


def _prove(key: bytes, label: bytes, spoken: bytes) -> bytes:
    """Return the signature of what was said so far, under a label that says what it is for."""
    return hmac.digest(key, label + b"\0" + spoken, "sha256")


def _open(connection: socket.socket, send_key: bytes, receive_key: bytes) -> SignedChannel:
    """Return the channel of a connection, which notices that the node of the other end is lost."""
    connection.settimeout(None)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_KEEPIDLE, _LOST_SECONDS // 3),
        (socket.TCP_KEEPINTVL, _LOST_SECONDS // 9),
        (socket.TCP_KEEPCNT, 6),
        (socket.TCP_USER_TIMEOUT, _LOST_SECONDS * 1000),
    ):
        connection.setsockopt(socket.IPPROTO_TCP, option, value)
    return SignedChannel(connection.detach(), send_key, receive_key)
