"""Build each environment of envs/ with conda, and run the rules that name it in it alone.

``python run_in_conda_environments.py FOLDER [--channel URL] [--keep] [ENVIRONMENT...]``, with ``conda`` on the PATH
and Snakemake in the environment of this Python. For each environment a tiny study is run with ``snakemake --sdm conda``
from a copy of the checkout in FOLDER. Its systems, or its kind of data, need that environment.

Under ``--sdm conda`` a script still finds the packages of the host: Snakemake puts their folder at the end of the path
of each script, for its own modules. So a ``sitecustomize.py`` in each built environment takes that folder away, and
forgets what was imported from it, as soon as the script imports blindtune. What an environment lacks is missing then.

``--channel`` replaces the channels of all environments, for machines that reach only a channel of their own. Built
environments are removed unless ``--keep`` is given: together they take 10 GB. Prints a line for each environment, and
ends with status 1 if one could not be built or a job failed.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
SNAKEMAKE = str(Path(sys.executable).with_name("snakemake"))

#: In each environment: its rules find nothing of the host.
ALONE = '''\
import sys


class _Alone:
    """Takes the packages of the host away when blindtune is imported."""

    def find_spec(self, name, path=None, target=None):
        if name != "blindtune":
            return None
        sys.meta_path.remove(self)
        host = [part for part in sys.path if part.endswith("site-packages") and not part.startswith(sys.prefix)]
        sys.path[:] = [part for part in sys.path if part not in host]
        for module, loaded in list(sys.modules.items()):
            file = getattr(loaded, "__file__", None) or ""
            if any(file.startswith(f"{part}/") for part in host) and not module.startswith("snakemake"):
                del sys.modules[module]
        print(f"alone in {sys.prefix}", file=sys.stderr)
        return None


sys.meta_path.insert(0, _Alone())
'''

#: Trains in moments, with any library.
_TUNED = {"kind": "tuner", "space": "mlp", "training": {"epochs": 1}}
_RANDOM = {"library": "optuna", "algorithm": "random"}
_HALVING = {"library": "scikit-learn", "algorithm": "halving-random-search", "factor": 2}
_DRAWN = {
    "source": "drawing",
    "drawing": "set_10",
    "sizes": {"train": 200, "dev": 100, "eval": 100},
    "seed": 1,
}

#: The systems that run in each environment; every study needs data, scikit and report too.
SYSTEMS: dict[str, dict[str, Any]] = {
    "scikit": {
        "near": {"kind": "knn", "n_neighbors": [1, 5]},
        "forest": {"kind": "random_forest", "n_estimators": [5], "max_depth": [3]},
    },
    "networks": {
        "expert": {"kind": "manual", "model": "mlp_m1", "trainer": "pytorch", "training": {"epochs": 1}},
        "fused": _TUNED | {"tuner": _RANDOM, "trainer": "fused"},
        "tuned": _TUNED | {"tuner": {"library": "keras-tuner", "algorithm": "random"}, "trainer": "keras"},
        "searched": _TUNED | {"tuner": _HALVING, "trainer": "pytorch"},
    },
    "keras-jax": {"tuned": _TUNED | {"tuner": _RANDOM, "trainer": "keras-jax"}},
    "keras-torch": {"tuned": _TUNED | {"tuner": _RANDOM, "trainer": "keras-torch"}},
}

#: The environments that every study needs, which are built once.
SHARED = ("data", "scikit", "report")


def make_config(environment: str) -> dict[str, Any]:
    """Return the config of the study of an environment."""
    systems = SYSTEMS.get(environment, SYSTEMS["scikit"])
    datasets: dict[str, Any] = {"toy": _DRAWN}
    compare = [{"dataset": "toy", "systems": list(systems), "budget": {"trials": 2}}]
    if environment == "data":
        datasets["waves"] = {
            "source": "eeg",
            "stand_in": True,
            "sizes": {"train": 20, "dev": 10, "eval": 10},
            "simulate": {"patients": 6, "faults": []},
        }
        compare.append({"dataset": "waves", "systems": ["near"], "budget": {"trials": 2}})
    return {
        "name": environment.replace("-", "_"),
        "seeds": [1],
        "compare": compare,
        "report": {"points": 50, "surface": 10},
        "datasets": datasets,
        "systems": systems,
    }


def copy_checkout(folder: Path, channel: str | None) -> None:
    """Copy what a run needs, with the channels of the environments replaced if one is given."""
    for name in ("workflow", "envs", "resources", "profiles"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(ROOT / name, folder)
    for path in (folder / "envs").glob("*.yaml") if channel else []:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        path.write_text(yaml.safe_dump(content | {"channels": [channel]}, sort_keys=False), encoding="utf-8")


def find_environment(prefixes: Path, file: Path) -> Path | None:
    """Return the folder of the environment that Snakemake built from a file."""
    copies = [path for path in prefixes.glob("*.yaml") if path.read_bytes() == file.read_bytes()]
    return copies[0].with_suffix("") if copies else None


def isolate(prefixes: Path) -> None:
    """Let the rules find nothing of the host, in each environment that was built."""
    for packages in prefixes.glob("*/lib/python3.*/site-packages"):
        (packages / "sitecustomize.py").write_text(ALONE, encoding="utf-8")


def measure(folder: Path) -> str:
    """Return the size of a folder in GB."""
    size = sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_symlink() and path.is_file())
    return f"{size / 1e9:.2f} GB"


def try_environment(environment: str, folder: Path, cores: int) -> str:
    """Build an environment, run its study, and return what to print of it; it begins with "failed" if it did.

    Args:
        environment: its name.
        folder: with the copy of the checkout.
        cores: that Snakemake may use.
    """
    checkout, prefixes = folder / "checkout", folder / "environments"
    project = folder / environment
    project.mkdir(exist_ok=True)
    (project / "study.yaml").write_text(yaml.safe_dump(make_config(environment)), encoding="utf-8")
    command = [SNAKEMAKE, "-s", str(checkout / "Snakefile"), "--cores", str(cores), "--configfile", "study.yaml"]
    command += ["--sdm", "conda", "--conda-prefix", str(prefixes)]
    before = time.monotonic()
    for name, more in (("built", ["--conda-create-envs-only"]), ("run", ["--quiet", "host", "reason"])):
        with (project / f"{name}.log").open("w", encoding="utf-8") as log:
            status = subprocess.run([*command, *more], cwd=project, stdout=log, stderr=log, check=False).returncode
        if status:
            return f"failed: not {name}; see {project / f'{name}.log'}"
        if name == "built":
            seconds = time.monotonic() - before
            isolate(prefixes)
    built = find_environment(prefixes, checkout / "envs" / f"{environment}.yaml")
    if built is None:
        return f"failed: no environment of {environment}.yaml below {prefixes}"
    text = (project / "run.log").read_text(encoding="utf-8")
    alone = text.count(f"alone in {built.resolve()}")
    if not alone:
        return f"failed: no job ran in {built}; see {project / 'run.log'}"
    if not (project / "results" / environment.replace("-", "_") / "report" / "report.html").is_file():
        return f"failed: no report in {project}"
    return f"{alone} jobs alone in it, {measure(built)}, {seconds:.0f} s to build what was missing"


def main() -> int:
    """Try the environments that were named, or all; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("environments", nargs="*", help="names of files of envs/ without .yaml; default: all")
    parser.add_argument("--channel", help="replaces the channels of all environments")
    parser.add_argument("--keep", action="store_true", help="do not remove the built environments")
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    if shutil.which("conda") is None:
        parser.error("there is no conda on the PATH")
    known = sorted(path.stem for path in (ROOT / "envs").glob("*.yaml"))
    if unknown := set(given.environments) - set(known):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    folder = given.folder.resolve()
    (folder / "environments").mkdir(parents=True, exist_ok=True)
    (folder / "checkout").mkdir(exist_ok=True)
    copy_checkout(folder / "checkout", given.channel)
    # Those that all studies need come first, and are measured where they are asked for.
    failed = 0
    for environment in sorted(given.environments or known, key=lambda name: (name not in SHARED, name)):
        found = try_environment(environment, folder, given.cores)
        failed += found.startswith("failed")
        print(f"{environment}: {found}", flush=True)
        built = find_environment(folder / "environments", folder / "checkout" / "envs" / f"{environment}.yaml")
        if built is not None and not given.keep and environment not in SHARED:
            shutil.rmtree(built)
            built.with_suffix(".yaml").unlink(missing_ok=True)
    if not given.keep:
        shutil.rmtree(folder / "environments")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
