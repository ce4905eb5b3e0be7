"""Manifests and examples of corpora for tests of the report, with hostile file names and reasons."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

EVIL = "<script>alert(1)</script>"
PATIENTS = [f"p{number:02d}" for number in range(9)] + [EVIL]

_SPLITS = ("train", "dev", "eval")
_COMMON = {"bad_files": {f"a/{EVIL}.svs": f"is truncated | {EVIL}", "b.svs": "has $no$ annotation"}, "groups": PATIENTS}

SLIDES: dict[str, Any] = {
    "published": "11",
    "classes": ["dcis", "indc"],
    "counts": {split: {"dcis": 200, "indc": 200} for split in _SPLITS},
    "axes": ["sample", "row", "column", "channel"],
    "sample_shape": [40, 40, 3],
    "units": "red, green and blue from 0 to 255",
    "source": {
        "source": "slides",
        "patch": 40,
        "tissue": {"max_white": 0.5, "max_ink": 0.1},
        "simulate": None,
        "strict": False,
    },
    "parameters": {
        **_COMMON,
        "left_out": [["train", "white", "dcis", 12], ["dev", "white", "dcis", 3], ["train", "ink", "indc", 1]],
        "raw_sha256": {"a.svs": "0" * 64},
        "patches": {"mpp_from": {"openslide.mpp-x": 3}},
    },
}

EEG: dict[str, Any] = {
    "published": "12",
    "classes": ["background", "seizure"],
    "counts": {split: {"background": 200, "seizure": 200} for split in _SPLITS},
    "axes": ["sample", "channel", "time"],
    "sample_shape": [20, 500],
    "units": "uV",
    "source": {"source": "eeg", "sfreq": 50, "montage": "tcp20"},
    "parameters": {
        **_COMMON,
        "bad_files": {},
        "left_out": [["eval", "seconds in the guard", "background", 70]],
        "raw_sha256": {"a.edf": "0" * 64},
        "channels": [f"C{number}-{EVIL if number == 3 else number}" for number in range(20)],
        "filter": {"steps": ["resampled", "band-pass"], "effective_band": {"l_freq": 0.5, "h_freq": 23.0}},
    },
}


def examples(manifest: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """Return three samples of each class; for images, one slide of each class too."""
    rng = np.random.default_rng(5)
    shape = manifest["sample_shape"]
    pictures = manifest["axes"][-1] == "channel"
    x = rng.integers(0, 256, (6, *shape)).astype(np.uint8) if pictures else rng.normal(0, 30, (6, *shape))
    found: dict[str, NDArray[Any]] = {
        "x": x if pictures else x.astype(np.float32),
        "y": np.array([0, 0, 0, 1, 1, 1]),
        "group": np.array(PATIENTS[-6:]),
        "raw": np.array(["a/b.svs"] * 6),
        "place": np.array(["x 1, y 2"] * 6),
    }
    if pictures:
        slide = rng.integers(0, 256, (60, 90, 3)).astype(np.uint8)
        found |= {"located_0": slide, "located_0_raw": np.array("x/<b>$1.svs")}
        found |= {"located_1": slide, "located_1_raw": np.array("b.svs")}
    return found
