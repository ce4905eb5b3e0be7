"""Compare hyperparameter tuners with manual models, blindly: eval data are decoded once per model.

The library does not depend on Snakemake. The rules in ``workflow/rules`` call it through ``workflow/scripts``. In a
notebook, begin with ``from blindtune import open_results``; see `blindtune.results`.
"""

from importlib import import_module
from typing import Any

#: What the package itself offers, and the module that has it.
_OFFERED = {"open_results": "blindtune.results", "__version__": "blindtune.version"}


def __getattr__(name: str) -> Any:
    """Return what `_OFFERED` names, imported when it is first asked for.

    A plain import would put these modules into digests of code, and make every command slower.
    """
    if name not in _OFFERED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_OFFERED[name]), name)
