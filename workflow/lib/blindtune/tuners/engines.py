"""Optional engines: libraries of tuners that the default environment does not have.

``make environment EXTRAS=<library>`` adds one, at the versions of ``requirements-engines.lock``. Whether it is there is
found out without importing anything, so that a plan can refuse a config in time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from blindtune.core.errors import UserError

if TYPE_CHECKING:
    from blindtune.tuners.base import TunerConfig


@dataclass(frozen=True)
class Package:
    """A package that an engine needs.

    Attributes:
        name: on PyPI.
        lowest: the oldest version that works.
        below: the first version that was not tried.
        reason: what is wrong with other versions.
    """

    name: str
    lowest: str
    below: str
    reason: str


@dataclass(frozen=True)
class Engine:
    """An optional engine.

    Attributes:
        modules: top-level modules, all of which must be found.
        packages: those whose versions decide what is proposed; they go into every record.
    """

    modules: tuple[str, ...]
    packages: tuple[Package, ...]


#: By the name of the library in a config, which is also the name of the extra in pyproject.toml.
ENGINES = {
    "smac": Engine(
        modules=("smac", "ConfigSpace"),
        packages=(
            Package(
                "smac",
                "2.4.1",
                "2.5",
                "blindtune makes its local search the same in every process, and this was tried with 2.4 only",
            ),
            Package("ConfigSpace", "1.2", "2", "conditions were tried with 1.2 only"),
        ),
    ),
    "vizier": Engine(
        modules=("vizier", "chex", "equinox", "flax", "jaxtyping", "typeguard"),
        packages=(
            Package("google-vizier", "0.1.24", "0.1.25", "its designers are not part of its public interface"),
            Package(
                "equinox", "0.13", "0.14", "0.11.7, which Vizier's extra [jax] pins, does not import with jax 0.10"
            ),
        ),
    ),
    "nni": Engine(
        modules=("nni", "hyperopt"),
        packages=(
            Package("nni", "2.10", "2.10.1", "2.10.1 and 3.0 do not install with the locked packages"),
            Package("hyperopt", "0.3", "0.4", "the seeds of its draws were tried with 0.3 only"),
        ),
    ),
    "nevergrad": Engine(
        modules=("nevergrad", "cma", "bayes_opt", "pandas"),
        packages=(
            Package("nevergrad", "1.0.12", "1.0.13", "NGOpt chooses other optimizers in every version"),
            Package("cma", "4.5", "4.6", "the seeds of its draws were tried with 4.5 only"),
        ),
    ),
    "ray-tune": Engine(
        modules=("ray", "hyperopt", "pandas", "pyarrow", "fsspec", "requests"),
        packages=(
            Package("ray", "2.60", "2.61", "its samplers and schedulers are called without its controller"),
            Package("hyperopt", "0.3", "0.4", "the seeds of its draws were tried with 0.3 only"),
        ),
    ),
}


def refuse_by_name(value: Any, reasons: Mapping[str, str]) -> Any:
    """Return a value of a config unless it names a part of an engine that is not offered.

    Its name is known in any spelling of it: the libraries write `Metis`, `PBT` and `Curvefitting`.

    Args:
        value: of the config, of any type.
        reasons: why each part is not offered, by its name, in lower case with hyphens.

    Raises:
        ValueError: the message has the reason.
    """
    if isinstance(value, str):
        for name, reason in reasons.items():
            if _plain(value) == _plain(name):
                raise ValueError(f"{value} is not offered: {reason}")
    return value


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name)).lower()


def find_fault(library: str) -> str | None:
    """Return why an engine cannot be used, and how to get it; None if it can. Nothing is imported.

    Args:
        library: a key of `ENGINES`.
    """
    missing = [module for module in ENGINES[library].modules if find_spec(module) is None]
    faults = [f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed"] if missing else []
    faults += filter(None, map(_find_version_fault, () if missing else ENGINES[library].packages))
    if not faults:
        return None
    return (
        f"{library} is an optional engine, and {'; '.join(faults)}. Install it with `make environment "
        f"EXTRAS={library}`, or run with --sdm conda"
    )


def _find_version_fault(package: Package) -> str | None:
    try:
        found = version(package.name)
    except PackageNotFoundError:
        return f"{package.name} is not installed"
    if _as_numbers(package.lowest) <= _as_numbers(found) < _as_numbers(package.below):
        return None
    return f"{package.name} {found} is not from {package.lowest} to below {package.below} ({package.reason})"


def _as_numbers(text: str) -> tuple[int, ...]:
    """Return the leading numbers of a version; those of a release candidate are the numbers of its release."""
    numbers: list[int] = []
    for part in text.split("."):
        if not part.isdecimal():
            break
        numbers.append(int(part))
    return tuple(numbers)


def check_engine(config: "TunerConfig", where: str) -> None:
    """Refuse a tuner whose engine cannot be used in this Python.

    Args:
        config: of the tuner; one without an engine is always accepted.
        where: the system or study, for the message.

    Raises:
        UserError: the message says how to install it.
    """
    fault = None if config.engine is None else find_fault(config.engine)
    if fault is not None:
        raise UserError(f"{where}: tuner.library: {fault}.")


def engine_versions(config: "TunerConfig") -> dict[str, str]:
    """Return the versions that a record of a tuner with an engine holds; none without one.

    Args:
        config: of the tuner.
    """
    return {} if config.engine is None else dict(_installed(one.name for one in ENGINES[config.engine].packages))


def _installed(names: Iterable[str]) -> Iterable[tuple[str, str]]:
    for name in names:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue
