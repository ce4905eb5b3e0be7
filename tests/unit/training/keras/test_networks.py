"""Keras models of a user's code: equal to the library's own fit, with all their state, and their losses."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from blindtune.config.training import Training
from blindtune.core.seeds import derive
from blindtune.models.forms import ModelChoice, create_form
from blindtune.models.keras_network import _OneHotLoss
from blindtune.models.layers import InvalidModelError
from blindtune.models.network_program import open_program
from blindtune.models.own_code import OwnCodeError
from blindtune.search_space import Space
from blindtune.training.base import TrainingOptions, TrainingTask
from blindtune.training.registry import check_own_settings, check_own_weights, create_trainer
from support.builders import TRAINERS
from support.fused_tasks import DEV, TRAIN

FIRST = Path(__file__).parents[3] / "support" / "own_networks" / "keras_tuner_first.py"
FIRST_SET = {"num_layers": 2, "units_0": 32, "units_1": 64, "activation": "tanh", "dropout": True, "lr": 0.003}

#: The native trainer of this process.
NAME = next(name for name in TRAINERS if name.startswith("keras"))

BATCH_NORM = """import keras

def build(hyperparameters, input_shape, n_classes):
    return keras.Sequential([
        keras.Input(input_shape),
        keras.layers.Dense(hyperparameters["units"]),
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.2),
        keras.layers.Dense(n_classes),
    ])
"""


def task_of(path: Path, values: dict[str, Any], epochs: int = 2) -> TrainingTask:
    """Return the training of a set by the code of a file."""
    form = create_form(ModelChoice("network", str(path), trainer="keras", defines_space=True))
    return TrainingTask(form.build(values, (3,), 2), Training(epochs=epochs, batch_size=32), values, 7, 2)


def test_first_example_of_keras_tuner_gives_the_result_of_its_own_fit() -> None:
    """Loss and error of dev in every epoch are those of Keras Tuner's own object and the model's own fit, exactly."""
    import keras
    import keras_tuner

    outcome = create_trainer(NAME).train(task_of(FIRST, FIRST_SET), TRAIN, DEV, TrainingOptions("last"))
    example = open_program(str(FIRST), {}, (3,), 2).loaded
    assert example is not None
    hp = keras_tuner.HyperParameters()
    hp.values = dict(FIRST_SET)
    keras.utils.set_random_seed(7)
    model = example.module.build_model(hp)
    model.build((None, 3))
    again = keras.callbacks.LambdaCallback(on_train_begin=lambda logs: keras.utils.set_random_seed(derive("fit", 7, 0)))
    one_hot = [keras.utils.to_categorical(split.y, 2) for split in (TRAIN, DEV)]
    history = model.fit(
        TRAIN.x, one_hot[0], epochs=2, batch_size=32, verbose=0, callbacks=[again], validation_data=(DEV.x, one_hot[1]),
        validation_batch_size=len(DEV.y),
    ).history  # fmt: skip
    for metrics, loss, accuracy in zip(outcome.curve, history["val_loss"], history["val_accuracy"], strict=True):
        assert metrics.dev_error == round((1 - accuracy) * len(DEV.y)) / len(DEV.y)
        assert metrics.dev_loss == pytest.approx(loss, rel=1e-6)


def test_state_that_is_not_trained_is_kept(tmp_path: Path) -> None:
    """Means and variances of batch normalisation are among the weights, and the rebuilt model answers as before."""
    (tmp_path / "net.py").write_text(BATCH_NORM, encoding="utf-8")
    task = task_of(tmp_path / "net.py", {"units": 5})
    trainer = create_trainer(NAME)
    outcome = trainer.train(task, TRAIN, DEV, TrainingOptions("last"))
    assert outcome.status == "completed" and outcome.n_parameters == 3 * 5 + 5 + 2 * 5 + 5 * 2 + 2
    names = {name.partition(".")[2] for name in outcome.weights}
    assert {"kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance"} <= names
    error = np.mean(trainer.rebuild(task, outcome.weights, TRAIN)(DEV.x) != DEV.y)
    assert error == outcome.curve[-1].dev_error
    assert trainer.train(task, TRAIN, DEV, TrainingOptions("last")).curve == outcome.curve


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (("Dense(n_classes)", "Dense(7)"), InvalidModelError, r"returns shape \(2, 7\) for 2 samples of 2 classes"),
        (
            ("keras.Input(input_shape)", "keras.Input((9,))"),
            InvalidModelError,
            r"does not take samples of shape \(3,\)",
        ),
        (
            ("Dense(n_classes)", "Dense(n_classes), keras.layers.Lambda(keras.ops.softmax)"),
            InvalidModelError,
            "the network returns probabilities .* would be taken for logits",
        ),
        (("return keras", "keras"), OwnCodeError, "build returned nothing"),
    ],
)
def test_wrong_model_is_refused(tmp_path: Path, change: tuple[str, str], error: type[Exception], message: str) -> None:
    """A model of another shape is refused with a message that names the file."""
    (tmp_path / "net.py").write_text(BATCH_NORM.replace(*change), encoding="utf-8")
    with pytest.raises(error, match=message) as found:
        create_trainer(NAME).train(task_of(tmp_path / "net.py", {"units": 5}), TRAIN, DEV, TrainingOptions("last"))
    assert "net.py" in str(found.value)


def test_loss_that_is_not_of_classes_is_refused(tmp_path: Path) -> None:
    """A model that its code compiles with a binary loss is refused by name."""
    code = BATCH_NORM.replace("    return keras", "    model = keras") + (
        "    model.compile(optimizer='sgd', loss='binary_crossentropy')\n    return model\n"
    )
    (tmp_path / "net.py").write_text(code, encoding="utf-8")
    with pytest.raises(OwnCodeError, match="binary_crossentropy is not one of classes"):
        create_trainer(NAME).train(task_of(tmp_path / "net.py", {"units": 5}), TRAIN, DEV, TrainingOptions("last"))


def test_resumed_training_has_its_optimizer(tmp_path: Path) -> None:
    """A training goes on from its state, with the moments of the optimizer that the code compiled."""
    trainer = create_trainer(NAME)
    half = trainer.train(task_of(FIRST, FIRST_SET, 1), TRAIN, DEV, TrainingOptions("last", keep_state=True))
    rest = trainer.train(task_of(FIRST, FIRST_SET, 2), TRAIN, DEV, TrainingOptions("last", state=half.state))
    assert rest.scored_epoch == 2 and len(rest.curve) == 1
    assert half.state is not None and any(name.startswith("optimizer.") for name in half.state.arrays)


POLICY = """import keras

def build(hyperparameters, input_shape, n_classes):
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    return keras.Sequential([keras.Input(input_shape), keras.layers.Dense(n_classes)])
"""


def test_settings_of_keras_do_not_outlast_a_build(tmp_path: Path) -> None:
    """The type of numbers that code sets holds for its own network; a trial leaves the next one as it was."""
    path = tmp_path / "net.py"
    path.write_text(POLICY, encoding="utf-8")
    curves = [
        create_trainer(NAME).train(task_of(path, {}), TRAIN, DEV, TrainingOptions("last")).curve for _ in range(2)
    ]
    assert curves[0] == curves[1]
    assert keras.config.floatx() == "float32" and keras.config.dtype_policy().name == "float32"


def test_settings_changed_by_an_import_are_refused(tmp_path: Path) -> None:
    """A policy that is set while the file is imported would hold for some trials only."""
    path = tmp_path / "net.py"
    line = 'keras.config.set_dtype_policy("mixed_bfloat16")\n'
    path.write_text(BATCH_NORM.replace("import keras\n", f"import keras\n{line}"), encoding="utf-8")
    for _ in range(2):
        with pytest.raises(OwnCodeError, match=r"set_dtype_policy while it is imported.*inside the function"):
            create_trainer(NAME).train(task_of(path, {"units": 3}), TRAIN, DEV, TrainingOptions("last"))
        assert keras.config.dtype_policy().name == "float32"


OWN_STEP = """import keras

class Net(keras.Sequential):
    def train_step(self, *arguments):
        return super().train_step(*arguments)

def build(hyperparameters, input_shape, n_classes):
    return Net([keras.Input(input_shape), keras.layers.Dense(n_classes)])
"""


def test_own_train_step_takes_no_weights(tmp_path: Path) -> None:
    """Weights of classes and of samples are refused for a model that computes its loss itself."""
    path = tmp_path / "net.py"
    path.write_text(OWN_STEP, encoding="utf-8")
    parts = create_form(ModelChoice("network", str(path), trainer=NAME)).find_parts(
        Space.model_validate({"units": {"type": "int", "low": 1, "high": 2}})
    )
    assert parts == {frozenset({"train_step"})}
    with pytest.raises(ValueError, match=r"weight: the train_step of net\.py gets no weights"):
        check_own_weights("net.py", *parts)
    with pytest.raises(ValueError, match=r"training\.class_weight: does nothing"):
        check_own_settings("net.py", *parts, {"class_weight"})


@pytest.mark.parametrize("weights", [[2.0, 0.0], [0.0, 2.0]])
def test_loss_of_one_number_takes_no_weights(weights: list[float]) -> None:
    """A loss that returns one number for a batch cannot weigh its samples, and is refused."""
    loss = _OneHotLoss(lambda true, scores: keras.ops.mean(keras.losses.categorical_crossentropy(true, scores)), 2)
    labels, scores = np.array([1, 1]), np.array([[0.9, 0.1], [0.2, 0.8]], np.float32)
    assert float(loss(labels, scores)) > 0
    with pytest.raises(OwnCodeError, match="one number for a batch"):
        loss(labels, scores, np.array(weights, np.float32))


@pytest.mark.parametrize("compiled", ["", "sparse_categorical_crossentropy", "categorical_crossentropy"])
def test_answers_of_a_sigmoid_are_those_that_its_loss_took(compiled: str, tmp_path: Path) -> None:
    """The log loss of the answers is the loss on dev, which on TensorFlow takes the inputs of a sigmoid for logits."""
    file = tmp_path / "network.py"
    line = f"    model.compile('adam', {compiled!r})\n" if compiled else ""
    file.write_text(
        "import keras\n\ndef build(hyperparameters, input_shape, n_classes):\n"
        "    dense = keras.layers.Dense\n"
        "    model = keras.Sequential([keras.Input(input_shape), dense(8, 'tanh'), dense(n_classes, 'sigmoid')])\n"
        f"{line}    return model\n",
        encoding="utf-8",
    )
    trainer, task = create_trainer(NAME), task_of(file, {}, epochs=4)
    outcome = trainer.train(task, TRAIN, DEV, TrainingOptions("last", metric="log_loss"))
    assert outcome.curve[-1].dev_metric == pytest.approx(outcome.curve[-1].dev_loss, rel=1e-4)
    answers = trainer.rebuild(task, outcome.weights, TRAIN).answer(DEV.x)
    found = -np.log(answers.probabilities[np.arange(len(DEV.y)), DEV.y]).mean()
    assert found == pytest.approx(outcome.curve[-1].dev_loss, rel=1e-4)
