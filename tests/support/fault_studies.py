"""Configs whose jobs are small enough to be killed, or to run out of space, hundreds of times."""

import re
from pathlib import Path
from typing import Any

from support.kill_studies import SPACE, STUDIES, TRAINING

_TOY = {"source": "drawing", "drawing": "set_10", "sizes": {"train": 200, "dev": 100, "eval": 100}, "seed": 1}
_SIZES = {"train": 4, "dev": 2, "eval": 2}
_WAVES = {
    "source": "eeg",
    "stand_in": True,
    "sizes": _SIZES,
    "montage": "mono19",
    "files_per_job": 4,
    "simulate": {"patients": 10, "recordings": 1, "seconds": 180, "faults": []},
}
_SLIDES = {
    "source": "slides",
    "stand_in": True,
    "sizes": _SIZES,
    # Features of larger patches take seconds.
    "patch": 64,
    "files_per_job": 4,
    "simulate": {"patients": {"train": 4, "dev": 2, "eval": 2}, "side": 1024, "faults": []},
}
_ESTIMATE = {split: {"n_neighbors": 3, "n_estimators": 5} for split in ("train", "dev", "eval")}
_TWO = {"n_neighbors": [1, 3]}


def stage_config(folder: Path, corpora: bool = True) -> dict[str, Any]:
    """Return a config with a job of each stage: a drawn set, and simulated corpora of recordings and of slides.

    Args:
        folder: gets the search space.
        corpora: whether there are corpora; without them there is no job of a stage that reads raw files.
    """
    compared = {"toy": ["near", "forest", "expert", "tpe", "hyperband", "limit"]}
    compared |= {"waves": ["near"], "slides": ["near"]} if corpora else {}
    return {
        "name": "faults",
        "seeds": [42],
        "compare": [{"dataset": name, "systems": one, "budget": {"epochs": 108}} for name, one in compared.items()],
        "report": {"points": 50, "surface": 10},
        "datasets": {"toy": _TOY, "waves": _WAVES, "slides": _SLIDES},
        "systems": {
            "near": {"kind": "knn", **_TWO},
            "forest": {"kind": "random_forest", "n_estimators": [5], "max_depth": [3]},
            "expert": {"kind": "manual", "model": "mlp_m1", "trainer": "pytorch", "training": {"epochs": 3}},
            "tpe": _tuned(folder, "optuna", STUDIES["optuna"]["tpe"]),
            "hyperband": _tuned(folder, "keras-tuner", STUDIES["keras-tuner"]["hyperband, fused"]),
            "limit": {"kind": "bayes", **_ESTIMATE},
        },
    }


def tuner_config(folder: Path) -> dict[str, Any]:
    """Return a config with a study of every algorithm of every library, with pruners, folds and batches.

    Args:
        folder: gets the search space.
    """
    systems = {
        _name(library, name): _tuned(folder, library, study)
        for library, studies in STUDIES.items()
        for name, study in studies.items()
    }
    return {
        "name": "faults",
        "seeds": [42],
        "compare": [{"dataset": "toy", "systems": list(systems), "budget": {"epochs": 108}}],
        "datasets": {"toy": _TOY},
        "systems": systems,
    }


def _tuned(folder: Path, library: str, study: dict[str, Any]) -> dict[str, Any]:
    space = folder / "space.yaml"
    space.write_text(SPACE, encoding="utf-8")
    tuner = {"library": library} | study["tuner"]
    return {"kind": "tuner", "tuner": tuner, "space": str(space), "trainer": study["trainer"], "training": TRAINING}


def _name(library: str, name: str) -> str:
    return re.sub("[^a-z0-9]+", "_", f"{library} {name}")
