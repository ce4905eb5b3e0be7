"""The version of blindtune, stated here alone.

pyproject.toml reads it; a test compares CITATION.cff and the changelog. ``blindtune.__version__`` imports this module
when it is asked for. No other module may: a new version would then change digests of code, and with them identities.
"""

__version__ = "0.2.0"
