"""The Keras trainer on TensorFlow, with which the published study trained."""

from blindtune.training.keras.backend import choose_backend

choose_backend("tensorflow")

import keras
import tensorflow

from blindtune.training.keras.trainer import FitTrainer

#: Steps of an epoch from which one execution for all of them pays: it takes 0.2 to 0.4 s longer to trace and saves
#: about 1 ms a step, so that ten epochs of 32 steps about compensate (docs/measured/index.md).
_MANY_STEPS = 32


class KerasTrainer(FitTrainer):
    """Trains an `Architecture` with Keras on TensorFlow.

    XLA (``jit_compile``) is off. On a CPU, the first epoch takes 3 to 6 s with it, instead of 1 to 2. Later epochs are
    no faster with dense layers, slower with convolutions, and a third faster with an LSTM (docs/measured/index.md).
    """

    def __init__(self) -> None:
        super().__init__()
        # One thread, so that sums have one order and records do not depend on the number of cores.
        tensorflow.config.threading.set_intra_op_parallelism_threads(1)
        tensorflow.config.threading.set_inter_op_parallelism_threads(1)
        # It warns about retracing for every few models that a search builds.
        tensorflow.get_logger().setLevel("ERROR")

    def versions(self) -> dict[str, str]:
        """Return the versions of Keras and of its backend."""
        return {"keras": keras.__version__, "tensorflow": tensorflow.__version__}

    def steps_per_execution(self, steps: int) -> int:
        """Return all steps of an epoch if they are many, else 1."""
        return steps if steps >= _MANY_STEPS else 1
