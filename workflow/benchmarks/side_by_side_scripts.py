"""The search of `side_by_side` as users write it, without blindtune: Keras Tuner, and Optuna with PyTorch.

Each script follows the guide of its library, with the space of `resources/spaces/mlp.yaml`. Two things were added: it
tries the sets of a list, and it keeps the dev error of each last epoch.
"""

import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

#: train x, train y, dev x, dev y
Data = Sequence[NDArray[Any]]

ACTIVATIONS = ["relu", "tanh", "sigmoid", "exponential"]
OUTPUTS = ["softmax", "sigmoid"]


def keras_tuner(data: Data, sets: Sequence[Mapping[str, Any]], epochs: int, batch: int) -> list[float]:
    """Run ``RandomSearch`` with an oracle that proposes the given sets; return their dev errors in order."""
    import keras
    import keras_tuner as library

    def build(hp: Any) -> Any:
        model = keras.Sequential([keras.Input((2,))])
        for number in range(1, hp.Int("layers", 1, 5) + 1):
            units = hp.Int(f"units_{number}", 32, 97, step=5)
            model.add(keras.layers.Dense(units, activation=hp.Choice(f"activation_{number}", ACTIVATIONS)))
        model.add(keras.layers.Dense(2, activation=hp.Choice("output_activation", OUTPUTS)))
        model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    train_x, train_y, dev_x, dev_y = data
    accuracies: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        tuner = library.RandomSearch(
            build, objective="val_accuracy", max_trials=len(sets), executions_per_trial=1, directory=folder
        )
        waiting = iter(sets)
        tuner.oracle.populate_space = lambda trial_id: {"status": "RUNNING", "values": dict(next(waiting))}
        tuner.search(
            train_x,
            train_y,
            batch_size=batch,
            epochs=epochs,
            validation_data=(dev_x, dev_y),
            # The library itself keeps only that of the best epoch.
            callbacks=[
                keras.callbacks.LambdaCallback(on_epoch_end=lambda _, logs: accuracies.append(logs["val_accuracy"]))
            ],
            verbose=0,
        )
        _check(sets, [tuner.oracle.trials[number].hyperparameters.values for number in tuner.oracle.start_order])
    return [1 - accuracy for accuracy in accuracies[epochs - 1 :: epochs]]


def optuna(data: Data, sets: Sequence[Mapping[str, Any]], epochs: int, batch: int) -> list[float]:
    """Run ``study.optimize`` with an eager loop on a ``DataLoader``; return the dev errors.

    The loop is that of Optuna's PyTorch example, without pruning; the sets are enqueued.
    """
    import optuna as library
    import torch
    from torch import nn
    from torch.nn import functional
    from torch.utils.data import DataLoader, TensorDataset

    class Exponential(nn.Module):
        def forward(self, x: Any) -> Any:
            return torch.exp(x)

    modules = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "exponential": Exponential}

    def define(trial: Any) -> Any:
        layers: list[nn.Module] = []
        features = 2
        for number in range(1, trial.suggest_int("layers", 1, 5) + 1):
            units = trial.suggest_int(f"units_{number}", 32, 97, step=5)
            layers.append(nn.Linear(features, units))
            layers.append(modules[trial.suggest_categorical(f"activation_{number}", ACTIVATIONS)]())
            features = units
        # Keras on TensorFlow trains a softmax and a sigmoid alike: the cross-entropy takes their inputs.
        trial.suggest_categorical("output_activation", OUTPUTS)
        layers.append(nn.Linear(features, 2))
        return nn.Sequential(*layers)

    train_x, train_y, dev_x, dev_y = (torch.from_numpy(part) for part in data)
    train_loader = DataLoader(TensorDataset(train_x, train_y), batch_size=batch, shuffle=True)
    dev_loader = DataLoader(TensorDataset(dev_x, dev_y), batch_size=batch)

    def objective(trial: Any) -> float:
        model = define(trial)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
        accuracy = 0.0
        for epoch in range(epochs):
            model.train()
            for x, y in train_loader:
                optimizer.zero_grad()
                loss = functional.cross_entropy(model(x), y)
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            model.eval()
            correct = 0
            with torch.no_grad():
                for x, y in dev_loader:
                    correct += (model(x).argmax(dim=1) == y).sum().item()
            accuracy = correct / len(dev_y)
            trial.report(accuracy, epoch)
        return accuracy

    library.logging.set_verbosity(library.logging.WARNING)
    study = library.create_study(direction="maximize", pruner=library.pruners.NopPruner())
    for values in sets:
        study.enqueue_trial(dict(values))
    study.optimize(objective, n_trials=len(sets))
    _check(sets, [trial.params for trial in study.trials])
    return [1 - float(trial.values[0]) for trial in study.trials]


def _check(given: Sequence[Mapping[str, Any]], tried: Sequence[Mapping[str, Any]]) -> None:
    """Raise ValueError unless the sets that were tried are the given ones.

    Loss, optimizer and metric have one choice, which a script does not declare; Keras Tuner adds the hyperparameters of
    layers that another set has.
    """
    for values, own in zip(given, tried, strict=True):
        if any(own[name] != value for name, value in values.items() if name not in ("loss", "optimizer", "metric")):
            raise ValueError(f"{own} was tried in place of {values}")


SCRIPTS = {"keras-tuner": keras_tuner, "optuna": optuna}
