"""Studies with class weights: in protocol and identity, by the names of classes, refused where there are none."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from blindtune.config.schema import read
from blindtune.config.systems import Knn, Manual, RandomForest, Tuned
from blindtune.core.errors import UserError
from blindtune.core.files import read_json
from blindtune.core.job_log import JobLog
from blindtune.datasets.prepared import Prepared
from blindtune.decoding.frozen_model import FrozenModel
from blindtune.records.model_card import read_card
from blindtune.records.trial import TrialLog
from blindtune.study.run import run_study
from blindtune.study.setup import TaskBuilder
from blindtune.training.registry import TRAINERS, TrainerEntry
from support.builders import config, merged, study


def systems(class_weight: Any) -> dict[str, Any]:
    """Return a system of each kind that has class weights."""
    training = {"epochs": 2, "batch_size": 20} | ({} if class_weight is None else {"class_weight": class_weight})
    weights = {} if class_weight is None else {"class_weight": class_weight}
    tuner = {"library": "optuna", "algorithm": "random"}
    return {
        "random_forest": RandomForest(kind="random_forest", n_estimators=[3], max_depth=[3], **weights),
        "manual": Manual(kind="manual", model="mlp_m1", training=training),
        "tuner": Tuned(kind="tuner", tuner=tuner, space="mlp", trainer="pytorch", training=training),  # type: ignore[arg-type]
    }


def run(data: Prepared, folder: Path, settings: Any) -> Any:
    it = study(settings)
    return run_study(it, data, files=it.settings.files(), code="code", folder=folder, job_log=JobLog())


@pytest.mark.parametrize("kind", ["random_forest", "manual", "tuner"])
def test_class_weights_are_in_protocol_and_identity(data: Prepared, tmp_path: Path, kind: str) -> None:
    """Another weight is another study and another model, which is rebuilt from its card; no seed changes."""
    cards, trials = {}, {}
    for number, weights in enumerate((None, "balanced", {"1": 20.0})):
        folder = tmp_path / str(number)
        cards[number] = run(data, folder, systems(weights)[kind])
        trials[number] = TrialLog(folder / "trials.jsonl").read()
        assert FrozenModel(read_card(folder / "card.json"), folder, data).predict(data.dev.x).shape == (30,)
    assert cards[2].frozen_sha256() != cards[0].frozen_sha256()
    assert cards[2].training.class_weight == {"1": 20.0}, "by label; here the classes are called so"
    assert "class_weight" not in (read_json(tmp_path / "0/card.json")["training"] or {})
    assert [one.seeds for one in trials[0]] == [one.seeds for one in trials[2]]
    assert all("class_weight" not in one.hyperparameters for one in trials[2])
    protocols = [str(read_json(tmp_path / str(number) / "protocol.json")["study"]) for number in range(3)]
    assert len(set(protocols)) == 3 and "class_weight" not in protocols[0]


@pytest.mark.parametrize("kind", ["random_forest", "manual", "tuner"])
def test_unknown_classes_are_refused_before_a_trial(data: Prepared, tmp_path: Path, kind: str) -> None:
    """A weight of a class that there is not ends the study with a message, not with failed trials."""
    with pytest.raises(UserError, match="it on toy: class_weight: 'one' is not a class"):
        run(data, tmp_path / "it", systems({"one": 2.0})[kind])
    assert not (tmp_path / "it" / "trials.jsonl").exists()


def test_knn_has_no_class_weights() -> None:
    """The key is refused by name, not as an unknown one."""
    with pytest.raises(ValidationError, match="class_weight: k-nearest neighbors have no class weights"):
        Knn.model_validate({"kind": "knn", "n_neighbors": [3], "class_weight": "balanced"})


def test_config_refuses_trainers_without_class_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trainer of another package that does not read the key is named while planning, for a model's file too."""
    for split in ("train", "dev", "eval"):
        (tmp_path / f"{split}.csv").write_text("0,1,1\n1,2,2\n")
    monkeypatch.setitem(TRAINERS.entries, "pytorch", TrainerEntry(create="blindtune.training.pytorch:PyTorchTrainer"))
    model = tmp_path / "model.yaml"
    model.write_text("layers: []\ntraining: {class_weight: balanced}\n")
    for training, file in (({"class_weight": "balanced"}, "mlp_m1"), ({}, str(model))):
        content = merged(
            config(str(tmp_path)),
            {"systems": {"expert": {"kind": "manual", "model": file, "training": training, "trainer": "pytorch"}}},
        )
        content["compare"][0]["systems"] = ["expert"]
        with pytest.raises(
            UserError, match=r"systems.expert on toy: class_weight: trainer pytorch has no class weights"
        ):
            read(content, "it")


def test_class_weights_are_no_dimension(tmp_path: Path) -> None:
    """A search space cannot vary them, since a trial records single values."""
    from blindtune.config.systems import read_space

    space = tmp_path / "space.yaml"
    space.write_text("layers: {type: int, low: 1, high: 2}\nunits: {type: int, low: 1, high: 2, repeat: layers}\n")
    read_space(space, "mlp")
    space.write_text(space.read_text() + "class_weight: {type: choice, options: [balanced]}\n")
    with pytest.raises(ValueError, match="class_weight is not a hyperparameter of mlp"):
        read_space(space, "mlp")


def test_estimators_take_the_names_of_classes() -> None:
    """An argument ``class_weight`` of an estimator has the names of classes, or labels; another name is refused."""
    data: Any = SimpleNamespace(classes=["healthy", "tumour"], sample_shape=(2,))

    def recipe(weights: Any, **more: Any) -> dict[str, Any]:
        content = {"kind": "tuner", "tuner": {"library": "optuna", "algorithm": "random"}, "space": "svc"}
        settings = Tuned.model_validate(content | {"estimator": "svc", "arguments": {"class_weight": weights}} | more)
        model: Any = TaskBuilder(study(settings), data)({"C": 1.0}).model
        return dict(model.parameters)

    assert recipe({"tumour": 5.0, "healthy": 1.0})["class_weight"] == {"1": 5.0, "0": 1.0}
    for same in ("balanced", {"0": 1.0, "1": 5.0}):
        assert recipe(same)["class_weight"] == same
    with pytest.raises(UserError, match="class_weight: 'tumor' is not a class: did you mean 'tumour'"):
        recipe({"tumor": 5.0, "healthy": 1.0})
