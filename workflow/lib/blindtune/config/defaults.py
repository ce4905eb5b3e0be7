"""The default study: small, runs everywhere. ``config.yaml`` is written from here; see `blindtune.config.generate`."""

from typing import Any

_SIZES_08 = {"train": 4500, "dev": 3000, "eval": 3000}
_SIZES_09 = {"train": 4000, "dev": 2000, "eval": 2000}
_SIZES_10 = {"train": 6000, "dev": 2000, "eval": 2000}

# Fewer samples give fewer steps per epoch, so the small study uses larger learning rates.
_MANUAL_TRAINING = {"learning_rate": 0.001, "epochs": 25}
_TUNED_TRAINING = {
    "optimizer": "adam",
    "learning_rate": 0.005,
    "batch_size": 128,
    "epochs": 10,
    # The published study searched with Keras, so the initial weights are drawn as Keras does.
    "initial_weights": "keras",
    "loss": "sparse_categorical_crossentropy",
    "metric": "accuracy",
}
_KERAS_TUNER = {
    "library": "keras-tuner",
    "algorithm": "random",
    "allow_new_entries": True,
    "tune_new_entries": True,
}


def _drawn(number: str, sizes: dict[str, int]) -> dict[str, Any]:
    return {
        "source": "drawing",
        "published": number,
        "stand_in": True,
        "drawing": f"set_{number}",
        "sizes": sizes,
        "seed": 1,
        "scale": 1.0,
    }


def _manual(model: str, published: str) -> dict[str, Any]:
    return {
        "kind": "manual",
        "paper_row": published,
        "model": model,
        "trainer": "fused",
        "training": _MANUAL_TRAINING,
    }


def _tuned(space: str, published: str) -> dict[str, Any]:
    return {
        "kind": "tuner",
        "paper_row": published,
        "tuner": _KERAS_TUNER,
        "space": space,
        "family": "mlp",
        "trainer": "fused",
        "training": _TUNED_TRAINING,
    }


def _network(model: str, view: dict[str, Any], **training: Any) -> dict[str, Any]:
    """Return the expert's network for #11 or #12."""
    return {"kind": "manual", "paper_row": "Manual", "model": model, "training": training, "view": view}


def _searched(space: str, family: str, view: dict[str, Any], **training: Any) -> dict[str, Any]:
    """Return the published study's search for a network for #11 or #12."""
    return _tuned(space, "Auto") | {
        "family": family,
        "view": view,
        "trainer": "keras",
        "training": _TUNED_TRAINING | training,
    }


def _tuner(library: str, **tuner: Any) -> dict[str, Any]:
    """Return a tuner that competes on several datasets."""
    return {
        "kind": "tuner",
        "tuner": {"library": library, **tuner},
        "space": "mlp",
        "family": "mlp",
        "trainer": "fused",
        "training": _TUNED_TRAINING,
    }


def _compared(dataset: str, systems: list[str], budget: dict[str, int]) -> dict[str, Any]:
    """Return a comparison; a study of it takes seconds, so one job runs those of all seeds."""
    return {"dataset": dataset, "systems": systems, "budget": budget, "seeds_in_one_job": True}


#: A whole patch of 256 pixels at half its size, since the published network takes 128.
_CROPS = {"kind": "crops", "side": 128, "downsample": 2, "n_eval_crops": 1, "jitter": 0.1, "rotate": True}
#: Smaller crops for the search, which then takes a quarter of the time.
_SMALL_CROPS = _CROPS | {"side": 64, "downsample": 4}
_FRAMES = {"kind": "frames"}
_FEATURES = {"kind": "features"}

#: Simulated recordings and slides take a fraction of a second each, a third of the start of a job.
_FILES_PER_JOB = 32

#: One of each library; the three also compete on the digits.
_LIBRARIES = ["kt_hyperband", "op_tpe_median", "sk_halving"]

DEFAULT: dict[str, Any] = {
    "name": "default",
    "seeds": [42, 43, 44],
    "score_epoch": "last",
    "keep_best": 1,
    "verbosity": "normal",
    "workers": 1,
    "wait_for_owner": 0,
    "allow_repeated_decode": [],
    "compare": [
        _compared("set_08", ["knn", "rnf", "mlp_m", "mlp_a", "bayes"], {"trials": 3}),
        _compared("set_09", ["knn", "rnf", "mlp_m", "mlp_a", "bayes"], {"trials": 3}),
        _compared(
            "set_10",
            ["knn", "rnf", "mlp_m1", "mlp_m2", "mlp_a1", "mlp_a2", *_LIBRARIES, "bayes"],
            {"epochs": 30},
        ),
        _compared("digits", ["knn", "rnf", "convnet_m", *_LIBRARIES], {"epochs": 36})
        | {
            "tuner_overrides": {
                "space": "convnet",
                "family": "convnet",
                "trainer": "pytorch",
                "training": {"epochs": 9, "batch_size": 32},
            },
        },
        _compared("tissue_11", ["knn_features", "rnf_features", "convnet_m11", "convnet_a11"], {"epochs": 9}),
        _compared("eeg_12", ["knn_features", "rnf_features", "hybrid_m12", "lstm_a12"], {"epochs": 8}),
    ],
    "report": {"points": 4000, "surface": 200},
    "datasets": {
        "set_08": _drawn("08", _SIZES_08),
        "set_09": _drawn("09", _SIZES_09),
        "set_10": _drawn("10", _SIZES_10),
        "digits": {"source": "digits", "dev": 0.2, "eval": 0.2, "seed": 1},
        "tissue_11": {
            "source": "slides",
            "published": "11",
            "stand_in": True,
            "simulate": {"patients": {"train": 32, "dev": 10, "eval": 10}, "side": 1280},
            "patch": 256,
            "mpp": 0.75,
            "max_overlap": 0.5,
            "sizes": {"train": 240, "dev": 72, "eval": 72},
            "files_per_job": _FILES_PER_JOB,
        },
        "eeg_12": {
            "source": "eeg",
            "published": "12",
            "stand_in": True,
            "simulate": {"patients": 48, "recordings": 1},
            "sizes": {"train": 240, "dev": 60, "eval": 60},
            "files_per_job": _FILES_PER_JOB,
        },
    },
    "systems": {
        "knn": {"kind": "knn", "paper_row": "KNN", "n_neighbors": [5, 20, 100]},
        "rnf": {
            "kind": "random_forest",
            "paper_row": "RNF",
            "n_estimators": [100],
            "max_depth": [8, 10, 20],
            "min_samples_leaf": [1],
        },
        "bayes": {
            "kind": "bayes",
            "paper_row": "BER",
            "train": {"n_neighbors": 20, "n_estimators": 50, "max_depth": 10, "min_samples_leaf": 1},
            "dev": {"n_neighbors": 5, "n_estimators": 50, "max_depth": 0, "min_samples_leaf": 15},
            "eval": {"n_neighbors": 5, "n_estimators": 50, "max_depth": 0, "min_samples_leaf": 15},
        },
        "mlp_m": _manual("mlp_m", "MLP-M"),
        "mlp_m1": _manual("mlp_m1", "MLP-M1"),
        "mlp_m2": _manual("mlp_m2", "MLP-M2"),
        "mlp_a": _tuned("mlp", "MLP-A"),
        "mlp_a1": _tuned("mlp", "MLP-A1"),
        "mlp_a2": _tuned("mlp_dropout", "MLP-A2"),
        "knn_features": {"kind": "knn", "n_neighbors": [5, 20], "view": _FEATURES},
        "rnf_features": {"kind": "random_forest", "n_estimators": [100], "max_depth": [4, 8], "view": _FEATURES},
        "convnet_m11": _network("convnet_11", _CROPS, learning_rate=0.03, epochs=4),
        "convnet_a11": _searched("convnet_11", "convnet", _SMALL_CROPS, learning_rate=0.003, batch_size=16, epochs=3),
        "hybrid_m12": _network("hybrid_12", _FRAMES),
        "lstm_a12": _searched("lstm_12", "lstm", _FRAMES, learning_rate=0.003, batch_size=32, epochs=4),
        "guide_base": {"kind": "manual", "model": "guide_base", "trainer": "keras"},
        "convnet_m": {"kind": "manual", "model": "convnet_m"},
        "kt_hyperband": _tuner("keras-tuner", algorithm="hyperband"),
        "op_tpe_median": _tuner("optuna", algorithm="tpe", pruner={"algorithm": "median"}),
        "sk_halving": _tuner("scikit-learn", algorithm="halving-random-search"),
    },
}
