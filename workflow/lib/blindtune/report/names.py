"""The names of the report's tables and figures, which the workflow needs while it plans."""

TABLES = [
    "table1_datasets",
    "table2_arguments",
    "table3_errors",
    "table4_architectures",
    "comparisons",
    "scores",
    "tuner_pairs",
    "tuner_ranks",
    "costs",
    "times",
    "libraries",
    "choices",
]

FIGURES = ("splits", "surfaces", "search", "pairs", "times", "pareto", "cost")


def figures(datasets: list[str]) -> list[str]:
    """The stem of every figure of these datasets."""
    return [f"{family}_{dataset}" for dataset in datasets for family in FIGURES]
