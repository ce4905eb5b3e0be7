"""Which jobs run again after a change, and which do not."""

import os
from pathlib import Path

import pytest

from blindtune.core import code_digest as code
from support.builders import merged, write_csv_folder, write_images
from support.dag import edit, plan, pretend, running

# Names that are not in config.yaml, so that nothing of it is merged into them.
CONFIG = {
    "seeds": [42],
    "compare": [
        {"dataset": "one", "systems": ["near", "expert", "tuner"], "budget": {"trials": 2}},
        {"dataset": "two", "systems": ["other_expert"], "budget": {"trials": 2}},
    ],
    "datasets": {
        name: {
            "source": "drawing",
            "drawing": "set_10",
            "sizes": {"train": 60, "dev": 30, "eval": 30},
            "seed": seed,
        }
        for name, seed in (("one", 1), ("two", 2))
    },
    "systems": {
        "near": {"kind": "knn", "n_neighbors": [3]},
        "expert": {"kind": "manual", "model": "mlp_m1"},
        "other_expert": {"kind": "manual", "model": "mlp_m1"},
        "idle_expert": {"kind": "manual", "model": "mlp_m1"},
        "tuner": {
            "kind": "tuner",
            "tuner": {"library": "keras-tuner", "algorithm": "random"},
            "space": "mlp",
        },
    },
}
REPORT = {"tables", "figures", "page"}


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """Return a working directory in which every job of CONFIG has run."""
    folder = tmp_path_factory.mktemp("done")
    with pytest.MonkeyPatch.context() as patch:
        pretend(folder, CONFIG, patch)
    return folder


def test_second_run_plans_nothing(workdir):
    """A second run of the same config plans no job."""
    assert running(plan(workdir, CONFIG)) == set()


@pytest.mark.parametrize("change", [{"verbosity": "quiet"}, {"verbosity": "verbose"}, {"workers": 2}])
def test_run_settings_repeat_nothing(workdir, change):
    """A change of settings that are in no record repeats no job."""
    assert running(plan(workdir, CONFIG | change)) == set()


@pytest.mark.parametrize(
    ("system", "change", "dataset"),
    [
        ("near", {"n_neighbors": [9]}, "one"),
        ("expert", {"training": {"epochs": 7}}, "one"),
        ("tuner", {"training": {"learning_rate": 0.01}}, "one"),
        ("other_expert", {"training": {"batch_size": 64}}, "two"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_system_change_repeats_only_dependent_jobs(workdir, system, change, dataset):
    """A change of one system repeats only the jobs that depend on it."""
    study = f"{dataset}/{system}/42"
    assert running(plan(workdir, merged(CONFIG, {"systems": {system: change}}))) == {
        f"study {study}",
        f"decode {dataset}/{system}",
        f"sample_splits {dataset}",
        *REPORT,
    }


def test_change_of_an_unused_system_repeats_nothing(workdir):
    """A change of a system that no comparison names repeats no job."""
    assert running(plan(workdir, merged(CONFIG, {"systems": {"idle_expert": {"training": {"epochs": 7}}}}))) == set()


def test_report_change_trains_nothing(workdir):
    """A change of the report settings repeats no study and no preparation."""
    changed = running(plan(workdir, CONFIG | {"report": {"points": 5, "surface": 5}}))
    assert changed & {"sample_splits one", "decode one/near"}
    assert not [name for name in changed if name.startswith(("study", "prepare"))]


def test_added_seed_runs_only_its_studies(workdir):
    """An added seed runs the studies of this seed, and no other study or preparation."""
    changed = running(plan(workdir, CONFIG | {"seeds": [42, 43]}))
    assert {name for name in changed if name.startswith("study")} == {
        f"study {study}/43" for study in ("one/near", "one/expert", "one/tuner", "two/other_expert")
    }
    assert {name for name in changed if name.startswith("prepare")} == set()


@pytest.mark.parametrize(
    "module",
    ["training.keras.tensorflow", "study.search", "decoding.decode", "report.tables.write", "datasets.prepared"],
)
def test_code_comment_repeats_nothing(workdir, tmp_path, monkeypatch, module):
    """A new comment in the library repeats no job."""
    edit(monkeypatch, tmp_path, f"blindtune.{module}", "\n\n# A remark.\n")
    assert running(plan(workdir, CONFIG)) == set()


@pytest.mark.parametrize(
    ("module", "users"),
    [
        ("training.keras.tensorflow", {"study one/tuner/42", "decode one/tuner"}),
        (
            "training.pytorch",
            {"study one/expert/42", "study two/other_expert/42", "decode one/expert", "decode two/other_expert"},
        ),
        ("training.sklearn", {"study one/near/42", "decode one/near"}),
        ("datasets.drawing", {"prepare two", "prepare one"}),
        ("datasets.csv_folder", set()),
        ("report.tables.write", {"tables", "page"}),
        ("report.tables.costs", {"tables", "page"}),
        ("report.figures.write", {"figures", "page"}),
        ("report.figures.cost", {"figures", "page"}),
        ("report.page", {"page"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_code_edit_repeats_only_the_jobs_that_use_it(workdir, tmp_path, monkeypatch, module, users):
    """An edit of a module changes the params of the jobs that use it, and of no other job."""
    before = {job.name: job.params for job in plan(workdir, CONFIG)}
    edit(monkeypatch, tmp_path, f"blindtune.{module}", "\nEDITED = True\n")
    after = plan(workdir, CONFIG)
    changed = {job.name for job in after if job.params != before[job.name]}
    # The report is cheap and follows a few edits more than it must.
    assert changed - REPORT == users - REPORT
    assert users <= changed
    assert users <= running(after)


def test_file_that_is_replaced_by_an_older_one_is_read_again(tmp_path, monkeypatch):
    """A file of the user's that was unpacked or moved in with an old time repeats the jobs that read it."""
    table = write_csv_folder(tmp_path / "mine")["eval"]
    space = tmp_path / "space.yaml"
    space.write_text("layers: {type: int, low: 1, high: 2}\nunits: {type: int, low: 4, high: 8, repeat: layers}\n")
    config = CONFIG | {
        "compare": [{"dataset": "three", "systems": ["near", "tuner"], "budget": {"trials": 2}}],
        "datasets": {"three": {"source": "csv_folder", "folder": str(tmp_path / "mine")}},
        "systems": merged(CONFIG["systems"], {"tuner": {"space": str(space)}}),
    }
    done = tmp_path / "done"
    done.mkdir()
    pretend(done, config, monkeypatch)
    assert running(plan(done, config)) == set()
    for file, old, new, users in (
        (space, "high: 8", "high: 9", {"study three/tuner/42", "decode three/tuner"}),
        (table, "0,", "1,", {"prepare three", "study three/near/42", "study three/tuner/42"}),
    ):
        text = Path(file).read_text(encoding="utf-8")
        assert old in text
        Path(file).write_text(text.replace(old, new, 1), encoding="utf-8")
        os.utime(file, (1_000_000_000, 1_000_000_000))
        found = running(plan(done, config))
        assert users <= found
        assert {name for name in found if name.startswith("study three/near")} <= users


@pytest.mark.parametrize("change", ["content", "name"])
def test_picture_that_snakemake_cannot_watch_is_read_again(tmp_path, monkeypatch, change):
    """A picture whose path Snakemake would expand repeats the preparation if its content or its name changes."""
    write_images(tmp_path / "pictures")
    folder = (tmp_path / "pictures" / "class_0").rename(tmp_path / "pictures" / "a{b}")
    config = CONFIG | {
        "compare": [{"dataset": "three", "systems": ["near"], "budget": {"trials": 2}}],
        "datasets": {"three": {"source": "images", "folder": str(tmp_path / "pictures"), "rows": 6, "columns": 6}},
    }
    done = tmp_path / "done"
    done.mkdir()
    pretend(done, config, monkeypatch)
    assert running(plan(done, config)) == set()
    picture = folder / "0.png"
    if change == "name":
        folder.rename(tmp_path / "pictures" / "a{c}")
    else:
        times = picture.stat()
        content = picture.read_bytes()
        picture.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        os.utime(picture, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert "prepare three" in running(plan(done, config))


def test_digest_changes_with_an_imported_module(tmp_path, monkeypatch):
    """An edit of a module changes the digest of every module that imports it."""
    before = code.digest_of("blindtune.training.keras.tensorflow")
    edit(monkeypatch, tmp_path, "blindtune.models.keras", "\nEDITED = True\n")
    assert code.digest_of("blindtune.training.keras.tensorflow") != before
