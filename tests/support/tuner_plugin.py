"""A tiny installed package that adds a tuner through the entry point group ``blindtune.tuners``."""

from pathlib import Path

from support.plugins import install_package

_CONFIG = """\
from typing import Literal

from blindtune.tuners.base import TunerConfig


class WalkConfig(TunerConfig):
    library: Literal["walkers"]
    algorithm: Literal["up"]
    start: int = 1
"""

_TUNER = """\
from blindtune.tuners.base import Proposal, Tuner
from walkers.config import WalkConfig
from walkers.steps import next_value


class Walker(Tuner):
    def __init__(self, config, context):
        self.units, self.space = config.start, context.space

    def ask(self):
        proposal = Proposal(self.space.snap({"layers": 1, "units_1": self.units}))
        self.units = next_value(self.units)
        return proposal


def create(config: WalkConfig, context):
    return Walker(config, context)
"""

_STEPS = """\
def next_value(value):
    return value + 1
"""

_ENTRY = """\
from blindtune.core.registry import Entry

WALK = Entry(create="walkers.tuner:create", config="walkers.config:WalkConfig")
"""


def install(folder: Path, name: str = "walkers", value: str = "walkers:WALK", entry: str = _ENTRY) -> Path:
    """Install the package below `folder`, as pip does for a target folder.

    Args:
        folder: to be put on the path.
        name: name of the entry point, the value of ``library``.
        value: object of the entry point.
        entry: text of the package's ``__init__.py``.

    Returns:
        The package's folder.
    """
    modules = {"__init__": entry, "config": _CONFIG, "tuner": _TUNER, "steps": _STEPS}
    return install_package(folder, "walkers", modules, "blindtune.tuners", f"{name} = {value}")
