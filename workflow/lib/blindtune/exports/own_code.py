"""Export the code of a user's PyTorch network: copies of its files, and a module that builds the frozen network."""

import inspect
import json
from pathlib import Path

from blindtune.core.errors import UserError
from blindtune.models.network import NetworkBlueprint
from blindtune.models.network_program import open_blueprint

#: The folder of the copies.
_FOLDER = "code"

_HEAD = '''"""The network that was frozen for {study}; its weights are in model.safetensors."""

import importlib
import json
import sys
from pathlib import Path

HYPERPARAMETERS = json.loads({hyperparameters!r})
INPUT_SHAPE = {shape!r}
N_CLASSES = {classes!r}

sys.path.insert(0, str(Path(__file__).resolve().parent / "{folder}"))
_code = importlib.import_module({module!r})
{trial}

def build():
    """Return the network without its weights."""
    return _code.{call}
'''

#: Answers the calls of ``define_model``. What has one value alone is no hyperparameter.
_TRIAL = '''

class Trial:
    """Answers with the hyperparameters of the frozen network."""

    params = HYPERPARAMETERS

    def suggest_int(self, name, low, high, **options):
        return HYPERPARAMETERS.get(name, low)

    def suggest_float(self, name, low, high, **options):
        return HYPERPARAMETERS.get(name, low)

    def suggest_categorical(self, name, choices):
        return HYPERPARAMETERS.get(name, choices[0])
'''


def write_own_code(study: str, blueprint: NetworkBlueprint, folder: Path) -> None:
    """Write ``model.py``, whose ``build()`` returns the frozen network, and copies of the files that it needs.

    Args:
        study: id of the study.
        blueprint: what was frozen.
        folder: of the study in the export.

    Raises:
        UserError: the code has changed, or is not one that can be called without its library.
    """
    program, code = open_blueprint(blueprint), blueprint.read_code()
    if code is None or program.entry not in ("build", "define_model"):
        raise UserError(
            f"{study}: its network is built by {program.entry} of {blueprint.source}, which needs Keras Tuner. Load "
            "its weights, weights/*.safetensors in the folder of the study, into what your own code builds."
        )
    module = code.path.stem
    if not module.isidentifier() or module in code.texts:
        raise UserError(
            f"{study}: {code.path.name} cannot be imported by its name. Name it as a module, and run again."
        )
    for name, text in code.texts.items():
        path = folder / _FOLDER / (code.paths[name].relative_to(code.path.parent) if name else code.path.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    call = "build(dict(HYPERPARAMETERS), INPUT_SHAPE, N_CLASSES)"
    if program.entry == "define_model":
        known = {"input_shape": "INPUT_SHAPE", "n_classes": "N_CLASSES"}
        taken = inspect.signature(program.function).parameters
        given = [f"{name}={value}" for name, value in known.items() if name in taken]
        call = f"define_model({', '.join(['Trial()', *given])})"
    text = _HEAD.format(
        study=study,
        hyperparameters=json.dumps(blueprint.hyperparameters),
        shape=tuple(blueprint.input_shape),
        classes=blueprint.classes,
        folder=_FOLDER,
        module=module,
        trial=_TRIAL if program.entry == "define_model" else "",
        call=call,
    )
    (folder / "model.py").write_text(text, encoding="utf-8")
