"""Pickles for another process of this machine that hold no large array: they say from which file to map it."""

import io
import mmap
import os
import pickle
import tempfile
from contextlib import ExitStack
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from blindtune.core.errors import UserError

#: Bytes from which on an array is mapped.
LEAST = 2**20


class Mapped:
    """A value as a pickle; unpickled elsewhere, its large arrays are mapped read-only, as long as this is not closed.

    An array that is a memory map travels as the name of its file. Others are written once, into files without a name,
    which vanish with this process however it ends.

    Attributes:
        pickled: the value.

    Raises:
        UserError: there is no room for what has to be written.
    """

    def __init__(self, value: object) -> None:
        self._files = ExitStack()
        stream = io.BytesIO()
        _Pickler(stream, self._files).dump(value)
        self.pickled = stream.getvalue()

    def close(self) -> None:
        """Give up what was written; what is mapped already stays so."""
        self._files.close()


class _Pickler(pickle.Pickler):
    def __init__(self, stream: IO[bytes], files: ExitStack) -> None:
        super().__init__(stream, pickle.HIGHEST_PROTOCOL)
        self._files = files

    def reducer_override(self, value: Any) -> Any:
        """As `pickle.Pickler` asks for it: how an array is made again."""
        if not isinstance(value, np.ndarray) or value.dtype.hasobject:
            return NotImplemented
        # A part of a map would carry the place of the whole.
        if isinstance(value, np.memmap) and isinstance(value.base, mmap.mmap) and value.filename is not None:
            order = "C" if value.flags.c_contiguous else "F"
            return np.memmap, (value.filename, value.dtype, "r", value.offset, value.shape, order)
        if value.nbytes < LEAST:
            return NotImplemented
        return np.memmap, (self._written(value), value.dtype, "r", 0, value.shape)

    def _written(self, array: NDArray[Any]) -> str:
        """Where whoever runs on this machine finds the values of an array."""
        try:
            file = self._files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  that closes it
            np.ascontiguousarray(array).tofile(file)
            file.flush()
        except OSError as error:
            raise UserError(
                f"{tempfile.gettempdir()}: {array.nbytes / 2**20:.0f} MiB that workers share cannot be written "
                f"({error.strerror}). Set TMPDIR to a folder with room, or workers to 1."
            ) from error
        return f"/proc/{os.getpid()}/fd/{file.fileno()}"
