"""``envs/*.yaml`` pin what requirements.lock pins, and hold whatever the rules that name them import.

Under conda a script still sees the host's packages, so nothing but this test notices one that is missing.
"""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pytest
import yaml
from packaging.utils import canonicalize_name

from blindtune.config.schema import Dataset
from blindtune.config.systems import System
from blindtune.core import code_digest as code
from blindtune.models.families import FAMILIES
from blindtune.report import contents
from blindtune.training.registry import network_trainers
from blindtune.tuners.registry import TUNERS
from support.dag import ROOT

ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))
SYSTEMS = get_args(get_args(System)[0])
SOURCES = get_args(get_args(Dataset)[0])
DISTRIBUTIONS = packages_distributions()


def pins(environment: Path) -> dict[str, str]:
    """The version of each Python package of an environment."""
    content = yaml.safe_load(environment.read_text(encoding="utf-8"))
    lines: list[str] = []
    for entry in content["dependencies"]:
        lines += entry["pip"] if isinstance(entry, dict) else [re.sub("=+", "==", entry)]
    found = dict(line.split("==") for line in lines)
    return {canonicalize_name(name): version for name, version in found.items() if name not in ("python", "pip")}


def lock() -> dict[str, str]:
    """The version of each package of requirements.lock."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    lines = [line.split("#")[0].split(";")[0].strip() for line in text.splitlines()]
    found = dict(line.split("==") for line in lines if "==" in line)
    return {canonicalize_name(name): version for name, version in found.items()}


def at_start(script: str) -> set[str]:
    """The packages that a script imports before it chooses anything, at any depth."""
    source = (ROOT / "workflow" / "scripts" / f"{script}.py").read_text(encoding="utf-8")
    waiting = [node.module for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom) and node.module]
    seen: set[str] = set()
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting += _at_the_top(module) if module.startswith("blindtune") else []
    return _packages(seen)


def within(modules: set[str]) -> set[str]:
    """The packages that these modules import, at their top or in a function."""
    return _packages({name for module in modules for name in code.imports(module)})


def _at_the_top(module: str) -> set[str]:
    tree = ast.parse(code._path(module).read_text(encoding="utf-8"))
    return {name for node in tree.body for name in code._names(node)}


def _packages(modules: set[str]) -> set[str]:
    tops = {module.split(".")[0] for module in modules} - set(sys.stdlib_module_names) - {"blindtune"}
    return {canonicalize_name(DISTRIBUTIONS[top][0]) for top in tops}


def _environment_of(rule: str) -> str:
    """The file name of the environment that a rule names."""
    for path in (ROOT / "workflow" / "rules").glob("*.smk"):
        found = re.search(rf'rule {rule}:.*?conda:\s+"[^"]*/(\w+)\.yaml"', path.read_text(encoding="utf-8"), re.DOTALL)
        if found:
            return found.group(1)
    raise AssertionError(f"rule {rule} names no environment")


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.stem)
def test_the_versions_are_those_of_the_lock(environment):
    pinned, locked = pins(environment), lock()
    assert pinned
    # TensorFlow for the processor alone goes by another name on PyPI than on conda-forge.
    renamed = {"tensorflow": "tensorflow-cpu"}
    assert {name: locked.get(renamed.get(name, name)) for name in pinned} == pinned


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.stem)
def test_the_channel_is_free_and_python_is_that_of_the_project(environment):
    content = yaml.safe_load(environment.read_text(encoding="utf-8"))
    assert content["channels"][0] == "conda-forge"
    assert "defaults" not in content["channels"]
    assert any(str(entry).startswith("python=3.11") for entry in content["dependencies"])


@pytest.mark.parametrize("script", ["study", "decode"])
@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.__name__)
def test_a_system_finds_all_that_it_imports(system, script):
    for environment, modules in _modules(system).items():
        needed = at_start(script) | within(code.closure(*modules, "blindtune.records.model_card"))
        assert needed - _held(environment) == set(), environment


@pytest.mark.parametrize(("environment", "backend"), [("keras-jax", "jax"), ("keras-torch", "torch")])
def test_keras_finds_its_backend_in_the_environment_of_its_own(environment, backend):
    content = yaml.safe_load((ROOT / "envs" / f"{environment}.yaml").read_text(encoding="utf-8"))
    assert content["variables"] == {"KERAS_BACKEND": backend}
    assert {"tensorflow", "jax", "torch"} & set(pins(ROOT / "envs" / f"{environment}.yaml")) == {backend}


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.__name__)
def test_a_source_finds_all_that_it_imports(source):
    environment = getattr(source, "environment", None) or _environment_of("prepare")
    needed = at_start("prepare") | within(code.closure(source.__module__, "blindtune.datasets.prepared"))
    assert needed - _held(environment) == set()


@pytest.mark.parametrize("rule", ["fetch", "picture", "examples"])
def test_a_rule_without_models_finds_all_that_it_imports(rule):
    assert at_start(rule) - _held(_environment_of(rule)) == set()


@pytest.mark.parametrize("rule", ["tables", "figures", "page"])
def test_a_rule_of_the_report_finds_all_that_it_imports(rule):
    tables, figures = contents.TABLES, contents.FIGURE_MODULES
    parts = {"tables": [tables], "figures": [figures], "page": [tables, figures]}[rule]
    modules = [module for part in parts for module in part.values()]
    entry = {"tables": "tables.write", "figures": "figures.write", "page": "page"}[rule]
    found = code.closure(f"blindtune.report.{entry}", *modules)
    own = {name for name in found if name.startswith("blindtune.report")}
    assert (at_start(rule) | within(own)) - _held(_environment_of(rule)) == set()


def test_no_environment_is_left_over():
    used = {environment for system in SYSTEMS for environment in _modules(system)} | {
        _environment_of(rule) for rule in ("fetch", "prepare", "picture", "examples", "tables", "figures", "page")
    }
    assert {path.stem for path in ENVIRONMENTS} == used | {getattr(s, "environment", "data") for s in SOURCES}


def _modules(system):
    """The modules that a system can have, by the environment in which they run."""
    found = {}
    for settings in _settings(system):
        found.setdefault(settings.environment, set()).update(settings.modules())
    return found


def _settings(system):
    """The system with every trainer, tuner and family that it can have: what decides over its modules."""
    fields = system.model_fields
    tuners = [SimpleNamespace(library=library) for library in TUNERS.names()] if "tuner" in fields else [None]
    families = FAMILIES.names() if "family" in fields else [None]
    trainers = network_trainers() if "trainer" in fields else [None]
    for tuner, family, trainer in product(tuners, families, trainers):
        parts = {"tuner": tuner, "family": family, "trainer": trainer}
        yield system.model_construct(**{name: part for name, part in parts.items() if part is not None})


def _held(environment: str) -> set[str]:
    held = set(pins(ROOT / "envs" / f"{environment}.yaml"))
    return held | ({"tensorflow-cpu"} if "tensorflow" in held else set())
