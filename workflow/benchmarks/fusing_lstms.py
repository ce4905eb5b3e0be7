"""LSTM layers of many fused models, for `fusing_nets.py`: with PyTorch's derivatives, and with a hand-written backward.

The input of the gates is one product for all steps; the recurrent input is one product per step for all models.
The columns of the weights are those of the input, the forget and the output gate, then of the cell.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from blindtune.training.fused.ops import BACKWARD, FORWARD, NOT_ZERO_AT_ZERO


@dataclass(frozen=True)
class Memory:
    """A layer: the models of each activation (first, last, name, units of each); whether it returns every step."""

    runs: list[tuple[int, int, str, tuple[int, ...]]]
    sequence: bool


def stepped(x: Tensor, w: Tensor, u: Tensor, b: Tensor, memory: Memory) -> Tensor:
    """Return (models, rows, steps or none, units) for inputs (models, rows, steps, features); tanh only."""
    models, rows, steps, _ = x.shape
    width = u.shape[1]
    entering = torch.baddbmm(b, x.flatten(1, 2), w).view(models, rows, steps, -1).permute(2, 0, 1, 3).contiguous()
    hidden = cell = x.new_zeros(models, rows, width)
    outputs = []
    for one in entering.unbind(0):
        z = torch.baddbmm(one, hidden, u)
        let_in, keep, let_out = z[..., : 3 * width].sigmoid().chunk(3, 2)
        cell = keep * cell + let_in * z[..., 3 * width :].tanh()
        hidden = let_out * cell.tanh()
        outputs.append(hidden)
    return torch.stack(outputs, 2) if memory.sequence else hidden


def written(x: Tensor, w: Tensor, u: Tensor, b: Tensor, memory: Memory) -> Tensor:
    """Return the same as `stepped`, with any activation."""
    return _Written.apply(x, w, u, b, memory)  # type: ignore[no-any-return,no-untyped-call]


class _Written(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, u: Tensor, b: Tensor, memory: Memory) -> Tensor:
        models, rows, steps, _ = x.shape
        width = u.shape[1]
        gates = torch.baddbmm(b, x.flatten(1, 2), w).view(models, rows, steps, -1).permute(2, 0, 1, 3).contiguous()
        hidden = x.new_zeros(steps + 1, models, rows, width)
        cell = torch.zeros_like(hidden)
        left = x.new_empty(steps, models, rows, width)
        for step in range(steps):
            z = gates[step].baddbmm_(hidden[step], u)
            z[..., : 3 * width].sigmoid_()
            new = _activate(z[..., 3 * width :], memory)
            let_in, keep, let_out = (z[..., n * width : (n + 1) * width] for n in range(3))
            torch.mul(keep, cell[step], out=cell[step + 1]).addcmul_(let_in, new)
            left[step].copy_(cell[step + 1])
            torch.mul(let_out, _activate(left[step], memory), out=hidden[step + 1])
        ctx.memory = memory
        ctx.save_for_backward(x, w, u, gates, hidden, cell, left)
        return hidden[1:].permute(1, 2, 0, 3).contiguous() if memory.sequence else hidden[-1].clone()

    @staticmethod
    def backward(ctx: Any, d: Tensor) -> Any:
        x, w, u, gates, hidden, cell, left = ctx.saved_tensors
        steps, width = x.shape[2], u.shape[1]
        let_in, keep, let_out, new = (gates[..., n * width : (n + 1) * width] for n in range(4))
        # The factors of the derivatives of all steps, in one operation.
        by_cell = _derivative(let_out.clone(), left, ctx.memory)
        dz = torch.empty_like(gates)
        torch.ops.aten.sigmoid_backward.grad_input(new, let_in, grad_input=dz[..., :width])
        torch.ops.aten.sigmoid_backward.grad_input(cell[:-1], keep, grad_input=dz[..., width : 2 * width])
        torch.ops.aten.sigmoid_backward.grad_input(left, let_out, grad_input=dz[..., 2 * width : 3 * width])
        dz[..., 3 * width :] = _derivative(let_in.clone(), new.contiguous(), ctx.memory)
        back = u.transpose(1, 2).contiguous()
        through = torch.zeros_like(hidden[0])
        coming = d.permute(2, 0, 1, 3) if ctx.memory.sequence else None
        dh = torch.zeros_like(through) if coming is not None else d
        for step in reversed(range(steps)):
            if coming is not None:
                dh = dh + coming[step]
            through.addcmul_(dh, by_cell[step])
            z = dz[step]
            z[..., 2 * width : 3 * width].mul_(dh)
            z.view(*z.shape[:2], 4, width)[:, :, :2].mul_(through.unsqueeze(2))
            z[..., 3 * width :].mul_(through)
            through.mul_(keep[step])
            dh = torch.bmm(z, back)
        flat = dz.permute(1, 2, 0, 3).flatten(1, 2)
        dw = torch.bmm(x.flatten(1, 2).transpose(1, 2), flat)
        du = torch.bmm(hidden[:-1].permute(1, 2, 0, 3).flatten(1, 2).transpose(1, 2), flat)
        dx = torch.bmm(flat, w.transpose(1, 2)).view(x.shape) if ctx.needs_input_grad[0] else None
        return dx, dw, du, flat.sum(1, keepdim=True), None


def _activate(z: Tensor, memory: Memory) -> Tensor:
    """Apply the activations in place; z is (models, rows, units)."""
    for first, last, name, units in memory.runs:
        FORWARD[name](z[first:last])
        if name in NOT_ZERO_AT_ZERO:
            for place, own in enumerate(units, first):
                if own < z.shape[2]:
                    z[place, :, own:].zero_()
    return z


def _derivative(d: Tensor, a: Tensor, memory: Memory) -> Tensor:
    """Apply the derivatives in place; d is (steps, models, rows, units)."""
    for first, last, name, _ in memory.runs:
        BACKWARD[name](d[:, first:last], a[:, first:last], a[:, first:last])
    return d
