"""Measure what training many ConvNets or LSTMs as one fused model gains, as the fused trainer does with MLPs.

    python workflow/benchmarks/fusing.py shapes     # equal models, 1 to 32 of them: an upper bound
    python workflow/benchmarks/fusing.py searches   # sets drawn from the spaces: what a search gains

One side trains one model after another as the eager PyTorch trainer does, the other trains them as one fused model.
Both run on one thread, in turns, with a separate batch for each model: forward, backward, Adam, loss and wrong samples.
Collecting the batch, which fusing does not save, is not timed. First the gradients of both sides without dropout are
compared in double precision.
"""

import argparse
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

import measure
import numpy as np
import torch
from fusing_nets import Nets, parts_of
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

from blindtune.config.systems import ManualModel, find_resource
from blindtune.core.validation import load
from blindtune.models import pytorch as networks
from blindtune.models.architecture import Architecture, check
from blindtune.models.base import ScoreKind
from blindtune.models.families import load_family
from blindtune.models.layers import InvalidModelError, Lstm
from blindtune.search_space import Hyperparameters, Space
from blindtune.study.setup import add_output_layer

Step = Callable[[], object]

#: Maximum difference of a gradient in double precision, relative to its largest value.
CLOSE = 1e-10

#: CPU seconds of a timed call.
LONG = 0.15


@dataclass(frozen=True)
class Shape:
    """The shape of samples, the number of classes, the batch size, and the samples of dev per batch of train."""

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
    """Return a ConvNet of some blocks and a dense layer of 50 units; a pool size of 0: no pooling."""
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
    """Return the expert's network for #12, which is in no search."""
    model = load(ManualModel, find_resource("models", "hybrid_12"))
    return Architecture(input_shape=EEG.shape, layers=add_output_layer(model.layers, EEG.classes))


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

#: Samples, family and space of each search.
SEARCHES: dict[str, tuple[Shape, str, str]] = {
    "digits, convnet": (DIGITS, "convnet", "convnet"),
    "digits, guide_convnet": (DIGITS, "convnet", "guide_convnet"),
    "tissue 64, convnet_11": (TISSUE, "convnet", "convnet_11"),
    "EEG, lstm_12": (EEG, "lstm", "lstm_12"),
}


class Sequential:
    """Trains one model after another."""

    def __init__(self, architectures: Sequence[Architecture], x: Tensor, y: Tensor) -> None:
        """Build the models; samples are (models, rows, ...), labels (models, rows)."""
        self.modules = [networks.build(architecture) for architecture in architectures]
        self._optimizers = [torch.optim.Adam(module.parameters(), fused=True) for module in self.modules]
        self._score_kinds = [architecture.score_kind() for architecture in architectures]
        self._x, self._y = x, y
        self._loss = torch.zeros(len(architectures), dtype=torch.float64)
        self._wrong = torch.zeros(len(architectures), dtype=torch.int64)

    def without_dropout(self) -> None:
        """Turn dropout off."""
        for module in self.modules:
            for layer in module:
                if isinstance(layer, nn.Dropout):
                    layer.eval()

    def step(self) -> None:
        """Train one batch of each model."""
        for place in range(len(self.modules)):
            self.one(place)

    def one(self, place: int) -> None:
        """Train one batch of one model."""
        y, optimizer = self._y[place], self._optimizers[place]
        scores = self.modules[place](self._x[place])
        loss = networks.compute_loss("sparse_categorical_crossentropy", scores, y, self._score_kinds[place])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        self._loss[place] += loss.detach() * len(y)
        self._wrong[place] += (scores.detach().argmax(dim=1) != y).sum()


class Fused:
    """Trains all models as one."""

    def __init__(self, architectures: Sequence[Architecture], x: Tensor, y: Tensor, way: str) -> None:
        self.nets = Nets(architectures, way)
        self._optimizer = torch.optim.Adam(self.nets.parameters(), fused=True)
        self._x, self._y = x, y
        self._loss = torch.zeros(len(architectures), dtype=torch.float64)
        self._wrong = torch.zeros(len(architectures), dtype=torch.int64)

    def step(self) -> None:
        """Train one batch of each model."""
        losses, wrong = self.nets.loss(self._x, self._y)
        self._optimizer.zero_grad(set_to_none=True)
        losses.sum().backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self._loss += losses.detach() * self._y.shape[1]
        self._wrong += wrong


class Mapped:
    """Trains equal models with ``torch.func.vmap``."""

    def __init__(self, modules: Sequence[nn.Module], x: Tensor, y: Tensor, kind: ScoreKind) -> None:
        self._parameters, _ = stack_module_state(list(modules))
        self._optimizer = torch.optim.Adam(self._parameters.values(), fused=True)
        module = modules[0]

        def loss(parameters: dict[str, Tensor], x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            scores = functional_call(module, parameters, (x,))
            return networks.compute_loss("sparse_categorical_crossentropy", scores, y, kind), scores.argmax(1) != y

        self._gradients = vmap(grad_and_value(loss, has_aux=True))
        self._x, self._y = x, y

    def step(self) -> None:
        """Train one batch of each model."""
        gradients, _ = self._gradients(self._parameters, self._x, self._y)
        for name, gradient in gradients.items():
            self._parameters[name].grad = gradient
        self._optimizer.step()


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["shapes", "searches"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sets", type=int, default=32, help="hyperparameter sets of a search")
    parser.add_argument("--draws", type=int, default=2, help="searches that are timed")
    parser.add_argument("--only", default="", help="only cases whose names start with this")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for name in CASES if arguments.what == "shapes" else SEARCHES:
        if name.startswith(arguments.only):
            if arguments.what == "shapes":
                _shapes(name, arguments.rounds)
            else:
                _search(name, arguments.rounds, arguments.draws, arguments.sets)


def _shapes(name: str, rounds: int) -> None:
    """Print the CPU milliseconds per step of one of several equal models, and how much faster the other ways are."""
    shape, architecture, counts = CASES[name]
    for models in counts:
        torch.manual_seed(1)
        x, y = _samples(shape, models)
        alone = Sequential([architecture] * models, x, y)
        ways: dict[str, Step] = {"alone": alone.step}
        for way in _ways(architecture):
            ways[way] = _checked(way, [architecture] * models, alone.modules, x, y)
        if "lstm" not in _kinds(architecture):
            ways["vmap"] = Mapped(alone.modules, x, y, architecture.score_kind()).step
        took = _seconds(ways, rounds)
        ratios = ", ".join(f"{way} {_ratio(took, 'alone', way):.2f}" for way in ways if way != "alone")
        print(f"{name}, {models} models: alone {median(took['alone']) / models * 1e3:.3f} ms; {ratios}", flush=True)


def _ways(architecture: Architecture) -> list[str]:
    """Return the ways to fuse an architecture."""
    if "lstm" not in _kinds(architecture):
        return ["columns", "grouped", "grouped_last"]
    tanh = all(layer.activation == "tanh" for layer in architecture.layers if isinstance(layer, Lstm))
    return ["written", "stepped"] if tanh else ["written"]


def _kinds(architecture: Architecture) -> set[str]:
    return {layer.kind for layer in architecture.layers}


def _checked(
    way: str, architectures: Sequence[Architecture], modules: Sequence[nn.Module], x: Tensor, y: Tensor
) -> Step:
    """Return the step of a way, once its gradients were compared with those of the single models."""
    torch.set_default_dtype(torch.float64)
    alone = Sequential(architectures, x.double(), y)
    fused = Fused(architectures, x.double(), y, way)
    torch.set_default_dtype(torch.float32)
    fused.nets.take(alone.modules)
    alone.without_dropout()
    fused.nets.drops = False
    for place in range(len(architectures)):
        alone.one(place)
    fused.step()
    off = fused.nets.farthest(alone.modules)
    if not off <= CLOSE:
        raise SystemExit(f"{way}: gradients differ by {off:.1e}")
    timed = Fused(architectures, x, y, way)
    timed.nets.take(modules)
    return timed.step


def _search(name: str, rounds: int, draws: int, sets: int) -> None:
    """Print how many sets drawn from a space share a kind, and what fusing those gains."""
    shape, family, space = SEARCHES[name]
    shares = [_count_shared(_draw(shape, family, space, sets, seed)) for seed in range(40)]
    valid, paired, crowded = np.mean(shares, axis=0)
    print(
        f"{name}: of {sets} sets {valid:.1f} can be built, {paired:.1f} share depth, kernels and pools with another, "
        f"{crowded:.1f} with three or more others (means of 40 draws)",
        flush=True,
    )
    for seed in range(draws):
        drawn = _draw(shape, family, space, sets, seed)
        for most in (4, 16) if family == "convnet" else (1, 4, 8):
            ways = ["columns", "grouped"] if family == "convnet" else ["written"]
            _print_search(f"{name}, draw {seed}", most, _timed(shape, drawn, ways, most, rounds))


@dataclass(frozen=True)
class Timed:
    """CPU seconds of a step of all models, by what they are spent on.

    Attributes:
        singles: Models that share their kind with no other.
        alone: The other models, one after another.
        fused: The other models, fused.
        chosen: The other models, the faster of the two for each group.
        dev: Scoring dev.
        grouped: Number of fused models.
        padding: Parameters of the fused models with padding, relative to those without.
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
        one = Sequential(group, x, y)
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
    """Score the samples of dev that belong to one step."""
    x = torch.zeros(round(shape.dev), *shape.shape)
    for module in modules:
        module(x)


def _draw(shape: Shape, family: str, space: str, sets: int, seed: int) -> list[Architecture]:
    """Return the architectures of random sets that can be built."""
    found = load(Space, find_resource("spaces", space))
    random = np.random.default_rng(seed)
    drawn = []
    for _ in range(sets):
        built = load_family(family).build(found.draw(random), shape.shape, shape.classes)
        try:
            check(built, shape.classes)
        except InvalidModelError:
            continue
        drawn.append(built.for_loss("cross_entropy"))
    return drawn


def _kind(architecture: Architecture) -> Hashable:
    """Return what models must share to be fused: kinds of layers, kernels and pool sizes."""
    return tuple(
        (layer.kind, getattr(layer, "kernel", None), getattr(layer, "size", None))
        for layer, _ in parts_of(architecture)
    )


def _count_shared(drawn: list[Architecture]) -> tuple[int, int, int]:
    """Return how many there are, and how many share their kind with at least one and at least three others."""
    kinds = Counter(_kind(architecture) for architecture in drawn)
    paired, crowded = (sum(count for count in kinds.values() if count >= least) for least in (2, 4))
    return len(drawn), paired, crowded


def _groups(drawn: list[Architecture], most: int) -> list[list[Architecture]]:
    """Group models of one kind by width, evenly, with at most ``most`` per group; sort each group by activation."""
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
    """Return CPU seconds per step, in turns; each turn has so many steps that the first way takes `LONG`."""
    for way in ways.values():
        way()
    [(_, once)] = measure.time_in_turns({"": next(iter(ways.values()))}, 1)[""]
    steps = max(1, round(LONG / once))
    took = measure.time_in_turns({name: partial(_repeat, way, steps) for name, way in ways.items()}, rounds)
    return {name: [cpu / steps for _, cpu in turns] for name, turns in took.items()}


def _repeat(way: Step, steps: int) -> None:
    for _ in range(steps):
        way()


def _ratio(took: dict[str, list[float]], one: str, other: str) -> float:
    """Return the median ratio of the rounds."""
    return median(a / b for a, b in zip(took[one], took[other], strict=True))


if __name__ == "__main__":
    main()
