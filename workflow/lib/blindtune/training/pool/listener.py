"""Listens for the workers of a study that start on other nodes."""

import errno
import os
import socket
import threading
import time
from contextlib import suppress

from blindtune.training.pool.channel import DIGEST_BYTES, SignedChannel
from blindtune.training.pool.handshake import accept_worker

#: Handshakes at the same time; further connections wait until one of these has ended.
_MAX_HANDSHAKES = 64

#: Errors after which it goes on, and the seconds that it waits before: a connection that was given up, too many files.
_PASSING, _PAUSE = (errno.ECONNABORTED, errno.EPROTO, errno.EINTR, errno.EMFILE, errno.ENFILE, errno.ENOBUFS), 0.2


class Listener:
    """Listens on one address of this node, at a port that the system chooses, and keeps who proves to be a worker.

    Attributes:
        address: where it listens.
        port: where it listens.
        key: which workers must know; another one in each object.
    """

    def __init__(self, address: str) -> None:
        """Begin to listen.

        Args:
            address: an address of this machine.

        Raises:
            OSError: the system refuses.
        """
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._server = socket.create_server((address, 0), family=family, backlog=_MAX_HANDSHAKES)
        self.address, self.port = self._server.getsockname()[:2]
        self.key = os.urandom(DIGEST_BYTES)
        self._lock = threading.Lock()
        self._expected: set[int] = set()
        self._channels: dict[int, SignedChannel] = {}
        self._free = threading.Semaphore(_MAX_HANDSHAKES)
        threading.Thread(target=self._accept_all, name="pool listener", daemon=True).start()

    def expect(self, number: int) -> None:
        """Let a worker connect, once.

        Args:
            number: of the worker.
        """
        with self._lock:
            self._expected.add(number)

    def take(self, number: int) -> SignedChannel | None:
        """Return the channel to a worker; None if it has not connected.

        Args:
            number: of the worker.
        """
        with self._lock:
            return self._channels.pop(number, None)

    def forget(self, number: int) -> None:
        """Send a worker away that has not connected yet.

        Args:
            number: of the worker.
        """
        with self._lock:
            self._expected.discard(number)
            channel = self._channels.pop(number, None)
        if channel is not None:
            channel.close()

    def close(self) -> None:
        """Listen no more; channels that were taken stay open."""
        with self._lock:
            waiting = list(self._channels)
            self._expected.clear()
        for number in waiting:
            self.forget(number)
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)  # wakes the thread
        self._server.close()

    def _accept_all(self) -> None:
        while True:
            self._free.acquire()
            try:
                connection, _ = self._server.accept()
            except OSError as error:
                self._free.release()
                if error.errno in _PASSING:
                    time.sleep(_PAUSE)
                    continue
                return  # closed
            threading.Thread(target=self._greet, args=[connection], daemon=True).start()

    def _greet(self, connection: socket.socket) -> None:
        try:
            with suppress(OSError):
                number, channel = accept_worker(connection, self.key, self._is_expected)
                with self._lock:
                    is_first = number in self._expected
                    if is_first:
                        self._expected.remove(number)
                        self._channels[number] = channel
                if not is_first:
                    channel.close()
        finally:
            self._free.release()

    def _is_expected(self, number: int) -> bool:
        with self._lock:
            return number in self._expected
