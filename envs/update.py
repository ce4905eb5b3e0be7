"""Writes requirements.lock and envs/*.yaml from requirements.in and the environment that runs this.

``python envs/update.py`` after installing new versions; ``--check`` fails where the files differ from it.
"""

import sys
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]

#: What every trainer of networks needs, beside the libraries that it trains with.
TUNERS = [
    "cmaes",
    "keras",
    "keras-tuner",
    "numpy",
    "optuna",
    "pydantic",
    "pyyaml",
    "safetensors",
    "scikit-learn",
    "tensorboard",
]

#: What the rules of each backend family import, directly.
FAMILIES = {
    "data": [
        "defusedxml",
        "edfio",
        "imagecodecs",
        "mne",
        "numpy",
        "openslide-bin",
        "openslide-python",
        "pillow",
        "pydantic",
        "pyyaml",
        "scikit-learn",
        "scipy",
        "shapely",
        "tifffile",
    ],
    "scikit": ["numpy", "pydantic", "pyyaml", "safetensors", "scikit-learn"],
    "networks": [*TUNERS, "scikeras", "skorch", "tensorflow-cpu", "torch"],
    "keras-jax": [*TUNERS, "jax"],
    "keras-torch": [*TUNERS, "torch"],
    "report": ["jinja2", "matplotlib", "numpy", "pydantic", "pyyaml", "safetensors", "scipy"],
}

#: Environment variables that conda sets. The trainers set them too; they are for whoever uses Keras there by hand.
VARIABLES = {"keras-jax": {"KERAS_BACKEND": "jax"}, "keras-torch": {"KERAS_BACKEND": "torch"}}

LOCK_HEAD = """\
# Exact versions of everything, for Python 3.11 on Linux; written by envs/update.py.
# torch has builds for many devices under one version, so there are no hashes here. Where pip finds the
# CUDA build, that build brings CUDA packages of its own, pinned by itself.
"""

ENVIRONMENT_HEAD = """\
# The environment of the {family} rules under `snakemake --sdm conda`; written by envs/update.py from the lock.
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python=3.11
  - pip=25.3
  - pip:
"""


def pins(names: list[str]) -> list[str]:
    """``name==version`` of each of ``names`` and of all that they need, as installed here."""
    found: dict[str, str] = {}
    waiting = [(name, ("",)) for name in names]
    while waiting:
        name, extras = waiting.pop()
        installed = distribution(name)
        if canonicalize_name(name) in found and extras == ("",):
            continue
        # The part behind a + names a build, which the index of another machine may not have.
        found[canonicalize_name(name)] = installed.version.split("+")[0]
        for line in installed.requires or []:
            needed = Requirement(line)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append((needed.name, ("", *sorted(needed.extras)) if needed.extras else ("",)))
    return [f"{name}=={version}" for name, version in sorted(found.items())]


def files() -> dict[Path, str]:
    """The text of every file that this script writes."""
    lines = (ROOT / "requirements.in").read_text(encoding="utf-8").splitlines()
    direct = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    texts = {ROOT / "requirements.lock": LOCK_HEAD + "\n".join(pins(direct)) + "\n"}
    for family, names in FAMILIES.items():
        body = "".join(f"      - {pin}\n" for pin in pins(names))
        body += "".join(f"variables:\n  {name}: {value}\n" for name, value in VARIABLES.get(family, {}).items())
        texts[ROOT / "envs" / f"{family}.yaml"] = ENVIRONMENT_HEAD.format(family=family) + body
    return texts


def main() -> int:
    """Write the files, or with ``--check`` say which of them differ."""
    if "--check" not in sys.argv:
        for path, text in files().items():
            path.write_text(text, encoding="utf-8")
        return 0
    differing = [path.name for path, text in files().items() if path.read_text(encoding="utf-8") != text]
    for name in differing:
        print(f"{name} differs from the installed environment; run python envs/update.py", file=sys.stderr)
    return len(differing)


if __name__ == "__main__":
    sys.exit(main())
