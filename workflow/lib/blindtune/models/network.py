"""The form ``network``: what a user's code builds, a PyTorch module or a Keras model.

The blueprint is data. `blindtune.models.network_program` runs the code.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, JsonValue

from blindtune.core.errors import UserError
from blindtune.models.base import Blueprint
from blindtune.models.own_code import OwnCode, read_code

#: The library of networks that a trainer trains.
NetworkLibrary = Literal["pytorch", "keras"]


class NetworkBlueprint(Blueprint):
    """What a user's code builds from one hyperparameter set."""

    form: ClassVar[str] = "network"
    has_weights: ClassVar[bool] = True

    source: str = Field(description="the file of the code, or the import path of a HyperModel")
    code_sha256: str | None = Field(description="identifies the code of the file; null: an installed class")
    libraries: dict[str, str] = Field(default={}, description="versions of the packages that hold an installed class")
    arguments: dict[str, JsonValue] = Field(default={}, description="constructor arguments of a HyperModel")
    hyperparameters: dict[str, int | float | str | bool] = Field(description="what the code gets")
    input_shape: tuple[int, ...] = Field(description="shape of one sample")
    classes: int = Field(description="number of classes")

    def versions(self) -> dict[str, str]:
        """Return the versions of the packages that hold an installed class."""
        return dict(self.libraries)

    def identity(self) -> dict[str, Any]:
        """Return what identifies the network; the place of its file is not part of it."""
        content = self.model_dump(mode="json")
        return content if self.code_sha256 is None else content | {"source": Path(self.source).name}

    def read_code(self) -> OwnCode | None:
        """Return the code of the file, which must be what it was; None for an installed class.

        Raises:
            UserError: the file is missing or has changed.
        """
        if self.code_sha256 is None:
            return None
        code = read_model_code(self.source)
        if code.sha256 != self.code_sha256:
            raise UserError(
                f"{self.source}: has changed since the study planned with it. Run again when it is complete, or "
                "restore it."
            )
        return code


@dataclass(frozen=True)
class SampleFacts:
    """What a network in code must fit.

    Attributes:
        input_shape: of one sample.
        classes: number of classes.
        samples: number of samples of one training.
        batch_sizes: all that a training may have; none: not known.
    """

    input_shape: tuple[int, ...]
    classes: int
    samples: int
    batch_sizes: tuple[int, ...]


def is_file(model: str) -> bool:
    """Return whether a config names a file of code, and not an import path."""
    return model.endswith(".py")


def read_model_code(model: str) -> OwnCode:
    """Return the code of a file that a config names.

    Args:
        model: the path of the file.

    Raises:
        UserError: a file is missing or is not Python.
    """
    path = Path(model)
    if not path.is_file():
        raise UserError(f"{path} does not exist. Give the path of a file with a function that builds the network.")
    return read_code(path)


def check_source(model: str) -> str:
    """Return a config's value that names code.

    Args:
        model: the path of a file, or an import path.

    Raises:
        ValueError: it is neither.
    """
    if not is_file(model) and not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", model, re.ASCII):
        raise ValueError(f"{model!r} is neither a file that ends in .py nor the import path of a HyperModel")
    return model


def code_files(model: str) -> dict[str, Path]:
    """Return the files of code that a config names, by short names: the file, and the modules that it imports.

    Args:
        model: as the config names it.

    Raises:
        UserError: a file is not Python.
    """
    if not is_file(model):
        return {}
    if not Path(model).is_file():
        return {"model": Path(model)}  # whose absence is named with the key of the config
    paths = read_model_code(model).paths
    return {"_".join(filter(None, ["model", *name.split(".")])): path for name, path in paths.items()}
