"""Write requirements.lock and envs/*.yaml from requirements.in and the environment that runs this script.

``requirements-engines.lock`` is written where all optional engines are installed (``make environment EXTRAS=...``), and
left as it is elsewhere. Run ``python envs/update.py`` after installing new versions; ``--check`` only reports files
that differ, and ``--list darwin 3.13`` prints the pins of one platform and Python, for pip's option ``--platform``.
"""

import re
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]

#: The Pythons and platforms that the lock is for: a pin that only some need has a marker.
PYTHONS = (ROOT / ".python-version").read_text(encoding="utf-8").split()
PLATFORMS = {"linux": "Linux", "darwin": "Darwin"}
TARGETS = [(platform, python) for platform in PLATFORMS for python in PYTHONS]

#: Packages that are not installed here, by the one that has their version and their requirements.
STAND_INS = {"tensorflow": "tensorflow-cpu"}

#: Packages of PyTorch's CUDA build, which pins them itself; the CPU build has none of them.
CUDA_PACKAGE = re.compile(r"(nvidia|cuda|triton)(-|$)")

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
    "timescoring",
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
        "timescoring",
    ],
    "scikit": ["numpy", "pydantic", "pyyaml", "safetensors", "scikit-learn", "timescoring"],
    "networks": [*TUNER_PACKAGES, "scikeras", "skorch", "tensorflow", "tensorflow-cpu", "torch"],
    "keras-jax": [*TUNER_PACKAGES, "jax"],
    "keras-torch": [*TUNER_PACKAGES, "torch"],
    "report": [
        *("jinja2", "matplotlib", "numpy", "optuna", "pillow", "pydantic", "pyyaml", "safetensors", "scikit-learn"),
        "scipy",
        "timescoring",
    ],
}

#: Environment variables that conda sets. Trainers set them too; these are for using Keras there by hand.
VARIABLES = {"keras-jax": {"KERAS_BACKEND": "jax"}, "keras-torch": {"KERAS_BACKEND": "torch"}}

#: Environments that exist with the optional engines too, as ``<name>-engines``: those in which a tuner may run.
WITH_ENGINES = ["networks", "keras-jax", "keras-torch"]

ENGINES_LOCK = ROOT / "requirements-engines.lock"

LOCK_HEAD = """\
# Exact versions of everything, for Python 3.11, 3.12 and 3.13 on Linux and macOS (macOS is not tested); written by
# envs/update.py. A pin that not all of them need ends with a marker.
# torch has builds for many devices under one version, so there are no hashes here. Where pip finds the
# CUDA build, that build brings CUDA packages of its own, pinned by itself.
"""

ENGINES_HEAD = """\
# Exact versions of the optional engines and of all that they require, for the same Pythons and platforms as
# requirements.lock, whose versions are the same here; written by envs/update.py. The default environment has none of
# what requirements.lock lacks. `make environment EXTRAS=smac` installs one engine.
"""

ENVIRONMENT_HEAD = """\
# The environment of the {environment} rules under `snakemake --sdm conda`; written by envs/update.py from the lock.
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python={python}
  - pip=25.3
  - pip:
"""


def read_direct_requirements() -> dict[str, Requirement]:
    """Return the requirements of requirements.in by their name."""
    lines = (ROOT / "requirements.in").read_text(encoding="utf-8").splitlines()
    found = [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]
    return {canonicalize_name(requirement.name): requirement for requirement in found}


def read_engine_requirements() -> list[str]:
    """Return the names of the packages that the optional dependencies of pyproject.toml list."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    return [Requirement(line).name for lines in extras.values() for line in lines]


def list_versions(names: Iterable[str], platform: str, python: str) -> dict[str, str]:
    """Return the version of each package, and of all packages that it requires, as installed here.

    Args:
        names: of packages of requirements.in.
        platform: as in `sys.platform`; packages that it does not need are left out.
        python: such as ``3.13``; in the same way.
    """
    target = {
        "sys_platform": platform,
        "platform_system": PLATFORMS[platform],
        "python_version": python,
        "python_full_version": f"{python}.0",
    }
    direct = read_direct_requirements()
    found: dict[str, str] = {}
    waiting = [(direct.get(canonicalize_name(name), Requirement(name)), ("",)) for name in names]
    while waiting:
        needed, extras = waiting.pop()
        name = canonicalize_name(needed.name)
        if needed.marker is not None and not any(needed.marker.evaluate(target | {"extra": one}) for one in extras):
            continue
        asked = ("", *sorted(needed.extras)) if needed.extras else ("",)
        if CUDA_PACKAGE.match(name) or (name in found and asked == ("",)):
            continue
        installed = distribution(STAND_INS.get(name, name))
        # The part after a + names a build, which the index of another machine may not have.
        found[name] = installed.version.split("+")[0]
        waiting += [(Requirement(line), asked) for line in installed.requires or []]
    return found


def list_pins(names: list[str]) -> list[str]:
    """Return ``name==version`` of each package and of all that it requires, with a marker if not all targets need it.

    Args:
        names: of packages of requirements.in.
    """
    targets: dict[str, list[tuple[str, str]]] = {}
    for target in TARGETS:
        for name, version in list_versions(names, *target).items():
            targets.setdefault(f"{name}=={version}", []).append(target)
    return [pin + render_marker(targets[pin]) for pin in sorted(targets, key=lambda pin: pin.partition("==")[0])]


def render_marker(targets: list[tuple[str, str]]) -> str:
    """Return the marker of a pin that some targets need, with its semicolon; nothing if all do.

    Args:
        targets: platforms and Pythons.
    """
    if targets == TARGETS:
        return ""
    terms = []
    for platform in PLATFORMS:
        pythons = [python for other, python in targets if other == platform]
        term = f'sys_platform == "{platform}"' if platform != "linux" else 'sys_platform != "darwin"'
        if pythons and pythons != PYTHONS:
            term += " and (" + " or ".join(f'python_version == "{python}"' for python in pythons) + ")"
        if pythons:
            terms.append(term)
    return "; " + " or ".join(terms)


def render_engines_lock() -> str:
    """Return the text of the lock of the engines; what it is now if not all of them are installed here."""
    try:
        return ENGINES_HEAD + "\n".join(list_pins(read_engine_requirements())) + "\n"
    except PackageNotFoundError:
        return ENGINES_LOCK.read_text(encoding="utf-8")


def merge_pins(pins: list[str], others: list[str]) -> list[str]:
    """Return pins of two lists by name, each once; one that only some targets of a list need takes the other's marker.

    Args:
        pins: as `list_pins` returns them.
        others: in the same way, of the same versions.
    """
    found: dict[str, str] = {}
    for pin in (*pins, *others):
        name = pin.partition("==")[0]
        if pin.partition(";")[0] != found.get(name, pin).partition(";")[0]:
            raise ValueError(f"{pin} and {found[name]}: the locks differ; install the versions of requirements.lock")
        found[name] = min(pin, found.get(name, pin), key=len)
    return [found[name] for name in sorted(found)]


def render_files() -> dict[Path, str]:
    """Return the text of every file that this script writes."""
    texts = {ROOT / "requirements.lock": LOCK_HEAD + "\n".join(list_pins(list(read_direct_requirements()))) + "\n"}
    texts[ENGINES_LOCK] = render_engines_lock()
    pins_of = {environment: list_pins(names) for environment, names in ENVIRONMENTS.items()}
    engines = [line for line in texts[ENGINES_LOCK].splitlines() if not line.startswith("#")]
    pins_of |= {f"{environment}-engines": merge_pins(pins_of[environment], engines) for environment in WITH_ENGINES}
    for environment, pins in pins_of.items():
        body = "".join(f"      - {pin}\n" for pin in pins)
        body += "".join(
            f"variables:\n  {name}: {value}\n"
            for name, value in VARIABLES.get(environment.removesuffix("-engines"), {}).items()
        )
        texts[ROOT / "envs" / f"{environment}.yaml"] = (
            ENVIRONMENT_HEAD.format(environment=environment, python=PYTHONS[0]) + body
        )
    return texts


def main() -> int:
    """Write the files, or with ``--check`` report those that differ; return the exit status."""
    if "--list" in sys.argv:
        platform, python = sys.argv[-2:]
        versions = list_versions(read_direct_requirements(), platform, python)
        print("\n".join(f"{name}=={version}" for name, version in sorted(versions.items())))
        return 0
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
