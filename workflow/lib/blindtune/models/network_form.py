"""How hyperparameters become a network of a user's code, and which search spaces fit it.

Creating the form and building blueprints run no code of the user; `describe` and `read_space` do. While a study is
planned, they are called in a process of their own (`blindtune.config.network_plan`).
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydantic import ValidationError

from blindtune.config.training import OPTIONAL_SETTINGS, Training
from blindtune.core.errors import UserError
from blindtune.core.validation import parse
from blindtune.models.base import ModelForm
from blindtune.models.define_by_run import CHECKS, Asker, Recorder, SetAnswers, SpaceError, read_space
from blindtune.models.estimator_classes import library_versions
from blindtune.models.forms import ModelChoice
from blindtune.models.network import NetworkBlueprint, NetworkLibrary, SampleFacts, is_file, read_model_code
from blindtune.models.network_program import Program, describe_single_samples, find_library, open_program
from blindtune.models.own_code import OwnCodeError
from blindtune.search_space import ChoiceDimension, Hyperparameters, Space

#: Shapes of a sample on which planning tries to build, since no data are prepared: those of tables, series, pictures
#: and large pictures, the first that works.
EXAMPLE_SHAPES: tuple[tuple[int, ...], ...] = ((8,), (64,), (8, 8, 1), (28, 28, 1), (16, 4), (32, 32, 3), (64, 64, 3))

#: Classes of the networks that planning builds.
_CLASSES = 3

#: Sets that planning draws to find dimensions that change nothing.
_MAX_DRAWS: dict[NetworkLibrary, int] = {"pytorch": 16, "keras": 6}

#: Sets that are drawn to find what the code has in place of settings of training.
_DRAWN = 8

#: Sets that are drawn at most until one fits the samples of a dataset.
_TRIED = 64

#: What is wrong with a network, by its library.
_ADVICE = {
    "pytorch": "returns a PyTorch module; give `trainer: pytorch`",
    "keras": "returns a Keras model; give `trainer: keras`",
}


@dataclass(frozen=True)
class NetworkForm(ModelForm):
    """Makes blueprints of one program.

    Attributes:
        source: the file, or the import path of a HyperModel.
        arguments: constructor arguments of a HyperModel.
        code_sha256: identifies the code of the file; None for an installed class.
        libraries: versions of the packages that hold an installed class.
        library: of the networks that its trainer trains.
        defines_space: whether the code asks for its hyperparameters, and there is no other search space.
    """

    trains_epochs = True
    source: str
    arguments: Mapping[str, Any]
    code_sha256: str | None
    libraries: Mapping[str, str]
    library: NetworkLibrary
    defines_space: bool
    _worked: list[tuple[tuple[int, ...], bool]] = field(default_factory=list, compare=False)
    _parts: set[frozenset[str]] = field(default_factory=set, compare=False)

    @property
    def max_draws(self) -> int:
        """Sets that planning draws to find dimensions that change nothing; an installed class is taken as it is."""
        return _MAX_DRAWS[self.library] if self.code_sha256 else 0

    @property
    def _checks(self) -> int:
        """Sets with which planning checks a space that was read; networks of an installed class take seconds each."""
        return CHECKS if self.code_sha256 and self.library == "pytorch" else 16 if self.code_sha256 else 3

    def training_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the hyperparameters that are settings of training too.

        Code that defines its space reads what it asks for: a name such as ``optimizer`` may have values of the code's
        own, which are then no settings. Names of optional settings, such as ``weight_decay``, are always the code's.
        """
        return {
            name: value
            for name, value in values.items()
            if name not in OPTIONAL_SETTINGS and (not self.defines_space or _is_setting(name, value))
        }

    def check_space(self, space: Space, where: str) -> None:
        """Refuse options of training settings that are not values of them; other names are the code's own."""
        for name, dimension in space.root.items():
            if isinstance(dimension, ChoiceDimension) and name in Training.model_fields:
                for option in dimension.options:
                    parse(Training, {name: option}, f"{where}: {name}")

    def build(self, values: Hyperparameters, input_shape: tuple[int, ...], classes: int) -> NetworkBlueprint:
        """Return the blueprint of a hyperparameter set; runs no code."""
        return NetworkBlueprint(
            source=self.source,
            code_sha256=self.code_sha256,
            libraries=dict(self.libraries),
            arguments=dict(self.arguments),
            hyperparameters=dict(values),
            input_shape=input_shape,
            classes=classes,
        )

    def describe(self, values: Mapping[str, Any]) -> tuple[object, ...]:
        """Return what tells the network of a set from others; builds it on an example of a shape.

        Raises:
            Exception: the code failed on all shapes that are tried; the error of the last.
        """
        return self._build(lambda: SetAnswers(values))

    def read_space(self) -> Space:
        """Return the search space that the code asks for.

        Raises:
            ValueError: the code asks for none, or for one that cannot be said; the message names the hyperparameter.
        """
        program = open_program(self.source, self.arguments, EXAMPLE_SHAPES[0], _CLASSES)
        if not program.defines_space:
            raise OwnCodeError(
                f"{self.source}: build(hyperparameters, ...) does not say what it reads; give a search space (`space:`)"
            )
        try:
            space = read_space(self._run, self._checks)
        except SpaceError as error:
            raise OwnCodeError(f"{self.source}: {error}") from error
        return space

    def find_parts(self, space: Space) -> set[frozenset[str]]:
        """Return what the code has in place of settings of training, for each kind of network that it builds.

        Args:
            space: from which sets are drawn, unless networks were built before.

        Returns:
            Sets of keys of `REPLACED_SETTINGS` of `blindtune.training.registry`; no set if no network can be built.
        """
        random = np.random.default_rng(0)
        n_drawn = _DRAWN if self.code_sha256 else 1
        for _ in range(0 if self._parts else n_drawn):
            with suppress(Exception):  # such a set is recorded as failed
                self.describe(space.draw(random))
        return set(self._parts)

    def check_samples(self, space: Space, data: SampleFacts) -> None:
        """Refuse code of which no drawn set can be built for the samples of a dataset, or trained on its batches.

        Args:
            space: from which sets are drawn, until one can be built.
            data: the samples.

        Raises:
            OwnCodeError: the message names the shape or the batch size.
        """
        random = np.random.default_rng(0)
        errors: list[Exception] = []
        reasons: list[str] = []
        for _ in range(_TRIED if self.code_sha256 else 0):
            try:
                module = self._build_blueprint(self.build(space.draw(random), data.input_shape, data.classes))
            except UserError:
                raise
            except Exception as error:
                errors.append(error)
                continue
            reason = self._why_not_batches(module, data)
            if reason is None:
                return
            reasons.append(reason)
            if len(reasons) == _DRAWN:
                break
        if reasons:
            raise OwnCodeError(f"{self.source}: {reasons[0]}")
        if errors:
            raise OwnCodeError(
                f"none of {len(errors)} drawn sets gives a network for samples of the dataset, which have the shape "
                f"{data.input_shape}, and its {data.classes} classes; e.g. {errors[0]}"
            ) from errors[0]

    def _build_blueprint(self, blueprint: NetworkBlueprint) -> Any:
        if self.library == "keras":
            from blindtune.models import keras_network

            return keras_network.build(blueprint, 0)
        from blindtune.models import pytorch_network

        return pytorch_network.build(blueprint, 0)

    def _why_not_batches(self, module: Any, data: SampleFacts) -> str | None:
        """Return why a module of PyTorch fails on its last batch, if all batch sizes leave one sample to it."""
        if self.library != "pytorch" or any(data.samples % size != 1 and size > 1 for size in data.batch_sizes):
            return None
        from blindtune.models import pytorch_network

        if module.program.hook("training_step"):
            return None
        reason = pytorch_network.why_not_one_sample(module, data.input_shape)
        if not reason or not data.batch_sizes:
            return None
        return describe_single_samples(data.samples, data.batch_sizes[-1], reason)

    def _run(self, recorder: Recorder) -> None:
        """Call the code with a recorder; what it asks for before it fails is not enough."""

        def ask() -> Recorder:
            recorder.forget()
            return recorder

        self._build(ask)

    def _build(self, ask: Callable[[], Asker]) -> tuple[object, ...]:
        """Build a network on the first shape that works, and return what tells it from others.

        A shape works if the network takes samples of it. If there is none, it is enough that the network can be built.
        """
        errors: list[Exception] = []
        tried = [(shape, is_run) for is_run in (True, False) for shape in EXAMPLE_SHAPES]
        if self.code_sha256 is None:  # large networks, whose calls take longer than building them
            tried = [(shape, False) for shape in EXAMPLE_SHAPES]
        for shape, is_run in dict.fromkeys([*self._worked[-1:], *tried]):
            try:
                found = self._build_at(shape, ask(), is_run)
            except (UserError, SpaceError):
                raise
            except Exception as error:
                errors.append(error)
                continue
            self._worked.append((shape, is_run))
            return found
        raise next((error for error in errors if isinstance(error, OwnCodeError)), errors[0])

    def _build_at(self, shape: tuple[int, ...], ask: Asker, is_run: bool) -> tuple[object, ...]:
        program = open_program(self.source, self.arguments, shape, _CLASSES)
        network = program.build(ask, shape, _CLASSES)
        if find_library(network) != self.library:
            raise OwnCodeError(f"{self.source}: {_ADVICE[str(find_library(network))]}")
        if self.library == "pytorch":
            hooks = ("configure_optimizers", "training_step")
            self._parts.add(frozenset(name for name in hooks if program.hook(name)))
            return self._describe_pytorch(program, network, ask, shape, is_run)
        from blindtune.models import keras_network

        own = {"compile": keras_network.is_compiled(network), "train_step": keras_network.has_train_step(network)}
        self._parts.add(frozenset(part for part, is_own in own.items() if is_own))
        if is_run:
            keras_network.call(network, shape)
        return keras_network.describe(network)

    def _describe_pytorch(
        self, program: Program, network: Any, ask: Asker, shape: tuple[int, ...], is_run: bool
    ) -> tuple[object, ...]:
        from blindtune.models import pytorch_network

        if is_run:
            pytorch_network.call(network, shape)
        found = pytorch_network.describe(network)
        configure = program.hook("configure_optimizers")
        if configure is None:
            return found
        with program.running():
            return *found, repr(configure(network, program.parameters(ask)))


def library_versions_of(model: str) -> dict[str, str]:
    """Return the versions of the packages that hold an installed class; none for a file.

    Args:
        model: as the config names it.
    """
    if is_file(model):
        return {}
    known = library_versions([model])
    return {name: version for name, version in known.items() if name != "scikit-learn"}


def create_form(choice: ModelChoice) -> NetworkForm:
    """Create the form of a user's code; runs nothing of it.

    Args:
        choice: names the file or the import path.

    Raises:
        UserError: the file cannot be read.
    """
    digest = read_model_code(choice.name).sha256 if is_file(choice.name) else None
    arguments = json.loads(choice.arguments)
    library: NetworkLibrary = "keras" if choice.trainer.startswith("keras") else "pytorch"
    return NetworkForm(choice.name, arguments, digest, library_versions_of(choice.name), library, choice.defines_space)


def _is_setting(name: str, value: object) -> bool:
    """Return whether a hyperparameter is a setting of training and a value of it."""
    try:
        Training.model_validate({name: value})
    except ValidationError:
        return False
    return True
