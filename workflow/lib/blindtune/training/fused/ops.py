"""Activations, losses and optimizers for many models at a time, with their derivatives.

Every operation works in place, value by value or sample by sample, so that a model's numbers do not depend on the other
models. The definitions are PyTorch's (`blindtune.models.pytorch`, ``torch.optim``).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from torch.optim.adam import adam
from torch.optim.adamw import adamw

from blindtune.models.architecture import SQUARED_ERROR
from blindtune.models.pytorch import EPSILON, to_logits

_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946
_aten = torch.ops.aten


#: Cached scalar tensors: converting a Python number to a tensor costs as much as a small in-place operation.
_ONE, _TWO = torch.tensor(1.0), torch.tensor(2.0)


def _tanh(z: Tensor) -> None:
    if z.is_cuda:
        z.tanh_()
        return
    # 2 sigmoid(2 z) - 1, within 2e-7 of tanh: on some CPUs a fifth of the time of torch.tanh.
    z.mul_(_TWO).sigmoid_().mul_(_TWO).sub_(_ONE)


#: Activations, in place; without softmax, which depends on more than one value.
FORWARD: dict[str, Callable[[Tensor], object]] = {
    "linear": lambda z: None,
    "relu": torch.relu_,
    "tanh": _tanh,
    "sigmoid": torch.sigmoid_,
    "exponential": torch.exp_,
    "elu": functional.elu_,
    "selu": torch.selu_,
    "softplus": lambda z: z.copy_(functional.softplus(z)),
    "gelu": lambda z: z.copy_(functional.gelu(z)),
}

#: Activations whose value at 0 is not 0: padding must be set to 0 after them.
NOT_ZERO_AT_ZERO = {"sigmoid", "exponential", "softplus", "softmax"}


def _gelu_backward(gradient: Tensor, output: Tensor, input: Tensor) -> None:
    gradient.copy_(_aten.gelu_backward(gradient, input))


def _elu_backward(gradient: Tensor, output: Tensor, alpha: float, scale: float) -> None:
    gradient.copy_(_aten.elu_backward(gradient, alpha, scale, 1.0, True, output))


#: Derivatives of activations. Arguments: the gradient with respect to the output, which becomes the one with respect to
#: the input, in place; the output; the input, which only gelu reads.
BACKWARD: dict[str, Callable[[Tensor, Tensor, Tensor], object]] = {
    "linear": lambda d, a, z: None,
    "relu": lambda d, a, z: _aten.threshold_backward.grad_input(d, a, 0, grad_input=d),
    "tanh": lambda d, a, z: _aten.tanh_backward.grad_input(d, a, grad_input=d),
    "sigmoid": lambda d, a, z: _aten.sigmoid_backward.grad_input(d, a, grad_input=d),
    "exponential": lambda d, a, z: d.mul_(a),
    "elu": lambda d, a, z: _elu_backward(d, a, 1.0, 1.0),
    "selu": lambda d, a, z: _elu_backward(d, a, _SELU_ALPHA, _SELU_SCALE),
    "softplus": lambda d, a, z: d.mul_(torch.expm1(-a).neg_()),
    "gelu": _gelu_backward,
}


def softmax_backward(gradient: Tensor, output: Tensor, dim: int) -> None:
    """Turn the gradient with respect to the output of a softmax into the one with respect to its input, in place.

    Args:
        gradient: of any shape.
        output: of the softmax, of the same shape.
        dim: the dimension over which it normalises.
    """
    gradient.sub_((gradient * output).sum(dim, keepdim=True)).mul_(output)


def loss_gradient(
    scores: Tensor,
    gradient: Tensor,
    sums: Tensor,
    targets: Tensor,
    row_weights: Tensor,
    activation: str,
    loss: str,
) -> None:
    """Compute the gradient of a batch's mean loss with respect to the weighted sums of the last layer.

    Args:
        scores: (n_trials, n_classes, n_rows), the output of the last layer.
        gradient: of the same shape; takes the result.
        sums: of the same shape, the weighted sums; only gelu reads them.
        targets: of the same shape, 1 for the label and else 0.
        row_weights: (n_rows,), weight of each row in the mean; 0 for padding.
        activation: of the last layer; linear: the scores are logits.
        loss: as `blindtune.config.training.Training` names it.
    """
    if loss == SQUARED_ERROR:
        _squared_error_gradient(scores, gradient, targets, activation)
    elif activation == "linear":
        torch.softmax(scores, 1, out=gradient)
        gradient.sub_(targets)
    else:
        _cross_entropy_gradient(scores, gradient, targets)
    if activation == "softmax":
        softmax_backward(gradient, scores, 1)
    elif activation != "linear":
        BACKWARD[activation](gradient, scores, sums)
    gradient.mul_(row_weights)


def _cross_entropy_gradient(scores: Tensor, gradient: Tensor, targets: Tensor) -> None:
    """Compute the gradient of the cross-entropy with respect to scores that are probabilities up to a factor."""
    clamped = scores.clamp(EPSILON, 1 - EPSILON)
    torch.div(clamped, clamped.sum(1, keepdim=True), out=gradient)
    gradient.sub_(targets).div_(clamped).mul_(clamped == scores)


def _squared_error_gradient(scores: Tensor, gradient: Tensor, targets: Tensor, activation: str) -> None:
    """Compute the gradient of the squared error with respect to probabilities, or to logits if activation is linear."""
    probabilities = scores.softmax(1) if activation == "linear" else scores
    torch.sub(probabilities, targets, out=gradient)
    gradient.mul_(2 / scores.shape[1])
    if activation == "linear":
        softmax_backward(gradient, probabilities, 1)


def sample_losses(scores: Tensor, labels: Tensor, activation: str, loss: str) -> tuple[Tensor, Tensor]:
    """Compute the loss of each sample, and whether it is classified wrong.

    Args:
        scores: (n_trials, n_classes, n_samples), the output of the last layer.
        labels: (n_trials, n_samples) int64.
        activation: of the last layer; linear: the scores are logits.
        loss: as `blindtune.config.training.Training` names it.

    Returns:
        Losses, (n_trials, n_samples) float32, and errors, of the same shape, bool.
    """
    logits = activation == "linear"
    if loss == SQUARED_ERROR:
        probabilities = scores.softmax(1) if logits else scores
        losses = (probabilities - one_hot(labels, scores.shape[1])).square().mean(1)
    else:
        log = torch.log_softmax(to_logits(scores, "logits" if logits else "probabilities"), 1)
        losses = log.gather(1, labels.unsqueeze(1)).squeeze(1).neg()
    return losses, _argmax(scores) != labels


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """Return 1 for the label of each sample and 0 for the other classes.

    Args:
        labels: (n_trials, n_samples) int64.
        classes: number of classes.

    Returns:
        (n_trials, n_classes, n_samples) float32.
    """
    known = torch.arange(classes, device=labels.device).view(1, -1, 1)
    return (labels.unsqueeze(1) == known).to(torch.float32)


def _argmax(scores: Tensor) -> Tensor:
    """Return the class of the highest score, of equal ones the first."""
    if scores.shape[1] == 2:
        return (scores[:, 1] > scores[:, 0]).to(torch.int64)
    return scores.transpose(1, 2).contiguous().argmax(2)


#: Arrays that an optimizer keeps for each weight, under PyTorch's names.
MOMENTS: dict[str, tuple[str, ...]] = {
    "adam": ("exp_avg", "exp_avg_sq"),
    "adamw": ("exp_avg", "exp_avg_sq"),
    "sgd": (),
    "rmsprop": ("square_avg",),
}


@dataclass
class ParamGroup:
    """Weights that are updated with one learning rate.

    Attributes:
        learning_rate: the step size; of a trial whose rate changes, that of the epoch.
        weight_decay: as `blindtune.config.training.Training` gives it.
        trial: index of the only trial, if its learning rate changes; None: trials with one rate.
        weights: one or more pieces.
        gradients: of each piece.
        moments: pieces of each array of `MOMENTS`.
        steps: number of steps so far, for each piece.
    """

    learning_rate: float
    weight_decay: float | None
    trial: int | None
    weights: list[Tensor]
    gradients: list[Tensor]
    moments: list[list[Tensor]]
    steps: list[Tensor]


def update(optimizer: str, group: ParamGroup) -> None:
    """Do one step of an optimizer as the PyTorch trainer does, in place; overwrites the gradient.

    Args:
        optimizer: a key of `MOMENTS`.
        group: what to update.
    """
    weights, gradients, rate = group.weights, group.gradients, group.learning_rate
    if group.weight_decay and optimizer in ("sgd", "rmsprop"):
        torch._foreach_mul_(weights, 1 - rate * group.weight_decay)
    match optimizer:
        case "sgd":
            torch._foreach_add_(weights, gradients, alpha=-rate)
        case "rmsprop":
            for weight, gradient, square in zip(weights, gradients, *group.moments, strict=True):
                square.mul_(0.99).addcmul_(gradient, gradient, value=0.01)
                weight.addcdiv_(gradient, square.sqrt().add_(1e-8), value=-rate)
        case _:
            decay = group.weight_decay
            if decay is None:
                decay = 0.0 if optimizer == "adam" else 0.01
            step = adamw if decay else adam
            mean, square = group.moments
            step(
                weights,
                gradients,
                mean,
                square,
                [],
                group.steps,
                fused=True,
                lr=rate,
                weight_decay=decay,
                beta1=0.9,
                beta2=0.999,
                eps=1e-8,
                amsgrad=False,
                maximize=False,
            )
