"""A config that gives every key a value, other values of all keys, and a walk over them."""

import copy
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from blindtune.config.schema import Config
from blindtune.config.systems import NETWORK_KEYS
from blindtune.config.training import OPTIONAL_SETTINGS
from blindtune.tuners.nevergrad.config import NevergradConfig
from blindtune.tuners.nni.config import NniConfig
from blindtune.tuners.ray_tune.config import RayTuneConfig
from blindtune.tuners.smac.config import SmacConfig
from blindtune.tuners.vizier.config import VizierConfig
from blindtune.views.config import ExtractedView
from support.config_models import collect_models

#: Configs of tuners of optional engines.
ENGINE_CONFIGS: tuple[type[BaseModel], ...] = (NevergradConfig, NniConfig, RayTuneConfig, SmacConfig, VizierConfig)

#: Without these, other settings of training do nothing and are refused.
OPTIONAL: dict[str, Any] = {"early_stopping": 3, "schedule": "step"}

# Names that are not in config.yaml, so that nothing of it is merged into them.
BASE: dict[str, Any] = {
    "name": "keys",
    "seeds": [42],
    "score_epoch": "last",
    "keep_best": 1,
    "verbosity": "normal",
    "workers": 1,
    "wait_for_owner": 0,
    "container": "image.sif",
    "resources": {
        "rules": {"study": {"mem_mb": 900, "runtime": 20, "gpu": 1}},
        "systems": {"expert": {"mem_mb": 2000, "runtime": 90, "gpu": 0}},
    },
    "ledger": "results/ledger",
    "ledger_group_writable": False,
    "allow_repeated_decode": [],
    "post_mortem": False,
    "compare": [
        {
            "dataset": "drawing",
            "systems": ["near", "trees", "limit", "expert", "tuner", "optuna", "scikit", "vectors"],
            "budget": {"trials": 20},
        },
        {
            "dataset": "files",
            "systems": ["near", "tuner", "batches"],
            "budget": {"trials": 4},
            "worker_nodes": {"batches": 2},
        },
        {"dataset": "fetched", "systems": ["near", "tuner"], "budget": {"trials": 4}},
        {
            "dataset": "written",
            "systems": ["near", "optuna"],
            "budget": {"trials": 4},
            "tuner_overrides": {
                "space": "mlp",
                "family": "mlp",
                "invalid_layers": "reject",
                "trainer": "pytorch",
                "training": {"epochs": 3, **OPTIONAL},
                "view": {"kind": "samples"},
            },
        },
        {"dataset": "brains", "systems": ["near", "tuner", "listener", "framer"], "budget": {"trials": 4}},
        {
            "dataset": "tissues",
            "systems": ["near", "vectors"],
            "budget": {"trials": 4},
            "tuner_overrides": {
                "space": "svc",
                "estimator": ["svc"],
                "arguments": {"tol": 0.01},
                "parts": 3,
                "folds": 2,
            },
        },
        {
            "dataset": "pictures",
            "systems": ["near", "scikit", "median", "halving", "brackets", "cropper", "augmenter"],
            "budget": {"trials": 20},
        },
        {"dataset": "labelled", "systems": ["near"], "budget": {"trials": 2}},
        {"dataset": "rows", "systems": ["near", "scaled"], "budget": {"trials": 2}},
        {"dataset": "parted", "systems": ["near"], "budget": {"trials": 2}},
        {"dataset": "marked", "systems": ["near"], "budget": {"trials": 2}},
        {"dataset": "folded", "systems": ["near"], "budget": {"trials": 2}},
        {"dataset": "weighed", "systems": ["trees"], "budget": {"trials": 2}, "shards": {"trees": 2}},
        {"dataset": "wards", "systems": ["near"], "budget": {"trials": 2}},
    ],
    "report": {"points": 40, "surface": 20, "margin": 2.0},
    "datasets": {
        "drawing": {
            "source": "drawing",
            "drawing": "set_10",
            "sizes": {"train": 60, "dev": 30, "eval": 30},
            "seed": 1,
        },
        "files": {"source": "csv_folder", "folder": "one"},
        "fetched": {"source": "csv_folder", "fetch": "set_10"},
        "written": {"source": "digits"},
        "pictures": {"source": "images", "folder": "three"},
        "labelled": {
            "source": "images",
            "folder": "three",
            "labels": "labels.csv",
            "label_columns": {"file": "picture", "label": "kind"},
        },
        "rows": {"source": "table", "file": "five/rows.csv", "label": "class"},
        "parted": {
            "source": "table",
            "files": {"train": "five/train.csv", "dev": "five/dev.csv", "eval": "five/eval.csv"},
        },
        "marked": {"source": "table", "file": "five/rows.csv", "label": "class", "split": "part"},
        "weighed": {"source": "table", "file": "five/rows.csv", "label": "class"},
        "folded": {"source": "table", "bundled": "wine", "splitting": {"by": "fold", "folds": 5, "fold": 1}},
        "brains": {
            "source": "eeg",
            "stand_in": True,
            "simulate": {"faults": ["truncated"]},
            "sizes": {"train": 8, "dev": 4, "eval": 4},
            "patient": "/([a-z0-9]{8})_",
        },
        "wards": {
            "source": "eeg",
            "folder": "seven",
            "patient": "(P\\d)",
            "sizes": {"train": 8, "dev": 4, "eval": 4},
            "files": "*.edf",
            "same_patient": {"P9": "P1"},
            "annotations": "table",
            "annotation_table": "marks.csv",
            "event_labels": {"seizure": ["fit"], "non_epileptic": ["faint"], "other": ["yawn"]},
        },
        "tissues": {
            "stain_normalization": {"method": "macenko"},
            "source": "slides",
            "stand_in": True,
            "simulate": {"patients": {"train": 2, "dev": 2, "eval": 2}},
            "sizes": {"train": 8, "dev": 4, "eval": 4},
            "patient": "/(\\d{8})_",
            # Merged with the defaults key by key, so both are here.
            "classes": {"dcis": ["dcis"], "indc": ["indc"]},
        },
    },
    "systems": {
        "near": {"kind": "knn", "n_neighbors": [3]},
        "trees": {"kind": "random_forest", "n_estimators": [3, 5, 7]},
        "limit": {"kind": "bayes", "train": {"n_neighbors": 9}, "dev": {"n_neighbors": 5}, "eval": {"n_neighbors": 7}},
        "expert": {"kind": "manual", "model": "mlp_m1", "training": OPTIONAL},
        "tuner": {
            "kind": "tuner",
            "tuner": {"library": "keras-tuner", "algorithm": "random"},
            "space": "mlp",
            "training": OPTIONAL,
        },
        "optuna": {"kind": "tuner", "tuner": {"library": "optuna", "algorithm": "tpe"}, "space": "mlp"},
        "batches": {"kind": "tuner", "tuner": {"library": "optuna", "algorithm": "tpe", "batch": 4}, "space": "mlp"},
        "median": {
            "kind": "tuner",
            "tuner": {"library": "optuna", "algorithm": "tpe", "pruner": {"algorithm": "median"}},
            "space": "mlp",
        },
        "halving": {
            "kind": "tuner",
            "tuner": {"library": "optuna", "algorithm": "tpe", "pruner": {"algorithm": "successive-halving"}},
            "space": "mlp",
        },
        "brackets": {
            "kind": "tuner",
            "tuner": {"library": "optuna", "algorithm": "tpe", "pruner": {"algorithm": "hyperband"}},
            "space": "mlp",
        },
        "vectors": {
            "kind": "tuner",
            "tuner": {"library": "scikit-learn", "algorithm": "halving-random-search"},
            "space": "svc",
            "estimator": ["svc"],
            "arguments": {"tol": 0.001},
            "parts": 3,
        },
        "listener": {"kind": "knn", "n_neighbors": [3], "view": {"kind": "features"}},
        "scaled": {"kind": "knn", "n_neighbors": [3], "view": {"kind": "standardized"}},
        "framer": {"kind": "manual", "model": "mlp_m1", "view": {"kind": "frames"}},
        "cropper": {"kind": "manual", "model": "convnet_m", "view": {"kind": "crops"}},
        "augmenter": {"kind": "manual", "model": "convnet_m", "view": {"kind": "augmented"}},
        "scikit": {
            "kind": "tuner",
            # Halving, which takes every key; it plans by a budget that pays for seven folds.
            "tuner": {"library": "scikit-learn", "algorithm": "halving-random-search"},
            "space": "mlp",
        },
    },
}

#: Where any other value of the type would not be valid.
OTHERS: dict[str, Any] = {
    "Config.name": "other",
    "StainNormalizationConfig.target": {
        "haematoxylin": [0.6, 0.7, 0.3],
        "eosin": [0.1, 0.9, 0.2],
        "maxima": [1.5, 1.2],
    },
    "Config.ledger": "group/ledger",
    "Config.allow_repeated_decode": ["drawing/near"],
    "Comparison.dataset": "set_09",
    "Budget.epochs": 200,
    "Comparison.systems": ["trees", "near", "batches"],
    "Comparison.metric": "balanced_error",
    "Training.class_weight": "balanced",
    "TrainingOverrides.class_weight": "balanced",
    "RandomForest.class_weight": "balanced",
    "DrawingConfig.drawing": "set_09",
    "CsvFolderConfig.folder": "two",
    "CsvFolderConfig.fetch": "set_09",
    "TableConfig.file": "six/rows.csv",
    "TableConfig.format": "csv",
    "TableConfig.separator": ",",
    "TableConfig.decimal": ".",
    "TableConfig.encoding": "latin-1",
    "TableConfig.comment": "%",
    "TableConfig.header": True,
    "TableConfig.label": "colour",
    "TableConfig.features": ["size", "day"],
    "TableConfig.leave_out": ["day"],
    "TableConfig.categorical": ["day"],
    "TableConfig.group": "patient",
    "TableConfig.split": "part",
    "TableConfig.weight": "day",
    "TableConfig.missing_values": ["gone"],
    "TableFiles.train": "six/train.csv",
    "TableFiles.dev": "six/dev.csv",
    "TableFiles.eval": "six/eval.csv",
    "SplitValues.train": ["train", "more"],
    "SplitValues.dev": ["dev", "more"],
    "SplitValues.eval": ["eval", "more"],
    "TableSplitting.by": "fold",
    "ImagesConfig.folder": "four",
    "ImagesConfig.channels": 1,
    "ImagesConfig.group": "^(.)",
    "ImagesConfig.layout": "classes",
    "ImagesConfig.labels": "other.csv",
    "ImagesConfig.label_columns": "again",
    "EegConfig.patient": "([a-z0-9]{8})_s",
    "SlidesConfig.patient": "(\\d{8})_[a-z]",
    "SlidesConfig.classes": ["susp"],
    "SimulatedSlidesConfig.faults": ["empty_region"],
    "EegConfig.files": "**/*.edf",
    "EegConfig.same_patient": "P2",
    "EegConfig.annotation_table": "more_marks.csv",
    "EventLabelsConfig.seizure": ["spell"],
    "EventLabelsConfig.non_epileptic": ["swoon"],
    "EventLabelsConfig.other": ["blink"],
    "EventLabelsConfig.seizure_start": ["on"],
    "EventLabelsConfig.seizure_stop": ["off"],
    "EegConfig.sfreq": 100,
    "EegConfig.frame_length": 0.4,
    "EegConfig.frame_hop": 0.2,
    "EegConfig.order": 3,
    "EegConfig.event_step": 5.0,
    "EegConfig.min_amplitude": 2.0,
    "SimulatedEegConfig.faults": ["empty"],
    "CropsView.n_eval_crops": 4,
    "Manual.model": "mlp_m2",
    "TunerOverrides.space": "mlp_dropout",
    "Tuned.space": "mlp_dropout",
    "Tuned.estimator": ["sklearn.svm.SVC"],
    "TunerOverrides.estimator": ["sklearn.svm.SVC"],
    "Tuned.folds": 2,
    "TunerOverrides.folds": 3,
    "OptunaConfig.objectives": ["dev_error", "n_parameters"],
}

#: Keys of a tuner that only this algorithm of its library takes.
ALGORITHMS = {
    "KerasTunerConfig.num_initial_points": "bayesian",
    "KerasTunerConfig.max_epochs": "hyperband",
    "KerasTunerConfig.factor": "hyperband",
    "KerasTunerConfig.hyperband_iterations": "hyperband",
}

#: Systems that are here for one part alone; others have their other keys.
PARTS = {
    "batches": "batch",
    "median": "pruner",
    "halving": "pruner",
    "brackets": "pruner",
    "listener": "view",
    "scaled": "view",
    "framer": "view",
    "cropper": "view",
    "augmenter": "view",
}

#: Keys of recordings that a user has, which a simulated corpus lacks.
OWN_RECORDINGS = {"files", "same_patient", "annotations", "annotation_table", "event_labels"}

#: Datasets that are here for some keys alone; another dataset has their other keys.
DATASET_PARTS = {
    "parted": {"files"},
    "marked": {"split_values"},
    "folded": {"folds", "fold"},
    "weighed": {"weight"},
    "wards": OWN_RECORDINGS,
}

#: Datasets that cannot take some keys, which other datasets have.
DATASET_LACKS = {"rows": {"split_values", "folds", "fold", "weight"}, "brains": OWN_RECORDINGS}


#: The comparison whose tuners all train an estimator.
ESTIMATORS = ("compare", 5)

#: Keys that have tests of their own, since their code needs a process for each plan:
#: tests/unit/study/test_networks.py and tests/unit/config/test_network_keys.py vary the code, its place and its space.
ELSEWHERE = {"Tuned.model", "TunerOverrides.model"}
#: So have the keys of a view by own code: tests/unit/views/test_extracted.py, tests/workflow/test_features_plan.py.
ELSEWHERE |= {f"ExtractedView.{key}" for key in ExtractedView.model_fields}
#: So have the keys of optional engines, whose plans are refused where they are not installed:
#: tests/unit/tuners/test_engines.py.
ELSEWHERE |= {
    f"{model.__name__}.{key}"
    for config in ENGINE_CONFIGS
    for model in collect_models(config)
    for key in model.model_fields
}

#: Keys on which no plan depends: the verbosity of the log, how long a job waits for another run, in which image it runs
#: if it is told to run in one, and who may write.
UNPLANNED = {"Config.verbosity", "Config.wait_for_owner", "Config.container", "Config.ledger_group_writable"}


@dataclass(frozen=True)
class Leaf:
    """One key of the config.

    Attributes:
        key: ``<model>.<field>``.
        path: its path in BASE.
        value: its value in BASE, or its default.
        kind: its type.
    """

    key: str
    path: tuple[str | int, ...]
    value: Any
    kind: Any


def list_leaves(model: BaseModel, path: tuple[str | int, ...] = ()) -> Iterator[Leaf]:
    """Yield every key of a config model that is not a model itself, at any depth."""
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        parts = {(): value}
        if isinstance(value, dict):
            parts = {(key,): part for key, part in value.items()}
        elif isinstance(value, list) and value and isinstance(value[0], BaseModel):
            parts = {(number,): part for number, part in enumerate(value)}
        for step, part in parts.items():
            if isinstance(part, BaseModel):
                yield from list_leaves(part, (*path, name, *step))
            elif part is not None or not mentions_model(field.annotation):
                yield Leaf(f"{type(model).__name__}.{name}", (*path, name, *step), part, field.annotation)


def mentions_model(kind: Any) -> bool:
    """Return whether a type mentions a model."""
    return bool(collect_models(kind))


def _list_options(kind: Any) -> list[Any]:
    """Return the plain types and literal values that a type allows."""
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    if get_origin(kind) in (Union, types.UnionType):
        return [option for part in get_args(kind) for option in _list_options(part)]
    if get_origin(kind) is Annotated:
        return _list_options(get_args(kind)[0])
    return [kind]


def choose_other_value(leaf: Leaf, others: Mapping[str, Any] = OTHERS) -> Any:
    """Return another valid value of a key, or None if it has no other.

    Args:
        leaf: the key.
        others: values of keys of which not every value of the type is valid.
    """
    if leaf.key in others:
        return others[leaf.key]
    options = _list_options(leaf.kind)
    match leaf.value:
        case bool(value):
            return not value
        case int(value):
            # Sizes must be dealt evenly to two classes.
            return value + (2 if leaf.key.startswith("Sizes.") else 1)
        case float(value):
            return value / 2 or 0.5
        case [*values]:
            return [*values, max(values) + 1]
        case None:
            plain = [example for kind, example in ((int, 7), (float, 0.5), (str, "other")) if kind in options]
            if plain:
                return plain[0]
    literals = [option for option in options if not isinstance(option, type) and option != leaf.value]
    # A key that overrides others may not give the value that they have.
    return literals[-1 if leaf.value is None else 0] if literals else None


def belongs_to_other_model(base: dict[str, Any], leaf: Leaf) -> bool:
    """Return whether a key belongs to networks, where an estimator is trained, or to estimators, where a network is."""
    owner: Any = base
    for step in leaf.path[:3] if leaf.path[0] == "compare" else leaf.path[:2]:
        owner = (owner.get(step) if isinstance(owner, dict) else owner[step]) or {}
    trains_estimator = isinstance(owner, dict) and owner.get("estimator") is not None
    if leaf.key in ELSEWHERE:
        return True
    return any(name in leaf.path for name in (NETWORK_KEYS if trains_estimator else ("estimator", "parts")))


def is_optional_setting_elsewhere(leaf: Leaf) -> bool:
    """Return whether a key is an optional setting of training of a system other than those that have `OPTIONAL`."""
    has_them = leaf.path[0] != "systems" or leaf.path[1] in ("tuner", "expert")
    return not has_them and "training" in leaf.path and leaf.path[-1] in OPTIONAL_SETTINGS


def _is_varied(leaf: Leaf) -> bool:
    """Return whether a key is varied here: of what is here for one part alone, only that part is."""
    if is_optional_setting_elsewhere(leaf):
        return False
    if leaf.path[:2] == ESTIMATORS or leaf.path[:2] == ("systems", "vectors"):
        own = ("estimator", "arguments", "parts", "folds")
        return "tuner" not in leaf.path and any(name in leaf.path for name in own)
    return leaf.path[0] != "systems" or PARTS.get(str(leaf.path[1]), leaf.path[2]) in leaf.path


def is_varied_elsewhere(leaf: Leaf) -> bool:
    """Return whether a key of a dataset that is here for other keys alone is varied for another dataset."""
    if leaf.path[0] != "datasets":
        return False
    dataset, steps = str(leaf.path[1]), set(leaf.path)
    parts = DATASET_PARTS.get(dataset)
    return bool(DATASET_LACKS.get(dataset, set()) & steps) or (parts is not None and not parts & steps)


CONFIG = Config.model_validate(BASE)
LEAVES = {
    ".".join(map(str, leaf.path)): leaf
    for leaf in list_leaves(CONFIG)
    if _is_varied(leaf) and not belongs_to_other_model(BASE, leaf) and not is_varied_elsewhere(leaf)
}


def find_other_kind(leaf: Leaf) -> Any:
    """Return an entry of the same section of BASE that has another kind."""
    family = BASE[str(leaf.path[0])]
    return next(part for part in family.values() if part[leaf.path[-1]] != leaf.value)


def remove_views(base: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of a config without the systems that use another view than samples."""
    result = copy.deepcopy(base)
    for entry in result["compare"]:
        entry["systems"] = [name for name in entry["systems"] if PARTS.get(name) != "view"]
    return result


def replace_value(base: dict[str, Any], path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    """Return a copy of a config with another value at one path."""
    result = copy.deepcopy(base)
    place: Any = result
    for step in path[:-1]:
        place = place.setdefault(step, {}) if isinstance(place, dict) else place[step]
    place[path[-1]] = value
    return result
