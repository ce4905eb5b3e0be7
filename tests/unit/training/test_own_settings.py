"""Settings of training for networks in a user's code: the same as for a network of a family with the same layers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from blindtune.config.network_plan import check_code
from blindtune.config.systems import Tuned, read_model_space
from blindtune.config.training import Training, TrainingOverrides
from blindtune.models.forms import ModelChoice, create_form
from blindtune.search_space import Space
from blindtune.training.base import Outcome, TrainingOptions, TrainingTask
from blindtune.training.registry import create_trainer
from support.builders import TRAINERS
from support.fused_tasks import DEV, TRAIN, create_task
from support.own_code import ask_in_this_process

#: The trainers of this process that train code.
NAMES = [name for name in TRAINERS if name in ("pytorch", "keras", "keras-jax", "keras-torch")]

PYTORCH = """from torch import nn

def build(hyperparameters, input_shape, n_classes):
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, n_classes))
"""

KERAS = """import keras

def build(hyperparameters, input_shape, n_classes):
    model = keras.Sequential([
        keras.Input(input_shape),
        keras.layers.Dense(8, activation="tanh"),
        keras.layers.Dense(n_classes),
    ])
    # here
    return model
"""

SETTINGS: dict[str, dict[str, Any]] = {
    "early_stopping": {"early_stopping": 1, "min_delta": 0.2, "learning_rate": 0.02},
    "cosine": {"schedule": "cosine"},
    "step": {"schedule": "step", "schedule_epochs": 1, "schedule_factor": 0.5},
    "weight_decay": {"weight_decay": 0.1},
    "weight_decay of sgd": {"weight_decay": 0.1, "optimizer": "sgd", "learning_rate": 0.5},
    "clip_norm": {"clip_norm": 0.001},
    "adamw": {"optimizer": "adamw"},
}


def train(name: str, path: Path, training: Training) -> Outcome:
    """Train the network of a file."""
    form = create_form(ModelChoice("network", str(path), trainer=name))
    task = TrainingTask(form.build({}, (3,), 2), training, {}, 7, 2)
    return create_trainer(name).train(task, TRAIN, DEV, TrainingOptions("last"))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("setting", SETTINGS)
def test_setting_does_what_it_does_for_a_family(name: str, setting: str, tmp_path: Path) -> None:
    """The curve is that of the same layers of a family, up to rounding, and another one than without the setting."""
    path = tmp_path / "net.py"
    path.write_text(PYTORCH if name == "pytorch" else KERAS, encoding="utf-8")
    task = create_task(**({"epochs": 4} | SETTINGS[setting]))
    own = train(name, path, task.training)
    family = create_trainer(name).train(task, TRAIN, DEV, TrainingOptions("last"))
    assert [epoch.dev_error for epoch in own.curve] == [epoch.dev_error for epoch in family.curve]
    losses = [[epoch.dev_loss for epoch in outcome.curve] for outcome in (own, family)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    plain = {"epochs": 4} | {key: SETTINGS[setting][key] for key in ("learning_rate",) if key in SETTINGS[setting]}
    without = replace(task, training=create_task(**plain).training)
    plainly = [epoch.dev_loss for epoch in train(name, path, without.training).curve]
    assert plainly != pytest.approx(losses[0], rel=2e-4)


def write(folder: Path, code: str, trainer: str, training: dict[str, Any]) -> Tuned:
    """Return a tuner of code that is written to a folder."""
    folder.mkdir(exist_ok=True)
    (folder / "net.py").write_text(code, encoding="utf-8")
    (folder / "space.yaml").write_text(
        "learning_rate: {type: float, low: 0.001, high: 0.1, log: true}\n", encoding="utf-8"
    )
    content = {"kind": "tuner", "tuner": {"library": "optuna", "algorithm": "tpe"}, "model": str(folder / "net.py")}
    return Tuned.model_validate(
        content | {"space": str(folder / "space.yaml"), "trainer": trainer, "training": training}
    )


def plan(settings: Tuned) -> Space:
    """Check the code as planning does."""
    space = read_model_space(settings.files()["space"], settings.model_choice)
    training = settings.training
    return check_code(settings.model_choice, space, "space.yaml", 60, training, training.model_fields_set)


OWN_OPTIMIZER = (
    PYTORCH
    + """
from torch.optim import SGD

def configure_optimizers(network, hyperparameters):
    return SGD(network.parameters(), lr={})
"""
)
COMPILED = KERAS.replace("# here", "model.compile(optimizer=keras.optimizers.SGD({}), loss='categorical_crossentropy')")


@pytest.fixture(autouse=True)
def asked_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask code in this process."""
    ask_in_this_process(monkeypatch)


@pytest.mark.parametrize(
    ("code", "trainer", "setting", "part"),
    [
        (OWN_OPTIMIZER, "pytorch", {"optimizer": "adam"}, "configure_optimizers"),
        (COMPILED, "keras", {"clip_norm": 1.0}, "compile"),
    ],
)
def test_setting_that_the_code_replaces_is_refused_while_planning(
    code: str, trainer: str, setting: dict[str, Any], part: str, tmp_path: Path
) -> None:
    """A setting is refused although its value is the default, and so is a dimension; what the code reads is taken."""
    reads = code.format('hyperparameters["learning_rate"]')
    [name] = setting
    with pytest.raises(
        ValueError, match=rf"^training\.{name}: does nothing, since .*net\.py does this itself \({part}"
    ):
        plan(write(tmp_path, reads, trainer, {"epochs": 2, **setting}))
    assert list(plan(write(tmp_path, reads, trainer, {"epochs": 2})).root) == ["learning_rate"]
    with pytest.raises(ValueError, match="learning_rate: no value of it changes anything"):
        # A process reads a file once.
        plan(write(tmp_path / "fixed", code.format(0.1), trainer, {"epochs": 2}))


def test_overrides_keep_what_was_given() -> None:
    """Settings that a config does not give are not given after overrides either; their values are the same."""
    base = Training.model_validate({"epochs": 3})
    merged = TrainingOverrides(batch_size=32).apply(base)
    assert merged.model_fields_set == {"epochs", "batch_size"}
    assert merged == Training(epochs=3, batch_size=32)
