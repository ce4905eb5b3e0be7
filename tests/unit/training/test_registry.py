"""The registry of trainers: its entries fit the library, and another package can add one."""

import inspect
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter, ValidationError

from blindtune.config.systems import Knn, Manual, RandomForest, Tuned
from blindtune.config.training import Training
from blindtune.core.code_digest import closure
from blindtune.core.errors import UserError
from blindtune.core.registry import Registry
from blindtune.models.layers import Conv2D, Dense, Dropout, Layer
from blindtune.training.registry import (
    TRAINERS,
    TrainerEntry,
    TrainerName,
    check_family,
    check_layers,
    check_own_settings,
    check_random_crops,
    check_settings,
    create_trainer,
    describe_trainers,
    network_trainers,
)
from support import trainer_plugin
from support.builders import ROOT
from support.builders import TRAINERS as USABLE
from support.plugins import run_with_plugin


def run_plugin(plugin: Path, folder: Path) -> dict[str, Any]:
    """Run a study of the plugin in a child process; return what it prints."""
    folder.mkdir()
    return run_with_plugin(plugin, ROOT / "tests/support/drivers/run_trainer_plugin.py", folder)


@pytest.mark.parametrize("name", TRAINERS.own)
def test_entry_fits_the_library(name: str) -> None:
    """Each entry names an environment that ships and a module whose code is digested with the interface."""
    entry = TRAINERS[name]
    assert (ROOT / "envs" / f"{entry.environment}.yaml").is_file()
    assert "blindtune.training.base" in closure(entry.module)
    assert bool(entry.description) == entry.network
    assert entry.layers is None or set(entry.layers) <= {
        get_args(kind.model_fields["kind"].annotation)[0] for kind in get_args(get_args(Layer)[0])
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", [*USABLE, "knn", "random_forest"])
def test_create_trainer_creates_what_the_entry_names(name: str) -> None:
    """Each trainer has the methods of the interface, with the arguments of the interface."""
    from blindtune.training.base import Trainer

    trainer = create_trainer(name, 2)
    for method in ("train", "rebuild", "versions"):
        expected = list(inspect.signature(getattr(Trainer, method)).parameters)[1:]
        assert list(inspect.signature(getattr(trainer, method)).parameters) == expected
    assert trainer.supports_resume == TRAINERS[name].network


def test_create_trainer_refuses_an_unknown_name() -> None:
    """No trainer is the default: an unknown name is refused, with the nearest known one."""
    with pytest.raises(UserError, match=r"^'kerras' is not a trainer: did you mean 'keras'\?$"):
        create_trainer("kerras")
    with pytest.raises(UserError, match=r"^'xyz' is not a trainer: known: estimator, fused, keras, .*, skorch\.$"):
        create_trainer("xyz")


def test_trainer_name_takes_trainers_of_networks() -> None:
    """A config takes every trainer of networks, and hints at the nearest for any other name."""
    adapter = TypeAdapter(TrainerName)
    assert [adapter.validate_python(name) for name in network_trainers()] == network_trainers()
    assert adapter.json_schema() == {"enum": network_trainers(), "type": "string"}
    with pytest.raises(ValidationError, match=r"'pytroch' is not a trainer: did you mean 'pytorch'\?"):
        adapter.validate_python("pytroch")
    with pytest.raises(ValidationError, match="'knn' is not a trainer"):
        adapter.validate_python("knn")


def test_systems_name_their_trainer() -> None:
    """Every system that is trained names an entry, in whose environment it runs."""
    tuner = {"library": "optuna", "algorithm": "random"}
    systems = [
        Knn(kind="knn", n_neighbors=[1]),
        RandomForest(kind="random_forest"),
        *(Manual(kind="manual", model="mlp_m", trainer=name) for name in network_trainers()),
        Tuned.model_validate({"kind": "tuner", "tuner": tuner, "space": "mlp", "trainer": "fused"}),
        Tuned.model_validate({"kind": "tuner", "tuner": tuner, "space": "svc", "estimator": "svc"}),
    ]
    assert {system.trainer_name for system in systems} == set(TRAINERS.own)
    assert all(TRAINERS[system.trainer_name].environment == system.environment for system in systems)


def test_describe_trainers_names_each() -> None:
    """The description of the config key has a phrase for each trainer of networks."""
    assert [part.partition(": ")[0] for part in describe_trainers().split("; ")] == network_trainers()


def test_checks_refuse_what_a_trainer_cannot_train() -> None:
    """Family, layers and random crops are checked by the data of the entries."""
    layers = [
        Dense(kind="dense", units=3),
        Dropout(kind="dropout", rate=0.5),
        Conv2D(kind="conv2d", filters=1, kernel=1),
    ]
    check_family("fused", "mlp")
    check_family("pytorch", "lstm")
    check_layers("fused", layers[:2])
    check_layers("pytorch", layers)
    check_random_crops("keras")
    with pytest.raises(ValueError, match=r"^trainer: fused trains the family mlp alone, not lstm; use keras or pyt"):
        check_family("fused", "lstm")
    with pytest.raises(ValueError, match=r"dense, dropout, flatten alone, not conv2d \(layer 3 of the model\); use"):
        check_layers("fused", layers)
    for name in ("scikeras", "skorch", "fused"):
        with pytest.raises(ValueError, match=f"^trainer: {name} takes whole arrays and draws no random views; use"):
            check_random_crops(name)


@pytest.mark.slow
def test_plugin_trainer_runs_and_is_digested(tmp_path: Path) -> None:
    """A trainer of another package is valid in a config and its schema, runs, is checked and counts in the digest."""
    package = trainer_plugin.install(tmp_path / "plugin")
    found = run_plugin(tmp_path / "plugin", tmp_path / "one")
    assert found["schema"] and found["description"].endswith("majority: answers the most frequent class")
    assert found["scores"] == [0.5, 0.5] and found["versions"]["majority"] == "1.0"
    assert found["environment"] == "networks"
    assert {"majority.trainer", "majority.vote", "blindtune.training.base"} <= set(found["modules"])
    assert not any(module.startswith("blindtune.training.keras") for module in found["modules"])
    family, layers = found["refusals"]
    assert "trainer: majority trains the families mlp, lstm alone, not convnet" in family
    assert "trainer: majority trains layers of the kind dense alone, not conv2d (layer 1 of" in layers
    vote = package / "vote.py"
    vote.write_text(vote.read_text(encoding="utf-8").replace("argmax", "argmin"), encoding="utf-8")
    assert run_plugin(tmp_path / "plugin", tmp_path / "two")["digest"] != found["digest"]


@pytest.mark.parametrize(
    ("name", "value", "entry", "message"),
    [
        ("pytorch", "majority:MAJORITY", None, r"there is already a trainer of this name\. Rename one of the two\."),
        ("majority", "majority:MISSING", None, r"cannot be loaded \(.*MISSING.*\)\. Fix or uninstall its package\."),
        (
            "majority",
            "majority:MAJORITY",
            "from blindtune.core.registry import Entry\n\nMAJORITY = Entry('majority.trainer:MajorityTrainer')\n",
            r"is not a TrainerEntry\. Fix or uninstall its package\.",
        ),
    ],
)
def test_wrong_entry_point_gives_one_message(
    name: str, value: str, entry: str | None, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name clash or a broken entry point ends in one message that names the entry point."""
    trainer_plugin.install(tmp_path, name, value, **({} if entry is None else {"entry": entry}))
    for module in [known for known in sys.modules if known.partition(".")[0] == "majority"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry(TRAINERS.group, TRAINERS.noun, TrainerEntry, TRAINERS.own)
    with pytest.raises(UserError, match=rf"^entry point {name} = {value} of blindtune\.trainers: {message}"):
        registry.names()


@pytest.mark.parametrize("name", network_trainers())
def test_shipped_trainers_have_every_setting(name: str) -> None:
    """Every trainer that ships has early stopping, schedules, weight decay and clipping."""
    check_settings(name, Training(early_stopping=2, min_delta=0.1, schedule="plateau", weight_decay=0.1, clip_norm=1.0))


@pytest.mark.parametrize(
    "given",
    [{"early_stopping": 3}, {"schedule": "cosine"}, {"weight_decay": 0.0}, {"clip_norm": 1.0}],
    ids=lambda given: next(iter(given)),
)
def test_check_settings_refuses_what_a_trainer_does_not_have(given: dict[str, Any]) -> None:
    """A setting that a trainer does not have is refused by its name, not ignored; without it nothing is refused."""
    (name,) = given
    check_settings("knn", Training())
    with pytest.raises(ValueError, match=rf"^training\.{name}: trainer knn does not have it; take it out"):
        check_settings("knn", Training.model_validate(given))


@pytest.mark.parametrize(
    ("given", "searched", "message"),
    [
        ({"min_delta": 0.1}, [], r"training\.min_delta: does nothing without early_stopping"),
        ({"min_delta": 0.1}, ["early_stopping"], None),
        ({"schedule_factor": 0.5}, [], r"training\.schedule_factor: belongs to the schedules step and plateau"),
        ({"schedule_factor": 0.5, "schedule": "cosine"}, [], r"training\.schedule_factor: belongs"),
        ({"schedule_factor": 0.5, "schedule_epochs": 3}, ["schedule"], None),
        ({"schedule_epochs": 3}, [], r"training\.schedule_epochs: does nothing with the schedule constant"),
        ({"schedule_epochs": 3, "schedule": "cosine"}, [], None),
    ],
)
def test_check_settings_refuses_what_does_nothing(
    given: dict[str, Any], searched: list[str], message: str | None
) -> None:
    """A setting that does nothing without another one is refused, unless a search space has the other one."""
    training = Training.model_validate(given)
    if message is None:
        check_settings("pytorch", training, searched)
        return
    with pytest.raises(ValueError, match=f"^{message}"):
        check_settings("pytorch", training, searched)


@pytest.mark.parametrize(
    ("parts", "setting", "refused"),
    [
        ((), "schedule", False),
        ((), "initial_weights", True),
        (("configure_optimizers",), "optimizer", True),
        (("configure_optimizers",), "weight_decay", True),
        (("configure_optimizers",), "clip_norm", False),
        (("configure_optimizers",), "class_weight", False),
        (("training_step",), "class_weight", True),
        (("compile",), "loss", True),
        (("compile",), "schedule", True),
        (("compile",), "clip_norm", True),
        (("compile",), "early_stopping", False),
    ],
)
def test_check_own_settings_refuses_what_the_code_does_itself(
    parts: tuple[str, ...], setting: str, refused: bool
) -> None:
    """A setting that the code of a network has in place of the trainer is refused by name."""
    if not refused:
        check_own_settings("net.py", parts, [setting, "epochs"])
        return
    with pytest.raises(ValueError, match=rf"^training\.{setting}: does nothing, since net\.py "):
        check_own_settings("net.py", parts, [setting, "epochs"])
