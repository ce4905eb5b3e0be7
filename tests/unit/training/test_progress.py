"""Early stopping and learning rates follow the losses as the callbacks and schedulers of the libraries do."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blindtune.config.training import Training
from blindtune.training.progress import Progress, resume_progress

#: Losses with ties and small steps.
LOSSES = st.lists(st.integers(1, 8).map(lambda n: n / 8), min_size=1, max_size=25)


def keras_callback(callback: Any) -> Any:
    """Return a callback of Keras on a model that trains nothing."""
    model = SimpleNamespace(stop_training=False, optimizer=SimpleNamespace(learning_rate=np.float64(1.0)))
    callback.set_model(model)
    callback.on_train_begin()
    return callback, model


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(LOSSES, st.integers(1, 5), st.sampled_from([0.0, 0.125, 0.2]))
def test_early_stopping_is_that_of_keras(losses: list[float], patience: int, min_delta: float) -> None:
    """Training ends at the epoch at which Keras's EarlyStopping ends it."""
    import keras

    callback, model = keras_callback(
        keras.callbacks.EarlyStopping(monitor="val_loss", patience=patience, min_delta=min_delta, mode="min")
    )
    progress = Progress(Training(early_stopping=patience, min_delta=min_delta))
    for epoch, loss in enumerate(losses):
        callback.on_epoch_end(epoch, {"val_loss": loss})
        progress.add(loss)
        assert progress.ends_early() == model.stop_training
        if model.stop_training:
            break


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(LOSSES, st.integers(1, 5), st.sampled_from([0.5, 0.1]))
def test_plateau_is_that_of_keras(losses: list[float], patience: int, factor: float) -> None:
    """The learning rate falls where Keras's ReduceLROnPlateau reduces it."""
    import keras

    callback, model = keras_callback(
        keras.callbacks.ReduceLROnPlateau(monitor="val_loss", patience=patience, factor=factor, min_delta=0.0)
    )
    training = Training(learning_rate=1.0, schedule="plateau", schedule_epochs=patience, schedule_factor=factor)
    progress = Progress(training)
    for epoch, loss in enumerate(losses):
        callback.on_epoch_end(epoch, {"val_loss": loss})
        progress.add(loss)
        assert progress.learning_rate(epoch + 1) == pytest.approx(float(model.optimizer.learning_rate), rel=1e-6)


@pytest.mark.parametrize(
    ("settings", "scheduler"),
    [
        (
            {"schedule": "step", "schedule_epochs": 3, "schedule_factor": 0.5},
            ("StepLR", {"step_size": 3, "gamma": 0.5}),
        ),
        ({"schedule": "step"}, ("StepLR", {"step_size": 10, "gamma": 0.1})),
        ({"schedule": "cosine", "schedule_epochs": 8}, ("CosineAnnealingLR", {"T_max": 8})),
        ({"schedule": "cosine"}, ("CosineAnnealingLR", {"T_max": 12})),
    ],
)
def test_schedules_are_those_of_pytorch(settings: dict[str, Any], scheduler: tuple[str, dict[str, Any]]) -> None:
    """Step and cosine give the learning rates of PyTorch's schedulers; a cosine stays at 0 after its end."""
    import torch

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
    theirs = getattr(torch.optim.lr_scheduler, scheduler[0])(optimizer, **scheduler[1])
    progress = Progress(Training(learning_rate=0.3, epochs=12, **settings))
    for done in range(12):
        ended = done > scheduler[1].get("T_max", 12)
        expected = 0.0 if ended else optimizer.param_groups[0]["lr"]
        assert progress.learning_rate(done) == pytest.approx(expected, abs=1e-12)
        optimizer.step()
        theirs.step()


def test_constant_rate_never_changes() -> None:
    """Without a schedule there is no rate to set."""
    assert Progress(Training()).learning_rate(5) is None


@settings(max_examples=40, deadline=None)
@given(LOSSES, st.integers(0, 24))
def test_progress_resumes_from_its_arrays(losses: list[float], cut: int) -> None:
    """What follows from the losses is the same for one that resumes from its arrays after any epoch."""
    training = Training(early_stopping=3, schedule="plateau", schedule_epochs=2)
    whole, first = Progress(training), Progress(training)
    for loss in losses[:cut]:
        whole.add(loss)
        first.add(loss)
    resumed = resume_progress(training, first.arrays())
    for number, loss in enumerate(losses[cut:], cut + 1):
        whole.add(loss)
        resumed.add(loss)
        assert resumed.ends_early() == whole.ends_early()
        assert resumed.learning_rate(number) == whole.learning_rate(number)


def test_state_holds_losses_only_if_they_are_needed() -> None:
    """A training without early stopping and plateau keeps the state that it kept before there were any."""
    for plain in (Training(), Training(schedule="cosine"), Training(clip_norm=1.0)):
        progress = Progress(plain)
        progress.add(0.5)
        assert progress.arrays() == {}
