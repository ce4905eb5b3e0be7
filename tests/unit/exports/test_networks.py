"""Frozen networks as files that other programs load: they answer as the frozen model does."""

import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blindtune.cli import FORMS, main
from blindtune.config.systems import Knn, Manual, Tuned
from blindtune.core.job_log import JobLog
from blindtune.decoding.frozen_model import FrozenModel
from blindtune.exports import networks
from blindtune.models import pytorch
from blindtune.models.architecture import Architecture
from blindtune.models.layers import (
    AnyLayer,
    Conv1D,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Lstm,
    MaxPool1D,
    MaxPool2D,
)
from blindtune.results import TrainedModel, open_results
from blindtune.study.run import run_study
from blindtune.training.base import Model
from support.builders import points, prepare_toy, study
from support.own_code import ask_in_this_process

MODEL = "layers: [{kind: dense, units: 4, activation: relu}, {kind: dropout, rate: 0.1}]\n"
MODEL += "training: {epochs: 2, batch_size: 20}\n"


@pytest.fixture(autouse=True)
def asked_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask code in this process, which has imported the libraries already."""
    ask_in_this_process(monkeypatch)


def freeze(root: Path, settings: Any, system: str) -> Path:
    """Run a study below ``root`` and return its folder."""
    root = root / "results" / "test"
    data = prepare_toy(root).open()
    files = settings.files() if isinstance(settings, Tuned) else {}
    if isinstance(settings, Manual):
        files["model"] = root / "model.yaml"
        files["model"].write_text(MODEL, encoding="utf-8")
    folder = root / "studies" / "toy" / system / "42"
    run_study(study(settings, system=system), data, files=files, code="code", folder=folder, job_log=JobLog())
    return folder


def manual(trainer: Any) -> Manual:
    """Return the settings of a manual model."""
    return Manual(kind="manual", model="model.yaml", trainer=trainer)


def export(form: str, folder: Path, to: Path) -> Path:
    """Export a study and return its folder in the export."""
    assert main(["export", "--form", form, "--to", str(to), str(folder)]) == 0
    return to / "test" / "toy" / folder.parent.name / "42"


def expected(folder: Path) -> tuple[TrainedModel, Any, Any]:
    """Return the model of a study, new samples, and the probabilities that it gives them."""
    model, x = open_results(folder).studies[0].model(), points(40, 7)[0]
    return model, x, model.predict_proba(x)


def test_export_torch_is_loaded_without_blindtune(tmp_path: Path) -> None:
    """A program with PyTorch alone loads the network as model.json says, and gets the same probabilities."""
    folder = freeze(tmp_path, manual("pytorch"), "net")
    out = export("torch", folder, tmp_path / "out")
    _, x, probabilities = expected(folder)
    about = json.loads((out / "model.json").read_text(encoding="utf-8"))
    assert about["classes"] == ["0", "1"] and about["input"]["shape"] == ["n_samples", 2]
    assert about["output"].startswith("logits")
    np.save(out / "x.npy", x)
    code = f"""
import sys, numpy, torch
{about["load"]}
with torch.no_grad():
    scores = network(torch.from_numpy(numpy.load("x.npy")))
numpy.save("found.npy", scores.softmax(dim=1).numpy())
print("blindtune" in sys.modules)
"""
    ended = subprocess.run([sys.executable, "-c", code], cwd=out, env={}, capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.returncode) == ("False\n", 0), ended.stderr
    np.testing.assert_allclose(np.load(out / "found.npy"), probabilities, atol=1e-6)


def test_export_of_a_sigmoid_output_gives_logits(tmp_path: Path) -> None:
    """A sigmoid is left out in training: model.json says that the network gives logits, and so it does."""
    space = tmp_path / "space.yaml"
    names = {"units": 4, "activation": "relu", "output_activation": "sigmoid"}
    lines = [f"{name}: {{type: fixed, value: {value}}}" for name, value in names.items()]
    space.write_text("\n".join([*lines, "layers: {type: int, low: 1, high: 2}"]), encoding="utf-8")
    settings = Tuned.model_validate(
        {"kind": "tuner", "tuner": {"library": "optuna", "algorithm": "random"}, "space": str(space)}
        | {"trainer": "pytorch", "family": "mlp", "training": {"epochs": 2, "batch_size": 16}}
    )
    folder = freeze(tmp_path, settings, "net")
    out = export("torch", folder, tmp_path / "out")
    _, x, probabilities = expected(folder)
    np.save(out / "x.npy", x)
    about = json.loads((out / "model.json").read_text(encoding="utf-8"))
    assert about["output"] == "logits: a softmax gives probabilities"
    code = f"""
import numpy, torch
{about["load"]}
with torch.no_grad():
    scores = network(torch.from_numpy(numpy.load("x.npy")))
numpy.save("found.npy", scores.softmax(dim=1).numpy())
"""
    ended = subprocess.run([sys.executable, "-c", code], cwd=out, env={}, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    np.testing.assert_allclose(np.load(out / "found.npy"), probabilities, atol=1e-6)


def test_export_keras_gives_the_same_probabilities(tmp_path: Path) -> None:
    """The .keras file answers as the frozen model."""
    pytest.importorskip("tensorflow")
    folder = freeze(tmp_path, manual("keras"), "net")
    out = export("keras", folder, tmp_path / "out")
    import keras

    _, x, probabilities = expected(folder)
    loaded = keras.saving.load_model(out / "model.keras", safe_mode=True)
    scores = keras.ops.softmax(loaded.predict(x, verbose=0))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(scores), probabilities, atol=1e-5)


def test_export_keras_says_that_code_of_the_user_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A network with a layer that Keras does not know cannot be loaded by others, and is refused."""
    keras = pytest.importorskip("keras")

    class Own(keras.layers.Layer):  # type: ignore[misc, name-defined]
        """A layer that Keras knows in this process alone."""

        def call(self, x: Any) -> Any:
            return x

    folder = freeze(tmp_path, manual("keras"), "net")
    model = open_results(folder).studies[0].model().frozen.model
    network = keras.Sequential([keras.Input((2,)), Own(), *model.get_network().layers])  # type: ignore[misc]
    monkeypatch.setattr(FrozenModel, "model", Model(model.answer, get_network=lambda: network))
    assert main(["export", "--form", "keras", "--to", str(tmp_path / "out"), str(folder)]) == 1
    assert "Keras cannot load its network without the code that builds it" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_export_onnx_gives_the_same_probabilities(tmp_path: Path) -> None:
    """The ONNX file answers any number of samples as the frozen model."""
    pytest.importorskip("onnxscript")
    reference = pytest.importorskip("onnx.reference")
    folder = freeze(tmp_path, manual("pytorch"), "net")
    out = export("onnx", folder, tmp_path / "out")
    _, x, probabilities = expected(folder)
    scores = reference.ReferenceEvaluator(str(out / "model.onnx")).run(None, {"x": x})[0]
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares, probabilities, atol=1e-5)


def test_export_onnx_of_keras_gives_the_same_probabilities(tmp_path: Path) -> None:
    """A network of Keras has the form too; its input is named in model.json."""
    pytest.importorskip("tensorflow")
    pytest.importorskip("tf2onnx")
    reference = pytest.importorskip("onnx.reference")
    folder = freeze(tmp_path, manual("keras"), "net")
    out = export("onnx", folder, tmp_path / "out")
    _, x, probabilities = expected(folder)
    session = reference.ReferenceEvaluator(str(out / "model.onnx"))
    about = json.loads((out / "model.json").read_text(encoding="utf-8"))
    assert f"{{{session.input_names[0]!r}: x}}" in about["load"]
    scores = session.run(None, {session.input_names[0]: x})[0]
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares, probabilities, atol=1e-5)


def test_export_onnx_names_the_missing_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without ONNX there is one message with the command that installs it."""
    folder = freeze(tmp_path, Knn(kind="knn", n_neighbors=[3]), "near")
    monkeypatch.setattr(networks.importlib.util, "find_spec", lambda name: None)
    assert main(["export", "--form", "onnx", "--to", str(tmp_path / "out"), str(folder)]) == 1
    assert "pip install onnx onnxscript" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("settings", "form", "message"),
    [
        (Knn(kind="knn", n_neighbors=[3]), "torch", "test/toy/it/42: is not a network (knn), so it has no form torch"),
        (Knn(kind="knn", n_neighbors=[3]), "keras", "is not a network (knn)"),
        (manual("pytorch"), "keras", "was trained by pytorch, so it has no form keras. Take --form torch"),
        (manual("keras"), "torch", "was trained by keras, so it has no form torch. Take --form keras"),
    ],
)
def test_export_refuses_models_of_another_form(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], settings: Any, form: str, message: str
) -> None:
    """A model that has no such form is refused by name, and nothing is written."""
    folder = freeze(tmp_path, settings, "it")
    assert main(["export", "--form", form, "--to", str(tmp_path / "out"), str(folder)]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_export_refuses_a_network_that_answers_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was written is loaded again and compared with the frozen model."""
    folder = freeze(tmp_path, manual("pytorch"), "net")
    real = networks._constructor
    monkeypatch.setattr(networks, "_constructor", lambda *one: real(*one).replace("nn.ReLU", "nn.Tanh"))
    assert main(["export", "--form", "torch", "--to", str(tmp_path / "out"), str(folder)]) == 1
    assert "gives other scores than the frozen model" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_forms_of_networks_replace_only_unchanged_exports(tmp_path: Path) -> None:
    """They are forms as the others: an earlier export of the same study is replaced."""
    assert {"torch", "keras", "onnx"} <= set(FORMS)
    folder = freeze(tmp_path, manual("pytorch"), "net")
    out = export("torch", folder, tmp_path / "out")
    assert export("torch", folder, tmp_path / "out") == out
    (out / "model.py").write_text("", encoding="utf-8")
    assert main(["export", "--form", "torch", "--to", str(tmp_path / "out"), str(folder)]) == 1


@pytest.mark.parametrize(
    ("shape", "layers"),
    [
        (
            (8, 9, 3),
            [
                Conv2D(kind="conv2d", filters=2, kernel=3, activation="softplus"),
                MaxPool2D(kind="max_pool2d", size=2),
                Flatten(kind="flatten"),
                Dense(kind="dense", units=3, activation="softmax"),
            ],
        ),
        (
            (9, 2),
            [
                Conv1D(kind="conv1d", filters=2, kernel=3, activation="exponential"),
                MaxPool1D(kind="max_pool1d", size=2),
                Lstm(kind="lstm", units=3, activation="tanh", sequence=True),
                Lstm(kind="lstm", units=2, activation="relu", sequence=False),
                Dense(kind="dense", units=3, activation="linear"),
            ],
        ),
        (
            (4,),
            [
                *(
                    Dense(kind="dense", units=3, activation=name)
                    for name in ("relu", "tanh", "sigmoid", "elu", "selu", "gelu")
                ),
                Dropout(kind="dropout", rate=0.25),
                Dense(kind="dense", units=3, activation="linear"),
            ],
        ),
    ],
)
def test_code_builds_every_layer(tmp_path: Path, shape: tuple[int, ...], layers: list[AnyLayer]) -> None:
    """The written code builds each layer as it was, with the same names of weights."""
    import torch

    network = pytorch.build(Architecture(input_shape=shape, layers=tuple(layers))).eval()
    path = tmp_path / "model.py"
    path.write_text(networks._write_code("a/b/c/1", network), encoding="utf-8")
    built = runpy.run_path(str(path))["build"]().eval()
    built.load_state_dict(network.state_dict())
    x = torch.randn(5, *shape, generator=torch.Generator().manual_seed(1))
    assert torch.equal(built(x), network(x))


OWN = Path(__file__).parents[2] / "support" / "own_networks"


@pytest.mark.parametrize(
    ("files", "keys", "output"),
    [
        (("plain.py", "blocks.py"), {"space": str(OWN / "plain.yaml")}, "logits"),
        (("optuna_first.py",), {}, "logits"),
        (("ends.py",), {"space": str(OWN / "plain.yaml")}, "probabilities"),
    ],
)
def test_export_torch_copies_the_code_of_the_user(
    tmp_path: Path, files: tuple[str, ...], keys: dict[str, str], output: str
) -> None:
    """The copies build the frozen network without blindtune, after the user's own files are gone."""
    own = tmp_path / "own"
    own.mkdir()
    for name in files:
        text = (OWN / name).read_text(encoding="utf-8") if (OWN / name).is_file() else ENDS
        (own / name).write_text(text, encoding="utf-8")
    settings = Tuned.model_validate(
        {"kind": "tuner", "tuner": {"library": "optuna", "algorithm": "random"}, "model": str(own / files[0])}
        | {"trainer": "pytorch", "training": {"epochs": 2, "batch_size": 16}, **keys}
    )
    folder = freeze(tmp_path, settings, "net")
    out = export("torch", folder, tmp_path / "out")
    _, x, probabilities = expected(folder)
    shutil.rmtree(own)
    about = json.loads((out / "model.json").read_text(encoding="utf-8"))
    assert about["output"].startswith(output)
    np.save(tmp_path / "x.npy", x)
    code = f"""
import sys, numpy, torch
{about["load"]}
with torch.no_grad():
    scores = network(torch.from_numpy(numpy.load({str(tmp_path / "x.npy")!r})))
numpy.save({str(tmp_path / "found.npy")!r}, scores.numpy())
print("blindtune" in sys.modules, "optuna" in sys.modules)
"""
    ended = subprocess.run([sys.executable, "-c", code], cwd=out, env={}, capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.returncode) == ("False False\n", 0), ended.stderr
    found = np.load(tmp_path / "found.npy")
    if output == "logits":
        found = np.exp(found) / np.exp(found).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, probabilities, atol=1e-6)


#: Ends with a softmax.
ENDS = """from torch import nn

def build(hyperparameters, input_shape, n_classes):
    width = hyperparameters["units"] + hyperparameters["depth"]
    return nn.Sequential(nn.Linear(2, width), nn.ReLU(), nn.Linear(width, n_classes), nn.Softmax(dim=1))
"""


def test_export_torch_refuses_code_that_reads_other_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A copy that cannot run by itself is refused with the reason, and nothing is written."""
    (tmp_path / "width.txt").write_text("5", encoding="utf-8")
    reads = "int((Path(__file__).parent / 'width.txt').read_text())"
    code = ENDS.replace("width = ", f"width = {reads} + ").replace("from torch", "from pathlib import Path\nfrom torch")
    (tmp_path / "net.py").write_text(code, encoding="utf-8")
    settings = Tuned.model_validate(
        {"kind": "tuner", "tuner": {"library": "optuna", "algorithm": "random"}, "model": str(tmp_path / "net.py")}
        | {"trainer": "pytorch", "training": {"epochs": 1}, "space": str(OWN / "plain.yaml")}
    )
    folder = freeze(tmp_path, settings, "net")
    assert main(["export", "--form", "torch", "--to", str(tmp_path / "out"), str(folder)]) == 1
    assert "the copy of its code does not run by itself (FileNotFoundError" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
