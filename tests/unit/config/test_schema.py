"""The config: what is valid, what is refused with which message, and that its files match its model."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from blindtune.config import generate as document
from blindtune.config.defaults import DEFAULT
from blindtune.config.schema import Config, merge, read
from blindtune.config.training import Training, TrainingOverrides
from blindtune.core.budget import Budget
from blindtune.core.errors import UserError
from blindtune.core.files import canonical_json
from blindtune.views.config import SamplesView
from support.builders import OVERLAYS, ROOT, config, merged, write_csv_folder

SPACE = "layers: {type: int, low: 1, high: 2}\nunits: {type: int, low: 1, high: 2}\n"
HEAVY = ("torch", "tensorflow", "jax", "keras", "keras_tuner", "sklearn", "scipy", "matplotlib", "pandas")


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """Return a folder with the CSV files of a toy dataset."""
    write_csv_folder(tmp_path / "csv")
    return str(tmp_path / "csv")


def catch_message(content: dict[str, Any]) -> str:
    """Return the message with which a config is refused."""
    with pytest.raises(UserError) as caught:
        read(content, "my.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("section", "name", "entry"),
    [
        ("systems", "knn", {"kind": "tuner", "estimator": "knn", "space": "knn"}),
        ("systems", "mlp_a1", {"estimator": "svc", "space": "svc"}),
        ("datasets", "digits", {"source": "table", "file": "digits.csv"}),
    ],
)
def test_read_names_keys_that_came_from_the_default(section: str, name: str, entry: dict[str, Any]) -> None:
    """An entry of another kind with the name of one in config.yaml gets the keys of that one; the message says so."""
    if "kind" in entry:
        entry = entry | {"tuner": {"library": "optuna", "algorithm": "tpe"}}
    hint = f"{section}.{name}: got the keys of its namesake in config.yaml too"
    assert hint in catch_message(merge(DEFAULT, {section: {name: entry}}))
    assert "config.yaml" not in catch_message(merge(DEFAULT, {section: {name: {"no_key": 1}}}))


def test_default_config_matches_the_model() -> None:
    """config.yaml is what `generate` writes, and has every default of the model."""
    assert (ROOT / "config.yaml").read_text(encoding="utf-8") == document.default_config(), (
        "python -m blindtune.config.generate"
    )
    assert yaml.safe_load(document.default_config()) == dump_all(read(DEFAULT, "default"))


def dump_all(value: Any) -> Any:
    """Return plain data with every key, those too that are left out of records where they are not set."""
    if isinstance(value, BaseModel):
        return {name: dump_all(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, dict):
        return {key: dump_all(part) for key, part in value.items()}
    return [dump_all(part) for part in value] if isinstance(value, list | tuple) else value


def test_schema_file_matches_the_model() -> None:
    """The JSON schema file is what `generate` writes."""
    path = ROOT / "workflow" / "schemas" / "config.schema.json"
    assert path.read_text(encoding="utf-8") == document.schema(), "python -m blindtune.config.generate"
    assert json.loads(document.schema())["$schema"].startswith("https://json-schema.org/")


def test_default_config_explains_every_key() -> None:
    """Every key of config.yaml has a comment where it first appears."""
    lines = document.default_config().splitlines()
    unexplained = []
    for number, line in enumerate(lines):
        key = line.strip().removeprefix("- ").split(":")[0]
        first = next(
            place for place, other in enumerate(lines) if other.strip().removeprefix("- ").split(":")[0] == key
        )
        is_name = key in DEFAULT["datasets"] or key in DEFAULT["systems"]
        if line.strip() and not line.strip().startswith("#") and not is_name and first == number:
            unexplained += [] if lines[number - 1].strip().startswith("#") else [key]
    # Tags, which select the kind of the other keys, need no comment; the last two are names that a config chooses.
    assert set(unexplained) <= {"source", "kind", "library", "dcis", "indc"}


def test_write_can_be_read_back(tmp_path: Path) -> None:
    """The written config reads back as the default config."""
    document.write(tmp_path)
    content = yaml.safe_load((tmp_path / "config.yaml").read_text(encoding="utf-8"))
    assert read(content, "config.yaml") == read(DEFAULT, "default")


def test_overlays_exist() -> None:
    """The project has overlays, so that the test of overlays has cases."""
    assert OVERLAYS


@pytest.mark.parametrize("name", OVERLAYS)
def test_read_takes_every_overlay(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every overlay fits on top of config.yaml, or only lacks files of the user, and has a name not used there."""
    monkeypatch.chdir(ROOT)
    content = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    for path in OVERLAYS[name]:
        content = merged(content, yaml.safe_load(path.read_text(encoding="utf-8")))
    parsed = Config.model_validate(content)
    supplied = [
        file
        for comparison in parsed.compare
        for file in parsed.sources[comparison.dataset].user_files().values()
        if not Path(file).exists()
    ]
    if supplied:
        with pytest.raises(UserError, match="does not exist"):
            read(content, name)
    else:
        assert read(content, name).studies()
    assert parsed.name != DEFAULT["name"], "results of two configs in one folder"


def test_read_takes_the_smallest_config(folder: str) -> None:
    """The smallest config gives one study and the documented defaults."""
    parsed = read(config(folder), "my.yaml")
    assert [study.id for study in parsed.studies()] == ["test/toy/knn/42"]
    assert parsed.studies()[0].budget is None
    assert (parsed.score_epoch, parsed.keep_best, parsed.allow_repeated_decode) == ("last", 1, [])


def test_studies_keep_the_order_of_the_config(folder: str) -> None:
    """Studies are ordered by system, then by seed, as in the config."""
    content = config(folder, seeds=[2, 1])
    content["systems"]["other"] = {"kind": "knn", "n_neighbors": [3]}
    content["compare"][0]["systems"] = ["other", "knn"]
    assert [study.id.removeprefix("test/toy/") for study in read(content, "x").studies()] == [
        "other/2",
        "other/1",
        "knn/2",
        "knn/1",
    ]


TUNER = {
    "kind": "tuner",
    "tuner": {"library": "keras-tuner", "algorithm": "random"},
    "space": "mlp",
}
TOY = {"dataset": "toy", "systems": ["knn"], "budget": {"trials": 2}}


def test_studies_give_the_budget_to_tuners_only(folder: str) -> None:
    """Only the studies of tuners have the budget of their comparison."""
    content = config(
        folder, systems={"tuned": TUNER}, compare=[TOY | {"systems": ["knn", "tuned"], "budget": {"trials": 9}}]
    )
    assert [study.budget for study in read(content, "x").studies()] == [None, Budget(trials=9)]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"compare": [TOY, TOY]}, ["compare", "dataset twice"]),
        ({"compare": [TOY | {"systems": ["knm"]}]}, ["compare.0.systems", "'knm'", "did you mean 'knn'?"]),
        ({"compare": [TOY | {"systems": ["knn", "knn"]}]}, ["compare.0.systems", "twice"]),
        ({"compare": [TOY | {"systems": []}]}, ["compare.0.systems"]),
        ({"compare": [TOY | {"dataset": "toys"}]}, ["compare.0.dataset", "'toys'", "did you mean 'toy'?"]),
        ({"compare": []}, ["compare"]),
        ({"compare": [TOY | {"budget": {"trials": 0}}]}, ["compare.0.budget.trials", "greater than 0"]),
        ({"compare": [TOY | {"budget": {"trials": 2.5}}]}, ["compare.0.budget.trials"]),
        ({"compare": [TOY | {"budget": {"trails": 2}}]}, ["compare.0.budget.trails", "did you mean 'trials'?"]),
        ({"allow_repeated_decode": ["toy/knm"]}, ["allow_repeated_decode", "'toy/knm'", "did you mean 'toy/knn'?"]),
        ({"allow_repeated_decode": ["knn"]}, ["allow_repeated_decode", "'knn'"]),
        ({"seeds": [0]}, ["seeds.0", "greater than 0"]),
        ({"seeds": []}, ["seeds"]),
        ({"seeds": [1, 1]}, ["seeds", "twice"]),
        ({"seeds": 42}, ["seeds", "list"]),
        ({"keep_best": 0}, ["keep_best"]),
        ({"score_epoch": "worst"}, ["score_epoch", "'worst'", "'last' or 'best'"]),
        ({"name": "My Study"}, ["name", "'My Study'"]),
        ({"name": "../up"}, ["name"]),
        ({"sceds": [1]}, ["sceds: unknown key", "did you mean 'seeds'?"]),
        ({"systems": {"Bad Name": {"kind": "knn", "n_neighbors": [1]}}}, ["systems.Bad Name"]),
        ({"systems": {"knn": {"neighbors": [1]}}}, ["systems.knn.neighbors", "did you mean 'n_neighbors'?"]),
        ({"systems": {"knn": {"n_neighbors": [0]}}}, ["systems.knn.n_neighbors.0", "greater than 0"]),
        ({"systems": {"knn": {"n_neighbors": []}}}, ["systems.knn.n_neighbors"]),
        ({"systems": {"knn": {"kind": "svm"}}}, ["systems.knn.kind", "'svm'", "known: bayes, knn,"]),
        (
            {"systems": {"net": {"kind": "manual", "model": "mlp_m1", "trainer": "skorch", "view": {"kind": "crops"}}}},
            ["systems.net", "trainer: skorch", "draws no random views"],
        ),
        (
            {"systems": {"net": {"kind": "manual", "model": "mlp_m1", "trainer": "fused", "view": {"kind": "crops"}}}},
            ["systems.net", "trainer: fused", "draws no random views"],
        ),
        ({"systems": {"knn": {"view": {"kind": "crops"}}}}, ["systems.knn.view.kind", "'crops'", "features, samples"]),
        ({"systems": {"knn": {"view": {"kind": "features"}}}}, ["systems.knn on toy", "no view 'features'", "samples"]),
        ({"datasets": {"toy": {"source": "csv"}}}, ["datasets.toy.source", "'csv'", "did you mean 'csv_folder'?"]),
        ({"datasets": {"toy": {"fetch": "set_10"}}}, ["datasets.toy: ", "either folder", "or fetch"]),
        ({"datasets": {"toy": {"folder": None}}}, ["datasets.toy: ", "either folder", "or fetch"]),
        ({"datasets": {"toy": {"folder": None, "fetch": "set_11"}}}, ["datasets.toy: ", "'set_11'", "did you mean"]),
    ],
)
def test_read_refuses_a_wrong_value_by_its_path(folder: str, changes: dict[str, Any], words: list[str]) -> None:
    """A value that does not fit is refused in a message with its path."""
    message = catch_message(config(folder, **changes))
    assert all(word in message for word in ["my.yaml", *words]), message


def make_system_config(folder: str, **settings: Any) -> dict[str, Any]:
    """Return a config that compares one system with these settings."""
    return config(folder, systems={"it": settings}, compare=[TOY | {"systems": ["it"]}])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"kind": "knn", "n_neighbors": [2, 3, 2]}, "systems.it on toy: n_neighbors: lists 2 twice"),
        ({"kind": "random_forest", "n_estimators": [5], "max_depth": [0, 0]}, "max_depth: lists 0 twice"),
    ],
)
def test_read_refuses_a_candidate_that_is_listed_twice(folder: str, settings: dict[str, Any], words: str) -> None:
    """A candidate is trained once."""
    assert words in catch_message(make_system_config(folder, **settings))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"kind": "manual", "model": "convnet_m"}, ["fused", "dense, dropout, flatten alone", "conv2d (layer 1"]),
        (TUNER | {"space": "convnet", "family": "convnet"}, ["fused", "the family mlp alone, not convnet"]),
    ],
)
def test_read_refuses_what_fused_cannot_train(folder: str, settings: dict[str, Any], words: list[str]) -> None:
    """A model or space that the fused trainer cannot train is refused."""
    message = catch_message(make_system_config(folder, **settings, trainer="fused"))
    assert all(word in message for word in ["systems.it", "use keras or pytorch", *words]), message


def test_read_checks_overrides_with_each_tuner(folder: str) -> None:
    """Overrides of a comparison are checked together with each tuner that they apply to."""
    content = make_system_config(folder, **TUNER, trainer="fused")
    content["compare"][0]["tuner_overrides"] = {"view": {"kind": "crops"}}
    message = catch_message(content)
    assert "systems.it on toy: trainer: fused takes whole arrays and draws no random views" in message


@pytest.mark.parametrize("kind", ["model", "space"])
def test_read_names_a_missing_file_of_a_system(folder: str, tmp_path: Path, kind: str) -> None:
    """A missing model or space file of a system is named."""
    settings = {"kind": "manual", "model": "mlp"} if kind == "model" else TUNER | {"space": str(tmp_path / "no.yaml")}
    message = catch_message(make_system_config(folder, **settings))
    assert "systems.it" in message and "does not exist" in message
    assert ("mlp.yaml" if kind == "model" else "no.yaml") in message


def test_read_names_a_missing_file_of_a_dataset(tmp_path: Path) -> None:
    """A missing file of a dataset is named."""
    message = catch_message(config(str(tmp_path / "nowhere")))
    assert "datasets.toy" in message and "nowhere/train.csv" in message and "does not exist" in message


def test_read_ignores_files_of_unused_systems(folder: str) -> None:
    """Files of a system that no comparison names are not checked."""
    content = config(folder, systems={"spare": {"kind": "manual", "model": "no/such.yaml"}})
    assert read(content, "x").studies()


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ("layers: {type: int, low: 1, high: 2}\nunits: {type: int, low: 1, high: 2}\nunts: {type: bool}", ["'units'?"]),
        ("units: {type: int, low: 1, high: 2}", ["layers"]),
        ("layers: {type: int, low: 1, high: 2}", ["units"]),
        ("layers: {type: int, low: 3, high: 2}", ["layers", "low 3"]),
        (SPACE + "activation: {type: choice, options: [relu, swish]}", ["activation", "'swish'", "'relu'"]),
        (SPACE + "optimizer: {type: choice, options: [adm]}", ["optimizer", "'adm'"]),
        ("", ["dictionary"]),
        ("layers: [", ["not valid YAML"]),
    ],
)
def test_read_refuses_a_wrong_search_space(folder: str, tmp_path: Path, space: str, words: list[str]) -> None:
    """A wrong search space is refused while planning, with its path and the key."""
    path = tmp_path / "space.yaml"
    path.write_text(space, encoding="utf-8")
    message = catch_message(make_system_config(folder, **(TUNER | {"space": str(path)})))
    assert all(word in message for word in [str(path), *words])


@pytest.mark.parametrize(
    ("model", "word"),
    [
        ("layers: []\ntraining: {epochz: 3}", "did you mean 'epochs'?"),
        ("layers: [{kind: dense, units: 3, activation: rleu}]\ntraining: {}", "rleu"),
        ("layers: [{kind: conv}]\ntraining: {}", "conv"),
        ("training: {}", "layers"),
    ],
)
def test_read_refuses_a_wrong_manual_model(folder: str, tmp_path: Path, model: str, word: str) -> None:
    """A wrong model file is refused while planning, with its path and the key."""
    path = tmp_path / "model.yaml"
    path.write_text(model, encoding="utf-8")
    message = catch_message(make_system_config(folder, kind="manual", model=str(path)))
    assert word in message and str(path) in message


def test_read_is_pure_and_fast() -> None:
    """Reading a config twice gives equal results, does not change the content and is fast."""
    before = canonical_json(DEFAULT)
    started = time.process_time()  # of this process alone: other work of the machine does not count
    assert read(DEFAULT, "default") == read(DEFAULT, "default")
    assert time.process_time() - started < 2.0
    assert canonical_json(DEFAULT) == before


def test_planning_imports_no_heavy_library() -> None:
    """Planning all studies takes less than two seconds and imports no heavy library."""
    script = f"""
import sys, time
from blindtune import stages
from blindtune.config.schema import read
from blindtune.config.defaults import DEFAULT
started = time.process_time()
config = read(DEFAULT, "default")
for study in config.studies():
    stages.study_digest(study.settings, config.datasets[study.dataset])
print(time.process_time() - started, [name for name in {HEAVY} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
        env={"PYTHONPATH": str(ROOT / "workflow" / "lib")},
    )
    seconds, loaded = done.stdout.split(" ", 1)
    assert loaded.strip() == "[]"
    assert float(seconds) < 2.0


def test_settings_merge_overrides_of_training_key_by_key(folder: str) -> None:
    """Keys that a comparison does not override keep the values of each system's own entry."""
    own = TUNER | {"training": {"epochs": 3, "batch_size": 9, "learning_rate": 0.005, "initial_weights": "keras"}}
    compared = TOY | {"systems": ["one"], "tuner_overrides": {"training": {"epochs": 7, "batch_size": 32}}}
    parsed = read(config(folder, systems={"one": own}, compare=[compared]), "x")
    training = parsed.settings("toy", "one").training
    assert training == Training(epochs=7, batch_size=32, learning_rate=0.005, initial_weights="keras")


def test_training_overrides_have_every_key_of_training() -> None:
    """A key of `Training` that cannot be overridden would be kept silently."""
    assert set(TrainingOverrides.model_fields) == set(Training.model_fields)


def test_settings_share_overrides_among_tuners(folder: str) -> None:
    """The overrides of a comparison give all its tuners the same space and training, and change nothing else."""
    other = TUNER | {"trainer": "pytorch", "training": {"epochs": 3, "batch_size": 9}}
    shared = {"space": "mlp_dropout", "training": {"epochs": 7}}
    compared = TOY | {"systems": ["knn", "one", "two"], "tuner_overrides": shared}
    parsed = read(config(folder, systems={"one": TUNER, "two": other}, compare=[compared]), "x")
    one, two = (parsed.settings("toy", name) for name in ("one", "two"))
    assert one.space == two.space == "mlp_dropout"
    assert (one.training, two.training) == (Training(epochs=7), Training(epochs=7, batch_size=9))
    assert (one.trainer, two.trainer) == ("keras", "pytorch")
    assert [study.settings for study in parsed.studies()][1:] == [one, two]
    view = SamplesView(kind="samples")
    assert parsed.settings("toy", "knn") == parsed.systems["knn"].model_copy(update={"view": view})
    with pytest.raises(UserError, match=r"systems\.one on toy: .*nowhere\.yaml does not exist"):
        lost = compared | {"systems": ["one"], "tuner_overrides": {"space": "nowhere.yaml"}}
        read(config(folder, systems={"one": TUNER}, compare=[lost]), "x")
