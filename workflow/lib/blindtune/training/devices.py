"""Where PyTorch computes."""

import os

import torch


def device() -> torch.device:
    """A CUDA device where there is one, else the processor; an empty ``CUDA_VISIBLE_DEVICES`` hides every device."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    # Without it, products of matrices may be summed in another order from run to run.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # Convolutions and LSTMs in float32 too, as the processor computes them; cuDNN would round what goes in to ten bits.
    torch.backends.cudnn.allow_tf32 = False
    return torch.device("cuda")


def name_of(where: torch.device) -> str:
    """The name of a device, for records."""
    return torch.cuda.get_device_name(where) if where.type == "cuda" else where.type
