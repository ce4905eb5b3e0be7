"""Where the small files that ship with blindtune lie."""

from pathlib import Path

RESOURCES = Path(__file__).parents[4] / "resources"
