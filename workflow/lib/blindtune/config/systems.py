"""The config of the systems that are compared: reference models, manual models and tuners."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    StringConstraints,
    model_serializer,
    model_validator,
)

from blindtune.config.network_plan import read_code_space
from blindtune.config.training import ClassWeight, Training, TrainingOverrides
from blindtune.core.bounds import (
    MAX_DEPTH,
    MAX_FACTOR,
    MAX_LAYERS,
    MAX_NEIGHBORS,
    MAX_SAMPLES,
    MAX_TREES,
    MAX_TRIALS,
    MAX_UNITS,
)
from blindtune.core.resources import RESOURCES
from blindtune.core.validation import Strict, UserPath, is_none, load
from blindtune.models.architecture import InvalidLayers
from blindtune.models.estimator_classes import SHIPPED, own_modules, resolve
from blindtune.models.families import FAMILIES, FamilyName
from blindtune.models.forms import ModelChoice, create_form
from blindtune.models.layers import AnyLayer, Layer, Residual
from blindtune.models.network import check_source, code_files, is_file, read_model_code
from blindtune.search_space import Space
from blindtune.training.registry import TRAINERS, TrainerName, check_random_crops, describe_trainers
from blindtune.tuners.registry import tuner_config_type
from blindtune.views.config import DefaultView, ExtractedView
from blindtune.views.registry import NetworkView, ReferenceView

if TYPE_CHECKING:
    from blindtune.tuners.base import TunerConfig as AnyTunerConfig
else:
    AnyTunerConfig = tuner_config_type()

Neighbors = Annotated[int, Field(gt=0, le=MAX_NEIGHBORS)]
Trees = Annotated[int, Field(gt=0, le=MAX_TREES)]
Depth = Annotated[int, Field(ge=0, le=MAX_DEPTH)]
LeafSize = Annotated[int, Field(gt=0, le=MAX_SAMPLES)]


#: The file of ``envs/``, without its suffix, in which a user's code computes features.
EXTRACTOR_ENVIRONMENT = "networks"


class _System(Strict):
    paper_row: str | None = Field(
        default=None, description="the row of the published Table 3 that this system reproduces, e.g. MLP-A1"
    )

    @property
    def trainer_name(self) -> str:
        """The trainer, a key of `blindtune.training.registry.TRAINERS`; raises TypeError if the system has none."""
        raise TypeError(f"{type(self).__name__} is not trained")

    @property
    def environment(self) -> str:
        """The file of ``envs/``, without its suffix, in which the system runs: that of its trainer."""
        return self._with_extractor(TRAINERS[self.trainer_name].environment)

    @property
    def extractor(self) -> ExtractedView | None:
        """The view whose features the user's own code computes; None for any other view."""
        view = getattr(self, "view", None)
        return view if isinstance(view, ExtractedView) else None

    def _with_extractor(self, environment: str) -> str:
        """Return the environment; one without deep learning gives way to that of networks, for a view of own code."""
        return EXTRACTOR_ENVIRONMENT if self.extractor is not None and environment == "scikit" else environment

    @property
    def depends_on_scale(self) -> bool:
        """Whether the unit of a feature matters to the system, so that a table is standardized for it by default."""
        return True

    @property
    def has_weights(self) -> bool:
        """Whether a trained model is kept as weights; if not, it is fitted again on train."""
        return False

    @property
    def gives_probabilities(self) -> bool:
        """Whether its models give the probabilities of the classes."""
        return True

    @property
    def n_candidates(self) -> int:
        """The number of models that the config lists, of which the best on dev is chosen; a tuner has its budget."""
        return 1

    def files(self) -> dict[str, Path]:
        """Return the data files that define the system, by a short name."""
        return {}


class _Reference(_System):
    view: ReferenceView = Field(
        default=DefaultView(kind="default"),
        description="default: standardized for a table (a random forest: samples), else samples; samples: as stored; "
        "standardized: numbers of a table scaled by train; features: computed from them; extracted: by your own code",
    )


class _Network(_System):
    view: NetworkView = Field(
        default=DefaultView(kind="default"),
        description="default: standardized for a table, else samples; samples: as stored; standardized: numbers of a "
        "table scaled by train; features of samples, frames of a signal, crops of a picture, or extracted by your code",
    )
    trainer: TrainerName = Field(default="pytorch", description=describe_trainers())

    @property
    def trainer_name(self) -> str:
        """The trainer that the config names."""
        return self.trainer

    @property
    def has_weights(self) -> bool:
        """Whether a trained model is kept as weights: a network is."""
        return True

    @model_validator(mode="after")
    def _check_trainer(self) -> Self:
        if self.view.is_random:
            check_random_crops(self.trainer_name)
        return self


class Knn(_Reference):
    """k-nearest neighbors; of several candidates, the best on dev is chosen."""

    kind: Literal["knn"]
    n_neighbors: list[Neighbors] = Field(min_length=1, description="k; of several, the best on dev is chosen")

    @model_validator(mode="before")
    @classmethod
    def _refuse_class_weight(cls, content: Any) -> Any:
        if isinstance(content, dict) and "class_weight" in content:
            raise ValueError("class_weight: k-nearest neighbors have no class weights; remove the key")
        return content

    @property
    def trainer_name(self) -> str:
        """The trainer of k-nearest neighbours."""
        return self.kind

    @property
    def n_candidates(self) -> int:
        """The number of values of k."""
        return len(self.n_neighbors)


class RandomForest(_Reference):
    """A random forest; of several candidates, the best on dev is chosen."""

    kind: Literal["random_forest"]
    n_estimators: list[Trees] = Field(default=[100], min_length=1, description="number of trees")
    max_depth: list[Depth] = Field(default=[0], min_length=1, description="levels of a tree; 0: no limit")
    min_samples_leaf: list[LeafSize] = Field(default=[1], min_length=1, description="fewest samples in a leaf")
    class_weight: ClassWeight | None = Field(
        default=None,
        exclude_if=is_none,
        description="weight of the samples by their class, as in training; null: 1",
    )

    @property
    def trainer_name(self) -> str:
        """The trainer of random forests."""
        return self.kind

    @property
    def depends_on_scale(self) -> bool:
        """False: a tree splits a feature by its order."""
        return False

    @property
    def n_candidates(self) -> int:
        """The number of combinations: each value with each other."""
        return len(self.n_estimators) * len(self.max_depth) * len(self.min_samples_leaf)

    @model_validator(mode="after")
    def _check_candidates(self) -> Self:
        if self.n_candidates > MAX_TRIALS:
            raise ValueError(
                f"n_estimators, max_depth and min_samples_leaf give {self.n_candidates:,} candidates, each value with "
                f"each other; the most is {MAX_TRIALS:,}"
            )
        return self


class ClosedLoop(Strict):
    """A KNN and a random forest, each fitted and scored on the same split; the lower error is the estimate."""

    n_neighbors: Neighbors = Field(description="k")
    n_estimators: Trees = Field(default=100, description="number of trees")
    max_depth: Depth = Field(default=0, description="levels of a tree; 0: no limit")
    min_samples_leaf: LeafSize = Field(default=1, description="fewest samples in a leaf")


class Bayes(_Reference):
    """Estimates of the Bayes error of each split; see `blindtune.baselines.estimators.estimate_bayes_error`."""

    kind: Literal["bayes"]
    train: ClosedLoop = Field(description="the published estimate's models on train")
    dev: ClosedLoop = Field(description="on dev")
    eval: ClosedLoop = Field(description="on eval; computed by decode, not before")

    @property
    def environment(self) -> str:
        """The environment of scikit-learn's models, which the estimates fit without a trainer."""
        return self._with_extractor("scikit")


class Manual(_Network):
    """A model that an expert designed, or one that nobody tuned."""

    kind: Literal["manual"]
    model: UserPath = Field(description="a file of resources/models without its .yaml, or the path of your own")
    training: TrainingOverrides = Field(
        default=TrainingOverrides(), description="replaces settings of the model's file, key by key"
    )

    def files(self) -> dict[str, Path]:
        """Return the model's file."""
        return {"model": find_resource("models", self.model)}


#: Keys of a tuner that say how a network is built and trained.
NETWORK_KEYS = ("family", "invalid_layers", "trainer", "training")

#: Words in the names of classes that are made of trees.
_TREES = ("Tree", "Forest", "Boosting", "XGB", "LGBM", "CatBoost")

#: Those of a network of a family, which code does not read.
FAMILY_KEYS = ("family", "invalid_layers")

#: Keys of a tuner that say what is trained.
MODEL_KEYS = ("family", "estimator", "model", "arguments", "parts")


def _as_steps(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


#: The type of a config key that takes an estimator: one name or import path, or a list of them.
EstimatorSteps = Annotated[
    list[Annotated[str, StringConstraints(min_length=1, max_length=200)]],
    Field(min_length=1, max_length=20),
    BeforeValidator(_as_steps, json_schema_input_type=str | list[str]),
]


def refuse_estimator_keys(content: Mapping[str, Any], is_network_in_code: bool = False) -> None:
    """Refuse keys of an estimator where none is given.

    Args:
        content: keys of a tuner or of overrides.
        is_network_in_code: whether a network in code is given, whose HyperModel may take arguments.

    Raises:
        ValueError: the message names the key.
    """
    for name in ("parts",) if is_network_in_code else ("arguments", "parts"):
        if content.get(name):
            raise ValueError(f"{name}: belongs to an estimator; give `estimator`, or take it out")


#: The type of a config key that takes a network in code: a file, or an import path.
ModelSource = Annotated[UserPath, StringConstraints(min_length=1, max_length=1000), AfterValidator(check_source)]


class Tuned(_Network):
    """A tuner, its search space, and what its trials train: a network of a family or of your code, or an estimator."""

    kind: Literal["tuner"]
    tuner: AnyTunerConfig = Field(description="library, algorithm and its arguments")
    space: UserPath | None = Field(
        default=None,
        description="a file of resources/spaces without its .yaml, or the path of your own; null: the one that the "
        "code of `model` asks for",
    )
    family: FamilyName = Field(default="mlp", description="what the hyperparameters build")
    estimator: EstimatorSteps | None = Field(
        default=None,
        description="a classifier in place of a network: "
        f"{', '.join(sorted(SHIPPED))}, or the import path of a class with scikit-learn's interface, e.g. "
        "sklearn.svm.SVC; a list of transformers and a classifier makes a pipeline; null: a network of the family",
    )
    model: ModelSource | None = Field(
        default=None,
        description="a network in code: a file that ends in .py with build(hyperparameters, input_shape, n_classes), "
        "build_model(hp) or define_model(trial), or the import path of a HyperModel, e.g. "
        "keras_tuner.applications.HyperResNet; null: a network of the family",
    )
    arguments: dict[Annotated[str, StringConstraints(max_length=200)], JsonValue] = Field(
        default={}, description="estimator or HyperModel: constructor arguments that are not searched"
    )
    parts: int | None = Field(
        default=None,
        ge=2,
        le=MAX_FACTOR,
        description="estimator: equal parts of train, which Hyperband and halving allocate in place of epochs: at "
        "epoch k it is fitted on k parts; null: an estimator has one epoch, on all of train",
    )
    folds: int | None = Field(
        default=None,
        ge=2,
        le=MAX_FACTOR,
        description="number of folds of a cross-validation on train, with even classes and whole groups, by which sets "
        "are scored; the best set is then trained on all of train; null: sets are scored on dev",
    )
    invalid_layers: InvalidLayers = Field(
        default="reject",
        description="a layer that cannot be built makes its set invalid (reject), or is left out (skip)",
    )
    trainer: TrainerName = Field(default="keras", description=describe_trainers())
    training: Training = Field(
        default=Training(), description="how each trial is trained; dimensions of the space take precedence"
    )

    @property
    def trainer_name(self) -> str:
        """The trainer that the config names, or that of estimators."""
        return self.trainer if self.estimator is None else "estimator"

    @property
    def environment(self) -> str:
        """The environment of its trainer; for a tuner with an optional engine, the one that has the engines too."""
        return super().environment if self.tuner.engine is None else f"{super().environment}-engines"

    @property
    def depends_on_scale(self) -> bool:
        """Whether the unit of a feature matters; it does not to trees, which the name of the class tells."""
        if self.estimator is None:
            return True
        name = resolve(self.estimator[-1]).rpartition(".")[2]
        return not any(word in name for word in _TREES)

    @property
    def has_weights(self) -> bool:
        """Whether a trained model is kept as weights; an estimator is fitted again."""
        return self.estimator is None

    @property
    def epochs(self) -> int:
        """Epochs of one complete training."""
        return self.training.epochs if self.estimator is None else self.parts or 1

    @property
    def search_config(self) -> AnyTunerConfig:
        """The config of the tuner, which says whether its promoted trials resume: an estimator is fitted again."""
        return self.tuner if self.estimator is None else self.tuner.without_resuming()

    @property
    def depends_on_budget(self) -> bool:
        """Whether the proposals depend on the budget, so that another budget makes another study."""
        return self.tuner.depends_on_budget or self.folds is not None

    @property
    def own_modules(self) -> tuple[str, ...]:
        """Modules of the user that hold the estimator; their code is part of a model's identity."""
        installed = [self.model] if self.model is not None and not is_file(self.model) else []
        paths = [*(resolve(step) for step in self.estimator or []), *installed]
        # Without such a module the code of estimators must not run: it is in no digest of a network.
        return own_modules(paths) if paths else ()

    @property
    def own_code(self) -> str | None:
        """What identifies the file of a network in code; None if there is none."""
        return read_model_code(self.model).sha256 if self.model is not None and is_file(self.model) else None

    @property
    def model_choice(self) -> ModelChoice:
        """What is trained: the form of model and its name."""
        if self.estimator is not None:
            name, arguments = ", ".join(self.estimator), json.dumps(self.arguments, sort_keys=True)
            return ModelChoice(
                "estimator",
                name,
                steps=tuple(self.estimator),
                arguments=arguments,
                parts=self.parts or 1,
                modules=self.own_modules,
            )
        if self.model is not None:
            arguments = json.dumps(self.arguments, sort_keys=True)
            return ModelChoice(
                "network",
                self.model,
                arguments=arguments,
                modules=self.own_modules,
                trainer=self.trainer,
                defines_space=self.space is None,
            )
        skips = self.invalid_layers == "skip"
        modules = (FAMILIES[self.family].module,)
        return ModelChoice("architecture", self.family, skips_invalid_layers=skips, modules=modules)

    @model_validator(mode="before")
    @classmethod
    def _check_model_keys(cls, content: Any) -> Any:
        """Refuse keys of another form of model than the one that is given."""
        if not isinstance(content, dict):
            return content
        given = {name: content.get(name) is not None for name in ("estimator", "model")}
        if all(given.values()):
            raise ValueError("model: a network in code, and `estimator` is given; take one of the two out")
        for form, excluded, what in (
            ("estimator", NETWORK_KEYS, "a network"),
            ("model", FAMILY_KEYS, "a network of a family"),
        ):
            wrong = [name for name in excluded if name in content] if given[form] else []
            if wrong:
                raise ValueError(f"{wrong[0]}: belongs to {what}, and `{form}` is given; take one of the two out")
        if not given["estimator"]:
            refuse_estimator_keys(content, is_network_in_code=given["model"])
        if not given["model"] and content.get("space") is None:
            raise ValueError("space: is missing; only the code of a `model` can define the search space itself")
        return content

    @model_serializer(mode="wrap")
    def _serialize(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out the keys of the other form of model: records of before there were several stay what they are."""
        content: dict[str, Any] = serialize(self)
        unused: tuple[str, ...] = ("estimator", "model", "arguments")
        if self.estimator is not None:
            unused = (*NETWORK_KEYS, "model")
        elif self.model is not None:
            unused = (*FAMILY_KEYS, "estimator")
        unused = (*unused, *(name for name in ("parts", "folds") if getattr(self, name) is None))
        return {name: value for name, value in content.items() if name not in unused}

    def files(self) -> dict[str, Path]:
        """Return the search space's file, and those of the code of a network."""
        space = {} if self.space is None else {"space": find_resource("spaces", self.space)}
        return space | ({} if self.model is None else code_files(self.model))


System = Annotated[Knn | RandomForest | Bayes | Manual | Tuned, Field(discriminator="kind")]


class ManualModel(Strict):
    """The content of a manual model's file; the output layer, one logit per class, is added to its layers."""

    layers: list[Layer] = Field(max_length=MAX_LAYERS, description="from input to the last hidden layer")
    training: Training = Field(description="the expert's settings")

    @model_validator(mode="after")
    def _check_sizes(self) -> Self:
        for number, layer in enumerate(self.layers):
            _check_layer_sizes(f"layers.{number}", layer)
            for inside, inner in enumerate(layer.layers if isinstance(layer, Residual) else ()):
                _check_layer_sizes(f"layers.{number}.layers.{inside}", inner)
        return self


def _check_layer_sizes(where: str, layer: AnyLayer) -> None:
    for name, value in layer:
        if isinstance(value, int) and not isinstance(value, bool) and not 1 <= value <= MAX_UNITS:
            raise ValueError(f"{where}.{name}: must be from 1 to {MAX_UNITS:,} (got {value})")
        if isinstance(value, float) and not 0 <= value < 1:
            raise ValueError(f"{where}.{name}: must be from 0 to below 1 (got {value})")


def find_resource(folder: str, name: str) -> Path:
    """Return the file that a config names: one that ships, or a path that ends in .yaml.

    Args:
        folder: below ``resources/``.
        name: a file of the folder without its suffix, or a path.
    """
    return Path(name) if name.endswith((".yaml", ".yml")) else RESOURCES / folder / f"{name}.yaml"


def read_space(path: Path, family: str) -> Space:
    """Read a search space and check it against a family.

    Args:
        path: of the YAML file.
        family: name of the family that the hyperparameters build.

    Returns:
        The search space.

    Raises:
        UserError: the file is missing or not a search space.
        ValueError: a dimension is not a hyperparameter of the family or of training, or has an option that is not a
            value of it.
    """
    return read_model_space(path, ModelChoice("architecture", family))


def read_model_space(path: Path | None, choice: ModelChoice) -> Space:
    """Read a search space and check it against what its hyperparameters build.

    Args:
        path: of the YAML file; None: the space that a network in code asks for.
        choice: what a tuned system trains.

    Returns:
        The search space.

    Raises:
        UserError: the file is missing or not a search space.
        ValueError: a dimension does not fit the model.
    """
    if path is None:
        return read_code_space(choice)
    space = load(Space, path)
    create_form(choice).check_space(space, str(path))
    return space
