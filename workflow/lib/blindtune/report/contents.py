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
        {"table1_datasets": "tables.datasets", "table2_arguments": "tables.arguments"},
    ),
    Section(
        "preparation-of-data",
        "From raw files to samples",
        "How each dataset was prepared, and what was left out on the way and why.",
        {"preparation": "tables.preparation", "left_out": "tables.left_out", "bad_files": "tables.bad_files"},
    ),
    Section(
        "errors",
        "Error rates",
        "What every frozen model answered on train, dev and, once, on eval; which differences are more than chance; "
        "which patients and which classes were missed.",
        {
            "table3_errors": "tables.errors",
            "comparisons": "tables.comparisons",
            "patients": "tables.patients",
            "confusion": "tables.confusion",
        },
    ),
    Section(
        "networks",
        "The networks",
        "What stood behind the errors, beside what was published.",
        {"table4_architectures": "tables.architectures", "table5_architectures": "tables.convnets"},
    ),
    Section(
        "tuners",
        "The tuners",
        "How far each search got on a scale that begins at random search, how the tuners compare seed by seed, and "
        "what the number of datasets allows to say of them in general.",
        {"scores": "tables.scores", "tuner_pairs": "tables.tuner_pairs", "tuner_ranks": "tables.tuner_ranks"},
    ),
    Section(
        "spending",
        "Budgets and time",
        "What each system was given and spent in every unit, what became of its trials, and where the seconds went.",
        {"costs": "tables.costs", "times": "tables.times"},
    ),
    Section(
        "which",
        "Which library when",
        "The questions that the guide asks of scikit-learn, Optuna and Keras Tuner, answered from these records as far "
        "as they go. Where they do not, the answer is 'not decided'.",
        {"libraries": "tables.libraries", "choices": "tables.choices"},
    ),
)

#: The module of each table by its name.
TABLES = {name: module for section in SECTIONS for name, module in section.tables.items()}

#: The module of each family of figures by its name; of every family there is one for each dataset.
FIGURES = {
    "splits": "figures.splits",
    "examples": "figures.examples",
    "surfaces": "figures.surfaces",
    "patients": "figures.patients",
    "search": "figures.search",
    "pairs": "figures.pairs",
    "times": "figures.times",
    "pareto": "figures.pareto",
    "cost": "figures.cost",
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
