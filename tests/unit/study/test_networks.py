"""Searches over networks in a user's code: their spaces, frozen, rebuilt, and equal to their libraries' own fit."""

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from torch.nn import functional

from blindtune.config.network_plan import check_code
from blindtune.config.systems import Tuned, read_model_space
from blindtune.config.training import Training
from blindtune.core.errors import UserError
from blindtune.core.job_log import JobLog
from blindtune.core.weights import load_weights
from blindtune.datasets.prepared import Prepared
from blindtune.decoding.frozen_model import FrozenModel
from blindtune.models.forms import create_form
from blindtune.models.network import NetworkBlueprint
from blindtune.models.network_program import open_program
from blindtune.records.model_card import ModelCard, read_card
from blindtune.records.trial import Trial, TrialLog
from blindtune.study.run import run_study
from blindtune.training.base import TrainingOptions, TrainingTask
from blindtune.training.pytorch import PyTorchTrainer
from support.builders import prepared, study
from support.own_code import ask_in_this_process

NETWORKS = Path(__file__).parents[2] / "support" / "own_networks"

pytestmark = pytest.mark.filterwarnings("ignore:.*(currentThread|getName).*:DeprecationWarning")


@pytest.fixture(autouse=True)
def asked_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask code in this process; a test that needs the child takes this back."""
    ask_in_this_process(monkeypatch)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Return a prepared toy dataset of two features and two classes."""
    return prepared(tmp_path_factory.mktemp("toy"), train=60, dev=30)


def tuned(model: Path, space: Path | None = None, **changes: Any) -> Tuned:
    """Return a tuner of a network in code, which PyTorch trains."""
    content = {
        "kind": "tuner",
        "tuner": {"library": "optuna", "algorithm": "tpe"},
        "model": str(model),
        "trainer": "pytorch",
        "training": {"epochs": 2, "batch_size": 16},
    }
    return Tuned.model_validate(content | ({"space": str(space)} if space else {}) | changes)


def plain(**changes: Any) -> Tuned:
    """Return a tuner of the network that takes a dict."""
    return tuned(NETWORKS / "plain.py", NETWORKS / "plain.yaml", **changes)


def run(settings: Tuned, data: Prepared, folder: Path, trials: int = 4, workers: int = 1) -> ModelCard:
    """Run a study and return its card."""
    return run_study(
        study(settings, budget={"trials": trials}),
        data,
        files=settings.files(),
        code="code",
        folder=folder,
        job_log=JobLog(),
        workers=workers,
    )


def read_trials(folder: Path) -> list[Trial]:
    """Return the trials of a study."""
    return TrialLog(folder / "trials.jsonl").read()


def write(folder: Path, code: str, space: str = "units: {type: int, low: 1, high: 8}\n") -> Tuned:
    """Return a tuner of code that is written to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "net.py").write_text(code, encoding="utf-8")
    (folder / "space.yaml").write_text(space, encoding="utf-8")
    return tuned(folder / "net.py", folder / "space.yaml")


def test_network_is_searched_frozen_and_rebuilt(data: Prepared, tmp_path: Path) -> None:
    """The state that is not trained is among the weights, and the rebuilt network has its dev error."""
    card = run(plain(), data, tmp_path)
    assert [trial.status for trial in read_trials(tmp_path)] == ["completed"] * 4
    assert isinstance(card.network, NetworkBlueprint) and card.architecture is None and card.training is not None
    assert card.network.hyperparameters == card.hyperparameters
    weights = load_weights(tmp_path / str(card.weights), "")
    assert {"1.weight", "2.running_mean", "2.num_batches_tracked"} <= set(weights)
    units = card.hyperparameters["units"]
    first = 2 * units + units + 2 * units
    others = (card.hyperparameters["depth"] - 1) * (units * units + 3 * units)
    assert card.n_parameters == first + others + 2 * units + 2
    model = FrozenModel(read_card(tmp_path / "card.json"), tmp_path, data)
    assert np.mean(model.predict(data.dev.x) != data.dev.y) == card.dev_error


def test_workers_change_no_record(data: Prepared, tmp_path: Path) -> None:
    """Two workers give the records of one."""
    cards = [run(plain(), data, tmp_path / str(workers), 4, workers) for workers in (1, 2)]
    one, two = ([trial.reproducible_fields() for trial in read_trials(tmp_path / name)] for name in ("1", "2"))
    assert one == two
    assert cards[0].frozen_sha256() == cards[1].frozen_sha256()


def test_code_is_part_of_the_identity(data: Prepared, tmp_path: Path) -> None:
    """Another place or another comment is the same model; other code, next to the file too, is another."""
    identities = []
    for name in ("one", "two", "three"):
        shutil.copytree(NETWORKS, tmp_path / name / "code", ignore=shutil.ignore_patterns("__pycache__"))
        if name == "two":
            with (tmp_path / name / "code" / "blocks.py").open("a", encoding="utf-8") as file:
                file.write("# a comment\n")
        if name == "three":
            path = tmp_path / name / "code" / "blocks.py"
            path.write_text(path.read_text(encoding="utf-8").replace("ReLU", "Tanh"), encoding="utf-8")
        settings = tuned(tmp_path / name / "code" / "plain.py", NETWORKS / "plain.yaml")
        card = run(settings, data, tmp_path / name / "study", 1)
        identities.append(card.frozen_sha256())
    assert identities[0] == identities[1] and identities[0] != identities[2]
    blocks = tmp_path / "one" / "code" / "blocks.py"
    blocks.write_text(blocks.read_text(encoding="utf-8").replace("ReLU", "ELU"), encoding="utf-8")
    folder = tmp_path / "one" / "study"
    with pytest.raises(UserError, match="was frozen with other code than runs now"):
        FrozenModel(read_card(folder / "card.json"), folder, data).predict(data.dev.x)


def test_changed_code_begins_another_study(data: Prepared, tmp_path: Path) -> None:
    """Records of other code are set aside."""
    code = (NETWORKS / "plain.py").read_text(encoding="utf-8").replace("from blocks import block\n", "")
    block = "\ndef block(a, b):\n    return [nn.Linear(a, b), nn.{}()]\n"
    space = (NETWORKS / "plain.yaml").read_text(encoding="utf-8")
    for name in ("ReLU", "Tanh"):
        run(write(tmp_path, code + block.format(name), space), data, tmp_path / "study", 1)
    assert len(list(tmp_path.glob("study.superseded-*"))) == 1


ERRORS = {
    "    return nn.Linear(2, 2 // (hyperparameters['units'] - hyperparameters['units']))": (
        "failed",
        r"net\.py:5: ZeroDivisionError: ",
    ),
    "    return None": ("failed", r"net\.py: build returned nothing, not a torch\.nn\.Module or a Keras model"),
    "    return nn.Linear(2, hyperparameters['units'] + 5)": (
        "invalid",
        r"net\.py: the network returns shape \(2, \d+\) for 2 samples of 2 classes; it must return one score for each",
    ),
    "    return Net(hyperparameters['units'], 'softmax')": (
        "invalid",
        r"net\.py: the network returns probabilities .* taken for logits; return what the network has before",
    ),
    "    return Net(hyperparameters['units'], 'says')": (
        "invalid",
        r"net\.py: the network returns numbers below 0, which would be taken for probabilities; set its attribute",
    ),
    "    raise SystemExit(3)": ("failed", r"net\.py:5: SystemExit: 3"),
    "    return Net(hyperparameters['units'])": ("failed", r"net\.py:12: KeyError: 'in the forward pass'"),
}


@pytest.mark.parametrize("line", ERRORS)
def test_errors_of_the_code_are_of_their_trial(data: Prepared, tmp_path: Path, line: str) -> None:
    """An error in the code is the reason of its trial, with file and line; the search goes on."""
    code = f"""from torch import nn

def build(hyperparameters, input_shape, n_classes):
    if hyperparameters["units"] > 1:
    {line}
    return nn.Linear(2, 2)

class Net(nn.Linear):
    def forward(self, x):
        if self.how:
            return super().forward(x).softmax(dim=1) if self.how == "softmax" else super().forward(x) - 9
        raise KeyError("in the forward pass")
    def __init__(self, units, how=""):
        super().__init__(2, 2)
        self.how = how
        if how == "says":
            self.gives_logits = False
"""
    settings = write(tmp_path, code, "units: {type: choice, options: [2, 3, 1]}\n")
    settings = settings.model_copy(update={"tuner": type(settings.tuner).model_validate(
        {"library": "optuna", "algorithm": "grid"})})  # fmt: skip
    run(settings, data, tmp_path / "study", 3)
    trials = read_trials(tmp_path / "study")
    status, message = ERRORS[line]
    found = {trial.status for trial in trials}
    assert found == {status, "completed"}
    [reason] = {trial.reason for trial in trials if trial.status == status and trial.hyperparameters["units"] == 2}
    assert re.search(message, str(reason)), reason


LOST = """def define_model(trial):
    return trial.suggest_int('n', 1, 2)
def objective(trial):
    define_model(trial)
    trial.suggest_categorical('optimizer', ['Adam', 'SGD'])
    trial.suggest_int('n', 1, 2)
    trial.suggest_float(name='lr', low=1e-5, high=1e-1)
"""

PLANNING = {
    "def make():\n    pass\n": r"net\.py: has no function that builds a network \(it has make\); it must hold one",
    "def objective(trial):\n    return 1\n": r"move what builds the network into define_model\(trial\)",
    "def objective(trial):\n    return 2\n": r"a classifier of scikit-learn, name that as `estimator` and write its",
    LOST: r"objective is not run, and it asks for optimizer, lr, which would not be searched\. Move what creates",
    "import nothing_like_this\n": r"net\.py:1: ModuleNotFoundError: No module named 'nothing_like_this'",
    "def build(h, s, n):\n    return 1\ndef build_model(hp):\n    return 1\n": "has build and build_model",
    "from torch import nn\ndef build(h, s, n):\n    return nn.Linear(2, n)\n": "units: no value of it changes anything",
    "import os\nos._exit(7)\n": r"ended the process that planned with it \(exit code 7",
}


@pytest.mark.parametrize("code", PLANNING)
def test_code_that_builds_no_network_is_refused_while_planning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    """What cannot be imported, holds no function, or ignores a dimension, ends the plan with a message."""
    if "_exit" in code:
        monkeypatch.undo()
    settings = write(tmp_path, code)
    space = read_model_space(settings.files()["space"], settings.model_choice)
    with pytest.raises((ValueError, UserError), match=PLANNING[code]):
        check_code(settings.model_choice, space, "space.yaml", 60, settings.training)


def test_planning_reads_the_space_once(data: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The space that planning read is what the study gets, and each of its sets can be built."""
    monkeypatch.undo()
    settings = tuned(NETWORKS / "optuna_first.py")
    space = check_code(settings.model_choice, None, "", 60, settings.training)
    assert list(space.root) == [
        "n_layers", "n_units_l0", "dropout_l0", "optimizer", "lr",
        "n_units_l1", "dropout_l1", "n_units_l2", "dropout_l2",
    ]  # fmt: skip
    # Asks another question, on the samples.
    monkeypatch.setattr("blindtune.study.setup.check_code_on_samples", lambda *args: None)
    monkeypatch.setattr("subprocess.run", lambda *args, **kwargs: pytest.fail("the code was asked again"))
    card = run(settings, data, tmp_path, 3)
    assert {trial.status for trial in read_trials(tmp_path)} == {"completed"}
    assert set(card.hyperparameters) <= {spec.name for spec in space.hyperparameters()}


def _task(model: str, values: dict[str, Any], epochs: int = 3, trainer: str = "pytorch") -> TrainingTask:
    settings = tuned(NETWORKS / model, trainer=trainer)
    blueprint = create_form(settings.model_choice).build(values, (2,), 2)
    return TrainingTask(blueprint, Training(epochs=epochs, batch_size=16), values, 7, 2)


OPTUNA_SET = {
    "n_layers": 2, "n_units_l0": 20, "dropout_l0": 0.3, "n_units_l1": 9, "dropout_l1": 0.2, "optimizer": "RMSprop",
    "lr": 0.01,
}  # fmt: skip


@pytest.mark.parametrize("loss", [functional.cross_entropy, functional.nll_loss])
def test_first_example_of_optuna_gives_the_result_of_its_own_loop(data: Prepared, loss: Any) -> None:
    """Errors of every epoch are those of the example's own loop on `optuna.trial.FixedTrial`.

    The losses are equal with the loss of this project, and up to rounding with that of the example.
    """
    outcome = PyTorchTrainer().train(
        _task("optuna_first.py", OPTUNA_SET), data.train, data.dev, TrainingOptions("last")
    )
    example = open_program(str(NETWORKS / "optuna_first.py"), {}, (2,), 2).loaded
    assert example is not None
    trial = optuna.trial.FixedTrial(OPTUNA_SET)
    torch.manual_seed(7)
    network = example.module.define_model(trial)
    optimizer = example.module.configure_optimizers(network, trial)
    train_x, dev_x = (torch.from_numpy(np.array(split.x)) for split in (data.train, data.dev))
    train_y, dev_y = (torch.from_numpy(np.array(split.y)) for split in (data.train, data.dev))
    for metrics in outcome.curve:
        network.train()
        order = torch.randperm(len(train_y))
        for rows in order.split(16):
            optimizer.zero_grad()
            loss(network(train_x[rows]), train_y[rows]).backward()
            optimizer.step()
        network.eval()
        with torch.no_grad():
            scores = network(dev_x)
        assert metrics.dev_error == int((scores.argmax(dim=1) != dev_y).sum()) / len(dev_y)
        exact = loss is functional.cross_entropy
        assert metrics.dev_loss == pytest.approx(float(loss(scores, dev_y)), rel=0 if exact else 1e-4, abs=0)


def test_promoted_training_is_that_without_a_break(data: Prepared) -> None:
    """Two epochs and two more give the curve and the weights of four."""
    trainer = PyTorchTrainer()
    whole = trainer.train(_task("optuna_first.py", OPTUNA_SET, 4), data.train, data.dev, TrainingOptions("last"))
    half = trainer.train(
        _task("optuna_first.py", OPTUNA_SET, 2), data.train, data.dev, TrainingOptions("last", keep_state=True)
    )
    rest = trainer.train(
        _task("optuna_first.py", OPTUNA_SET, 4), data.train, data.dev, TrainingOptions("last", state=half.state)
    )
    assert half.curve + rest.curve == whole.curve
    assert all(np.array_equal(rest.weights[name], array) for name, array in whole.weights.items())


def test_training_step_of_ones_own(data: Prepared, tmp_path: Path) -> None:
    """A training step of the code is what is minimised; without scores, the error on train is not known."""
    code = """import torch
from torch import nn

def build(hyperparameters, input_shape, n_classes):
    return nn.Sequential(nn.Linear(2, hyperparameters["units"]), nn.Linear(hyperparameters["units"], n_classes))

def training_step(network, batch):
    x, y = batch
    return nn.functional.cross_entropy(network(x), y) + 100
"""
    settings = write(tmp_path, code)
    card = run(settings, data, tmp_path / "study", 2)
    for trial in read_trials(tmp_path / "study"):
        assert all(metrics.train_loss > 100 and metrics.train_error is None for metrics in trial.curve)
        assert all(metrics.dev_loss < 100 for metrics in trial.curve)
    assert card.dev_error <= 1
