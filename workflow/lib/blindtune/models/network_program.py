"""Runs the code that builds a network: finds its entry, gives it hyperparameters, and takes what it returns.

This module imports neither PyTorch nor Keras; the user's code does.
"""

import ast
import inspect
import os
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blindtune.core.validation import suggest_name
from blindtune.models.define_by_run import Asker, KerasTunerParameters, OptunaTrial, SetAnswers
from blindtune.models.layers import InvalidModelError
from blindtune.models.network import NetworkBlueprint, NetworkLibrary, is_file, read_model_code
from blindtune.models.own_code import LoadedCode, OwnCode, OwnCodeError, load_code, naming_lines

#: The functions of which a file has one, with what each gets.
ENTRIES = {
    "build": "(hyperparameters, input_shape, n_classes)",
    "build_model": "(hp), as Keras Tuner calls it",
    "define_model": "(trial), as Optuna's examples call it",
}

#: What a file must hold, for messages.
WANTED = (
    "one function that returns a torch.nn.Module or a Keras model: "
    + ", or ".join(f"{name}{arguments}" for name, arguments in ENTRIES.items())
    + ", or a HyperModel of Keras Tuner"
)


#: The class of Keras Tuner's applications that is no classifier.
_AUGMENTS = "HyperImageAugment"


@dataclass(frozen=True)
class Program:
    """Code that builds networks.

    Attributes:
        source: the file or the import path, for messages.
        entry: a key of `ENTRIES`, or ``hypermodel``.
        function: what is called.
        loaded: the code of a file; None for an installed class.
    """

    source: str
    entry: str
    function: Callable[..., Any]
    loaded: LoadedCode | None

    @property
    def defines_space(self) -> bool:
        """Whether a search space can be read from its calls."""
        return self.entry != "build"

    @contextmanager
    def running(self) -> Iterator[None]:
        """Name file and line of errors of the code, which may run inside.

        Raises:
            OwnCodeError: the code failed.
        """
        with self.loaded.running() if self.loaded else nullcontext():
            yield

    def build(self, ask: Asker, input_shape: tuple[int, ...], classes: int) -> Any:
        """Return the network, with its initial weights.

        Args:
            ask: answers what the code asks for.
            input_shape: shape of one sample.
            classes: number of classes.

        Raises:
            OwnCodeError: the code failed.
        """
        with self.running():
            if self.entry == "build":
                built = self.function(self.parameters(ask), input_shape, classes)
            else:
                built = self.function(self.parameters(ask), **self._known(input_shape, classes))
        if find_library(built) is None:
            raise OwnCodeError(
                f"{self.source}: {self.entry} returned {_type_name(built)}, not a torch.nn.Module or a Keras model"
            )
        return built

    def hook(self, name: str) -> Callable[..., Any] | None:
        """Return another function of the file that training calls, None if it has none."""
        found = getattr(self.loaded.module, name, None) if self.loaded else None
        return found if callable(found) else None

    def parameters(self, ask: Asker) -> Any:
        """Return the hyperparameters as the code takes them: a dict, or the object of its library."""
        if self.entry == "build":
            return dict(ask.values()) if isinstance(ask, SetAnswers) else {}
        return OptunaTrial(ask) if self.entry == "define_model" else KerasTunerParameters(ask)

    def _known(self, input_shape: tuple[int, ...], classes: int) -> dict[str, Any]:
        """Return the shape and the number of classes, if the function takes them."""
        known = {"input_shape": input_shape, "n_classes": classes}
        taken = inspect.signature(self.function).parameters
        return {name: value for name, value in known.items() if name in taken}


def open_program(model: str, arguments: Mapping[str, Any], input_shape: tuple[int, ...], classes: int) -> Program:
    """Return the program of a file, or that of an installed HyperModel.

    Args:
        model: the path of a file, or the import path of a class.
        arguments: constructor arguments of the class.
        input_shape: shape of one sample.
        classes: number of classes.

    Raises:
        UserError: the file cannot be read.
        OwnCodeError: the code cannot be imported, or holds no network; the message says what it must hold.
    """
    if is_file(model):
        return _open_file(read_model_code(model), arguments, input_shape, classes)
    found = _import_class(model)
    _train_from_scratch()
    return _create_hypermodel(model, found, None, arguments, input_shape, classes)


def open_blueprint(blueprint: NetworkBlueprint) -> Program:
    """Return the program that builds a blueprint.

    Raises:
        UserError: the file is missing or has changed.
        OwnCodeError: its code cannot be imported.
    """
    shape, classes = blueprint.input_shape, blueprint.classes
    code = blueprint.read_code()
    if code is not None:
        return _open_file(code, blueprint.arguments, shape, classes)
    return open_program(blueprint.source, blueprint.arguments, shape, classes)


def load_blueprint(blueprint: NetworkBlueprint) -> None:
    """Import the code of a blueprint, once in a process; called before generators get their seed.

    An import that draws random numbers would give the first network of a process other ones than later networks.

    Args:
        blueprint: of the code.

    Raises:
        UserError: the file is missing or has changed.
        OwnCodeError: its code cannot be imported.
    """
    code = blueprint.read_code()
    if code is not None:
        with _keeping_folder(), naming_lines(code.path, code.paths.values()):
            load_code(code)


@contextmanager
def _keeping_folder() -> Iterator[None]:
    """Go back to the working folder, which code may change: paths of the study are relative to it."""
    folder = Path.cwd()
    try:
        yield
    finally:
        if Path.cwd() != folder:
            os.chdir(folder)


def build_network(blueprint: NetworkBlueprint, seed: int) -> tuple[Program, Any]:
    """Return a blueprint's program and its network, with initial weights.

    The global generators of Python and NumPy get the seed; that of the deep-learning library is the trainer's.

    Args:
        blueprint: what to build.
        seed: of the training.

    Raises:
        UserError: the file is missing or has changed.
        OwnCodeError: its code failed.
    """
    load_blueprint(blueprint)
    random.seed(seed)
    np.random.seed(seed % 2**32)
    with _keeping_folder():
        program = open_blueprint(blueprint)
        return program, program.build(SetAnswers(blueprint.hyperparameters), blueprint.input_shape, blueprint.classes)


def find_library(built: Any) -> NetworkLibrary | None:
    """Return the library of a network; None if it is not a network."""
    # Keras first: on its backend PyTorch, its models are modules too.
    for module, name, library in (("keras", "Model", "keras"), ("torch.nn", "Module", "pytorch")):
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(built, kind):
            return "keras" if library == "keras" else "pytorch"
    return None


def check_scores(shape: tuple[int, ...], n_samples: int, classes: int, source: str) -> None:
    """Refuse scores of a wrong shape.

    Args:
        shape: of what the network returns.
        n_samples: number of samples that it got.
        classes: number of classes.
        source: the file of the code, for the message.

    Raises:
        InvalidModelError: the shape is not (n_samples, n_classes).
    """
    if shape != (n_samples, classes):
        raise InvalidModelError(
            f"{source}: the network returns shape {shape} for {n_samples} samples of {classes} classes; it must return "
            f"one score for each class, ({n_samples}, {classes})"
        )


def describe_single_samples(n_samples: int, batch_size: int, reason: str) -> str:
    """Return that a network fails on a batch of one sample, and which batch size helps.

    Args:
        n_samples: number of samples that it is trained on.
        batch_size: samples per batch.
        reason: why it fails.
    """
    better = next(size for size in range(max(batch_size, 1) + 1, n_samples + batch_size + 2) if n_samples % size != 1)
    which = "each batch" if batch_size == 1 else "the last batch of each epoch"
    return (
        f"cannot be trained on a batch of one sample, as {which} is: {n_samples} samples in batches of {batch_size} "
        f"({reason}). Give another batch_size, such as {better}; batch normalization needs two samples"
    )


def check_meaning(scores: NDArray[Any], gives_logits: bool, source: str) -> None:
    """Refuse probabilities that would be taken for logits, and numbers below 0 that would be taken for probabilities.

    Training would run with either, on another loss than the code means, and its probabilities would be wrong.

    Args:
        scores: (n_samples, n_classes) of any samples.
        gives_logits: what they are taken for.
        source: the file of the code, for the message.

    Raises:
        InvalidModelError: they are the other.
    """
    advice = "return what the network has before its softmax"
    if gives_logits and (scores >= 0).all() and np.allclose(scores.sum(axis=1), 1, rtol=0, atol=1e-5):
        raise InvalidModelError(
            f"{source}: the network returns probabilities (the scores of each sample are from 0 to 1 and their sum is "
            f"1), which would be taken for logits; {advice}, or set its attribute gives_logits = False"
        )
    if not gives_logits and (scores < 0).any():
        raise InvalidModelError(
            f"{source}: the network returns numbers below 0, which would be taken for probabilities; set its attribute "
            "gives_logits = True if they are logits"
        )


def _open_file(code: OwnCode, arguments: Mapping[str, Any], input_shape: tuple[int, ...], classes: int) -> Program:
    source = str(code.path)
    with naming_lines(code.path, code.paths.values()):
        loaded = load_code(code)
    found = [name for name in ENTRIES if inspect.isfunction(getattr(loaded.module, name, None))]
    models = _find_hypermodels(loaded)
    if len(found) + len(models) != 1:
        have = [*found, *models]
        trouble = f"has {' and '.join(have)}" if have else "has no function that builds a network"
        hint = ""
        if not have:
            names = [name for name, value in vars(loaded.module).items() if inspect.isfunction(value)]
            hint = f" (it has {', '.join(names)})" if names else ""
            if "objective" in names:
                hint += (
                    "; of an objective(trial), move what builds the network into define_model(trial); if it fits a "
                    "classifier of scikit-learn, name that as `estimator` and write its `space`"
                )
        raise OwnCodeError(f"{source}: {trouble}{hint}; it must hold {WANTED}")
    if found == ["define_model"]:
        _refuse_lost_calls(source, code.texts[""])
    if not found:
        return _create_hypermodel(source, getattr(loaded.module, models[0]), loaded, arguments, input_shape, classes)
    if arguments:
        raise OwnCodeError(f"{source}: arguments are for a HyperModel, and {found[0]} takes none; take them out")
    return Program(source, found[0], getattr(loaded.module, found[0]), loaded)


def _refuse_lost_calls(source: str, text: str) -> None:
    """Refuse a script whose objective asks for hyperparameters: it is never run, so they would not be searched."""
    asked = {part.name: _asked_names(part) for part in ast.walk(ast.parse(text)) if isinstance(part, ast.FunctionDef)}
    others = {name for function, names in asked.items() if function != "objective" for name in names}
    lost = [name for name in asked.get("objective", []) if name not in others]
    if lost:
        raise OwnCodeError(
            f"{source}: objective is not run, and it asks for {', '.join(lost)}, which would not be searched. Move "
            "what creates the optimizer into configure_optimizers(network, trial) and what builds the network into "
            "define_model(trial), or take these calls out of objective"
        )


def _asked_names(function: ast.FunctionDef) -> list[str]:
    """Return the names of hyperparameters that a function asks Optuna's trial for, as far as they are written out."""
    names = []
    for part in ast.walk(function):
        if isinstance(part, ast.Call) and getattr(part.func, "attr", "").startswith("suggest_"):
            given = [*part.args[:1], *(one.value for one in part.keywords if one.arg == "name")]
            names += [one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    return list(dict.fromkeys(names))


def _find_hypermodels(loaded: LoadedCode) -> list[str]:
    """Return the names of the HyperModels of a file: instances, or classes that it defines if it has no instance."""
    module = loaded.module
    instances = [name for name, value in vars(module).items() if _is_hypermodel(type(value))]
    classes = [
        name for name, value in vars(module).items()
        if isinstance(value, type) and _is_hypermodel(value) and value.__module__ == module.__name__
    ]  # fmt: skip
    return instances or classes


def _is_hypermodel(kind: type[Any]) -> bool:
    return any(base.__name__ == "HyperModel" and base.__module__.startswith("keras_tuner") for base in kind.__mro__)


def _import_class(path: str) -> type[Any]:
    module, _, name = path.rpartition(".")
    if not module or not all(part.isidentifier() for part in path.split(".")):
        raise OwnCodeError(f"model: {path!r} is neither a file that ends in .py nor the import path of a HyperModel")
    try:
        found = getattr(import_module(module), name, None)
    except ImportError as error:
        raise OwnCodeError(f"model: {path}: cannot be imported ({error}). Install its package.") from error
    if not isinstance(found, type) or not _is_hypermodel(found):
        known = [
            one for one, value in vars(sys.modules[module]).items() if isinstance(value, type) and _is_hypermodel(value)
        ]
        raise OwnCodeError(f"model: {path} is not a HyperModel of Keras Tuner: {suggest_name(name, known)}")
    if found.__name__ == _AUGMENTS and found.__module__.startswith("keras_tuner"):
        raise OwnCodeError(
            f"model: {path} changes pictures and gives no classes. Give HyperResNet, HyperXception or "
            "HyperEfficientNet, or another network in code, and change pictures by a view"
        )
    return found


def _train_from_scratch() -> None:
    """Let Keras Tuner's EfficientNets begin with random weights; they would download trained ones."""
    module = sys.modules.get("keras_tuner.src.applications.efficientnet")
    known: dict[str, Any] = getattr(module, "EFFICIENTNET_MODELS", {})
    for name, create in known.items():
        if not isinstance(create, partial):
            known[name] = partial(create, weights=None)


def _create_hypermodel(
    source: str,
    found: Any,
    loaded: LoadedCode | None,
    arguments: Mapping[str, Any],
    input_shape: tuple[int, ...],
    classes: int,
) -> Program:
    """Return the program of a HyperModel: an instance, or a class that is created with its arguments."""
    with loaded.running() if loaded else nullcontext():
        if isinstance(found, type):
            taken = inspect.signature(found).parameters
            variable = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in taken.values())
            for name in arguments:
                if name not in taken and not variable:
                    raise OwnCodeError(
                        f"arguments.{name}: {source} does not take it: {suggest_name(name, list(taken))}"
                    )
            given = {"input_shape": input_shape, "classes": classes, "n_classes": classes, "num_classes": classes}
            own = {name: value for name, value in given.items() if name in taken}
            found = found(**{**own, **arguments})
        elif arguments:
            raise OwnCodeError(f"{source}: arguments are for a class, and the file has an instance; take them out")
        for base in type(found).__mro__:
            if "fit" in vars(base) and not base.__module__.startswith("keras_tuner"):
                raise OwnCodeError(
                    f"{source}: {type(found).__name__}.fit is of your own, and models are trained by the trainer; take "
                    "it out, and give batch_size and epochs in `training` or in the space"
                )
    return Program(source, "hypermodel", found.build, loaded)


def _type_name(value: Any) -> str:
    return "nothing" if value is None else f"an object of {type(value).__module__}.{type(value).__qualname__}"
