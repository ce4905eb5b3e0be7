"""The Keras trainer on PyTorch, which compiles nothing: the fastest backend to start, slow with small batches."""

from blindtune.training.keras.backend import choose_backend

choose_backend("torch")

import keras
import torch

from blindtune.training.keras.trainer import FitTrainer


class KerasTorchTrainer(FitTrainer):
    """Trains an `Architecture` with Keras on PyTorch, on one CPU thread."""

    def __init__(self) -> None:
        super().__init__()
        # One thread, so that sums have one order and records do not depend on the number of cores.
        torch.set_num_threads(1)
        torch.set_deterministic_debug_mode("error")

    def versions(self) -> dict[str, str]:
        """Return the versions of Keras and of its backend."""
        return {"keras": keras.__version__, "torch": torch.__version__}
