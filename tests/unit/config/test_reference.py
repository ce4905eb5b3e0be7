"""The page of config keys: it is what the models say, and every message about a key names an anchor that it has."""

import re
from typing import Any

import pytest

from blindtune.config.defaults import DEFAULT
from blindtune.config.reference import list_anchors, render_reference
from blindtune.config.schema import REFERENCE_PAGE, Config, read
from blindtune.core.errors import UserError
from support.builders import ROOT

PAGE = (ROOT / REFERENCE_PAGE).read_text(encoding="utf-8")
IDS = re.findall(r'<a id="([^"]+)"></a>', PAGE)


def test_page_matches_the_models() -> None:
    """The page is what the generator writes."""
    assert render_reference() == PAGE, "python -m blindtune.config.generate"


def test_every_anchor_is_on_the_page_once() -> None:
    """Each key has one anchor, and each link of the page leads to an anchor or a heading of it."""
    assert sorted(IDS) == sorted(list_anchors())
    headings = re.findall(r"^## (.*)$", PAGE, re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert not slugs & set(IDS)
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= slugs | set(IDS)


def test_every_key_of_every_model_has_an_anchor() -> None:
    """No field of a model of the config is missing from the page."""
    definitions = [schema for schema in Config.model_json_schema()["$defs"].values() if "properties" in schema]
    ends = {anchor.rpartition(".")[2] for anchor in IDS}
    assert len(definitions) > 30
    assert {key for schema in definitions for key in schema["properties"]} | set(Config.model_fields) <= ends


@pytest.mark.parametrize(
    ("changes", "anchors"),
    [
        ({"workers": 0}, ["workers"]),
        ({"wrokers": 1}, []),
        ({"compare": [{"dataset": "digits", "systems": ["knn"], "budget": {"trials": -1}}]}, ["compare.budget.trials"]),
        ({"compare": [{"dataset": "digits", "systems": ["knn"], "budget": {"trails": 1}}]}, ["compare.budget"]),
        ({"datasets": {"workers": {"source": "table", "fle": "a.csv", "label": "x"}}}, ["datasets.table"]),
        ({"datasets": {"a": {"source": "tabel"}}}, ["datasets"]),
        (
            {"systems": {"a": {"kind": "tuner", "tuner": {"library": "optuna", "algorithm": "tep"}, "space": "mlp"}}},
            ["systems.tuner.tuner.optuna.algorithm"],
        ),
        (
            {"systems": {"a": {"kind": "knn", "n_neighbors": 0}}, "workers": 0, "seeds": [], "keep_best": 0},
            ["seeds", "keep_best", "workers"],
        ),
    ],
)
def test_messages_name_anchors_of_the_page(changes: dict[str, Any], anchors: list[str]) -> None:
    """A message ends with where its keys are described; with three of them at most."""
    with pytest.raises(UserError) as caught:
        read({**DEFAULT, **changes}, "my.yaml")
    _, _, named = str(caught.value).partition(f"\n  See {REFERENCE_PAGE}")
    assert re.findall(r"#([\w.\-]+?)[,.](?:\s|$)", named) == anchors
    assert set(anchors) <= set(IDS)
