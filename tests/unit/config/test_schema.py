"""The config: what fits, what is refused and how, and that its files never drift from its model."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from blindtune.config import generate as document
from blindtune.config.defaults import DEFAULT
from blindtune.config.schema import Config, read
from blindtune.config.training import Training, TrainingOverrides
from blindtune.core.budget import Budget
from blindtune.core.errors import UserError
from blindtune.core.files import canonical_json
from support.builders import OVERLAYS, ROOT, config, merged, write_csv_folder

SPACE = "layers: {type: int, low: 1, high: 2}\nunits: {type: int, low: 1, high: 2}\n"
HEAVY = ("torch", "tensorflow", "jax", "keras", "keras_tuner", "sklearn", "scipy", "matplotlib", "pandas")


@pytest.fixture
def folder(tmp_path: Path) -> str:
    write_csv_folder(tmp_path / "csv")
    return str(tmp_path / "csv")


def refusal(content: dict[str, Any]) -> str:
    with pytest.raises(UserError) as caught:
        read(content, "my.yaml")
    return str(caught.value)


def test_the_default_config_is_what_the_model_says() -> None:
    assert (ROOT / "config.yaml").read_text(encoding="utf-8") == document.default_config(), (
        "python -m blindtune.config.generate"
    )
    assert yaml.safe_load(document.default_config()) == read(DEFAULT, "default").model_dump(mode="json")


def test_the_schema_is_what_the_model_says() -> None:
    path = ROOT / "workflow" / "schemas" / "config.schema.json"
    assert path.read_text(encoding="utf-8") == document.schema(), "python -m blindtune.config.generate"
    assert json.loads(document.schema())["$schema"].startswith("https://json-schema.org/")


def test_every_key_of_the_default_config_is_explained() -> None:
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
    # Tags, which say of which kind the rest is, explain themselves; the last two are names that a config chooses.
    assert set(unexplained) <= {"source", "kind", "library", "dcis", "indc"}


def test_the_written_files_read_back(tmp_path: Path) -> None:
    document.write(tmp_path)
    content = yaml.safe_load((tmp_path / "config.yaml").read_text(encoding="utf-8"))
    assert read(content, "config.yaml") == read(DEFAULT, "default")


def test_there_are_overlays() -> None:
    assert OVERLAYS


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_overlay_reads_over_the_default(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_the_smallest_config_reads(folder: str) -> None:
    parsed = read(config(folder), "my.yaml")
    assert [study.id for study in parsed.studies()] == ["test/toy/knn/42"]
    assert parsed.studies()[0].budget is None
    assert (parsed.score_epoch, parsed.keep_best, parsed.allow_repeated_decode) == ("last", 1, [])


def test_studies_come_in_the_order_of_the_config(folder: str) -> None:
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


def test_only_a_tuner_spends_the_budget_of_trials(folder: str) -> None:
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
        ({"systems": {"knn": {"kind": "svm"}}}, ["systems.knn", "'svm'", "'knn'"]),
        (
            {"systems": {"net": {"kind": "manual", "model": "mlp_m1", "trainer": "skorch", "view": {"kind": "crops"}}}},
            ["systems.net", "trainer: skorch", "draws no crops"],
        ),
        (
            {"systems": {"net": {"kind": "manual", "model": "mlp_m1", "trainer": "fused", "view": {"kind": "crops"}}}},
            ["systems.net", "trainer: fused", "draws no crops"],
        ),
        ({"systems": {"knn": {"view": {"kind": "crops"}}}}, ["systems.knn.view", "'crops'", "'samples', 'features'"]),
        ({"systems": {"knn": {"view": {"kind": "features"}}}}, ["systems.knn on toy", "no view 'features'", "samples"]),
        ({"datasets": {"toy": {"source": "csv"}}}, ["datasets.toy", "'csv'", "'csv_folder'"]),
        ({"datasets": {"toy": {"fetch": "set_10"}}}, ["datasets.toy: ", "either folder", "or fetch"]),
        ({"datasets": {"toy": {"folder": None}}}, ["datasets.toy: ", "either folder", "or fetch"]),
        ({"datasets": {"toy": {"folder": None, "fetch": "set_11"}}}, ["datasets.toy: ", "'set_11'", "did you mean"]),
    ],
)
def test_what_does_not_fit_is_refused_by_its_path(folder: str, changes: dict[str, Any], words: list[str]) -> None:
    message = refusal(config(folder, **changes))
    assert all(word in message for word in ["my.yaml", *words]), message


def with_system(folder: str, **settings: Any) -> dict[str, Any]:
    return config(folder, systems={"it": settings}, compare=[TOY | {"systems": ["it"]}])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"kind": "manual", "model": "convnet_m"}, ["fused", "dense, dropout, flatten alone", "conv2d (layer 1"]),
        (TUNER | {"space": "convnet", "family": "convnet"}, ["fused", "the family mlp alone, not convnet"]),
    ],
)
def test_what_the_fused_trainer_does_not_train_is_refused(
    folder: str, settings: dict[str, Any], words: list[str]
) -> None:
    message = refusal(with_system(folder, **settings, trainer="fused"))
    assert all(word in message for word in ["systems.it", "use keras or pytorch", *words]), message


def test_what_tuners_share_must_fit_each_of_them(folder: str) -> None:
    content = with_system(folder, **TUNER, trainer="fused")
    content["compare"][0]["tuner_overrides"] = {"view": {"kind": "crops"}}
    message = refusal(content)
    assert "systems.it on toy: trainer: fused takes whole arrays and draws no crops" in message


@pytest.mark.parametrize("kind", ["model", "space"])
def test_a_missing_file_of_a_system_is_named(folder: str, tmp_path: Path, kind: str) -> None:
    settings = {"kind": "manual", "model": "mlp"} if kind == "model" else TUNER | {"space": str(tmp_path / "no.yaml")}
    message = refusal(with_system(folder, **settings))
    assert "systems.it" in message and "does not exist" in message
    assert ("mlp.yaml" if kind == "model" else "no.yaml") in message


def test_a_missing_file_of_a_dataset_is_named(tmp_path: Path) -> None:
    message = refusal(config(str(tmp_path / "nowhere")))
    assert "datasets.toy" in message and "nowhere/train.csv" in message and "does not exist" in message


def test_what_nothing_compares_is_not_checked_for_files(folder: str) -> None:
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
def test_a_wrong_search_space_is_refused_while_planning(
    folder: str, tmp_path: Path, space: str, words: list[str]
) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(space, encoding="utf-8")
    message = refusal(with_system(folder, **(TUNER | {"space": str(path)})))
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
def test_a_wrong_manual_model_is_refused_while_planning(folder: str, tmp_path: Path, model: str, word: str) -> None:
    path = tmp_path / "model.yaml"
    path.write_text(model, encoding="utf-8")
    message = refusal(with_system(folder, kind="manual", model=str(path)))
    assert word in message and str(path) in message


def test_reading_is_pure() -> None:
    before = canonical_json(DEFAULT)
    started = time.perf_counter()
    assert read(DEFAULT, "default") == read(DEFAULT, "default")
    assert time.perf_counter() - started < 2.0
    assert canonical_json(DEFAULT) == before


def test_planning_is_fast_and_imports_no_heavy_library() -> None:
    script = f"""
import sys, time
from blindtune import stages
from blindtune.config.schema import read
from blindtune.config.defaults import DEFAULT
started = time.perf_counter()
config = read(DEFAULT, "default")
for study in config.studies():
    stages.study_digest(study.settings, config.datasets[study.dataset])
print(time.perf_counter() - started, [name for name in {HEAVY} if name in sys.modules])
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


def test_a_comparison_gives_every_tuner_the_same_space_and_training(folder: str) -> None:
    other = TUNER | {"trainer": "pytorch", "training": {"epochs": 3, "batch_size": 9}}
    shared = {"space": "mlp_dropout", "training": {"epochs": 7}}
    compared = TOY | {"systems": ["knn", "one", "two"], "tuner_overrides": shared}
    parsed = read(config(folder, systems={"one": TUNER, "two": other}, compare=[compared]), "x")
    one, two = (parsed.settings("toy", name) for name in ("one", "two"))
    assert one.space == two.space == "mlp_dropout"
    assert (one.training, two.training) == (Training(epochs=7), Training(epochs=7, batch_size=9))
    assert (one.trainer, two.trainer) == ("keras", "pytorch")
    assert [study.settings for study in parsed.studies()][1:] == [one, two]
    assert parsed.settings("toy", "knn") == parsed.systems["knn"]
    with pytest.raises(UserError, match=r"systems\.one on toy: .*nowhere\.yaml does not exist"):
        lost = compared | {"systems": ["one"], "tuner_overrides": {"space": "nowhere.yaml"}}
        read(config(folder, systems={"one": TUNER}, compare=[lost]), "x")
