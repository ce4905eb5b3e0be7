"""The native Keras trainer on TensorFlow, as the published study trained."""

from blindtune.training.keras.backend import choose

choose("tensorflow")

import keras
import tensorflow

from blindtune.training.keras.trainer import FitTrainer

#: Steps of an epoch from which on a single execution for all of them pays: it traces 0.2 to 0.4 s longer and saves
#: about 1 ms a step, so that ten epochs of 32 steps about bring it back (docs/measured.md).
_MANY_STEPS = 32


class KerasTrainer(FitTrainer):
    """Trains an `Architecture` with Keras on TensorFlow.

    XLA (``jit_compile``) stays off: on a processor a first epoch takes 3 to 6 s with it, not 1 to 2, and later ones
    gain nothing with dense layers, are slower with convolutions, and a third faster with an LSTM (docs/measured.md).
    """

    def __init__(self) -> None:
        super().__init__()
        # One thread, so that sums have one order and records do not depend on the number of cores.
        tensorflow.config.threading.set_intra_op_parallelism_threads(1)
        tensorflow.config.threading.set_inter_op_parallelism_threads(1)
        # It warns of every few models that a search builds anew.
        tensorflow.get_logger().setLevel("ERROR")

    def versions(self) -> dict[str, str]:
        """The versions of Keras and of its backend."""
        return {"keras": keras.__version__, "tensorflow": tensorflow.__version__}

    def at_once(self, steps: int) -> int:
        """All steps of an epoch, where they are many."""
        return steps if steps >= _MANY_STEPS else 1
