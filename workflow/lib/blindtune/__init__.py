"""Compare hyperparameter tuners with manual models, blindly: eval data are decoded once per model.

The library does not depend on Snakemake. The rules in ``workflow/rules`` call it through ``workflow/scripts``. In a
notebook, begin with ``from blindtune import open_results``; see `blindtune.results`.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

#: What the package itself offers, and the module that has it.
_OFFERED = {"open_results": "blindtune.results"}


def __getattr__(name: str) -> Any:
    """Return what `_OFFERED` names, imported when it is first asked for.

    A plain import would put this module into the digest of all code, and make every command slower.
    """
    if name not in _OFFERED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_OFFERED[name]), name)
