"""Compare hyperparameter tuners with manual models, blindly: eval data are decoded once per model.

The library does not depend on Snakemake. The rules in ``workflow/rules`` call it through ``workflow/scripts``.
"""

__version__ = "0.1.0"
