"""The Keras trainer on JAX, which compiles every step: slow to start, the fastest backend from then on."""

from blindtune.training.keras.backend import choose_backend

choose_backend("jax")

from importlib.metadata import version

import keras

from blindtune.training.keras.trainer import FitTrainer


class KerasJaxTrainer(FitTrainer):
    """Trains an `Architecture` with Keras on JAX, on one CPU thread.

    XLA compiles the steps, always: without it they take much longer.
    """

    def versions(self) -> dict[str, str]:
        """Return the versions of Keras and of its backend."""
        return {"keras": keras.__version__, "jax": version("jax"), "jaxlib": version("jaxlib")}

    def steps_per_execution(self, steps: int) -> int:
        """Return all steps of an epoch: Keras calls the same compiled step in turn, and waits less in between."""
        return steps
