"""Whether ConvNets and LSTMs are worth training many at once, as the fused trainer trains multilayer perceptrons.

    python workflow/benchmarks/fusing.py shapes     # equal models, 1 to 32 of them: what could be gained at best
    python workflow/benchmarks/fusing.py searches   # sets drawn from the spaces: what of it a search would see

One side trains one model after another as the eager PyTorch trainer does, the other all as one; both on one thread, in
turns, with a batch of its own for each model: forward, backward, Adam, loss and wrong samples. Not counted is gathering
the batch, which fusing does not save. First the gradients of both sides, dropout aside, are held against each other in
double precision.
"""

import argparse
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

import clocks
import numpy as np
import torch
from fusing_nets import Nets, parts_of
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

from blindtune.config.systems import ManualModel, resource
from blindtune.core.validation import load
from blindtune.models import pytorch as networks
from blindtune.models.architecture import Architecture, check
from blindtune.models.families import load_family
from blindtune.models.layers import InvalidModelError, Lstm
from blindtune.search_space import Hyperparameters, Space
from blindtune.study.setup import with_output

Step = Callable[[], object]

#: Largest difference of a gradient in double precision, over the largest value of it.
CLOSE = 1e-10

#: CPU seconds of a call that is timed.
LONG = 0.15


@dataclass(frozen=True)
class Shape:
    """Samples of one shape, and how they come: in batches; samples of dev for each batch of train."""

    shape: tuple[int, ...]
    classes: int
    batch: int
    dev: float


DIGITS = Shape((8, 8, 1), 10, 32, 360 / 34)
TISSUE = Shape((64, 64, 3), 2, 16, 72 / 15)
TISSUE_128 = Shape((128, 128, 3), 2, 32, 72 / 15)
EEG = Shape((98, 300), 2, 32, 60 / 8)


def _convnet(
    shape: Shape, filters: list[int], kernels: list[int], pools: list[int], activation: str = "relu"
) -> Architecture:
    """Blocks of a ConvNet and a dense layer of 50; a window of 0: no pooling."""
    values: Hyperparameters = {"blocks": len(filters), "layers": 1, "units_1": 50, "activation": activation}
    for number, (width, kernel, pool) in enumerate(zip(filters, kernels, pools, strict=True), 1):
        values |= {f"filters_{number}": width, f"kernel_{number}": kernel, f"pool_{number}": pool > 0}
        if pool:
            values[f"pool_size_{number}"] = pool
    return load_family("convnet").build(values, shape.shape, shape.classes)


def _lstm(layers: int, activation: str = "tanh") -> Architecture:
    values: Hyperparameters = {"layers": layers, "units": 62, "activation": activation}
    return load_family("lstm").build(values, EEG.shape, EEG.classes)


def _hybrid() -> Architecture:
    """The expert's network for #12, which is in no search."""
    model = load(ManualModel, resource("models", "hybrid_12"))
    return Architecture(input_shape=EEG.shape, layers=with_output(model.layers, EEG.classes))


COUNTS = (1, 4, 8, 16, 32)

CASES: dict[str, tuple[Shape, Architecture, tuple[int, ...]]] = {
    "digits, 8 filters of 3, pooled": (DIGITS, _convnet(DIGITS, [8], [3], [2]), COUNTS),
    "digits, 16 and 16 of 3, pooled": (DIGITS, _convnet(DIGITS, [16, 16], [3, 3], [0, 2]), COUNTS),
    "digits, 32 and 32 of 2, pooled": (DIGITS, _convnet(DIGITS, [32, 32], [2, 2], [2, 0]), COUNTS),
    "tissue 64, 16 of 5, 16 of 5": (TISSUE, _convnet(TISSUE, [16, 16], [5, 5], [3, 3]), COUNTS),
    "tissue 64, 1 of 8, 1 of 5": (TISSUE, _convnet(TISSUE, [1, 1], [8, 5], [5, 3], "tanh"), COUNTS),
    "tissue 128, 16 of 5, 16 of 5": (TISSUE_128, _convnet(TISSUE_128, [16, 16], [5, 5], [3, 3]), (1, 4)),
    "EEG, LSTM, tanh": (EEG, _lstm(1), COUNTS),
    "EEG, 2 LSTMs, tanh": (EEG, _lstm(2), COUNTS),
    "EEG, LSTM, relu": (EEG, _lstm(1, "relu"), COUNTS),
    "EEG, LSTM, sigmoid": (EEG, _lstm(1, "sigmoid"), COUNTS),
    "EEG, hybrid": (EEG, _hybrid(), COUNTS),
}

#: Spaces by what they are searched on.
SEARCHES: dict[str, tuple[Shape, str, str]] = {
    "digits, convnet": (DIGITS, "convnet", "convnet"),
    "digits, guide_convnet": (DIGITS, "convnet", "guide_convnet"),
    "tissue 64, convnet_11": (TISSUE, "convnet", "convnet_11"),
    "EEG, lstm_12": (EEG, "lstm", "lstm_12"),
}


class Alone:
    """One model after another."""

    def __init__(self, architectures: Sequence[Architecture], x: Tensor, y: Tensor) -> None:
        """Samples are (models, rows, ...), labels (models, rows)."""
        self.modules = [networks.build(architecture) for architecture in architectures]
        self._optimizers = [torch.optim.Adam(module.parameters(), fused=True) for module in self.modules]
        self._logits = [architecture.gives_logits() for architecture in architectures]
        self._x, self._y = x, y
        self._loss = torch.zeros(len(architectures), dtype=torch.float64)
        self._wrong = torch.zeros(len(architectures), dtype=torch.int64)

    def without_dropout(self) -> None:
        """Let none be dropped from now on."""
        for module in self.modules:
            for layer in module:
                if isinstance(layer, nn.Dropout):
                    layer.eval()

    def step(self) -> None:
        """A batch of each."""
        for place in range(len(self.modules)):
            self.one(place)

    def one(self, place: int) -> None:
        """A batch of one of them."""
        y, optimizer = self._y[place], self._optimizers[place]
        scores = self.modules[place](self._x[place])
        loss = networks.compute_loss("sparse_categorical_crossentropy", scores, y, self._logits[place])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        self._loss[place] += loss.detach() * len(y)
        self._wrong[place] += (scores.detach().argmax(dim=1) != y).sum()


class BatchTrainer:
    """All as one."""

    def __init__(self, architectures: Sequence[Architecture], x: Tensor, y: Tensor, way: str) -> None:
        self.nets = Nets(architectures, way)
        self._optimizer = torch.optim.Adam(self.nets.parameters(), fused=True)
        self._x, self._y = x, y
        self._loss = torch.zeros(len(architectures), dtype=torch.float64)
        self._wrong = torch.zeros(len(architectures), dtype=torch.int64)

    def step(self) -> None:
        """A batch of each."""
        losses, wrong = self.nets.loss(self._x, self._y)
        self._optimizer.zero_grad(set_to_none=True)
        losses.sum().backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self._loss += losses.detach() * self._y.shape[1]
        self._wrong += wrong


class Mapped:
    """Equal models by ``torch.func.vmap``."""

    def __init__(self, modules: Sequence[nn.Module], x: Tensor, y: Tensor, gives_logits: bool) -> None:
        self._parameters, _ = stack_module_state(list(modules))
        self._optimizer = torch.optim.Adam(self._parameters.values(), fused=True)
        module = modules[0]

        def loss(parameters: dict[str, Tensor], x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            scores = functional_call(module, parameters, (x,))
            return networks.compute_loss("sparse_categorical_crossentropy", scores, y, gives_logits), scores.argmax(1) != y

        self._gradients = vmap(grad_and_value(loss, has_aux=True))
        self._x, self._y = x, y

    def step(self) -> None:
        """A batch of each."""
        gradients, _ = self._gradients(self._parameters, self._x, self._y)
        for name, gradient in gradients.items():
            self._parameters[name].grad = gradient
        self._optimizer.step()


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["shapes", "searches"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sets", type=int, default=32, help="of a search")
    parser.add_argument("--draws", type=int, default=2, help="searches whose time is taken")
    parser.add_argument("--only", default="", help="those whose name begins so")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name in CASES if arguments.what == "shapes" else SEARCHES:
        if name.startswith(arguments.only):
            if arguments.what == "shapes":
                _shapes(name, arguments.rounds)
            else:
                _search(name, arguments.rounds, arguments.draws, arguments.sets)


def _shapes(name: str, rounds: int) -> None:
    """Equal models: CPU milliseconds a step of one, and how many times as fast the other ways are."""
    shape, architecture, counts = CASES[name]
    for models in counts:
        torch.manual_seed(1)
        x, y = _samples(shape, models)
        alone = Alone([architecture] * models, x, y)
        ways: dict[str, Step] = {"alone": alone.step}
        for way in _ways(architecture):
            ways[way] = _checked(way, [architecture] * models, alone.modules, x, y)
        if "lstm" not in _kinds(architecture):
            ways["vmap"] = Mapped(alone.modules, x, y, architecture.gives_logits()).step
        took = _seconds(ways, rounds)
        ratios = ", ".join(f"{way} {_ratio(took, 'alone', way):.2f}" for way in ways if way != "alone")
        print(f"{name}, {models} models: alone {median(took['alone']) / models * 1e3:.3f} ms; {ratios}", flush=True)


def _ways(architecture: Architecture) -> list[str]:
    """The ways to fuse it."""
    if "lstm" not in _kinds(architecture):
        return ["columns", "grouped", "grouped_last"]
    tanh = all(layer.activation == "tanh" for layer in architecture.layers if isinstance(layer, Lstm))
    return ["written", "stepped"] if tanh else ["written"]


def _kinds(architecture: Architecture) -> set[str]:
    return {layer.kind for layer in architecture.layers}


def _checked(
    way: str, architectures: Sequence[Architecture], modules: Sequence[nn.Module], x: Tensor, y: Tensor
) -> Step:
    """The step of a way that gives the gradients that the models have alone."""
    torch.set_default_dtype(torch.float64)
    alone = Alone(architectures, x.double(), y)
    together = BatchTrainer(architectures, x.double(), y, way)
    torch.set_default_dtype(torch.float32)
    together.nets.take(alone.modules)
    alone.without_dropout()
    together.nets.drops = False
    for place in range(len(architectures)):
        alone.one(place)
    together.step()
    off = together.nets.farthest(alone.modules)
    if not off <= CLOSE:
        raise SystemExit(f"{way}: gradients differ by {off:.1e}")
    timed = BatchTrainer(architectures, x, y, way)
    timed.nets.take(modules)
    return timed.step


def _search(name: str, rounds: int, draws: int, sets: int) -> None:
    """Sets drawn from a space: how many share a kind, and what training those as one would make of the whole."""
    shape, family, space = SEARCHES[name]
    shares = [_shared(_drawn(shape, family, space, sets, seed)) for seed in range(40)]
    valid, paired, crowded = np.mean(shares, axis=0)
    print(
        f"{name}: of {sets} sets {valid:.1f} can be built, {paired:.1f} share depth, kernels and windows with another, "
        f"{crowded:.1f} with three or more others (means of 40 draws)",
        flush=True,
    )
    for seed in range(draws):
        drawn = _drawn(shape, family, space, sets, seed)
        for most in (4, 16) if family == "convnet" else (1, 4, 8):
            ways = ["columns", "grouped"] if family == "convnet" else ["written"]
            _print_search(f"{name}, draw {seed}", most, _timed(shape, drawn, ways, most, rounds))


@dataclass(frozen=True)
class Timed:
    """Seconds of CPU a step of all models, and how it is made up.

    Attributes:
        singles: of those whose kind is theirs alone.
        alone, fused, chosen: of the others, one after another, as one, and whichever is faster for each group.
        dev: what scoring dev adds.
        grouped: how many are fused.
        padding: their parameters with padding, over those without.
    """

    singles: float
    alone: float
    fused: float
    chosen: float
    dev: float
    grouped: int
    padding: float


def _print_search(name: str, most: int, it: Timed) -> None:
    steps = (it.singles + it.alone) / (it.singles + it.chosen)
    gain = it.alone / it.fused if it.fused else math.nan
    whole = (it.singles + it.alone + it.dev) / (it.singles + it.chosen + it.dev)
    print(
        f"{name}, up to {most} a group: {it.grouped} fused; those {gain:.2f} "
        f"(parameters {it.padding:.2f} times with padding), all training {steps:.2f}, with dev {whole:.2f} "
        f"(fused only where faster)",
        flush=True,
    )


def _timed(shape: Shape, drawn: list[Architecture], fusing: list[str], most: int, rounds: int) -> Timed:
    singles = alone = fused = chosen = dev = 0.0
    own = padded = grouped = 0
    for group in _groups(drawn, most):
        torch.manual_seed(1)
        x, y = _samples(shape, len(group))
        one = Alone(group, x, y)
        ways: dict[str, Step] = {"alone": one.step, "dev": partial(_dev, one.modules, shape)}
        fuses = len(group) > 1 or most == 1
        if fuses:
            ways |= {way: _checked(way, group, one.modules, x, y) for way in fusing}
            grouped += len(group)
        took = {name: median(seconds) for name, seconds in _seconds(ways, rounds).items()}
        dev += took["dev"]
        if not fuses:
            singles += took["alone"]
            continue
        alone += took["alone"]
        best = min(took[way] for way in fusing)
        fused += best
        chosen += min(took["alone"], best)
        own += sum(parameter.numel() for module in one.modules for parameter in module.parameters())
        padded += sum(values.numel() for values in Nets(group, fusing[0]).parameters())
    return Timed(singles, alone, fused, chosen, dev, grouped, padded / max(own, 1))


@torch.no_grad()
def _dev(modules: Sequence[nn.Module], shape: Shape) -> None:
    """What scoring dev adds to a step."""
    x = torch.zeros(round(shape.dev), *shape.shape)
    for module in modules:
        module(x)


def _drawn(shape: Shape, family: str, space: str, sets: int, seed: int) -> list[Architecture]:
    """What can be built of so many random sets."""
    found = load(Space, resource("spaces", space))
    random = np.random.default_rng(seed)
    drawn = []
    for _ in range(sets):
        built = load_family(family).build(found.draw(random), shape.shape, shape.classes)
        try:
            check(built, shape.classes)
        except InvalidModelError:
            continue
        drawn.append(built)
    return drawn


def _kind(architecture: Architecture) -> Hashable:
    """What models must share to be one: kinds of layers, kernels and windows."""
    return tuple(
        (layer.kind, getattr(layer, "kernel", None), getattr(layer, "size", None))
        for layer, _ in parts_of(architecture)
    )


def _shared(drawn: list[Architecture]) -> tuple[int, int, int]:
    """How many there are; how many have a kind in common with one other at least, and with three."""
    kinds = Counter(_kind(architecture) for architecture in drawn)
    paired, crowded = (sum(count for count in kinds.values() if count >= least) for least in (2, 4))
    return len(drawn), paired, crowded


def _groups(drawn: list[Architecture], most: int) -> list[list[Architecture]]:
    """Those of a kind by width, as evenly as at most so many allow; within each by activation."""
    kinds: dict[Hashable, list[Architecture]] = defaultdict(list)
    for architecture in drawn:
        kinds[_kind(architecture)].append(architecture)
    groups = []
    for kin in kinds.values():
        kin.sort(key=_widths)
        parts = np.array_split(np.arange(len(kin)), -(-len(kin) // most))
        groups += [sorted((kin[place] for place in part), key=_activations) for part in parts]
    return groups


def _widths(architecture: Architecture) -> tuple[int, ...]:
    return tuple(getattr(layer, "units", getattr(layer, "filters", 0)) for layer, _ in parts_of(architecture))


def _activations(architecture: Architecture) -> tuple[str, ...]:
    return tuple(getattr(layer, "activation", "") for layer, _ in parts_of(architecture))


def _samples(shape: Shape, models: int) -> tuple[Tensor, Tensor]:
    x = torch.randn(models, shape.batch, *shape.shape)
    return x, torch.randint(shape.classes, (models, shape.batch))


def _seconds(ways: dict[str, Step], rounds: int) -> dict[str, list[float]]:
    """CPU seconds of a step, each round in turns; so many steps a turn that the first way takes `LONG`."""
    for way in ways.values():
        way()
    [(_, once)] = clocks.in_turns({"": next(iter(ways.values()))}, 1)[""]
    steps = max(1, round(LONG / once))
    took = clocks.in_turns({name: partial(_repeat, way, steps) for name, way in ways.items()}, rounds)
    return {name: [cpu / steps for _, cpu in turns] for name, turns in took.items()}


def _repeat(way: Step, steps: int) -> None:
    for _ in range(steps):
        way()


def _ratio(took: dict[str, list[float]], one: str, other: str) -> float:
    """The median of the rounds' ratios."""
    return median(a / b for a, b in zip(took[one], took[other], strict=True))


if __name__ == "__main__":
    main()
