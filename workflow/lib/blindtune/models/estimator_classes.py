"""The classes of estimators: classifiers with scikit-learn's interface, named by their import paths.

A class is loaded only if it is what it must be, and is created from plain data: nothing is unpickled. The seed of the
trial and the number of cores are set here, so that a model is the same on any machine of one kind.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec
from inspect import Parameter, signature
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from blindtune.core.validation import suggest_name

#: Estimators that a config can name by one word.
SHIPPED = {
    "hist_gradient_boosting": "sklearn.ensemble.HistGradientBoostingClassifier",
    "knn": "sklearn.neighbors.KNeighborsClassifier",
    "logistic_regression": "sklearn.linear_model.LogisticRegression",
    "random_forest": "sklearn.ensemble.RandomForestClassifier",
    "svc": "sklearn.svm.SVC",
}

#: The names of packages for pip, where they differ from those for import.
_PIP = {"sklearn": "scikit-learn"}
#: Packages to which a misspelt name is compared.
_KNOWN_PACKAGES = ["sklearn", "xgboost", "lightgbm"]

_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", re.ASCII)

#: Folders into which packages are installed, for a user alone too.
_INSTALLED = {"site-packages", "dist-packages"}

#: Parameters that are set here, and why a config must not set them.
MANAGED = {
    "random_state": "it derives from the seed of each trial",
    "n_jobs": "each trial is fitted on one core, and several cores fit several trials (`workers`)",
}

#: What else is set of the classes of a package. LightGBM measures two ways of summing and takes the faster one, so that
#: two fits may differ.
_LIBRARY_PARAMETERS: dict[str, dict[str, Any]] = {
    "lightgbm": {"deterministic": True, "force_col_wise": True, "verbosity": -1}
}

#: The argument of ``fit`` with the weights of samples, by scikit-learn's convention.
_WEIGHTS = "sample_weight"

#: The text in a search space that means Python's None, which YAML cannot mix with words.
_NONE = "none"


def resolve(step: str) -> str:
    """Return the import path of a step: that of an estimator that ships, or the step itself."""
    return SHIPPED.get(step, step)


def library_versions(steps: Sequence[str]) -> dict[str, str]:
    """Return the versions of the installed packages that hold classes; a module of the user has none.

    Args:
        steps: import paths.
    """
    packages = sorted({"sklearn", *(path.partition(".")[0] for path in steps)})
    return dict(filter(None, map(_version, packages)))


def own_modules(steps: Sequence[str]) -> tuple[str, ...]:
    """Return the modules of classes that no installed package holds; their code counts in place of a version.

    Args:
        steps: import paths.
    """
    modules = {path.rpartition(".")[0] for path in steps}
    return tuple(sorted(module for module in modules if module and _is_own(module)))


@cache
def _version(package: str) -> tuple[str, str] | None:
    known = packages_distributions() if package not in _KNOWN_PACKAGES else {}
    name = _PIP.get(package) or next(iter(known.get(package, [])), package)
    try:
        return name, version(name)
    except PackageNotFoundError:
        return None


@cache
def _is_own(module: str) -> bool:
    """Return whether a module is outside of the folders into which packages are installed."""
    if _is_standard(module):
        return False  # never imported, not even to find it
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):
        return False
    if spec is None or spec.origin is None:
        return False
    return not _INSTALLED & set(Path(spec.origin).parts)


def _is_standard(path: str) -> bool:
    return path.partition(".")[0] in sys.stdlib_module_names


def load_class(path: str) -> type[Any]:
    """Import a class that can be a step of a model.

    Args:
        path: its import path.

    Raises:
        ValueError: the message says what is wrong and what to do.
    """
    if not _PATH.fullmatch(path):
        hint = suggest_name(path, sorted(SHIPPED))
        raise ValueError(f"estimator: {path!r} is neither an estimator that ships nor an import path: {hint}")
    module, _, name = path.rpartition(".")
    if _is_standard(path):
        raise ValueError(f"estimator: {path} is of Python's standard library, which has no estimators")
    try:
        found = getattr(import_module(module), name, None)
    except ModuleNotFoundError as error:
        raise ValueError(f"estimator: {path}: {_describe_missing(module, str(error.name))}") from error
    except (Exception, SystemExit) as error:  # of the imported code
        raise ValueError(f"estimator: {path}: {module} cannot be imported ({type(error).__name__}: {error})") from error
    if found is None:
        public = [other for other, value in vars(sys.modules[module]).items() if isinstance(value, type)]
        raise ValueError(f"estimator: {module} has no {name}: {suggest_name(name, public)}")
    wanted = ("fit", "get_params", "set_params")
    lacking = [method for method in wanted if not callable(getattr(found, method, None))]
    if not isinstance(found, type) or lacking:
        raise ValueError(f"estimator: {path} is not a class with {', '.join(wanted)}, as scikit-learn's estimators are")
    return found


def _describe_missing(module: str, missing: str) -> str:
    """Say that a module is missing, and what to do."""
    package = module.partition(".")[0]
    if missing != package and missing.startswith(f"{package}."):
        parent = sys.modules.get(missing.rpartition(".")[0])
        names = [one.name for one in iter_modules(getattr(parent, "__path__", []))]
        return f"there is no module {missing}: {suggest_name(missing.rpartition('.')[2], names)}"
    close = suggest_name(missing, _KNOWN_PACKAGES)
    if missing not in _KNOWN_PACKAGES and close.startswith("did you mean"):
        return f"there is no module {missing}: {close}"
    return (
        f"{missing} is not installed. Install it (pip install {_PIP.get(missing, missing)}), or put the folder of a "
        "module of your own on PYTHONPATH."
    )


def parameter_names(steps: Sequence[str]) -> list[str]:
    """Return the names of all parameters that can be set: those of a pipeline have the name of their step before them.

    Args:
        steps: import paths.
    """
    names: set[str] = set()
    for prefix, path in zip(_prefixes(steps), steps, strict=True):
        names |= {f"{prefix}{name}" for name in _own_parameters(load_class(path))}
    return sorted(names)


def missing_arguments(steps: Sequence[str], arguments: Mapping[str, Any]) -> list[str]:
    """Return the names of constructor arguments that have no default and are not given.

    Args:
        steps: import paths.
        arguments: constructor arguments that are given.
    """
    kinds = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    needed = [
        f"{prefix}{name}"
        for prefix, path in zip(_prefixes(steps), steps, strict=True)
        for name, one in signature(load_class(path)).parameters.items()
        if one.kind in kinds and one.default is Parameter.empty
    ]
    return [name for name in needed if name not in arguments]


def _own_parameters(found: type[Any]) -> set[str]:
    kinds = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    named = {name for name, one in signature(found).parameters.items() if one.kind in kinds}
    try:
        return named | set(found().get_params(deep=True))
    except (Exception, SystemExit):  # a class that must be given an argument
        return named


def create_estimator(steps: Sequence[str], parameters: Mapping[str, Any], seed: int | None = None) -> Any:
    """Create an estimator that is not fitted yet.

    Args:
        steps: import paths; several make a pipeline.
        parameters: constructor arguments; in a pipeline ``<step>__<name>``, where the step is the name of its class in
            lower-case letters.
        seed: of everything random; None: not set.
    """
    prefixes = _prefixes(steps)
    objects = [_create_step(load_class(path), prefix, parameters) for prefix, path in zip(prefixes, steps, strict=True)]
    if len(objects) == 1:
        [estimator] = objects
    else:
        from sklearn.pipeline import Pipeline

        names = [prefix.removesuffix("__") for prefix in prefixes]
        estimator = Pipeline(list(zip(names, objects, strict=True)))
    known = estimator.get_params(deep=True)
    managed = {name: 1 for name in known if _last(name) == "n_jobs"}
    if seed is not None:
        managed |= {name: seed for name in known if _last(name) == "random_state"}
    return estimator.set_params(**managed)


def _create_step(found: type[Any], prefix: str, parameters: Mapping[str, Any]) -> Any:
    own = {name.removeprefix(prefix): value for name, value in parameters.items() if name.startswith(prefix)}
    step = found(**{name: _with_labels(value) for name, value in own.items() if "__" not in name})
    others = _LIBRARY_PARAMETERS.get(found.__module__.partition(".")[0], {})
    nested = {name: value for name, value in own.items() if "__" in name}
    return step.set_params(**others, **nested) if others or nested else step


def _with_labels(value: Any) -> Any:
    """Return a value with whole numbers as the keys of a dict: labels, as in ``class_weight``, are texts in JSON."""
    if not isinstance(value, dict):
        return value
    return {int(key) if key.isdecimal() else key: part for key, part in value.items()}


def _prefixes(steps: Sequence[str]) -> list[str]:
    """Return what stands before the parameters of each step: nothing, or the name of the step in a pipeline."""
    if len(steps) == 1:
        return [""]
    names = [path.rpartition(".")[2].lower() for path in steps]
    if len(set(names)) < len(names):
        raise ValueError("estimator: two steps have the same class; a pipeline takes each once")
    return [f"{name}__" for name in names]


def weight_argument(steps: Sequence[str]) -> str:
    """Return the argument of ``fit`` that takes the weights of samples: that of the last step.

    Args:
        steps: import paths.
    """
    return f"{_prefixes(steps)[-1]}{_WEIGHTS}"


def takes_weights(path: str) -> bool:
    """Return whether the ``fit`` of a class takes the weights of samples.

    Args:
        path: its import path.
    """
    return _WEIGHTS in signature(load_class(path).fit).parameters


def _last(name: str) -> str:
    return name.rpartition("__")[2]


def is_managed(name: str) -> bool:
    """Return whether a parameter is one of `MANAGED`, of any step."""
    return _last(name) in MANAGED


def to_parameters(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return hyperparameters as constructor arguments: the text ``none`` is Python's None."""
    return {name: None if value == _NONE else value for name, value in values.items()}
