"""Activations, losses and optimizers of many models at once, each with its derivative, written out.

All work in place, value by value or sample by sample, so that a model's numbers do not depend on its neighbours.
Their definitions are PyTorch's (`blindtune.models.pytorch`, ``torch.optim``).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from torch.optim.adam import adam
from torch.optim.adamw import adamw

from blindtune.models.pytorch import EPSILON

_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946
_aten = torch.ops.aten


#: As tensors: PyTorch makes one of every number that it is given, which takes as long as small operations themselves.
_ONE, _TWO = torch.tensor(1.0), torch.tensor(2.0)


def _tanh(z: Tensor) -> None:
    if z.is_cuda:
        z.tanh_()
        return
    # 2 sigmoid(2 z) - 1, within 2e-7 of tanh: on some processors a fifth of the time of torch.tanh.
    z.mul_(_TWO).sigmoid_().mul_(_TWO).sub_(_ONE)


#: In place; softmax is not among them, since it looks at more than one value.
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

#: Those whose value at 0 is not 0, so that units that are only padding must be set to 0.
NOT_ZERO_AT_ZERO = {"sigmoid", "exponential", "softplus", "softmax"}


def _gelu_backward(d: Tensor, a: Tensor, z: Tensor) -> None:
    d.copy_(_aten.gelu_backward(d, z))


def _elu_backward(d: Tensor, a: Tensor, alpha: float, scale: float) -> None:
    d.copy_(_aten.elu_backward(d, alpha, scale, 1.0, True, a))


#: From the derivative by the activation's result, that result and (gelu alone) its input, to the derivative by its
#: input, in place of the first.
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


def softmax_backward(d: Tensor, a: Tensor, dim: int) -> None:
    """The same for softmax along ``dim``."""
    d.sub_((d * a).sum(dim, keepdim=True)).mul_(a)


def derivative(s: Tensor, d: Tensor, z: Tensor, ones: Tensor, shares: Tensor, activation: str, loss: str) -> None:
    """The derivative of a batch's mean loss by the weighted sums of the last layer.

    Args:
        s: the scores, (trials, classes, rows of memory).
        d: takes the derivative, of the same shape.
        z: the weighted sums; looked at for gelu alone.
        ones: 1 where the label is, of the same shape.
        shares: of each row in the mean, 0 for padding, (rows of memory,).
        activation: of the last layer; linear: the scores are logits.
        loss: as `blindtune.training.base.Training` names it.
    """
    if loss == "mean_squared_error":
        _of_squared(s, d, ones, activation)
    elif activation == "linear":
        torch.softmax(s, 1, out=d)
        d.sub_(ones)
    else:
        _of_entropy(s, d, ones)
    if activation == "softmax":
        softmax_backward(d, s, 1)
    elif activation != "linear":
        BACKWARD[activation](d, s, z)
    d.mul_(shares)


def _of_entropy(s: Tensor, d: Tensor, ones: Tensor) -> None:
    """Of the entropy of what is a probability up to a factor, by it."""
    inside = s.clamp(EPSILON, 1 - EPSILON)
    torch.div(inside, inside.sum(1, keepdim=True), out=d)
    d.sub_(ones).div_(inside).mul_(inside == s)


def _of_squared(s: Tensor, d: Tensor, ones: Tensor, activation: str) -> None:
    """Of the squared error of probabilities: by them, or by the logits that they are given by."""
    p = s.softmax(1) if activation == "linear" else s
    torch.sub(p, ones, out=d)
    d.mul_(2 / s.shape[1])
    if activation == "linear":
        softmax_backward(d, p, 1)


def measured(s: Tensor, labels: Tensor, activation: str, loss: str) -> tuple[Tensor, Tensor]:
    """The loss of each sample, and whether it is wrong.

    Args:
        s: the scores, (trials, classes, samples).
        labels: (trials, samples).
        activation: of the last layer; linear: the scores are logits.
        loss: as `blindtune.training.base.Training` names it.

    Returns:
        (trials, samples) each.
    """
    logits = activation == "linear"
    if loss == "mean_squared_error":
        p = s.softmax(1) if logits else s
        each = (p - one_hot(labels, s.shape[1])).square().mean(1)
    else:
        log = torch.log_softmax(s if logits else s.clamp(EPSILON, 1 - EPSILON).log(), 1)
        each = log.gather(1, labels.unsqueeze(1)).squeeze(1).neg()
    return each, _argmax(s) != labels


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """1 where the label is: from (trials, samples) to (trials, classes, samples)."""
    known = torch.arange(classes, device=labels.device).view(1, -1, 1)
    return (labels.unsqueeze(1) == known).to(torch.float32)


def _argmax(s: Tensor) -> Tensor:
    """The first of the highest scores."""
    if s.shape[1] == 2:
        return (s[:, 1] > s[:, 0]).to(torch.int64)
    return s.transpose(1, 2).contiguous().argmax(2)


#: Arrays that an optimizer keeps for each weight, under PyTorch's names.
MOMENTS: dict[str, tuple[str, ...]] = {
    "adam": ("exp_avg", "exp_avg_sq"),
    "adamw": ("exp_avg", "exp_avg_sq"),
    "sgd": (),
    "rmsprop": ("square_avg",),
}


@dataclass(frozen=True)
class Values:
    """Weights that are updated with one step size.

    Attributes:
        rate: the step size.
        weights, gradient: one or more pieces of each, in the same order.
        moments: pieces of those of `MOMENTS`.
        steps: for each piece the number of the last step.
    """

    rate: float
    weights: list[Tensor]
    gradient: list[Tensor]
    moments: list[list[Tensor]]
    steps: list[Tensor]


def update(kind: str, values: Values) -> None:
    """One step of an optimizer of `MOMENTS` with PyTorch's defaults, in place; the gradient is lost."""
    weights, gradients = values.weights, values.gradient
    match kind:
        case "sgd":
            torch._foreach_add_(weights, gradients, alpha=-values.rate)
        case "rmsprop":
            for weight, gradient, square in zip(weights, gradients, *values.moments, strict=True):
                square.mul_(0.99).addcmul_(gradient, gradient, value=0.01)
                weight.addcdiv_(gradient, square.sqrt().add_(1e-8), value=-values.rate)
        case _:
            step, decay = (adam, 0.0) if kind == "adam" else (adamw, 0.01)
            mean, square = values.moments
            step(
                weights,
                gradients,
                mean,
                square,
                [],
                values.steps,
                fused=True,
                lr=values.rate,
                weight_decay=decay,
                beta1=0.9,
                beta2=0.999,
                eps=1e-8,
                amsgrad=False,
                maximize=False,
            )
