"""The digest of the code that computes the answers of a frozen model: a part of the model's identity."""

from blindtune.config.systems import Bayes, System, Tuned
from blindtune.core.code_digest import digest_of
from blindtune.core.files import digest_json
from blindtune.training.registry import TRAINERS
from blindtune.views.registry import view_modules

#: Where the answers of every frozen model begin, and where those of an estimate of the Bayes error do.
FROZEN_MODEL = "blindtune.decoding.frozen_model"
ESTIMATE = "blindtune.study.estimate"


def model_modules(system: System, source: str) -> set[str]:
    """Return the modules from which the answers of a system's frozen models start.

    Args:
        system: what is frozen.
        source: the kind of the dataset's source, such as ``eeg``.
    """
    computes = ESTIMATE if isinstance(system, Bayes) else TRAINERS[system.trainer_name].module
    own = system.own_modules if isinstance(system, Tuned) else ()
    return {FROZEN_MODEL, computes, *own, *view_modules(system.view.kind, source)}


def digest_model_code(system: System, source: str) -> str:
    """Identify the code that computes what a system's frozen models answer for stored samples.

    Args:
        system: what is frozen.
        source: the kind of the dataset's source, such as ``eeg``.
    """
    return with_own_code(digest_of(*model_modules(system, source)), system)


def with_own_code(digest: str, system: System) -> str:
    """Return a digest of code with that of the file of a network in code; unchanged for all other systems.

    Args:
        digest: of modules.
        system: what they compute.
    """
    own = system.own_code if isinstance(system, Tuned) else None
    return digest if own is None else digest_json([digest, own])
