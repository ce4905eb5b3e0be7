"""What the report consists of, by name: the one place where a table or a figure is entered.

The workflow needs the names while it plans, so each is given with the name of the module that makes it; the modules
are imported when the report is written. That of a table has ``build``, that of a figure ``draw`` and ``CAPTION``.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Section:
    """Some of the tables under one heading.

    Attributes:
        anchor: names it within the page.
        title: its heading.
        introduction: what is to be found there.
        tables: the module of each by its name, which is the stem of its files.
    """

    anchor: str
    title: str
    introduction: str
    tables: dict[str, str]


SECTIONS = (
    Section(
        "setting",
        "The data and the arguments",
        "What was compared on what, beside what was published.",
        {"table1_datasets": "table_datasets", "table2_arguments": "table_arguments"},
    ),
    Section(
        "preparation-of-data",
        "From raw files to samples",
        "How each dataset was prepared, and what was left out on the way and why.",
        {"preparation": "table_preparation", "left_out": "table_left_out", "bad_files": "table_bad_files"},
    ),
    Section(
        "errors",
        "Error rates",
        "What every frozen model answered on train, dev and, once, on eval; which differences are more than chance; "
        "which patients and which classes were missed.",
        {
            "table3_errors": "table_errors",
            "comparisons": "table_comparisons",
            "patients": "table_patients",
            "confusion": "table_confusion",
        },
    ),
    Section(
        "networks",
        "The networks",
        "What stood behind the errors, beside what was published.",
        {"table4_architectures": "table_architectures", "table5_architectures": "table_convnets"},
    ),
    Section(
        "tuners",
        "The tuners",
        "How far each search got on a scale that begins at random search, how the tuners compare seed by seed, and "
        "what the number of datasets allows to say of them in general.",
        {"scores": "table_scores", "tuner_pairs": "table_tuner_pairs", "tuner_ranks": "table_tuner_ranks"},
    ),
    Section(
        "spending",
        "Budgets and time",
        "What each system was given and spent in every unit, what became of its trials, and where the seconds went.",
        {"costs": "table_costs", "times": "table_times"},
    ),
    Section(
        "which",
        "Which library when",
        "The questions that the guide asks of scikit-learn, Optuna and Keras Tuner, answered from these records as far "
        "as they go. Where they do not, the answer is 'not decided'.",
        {"libraries": "table_libraries", "choices": "table_choices"},
    ),
)

#: The module of each table by its name.
TABLES = {name: module for section in SECTIONS for name, module in section.tables.items()}

#: The module of each family of figures by its name; of every family there is one for each dataset.
FIGURES = {
    "splits": "figure_splits",
    "examples": "figure_examples",
    "surfaces": "figure_surfaces",
    "patients": "figure_patients",
    "search": "figure_search",
    "pairs": "figure_pairs",
    "times": "figure_times",
    "pareto": "figure_pareto",
    "cost": "figure_cost",
}

#: Those that only corpora of many raw files have, and those that none of them has, being no plane.
OF_CORPORA, OF_PLANES = ("examples", "patients"), ("splits", "surfaces")


def families(corpus: bool) -> list[str]:
    """The families of figures that a dataset has."""
    return [family for family in FIGURES if family not in (OF_PLANES if corpus else OF_CORPORA)]


def figures(datasets: Iterable[str], corpora: Container[str] = ()) -> list[str]:
    """The stem of every figure of these datasets, some of which are corpora of many raw files."""
    return [f"{family}_{dataset}" for dataset in datasets for family in families(dataset in corpora)]


def modules(of: dict[str, str]) -> list[str]:
    """The modules of `TABLES` or `FIGURES` by their full names."""
    return [f"blindtune.report.{module}" for module in of.values()]


def members(of: dict[str, str], member: str) -> dict[str, Any]:
    """What each module of `TABLES` or `FIGURES` has by the name of ``member``, in the same order."""
    return {name: getattr(import_module(f"blindtune.report.{module}"), member) for name, module in of.items()}
