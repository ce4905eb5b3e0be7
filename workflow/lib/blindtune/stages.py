"""The stages of the workflow: from which modules each starts, and the digest of all the code that it runs.

A rule has the digest of its stage among its params, so that a change of code runs again what depends on it and nothing
else. A stage starts from its entry modules, which its script calls, and from the modules of the kinds that the config
names; `blindtune.core.code_digest` follows their imports. A test runs stages under a tracer and compares.

No garbage is collected meanwhile: the syntax trees of all modules are many objects, and none of them is garbage.
"""

import ast
import hashlib
from collections.abc import Iterable
from pathlib import Path

from blindtune.config.systems import Bayes, System, Tuned
from blindtune.core.code_digest import digest_of
from blindtune.core.garbage import pause_collection
from blindtune.core.syntax import dump_syntax
from blindtune.datasets.base import DatasetConfig
from blindtune.datasets.registry import source_modules
from blindtune.metrics.registry import ERROR, METRICS, is_error
from blindtune.models.forms import form_modules
from blindtune.report import contents
from blindtune.report.charts.registry import CHARTS
from blindtune.study.model_code import ESTIMATE, digest_model_code, with_own_code
from blindtune.training.registry import TRAINERS
from blindtune.tuners.registry import TUNERS
from blindtune.views.registry import view_modules

#: Where each stage begins; `blindtune.datasets.corpus.extraction` holds two.
SIMULATE = EXTRACT = "blindtune.datasets.corpus.extraction"
EXAMPLES = "blindtune.datasets.corpus.examples"
PREPARE = "blindtune.datasets.prepared"
STUDY = "blindtune.study.run"
FEATURES = "blindtune.views.feature_store"
DECODE = "blindtune.decoding.decode"
SAMPLE_SPLITS = "blindtune.decoding.sample_splits"
POST_MORTEM = "blindtune.decoding.post_mortem"
TABLES = "blindtune.report.tables.write"
FIGURES = "blindtune.report.figures.write"
PAGE = "blindtune.report.page"

#: What trains a part of a search for it.
SHARD = "blindtune.study.shard_run"

#: What a search runs, where estimates of the Bayes error run `ESTIMATE`.
SEARCH = "blindtune.study.search"


def study_modules(system: System, dataset: DatasetConfig, metric: str = ERROR) -> set[str]:
    """Return the modules from which a study starts.

    Args:
        system: what is studied.
        dataset: what it is studied on.
        metric: what is minimised.
    """
    return {STUDY, *_kind_modules(system, dataset), *_metric_modules(metric)}


def decode_modules(system: System, dataset: DatasetConfig, metric: str = ERROR) -> set[str]:
    """Return the modules from which the decode of a system's frozen models starts.

    Args:
        system: what was frozen.
        dataset: what it is decoded on.
        metric: what was minimised.
    """
    return {DECODE, *_kind_modules(system, dataset), *_metric_modules(metric)}


def post_mortem_modules(system: System, dataset: DatasetConfig, metric: str = ERROR) -> set[str]:
    """Return the modules from which the post-mortem of a search starts.

    Args:
        system: what searched.
        dataset: what it searched on.
        metric: what was minimised.
    """
    return {POST_MORTEM, *_kind_modules(system, dataset), *_metric_modules(metric)}


def study_digest(system: System, dataset: DatasetConfig, metric: str = ERROR) -> str:
    """Identify the code that determines the records of a system's studies on a dataset.

    Args:
        system: what is studied.
        dataset: what it is studied on.
        metric: what is minimised.
    """
    return _digest_of_system(study_modules(system, dataset, metric), system)


def decode_digest(system: System, dataset: DatasetConfig, metric: str = ERROR) -> str:
    """Identify the code that determines what a system's frozen models answer on eval.

    Args:
        system: what was frozen.
        dataset: what it is decoded on.
        metric: what was minimised.
    """
    return _digest_of_system(decode_modules(system, dataset, metric), system)


def post_mortem_digest(system: System, dataset: DatasetConfig, metric: str = ERROR) -> str:
    """Identify the code that determines what the trials of a search score in a post-mortem.

    Args:
        system: what searched.
        dataset: what it searched on.
        metric: what was minimised.
    """
    return _digest_of_system(post_mortem_modules(system, dataset, metric), system)


def model_digest(system: System, dataset: DatasetConfig) -> str:
    """Identify the code that is part of the identity of a system's frozen models.

    Args:
        system: what is frozen.
        dataset: what it is studied on.
    """
    with pause_collection():
        return digest_model_code(system, dataset.source)


def source_digest(stage: str, dataset: DatasetConfig) -> str:
    """Identify the code that determines what a stage of the preparation gives.

    Args:
        stage: `SIMULATE`, `EXTRACT`, `EXAMPLES` or `PREPARE`.
        dataset: what is prepared.
    """
    return _digest_of(stage, *source_modules(dataset))


def features_digest() -> str:
    """Identify the code that runs a user's code to compute features."""
    return _digest_of(FEATURES)


def sample_splits_digest() -> str:
    """Identify the code that takes the samples of all splits for their figure."""
    return _digest_of(SAMPLE_SPLITS)


def tables_digest() -> str:
    """Identify the code that writes the tables."""
    return _digest_of(TABLES, *contents.TABLES.values(), *_all_metrics())


def figures_digest() -> str:
    """Identify the code that draws the figures."""
    return _digest_of(FIGURES, *contents.FIGURE_MODULES.values(), *_all_metrics())


def page_digest() -> str:
    """Identify the code that writes the page."""
    charts = [entry.module for entry in CHARTS.values()]
    return _digest_of(PAGE, *contents.TABLES.values(), *contents.FIGURE_MODULES.values(), *charts, *_all_metrics())


def script_digest(path: Path) -> str:
    """Identify the code of a script of the workflow, whose comments and time do not count.

    Args:
        path: of the script.
    """
    return hashlib.sha256(dump_syntax(ast.parse(path.read_text(encoding="utf-8"))).encode()).hexdigest()


def _digest_of_system(modules: Iterable[str], system: System) -> str:
    return with_own_code(_digest_of(*modules, without=other_modules(system)), system)


def _digest_of(*modules: str, without: Iterable[str] = ()) -> str:
    with pause_collection():
        return digest_of(*modules, without=without)


def other_modules(system: System) -> set[str]:
    """Return the modules that only systems of other kinds run, though a shared module imports them."""
    return {SEARCH} if isinstance(system, Bayes) else {ESTIMATE}


def _all_metrics() -> list[str]:
    """Return the modules of all metrics: the report computes scores again from the answers."""
    return [entry.module for entry in METRICS.entries.values()]


def _metric_modules(metric: str) -> set[str]:
    """Return the module of a metric; the error is counted by the code that trains and scores."""
    return set() if is_error(metric) else {METRICS[metric].module}


def _kind_modules(system: System, dataset: DatasetConfig) -> set[str]:
    """Return the modules of the trainer, view, tuner and family that a system names."""
    modules = set(view_modules(system.view.kind, dataset.source))
    if isinstance(system, Bayes):
        return modules | {ESTIMATE}
    modules |= {SEARCH, SHARD, TRAINERS[system.trainer_name].module}
    if isinstance(system, Tuned):
        modules |= {TUNERS[system.tuner.library].module, *form_modules(system.model_choice)}
    return modules
