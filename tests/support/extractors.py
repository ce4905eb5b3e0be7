"""Code of users that computes features, and views of it."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from blindtune.datasets.prepared import Prepared
from blindtune.views.config import ExtractedView
from blindtune.views.extractor_code import plan_key
from blindtune.views.feature_store import write_features

#: Three features of a sample by weights in a file; each call is noted next to the weights.
CODE = """
import json
import numpy as np


def build(input_shape, arguments, weights):
    matrix = np.array(json.loads(weights.read_text()), np.float32)
    assert matrix.shape[0] == int(np.prod(input_shape))
    scale = arguments.get("scale", 1.0)

    def extract(batch):
        with open(weights.parent / "calls.txt", "a") as file:
            file.write(f"{len(batch)}\\n")
        flat = batch.reshape(len(batch), -1).astype(np.float32)
        return np.tanh(scale * (flat @ matrix))

    return extract
"""


def write_extractor(folder: Path, code: str = CODE, n_values: int = 2, seed: int = 0, **keys: Any) -> ExtractedView:
    """Write code and weights of an extractor into a folder, and return a view of it.

    Args:
        folder: need not exist.
        code: of the file.
        n_values: number of values of a stored sample.
        seed: of the weights.
        **keys: other keys of the view.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "extractor.py").write_text(code, encoding="utf-8")
    matrix = np.random.default_rng(seed).normal(size=(n_values, 3)).round(3)
    (folder / "backbone.json").write_text(json.dumps(matrix.tolist()), encoding="utf-8")
    content = {"kind": "extracted", "build": str(folder / "extractor.py"), "weights": str(folder / "backbone.json")}
    return ExtractedView.model_validate(content | keys)


def write_callable(folder: Path, body: str, **keys: Any) -> ExtractedView:
    """Return a view of an extractor whose callable has a body, with ``batch`` and ``np`` for its samples and NumPy."""
    lines = "\n".join(f"        {line}" for line in body.splitlines())
    code = f"import numpy as np\n\ndef build(input_shape, arguments, weights):\n    def extract(batch):\n{lines}\n"
    return write_extractor(folder, f"{code}    return extract\n", **({"weights": None} | keys))


def compute_features(view: ExtractedView | None, data: Prepared) -> None:
    """Do what the job ``features`` does before a study.

    Args:
        view: None: none, as of a system of another view.
        data: the dataset, which was opened from its manifest.
    """
    if view is not None:
        write_features(view, data, plan_key(view))


def count_calls(folder: Path) -> int:
    """Return how often the code of `CODE` was asked for features."""
    path = folder / "calls.txt"
    return len(path.read_text(encoding="utf-8").splitlines()) if path.exists() else 0
