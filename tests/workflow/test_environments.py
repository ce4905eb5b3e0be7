"""``envs/*.yaml`` pin the versions of requirements.lock, and have every package that the rules that name them import.

Under conda a script can still import the host's packages, so only this test finds one that is missing.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, metadata, packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from blindtune import stages
from blindtune.config.systems import Bayes, Knn, RandomForest
from blindtune.core.code_digest import closure
from blindtune.core.registry import Registry
from blindtune.datasets.registry import SOURCES
from blindtune.models.families import FAMILIES
from blindtune.report import contents
from blindtune.training.registry import TRAINERS
from blindtune.tuners.engines import ENGINES
from blindtune.tuners.registry import TUNERS
from blindtune.views.registry import FEATURES, VIEWS, view_modules
from checks.architecture import Module, read_modules
from support.dag import ROOT

PYTHONS = (ROOT / ".python-version").read_text(encoding="utf-8").split()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))
REGISTRIES: tuple[Registry, ...] = (SOURCES, VIEWS, TUNERS, TRAINERS, FAMILIES)

#: The kinds of systems: the name of a trainer, or "bayes", which trains nothing.
SYSTEMS = [*TRAINERS.own, "bayes"]
#: The rules that read raw data, by the stage that they start from.
DATA_RULES = {
    "simulate": stages.SIMULATE,
    "extract": stages.EXTRACT,
    "examples": stages.EXAMPLES,
    "prepare": stages.PREPARE,
}
REPORT_RULES = {"tables": stages.TABLES, "figures": stages.FIGURES, "page": stages.PAGE}


#: Packages of the optional engines, which are not installed everywhere, by the modules that they hold.
ENGINE_MODULES = {
    "smac": ["smac"],
    "ConfigSpace": ["configspace"],
    "vizier": ["google-vizier"],
    "ray": ["ray"],
    "nni": ["nni"],
    "nevergrad": ["nevergrad"],
    "cma": ["cma"],
}


@cache
def read_distributions() -> Mapping[str, list[str]]:
    """Return the packages that are installed, by the modules that they hold."""
    return packages_distributions()


@cache
def read_library() -> dict[str, Module]:
    """Return the modules of the library."""
    return read_modules(ROOT / "workflow" / "lib")


def read_pins(environment: Path) -> dict[str, str]:
    """Return the version of each Python package of an environment."""
    content = yaml.safe_load(environment.read_text(encoding="utf-8"))
    lines: list[str] = []
    for entry in content["dependencies"]:
        lines += entry["pip"] if isinstance(entry, dict) else [re.sub("=+", "==", entry)]
    found = dict(line.partition(";")[0].split("==") for line in lines)
    return {canonicalize_name(name): version for name, version in found.items() if name not in ("python", "pip")}


def read_lock(file: str = "requirements.lock") -> dict[str, str]:
    """Return the version of each package of a lock."""
    text = (ROOT / file).read_text(encoding="utf-8")
    lines = [line.split("#")[0].split(";")[0].strip() for line in text.splitlines()]
    found = dict(line.split("==") for line in lines if "==" in line)
    return {canonicalize_name(name): version for name, version in found.items()}


def read_names(file: str, platform: str, python: str) -> set[str]:
    """Return the packages that a file of requirements lists for a platform and a Python."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    target = {"sys_platform": platform, "python_version": python}
    listed = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(one.name) for one in listed if one.marker is None or one.marker.evaluate(target)}


def collect_start_packages(script: str) -> set[str]:
    """Return the packages that a script imports before it calls anything, at any depth.

    The config models of all kinds are among them: a script that reads a config loads the model of each.
    """
    tree = ast.parse((ROOT / "workflow" / "scripts" / f"{script}.py").read_text(encoding="utf-8"))
    waiting = [name for node in ast.walk(tree) for name in list_imports(node)]
    found: set[str] = set()
    while waiting:
        module = waiting.pop()
        if module in found:
            continue
        found.add(module)
        if module in read_library():
            waiting += [name for node in read_library()[module].tree.body for name in list_imports(node)]
        if module.endswith(".registry"):
            waiting += [entry.config.partition(":")[0] for entry in list_entries() if entry.config]
    return find_packages(found)


def collect_packages(modules: Iterable[str]) -> set[str]:
    """Return the packages that modules import, at their top or in a function."""
    return find_packages(
        name for module in modules for node in ast.walk(read_library()[module].tree) for name in list_imports(node)
    )


def list_imports(node: ast.AST) -> list[str]:
    """Return the modules, and possibly members of modules, that a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


def find_packages(modules: Iterable[str]) -> set[str]:
    """Return the packages, by their names on PyPI, that hold modules; none for the standard library and blindtune."""
    tops = {module.partition(".")[0] for module in modules} - set(sys.stdlib_module_names) - {"blindtune"}
    return {canonicalize_name(read_distributions().get(top, ENGINE_MODULES.get(top, []))[0]) for top in tops}


def read_packages(environment: str) -> set[str]:
    """Return the packages of an environment."""
    return set(read_pins(ROOT / "envs" / f"{environment}.yaml"))


def list_entries() -> list:
    """Return the entries of blindtune itself in all registries."""
    return [entry for registry in REGISTRIES for entry in registry.own.values()]


def find_rule_environment(rule: str) -> str:
    """Return the file name, without its suffix, of the environment that a rule names."""
    for path in (ROOT / "workflow" / "rules").glob("*.smk"):
        found = re.search(rf'rule {rule}:.*?conda:\s+"[^"]*/(\w+)\.yaml"', path.read_text(encoding="utf-8"), re.DOTALL)
        if found:
            return found.group(1)
    raise AssertionError(f"rule {rule} names no environment")


def find_system_environment(system: str) -> str:
    """Return the file name, without its suffix, of the environment in which a kind of system runs."""
    if system == "bayes":
        return Bayes.model_construct(kind="bayes").environment
    return TRAINERS[system].environment


def collect_system_modules(system: str, stage: str, engines: bool = False) -> set[str]:
    """Return every module that a stage can run for a kind of system, with any view, tuner and family.

    Args:
        system: a kind of system.
        stage: where to start.
        engines: whether the tuner may be one of an optional engine.
    """
    is_network = system != "bayes" and TRAINERS[system].network
    sources = [(kind, source) for kind in VIEWS.own for source in (FEATURES.own if kind == "features" else ["drawing"])]
    starts = {stage}
    for kind, source in sources:
        if is_network or kind in ("samples", "features"):
            starts.update(view_modules(kind, source))
    if system == "bayes":
        return closure(*starts, stages.ESTIMATE, without={stages.SEARCH})
    starts |= {stages.SEARCH, TRAINERS[system].module}
    if is_network:
        starts.update(
            entry.module
            for registry in (TUNERS, FAMILIES)
            for name, entry in registry.own.items()
            if engines or name not in ENGINES
        )
    return closure(*starts, without={stages.ESTIMATE})


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.stem)
def test_environment_versions_are_those_of_the_lock(environment):
    """An environment pins the versions of requirements.lock, and those of the engines' lock if it is for them."""
    pinned, versions = read_pins(environment), read_lock()
    if environment.stem.endswith("-engines"):
        versions |= read_lock("requirements-engines.lock")
    assert pinned
    assert {name: versions.get(name) for name in pinned} == pinned


def test_locks_agree():
    """What both locks pin has one version, and every optional engine is pinned."""
    first, second = read_lock(), read_lock("requirements-engines.lock")
    assert {name: first[name] for name in second if name in first} == {
        name: version for name, version in second.items() if name in first
    }
    extras = PROJECT["project"]["optional-dependencies"]
    assert set(extras) == set(ENGINES)
    needed = [Requirement(line) for lines in extras.values() for line in lines]
    assert all(one.specifier.contains(second[canonicalize_name(one.name)]) for one in needed)
    for name, engine in ENGINES.items():
        listed = {canonicalize_name(Requirement(line).name) for line in extras[name]}
        for package in engine.packages:
            assert canonicalize_name(package.name) in listed
            found = Version(second[canonicalize_name(package.name)])
            assert Version(package.lowest) <= found < Version(package.below)


def test_default_environments_have_no_engine():
    """Neither the lock nor an environment without engines has anything that only engines need."""
    added = set(read_lock("requirements-engines.lock")) - set(read_lock())
    assert {"smac", "configspace", "google-vizier", "ray", "nni", "nevergrad", "cma"} <= added
    for path in ENVIRONMENTS:
        assert path.stem.endswith("-engines") or not added & set(read_pins(path))


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.stem)
def test_environment_channel_is_free(environment):
    """An environment uses the free channel, and the first Python of the project."""
    content = yaml.safe_load(environment.read_text(encoding="utf-8"))
    assert content["channels"][0] == "conda-forge"
    assert "defaults" not in content["channels"]
    assert f"python={PYTHONS[0]}" in content["dependencies"]


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.stem)
def test_environment_names_each_package_once_with_a_version(environment):
    """conda gets Python and pip with their versions, without which it installs no pip section; pip gets exact pins."""
    content = yaml.safe_load(environment.read_text(encoding="utf-8"))
    specs = [entry for entry in content["dependencies"] if isinstance(entry, str)]
    assert [re.fullmatch(r"(python|pip)=\d+\.\d+", spec)[1] for spec in specs] == ["python", "pip"]
    [section] = [entry["pip"] for entry in content["dependencies"] if isinstance(entry, dict)]
    pins = [Requirement(line) for line in section]
    assert [str(pin) for pin in pins if not re.fullmatch(r"==[^*,]+", str(pin.specifier))] == []
    names = [canonicalize_name(pin.name) for pin in pins]
    assert len(set(names)) == len(names)


def test_pythons_are_the_same_everywhere():
    """The Pythons of .python-version are those of the package, of the lock's head and of the Makefile, oldest first."""
    assert PROJECT["project"]["requires-python"] == f">={PYTHONS[0]}"
    assert PROJECT["tool"]["mypy"]["python_version"] == PYTHONS[0]
    assert PROJECT["tool"]["ruff"]["target-version"] == f"py{PYTHONS[0].replace('.', '')}"
    named = [one.removeprefix("Programming Language :: Python :: ") for one in PROJECT["project"]["classifiers"]]
    assert named[1:] == PYTHONS
    assert f"{', '.join(PYTHONS[:-1])} and {PYTHONS[-1]}" in (ROOT / "requirements.lock").read_text(encoding="utf-8")
    tried = " ".join(f"python{python}" for python in PYTHONS)
    assert f"for p in {tried} python3;" in (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.mark.parametrize(("platform", "tensorflow"), [("linux", {"tensorflow-cpu"}), ("darwin", {"tensorflow"})])
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("path", [ROOT / "requirements.lock", ROOT / "requirements.in"], ids=lambda path: path.name)
def test_tensorflow_is_the_package_of_the_platform(path, python, platform, tensorflow):
    """On macOS TensorFlow has another name; every direct requirement is pinned on both platforms."""
    direct, pinned = read_names("requirements.in", platform, python), read_names("requirements.lock", platform, python)
    assert direct <= pinned
    assert {"tensorflow", "tensorflow-cpu"} & read_names(path.name, platform, python) == tensorflow


@pytest.mark.parametrize(
    ("script", "stage"), [("study", stages.STUDY), ("decode", stages.DECODE), ("post_mortem", stages.POST_MORTEM)]
)
@pytest.mark.parametrize("system", SYSTEMS)
def test_system_environment_holds_all_imports(system, script, stage):
    """The environment of a system holds everything that its study, its decode or its post-mortem can import."""
    needed = collect_start_packages(script) | collect_packages(collect_system_modules(system, stage))
    assert needed - read_packages(find_system_environment(system)) == set()


@pytest.mark.parametrize("system", [name for name in SYSTEMS if name != "bayes" and TRAINERS[name].network])
def test_engine_environment_holds_all_imports(system):
    """The environment of a system with an optional engine holds everything that its study can import."""
    needed = collect_start_packages("study") | collect_packages(collect_system_modules(system, stages.STUDY, True))
    assert {"smac", "configspace", "google-vizier", "ray", "nni", "nevergrad", "cma"} <= needed
    assert needed - read_packages(f"{find_system_environment(system)}-engines") == set()


@pytest.mark.parametrize(("model", "trainer"), [(Knn, "knn"), (RandomForest, "random_forest")])
def test_reference_model_environment_is_that_of_its_trainer(model, trainer):
    """A reference model and its trainer name the same environment."""
    assert model.model_construct(kind=trainer).environment == TRAINERS[trainer].environment


@pytest.mark.parametrize(("environment", "backend"), [("keras-jax", "jax"), ("keras-torch", "torch")])
def test_keras_environment_has_one_backend(environment, backend):
    """An environment for a Keras backend names it and holds no other."""
    content = yaml.safe_load((ROOT / "envs" / f"{environment}.yaml").read_text(encoding="utf-8"))
    assert content["variables"] == {"KERAS_BACKEND": backend}
    both = yaml.safe_load((ROOT / "envs" / f"{environment}-engines.yaml").read_text(encoding="utf-8"))
    assert both["variables"] == content["variables"]
    assert {"tensorflow", "jax", "torch"} & set(read_pins(ROOT / "envs" / f"{environment}.yaml")) == {backend}


@pytest.mark.parametrize("rule", DATA_RULES)
@pytest.mark.parametrize("source", SOURCES.own)
def test_source_environment_holds_all_imports(source, rule):
    """The environment of a rule that reads raw data holds everything that any source imports."""
    entry = SOURCES[source]
    places = [place for place in (entry.create, entry.config, entry.simulator) if place]
    modules = closure(DATA_RULES[rule], *(place.partition(":")[0] for place in places))
    needed = collect_start_packages(rule) | collect_packages(modules)
    assert needed - read_packages(find_rule_environment(rule)) == set()


@pytest.mark.parametrize(("rule", "modules"), [("fetch", ()), ("sample_splits", (stages.SAMPLE_SPLITS,))])
def test_rule_environment_holds_all_imports(rule, modules):
    """The environment of a rule without kinds holds everything that it imports."""
    needed = collect_start_packages(rule) | collect_packages(closure(*modules))
    assert needed - read_packages(find_rule_environment(rule)) == set()


@pytest.mark.parametrize("rule", REPORT_RULES)
def test_report_environment_holds_all_imports(rule):
    """The environment of a rule of the report holds everything that its tables and figures import."""
    tables, figures = contents.TABLES, contents.FIGURE_MODULES
    parts = {"tables": [tables], "figures": [figures], "page": [tables, figures]}[rule]
    modules = [module for part in parts for module in part.values()]
    own = {name for name in closure(REPORT_RULES[rule], *modules) if name.startswith("blindtune.report")}
    assert (collect_start_packages(rule) | collect_packages(own)) - read_packages(find_rule_environment(rule)) == set()


def test_every_environment_is_used():
    """Each environment is named by a rule or a system, and each that is named exists."""
    rules = ("fetch", "sample_splits", *DATA_RULES, *REPORT_RULES)
    used = {find_system_environment(system) for system in SYSTEMS} | {find_rule_environment(rule) for rule in rules}
    used |= {f"{TRAINERS[system].environment}-engines" for system in TRAINERS.own if TRAINERS[system].network}
    assert {path.stem for path in ENVIRONMENTS} == used


def test_lock_can_be_installed_with_the_oldest_python():
    """Each pinned package allows the lowest Python that the project names: Debian 12 has 3.11.2."""
    with (ROOT / "pyproject.toml").open("rb") as stream:
        lowest = tomllib.load(stream)["project"]["requires-python"].removeprefix(">=")
    refused = {
        name: needed
        for name in read_lock()
        if (needed := _required_python(name)) and lowest not in SpecifierSet(needed)
    }
    assert not refused


def _required_python(name):
    """Return the Pythons that an installed package allows; none if it is not for this platform."""
    try:
        return metadata(name)["Requires-Python"]
    except PackageNotFoundError:
        return None
