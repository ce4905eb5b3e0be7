"""The registry of the report: every table and every figure, by name, and where the page shows it.

To add a table, write a module with ``build(records)`` and add one line to a section of `SECTIONS`. To add a figure,
write a module with ``draw(dataset, styles)`` and ``CAPTION``, and add one line to `FIGURES`. A new section belongs to
one of the `VIEWS`, the parts of the page that open. The workflow reads the names while it plans, so the modules are
imported only when the report is written.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal


@dataclass(frozen=True)
class Section:
    """A section of the page: tables under one heading.

    Attributes:
        anchor: the id of the section within the page.
        title: the heading.
        introduction: what a reader finds in the section.
        tables: the module of each table by the table's name, which is the stem of its files.
    """

    anchor: str
    title: str
    introduction: str
    tables: dict[str, str]


@dataclass(frozen=True)
class FigureEntry:
    """A kind of figure; there is one figure of it for each dataset it applies to.

    Attributes:
        module: the module that draws it.
        datasets: "all"; "corpora" for datasets extracted from many raw files; "others" for all but those.
        post_mortem: whether it is drawn only where a post-mortem was made.
        title: the heading of the figure; empty: its name.
    """

    module: str
    datasets: Literal["all", "corpora", "others"] = "all"
    post_mortem: bool = False
    title: str = ""


@dataclass(frozen=True)
class View:
    """A part of the page that opens: a question with the sections that answer it.

    Attributes:
        anchor: the id of the view within the page.
        title: the question.
        sections: the anchors of its sections.
        figures: the kinds of figures that answer it too; they are with their dataset, and the view links to them.
    """

    anchor: str
    title: str
    sections: tuple[str, ...]
    figures: tuple[str, ...] = ()


SECTIONS = (
    Section(
        "setting",
        "Datasets and arguments",
        "The datasets and the arguments of every system, next to the published ones.",
        {
            "table1_datasets": "blindtune.report.tables.datasets",
            "table2_arguments": "blindtune.report.tables.arguments",
        },
    ),
    Section(
        "preparation-of-data",
        "From raw files to samples",
        "How each dataset was prepared, what was left out, and why.",
        {
            "preparation": "blindtune.report.tables.preparation",
            "equal_samples": "blindtune.report.tables.equal_samples",
            "left_out": "blindtune.report.tables.left_out",
            "bad_files": "blindtune.report.tables.bad_files",
        },
    ),
    Section(
        "errors",
        "Error rates",
        "The error of every frozen model on train, on dev and, decoded once, on eval; which differences are more than "
        "chance; and the errors by patient and by class.",
        {
            "table3_errors": "blindtune.report.tables.errors",
            "metrics": "blindtune.report.tables.metrics",
            "comparisons": "blindtune.report.tables.comparisons",
            "over_datasets": "blindtune.report.tables.over_datasets",
            "patients": "blindtune.report.tables.patients",
            "event_scores": "blindtune.report.tables.event_scores",
            "confusion": "blindtune.report.tables.confusion",
            "wrong_answers": "blindtune.report.tables.wrong_answers",
        },
    ),
    Section(
        "networks",
        "The networks",
        "The networks that made these errors, next to the published ones.",
        {
            "table4_architectures": "blindtune.report.tables.architectures",
            "table5_architectures": "blindtune.report.tables.convnets",
        },
    ),
    Section(
        "tuners",
        "The tuners",
        "How much each search improved on random search, how the tuners compare seed by seed, and what this number of "
        "datasets can tell about tuners in general.",
        {
            "scores": "blindtune.report.tables.scores",
            "tuner_pairs": "blindtune.report.tables.tuner_pairs",
            "tuner_ranks": "blindtune.report.tables.tuner_ranks",
        },
    ),
    Section(
        "post-mortem",
        "Why did it lose? A post-mortem",
        "An analysis after the fact, made only if the config asks for it and when all of its models are decoded: "
        "what every trial of a search scores on eval. Nothing was chosen by it. It tells a search that met no better "
        "model (a failure of search) from one that met a better model and did not choose it (a failure of selection).",
        {
            "post_mortem": "blindtune.report.tables.post_mortem",
            "post_mortem_trials": "blindtune.report.tables.post_mortem_trials",
        },
    ),
    Section(
        "trials",
        "What the trials tell",
        "How many trials an expert is worth, which hyperparameters mattered, and how the tuners ranked while their "
        "budgets were spent: all from the recorded trials.",
        {
            "expert_worth": "blindtune.report.tables.expert_worth",
            "importance": "blindtune.report.tables.importance",
            "ranks_over_time": "blindtune.report.tables.ranks_over_time",
        },
    ),
    Section(
        "spending",
        "Budgets and time",
        "The budget of each system, what it spent in every unit, the outcome of its trials, and where the time went.",
        {"costs": "blindtune.report.tables.costs", "times": "blindtune.report.tables.times"},
    ),
    Section(
        "which",
        "Which library to use when",
        "The guide's questions about scikit-learn, Optuna and Keras Tuner, answered from these records where they "
        "allow an answer. Otherwise the answer is 'not decided'.",
        {"libraries": "blindtune.report.tables.libraries", "choices": "blindtune.report.tables.choices"},
    ),
    Section(
        "decodes",
        "The decodes of eval",
        "Every use of the eval of each dataset that the ledger holds, in this report or not, and what was known of "
        "eval when the systems of this report were decoded.",
        {
            "decode_counts": "blindtune.report.tables.decode_counts",
            "all_decodes": "blindtune.report.tables.all_decodes",
        },
    ),
)

#: The questions of the page, in their order. The datasets come before them, the ledger is shown with the view "blind",
#: and all records come last.
VIEWS = (
    View("how-good", "How good, how sure?", ("errors",)),
    View("which-tuner", "Which tuner?", ("tuners", "which"), figures=("search", "pairs", "ranks")),
    View("cost", "What did it cost?", ("spending",), figures=("times", "cost")),
    View("found", "What did it find?", ("networks",), figures=("surfaces", "pareto", "learning")),
    View(
        "trials-tell",
        "What do the trials tell?",
        ("trials",),
        figures=("worth", "importance", "slices", "trial_curves", "outcomes"),
    ),
    View("why", "Why did it lose?", ("post-mortem",), figures=("post_mortem",)),
    View("blind", "Is it blind?", ("decodes",)),
    View("data", "Data and settings", ("setting", "preparation-of-data"), figures=("splits", "examples")),
)

#: The tables and the kinds of figures of the printed summary; the others are printed with the appendix.
SUMMARY_TABLES = frozenset({"table1_datasets", "table3_errors", "scores", "costs", "decode_counts"})
SUMMARY_FIGURES = frozenset({"search"})

#: The files of ``workflow/report`` that the page is made of.
TEMPLATES = ("page.html.j2", "page.css", "page.js")

#: The module of each table by its name.
TABLES = {name: module for section in SECTIONS for name, module in section.tables.items()}

#: Each kind of figure by its name.
FIGURES = {
    "splits": FigureEntry("blindtune.report.figures.splits", datasets="others", title="the samples of each split"),
    "examples": FigureEntry("blindtune.report.figures.examples", datasets="corpora", title="random samples"),
    "surfaces": FigureEntry("blindtune.report.figures.surfaces", datasets="others", title="decision surfaces"),
    "patients": FigureEntry("blindtune.report.figures.patients", datasets="corpora", title="errors by patient"),
    "search": FigureEntry("blindtune.report.figures.search", title="the searches: best on dev so far"),
    "pairs": FigureEntry("blindtune.report.figures.pairs", title="pairs of tuners"),
    "times": FigureEntry("blindtune.report.figures.times", title="where the time went"),
    "pareto": FigureEntry("blindtune.report.figures.pareto", title="every trial: dev, size and cost"),
    "cost": FigureEntry("blindtune.report.figures.cost", title="the frozen models: dev, eval and cost"),
    "post_mortem": FigureEntry("blindtune.report.figures.post_mortem", post_mortem=True, title="every trial on eval"),
    "worth": FigureEntry("blindtune.report.figures.worth", title="how many trials an expert is worth"),
    "importance": FigureEntry("blindtune.report.figures.importance", title="which hyperparameters mattered"),
    "slices": FigureEntry("blindtune.report.figures.slices", title="dev error by hyperparameter"),
    "learning": FigureEntry("blindtune.report.figures.learning", title="learning curves of the frozen models"),
    "trial_curves": FigureEntry("blindtune.report.figures.trial_curves", title="learning curves of the trials"),
    "outcomes": FigureEntry("blindtune.report.figures.outcomes", title="pruned and invalid sets over the search"),
    "ranks": FigureEntry("blindtune.report.figures.ranks", title="ranks of the tuners over the budget"),
}

#: The modules of all kinds of figures by their names.
FIGURE_MODULES = {name: entry.module for name, entry in FIGURES.items()}


def list_figure_kinds(is_corpus: bool, has_post_mortem: bool = False) -> list[str]:
    """Return the kinds of figures of a dataset.

    Args:
        is_corpus: whether it was extracted from many raw files.
        has_post_mortem: whether a post-mortem was made of its searches.
    """
    excluded = "others" if is_corpus else "corpora"
    return [
        name
        for name, entry in FIGURES.items()
        if entry.datasets != excluded and (has_post_mortem or not entry.post_mortem)
    ]


def list_figures(datasets: Iterable[str], corpora: Container[str] = (), post_mortems: Container[str] = ()) -> list[str]:
    """Return the file stem of every figure, ``<kind>_<dataset>``.

    Args:
        datasets: the names of the datasets of the report.
        corpora: the names of those that were extracted from many raw files.
        post_mortems: the names of those with a post-mortem.

    Returns:
        The stems, dataset by dataset.
    """
    return [
        f"{kind}_{dataset}"
        for dataset in datasets
        for kind in list_figure_kinds(dataset in corpora, dataset in post_mortems)
    ]


def load_members(modules: dict[str, str], member: str) -> dict[str, Any]:
    """Import the modules of tables or figures and return one member of each.

    Args:
        modules: `TABLES` or `FIGURE_MODULES`.
        member: the name of a function or constant that every module has.

    Returns:
        The members by the names of their tables or figures, in the order of ``modules``.
    """
    return {name: getattr(import_module(module), member) for name, module in modules.items()}
