"""The tuners that a config can name.

To add one: write its config and the function that creates it, and add a line here. Another package adds a tuner through
an entry point of the group ``blindtune.tuners``, whose name is the value of ``library`` and whose object is an `Entry`.
"""

from collections.abc import Mapping
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from blindtune.core.errors import UserError
from blindtune.core.registry import Entry, Registry, load_object

if TYPE_CHECKING:
    from blindtune.tuners.base import Tuner, TunerConfig, TunerContext

#: Each entry's `create` takes a config and a context, and returns a tuner; `config` is a subclass of `TunerConfig`.
TUNERS = Registry(
    "blindtune.tuners",
    "tuner",
    Entry,
    {
        "keras-tuner": Entry(
            create="blindtune.tuners.keras_tuner.tuner:create",
            config="blindtune.tuners.keras_tuner.config:KerasTunerConfig",
        ),
        "nevergrad": Entry(
            create="blindtune.tuners.nevergrad.tuner:create",
            config="blindtune.tuners.nevergrad.config:NevergradConfig",
        ),
        "nni": Entry(
            create="blindtune.tuners.nni.tuner:create",
            config="blindtune.tuners.nni.config:NniConfig",
        ),
        "optuna": Entry(
            create="blindtune.tuners.optuna.tuner:create",
            config="blindtune.tuners.optuna.config:OptunaConfig",
        ),
        "ray-tune": Entry(
            create="blindtune.tuners.ray_tune.tuner:create",
            config="blindtune.tuners.ray_tune.config:RayTuneConfig",
        ),
        "scikit-learn": Entry(
            create="blindtune.tuners.sklearn.tuner:create",
            config="blindtune.tuners.sklearn.config:SklearnConfig",
        ),
        "smac": Entry(
            create="blindtune.tuners.smac.tuner:create",
            config="blindtune.tuners.smac.config:SmacConfig",
        ),
        "vizier": Entry(
            create="blindtune.tuners.vizier.tuner:create",
            config="blindtune.tuners.vizier.config:VizierConfig",
        ),
    },
)


def create_tuner(config: "TunerConfig", context: "TunerContext") -> "Tuner":
    """Create the tuner that a config describes; imports its library.

    Args:
        config: names the library.
        context: search space, budget, seed and the labels of train.

    Returns:
        A tuner that has proposed nothing yet.

    Raises:
        UserError: train cannot be divided into the folds that the config wants, or an optional engine is installed but
            cannot be imported.
    """
    create = TUNERS.load(config.library)
    try:
        tuner: Tuner = create(config, context)
    except Exception as error:
        if config.engine is None or not _is_of_import(error):
            raise
        raise UserError(
            f"tuner.library: {config.library} is installed, but an import of it fails: {type(error).__name__}: "
            f"{error}. Install it again with `make environment EXTRAS={config.engine}`"
        ) from error
    return tuner


def _is_of_import(error: Exception) -> bool:
    """Return whether an exception comes from an import: a module is missing, or its own code does not run."""
    frames = walk_tb(error.__traceback__)
    return isinstance(error, ImportError) or any(frame.f_code.co_name == "<module>" for frame, _ in frames)


def read_tuner_config(content: Mapping[str, Any]) -> "TunerConfig | None":
    """Return the config of a tuner from a record; None if its library is not known here, or no longer takes it.

    Args:
        content: the tuner's part of the settings of a system.
    """
    entry = TUNERS.entries.get(str(content.get("library")))
    if entry is None or entry.config is None:
        return None
    try:
        config: TunerConfig = load_object(entry.config).model_validate(content)
    except ValidationError:
        return None
    return config


def tuner_config_type() -> Any:
    """Return the type of a config key that takes the config of any tuner, told apart by `library`."""
    return TUNERS.config_union("library")


def list_algorithms() -> set[tuple[str, str]]:
    """Return library and algorithm of every tuner that a config can name."""
    found = set()
    for part in TypeAdapter(tuner_config_type()).json_schema()["$defs"].values():
        if "library" in part.get("properties", {}):
            algorithm = part["properties"]["algorithm"]
            names = algorithm.get("enum") or [algorithm["const"]]
            found |= {(part["properties"]["library"]["const"], name) for name in names}
    return found
