"""Search spaces with a dimension that nothing reads.

The adversary, or a hurried user, wants a record that says more than the network holds: a dropout rate without dropout,
a learning rate that no trainer reads. Such a space is refused while planning, with the name of the dimension.
"""

from functools import partial
from pathlib import Path
from typing import Any

import yaml

from adversarial.attack import Attack, Family, Outcome
from blindtune.config.schema import read
from blindtune.core.errors import UserError


def _spaces() -> dict[str, dict[str, Any]]:
    """Return spaces of which one dimension, the last, changes no network that they build."""
    units = {"type": "int", "low": 4, "high": 16}
    activation = {"type": "choice", "options": ["relu", "tanh"]}
    rate = {"type": "float", "low": 0.1, "high": 0.5}
    layers = {"layers": {"type": "int", "low": 1, "high": 2, "repeat": {"units": units, "activation": activation}}}
    flat = {"layers": {"type": "int", "low": 1, "high": 2}, "units": units, "activation": activation}
    return {
        "rate alone": layers | {"dropout_rate": rate},
        "dropout without a rate": layers | {"dropout": {"type": "bool"}},
        "units of a third layer": flat | {"units_3": units},
        "filters": layers | {"filters": units},
        "kernel": layers | {"kernel": {"type": "int", "low": 2, "high": 3}},
        "unknown": layers | {"momentum": rate},
        "misspelt": layers | {"learning_rat": rate},
        "learning rate in each layer": {
            "layers": {"type": "int", "low": 1, "high": 2, "repeat": {"units": units, "learning_rate": rate}}
        },
        "epochs in each layer": {
            "layers": {"type": "int", "low": 1, "high": 2, "repeat": {"units": units, "epochs": units}}
        },
        "metric": layers | {"metric": {"type": "choice", "options": ["accuracy", "sparse_categorical_accuracy"]}},
        "loss": layers | {"loss": {"type": "choice", "options": ["cross_entropy", "sparse_categorical_crossentropy"]}},
    }


def config_of(space: Path, trainer: str) -> dict[str, Any]:
    """Return the config of a search over a space."""
    return {
        "name": "tiny",
        "seeds": [42],
        "compare": [{"dataset": "toy", "systems": ["tuned"], "budget": {"trials": 2}}],
        "datasets": {
            "toy": {"source": "drawing", "drawing": "set_08", "seed": 1, "sizes": {"train": 40, "dev": 20, "eval": 20}}
        },
        "systems": {
            "tuned": {
                "kind": "tuner",
                "tuner": {"library": "optuna", "algorithm": "random"},
                "space": str(space),
                "trainer": trainer,
            }
        },
    }


def write_space(name: str, scene: Path) -> None:
    """Write a space."""
    (scene / "space.yaml").write_text(yaml.safe_dump(_spaces()[name]), encoding="utf-8")


def judge_space(name: str, trainer: str, scene: Path) -> Outcome:
    """Plan the study: the message must name the dimension, or at least the space."""
    try:
        read(config_of(scene / "space.yaml", trainer), "mine.yaml")
    except UserError as error:
        return Outcome("refused", str(error))
    return Outcome("lost", f"a space with an unread dimension was accepted: {name}")


FAMILY = Family(
    "spaces",
    "search spaces with dimensions that nothing reads",
    [
        Attack(f"unread/{name}, {trainer}", None, partial(write_space, name), partial(judge_space, name, trainer))
        for name in _spaces()
        for trainer in ("pytorch", "skorch", "keras", "scikeras")
    ],
)
