"""The device on which PyTorch computes."""

import os

import torch


def find_device() -> torch.device:
    """Return a CUDA device if there is one, else the CPU; an empty ``CUDA_VISIBLE_DEVICES`` hides every device."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    # Without it, the order of sums in matrix products may differ from run to run.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # Convolutions and LSTMs in full float32, as on the CPU; cuDNN would round their inputs to ten bits.
    torch.backends.cudnn.allow_tf32 = False
    return torch.device("cuda")


def device_name(device: torch.device) -> str:
    """Return the name of a device, for records."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
