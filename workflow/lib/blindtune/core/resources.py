"""The folder of the small files that ship with blindtune."""

from pathlib import Path

RESOURCES = Path(__file__).parents[4] / "resources"
