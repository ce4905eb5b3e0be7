"""Train the manual networks of #10 (MLP-M1, MLP-M2) in many ways: which gives the published errors?

Both come out above the published eval error. Each way below is trained with several seeds, all of them as one stack of
networks, by a loop that shares no code with blindtune's trainers. After each epoch it scores train, dev and eval.

    python workflow/benchmarks/claims_manual.py FOLDER mlp_m1.json --model mlp_m1

FOLDER has train.csv, dev.csv and eval.csv of #10. `claims_tables.py` prints what was found.
"""

import argparse
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from claims_data import load_splits
from torch import Tensor

from blindtune.core.files import write_json
from blindtune.datasets.base import SPLITS, Split

#: Units of the layers, and the dropout after each hidden layer.
NETWORKS = {"mlp_m1": ((2, 64, 32, 16, 2), 0.0), "mlp_m2": ((2, 64, 32, 2), 0.3)}

#: Samples that are scored at once.
_CHUNK = 2_000


@dataclass(frozen=True)
class Way:
    """One way to train.

    Attributes:
        rate: learning rate of Adam.
        initial: ``torch``: PyTorch's initial weights; ``keras``: Keras's.
        loss: ``cross_entropy``; ``softmax_twice``: the same on outputs that went through a softmax, a frequent mistake;
            ``squares``: squared differences of the linear outputs from 0 and 1.
        decay: PyTorch's ``weight_decay`` of Adam.
        shuffle: ``epoch``: a new order for each epoch; ``once``: the same order in each.
        standardized: whether features have the mean 0 and the deviation 1.
    """

    rate: float = 1e-4
    initial: str = "torch"
    loss: str = "cross_entropy"
    decay: float = 0.0
    shuffle: str = "epoch"
    standardized: bool = False


#: The first is how the paper describes it.
WAYS = {
    "as published": Way(),
    "initial weights of Keras": Way(initial="keras"),
    "rate 0.00003": Way(rate=3e-5),
    "rate 0.0003": Way(rate=3e-4),
    "rate 0.001": Way(rate=1e-3),
    "weight decay 0.0001": Way(decay=1e-4),
    "weight decay 0.001": Way(decay=1e-3),
    "softmax before the loss": Way(loss="softmax_twice"),
    "squared error": Way(loss="squares"),
    "the same order in each epoch": Way(shuffle="once"),
    "standardized features": Way(standardized=True),
}


def main() -> None:
    """Train and write."""
    arguments = _arguments()
    splits = load_splits(arguments.folder)
    chosen = {name: WAYS[name] for name in arguments.ways}
    units, dropout = NETWORKS[arguments.model]
    found = train_stack(
        splits,
        list(chosen.values()),
        seeds=arguments.seeds,
        units=units,
        dropout=dropout,
        batch=arguments.batch,
        epochs=arguments.epochs,
        dtype=torch.float64 if arguments.float64 else torch.float32,
        report=lambda epoch: print(f"epoch {epoch}", flush=True),
    )
    content = {
        "model": arguments.model,
        "batch": arguments.batch,
        "float64": arguments.float64,
        "seeds": arguments.seeds,
        "ways": {
            name: {"settings": asdict(way), "errors": errors.tolist()}
            for (name, way), errors in zip(chosen.items(), found, strict=True)
        },
    }
    write_json(arguments.out, content)
    print(json.dumps({name: np.asarray(found[i]).mean(axis=0)[-1].round(4).tolist() for i, name in enumerate(chosen)}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path, help="the file to write")
    parser.add_argument("--model", choices=NETWORKS, default="mlp_m1")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--float64", action="store_true")
    return parser.parse_args()


def train_stack(
    splits: dict[str, Split],
    ways: Sequence[Way],
    seeds: int,
    units: Sequence[int],
    dropout: float,
    batch: int,
    epochs: int,
    dtype: torch.dtype = torch.float32,
    report: Callable[[int], None] = lambda epoch: None,
) -> list[np.ndarray]:
    """Train each way with each seed; return for each way the error rates, (seeds, epochs, 7).

    The seven are: train, dev and eval; the same three with dropout left on; and the mean over the batches of the epoch,
    as a training loop prints it.

    Args:
        splits: train, dev and eval.
        ways: how to train.
        seeds: the seeds 0 to this number, without it.
        units: of the layers, inputs and outputs included.
        dropout: rate after each hidden layer.
        batch: samples of a step; the last samples of an epoch that do not fill one are left out.
        epochs: passes over train.
        dtype: of all numbers.
        report: called with the number of each epoch that has ended.
    """
    stack = Stack([way for way in ways for _ in range(seeds)], units, dropout, dtype)
    data = {name: (torch.as_tensor(split.x, dtype=dtype), torch.as_tensor(split.y)) for name, split in splits.items()}
    mean, deviation = data["train"][0].mean(0), data["train"][0].std(0)
    scaled = {name: ((x - mean) / deviation, y) for name, (x, y) in data.items()}
    generator = torch.Generator().manual_seed(0)
    stack.draw_weights(generator)
    n = len(data["train"][1])
    once = torch.stack([torch.randperm(n, generator=generator) for _ in stack.ways])
    errors = torch.zeros(len(stack.ways), epochs, 7)
    for epoch in range(epochs):
        order = torch.stack(
            [
                once[number] if way.shuffle == "once" else torch.randperm(n, generator=generator)
                for number, way in enumerate(stack.ways)
            ]
        )
        errors[:, epoch, 6] = stack.train_epoch(data["train"], scaled["train"], order, batch, generator)
        for place, name in enumerate(SPLITS):
            errors[:, epoch, place] = stack.score(data[name], scaled[name], None)
            errors[:, epoch, 3 + place] = stack.score(data[name], scaled[name], generator if dropout else None)
        report(epoch + 1)
    return [part.numpy() for part in torch.split(errors, seeds)]


class Stack:
    """Networks of the same layers, trained independently at the same time; one row of ``flat`` for each."""

    def __init__(self, ways: list[Way], units: Sequence[int], dropout: float, dtype: torch.dtype) -> None:
        self.ways = ways
        self._shapes = list(pairwise(units))
        self._dropout = dropout
        size = sum(i * u + u for i, u in self._shapes)
        self.flat = torch.zeros(len(ways), size, dtype=dtype, requires_grad=True)
        self._moments = [torch.zeros(len(ways), size, dtype=dtype) for _ in range(2)]
        self._steps = 0
        self._rates = torch.tensor([[way.rate] for way in ways], dtype=dtype)
        self._decays = torch.tensor([[way.decay] for way in ways], dtype=dtype)
        self._standardized = torch.tensor([way.standardized for way in ways])
        self._losses = {
            kind: torch.tensor([number for number, way in enumerate(ways) if way.loss == kind], dtype=torch.long)
            for kind in ("cross_entropy", "softmax_twice", "squares")
        }

    @torch.no_grad()
    def draw_weights(self, generator: torch.Generator) -> None:
        """Draw initial weights: uniform up to 1 / sqrt(inputs), biases too, as PyTorch; or Glorot's, as Keras."""
        first = 0
        for inputs, outputs in self._shapes:
            for number, way in enumerate(self.ways):
                keras = way.initial == "keras"
                limit = math.sqrt(6 / (inputs + outputs)) if keras else 1 / math.sqrt(inputs)
                drawn = limit * (2 * torch.rand(inputs * outputs + outputs, generator=generator) - 1)
                if keras:
                    drawn[inputs * outputs :] = 0
                self.flat[number, first : first + len(drawn)] = drawn.to(self.flat.dtype)
            first += inputs * outputs + outputs

    def train_epoch(
        self,
        data: tuple[Tensor, Tensor],
        scaled: tuple[Tensor, Tensor],
        order: Tensor,
        batch: int,
        generator: torch.Generator,
    ) -> Tensor:
        """Train one epoch; return the mean error over its batches, with the weights and the dropout of each step."""
        wrong = torch.zeros(len(self.ways))
        steps = order.shape[1] // batch
        for step in range(steps):
            rows = order[:, step * batch : (step + 1) * batch]
            x, y = self._choose(data[0], scaled[0], rows), data[1][rows]
            z = self._forward(x, generator if self._dropout else None)
            (gradient,) = torch.autograd.grad(self._loss(z, y), self.flat)
            self._adam(gradient)
            wrong += (z.detach().argmax(2) != y).float().mean(1)
        return wrong / steps

    @torch.no_grad()
    def score(
        self, data: tuple[Tensor, Tensor], scaled: tuple[Tensor, Tensor], generator: torch.Generator | None
    ) -> Tensor:
        """Return the error rate of each network; with a generator, dropout stays on."""
        wrong = torch.zeros(len(self.ways))
        for first in range(0, len(data[1]), _CHUNK):
            rows = slice(first, first + _CHUNK)
            x = self._choose(data[0], scaled[0], rows)
            wrong += (self._forward(x, generator).argmax(2) != data[1][rows][None]).sum(1)
        return wrong / len(data[1])

    def _choose(self, data: Tensor, scaled: Tensor, rows: Tensor | slice) -> Tensor:
        """Return what each network sees: samples as they are, or standardized."""
        x = data[rows]
        if self._standardized.any():
            x = torch.where(self._standardized[:, None, None], scaled[rows], x)
        return x.expand(len(self.ways), -1, -1)

    def _forward(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        first = 0
        for layer, (inputs, outputs) in enumerate(self._shapes):
            weights = self.flat[:, first : first + inputs * outputs].view(-1, inputs, outputs)
            biases = self.flat[:, first + inputs * outputs : first + inputs * outputs + outputs]
            x = torch.baddbmm(biases[:, None, :], x, weights)
            first += inputs * outputs + outputs
            if layer < len(self._shapes) - 1:
                x = x.relu()
                if generator is not None:
                    keep = torch.rand(x.shape, generator=generator) >= self._dropout
                    x = x * keep / (1 - self._dropout)
        return x

    def _loss(self, z: Tensor, y: Tensor) -> Tensor:
        """Return the sum over the networks of each one's mean loss."""
        total = z.new_zeros(())
        for kind, numbers in self._losses.items():
            if not len(numbers):
                continue
            own, labels = z[numbers], y[numbers]
            if kind == "squares":
                target = torch.nn.functional.one_hot(labels, own.shape[2]).to(own.dtype)
                total = total + ((own - target) ** 2).mean((1, 2)).sum()
                continue
            own = own.softmax(2) if kind == "softmax_twice" else own
            total = total - own.log_softmax(2).gather(2, labels[..., None]).mean((1, 2)).sum()
        return total

    @torch.no_grad()
    def _adam(self, gradient: Tensor) -> None:
        """Take one step with PyTorch's default arguments."""
        self._steps += 1
        gradient = gradient + self._decays * self.flat
        mean, square = self._moments
        mean.lerp_(gradient, 0.1)
        square.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
        size = (square / (1 - 0.999**self._steps)).sqrt_().add_(1e-8)
        self.flat -= self._rates / (1 - 0.9**self._steps) * mean / size


if __name__ == "__main__":
    main()
