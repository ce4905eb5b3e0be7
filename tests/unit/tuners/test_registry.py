"""The registry of tuners: its entries fit its config, and another package can add one."""

import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter

from blindtune.core.code_digest import closure
from blindtune.core.errors import UserError
from blindtune.core.registry import Entry, Registry
from blindtune.tuners.base import TunerConfig
from blindtune.tuners.registry import TUNERS, tuner_config_type
from support import tuner_plugin
from support.builders import ROOT
from support.plugins import run_with_plugin


def run_plugin(plugin: Path, folder: Path) -> dict[str, Any]:
    """Run a study of the plugin in a child process; return what it prints."""
    folder.mkdir()
    return run_with_plugin(plugin, ROOT / "tests/support/drivers/run_plugin_study.py", folder)


def fresh_registry() -> Registry[Entry]:
    """Return a registry of the same tuners that has not looked for entry points yet."""
    return Registry(TUNERS.group, TUNERS.noun, Entry, TUNERS.own)


@pytest.mark.parametrize("name", TUNERS.own)
def test_entry_fits_its_config(name: str) -> None:
    """Each entry's config names the entry, and its code is digested with the function that creates the tuner."""
    entry = TUNERS[name]
    config = next(
        each for each in TUNERS.config_types() if get_args(each.model_fields["library"].annotation) == (name,)
    )
    assert issubclass(config, TunerConfig)
    assert f"{config.__module__}:{config.__name__}" == entry.config
    assert callable(TUNERS.load(name))
    assert {config.__module__, "blindtune.tuners.base", "blindtune.search_space"} <= closure(entry.module)


def test_tuner_config_type_takes_every_entry() -> None:
    """The config union has one member for each entry."""
    schema = TypeAdapter(tuner_config_type()).json_schema()
    assert set(schema["discriminator"]["mapping"]) == set(TUNERS.names())


@pytest.mark.slow
def test_plugin_tuner_runs_and_is_digested(tmp_path: Path) -> None:
    """A tuner of another package is valid in a config and its schema, runs, and counts in the digest of its study."""
    package = tuner_plugin.install(tmp_path / "plugin")
    found = run_plugin(tmp_path / "plugin", tmp_path / "one")
    assert found["schema"]
    assert found["units"] == [3, 4, 5]
    assert set(found["statuses"]) == {"completed"}
    assert {"walkers.tuner", "walkers.steps", "blindtune.tuners.base"} <= set(found["modules"])
    assert not any(module.startswith("blindtune.tuners.optuna") for module in found["modules"])
    steps = package / "steps.py"
    steps.write_text(steps.read_text(encoding="utf-8").replace("value + 1", "value + 2"), encoding="utf-8")
    changed = run_plugin(tmp_path / "plugin", tmp_path / "two")
    assert changed["units"] == [3, 5, 7]
    assert changed["digest"] != found["digest"]


@pytest.mark.parametrize(
    ("name", "value", "entry", "message"),
    [
        ("optuna", "walkers:WALK", None, r"there is already a tuner of this name\. Rename one of the two\."),
        ("walkers", "walkers:RUN", None, r"cannot be loaded \(.*RUN.*\)\. Fix or uninstall its package\."),
        ("walkers", "walkers:WALK", "1 / 0\n", r"cannot be loaded \(division by zero\)\. Fix or uninstall"),
        ("walkers", "walkers:WALK", "WALK = 3\n", r"is not a Entry\. Fix or uninstall its package\."),
        ("walkers", "walkers.config:missing", None, r"cannot be loaded \(.*missing.*\)\. Fix or uninstall"),
    ],
)
def test_wrong_entry_point_gives_one_message(
    name: str, value: str, entry: str | None, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name clash or a broken entry point ends in one message that names the entry point."""
    tuner_plugin.install(tmp_path, name, value, **({} if entry is None else {"entry": entry}))
    forget_plugin(monkeypatch)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=rf"^entry point {name} = {value} of blindtune\.tuners: {message}"):
        fresh_registry().names()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("walkers.config:Missing", r"cannot be loaded \(.*Missing.*\)"),
        ("walkers.nothing:WalkConfig", r"cannot be loaded \(.*walkers\.nothing.*\)"),
        ("walkers.tuner:Walker", r"is not a pydantic model with library: Literal\['walkers'\]"),
        ("blindtune.tuners.optuna.config:OptunaConfig", r"is not a pydantic model with library: Literal\['walkers'\]"),
    ],
)
def test_wrong_config_of_an_entry_gives_one_message(
    config: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry whose config cannot be used ends in one message that names the tuner and the config."""
    entry = f"from blindtune.core.registry import Entry\n\nWALK = Entry('walkers.tuner:create', {config!r})\n"
    tuner_plugin.install(tmp_path, entry=entry)
    forget_plugin(monkeypatch)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        UserError, match=rf"^tuner 'walkers': {config}: {message}\.? ?.*Fix or uninstall its package\.$"
    ):
        fresh_registry().config_union("library")


def test_wrong_create_of_an_entry_gives_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry whose function cannot be imported ends in one message."""
    entry = (
        "from blindtune.core.registry import Entry\n\nWALK = Entry('walkers.tuner:make', 'walkers.config:WalkConfig')\n"
    )
    tuner_plugin.install(tmp_path, entry=entry)
    forget_plugin(monkeypatch)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=r"^tuner 'walkers': walkers\.tuner:make: cannot be loaded"):
        fresh_registry().load("walkers")


def forget_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drop the plugin's modules that an earlier test imported from another folder."""
    for module in [name for name in sys.modules if name.partition(".")[0] == "walkers"]:
        monkeypatch.delitem(sys.modules, module)
