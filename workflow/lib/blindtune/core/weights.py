"""Read and write weights of models as safetensors, a format that runs no code when it is read."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blindtune.core.arrays import UNREADABLE, digest_arrays
from blindtune.core.errors import UserError
from blindtune.core.files import check_regular_file, write_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray


def write_weights(path: Path, weights: Mapping[str, "NDArray[Any]"], metadata: Mapping[str, str] | None = None) -> None:
    """Write ``weights`` to ``path``, as `write_atomically` of `blindtune.core.files` does.

    Args:
        path: The file.
        weights: The arrays by name.
        metadata: What else the file says of them.
    """
    import numpy as np
    from safetensors.numpy import save

    # np.ascontiguousarray would turn a scalar, such as an optimizer's step, into a vector of one.
    contiguous = {name: np.asarray(array, order="C") for name, array in weights.items()}
    # Not save_file: it first writes to a file with a random name, which would remain after a kill.
    write_bytes(path, save(contiguous, None if metadata is None else dict(metadata)))


def read_weights(path: Path, sha256: str) -> dict[str, "NDArray[Any]"]:
    """Return the weights in ``path``.

    Args:
        path: A file that `write_weights` wrote.
        sha256: The recorded `digest_arrays` of the weights.

    Raises:
        UserError: The file is missing, unreadable, or holds other weights.
    """
    weights = load_weights(path, "Remove the study's card.json and run again.")
    if digest_arrays(weights) != sha256:
        raise UserError(
            f"{path}: does not hold the weights that were recorded. Remove the study's card.json and run again."
        )
    return weights


def load_weights(path: Path, advice: str) -> dict[str, "NDArray[Any]"]:
    """Return the arrays in a file of safetensors, whichever they are.

    Args:
        path: The file.
        advice: What to do if it cannot be read; the last sentence of the message.

    Raises:
        UserError: The file is missing, unreadable or damaged.
    """
    return load_with_metadata(path, advice)[0]


def load_with_metadata(path: Path, advice: str) -> tuple[dict[str, "NDArray[Any]"], dict[str, str]]:
    """Return the arrays in a file of safetensors, and what the file says of them.

    Args:
        path: The file.
        advice: As in `load_weights`.

    Raises:
        UserError: The file is missing, unreadable or damaged.
    """
    from safetensors import SafetensorError, safe_open

    check_regular_file(path, advice)
    try:
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118  no dict
    except (SafetensorError, *UNREADABLE) as error:
        raise UserError(f"{path}: cannot be read ({error}). {advice}") from error
