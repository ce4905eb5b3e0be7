"""PyTorch modules of a user's code: built, checked on samples, and asked what their scores are."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from blindtune.core.errors import UserError
from blindtune.core.failures import is_machine_error
from blindtune.models.define_by_run import SetAnswers
from blindtune.models.layers import InvalidModelError
from blindtune.models.network import NetworkBlueprint
from blindtune.models.network_program import (
    Program,
    build_network,
    check_meaning,
    check_scores,
    find_library,
    load_blueprint,
)
from blindtune.models.own_code import OwnCodeError

#: Samples of the batch on which a module is checked.
_CHECKED = 2


class OwnModule(nn.Module):
    """A module of a user's code with the program that built it.

    Attributes:
        network: the module.
        program: built it.
        blueprint: what was built.
        gives_logits: whether it returns logits, not probabilities.
    """

    def __init__(self, network: nn.Module, program: Program, blueprint: NetworkBlueprint) -> None:
        super().__init__()
        self.network = network
        self.program = program
        self.blueprint = blueprint
        self.gives_logits = gives_logits(network)

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores of samples, (n_samples, n_classes)."""
        with self.program.running():
            scores: Tensor = self.network(x)
        shape = tuple(scores.shape) if isinstance(scores, Tensor) else (type(scores).__name__,)
        check_scores(shape, len(x), self.blueprint.classes, self.blueprint.source)
        return scores

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Return the state of the user's module, under its own names."""
        return self.network.state_dict(*args, **kwargs)

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Set the state of the user's module."""
        return self.network.load_state_dict(state_dict, *args, **kwargs)

    def loss_and_scores(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor | None] | None:
        """Return the loss of a batch by the code's own ``training_step``, and its scores if it returns them.

        None if the code has no training_step.
        """
        step = self.program.hook("training_step")
        if step is None:
            return None
        with self.program.running():
            found = step(self.network, (x, y))
        loss, scores = found if isinstance(found, tuple) and len(found) == 2 else (found, None)
        if not isinstance(loss, Tensor) or loss.dim() != 0:
            raise OwnCodeError(
                f"{self.blueprint.source}: training_step must return the loss of the batch as a tensor of one number, "
                "or (loss, scores)"
            )
        return loss, scores

    def create_optimizer(self) -> torch.optim.Optimizer | None:
        """Return the optimizer of the code's own ``configure_optimizers``; None if it has none."""
        configure = self.program.hook("configure_optimizers")
        if configure is None:
            return None
        with self.program.running():
            found = configure(self.network, self.program.parameters(SetAnswers(self.blueprint.hyperparameters)))
        if not isinstance(found, torch.optim.Optimizer):
            raise OwnCodeError(
                f"{self.blueprint.source}: configure_optimizers must return one optimizer of torch.optim, not "
                f"{type(found).__name__}"
            )
        return found


def build(blueprint: NetworkBlueprint, seed: int) -> OwnModule:
    """Return the module of a blueprint.

    Args:
        blueprint: what to build.
        seed: for the global generators of PyTorch, Python and NumPy.

    Raises:
        UserError: the file is missing or has changed.
        OwnCodeError: its code failed, or the module does not take samples of the shape.
        InvalidModelError: the module does not return one score for each class, or probabilities in place of logits.
    """
    with _keeping_settings():
        load_blueprint(blueprint)
        torch.manual_seed(seed)
        program, network = build_network(blueprint, seed)
    if find_library(network) != "pytorch":
        raise OwnCodeError(f"{blueprint.source}: returns a Keras model; give `trainer: keras`")
    module = OwnModule(network, program, blueprint)
    try:
        scores = call(module, blueprint.input_shape)
    except (UserError, InvalidModelError, MemoryError):
        raise
    except Exception as error:
        if is_machine_error(error):
            raise
        raise OwnCodeError(
            f"{blueprint.source}: the network does not take samples of shape {blueprint.input_shape}: "
            f"{first_line(error)}"
        ) from error
    check_meaning(scores.numpy(), module.gives_logits, blueprint.source)
    if not count_parameters(module):
        raise OwnCodeError(f"{blueprint.source}: the network has no parameters to train")
    return module


@contextmanager
def _keeping_settings() -> Iterator[None]:
    """Restore settings of PyTorch that code may change: they hold for the whole process, and so for other trials."""
    dtype, threads, grad = torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled()
    try:
        yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(grad)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, its type if it has none."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


@torch.no_grad()
def call(module: nn.Module, shape: tuple[int, ...]) -> Any:
    """Return what a module gives for samples of zeros; one that learns its shapes from the first batch gets it here.

    The state of PyTorch's generator afterwards is that of before.

    Args:
        module: to call.
        shape: of one sample.
    """
    state = torch.get_rng_state()
    module.eval()
    scores = module(torch.zeros(_CHECKED, *shape))
    torch.set_rng_state(state)
    return scores


@torch.no_grad()
def why_not_one_sample(module: nn.Module, shape: tuple[int, ...]) -> str | None:
    """Return why a module takes no batch of one sample in training mode, as batch normalization; None if it does.

    Args:
        module: that takes two samples.
        shape: of one sample.
    """
    module.train()
    try:
        module(torch.zeros(1, *shape))
    except Exception as error:
        return first_line(error)
    return None


def count_parameters(model: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def describe(network: Any) -> tuple[object, ...]:
    """Return what tells two modules apart: their parts with their arguments, and the shapes of their state."""
    shapes = tuple((name, tuple(array.shape), str(array.dtype)) for name, array in network.state_dict().items())
    plain = tuple(
        (name, key, value)
        for name, part in network.named_modules()
        for key, value in sorted(vars(part).items())
        if isinstance(value, bool | int | float | str) and key != "training"
    )
    return repr(network), shapes, plain


def gives_logits(network: nn.Module) -> bool:
    """Return whether a module gives logits: as its attribute says, else unless its last part is a softmax.

    Args:
        network: of a user's code.
    """
    said = getattr(network, "gives_logits", None)
    if isinstance(said, bool):
        return said
    last: nn.Module = network
    while isinstance(last, nn.Sequential) and len(last):
        last = last[-1]
    return not isinstance(last, nn.Softmax)
