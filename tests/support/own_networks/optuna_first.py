"""The network of the first PyTorch example of Optuna's documentation, rewritten for two features and two classes."""

from torch import nn, optim

CLASSES = 2
IN_FEATURES = 2


def define_model(trial):
    """Return a network with one to three hidden layers, each with its own size and dropout."""
    layers = []
    in_features = IN_FEATURES
    for i in range(trial.suggest_int("n_layers", 1, 3)):
        out_features = trial.suggest_int(f"n_units_l{i}", 4, 128)
        layers.append(nn.Linear(in_features, out_features))
        layers.append(nn.ReLU())
        layers.append(nn.Dropout(trial.suggest_float(f"dropout_l{i}", 0.2, 0.5)))
        in_features = out_features
    layers.append(nn.Linear(in_features, CLASSES))
    layers.append(nn.LogSoftmax(dim=1))
    return nn.Sequential(*layers)


def configure_optimizers(network, trial):
    """Return the optimizer, which the example creates in its objective."""
    name = trial.suggest_categorical("optimizer", ["Adam", "RMSprop", "SGD"])
    return getattr(optim, name)(network.parameters(), lr=trial.suggest_float("lr", 1e-5, 1e-1, log=True))
