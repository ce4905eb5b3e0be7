"""The native Keras trainer on JAX, which compiles every step: slow to begin, the fastest from then on."""

from blindtune.training.keras.backend import choose

choose("jax")

from importlib.metadata import version

import keras

from blindtune.training.keras.trainer import FitTrainer


class KerasJaxTrainer(FitTrainer):
    """Trains an `Architecture` with Keras on JAX, on one thread of the processor.

    Keras's steps on JAX are compiled by XLA, always: without it they take longer by far.
    """

    def versions(self) -> dict[str, str]:
        """The versions of Keras and of its backend."""
        return {"keras": keras.__version__, "jax": version("jax"), "jaxlib": version("jaxlib")}

    def at_once(self, steps: int) -> int:
        """All steps of an epoch: Keras calls the same compiled step in turn, and waits less between them."""
        return steps
