"""Keys of a tuner whose trials train a network in code."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from blindtune.config.schema import TunerOverrides
from blindtune.config.systems import System, Tuned
from blindtune.training.registry import check_own_network

TUNER = {"library": "optuna", "algorithm": "tpe"}
CODE = Path(__file__).parents[2] / "support" / "own_networks" / "plain.py"


def tuned(**keys: Any) -> Tuned:
    """Return a tuner."""
    return Tuned.model_validate({"kind": "tuner", "tuner": TUNER, **keys})


def test_code_needs_no_space() -> None:
    """The space may come from the code; files hold the modules that it imports."""
    system = tuned(model=str(CODE), trainer="pytorch")
    assert system.space is None and system.model_choice.defines_space
    assert system.files() == {"model": CODE, "model_blocks": CODE.parent / "blocks.py"}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "space: is missing"),
        ({"model": "my.py", "estimator": "svc", "space": "svc"}, "take one of the two out"),
        ({"model": "my.py", "family": "mlp"}, "family: belongs to a network of a family"),
        ({"model": "my.py", "invalid_layers": "skip"}, "invalid_layers: belongs to a network of a family"),
        ({"model": "my.py", "parts": 2}, "parts: belongs to an estimator"),
        ({"model": "my file"}, "neither a file that ends in .py nor the import path"),
        ({"space": "mlp", "arguments": {"a": 1}}, "arguments: belongs to an estimator"),
    ],
)
def test_keys_of_other_models_are_refused(keys: dict[str, Any], message: str) -> None:
    """A tuner trains one form of model, and has the keys of that form."""
    with pytest.raises(ValidationError, match=message):
        tuned(**keys)


def test_settings_survive_a_round_trip() -> None:
    """What a card or a job holds of a system is read back as the same system, without keys of other forms."""
    system = tuned(model="keras_tuner.applications.HyperResNet", arguments={"include_top": True}, trainer="keras")
    content = system.model_dump(mode="json")
    assert TypeAdapter[System](System).validate_python(content) == system
    assert not {"family", "invalid_layers", "estimator"} & set(content)
    assert "model" not in tuned(space="mlp").model_dump()


def test_override_replaces_family_and_space() -> None:
    """A comparison may give all its tuners one network in code, with the space of the code."""
    one = TunerOverrides.model_validate({"model": str(CODE), "trainer": "pytorch"}).apply(
        tuned(space="mlp", family="mlp")
    )
    assert (one.model, one.space, one.trainer) == (str(CODE), None, "pytorch")
    with pytest.raises(ValidationError, match="is another model than `model`"):
        TunerOverrides.model_validate({"model": str(CODE), "family": "mlp"})


def test_trainer_must_train_code() -> None:
    """A trainer of whole families alone is refused by name."""
    for name in ("pytorch", "keras", "keras-jax", "keras-torch"):
        check_own_network(name)
    with pytest.raises(ValueError, match="trainer: fused trains no network in code"):
        check_own_network("fused")
