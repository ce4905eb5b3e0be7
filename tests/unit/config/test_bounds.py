"""Every number of a config, a search space, a drawing and a manual model has bounds."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from blindtune.config.schema import Config, read
from blindtune.config.study import Study
from blindtune.config.systems import ManualModel, read_space
from blindtune.core.errors import UserError
from blindtune.core.validation import load, parse
from blindtune.datasets.drawing import Drawing
from blindtune.search_space import Space
from support.builders import config, write_csv_folder
from support.config_models import collect_models

MODELS = sorted(
    {model for root in (Config, Study, Space, ManualModel, Drawing) for model in collect_models(root)},
    key=lambda model: model.__name__,
)
#: A value of a hyperparameter may be of any type; `ChoiceDimension` checks its options, `when` is looked up in them.
VALUE = ["integer", "number", "string", "boolean"]


def unbounded_numbers(node: Any, path: str) -> Iterator[str]:
    """Yield the path of each number of a JSON schema that has no lower or no upper bound."""
    if isinstance(node, list):
        for index, part in enumerate(node):
            yield from unbounded_numbers(part, f"{path}/{index}")
    if not isinstance(node, dict) or [part.get("type") for part in node.get("anyOf", [])] == VALUE:
        return
    if node.get("type") in ("integer", "number") and not {"enum", "const"} & set(node):
        for bounds in ({"minimum", "exclusiveMinimum"}, {"maximum", "exclusiveMaximum"}):
            if not bounds & set(node):
                yield f"{path}: no {' or '.join(sorted(bounds))}"
    for key, part in node.items():
        yield from unbounded_numbers(part, f"{path}/{key}")


@pytest.mark.parametrize("model", MODELS)
def test_every_number_has_both_bounds(model: Any) -> None:
    """No number of a model is without a bound, and none may be infinite or NaN."""
    assert list(unbounded_numbers(model.model_json_schema(), model.__name__)) == []
    assert model.model_config.get("allow_inf_nan") is False or "root" in model.model_fields


def test_unbounded_numbers_are_found() -> None:
    """The check above finds a number without bounds, at any depth."""
    schema = {"properties": {"a": {"anyOf": [{"type": "number", "minimum": 0}, {"type": "null"}]}}}
    assert list(unbounded_numbers(schema, "x")) == ["x/properties/a/anyOf/0: no exclusiveMaximum or maximum"]


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"seeds": [2**32]}, "seeds.0"),
        ({"seeds": [10**4400]}, "seeds.0"),
        ({"workers": 10**6}, "workers"),
        ({"report": {"surface": 10**6}}, "report.surface"),
        ({"systems": {"knn": {"kind": "knn", "n_neighbors": [10**9]}}}, "systems.knn.n_neighbors.0"),
        (
            {"systems": {"knn": {"kind": "random_forest", "n_estimators": [10**12]}}},
            "systems.knn.n_estimators.0",
        ),
        ({"systems": {"knn": {"kind": "random_forest", "max_depth": [-1]}}}, "systems.knn.max_depth.0"),
        (
            {"systems": {"knn": {"kind": "manual", "model": "mlp_m", "training": {"learning_rate": float("inf")}}}},
            "systems.knn.training.learning_rate",
        ),
        (
            {"systems": {"knn": {"kind": "manual", "model": "mlp_m", "training": {"learning_rate": float("nan")}}}},
            "systems.knn.training.learning_rate",
        ),
        (
            {"compare": [{"dataset": "toy", "systems": ["knn"], "budget": {"seconds": float("inf")}}]},
            "compare.0.budget.seconds",
        ),
        (
            {"compare": [{"dataset": "toy", "systems": ["knn"], "budget": {"trials": 10**12}}]},
            "compare.0.budget.trials",
        ),
    ],
)
def test_read_names_the_key_out_of_bounds(changes: dict[str, Any], key: str, tmp_path: Path) -> None:
    """A number out of bounds is refused while planning, by its key, in a message of a few short lines."""
    write_csv_folder(tmp_path / "csv")
    with pytest.raises(UserError) as caught:
        read(config(str(tmp_path / "csv"), **changes), "my.yaml")
    assert f"  - {key}: " in str(caught.value)
    assert len(str(caught.value)) < 400


def test_read_refuses_too_many_candidates_of_a_random_forest(tmp_path: Path) -> None:
    """Lists of which each is short enough may give more candidates together than any memory holds."""
    write_csv_folder(tmp_path / "csv")
    content = config(str(tmp_path / "csv"))
    for most, accepted in ((101, False), (100, True)):
        lists = {name: list(range(1, most + 1)) for name in ("n_estimators", "max_depth", "min_samples_leaf")}
        content["systems"]["knn"] = {"kind": "random_forest"} | lists
        if accepted:
            assert read(content, "my.yaml").studies()
        else:
            with pytest.raises(UserError, match=r"systems\.knn\S*: n_estimators, .* give 1,030,301 candidates"):
                read(content, "my.yaml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("layers: {type: int, low: 1, high: 1000000}\nunits: {type: int, low: 1, high: 2, repeat: layers}", "1000"),
        ("layers: {type: int, low: 1, high: 1000000}\nunits: {type: int, low: 1, high: 2}", "layers: 1000000"),
        ("layers: {type: choice, options: [1, 1000000]}\nunits: {type: int, low: 1, high: 2}", "layers: 1000000"),
        (
            "layers: {type: int, low: 1, high: 2}\nunits: {type: int, low: 1, high: 2}\n"
            "dropout_rate: {type: float, low: 0.0, high: 0.9, step: 1.0e-12}",
            "dropout_rate: step: 1e-12 gives more than 100,000 values",
        ),
        (
            "layers: {type: int, low: 1, high: 2}\nunits: {type: int, low: 1, high: 1000000000000}",
            "units.high",
        ),
        (
            "layers: {type: int, low: 1, high: 2}\nunits: {type: int, low: 1, high: 2}\n"
            "learning_rate: {type: float, low: 0.0, high: .inf}",
            "learning_rate.high",
        ),
        (
            "layers: {type: int, low: 1, high: 2}\nunits: {type: choice, options: [1, 1" + "0" * 20 + "]}",
            "units: options: a number must be finite",
        ),
    ],
)
def test_read_space_refuses_what_is_out_of_bounds(text: str, words: str, tmp_path: Path) -> None:
    """A dimension that no memory holds, or that training cannot take, is refused by its name."""
    path = tmp_path / "space.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises((UserError, ValueError)) as caught:
        read_space(path, "mlp")
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([{"kind": "dense", "units": 0}], "layers.0.units: must be from 1"),
        ([{"kind": "dense", "units": 10**8}], "layers.0.units: must be from 1 to 1,000,000"),
        ([{"kind": "dense", "units": 10**12}], "layers.0.units"),
        ([{"kind": "dropout", "rate": 1.0}], "layers.0.rate: must be from 0 to below 1"),
        ([{"kind": "dense", "units": 1}] * 1001, "layers"),
    ],
)
def test_manual_model_refuses_layers_out_of_bounds(layers: list[Any], words: str) -> None:
    """A layer that cannot be built, or too many of them, is found while planning."""
    with pytest.raises(UserError) as caught:
        parse(ManualModel, {"layers": layers, "training": {}}, "model.yaml")
    assert words in str(caught.value)


def test_load_drawing_refuses_infinite_coordinates(tmp_path: Path) -> None:
    """A drawing's coordinates are finite and bounded."""
    shape = "{kind: blob, centre: [.inf, 0.0], spread: [0.1, 0.1]}"
    path = tmp_path / "drawing.yaml"
    path.write_text(f"name: x\nclasses: [a, b]\ntrain: {{shapes: {{a: [{shape}]}}}}", encoding="utf-8")
    with pytest.raises(UserError, match=r"train\.shapes\.a\.0\.centre\.0"):
        load(Drawing, path)
