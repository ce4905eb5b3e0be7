"""The search of `tuner_overhead` as users of Keras Tuner, Optuna and scikit-learn write it, without blindtune.

Each script takes train and dev, tries the same hyperparameter sets as the study, and returns them.
"""

import tempfile
from typing import Any

import numpy as np

BATCH = 512


def imports() -> None:
    """Import everything that the sides need, so that imports are not timed."""
    import keras_tuner  # noqa: F401
    import optuna  # noqa: F401
    import scikeras.wrappers  # noqa: F401
    import sklearn.model_selection  # noqa: F401


def model(layers: int, units: int, dropout_rate: float, learning_rate: float) -> Any:
    """Return the compiled Keras model of one hyperparameter set."""
    import keras

    built = keras.Sequential([keras.Input((2,))])
    for _ in range(layers):
        built.add(keras.layers.Dense(units, activation="relu"))
        built.add(keras.layers.Dropout(dropout_rate))
    built.add(keras.layers.Dense(2, activation="softmax"))
    built.compile(
        optimizer=keras.optimizers.Adam(learning_rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return built


def keras_tuner(data: list[Any], space: Any, sets: list[Any], trials: int, epochs: int) -> list[Any]:
    """Run ``RandomSearch``; return the sets that were tried."""
    import keras_tuner as library

    from blindtune.tuners.keras_tuner.space import declare_hyperparameters

    train_x, train_y, dev_x, dev_y = data
    names = ("layers", "units", "dropout_rate", "learning_rate")
    with tempfile.TemporaryDirectory() as folder:
        tuner = library.RandomSearch(
            lambda declared: model(**{name: declared.get(name) for name in names}),
            objective="val_accuracy",
            max_trials=trials,
            seed=42,
            hyperparameters=declare_hyperparameters(space),
            directory=folder,
            max_consecutive_failed_trials=10**9,
        )
        tuner.search(train_x, train_y, batch_size=BATCH, epochs=epochs, validation_data=(dev_x, dev_y), verbose=0)
        return [trial.hyperparameters.values for trial in tuner.oracle.trials.values()]


def optuna(data: list[Any], space: Any, sets: list[Any], trials: int, epochs: int) -> list[Any]:
    """Run ``study.optimize`` with the random sampler; return the sets that were tried."""
    import optuna as library

    train_x, train_y, dev_x, dev_y = data

    def objective(trial: Any) -> float:
        values = {
            "layers": trial.suggest_int("layers", 1, 3),
            "units": trial.suggest_int("units", 16, 96, step=16),
            "dropout_rate": trial.suggest_float("dropout_rate", 0.0, 0.4, step=0.1),
            "learning_rate": trial.suggest_float("learning_rate", 0.001, 0.01, step=0.001),
        }
        history = model(**values).fit(
            train_x, train_y, batch_size=BATCH, epochs=epochs, validation_data=(dev_x, dev_y), verbose=0
        )
        return 1 - float(history.history["val_accuracy"][-1])

    library.logging.set_verbosity(library.logging.WARNING)
    study = library.create_study(sampler=library.samplers.RandomSampler(seed=42))
    study.optimize(objective, n_trials=trials)
    # Optuna's stepped floats contain the rounding errors of their sums.
    return [
        {name: round(value, 12) if isinstance(value, float) else value for name, value in trial.params.items()}
        for trial in study.trials
    ]


def scikit_learn(data: list[Any], space: Any, sets: list[Any], trials: int, epochs: int) -> list[Any]:
    """Run ``GridSearchCV`` on SciKeras over a list of single sets, with dev as the only fold; return the sets.

    Not ``RandomizedSearchCV``: its draws from separate distributions would be other sets than those of the study.
    """
    from scikeras.wrappers import KerasClassifier
    from sklearn.model_selection import GridSearchCV, PredefinedSplit
    from sklearn.utils import ClassifierTags

    class Classifier(KerasClassifier):  # type: ignore[misc]
        def __sklearn_tags__(self) -> Any:
            tags = super().__sklearn_tags__()
            tags.estimator_type, tags.classifier_tags = "classifier", ClassifierTags()
            return tags

    train_x, train_y, dev_x, dev_y = data
    folds = PredefinedSplit(np.repeat([-1, 0], [len(train_y), len(dev_y)]))
    classifier = Classifier(
        model, layers=1, units=16, dropout_rate=0.0, learning_rate=0.001, batch_size=BATCH, epochs=epochs, verbose=0
    )
    grid = [{name: [value] for name, value in values.items()} for values in sets]
    search = GridSearchCV(classifier, grid, cv=folds, refit=False, error_score="raise")
    # The study scores dev after each epoch and keeps the curve; a script gets the curve in the same way.
    search.fit(np.concatenate([train_x, dev_x]), np.concatenate([train_y, dev_y]), validation_data=(dev_x, dev_y))
    return list(search.cv_results_["params"])


SCRIPTS = {"keras-tuner": keras_tuner, "optuna": optuna, "scikit-learn": scikit_learn}
