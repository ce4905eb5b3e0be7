"""Optional engines: refused in time where they are missing, and named in the records where they are used."""

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

from blindtune.config.engine_check import check_engines
from blindtune.config.study import Study
from blindtune.config.systems import Tuned
from blindtune.core.errors import UserError
from blindtune.search_space import Space
from blindtune.study.protocol import build_protocol
from blindtune.study.run import check_study_engine
from blindtune.tuners import engines
from blindtune.tuners.engine_space import list_dimensions, to_hyperparameters
from blindtune.tuners.nevergrad.config import NevergradConfig
from blindtune.tuners.nni.config import NniConfig
from blindtune.tuners.ray_tune.config import RayTuneConfig
from blindtune.tuners.smac.config import SmacConfig
from blindtune.tuners.vizier.config import VizierConfig
from support.builders import ROOT, build_tuner, tuner
from support.config_keys import ENGINE_CONFIGS
from support.engines import ENGINE_ALGORITHMS

FOUND = object()

#: Algorithms of keys that the algorithm of `OTHER_KEYS` does not take.
ALGORITHMS_OF_KEYS = {(NniConfig, "population_size"): "evolution", (NniConfig, "eta"): "hyperband"}

#: By config of an engine: a config with an algorithm that takes most keys, and other values of its keys.
OTHER_KEYS: dict[Any, tuple[dict[str, Any], dict[str, Any]]] = {
    SmacConfig: (
        {"library": "smac", "algorithm": "multi-fidelity"},
        {"algorithm": "random", "n_initial": 5, "eta": 4, "min_epochs": 2},
    ),
    VizierConfig: (
        {"library": "vizier", "algorithm": "nsga2"},
        {"algorithm": "eagle", "population_size": 9, "objectives": ["dev_error", "n_parameters"]},
    ),
    NevergradConfig: ({"library": "nevergrad", "algorithm": "cma"}, {"algorithm": "random", "population_size": 9}),
    NniConfig: (
        {"library": "nni", "algorithm": "tpe"},
        {"algorithm": "random", "n_initial": 5, "population_size": 5, "eta": 4, "pruner": {"algorithm": "median"}},
    ),
    RayTuneConfig: (
        {"library": "ray-tune", "algorithm": "hyperopt"},
        {"algorithm": "random", "n_initial": 5, "pruner": {"algorithm": "asha"}},
    ),
}


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that makes it look as if packages of some versions are installed, and no others."""

    def look(**versions: str) -> None:
        def version(name: str) -> str:
            if name not in versions:
                raise PackageNotFoundError(name)
            return versions[name]

        monkeypatch.setattr(engines, "version", version)
        monkeypatch.setattr(engines, "find_spec", lambda name: FOUND if name in versions else None)

    return look


def study(library: str = "smac", algorithm: str = "random") -> Study:
    content = {"kind": "tuner", "tuner": tuner(library, algorithm), "space": "mlp", "trainer": "fused"}
    settings = Tuned.model_validate(content)
    parts: dict[str, Any] = {"score_epoch": "last", "keep_best": 1, "budget": {"trials": 3}}
    return Study(config="c", dataset="toy", system="it", seed=1, settings=settings, **parts)


def no_card(one: Study) -> Path:
    """Return a card that does not exist, as of a study that has not ended."""
    return Path("no such card")


@pytest.mark.parametrize(
    ("settings", "needs"),
    [
        ({"tuner": {"library": "smac", "algorithm": "random"}}, False),
        ({"tuner": {"library": "smac", "algorithm": "forest"}}, True),
        ({"tuner": {"library": "optuna", "algorithm": "random"}}, True),
        ({}, True),
        ("damaged", True),
    ],
    ids=["this tuner", "another algorithm", "another library", "a model", "damaged"],
)
def test_study_that_this_tuner_has_ended_needs_no_engine(
    install: Callable[..., None], tmp_path: Path, settings: Any, needs: bool
) -> None:
    """The card of an earlier config of a system does not count: its study runs again, with the engine."""
    install()
    card = tmp_path / "card.json"
    card.write_text(json.dumps({"settings": settings}), encoding="utf-8")
    with pytest.raises(UserError, match=r"^systems\.it: ") if needs else nullcontext():
        check_engines([study()], lambda one: card)


def test_missing_engine_is_refused_with_its_command(install: Callable[..., None]) -> None:
    """The message names the system, the engine and the command; a tuner of no engine needs none."""
    install()
    message = r"^systems\.it: tuner\.library: smac is an optional engine, and smac, ConfigSpace are not installed\. "
    with pytest.raises(UserError, match=message + r"Install it with `make environment EXTRAS=smac`, or run with --sdm"):
        check_engines([study()], no_card)
    check_engines([study("optuna", "tpe")], no_card)
    with pytest.raises(UserError, match=r"^c/toy/it/1: tuner\.library: smac is an optional engine"):
        check_study_engine(study())


@pytest.mark.parametrize(
    ("versions", "message"),
    [
        ({"smac": "2.4.1"}, "ConfigSpace is not installed"),
        ({"smac": "2.3.1", "ConfigSpace": "1.2.2"}, r"smac 2\.3\.1 is not from 2\.4\.1 to below 2\.5 \("),
        ({"smac": "2.5.0rc1", "ConfigSpace": "1.2.2"}, r"smac 2\.5\.0rc1 is not from"),
        ({"smac": "2.4.1", "ConfigSpace": "0.7.1"}, r"ConfigSpace 0\.7\.1 is not from 1\.2"),
        ({"smac": "2.4.1", "ConfigSpace": "1.2.2"}, None),
        ({"smac": "2.4.10", "ConfigSpace": "1.10.0"}, None),
    ],
)
def test_versions_of_an_engine_are_checked(
    install: Callable[..., None], versions: dict[str, str], message: str | None
) -> None:
    """A version that was not tried is refused, with what is wrong with it."""
    install(**versions)
    if message is None:
        check_engines([study()], no_card)
    else:
        with pytest.raises(UserError, match=message):
            check_engines([study()], no_card)


def test_versions_of_an_engine_are_part_of_the_protocol(install: Callable[..., None]) -> None:
    """Another version makes another study; a tuner without an engine has the protocol that it always had."""
    install(smac="2.4.1", ConfigSpace="1.2.2")
    protocol = build_protocol(study(), "data", {}, {}, "code")
    assert protocol["engine"] == {"smac": "2.4.1", "ConfigSpace": "1.2.2"}
    assert "engine" not in build_protocol(study("optuna", "tpe"), "data", {}, {}, "code")


@pytest.mark.parametrize(
    ("config", "key"), [(one, key) for one in ENGINE_CONFIGS for key in one.model_fields if key != "library"]
)
def test_key_of_an_engine_is_part_of_the_protocol(install: Callable[..., None], config: Any, key: str) -> None:
    """Another value of a key makes another study."""
    install()
    before = dict(OTHER_KEYS[config][0])
    before["algorithm"] = ALGORITHMS_OF_KEYS.get((config, key), before["algorithm"])
    whole, protocols = study(), []
    for content in (before, before | {key: OTHER_KEYS[config][1][key]}):
        settings = whole.settings.model_copy(update={"tuner": config.model_validate(content)})
        protocols.append(build_protocol(whole.model_copy(update={"settings": settings}), "", {}, {}, ""))
    assert protocols[0] != protocols[1]


@pytest.mark.parametrize(
    ("library", "pruner", "key", "value"),
    [
        ("ray-tune", "asha", "grace_period", 2),
        ("ray-tune", "asha", "reduction_factor", 3),
        ("ray-tune", "asha", "brackets", 2),
        ("ray-tune", "median", "grace_period", 2),
        ("ray-tune", "median", "min_samples_required", 5),
        ("nni", "median", "start_step", 2),
    ],
)
def test_key_of_a_pruner_is_part_of_the_protocol(
    install: Callable[..., None], library: str, pruner: str, key: str, value: int
) -> None:
    """Another value of a key of an engine's pruner makes another study."""
    install()
    whole, protocols = study(), []
    for more in ({}, {key: value}):
        config = tuner(library, "random", pruner={"algorithm": pruner, **more})
        settings = whole.settings.model_copy(update={"tuner": config})
        protocols.append(build_protocol(whole.model_copy(update={"settings": settings}), "", {}, {}, ""))
    assert protocols[0] != protocols[1]


def test_nothing_is_imported_to_look_for_an_engine() -> None:
    """A config with an engine is read and checked without an import of the engine."""
    names = {module for engine in engines.ENGINES.values() for module in engine.modules}
    code = (
        "import sys; from blindtune.config import schema; from blindtune.tuners.engines import ENGINES, find_fault\n"
        f"faults = [find_fault(name) for name in ENGINES]; print(sorted({names} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("raise AttributeError('jax.core has no Primitive')", "AttributeError: jax.core has no Primitive"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
    ],
)
def test_engine_that_does_not_import_is_refused(
    code: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that is installed but broken is named, with the command that installs it again."""
    (tmp_path / "smac.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "smac", raising=False)
    with pytest.raises(UserError, match=rf"smac is installed, but an import of it fails: {message}\. .*EXTRAS=smac`"):
        build_tuner(tuner("smac", "random"), SPACE, 3)


@pytest.mark.parametrize(
    ("library", "algorithm"), [(key, name) for key in ENGINE_ALGORITHMS for name in ENGINE_ALGORITHMS[key]]
)
def test_tuner_of_an_engine_says_what_it_makes_of_conditions(library: str, algorithm: str) -> None:
    """Every algorithm of an engine names its engine and what it makes of conditions, and has its own environment."""
    config = tuner(library, algorithm)
    assert config.engine == library and config.conditions in ("exact", "flattened", "refused")
    assert study(library, algorithm).settings.environment == "networks-engines"


SPACE = Space.model_validate(
    {
        "layers": {"type": "fixed", "value": 2},
        "units": {"type": "int", "low": 8, "high": 64, "step": 8, "repeat": "layers"},
        "width": {"type": "int", "low": 8, "high": 64, "log": True},
        "rate": {"type": "float", "low": 0.1, "high": 0.5},
        "share": {"type": "float", "low": 0.1, "high": 0.5, "step": 0.1},
        "word": {"type": "choice", "options": ["relu", "tanh", "1"]},
        "never": {"type": "int", "low": 1, "high": 5, "when": {"layers": [2], "only": ["a"]}},
        "only": {"type": "choice", "options": ["a"], "when": {"dropout": [True]}},
        "dropout": {"type": "bool"},
    }
)


def test_dimensions_of_one_value_are_not_told() -> None:
    """What depends on a hyperparameter of one value depends on the conditions of that one instead."""
    told = {one.name: one for one in list_dimensions(SPACE)}
    assert set(told) == {"units_1", "units_2", "width", "rate", "share", "word", "never", "dropout"}
    assert told["units_1"].conditions == () and told["units_1"].count == 8
    assert told["never"].conditions == (("dropout", (True,)),)
    assert (told["width"].low, told["width"].high, told["width"].log) == (8.0, 65.0, True)


@pytest.mark.parametrize(("number", "width"), [(7.9999999, 8), (8.0, 8), (8.99, 8), (9.0, 9), (64.9, 64), (65.1, 64)])
def test_numbers_are_clipped_before_they_are_rounded(number: float, width: int) -> None:
    """An engine that computes with logarithms gives 7.9999999 for 8, which must not become 7."""
    proposed: dict[str, Any] = {
        "units_1": 6.9999, "units_2": -0.3, "width": number, "rate": 0.09999, "share": 3, "word": 2, "dropout": 0,
    }  # fmt: skip
    found = to_hyperparameters(SPACE, proposed)
    assert found == {
        "layers": 2, "units_1": 64, "units_2": 8, "width": width, "rate": 0.1, "share": 0.4, "word": "1",
        "dropout": False,
    }  # fmt: skip
