"""Activations, losses and optimizers of the fused trainer against PyTorch's."""

import pytest
import torch

from blindtune.config.training import Training
from blindtune.models import pytorch, pytorch_modules
from blindtune.models.base import ScoreKind
from blindtune.training.fused.ops import (
    BACKWARD,
    FORWARD,
    MOMENTS,
    ParamGroup,
    loss_gradient,
    one_hot,
    sample_losses,
    softmax_backward,
    update,
)
from blindtune.training.pytorch import create_optimizer, prepare_step

pytestmark = pytest.mark.slow

ACTIVATIONS = [*FORWARD, "softmax"]
LOSSES = ["cross_entropy", "mean_squared_error"]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_and_derivative_are_those_of_pytorch(name: str) -> None:
    """Each activation and its derivative agree with PyTorch's autograd."""
    z = torch.linspace(-8, 8, 64 * 6).view(64, 6).requires_grad_()
    expected = pytorch_modules.create_activation(name, 1)(z) if name != "linear" else z * 1
    upwards = torch.randn(64, 6, generator=torch.Generator().manual_seed(1))
    expected.backward(upwards)
    a, d = z.detach().clone(), upwards.clone()
    if name == "softmax":
        a = a.softmax(1)
        softmax_backward(d, a, 1)
    else:
        FORWARD[name](a)
        BACKWARD[name](d, a, z.detach())
    torch.testing.assert_close(a, expected.detach(), rtol=1e-5, atol=5e-7)
    torch.testing.assert_close(d, z.grad, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("output", ACTIVATIONS)
@pytest.mark.parametrize("classes", [2, 3])
def test_loss_and_gradient_are_those_of_pytorch(loss: str, output: str, classes: int) -> None:
    """Each loss, its errors and its gradient agree with PyTorch's autograd; padding has no gradient."""
    random = torch.Generator().manual_seed(classes)
    z = torch.randn(3, classes, 16, generator=random)
    labels = torch.randint(0, classes, (3, 16), generator=random)
    rows = 11
    for trial in range(3):
        own = z[trial, :, :rows].T.clone().requires_grad_()
        scores = pytorch_modules.create_activation(output, 1)(own) if output != "linear" else own
        kind: ScoreKind = "logits" if output == "linear" else "probabilities"
        value = pytorch.compute_loss(loss, scores, labels[trial, :rows], kind)
        value.backward()  # type: ignore[no-untyped-call]
        sums, its = z[trial : trial + 1], labels[trial : trial + 1]
        s, d, shares = sums.clone(), torch.empty_like(sums), torch.zeros(16)
        shares[:rows] = 1 / rows
        if output == "softmax":
            s = s.softmax(1)
        else:
            FORWARD[output](s)
        each, wrong = sample_losses(s, its, output, loss)
        assert each[0, :rows].mean().item() == pytest.approx(value.item(), rel=1e-5)
        assert int(wrong[0, :rows].sum()) == int((scores.argmax(1) != its[0, :rows]).sum())
        loss_gradient(s, d, sums, one_hot(its, classes), shares, output, loss)
        torch.testing.assert_close(d[0, :, :rows].T, own.grad, rtol=1e-4, atol=3e-7)
        assert (d[0, :, rows:] == 0).all()


@pytest.mark.parametrize("size", [1.0, 10.0, 40.0])
def test_cross_entropy_of_large_logits_keeps_its_gradient(size: float) -> None:
    """The gradient is that of PyTorch's own cross-entropy where a softmax or a sigmoid would be 0 or 1 in float32."""
    z = size * torch.tensor([[1.0, 0.85], [-0.8, -1.0], [0.5, -0.1], [-0.1, 0.75]])
    labels = torch.tensor([1, 0, 1, 0])
    logits = z.clone().requires_grad_()
    torch.nn.functional.cross_entropy(logits, labels).backward()  # type: ignore[no-untyped-call]
    sums, gradient = z.T[None].clone(), torch.empty(1, 2, 4)
    loss_gradient(sums, gradient, sums, one_hot(labels[None], 2), torch.full((4,), 0.25), "linear", "cross_entropy")
    torch.testing.assert_close(gradient[0].T, logits.grad, rtol=1e-5, atol=1e-9)
    losses, _ = sample_losses(sums, labels[None], "linear", "cross_entropy")
    torch.testing.assert_close(losses[0], torch.nn.functional.cross_entropy(z, labels, reduction="none"))


def test_sample_losses_of_equal_scores_take_the_first() -> None:
    """Of equal scores the first class counts."""
    for classes in (2, 3):
        _, wrong = sample_losses(torch.ones(1, classes, 16), torch.zeros(1, 16, dtype=torch.int64), "linear", LOSSES[0])
        assert not wrong.any()


@pytest.mark.parametrize("optimizer", list(MOMENTS))
@pytest.mark.parametrize("decay", [None, 0.0, 0.3])
def test_update_is_the_step_of_pytorch(optimizer: str, decay: float | None) -> None:
    """Each optimizer does the steps of PyTorch's, with any weight decay."""
    random = torch.Generator().manual_seed(3)
    weights = torch.randn(64, generator=random)
    theirs = torch.nn.Parameter(weights.clone())
    training = Training.model_validate({"optimizer": optimizer, "learning_rate": 0.01, "weight_decay": decay})
    step = create_optimizer(training, [theirs])
    gradient, moments = torch.zeros(64), [[torch.zeros(64)] for _ in MOMENTS[optimizer]]
    values = ParamGroup(0.01, decay, None, [weights], [gradient], moments, [torch.tensor(0.0)])
    for number in range(1, 30):
        gradient.copy_(torch.randn(64, generator=random) * 10 ** (-number / 5))
        theirs.grad = gradient.clone()
        prepare_step(step, training)
        step.step()
        update(optimizer, values)
        torch.testing.assert_close(weights, theirs.detach(), rtol=1e-6, atol=1e-7)
    assert {*MOMENTS[optimizer]} <= set(step.state[theirs])
