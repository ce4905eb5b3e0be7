"""The choice of Keras's backend, which must be made before Keras is imported and then holds for the process."""

import os
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Literal

from blindtune.core.errors import UserError

#: A backend by Keras's name for it, which is also the name of its library.
Backend = Literal["tensorflow", "jax", "torch"]

# XLA reads the number of threads when JAX first computes: one, so that sums have one order.
_XLA_FLAGS = "--xla_cpu_multi_thread_eigen=false"

#: The backend of Keras where another library trains.
_LIGHT = "numpy"

_ENVIRONMENT: dict[Backend, dict[str, str]] = {
    "tensorflow": {},
    # By default Keras uses an accelerator if there is one: records would depend on it.
    "jax": {"JAX_PLATFORMS": "cpu", "NPROC": "1"},
    "torch": {"KERAS_TORCH_DEVICE": "cpu"},
}


def choose_backend(backend: Backend) -> None:
    """Set Keras's backend for this process; ``KERAS_BACKEND`` and Keras's own config file are ignored.

    Raises:
        UserError: Keras uses another backend in this process already, or the backend is not installed.
    """
    loaded = sys.modules.get("keras")
    if loaded is not None and loaded.backend.backend() != backend:
        raise UserError(
            f"Keras computes with {loaded.backend.backend()} in this process and cannot change to {backend}. "
            "Run the systems of each Keras trainer in a process of their own, as the workflow does."
        )
    if find_spec(backend) is None:
        raise UserError(
            f"Keras is to compute with {backend}, which is not installed. Install requirements.lock, or let Snakemake "
            "make the environment of the trainer (--sdm conda)."
        )
    if backend == "tensorflow":
        load_triton_first()
    os.environ["KERAS_BACKEND"] = backend
    os.environ.update(_ENVIRONMENT[backend])
    if backend == "jax" and _XLA_FLAGS not in os.environ.get("XLA_FLAGS", ""):
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_XLA_FLAGS}".strip()


def load_triton_first() -> None:
    """Import Triton, which comes with PyTorch's CUDA build, before TensorFlow.

    Both contain LLVM. If TensorFlow is imported first, the process ends with a segmentation fault as soon as PyTorch
    imports Triton, which it does for its first optimizer. The other order works.
    """
    if "tensorflow" not in sys.modules and find_spec("triton") is not None:
        import_module("triton")


def prefer_light_backend() -> None:
    """Let Keras be imported with the backend that loads fastest, until a trainer chooses its own.

    Keras Tuner imports Keras, and Keras imports its backend. A search that PyTorch trains computes nothing with it:
    NumPy loads in half the CPU time of TensorFlow. Called by the program of a study, before anything imports Keras.
    """
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = _LIGHT


def is_light_backend() -> bool:
    """Return whether Keras is to be imported, or was, with the backend that computes nothing here."""
    return os.environ.get("KERAS_BACKEND") == _LIGHT
