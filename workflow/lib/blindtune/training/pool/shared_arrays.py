"""Pickles for other processes on this machine, with the large arrays left out and mapped from files."""

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

#: Size in bytes from which an array is mapped, not pickled.
MIN_MAPPED_BYTES = 2**20


class SharedPickle:
    """A pickled value; the process that unpickles it maps the large arrays, read-only, until this is closed.

    For an array that is a memory map, the pickle has the name of its file. Any other large array is written once, into
    a file without a name, which is removed with this process however it ends.

    Attributes:
        pickled: the value.
    """

    def __init__(self, value: object) -> None:
        """Pickle a value.

        Raises:
            UserError: there is no room for the arrays that must be written.
        """
        self._files = ExitStack()
        stream = io.BytesIO()
        _Pickler(stream, self._files).dump(value)
        self.pickled = stream.getvalue()

    def close(self) -> None:
        """Remove what was written; arrays that are mapped already stay valid."""
        self._files.close()


class _Pickler(pickle.Pickler):
    def __init__(self, stream: IO[bytes], files: ExitStack) -> None:
        super().__init__(stream, pickle.HIGHEST_PROTOCOL)
        self._files = files

    def reducer_override(self, value: Any) -> Any:
        """Return how a large array is mapped; called by `pickle.Pickler` for each object."""
        if not isinstance(value, np.ndarray) or value.dtype.hasobject:
            return NotImplemented
        # A slice of a map has the file and the offset of the whole map, so it is not mapped from there.
        if isinstance(value, np.memmap) and isinstance(value.base, mmap.mmap) and value.filename is not None:
            order = "C" if value.flags.c_contiguous else "F"
            return np.memmap, (value.filename, value.dtype, "r", value.offset, value.shape, order)
        if value.nbytes < MIN_MAPPED_BYTES:
            return NotImplemented
        return np.memmap, (self._write(value), value.dtype, "r", 0, value.shape)

    def _write(self, array: NDArray[Any]) -> str:
        """Write an array and return the path under which every process of this machine finds it."""
        try:
            file = self._files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  the stack closes it
            np.ascontiguousarray(array).tofile(file)
            file.flush()
        except OSError as error:
            raise UserError(
                f"{tempfile.gettempdir()}: {array.nbytes / 2**20:.0f} MiB that workers share cannot be written "
                f"({error.strerror}). Set TMPDIR to a folder with room."
            ) from error
        return f"/proc/{os.getpid()}/fd/{file.fileno()}"
