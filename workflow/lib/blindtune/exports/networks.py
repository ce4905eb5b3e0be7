"""Export frozen networks for use without blindtune: as PyTorch code with weights, a Keras file, or ONNX.

Each study gets a folder with the network and ``model.json``, which says what the network takes and gives. What was
written is loaded again and must answer dev as the frozen model does.
"""

import importlib.util
import inspect
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from blindtune.core.errors import UserError
from blindtune.core.files import write_json
from blindtune.core.weights import write_weights
from blindtune.exports.folders import make_study_folder
from blindtune.exports.own_code import write_own_code
from blindtune.exports.stored_study import StoredStudy
from blindtune.training.base import describe_error
from blindtune.training.registry import TRAINERS
from blindtune.views.apply import collect_inputs
from blindtune.views.base import SampleView

if TYPE_CHECKING:
    from torch import nn

    from blindtune.decoding.frozen_model import FrozenModel

#: Samples of dev that an exported network must answer as the frozen one.
_CHECKED = 512

#: The largest difference of two scores that is rounding: other kernels sum in another order.
_TOLERANCE = 1e-4

#: From samples, as the network gets them, to its scores, (n_samples, n_classes).
Scores = Callable[[NDArray[np.float32]], NDArray[np.float32]]

#: Writes a network into a folder and returns what the written files answer, and how to load them.
Writer = Callable[["FrozenModel", Any, Path], tuple[Scores, str]]


def write_torch(studies: list[StoredStudy], folder: Path) -> None:
    """Write ``model.py``, which builds the module, and its weights, ``model.safetensors``.

    Args:
        studies: the studies to export.
        folder: the folder of the export.

    Raises:
        UserError: a study is not finished, or its model is not a network of PyTorch that the layer language describes.
    """
    _write(studies, folder, "torch", _write_torch)


def write_keras(studies: list[StoredStudy], folder: Path) -> None:
    """Write ``model.keras``.

    Args:
        studies: the studies to export.
        folder: the folder of the export.

    Raises:
        UserError: a study is not finished, or its model is not a network of Keras.
    """
    _write(studies, folder, "keras", _write_keras)


def write_onnx(studies: list[StoredStudy], folder: Path) -> None:
    """Write ``model.onnx``.

    Args:
        studies: the studies to export.
        folder: the folder of the export.

    Raises:
        UserError: the packages of ONNX are not installed, a study is not finished, or its model is not a network.
    """
    needed = {name: None for stored in studies for name in _onnx_packages(stored.study.settings.trainer_name)}
    absent = [name for name in needed if importlib.util.find_spec(name) is None]
    if absent:
        raise UserError(f"--form onnx: needs {' and '.join(absent)}. Install it: pip install {' '.join(absent)}")
    _write(studies, folder, "onnx", _write_onnx)


def _onnx_packages(trainer: str) -> tuple[str, str]:
    """Return what PyTorch or Keras needs to write ONNX; Keras on PyTorch needs what PyTorch does."""
    return ("onnx", "tf2onnx") if trainer in ("keras", "keras-jax", "scikeras") else ("onnx", "onnxscript")


def _write(studies: list[StoredStudy], folder: Path, form: str, write: Writer) -> None:
    from blindtune.decoding.open_model import open_frozen

    for stored in studies:
        frozen = open_frozen(stored.folder)
        _check_form(frozen, form)
        get_network = frozen.model.get_network
        if get_network is None:
            raise UserError(f"{frozen.card.study}: its trainer does not give its network away.")
        network = get_network()
        place = make_study_folder(stored, folder)
        scores, load = write(frozen, network, place)
        write_json(place / "model.json", _describe(frozen, load, _describe_output(frozen, network)))
        _check_scores(frozen, network, scores)


def _check_form(frozen: "FrozenModel", form: str) -> None:
    """Refuse a model that has no such form."""
    card, trainer = frozen.card, frozen.settings.trainer_name
    if not TRAINERS[trainer].network:
        raise UserError(f"{card.study}: is not a network ({trainer}), so it has no form {form}.")
    is_keras = "keras" in trainer
    if form != "onnx" and is_keras != (form == "keras"):
        own = "keras" if is_keras else "torch"
        raise UserError(f"{card.study}: was trained by {trainer}, so it has no form {form}. Take --form {own}.")


def _describe_output(frozen: "FrozenModel", network: Any) -> str:
    """Return what a network gives; a network in code is taken as its trainer took it."""
    if frozen.card.architecture is not None:
        is_logits = frozen.task.architecture.score_kind() == "logits"
    elif "keras" in frozen.settings.trainer_name:
        from blindtune.models import keras_network

        is_logits = keras_network.gives_logits(network)
    else:
        from blindtune.models import pytorch_network

        is_logits = pytorch_network.gives_logits(network)
    if is_logits:
        return "logits: a softmax gives probabilities"
    sums = _scores_of(network, _shown(frozen, _CHECKED)).sum(axis=1)
    if np.allclose(sums, 1, atol=_TOLERANCE):
        return "probabilities"
    return "scores from 0 to 1: those of a sample, divided by their sum, are probabilities"


def _describe(frozen: "FrozenModel", load: str, output: str) -> dict[str, Any]:
    """Return what a user must know of an exported network, as plain data."""
    card = frozen.card
    x = _shown(frozen, 1)
    features = collect_inputs(frozen.settings.view, frozen.data).features
    return {
        "study": card.study,
        "frozen_sha256": card.frozen_sha256(),
        "load": load,
        "input": {"shape": ["n_samples", *x.shape[1:]], "dtype": "float32"},
        "view": card.settings.get("view"),
        "preprocessing": card.preprocessing,
        **({} if features is None else {"features_of_train": features.statistics()}),
        "output": output,
        "classes": frozen.data.classes,
        "dev_error": card.dev_error,
        **({} if card.metric is None else {"metric": card.metric, "dev_metric": card.dev_metric}),
        "hyperparameters": card.hyperparameters,
        "versions": card.versions,
    }


def _write_torch(frozen: "FrozenModel", network: Any, folder: Path) -> tuple[Scores, str]:
    import torch
    from safetensors.torch import load_file

    from blindtune.models import pytorch as networks

    write_weights(folder / "model.safetensors", networks.get_weights(network))
    if frozen.card.network is not None:
        write_own_code(frozen.card.study, frozen.card.network, folder)
        return partial(_run_own_code, frozen.card.study, folder), _LOAD_TORCH
    (folder / "model.py").write_text(_write_code(frozen.card.study, network), encoding="utf-8")
    # Our own file, written one line above: what it builds must answer as the frozen model.
    built = runpy.run_path(str(folder / "model.py"))["build"]()
    built.load_state_dict(load_file(folder / "model.safetensors"))
    built.eval()

    def scores(x: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.no_grad():
            return np.asarray(built(torch.from_numpy(x)).numpy())

    return scores, _LOAD_TORCH


#: How the form ``torch`` is loaded.
_LOAD_TORCH = (
    "import model, safetensors.torch; network = model.build().eval(); "
    "network.load_state_dict(safetensors.torch.load_file('model.safetensors'))"
)

#: Seconds in which the code of a user must answer some samples.
_TIME_LIMIT = 300

#: Answers samples by what was exported, in a process without anything of ours.
_ANSWER = """
import runpy, sys
import numpy, torch
from safetensors.torch import load_file

network = runpy.run_path("model.py")["build"]()
network.load_state_dict(load_file("model.safetensors"))
network.eval()
with torch.no_grad():
    numpy.save(sys.argv[2], network(torch.from_numpy(numpy.load(sys.argv[1]))).numpy())
"""


def _run_own_code(study: str, folder: Path, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what the exported code of a user answers, in a process of its own.

    Raises:
        UserError: the copied files are not enough to run.
    """
    with tempfile.TemporaryDirectory(prefix="blindtune-export-") as made:
        samples, answers = Path(made, "x.npy"), Path(made, "scores.npy")
        np.save(samples, x)
        command = [sys.executable, "-P", "-B", "-c", _ANSWER, str(samples), str(answers)]
        try:
            done = subprocess.run(  # noqa: S603  the user's own code, which built the frozen model too
                command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIME_LIMIT, check=False
            )
            reason = (done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        except subprocess.TimeoutExpired:
            reason = f"it took more than {_TIME_LIMIT} s"
        if not answers.is_file():
            raise UserError(
                f"{study}: the copy of its code does not run by itself ({reason[:300]}). Let it read no other files "
                "than modules next to it. Nothing was exported."
            )
        return np.asarray(np.load(answers))


def _write_keras(frozen: "FrozenModel", network: Any, folder: Path) -> tuple[Scores, str]:
    import keras

    try:
        network.save(folder / "model.keras")
        loaded = keras.saving.load_model(folder / "model.keras", compile=False, safe_mode=True)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise UserError(
            f"{frozen.card.study}: Keras cannot load its network without the code that builds it "
            f"({describe_error(error)}). Load its weights, weights/*.safetensors in the folder of the study, into what "
            "your own code builds."
        ) from error
    return lambda x: np.asarray(
        loaded.predict(x, verbose=0)
    ), "import keras; network = keras.saving.load_model('model.keras')"


def _write_onnx(frozen: "FrozenModel", network: Any, folder: Path) -> tuple[Scores, str]:
    path = folder / "model.onnx"
    try:
        if "keras" in frozen.settings.trainer_name:
            network.export(path, format="onnx", verbose=False)
        else:
            _export_torch(network, _shown(frozen, 2), path)
    except UserError:
        raise
    except Exception as error:  # of the libraries, or of the user's code that they trace
        raise UserError(
            f"{frozen.card.study}: its network cannot be written as ONNX ({type(error).__name__}: "
            f"{describe_error(error)}). Take --form torch or keras."
        ) from error
    run, name = _open_onnx(path)
    load = "import onnxruntime; network = onnxruntime.InferenceSession('model.onnx')"
    return run, f"{load}; network.run(None, {{{name!r}: x}})[0]"


def _export_torch(network: Any, example: NDArray[np.float32], path: Path) -> None:
    import torch

    torch.onnx.export(
        network,
        (torch.from_numpy(example),),
        path,
        input_names=["x"],
        output_names=["scores"],
        dynamic_shapes=({0: torch.export.Dim("n_samples", min=1)},),
        dynamo=True,
        external_data=False,
        verbose=False,
    )


def _open_onnx(path: Path) -> tuple[Scores, str]:
    """Return what an ONNX file answers, by onnxruntime if it is installed, and the name of its input."""
    if importlib.util.find_spec("onnxruntime") is not None:
        import onnxruntime

        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
    else:
        from onnx.reference import ReferenceEvaluator

        session = ReferenceEvaluator(str(path))
        name = session.input_names[0]
    return lambda x: np.asarray(session.run(None, {name: x})[0]), name


def _shown(frozen: "FrozenModel", count: int) -> NDArray[np.float32]:
    """Return the first samples of dev as the network gets them."""
    shown = frozen.view(np.asarray(frozen.data.dev.x[:count]))
    return np.array(shown.eval_batch(slice(None)) if isinstance(shown, SampleView) else shown, dtype=np.float32)


def _check_scores(frozen: "FrozenModel", network: Any, scores: Scores) -> None:
    """Refuse an export that answers dev in another way than the frozen model."""
    x = _shown(frozen, _CHECKED)
    expected, found = _scores_of(network, x), scores(x)
    if not np.allclose(expected, found, rtol=_TOLERANCE, atol=_TOLERANCE):
        raise UserError(
            f"{frozen.card.study}: the exported network gives other scores than the frozen model (by up to "
            f"{float(np.max(np.abs(expected - found))):.3g}). Nothing was exported."
        )


def _scores_of(network: Any, x: NDArray[np.float32]) -> NDArray[np.float32]:
    if callable(getattr(network, "predict", None)):
        return np.asarray(network.predict(x, verbose=0))
    import torch

    with torch.no_grad():
        device = next(network.parameters()).device
        return np.asarray(network(torch.from_numpy(x).to(device)).cpu().numpy())


def _write_code(study: str, network: "nn.Sequential") -> str:
    """Return the text of a Python file that builds a network, and needs PyTorch alone."""
    from torch import nn

    from blindtune.models import pytorch_modules

    if not isinstance(network, nn.Sequential):
        raise UserError(f"{study}: {type(network).__name__}: no code is known that builds this network.")
    lines = "".join(f"        {_constructor(module, pytorch_modules)},\n" for module in network)
    source = inspect.getsource(pytorch_modules)
    _, _, body = source.partition('"""\n')  # after the docstring of the module
    title = f'"""The network that was frozen for {study}; its weights are in model.safetensors."""\n'
    return (
        f"{title}{body}\n\ndef build() -> nn.Sequential:\n"
        f'    """Return the network without its weights."""\n    return nn.Sequential(\n{lines}    )\n'
    )


def _constructor(module: "nn.Module", own: Any) -> str:
    """Return the expression that builds a module as `blindtune.models.pytorch` does."""
    from torch import nn

    match module:
        case nn.Linear():
            return f"nn.Linear({module.in_features}, {module.out_features})"
        case nn.Dropout():
            return f"nn.Dropout({module.p!r})"
        case own.Conv1d():
            return f"Conv1d({module.in_channels}, {module.out_channels}, {module.kernel_size})"
        case own.MaxPool1d():
            return f"MaxPool1d({module.kernel_size})"
        case nn.Conv2d():
            return f"nn.Conv2d({module.in_channels}, {module.out_channels}, {module.kernel_size})"
        case nn.MaxPool2d():
            return f"nn.MaxPool2d({module.kernel_size})"
        case own.LstmModule():
            units, features = module.weight_hh.shape[1], module.weight_ih.shape[1]
            activation = _constructor(module._activation, own)
            return f"LstmModule({features}, {units}, {activation}, {module._sequence})"
        case nn.Softmax():
            return f"nn.Softmax(dim={module.dim})"
        case own.ChannelsFirst() | own.FlattenModule() | own._Exponential():
            return f"{type(module).__name__}()"
        case nn.Identity() | nn.ReLU() | nn.Tanh() | nn.Sigmoid() | nn.ELU() | nn.SELU() | nn.Softplus() | nn.GELU():
            return f"nn.{type(module).__name__}()"
        case _:
            raise UserError(f"{type(module).__name__}: no code is known that builds this layer.")
