"""Every key of the config is read by some rule: another value of it gives another plan."""

import copy
import json
from functools import lru_cache

import pytest

from blindtune.config.schema import Config
from blindtune.models.families import FAMILIES
from support.builders import write_csv_folder, write_images, write_labels
from support.config_keys import (
    ALGORITHMS,
    BASE,
    ELSEWHERE,
    LEAVES,
    UNPLANNED,
    choose_other_value,
    find_other_kind,
    mentions_model,
    remove_views,
    replace_value,
)
from support.config_models import collect_models
from support.dag import plan
from support.eeg_trees import write_wards
from support.tables import write_table_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with the CSV files and images that BASE names."""
    folder = tmp_path_factory.mktemp("keys")
    write_csv_folder(folder / "one")
    write_csv_folder(folder / "two", seed=1)
    write_images(folder / "three", classes=2)
    write_table_folder(folder / "five")
    write_table_folder(folder / "six", seed=1)
    write_images(folder / "four", classes=3)
    write_labels(folder / "three", "labels.csv", "other.csv")
    write_wards(folder)
    return folder


@pytest.fixture(scope="module")
def before(folder):
    """Return the plan of BASE."""
    return plan(folder, BASE)


def test_base_config_has_every_key():
    """BASE gives a value to every key of every config model."""
    known = {
        f"{model.__name__}.{name}"
        for model in collect_models(Config)
        for name, field in model.model_fields.items()
        if not mentions_model(field.annotation)
    }
    assert known - ELSEWHERE == {leaf.key for leaf in LEAVES.values()}


def find_reason_to_skip(leaf):
    """Return why another value of a key is not planned here, or None."""
    corpus = ("EegConfig.stand_in", "EegConfig.folder", "SlidesConfig.stand_in", "SlidesConfig.folder")
    labelled = leaf.path[:2] == ("datasets", "labelled")
    reasons = {
        "changes no plan, which is tested": leaf.key in UNPLANNED,
        "goes with a corpus that is made, or excludes it; both are tested": leaf.key in corpus,
        "goes with the other of both, and with annotations: edf_plus, which is tested": leaf.key
        in ("EventLabelsConfig.seizure_start", "EventLabelsConfig.seizure_stop"),
        "goes with splitting by list, which is tested": leaf.key == "SplittingConfig.file",
        "excludes the other of folder and fetch, which is tested": leaf.value is None
        and leaf.key in ("CsvFolderConfig.folder", "CsvFolderConfig.fetch"),
        "another view is another set of keys, which is tested for each view": leaf.path[-2:] == ("view", "kind"),
        "tested for a dataset without a table of labels": labelled and "label" not in leaf.path[2],
        "tested for a dataset with a table of labels": leaf.key == "ImagesConfig.labels" and not labelled,
        "a column of files is no column of labels; tested for the files": labelled and leaf.path[-1] == "label",
        "excludes the file, or goes with splitting by time; both are tested": leaf.key
        in ("TableConfig.bundled", "TableConfig.time"),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def has_tuner(number):
    """Return whether a comparison of BASE has a tuner, without which its budget changes nothing."""
    return any(BASE["systems"][name]["kind"] == "tuner" for name in BASE["compare"][number]["systems"])


def select_comparisons(leaf):
    """Return BASE with the comparisons that a key may change, and the path of the key in it: less is to be planned."""
    match leaf.path:
        case ("compare", int(number), *rest):
            return BASE | {"compare": [BASE["compare"][number]]}, ("compare", 0, *rest)
        case ("datasets", name, *_):
            kept = [one for one in BASE["compare"] if one["dataset"] == name]
        case ("systems", name, *_):
            kept = [one for one in BASE["compare"] if name in one["systems"]]
        case _:
            kept = BASE["compare"]
    return BASE | {"compare": kept}, leaf.path


@pytest.fixture(scope="module")
def plan_once(folder):
    """Return a function that returns the plan of a config, and plans equal ones once."""
    return lru_cache(maxsize=None)(lambda text: plan(folder, json.loads(text)))


@pytest.mark.parametrize("leaf", LEAVES.values(), ids=LEAVES)
def test_key_changes_the_plan(folder, plan_once, leaf):
    """Another value of a key gives another plan."""
    value = choose_other_value(leaf)
    reason = find_reason_to_skip(leaf)
    if reason is not None:
        pytest.skip(reason)
    base, path = select_comparisons(leaf)
    assert base["compare"], "no comparison has it"
    before = plan_once(json.dumps(base))
    if leaf.path[2:3] == ("budget",) and not has_tuner(leaf.path[1]):
        assert plan(folder, replace_value(base, path, value)) == before
        return
    if leaf.key in ALGORITHMS:
        suited = replace_value(base, (*path[:-1], "algorithm"), ALGORITHMS[leaf.key])
        assert plan(folder, replace_value(suited, path, value)) != plan(folder, suited)
        return
    if leaf.key == "Comparison.dataset" or leaf.path[-1] == "source":
        # Another source has not the same views.
        plain = remove_views(base)
        other = value if leaf.path[-1] == "dataset" else find_other_kind(leaf)
        place = path if leaf.path[-1] == "dataset" else path[:-1]
        assert plan(folder, replace_value(plain, place, other)) != plan(folder, plain)
        return
    if leaf.path[-1] == "kind":
        config = replace_value(base, path[:-1], find_other_kind(leaf))
    elif leaf.path[-1] == "family":
        value = next(name for name in FAMILIES.names() if name != leaf.value)
        # No space suits two families, so the space changes too; the params of the job must contain the family.
        config = replace_value(replace_value(base, path, value), (*path[:-1], "space"), value)
        assert any(
            f'"family": "{value}"' in part.replace("'", '"') for job in plan(folder, config) for part in job.params
        )
        return
    elif value is None:
        pytest.skip(f"{leaf.value!r} is its only valid value")
    else:
        config = replace_value(base, path, value)
    assert plan(folder, config) != before


@pytest.mark.parametrize(("system", "view"), [("near", "features"), ("framer", "features"), ("cropper", "samples")])
def test_view_changes_the_plan(folder, before, system, view):
    """Another view of a system gives another plan."""
    dataset = {"cropper": "pictures"}.get(system, "brains")
    config = copy.deepcopy(BASE)
    config["systems"]["viewer"] = config["systems"][system] | {"view": {"kind": view}}
    config["compare"] = [{"dataset": dataset, "systems": ["viewer"], "budget": {"trials": 2}}]
    own = copy.deepcopy(config)
    own["systems"]["viewer"] = BASE["systems"][system]
    assert plan(folder, config) != plan(folder, own)


@pytest.mark.parametrize(
    ("key", "value"),
    [("verbosity", "quiet"), ("verbosity", "verbose"), ("wait_for_owner", 600), ("container", "other.sif")],
)
def test_verbosity_waiting_and_image_change_no_plan(folder, before, key, value):
    """The verbosity of the log, how long a job waits for another run, and the image that it runs in change no plan."""
    assert plan(folder, replace_value(BASE, (key,), value)) == before


def test_order_of_systems_changes_the_report_only(folder, before):
    """Another order of the systems of a comparison repeats the report and nothing else."""
    turned = replace_value(BASE, ("compare", 0, "systems"), BASE["compare"][0]["systems"][::-1])
    assert {job.name for job in plan(folder, turned) if job not in before} == {"tables", "figures", "page"}
