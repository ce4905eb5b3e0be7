"""Records as version 1 wrote them: a manual model of the smoke study, trained on CPU."""

import json
from typing import Any

LAYERS = [
    {"activation": "relu", "kind": "dense", "units": 64},
    {"activation": "relu", "kind": "dense", "units": 32},
    {"activation": "relu", "kind": "dense", "units": 16},
]
TRAINING = {
    "batch_size": 16,
    "epochs": 5,
    "initial_weights": "framework",
    "learning_rate": 0.001,
    "loss": "cross_entropy",
    "metric": "accuracy",
    "optimizer": "adam",
}
WEIGHTS_SHA256 = "6765ffca238a6b37f5d9ece277957e70e627fc8d963482811c633f9d27fb16d9"
DATA_SHA256 = "8f50f269e176481d0bfa2fdea8903cfc5a2bb999a4792190552f353a59250ef7"
#: The seed of the trial, which derives from the hyperparameters with the layers among them.
SEED = 1035341347
SECONDS = {"train": {"cpu": 0.25, "wall": 0.5}}

TRIAL: dict[str, Any] = {
    "study": "smoke/set_10/mlp_m1/42",
    "number": 0,
    "parent": None,
    "trained_before": 0,
    "fold": None,
    "hyperparameters": {**TRAINING, "layers": LAYERS},
    "status": "completed",
    "reason": None,
    "retries": [],
    "exceptions": [],
    "score": 0.388,
    "epochs": 1,
    "curve": [{"train_loss": 0.6, "train_error": 0.3305, "dev_loss": 0.7, "dev_error": 0.388}],
    "best_epoch": 1,
    "scored_epoch": 1,
    "parameters": 2834,
    "weights_sha256": WEIGHTS_SHA256,
    "seeds": {"study": 42, "trial": SEED},
    "seconds": SECONDS,
    "started": "2026-11-28T03:33:11.733+00:00",
    "host": "here",
    "versions": {"python": "3.11.7"},
}

CARD: dict[str, Any] = {
    "architecture": {
        "exceptions": [],
        "input_shape": [2],
        "layers": [*LAYERS, {"activation": "linear", "kind": "dense", "units": 2}],
    },
    "budget": None,
    "classes": 2,
    "config": "smoke",
    "data_sha256": DATA_SHA256,
    "dataset": "set_10",
    "dev_error": 0.388,
    "estimates": {},
    "exhausted": False,
    "hyperparameters": {**TRAINING, "layers": LAYERS},
    "kind": "manual",
    "model_seed": SEED,
    "parameters": 2834,
    "published": "MLP-M1",
    "scoring": "last",
    "seed": 42,
    "settings": {"kind": "manual", "model": "mlp_m1", "published": "MLP-M1", "sees": {"view": "samples"}},
    "spent": {"epochs": 5, "seconds": SECONDS, "trials": 1},
    "statuses": {"completed": 1},
    "study": "smoke/set_10/mlp_m1/42",
    "system": "mlp_m1",
    "train_error": 0.098,
    "training": TRAINING,
    "trial": 0,
    "versions": {"python": "3.11.7"},
    "weights": "weights/00000.safetensors",
    "weights_sha256": WEIGHTS_SHA256,
}

#: What version 1 recorded as the identity of this model, and of the nearest neighbours and the estimate next to it.
FROZEN_SHA256 = "7ca5c463a78e73fee1ec60902c1bbda81d3c68eedf920c4a9dc244f322b3bcf9"
KNN_SHA256 = "2318b67e4d6b91667185f892443edd1e8255ee046a0a51eb60344ba1168b3416"
BAYES_SHA256 = "153432744dec471852f851286fa65103cd8567bbd1207199ae49c86abece238c"

_LOOP = {"max_depth": 0, "min_samples_leaf": 15, "neighbours": 5, "trees": 50}
_NOT_A_NETWORK = {"architecture": None, "training": None, "weights": None, "n_parameters": None}
KNN: dict[str, Any] = _NOT_A_NETWORK | {
    "study": "smoke/set_10/knn/42",
    "kind": "knn",
    "hyperparameters": {"neighbours": 100},
    "weights_sha256": "73dd3d44fc9d139bbde2dc4e1f7f4a6d01bee262b873d5d3fa14892428bf1512",
    "model_seed": 577594401,
}
BAYES: dict[str, Any] = _NOT_A_NETWORK | {
    "study": "smoke/set_10/bayes/42",
    "kind": "bayes",
    "hyperparameters": {
        "dev": _LOOP,
        "eval": _LOOP,
        "train": {"max_depth": 10, "min_samples_leaf": 1, "neighbours": 20, "trees": 50},
    },
    "weights_sha256": None,
    "model_seed": 1099647607,
}


def trial_line(**changes: Any) -> str:
    """Return the line of a trial log; ``changes`` replace fields of the record."""
    return json.dumps(TRIAL | changes) + "\n"
