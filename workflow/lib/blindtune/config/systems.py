"""The systems that are compared: baselines, manual models and tuners, as the config declares them."""

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from blindtune.core.code_digest import digest_of
from blindtune.core.resources import RESOURCES
from blindtune.core.validation import Strict, load, nearest, parse
from blindtune.models.architecture import Impossible
from blindtune.models.families import HYPERPARAMETERS, REQUIRED, Family
from blindtune.models.layers import Dense, Layer
from blindtune.search_space import ChoiceDimension, Hyperparameters, Space, Value
from blindtune.training.base import Training
from blindtune.tuners.registry import TUNERS, tuner_config_type
from blindtune.views.config import MODULES, CropsView, Plain, SamplesView, View

if TYPE_CHECKING:
    from blindtune.tuners.base import TunerConfig as AnyTunerConfig
else:
    AnyTunerConfig = tuner_config_type()

#: Modules that determine records too, but import far more than any one system needs.
_ALONE = (
    "blindtune.study.search",
    "blindtune.study.pending",
    "blindtune.study.setup",
    "blindtune.core.seeds",
    "blindtune.core.budget",
    "blindtune.models.families",
)

#: A module of `blindtune.training` each, which has an underscore for the hyphen.
TrainerName = Literal["keras", "keras-jax", "keras-torch", "pytorch", "scikeras", "skorch", "fused"]

#: The module of each trainer.
TRAINERS = {
    "keras": "blindtune.training.keras.tensorflow",
    "keras-jax": "blindtune.training.keras.jax",
    "keras-torch": "blindtune.training.keras.torch",
    "pytorch": "blindtune.training.pytorch",
    "scikeras": "blindtune.training.scikeras",
    "skorch": "blindtune.training.skorch",
    "fused": "blindtune.training.fused.trainer",
}

_TRAINERS = (
    "keras: compile and fit, on TensorFlow; keras-jax, keras-torch: the same on JAX and on PyTorch; pytorch: an eager "
    "loop; scikeras, skorch: the same models by scikit-learn's wrappers; fused: multilayer perceptrons in PyTorch, "
    "many trials at once"
)


def check_fused_family(family: Family) -> None:
    """Refuse a family that the fused trainer does not train; raises ValueError."""
    if family != "mlp":
        raise ValueError(f"trainer: fused trains the family mlp alone, not {family}; use keras or pytorch")


def check_fused_layers(layers: list[Layer]) -> None:
    """Refuse layers of a manual model that the fused trainer does not train; raises ValueError naming the first."""
    for number, layer in enumerate(layers, 1):
        if layer.kind not in ("dense", "dropout", "flatten"):
            raise ValueError(
                f"trainer: fused trains dense layers and dropout alone, not {layer.kind} (layer {number} of the "
                "model); use keras or pytorch"
            )


PositiveInt = Annotated[int, Field(gt=0)]


class _System(Strict):
    published: str | None = Field(
        default=None, description="the row of the published Table 3 that this system reproduces, e.g. MLP-A1"
    )

    @property
    def environment(self) -> str:
        """The environment of ``envs/`` that the system needs."""
        raise NotImplementedError

    def files(self) -> dict[str, Path]:
        """The data files that define the system, by a short name."""
        return {}

    def modules(self) -> tuple[str, ...]:
        """The modules that turn its config into trained models; a change of them makes its records void."""
        raise NotImplementedError

    def code_digest(self) -> str:
        """Identifies the code that determines the records of the system's studies."""
        return digest_of(*self.modules(), alone=_ALONE)


class _Reference(_System):
    sees: Plain = Field(default=SamplesView(view="samples"), description="samples as stored, or features of them")

    @property
    def environment(self) -> str:
        """That of the models of scikit-learn."""
        return "scikit"

    def modules(self) -> tuple[str, ...]:
        """The trainer and the view."""
        return ("blindtune.training.sklearn", MODULES[self.sees.view])


class _Network(_System):
    sees: View = Field(
        default=SamplesView(view="samples"),
        description="samples as stored, features of them, frames of a signal, or crops of a picture",
    )
    trainer: TrainerName = Field(default="pytorch", description=_TRAINERS)

    @property
    def environment(self) -> str:
        """That of all networks, but for backends of Keras that have one of their own."""
        return self.trainer if self.trainer in ("keras-jax", "keras-torch") else "networks"

    @property
    def _trainer_module(self) -> str:
        return TRAINERS[self.trainer]

    @model_validator(mode="after")
    def _check_trainer(self) -> Self:
        if isinstance(self.sees, CropsView) and self.trainer in ("scikeras", "skorch", "fused"):
            raise ValueError(f"trainer: {self.trainer} takes whole arrays and draws no crops; use keras or pytorch")
        return self


class Knn(_Reference):
    """k-nearest neighbours; with several candidates, the best on dev."""

    kind: Literal["knn"]
    neighbours: list[PositiveInt] = Field(min_length=1, description="k; several are chosen from on dev")

    def candidates(self) -> list[Hyperparameters]:
        """Every set to try."""
        return [{"neighbours": neighbours} for neighbours in self.neighbours]


class RandomForest(_Reference):
    """A random forest; with several candidates, the best on dev."""

    kind: Literal["random_forest"]
    trees: list[PositiveInt] = Field(default=[100], min_length=1, description="number of trees")
    max_depth: list[int] = Field(default=[0], min_length=1, description="levels of a tree; 0: no limit")
    min_samples_leaf: list[PositiveInt] = Field(default=[1], min_length=1, description="fewest samples in a leaf")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if min(self.max_depth) < 0:
            raise ValueError("max_depth: must be 0 (no limit) or more")
        return self

    def candidates(self) -> list[Hyperparameters]:
        """Every combination to try."""
        return [
            {"trees": trees, "max_depth": depth, "min_samples_leaf": leaf}
            for trees, depth, leaf in product(self.trees, self.max_depth, self.min_samples_leaf)
        ]


class ClosedLoop(Strict):
    """KNN and RNF, fitted and scored on the samples of one split; the lower error is the estimate."""

    neighbours: PositiveInt = Field(description="k")
    trees: PositiveInt = Field(default=100, description="number of trees")
    max_depth: int = Field(default=0, ge=0, description="levels of a tree; 0: no limit")
    min_samples_leaf: PositiveInt = Field(default=1, description="fewest samples in a leaf")


class Bayes(_Reference):
    """Estimates of the Bayes error of each split; see `blindtune.baselines.estimators.bayes_estimates`."""

    kind: Literal["bayes"]
    train: ClosedLoop = Field(description="the published estimate's models on train")
    dev: ClosedLoop = Field(description="on dev")
    eval: ClosedLoop = Field(description="on eval; computed by decode, not before")

    def modules(self) -> tuple[str, ...]:
        """The estimates and the view."""
        return ("blindtune.baselines.estimators", MODULES[self.sees.view])


class TrainingOverrides(Strict):
    """Training settings that replace those of a manual model's file."""

    learning_rate: float | None = Field(default=None, gt=0, description="step size")
    batch_size: PositiveInt | None = Field(default=None, description="samples per gradient update")
    epochs: PositiveInt | None = Field(default=None, description="passes over train")


class Manual(_Network):
    """A model that an expert designed, or one that nobody tuned."""

    kind: Literal["manual"]
    model: str = Field(description="a file of resources/models without its .yaml, or the path of your own")
    training: TrainingOverrides = Field(
        default=TrainingOverrides(), description="replaces settings of the model's file"
    )

    def modules(self) -> tuple[str, ...]:
        """The trainer and the view."""
        return (self._trainer_module, MODULES[self.sees.view])

    def files(self) -> dict[str, Path]:
        """The model's file."""
        return {"model": resource("models", self.model)}


class Tuned(_Network):
    """A tuner, its search space and how its trials are trained."""

    kind: Literal["tuner"]
    tuner: AnyTunerConfig = Field(description="library, algorithm and its arguments")
    space: str = Field(description="a file of resources/spaces without its .yaml, or the path of your own")
    family: Family = Field(default="mlp", description="what the hyperparameters build")
    impossible: Impossible = Field(
        default="invalid", description="a layer that cannot be built makes its set invalid, or is left out (leave_out)"
    )
    trainer: TrainerName = Field(default="keras", description=_TRAINERS)
    training: Training = Field(
        default=Training(), description="how each trial is trained; dimensions of the space take precedence"
    )

    def modules(self) -> tuple[str, ...]:
        """The trainer, the view, the tuner and the family."""
        return (
            self._trainer_module,
            MODULES[self.sees.view],
            TUNERS[self.tuner.library].module,
            f"blindtune.models.{self.family}",
        )

    def files(self) -> dict[str, Path]:
        """The search space's file."""
        return {"space": resource("spaces", self.space)}


System = Annotated[Knn | RandomForest | Bayes | Manual | Tuned, Field(discriminator="kind")]


class ManualModel(Strict):
    """The file of a manual model; the output layer, one logit per class, is added to its layers."""

    layers: list[Layer] = Field(description="from input to the last hidden layer")
    training: Training = Field(description="the expert's settings")


def resource(folder: str, name: str) -> Path:
    """The file that a config names: one that ships, or a path that ends in .yaml."""
    return Path(name) if name.endswith((".yaml", ".yml")) else RESOURCES / folder / f"{name}.yaml"


def read_space(path: Path, family: Family) -> Space:
    """The search space in ``path``.

    Raises:
        UserError: the file is missing or no search space.
        ValueError: a dimension is no hyperparameter of the family or of training, or has an option that is
            no value of it.
    """
    space = load(Space, path)
    known = HYPERPARAMETERS[family] | set(Training.model_fields)
    for name, dimension in space.root.items():
        if name not in known:
            raise ValueError(f"{path}: {name} is no hyperparameter of {family}: {nearest(name, sorted(known))}")
        if isinstance(dimension, ChoiceDimension):
            _check_options(f"{path}: {name}", name, dimension.options)
    for name in sorted(REQUIRED[family] - set(space.root)):
        raise ValueError(f"{path}: {family} needs the dimension {name}")
    return space


def _check_options(where: str, name: str, options: list[Value]) -> None:
    """Refuse a word that would make every trial that draws it invalid, such as a misspelt activation."""
    for option in options:
        if name in Training.model_fields:
            parse(Training, {name: option}, where)
        elif name.endswith("activation"):
            parse(Dense, {"kind": "dense", "units": 1, "activation": option}, where)
