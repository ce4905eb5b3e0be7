"""Write requirements.lock and envs/*.yaml from requirements.in and the environment that runs this script.

Run ``python envs/update.py`` after installing new versions; ``--check`` only reports files that differ.
"""

import sys
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]

#: Packages that every environment for networks needs, in addition to the libraries that train.
TUNER_PACKAGES = [
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

#: By environment: the packages that its rules import directly.
ENVIRONMENTS = {
    "data": [
        "defusedxml",
        "edfio",
        "imagecodecs",
        "imagehash",
        "mne",
        "numpy",
        "openpyxl",
        "openslide-bin",
        "openslide-python",
        "pandas",
        "pillow",
        "pyarrow",
        "pydantic",
        "pyyaml",
        "scikit-learn",
        "scipy",
        "shapely",
        "tifffile",
    ],
    "scikit": ["numpy", "pydantic", "pyyaml", "safetensors", "scikit-learn"],
    "networks": [*TUNER_PACKAGES, "scikeras", "skorch", "tensorflow-cpu", "torch"],
    "keras-jax": [*TUNER_PACKAGES, "jax"],
    "keras-torch": [*TUNER_PACKAGES, "torch"],
    "report": ["jinja2", "matplotlib", "numpy", "pydantic", "pyyaml", "safetensors", "scikit-learn", "scipy"],
}

#: Environment variables that conda sets. Trainers set them too; these are for using Keras there by hand.
VARIABLES = {"keras-jax": {"KERAS_BACKEND": "jax"}, "keras-torch": {"KERAS_BACKEND": "torch"}}

LOCK_HEAD = """\
# Exact versions of everything, for Python 3.11 on Linux; written by envs/update.py.
# torch has builds for many devices under one version, so there are no hashes here. Where pip finds the
# CUDA build, that build brings CUDA packages of its own, pinned by itself.
"""

ENVIRONMENT_HEAD = """\
# The environment of the {environment} rules under `snakemake --sdm conda`; written by envs/update.py from the lock.
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python=3.11
  - pip=25.3
  - pip:
"""


def list_pins(names: list[str]) -> list[str]:
    """Return ``name==version`` of each package and of all packages that it requires, as installed here."""
    found: dict[str, str] = {}
    waiting = [(name, ("",)) for name in names]
    while waiting:
        name, extras = waiting.pop()
        installed = distribution(name)
        if canonicalize_name(name) in found and extras == ("",):
            continue
        # The part after a + names a build, which the index of another machine may not have.
        found[canonicalize_name(name)] = installed.version.split("+")[0]
        for line in installed.requires or []:
            needed = Requirement(line)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append((needed.name, ("", *sorted(needed.extras)) if needed.extras else ("",)))
    return [f"{name}=={version}" for name, version in sorted(found.items())]


def render_files() -> dict[Path, str]:
    """Return the text of every file that this script writes."""
    lines = (ROOT / "requirements.in").read_text(encoding="utf-8").splitlines()
    direct = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    texts = {ROOT / "requirements.lock": LOCK_HEAD + "\n".join(list_pins(direct)) + "\n"}
    for environment, names in ENVIRONMENTS.items():
        body = "".join(f"      - {pin}\n" for pin in list_pins(names))
        body += "".join(f"variables:\n  {name}: {value}\n" for name, value in VARIABLES.get(environment, {}).items())
        texts[ROOT / "envs" / f"{environment}.yaml"] = ENVIRONMENT_HEAD.format(environment=environment) + body
    return texts


def main() -> int:
    """Write the files, or with ``--check`` report those that differ; return the exit status."""
    if "--check" not in sys.argv:
        for path, text in render_files().items():
            path.write_text(text, encoding="utf-8")
        return 0
    differing = [path.name for path, text in render_files().items() if path.read_text(encoding="utf-8") != text]
    for name in differing:
        print(f"{name} differs from the installed environment; run python envs/update.py", file=sys.stderr)
    return len(differing)


if __name__ == "__main__":
    sys.exit(main())
