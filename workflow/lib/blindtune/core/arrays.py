"""Read, write and identify arrays in .npy and .npz files."""

import hashlib
import struct
import tokenize
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

from blindtune.core.errors import UserError
from blindtune.core.files import check_regular_file, write_atomically

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: What NumPy, zipfile and safetensors raise for a file that is damaged, or whose header lies about what follows.
UNREADABLE = (
    OSError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    AttributeError,
    SyntaxError,
    ArithmeticError,
    MemoryError,
    RecursionError,
    NotImplementedError,
    RuntimeError,
    BadZipFile,
    struct.error,
    zlib.error,
    tokenize.TokenError,
)


class ArraysDigest:
    """The SHA-256 over the names, types, shapes and bytes of arrays that are given one part at a time."""

    def __init__(self) -> None:
        self._total = hashlib.sha256()

    def begin(self, name: str, dtype: "np.dtype[Any]", shape: tuple[int, ...]) -> None:
        """Begin the next array.

        Args:
            name: The array's name; names must come in sorted order.
            dtype: Its type.
            shape: Its shape.
        """
        self._total.update(f"{name}|{dtype.str}|{shape}|".encode())

    def update(self, values: "NDArray[Any]") -> None:
        """Add the next values of the array, in C order."""
        import numpy as np

        array = np.ascontiguousarray(values)
        self._total.update(array.data.cast("B") if array.size else b"")

    def hexdigest(self) -> str:
        """Return the digest of what was added so far."""
        return self._total.hexdigest()


def digest_arrays(arrays: Mapping[str, "NDArray[Any]"]) -> str:
    """Return the SHA-256 over the names, types, shapes and bytes of ``arrays``, independent of their order."""
    import numpy as np

    total = ArraysDigest()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        total.begin(name, array.dtype, array.shape)
        total.update(array)
    return total.hexdigest()


def write_array(path: Path, array: "NDArray[Any]") -> None:
    """Write ``array`` as .npy to ``path``, as `write_atomically` does."""
    import numpy as np

    write_atomically(path, lambda part: np.save(part, array, allow_pickle=False))


def open_array(path: Path, remedy: str) -> "NDArray[Any]":
    """Return the array in a .npy file, memory-mapped.

    Args:
        path: The file.
        remedy: What a user can do if it is damaged, as a sentence.

    Raises:
        UserError: The file is missing, unreadable or not an array.
    """
    import numpy as np

    check_regular_file(path, remedy)
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except UNREADABLE as error:
        raise UserError(f"{path}: cannot be read ({_first_line(error)}). {remedy}") from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise UserError(f"{path}: cannot be read (it holds several arrays). {remedy}")
    return array


def read_npz(path: Path, advice: str) -> dict[str, "NDArray[Any]"]:
    """Return the arrays in a .npz file by name.

    Args:
        path: The file.
        advice: What to do if it cannot be read; the last sentence of the message.

    Raises:
        UserError: The file is missing, unreadable or holds no arrays.
    """
    import numpy as np

    check_regular_file(path, advice)
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = dict(stored)
    except UNREADABLE as error:
        raise UserError(f"{path}: cannot be read ({_first_line(error)}). {advice}") from error
    if not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise UserError(f"{path}: cannot be read (it holds something that is no array). {advice}")
    return arrays


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]


def write_npz(path: Path, arrays: Mapping[str, "NDArray[Any]"]) -> None:
    """Write ``arrays`` as compressed .npz to ``path``, as `write_atomically` does."""
    import numpy as np

    write_atomically(path, lambda part: np.savez_compressed(part, allow_pickle=False, **arrays))
