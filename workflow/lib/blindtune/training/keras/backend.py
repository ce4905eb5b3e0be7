"""The backend that Keras computes with: settled before Keras is imported, which takes it for good."""

import os
import sys
from importlib.util import find_spec
from typing import Literal

from blindtune.core.errors import UserError

#: A backend by the name that Keras gives it, which is also that of its library.
Backend = Literal["tensorflow", "jax", "torch"]

# XLA asks for the number of threads when JAX computes for the first time: one, so that sums have one order.
_XLA_FLAGS = "--xla_cpu_multi_thread_eigen=false"

_ENVIRONMENT: dict[Backend, dict[str, str]] = {
    "tensorflow": {},
    # Keras asks for no device, and takes an accelerator where it finds one: records would depend on it.
    "jax": {"JAX_PLATFORMS": "cpu", "NPROC": "1"},
    "torch": {"KERAS_TORCH_DEVICE": "cpu"},
}


def choose(backend: Backend) -> None:
    """Have Keras compute with ``backend``, whatever ``KERAS_BACKEND`` or Keras's own config file say.

    Raises:
        UserError: Keras computes with another one in this process, or the backend is not installed.
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
    os.environ["KERAS_BACKEND"] = backend
    os.environ.update(_ENVIRONMENT[backend])
    if backend == "jax" and _XLA_FLAGS not in os.environ.get("XLA_FLAGS", ""):
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_XLA_FLAGS}".strip()
