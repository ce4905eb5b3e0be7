"""Pickles for other processes, with the large arrays left out and mapped from files."""

import io
import mmap
import os
import pickle
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from blindtune.core.errors import UserError

#: Size in bytes from which an array is mapped, not pickled.
MIN_MAPPED_BYTES = 2**20

#: The beginning of the names of files in a folder that several nodes see.
_PREFIX = "worker_arrays_"


class SharedPickle:
    """A pickled value; the process that unpickles it maps the large arrays, read-only, until this is closed.

    For an array that is a memory map, the pickle has the name of its file. Any other large array is written once. For
    processes on this machine that is a file without a name, which is removed with this process however it ends.
    Processes on other nodes need a file in a folder that they see; if this process is killed, `remove_left_arrays`
    removes it.

    Attributes:
        pickled: the value.
    """

    def __init__(self, value: object, folder: Path | None = None) -> None:
        """Pickle a value.

        Args:
            value: what to pickle.
            folder: the absolute path of a folder that all processes see; None: they are on this machine.

        Raises:
            UserError: there is no room for the arrays that must be written.
        """
        self._files = ExitStack()
        stream = io.BytesIO()
        _Pickler(stream, self._files, folder).dump(value)
        self.pickled = stream.getvalue()

    def close(self) -> None:
        """Remove what was written; arrays that are mapped already stay valid."""
        self._files.close()


def remove_left_arrays(folder: Path) -> None:
    """Remove the arrays that a killed process has left in a folder to which only this process writes.

    Args:
        folder: as `SharedPickle` got it.
    """
    for path in folder.glob(f"{_PREFIX}*"):
        path.unlink(missing_ok=True)


class _Pickler(pickle.Pickler):
    def __init__(self, stream: IO[bytes], files: ExitStack, folder: Path | None) -> None:
        super().__init__(stream, pickle.HIGHEST_PROTOCOL)
        self._files = files
        self._folder = folder

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
        """Write an array and return the path under which every process finds it."""
        folder = self._folder
        try:
            if folder is None:
                file: Any = self._files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  the stack closes it
            else:
                file = self._files.enter_context(tempfile.NamedTemporaryFile(dir=folder, prefix=_PREFIX))  # noqa: SIM115
            np.ascontiguousarray(array).tofile(file)
            file.flush()
            if folder is not None:
                os.fsync(file.fileno())  # other nodes read what the file server has
        except OSError as error:
            hint = "Set TMPDIR to a folder with room." if folder is None else "Make room there."
            raise UserError(
                f"{folder or tempfile.gettempdir()}: {array.nbytes / 2**20:.0f} MiB that workers share cannot be "
                f"written ({error.strerror}). {hint}"
            ) from error
        return f"/proc/{os.getpid()}/fd/{file.fileno()}" if folder is None else str(file.name)
