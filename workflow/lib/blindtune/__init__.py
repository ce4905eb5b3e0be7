"""blindtune: does an autotuner beat an expert, on this data and with this budget?

The library knows nothing of Snakemake; the rules in ``workflow/rules`` call it through the
adapters in ``workflow/scripts``.
"""

__version__ = "0.1.0"
