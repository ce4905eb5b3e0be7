"""The setup of a search: the seeds of trials are those of version 1."""

from pathlib import Path

import pytest

from blindtune.config.systems import Knn, Manual, ManualModel, Tuned
from blindtune.config.training import TrainingOverrides
from blindtune.core.errors import UserError
from blindtune.core.resources import RESOURCES
from blindtune.core.validation import load
from blindtune.datasets.prepared import Prepared
from blindtune.study.context import StudyContext
from blindtune.study.search import search_and_freeze
from blindtune.study.setup import TaskBuilder, build_search_setup, training_hyperparameters
from support import old_records
from support.builders import study


def test_task_builder_gives_a_manual_model_the_seed_of_version_1(data: Prepared) -> None:
    """The seed derives from hyperparameters and layers together, though the record has two fields for them."""
    overrides = TrainingOverrides(epochs=5, learning_rate=0.001)
    it = study(Manual(kind="manual", model="mlp_m1", training=overrides), dataset="set_10", system="mlp_m1")
    model = load(ManualModel, RESOURCES / "models" / "mlp_m1.yaml")
    values = training_hyperparameters(model, overrides)
    assert values == old_records.TRAINING
    task = TaskBuilder(it, data, model)(values)
    assert task.seed == old_records.SEED
    assert task.architecture is not None
    assert task.architecture.model_dump(mode="json") == old_records.CARD["architecture"]


def test_task_builder_gives_neighbours_the_seed_of_version_1(data: Prepared) -> None:
    """The seed of nearest neighbours derives from the old name of k."""
    it = study(Knn(kind="knn", n_neighbors=[100]), dataset="set_10", system="knn")
    assert TaskBuilder(it, data)({"neighbours": 100}).seed == old_records.KNN["model_seed"]


def test_build_search_setup_has_the_layers_of_a_manual_model(data: Prepared, tmp_path: Path) -> None:
    """A manual model's proposal has its training settings alone; its layers are in a field of their own."""
    path = tmp_path / "model.yaml"
    path.write_text("layers: [{kind: dense, units: 4, activation: relu}]\ntraining: {epochs: 2}\n")
    setup = build_search_setup(study(Manual(kind="manual", model=str(path))), data, {"model": path})
    proposal = setup.tuner.ask()
    assert proposal is not None and "layers" not in proposal.hyperparameters
    assert setup.layers is not None and [layer.kind for layer in setup.layers] == ["dense"]
    near = build_search_setup(study(Knn(kind="knn", n_neighbors=[1])), data, {})
    assert near.layers is None


def test_search_refuses_batches_that_are_all_of_train(
    data: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sizes of batches that train alike are not searched, whatever the source; a study that was begun goes on."""
    space, folder, samples = tmp_path / "space.yaml", tmp_path / "study", len(data.train.y)
    content = {"kind": "tuner", "tuner": {"library": "optuna", "algorithm": "random"}, "space": str(space)}
    settings = Tuned.model_validate(content | {"trainer": "fused", "training": {"epochs": 1}})
    context = StudyContext(study=study(settings), data=data, preprocessing={}, folder=folder)

    def run(largest: int) -> None:
        layers = "layers: {type: int, low: 1, high: 1}\nunits: {type: int, low: 2, high: 3}\n"
        space.write_text(f"{layers}batch_size: {{type: choice, options: [{samples // 2}, {samples}, {largest}]}}\n")
        search_and_freeze(context, {"space": space})

    with pytest.raises(UserError, match=f"test/toy/it/42: .*batch_size .*Train has {samples} samples"):
        run(2 * samples)
    assert not (folder / "trials.jsonl").exists()
    run(samples // 4)
    monkeypatch.setattr("blindtune.study.search.check_batches", None)
    run(samples // 4)
