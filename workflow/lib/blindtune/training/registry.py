"""The trainers that a config can name, and what planning must know of each.

To add one: write a module with a class that has the methods of `blindtune.training.base.Trainer`, and add a line here.
Another package adds a trainer through an entry point of the group ``blindtune.trainers``, whose name is the value of
``trainer`` and whose object is a `TrainerEntry`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, WithJsonSchema

from blindtune.config.training import OPTIONAL_SETTINGS, Training
from blindtune.core.errors import UserError
from blindtune.core.registry import Entry, Registry
from blindtune.core.validation import suggest_name
from blindtune.metrics.registry import is_error

if TYPE_CHECKING:
    from blindtune.models.layers import AnyLayer
    from blindtune.training.base import Trainer


@dataclass(frozen=True, kw_only=True)
class TrainerEntry(Entry):
    """Where to find a trainer, and what it can train.

    `create` names a class or function without arguments; for a reference model it takes the number of cores.

    Attributes:
        environment: the file of ``envs/``, without its suffix, in which the trainer runs.
        description: one phrase for the description of the config key.
        network: whether it trains networks; if not, it fits one kind of reference model.
        families: the only families that it trains; None: all.
        layers: the only kinds of layers that it trains; None: all.
        own_networks: whether it trains networks in a user's code.
        random_crops: whether it trains on new random crops in each batch; if not, it takes whole arrays.
        ignored: the settings of training that it does not read; a search space must not hold them.
        metrics: whether it computes the metrics of `blindtune.metrics.registry`; if not, it gives the error alone.
        class_weights: whether it multiplies the loss by the weights of classes.
        sample_weights: whether it multiplies the loss by the weights of the samples of train (``Split.weight``).
        optional_settings: those of `blindtune.config.training.OPTIONAL_SETTINGS` that it has; a config that gives
            another one is refused.
        max_trainings: trainings after which its process is replaced by a new one, since its library does not give all
            memory back (docs/measured/index.md); None: never.
        memory_mb: MB of a process that has imported its libraries, without data; what a job asks a cluster for begins
            with it.
        seconds_per_sample: CPU seconds that it takes for each epoch and each sample; a job asks for several times as
            much.
        gpu: whether it computes on a GPU if there is one; if not, a config that asks for one is refused.
    """

    environment: str = "networks"
    description: str = ""
    network: bool = True
    families: tuple[str, ...] | None = None
    layers: tuple[str, ...] | None = None
    own_networks: bool = False
    random_crops: bool = True
    ignored: tuple[str, ...] = ()
    metrics: bool = False
    class_weights: bool = False
    sample_weights: bool = False
    optional_settings: tuple[str, ...] = ()
    max_trainings: int | None = None
    memory_mb: int = 1500
    seconds_per_sample: float = 4e-4
    gpu: bool = False

    def unread_settings(self) -> tuple[str, ...]:
        """Return the settings of training that it does not read, those included that a config must not give."""
        return (*self.ignored, *(name for name in OPTIONAL_SETTINGS if name not in self.optional_settings))


#: A Keras model always gets Keras's initial weights.
_KERAS_IGNORES = ("initial_weights",)

TRAINERS = Registry(
    "blindtune.trainers",
    "trainer",
    TrainerEntry,
    {
        "keras": TrainerEntry(
            create="blindtune.training.keras.tensorflow:KerasTrainer",
            metrics=True,
            class_weights=True,
            sample_weights=True,
            own_networks=True,
            optional_settings=OPTIONAL_SETTINGS,
            ignored=_KERAS_IGNORES,
            description="Keras's compile and fit, on TensorFlow",
            max_trainings=100,
        ),
        "keras-jax": TrainerEntry(
            create="blindtune.training.keras.jax:KerasJaxTrainer",
            metrics=True,
            class_weights=True,
            sample_weights=True,
            own_networks=True,
            optional_settings=OPTIONAL_SETTINGS,
            ignored=_KERAS_IGNORES,
            environment="keras-jax",
            description="the same on JAX",
            max_trainings=100,
            memory_mb=1200,
        ),
        "keras-torch": TrainerEntry(
            create="blindtune.training.keras.torch:KerasTorchTrainer",
            metrics=True,
            class_weights=True,
            sample_weights=True,
            own_networks=True,
            optional_settings=OPTIONAL_SETTINGS,
            ignored=_KERAS_IGNORES,
            environment="keras-torch",
            description="the same on PyTorch",
            memory_mb=1300,
        ),
        "pytorch": TrainerEntry(
            create="blindtune.training.pytorch:PyTorchTrainer",
            metrics=True,
            class_weights=True,
            sample_weights=True,
            own_networks=True,
            optional_settings=OPTIONAL_SETTINGS,
            description="an eager PyTorch loop",
            memory_mb=800,
            seconds_per_sample=5e-5,
            gpu=True,
        ),
        "scikeras": TrainerEntry(
            create="blindtune.training.scikeras:SciKerasTrainer",
            metrics=True,
            class_weights=True,
            sample_weights=True,
            optional_settings=OPTIONAL_SETTINGS,
            ignored=_KERAS_IGNORES,
            description="Keras models through SciKeras",
            max_trainings=100,
            random_crops=False,
        ),
        "skorch": TrainerEntry(
            create="blindtune.training.skorch:SkorchTrainer",
            metrics=True,
            class_weights=True,
            sample_weights=True,
            optional_settings=OPTIONAL_SETTINGS,
            description="PyTorch models through skorch",
            random_crops=False,
            memory_mb=700,
        ),
        "fused": TrainerEntry(
            create="blindtune.training.fused.trainer:FusedTrainer",
            metrics=True,
            class_weights=True,
            sample_weights=True,
            optional_settings=OPTIONAL_SETTINGS,
            description="many multilayer perceptrons as one PyTorch model",
            families=("mlp",),
            layers=("dense", "dropout", "flatten"),
            random_crops=False,
            memory_mb=600,
            seconds_per_sample=3e-5,
            gpu=True,
        ),
        "estimator": TrainerEntry(
            create="blindtune.training.estimator:EstimatorTrainer",
            metrics=True,
            sample_weights=True,
            network=False,
            random_crops=False,
            memory_mb=500,
            seconds_per_sample=1e-3,
        ),
        "knn": TrainerEntry(
            create="blindtune.training.sklearn:knn",
            metrics=True,
            environment="scikit",
            network=False,
            memory_mb=350,
            seconds_per_sample=1e-3,
        ),
        "random_forest": TrainerEntry(
            create="blindtune.training.sklearn:random_forest",
            metrics=True,
            sample_weights=True,
            environment="scikit",
            network=False,
            memory_mb=400,
            seconds_per_sample=1e-3,
        ),
    },
)


def network_trainers() -> list[str]:
    """Return the names of the trainers of networks, which are the values of the config key ``trainer``."""
    return [name for name, entry in TRAINERS.entries.items() if entry.network]


def describe_trainers() -> str:
    """Return the description of the config key ``trainer``: every value and what it means."""
    return "; ".join(f"{name}: {TRAINERS[name].description}".removesuffix(": ") for name in network_trainers())


def create_trainer(name: str, workers: int = 1) -> "Trainer":
    """Create a trainer; imports its library.

    Args:
        name: a key of `TRAINERS`.
        workers: cores that a reference model may use; a network is trained and scored on one.

    Raises:
        UserError: there is no such trainer, Keras computes with another backend in this process, or its backend is not
            installed.
    """
    known = TRAINERS.entries
    if name not in known:
        raise UserError(f"{name!r} is not a trainer: {suggest_name(name, list(known))}")
    create = TRAINERS.load(name)
    trainer: Trainer = create() if known[name].network else create(workers)
    return trainer


def check_family(name: str, family: str) -> None:
    """Refuse a family that a trainer does not train.

    Args:
        name: of the trainer.
        family: of a tuned system.

    Raises:
        ValueError: the trainer does not train it.
    """
    families = TRAINERS[name].families
    if families is not None and family not in families:
        known = _list_names("family", "families", families)
        raise ValueError(f"trainer: {name} trains the {known} alone, not {family}; use keras or pytorch")


def check_own_network(name: str) -> None:
    """Refuse a trainer that does not train networks in a user's code.

    Args:
        name: of the trainer.

    Raises:
        ValueError: the trainer does not train them.
    """
    if not TRAINERS[name].own_networks:
        known = ", ".join(other for other in network_trainers() if TRAINERS[other].own_networks)
        raise ValueError(f"trainer: {name} trains no network in code (`model`); use one of {known}")


def check_layers(name: str, layers: "Sequence[AnyLayer]") -> None:
    """Refuse layers of a manual model that a trainer does not train.

    Args:
        name: of the trainer.
        layers: from the input to the last hidden layer.

    Raises:
        ValueError: the trainer does not train one of them; names the first.
    """
    kinds = TRAINERS[name].layers
    for number, layer in enumerate(layers, 1):
        if kinds is not None and layer.kind not in kinds:
            raise ValueError(
                f"trainer: {name} trains layers of the {_list_names('kind', 'kinds', kinds)} alone, not {layer.kind} "
                f"(layer {number} of the model); use keras or pytorch"
            )


def check_settings(name: str, training: Training, searched: Collection[str] = ()) -> None:
    """Refuse settings of training that a trainer does not have, and those that do nothing without another one.

    Args:
        name: of the trainer.
        training: the settings of a system.
        searched: the dimensions of its search space.

    Raises:
        ValueError: the message names the setting.
    """
    unread = TRAINERS[name].unread_settings()
    for setting in OPTIONAL_SETTINGS:
        if training.given(setting) and setting in unread:
            raise ValueError(
                f"training.{setting}: trainer {name} does not have it; take it out, or use keras or pytorch"
            )
    if training.given("min_delta") and training.early_stopping is None and "early_stopping" not in searched:
        raise ValueError("training.min_delta: does nothing without early_stopping; give that too, or take it out")
    if "schedule" in searched:
        return
    if training.given("schedule_factor") and training.schedule not in ("step", "plateau"):
        raise ValueError("training.schedule_factor: belongs to the schedules step and plateau; take it out")
    if training.given("schedule_epochs") and training.schedule == "constant":
        raise ValueError("training.schedule_epochs: does nothing with the schedule constant; take it out")


#: Settings of an optimizer.
_OPTIMIZER = (
    "optimizer", "learning_rate", "weight_decay", "schedule", "schedule_factor", "schedule_epochs"
)  # fmt: skip

#: Settings that do nothing for a network whose code has a part of its own, by the name of that part.
REPLACED_SETTINGS: dict[str, tuple[str, ...]] = {
    "configure_optimizers": _OPTIMIZER,
    "compile": (*_OPTIMIZER, "clip_norm", "loss"),
    "training_step": ("class_weight",),
    "train_step": ("class_weight",),
}


def check_own_settings(source: str, parts: Collection[str], given: Collection[str]) -> None:
    """Refuse settings of training that a config gives and that do nothing for a network in code.

    Args:
        source: the file of the code, or its import path.
        parts: what the code has of its own, keys of `REPLACED_SETTINGS`.
        given: the names of the settings that the config gives.

    Raises:
        ValueError: the message names the setting.
    """
    for part, settings in REPLACED_SETTINGS.items():
        for setting in settings if part in parts else ():
            if setting in given:
                raise ValueError(
                    f"training.{setting}: does nothing, since {source} does this itself ({part}); take it out here, or "
                    f"{part} out of the code"
                )
    if "initial_weights" in given:
        raise ValueError(f"training.initial_weights: does nothing, since {source} builds the network; take it out")


def check_own_weights(source: str, parts: Collection[str]) -> None:
    """Refuse weights of samples for a network whose code computes its loss itself.

    Args:
        source: the file of the code, or its import path.
        parts: what the code has of its own, keys of `REPLACED_SETTINGS`.

    Raises:
        ValueError: it does.
    """
    for part in ("training_step", "train_step"):
        if part in parts:
            raise ValueError(
                f"weight: the {part} of {source} gets no weights of samples; leave weight out of the dataset, or "
                f"{part} out of the code"
            )


def check_random_crops(name: str) -> None:
    """Refuse a trainer that cannot draw new crops, or change pictures at random, for each batch.

    Args:
        name: of the trainer.

    Raises:
        ValueError: the trainer takes whole arrays.
    """
    if not TRAINERS[name].network:
        raise ValueError(
            "view: random views are for networks, which draw new ones for each batch; use samples or features"
        )
    if not TRAINERS[name].random_crops:
        raise ValueError(f"trainer: {name} takes whole arrays and draws no random views; use keras or pytorch")


def check_metric(name: str, metric: str) -> None:
    """Refuse a metric that a trainer does not compute.

    Args:
        name: of the trainer.
        metric: of a comparison.

    Raises:
        ValueError: the trainer gives the error alone.
    """
    if not is_error(metric) and not TRAINERS[name].metrics:
        raise ValueError(f"metric: {metric} is not computed by trainer {name}, which gives the error alone")


def check_class_weights(name: str) -> None:
    """Refuse class weights for a trainer that does not have them.

    Args:
        name: of the trainer.

    Raises:
        ValueError: the trainer has none.
    """
    if not TRAINERS[name].class_weights:
        raise ValueError(f"class_weight: trainer {name} has no class weights; remove the key or take another trainer")


def check_sample_weights(name: str) -> None:
    """Refuse weights of samples for a trainer that does not take them.

    Args:
        name: of the trainer.

    Raises:
        ValueError: it takes none.
    """
    if not TRAINERS[name].sample_weights:
        raise ValueError(
            f"weight: trainer {name} takes no weights of samples; leave weight out of the dataset, or compare another "
            "system"
        )


def _list_names(singular: str, plural: str, names: tuple[str, ...]) -> str:
    return f"{singular if len(names) == 1 else plural} {', '.join(names)}"


def _check_name(name: str) -> str:
    known = network_trainers()
    if name not in known:
        raise ValueError(f"{name!r} is not a trainer: {suggest_name(name, known)}")
    return name


#: The type of a config key that takes the name of a trainer of networks.
TrainerName = Annotated[
    str, AfterValidator(_check_name), WithJsonSchema({"enum": network_trainers(), "type": "string"})
]
