"""The channel between a pool and one of its workers, by which each sends the other pickled messages.

Both ends of a socket pair are processes of this study, so a plain `Channel` trusts what it gets. A `SignedChannel` is a
connection over a network, opened by `blindtune.training.pool.handshake`: every message is signed, and none is unpickled
whose signature is wrong. What is sent is not secret.
"""

import hmac
import pickle
from multiprocessing.connection import Connection
from typing import Any

#: Bytes of a signature (HMAC with SHA-256), of a key and of a nonce.
DIGEST_BYTES = 32

#: Bytes of the longest message over a network; the weights and the state of one network are a small part of it.
MAX_MESSAGE_BYTES = 2**34


class ChannelError(OSError):
    """What arrived was not sent by the other end."""


class Channel:
    """One end of a socket pair.

    Objects of this class can be waited for with `multiprocessing.connection.wait`.
    """

    def __init__(self, descriptor: int) -> None:
        """Take over an open socket.

        Args:
            descriptor: of the socket; `close` closes it.
        """
        self._connection: Connection[Any, Any] = Connection(descriptor)

    def fileno(self) -> int:
        """Return the descriptor of the socket."""
        return self._connection.fileno()

    def send(self, message: object) -> None:
        """Send a message.

        Raises:
            OSError: the other end is closed.
        """
        self._connection.send_bytes(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))

    def receive(self) -> Any:
        """Return the next message; waits for it.

        Raises:
            EOFError: the other end is closed.
            OSError: the connection is broken, or what arrived was not sent by the other end.
        """
        return pickle.loads(self.receive_bytes())  # noqa: S301  of a process of this study: see the class

    def receive_bytes(self) -> bytes:
        """Return the next message, pickled; waits for it, and raises the errors of `receive`."""
        return self._connection.recv_bytes()

    def close(self) -> None:
        """Close this end; the other one notices at once."""
        self._connection.close()


class SignedChannel(Channel):
    """One end of a connection over a network.

    Each direction has another key, and a signature covers the number of the message: a message that was changed,
    left out, repeated or sent back is refused, and ends the channel.
    """

    def __init__(self, descriptor: int, send_key: bytes, receive_key: bytes) -> None:
        """Take over a connected socket.

        Args:
            descriptor: of the socket; `close` closes it.
            send_key: signs what is sent.
            receive_key: signs what is received.
        """
        super().__init__(descriptor)
        self._send_key, self._receive_key = send_key, receive_key
        self._n_sent = self._n_received = 0

    def send(self, message: object) -> None:
        """Send a message with its signature; see `Channel.send`."""
        pickled = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
        self._connection.send_bytes(_sign(self._send_key, self._n_sent, pickled) + pickled)
        self._n_sent += 1

    def receive_bytes(self) -> bytes:
        """Return the next message, pickled, if its signature is right; see `Channel.receive`."""
        received = self._connection.recv_bytes(MAX_MESSAGE_BYTES)
        signature, pickled = received[:DIGEST_BYTES], received[DIGEST_BYTES:]
        if not hmac.compare_digest(signature, _sign(self._receive_key, self._n_received, pickled)):
            raise ChannelError("a message has a wrong signature")
        self._n_received += 1
        return pickled


def _sign(key: bytes, number: int, pickled: bytes) -> bytes:
    signature = hmac.new(key, number.to_bytes(8, "big"), "sha256")
    signature.update(pickled)
    return signature.digest()
