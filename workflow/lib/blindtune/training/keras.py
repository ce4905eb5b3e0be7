"""The native Keras trainer on TensorFlow, as the published study trained."""

from blindtune.training.keras_backend import choose

choose("tensorflow")

import keras
import tensorflow

from blindtune.training.keras_fit import FitTrainer

#: Steps of an epoch from which on a single execution for all of them pays: it traces 0.2 to 0.3 s longer and saves
#: 0.9 ms a step or more (workflow/benchmarks/keras_speed.py), so that ten epochs of 32 steps bring it back.
_MANY_STEPS = 32


class KerasTrainer(FitTrainer):
    """Trains an `Architecture` with Keras on TensorFlow.

    XLA (``jit_compile``) stays off: on a processor it takes 3 to 5 s a model and gains nothing on dense layers and
    convolutions; the LSTM that it makes a third faster pays it back after some 2,600 steps.
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
