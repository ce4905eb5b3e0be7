"""What each job asks for: memory, minutes and GPUs, from the config alone."""

import gzip
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from blindtune.config.schema import Config, read
from blindtune.core.errors import UserError
from blindtune.datasets.eeg.montages import ELECTRODES
from blindtune.job_resources.data import estimate_recordings
from blindtune.job_resources.estimates import Estimator, check_requests
from blindtune.training.registry import TRAINERS
from support.builders import ROOT, merged
from support.eeg_files import eeg_corpus, noise, patch, write_edf
from support.extractors import write_extractor
from support.workflow_runs import TINY

STUDY = {"dataset": "toy", "seed": "42"}
PAPER = "workflow/studies/paper.yaml"


def read_config(**changes: Any) -> Config:
    """Return TINY with changes, as the workflow reads it."""
    return read(merged(TINY, changes), "a test")


def resources(**entries: Any) -> Config:
    """Return TINY with requests of its own."""
    return read_config(resources=entries)


def mem_mb(config: Config, system: str, rule: str = "study") -> int:
    """Return the memory that a job of a system asks for."""
    return Estimator(config).needs(rule, STUDY | {"system": system}).mem_mb


def runtime(config: Config, system: str) -> int:
    """Return the minutes that a study asks for."""
    return Estimator(config).needs("study", STUDY | {"system": system}).runtime


def test_needs_grow_with_the_attempt() -> None:
    """Each further attempt asks for as much memory and time again."""
    estimator = Estimator(read_config())
    first, third = (estimator.needs("study", STUDY | {"system": "near"}, attempt) for attempt in (1, 3))
    assert (third.mem_mb, third.runtime) == (3 * first.mem_mb, 3 * first.runtime)


def test_needs_of_a_trainer_with_a_large_library_are_larger() -> None:
    """A Keras study asks for more memory than one of neighbours."""
    config = read_config()
    assert mem_mb(config, "tuner") > mem_mb(config, "expert") > mem_mb(config, "near")


def test_memory_grows_with_the_data() -> None:
    """A hundred thousand times the samples need more memory, in every rule that reads them."""
    large = read_config(datasets={"toy": {"sizes": {"train": 20_000_000, "dev": 10_000, "eval": 10_000}}})
    small = read_config()
    for rule in ("prepare", "study", "decode", "sample_splits"):
        assert mem_mb(large, "near", rule) > mem_mb(small, "near", rule) + 300


def test_memory_of_a_study_grows_with_its_workers() -> None:
    """Each worker process of a search holds its libraries and the data; a reference model has threads."""
    one, four = read_config(), read_config(workers=4)
    assert mem_mb(four, "tpe") >= mem_mb(one, "tpe") + 4 * 600
    assert mem_mb(four, "near") == mem_mb(one, "near")
    assert mem_mb(four, "tpe", "decode") == mem_mb(one, "tpe", "decode")
    # The cores that a job gets count, more or fewer than the config's workers.
    wildcards = STUDY | {"system": "tpe"}
    assert Estimator(one).needs("study", wildcards, threads=4).mem_mb == mem_mb(four, "tpe")
    assert Estimator(four).needs("study", wildcards, threads=1).mem_mb == mem_mb(one, "tpe")


def test_workers_share_the_pages_of_pictures_that_are_read_in_parts() -> None:
    """The stored pictures of the published #11, 15,000 of 786,432 bytes, count once for all processes of a node."""
    content = merged(*(yaml.safe_load((ROOT / name).read_text()) for name in ("config.yaml", PAPER)))
    job = {"dataset": "tissue_11", "system": "convnet_a11", "seed": "42"}
    one, four = (Estimator(read(content | {"workers": n}, "a test")).needs("study", job).mem_mb for n in (1, 4))
    stored = 15_000 * 786_432 / 1e6
    assert stored < one < four < one + stored


def test_cores_go_to_jobs_that_can_use_them() -> None:
    """A search trains its trials at once, a reference model has threads; a network alone has one core."""
    estimator = Estimator(read_config(workers=4))
    cores = {
        rule: [estimator.count_cores(rule, STUDY | {"system": name}) for name in ("tpe", "near", "limit", "expert")]
        for rule in ("study", "decode")
    }
    assert cores == {"study": [4, 4, 4, 1], "decode": [1, 4, 4, 1]}


def test_memory_of_a_large_table_comes_from_its_file(tmp_path: Path) -> None:
    """A table of 100 MB, which planning does not read, asks for more than a small one."""
    needs = []
    for size in (1_000, 100_000_000):
        path = tmp_path / f"rows_{size}.csv"
        path.write_text("a,b,class\n1,2,x\n", encoding="utf-8")
        with path.open("r+b") as stream:
            stream.truncate(size)
        dataset = {"source": "table", "file": str(path), "label": "class"}
        content = merged(TINY, {}) | {"datasets": {"toy": dataset}}
        needs.append(mem_mb(read(content, "a test"), "near", "prepare"))
    assert needs[1] > needs[0] + 400


def test_runtime_grows_with_the_budget_and_ends_at_a_week() -> None:
    """More trials need more time; no estimate asks for more than a week."""
    compare = TINY["compare"][0]
    minutes = [
        runtime(read_config(compare=[compare | {"budget": {"trials": trials}}]), "tpe")
        for trials in (3, 10_000, 1_000_000)
    ]
    assert minutes[0] < minutes[1] < minutes[2] == 7 * 24 * 60


def test_runtime_of_a_budget_in_seconds_is_not_above_it() -> None:
    """A budget of an hour asks for a few hours at most, however many trials it has."""
    compare = [TINY["compare"][0] | {"budget": {"trials": 1_000_000, "seconds": 3600}}]
    assert runtime(read_config(compare=compare), "tpe") <= 30 + 4 * 61 + 10


def test_runtime_of_all_seeds_in_one_job_is_that_of_all() -> None:
    """A job without a seed runs every seed."""
    compare = [TINY["compare"][0] | {"budget": {"trials": 2000}}]
    estimator = Estimator(read_config(seeds=[1, 2, 3, 4], compare=compare))
    one = estimator.needs("study", STUDY | {"system": "tpe"})
    four = estimator.needs("study", {"dataset": "toy", "system": "tpe"})
    assert 3 * one.runtime < four.runtime < 4 * one.runtime
    assert four.mem_mb == one.mem_mb


def test_config_replaces_the_estimates() -> None:
    """A system's entry counts before a rule's, key by key; other rules keep their estimates."""
    config = resources(
        rules={"study": {"mem_mb": 5000, "runtime": 77}, "figures": {"mem_mb": 3000}},
        systems={"tpe": {"mem_mb": 9000}},
    )
    estimator = Estimator(config)
    tpe, near = (estimator.needs("study", STUDY | {"system": name}) for name in ("tpe", "near"))
    assert (tpe.mem_mb, tpe.runtime) == (9000, 77)
    assert (near.mem_mb, near.runtime) == (5000, 77)
    assert estimator.needs("figures", {}).mem_mb == 3000
    assert estimator.needs("decode", STUDY | {"system": "tpe"}, 2).mem_mb == 18_000
    assert estimator.needs("prepare", STUDY) == Estimator(read_config()).needs("prepare", STUDY)


def test_gpu_goes_to_systems_whose_trainer_uses_one() -> None:
    """No job has a GPU unless the config asks for it; a rule's GPU is not for neighbours, trees or TensorFlow."""
    names = ("near", "forest", "limit", "expert", "tpe", "tuner")
    without, by_rule = read_config(), resources(rules={"study": {"gpu": 1}})
    by_system = resources(systems={"tpe": {"gpu": 2}})

    def count(config: Config) -> dict[str, int]:
        estimator = Estimator(config)
        found = {name: estimator.needs("study", STUDY | {"system": name}).gpu for name in names}
        return {name: gpu for name, gpu in found.items() if gpu}

    assert count(without) == {}
    assert count(by_rule) == {"expert": 1, "tpe": 1}
    assert count(by_system) == {"tpe": 2}
    assert Estimator(by_rule).needs("figures", {}).gpu == 0
    # A model is decoded where it was trained, unless the config says otherwise.
    decodes = [Estimator(by_rule), Estimator(resources(rules={"study": {"gpu": 1}, "decode": {"gpu": 0}}))]
    assert [one.needs("decode", STUDY | {"system": "tpe"}).gpu for one in decodes] == [1, 0]
    assert decodes[0].needs("decode", STUDY | {"system": "near"}).gpu == 0


def test_batches_of_a_corpus_are_light() -> None:
    """Batches of simulated recordings and slides share jobs of a cluster; those of many files for an hour do not."""
    slides = {"source": "slides", "simulate": {}, "stand_in": True, "sizes": {"train": 8, "dev": 8, "eval": 8}}
    content = merged(TINY, {})
    config, many = (
        read(content | {"datasets": {"toy": slides | more}}, "a test") for more in ({}, {"files_per_job": 256})
    )
    for rule in ("simulate", "extract"):
        assert Estimator(config).is_light(rule, {"dataset": "toy", "batch": "train-0"})
        assert not Estimator(many).is_light(rule, {"dataset": "toy", "batch": "train-0"})


def test_memory_grows_with_the_largest_annotation_of_a_slide(tmp_path: Path) -> None:
    """Jobs that read annotations ask for 26 times the size of the largest one."""
    for number in range(6):
        (tmp_path / f"p{number}.svs").write_bytes(b"")
        (tmp_path / f"p{number}.xml").write_bytes(b"")
    slides = {"source": "slides", "folder": str(tmp_path), "patient": r"(p\d)", "splitting": {"by": "seed"}}
    config = {"datasets": {"toy": slides | {"sizes": {"train": 8, "dev": 8, "eval": 8}}}}

    def measure(rule: str) -> int:
        return Estimator(read(merged(TINY, {}) | config, "a test")).needs(rule, {"dataset": "toy", "batch": "x"}).mem_mb

    small = measure("extract")
    with (tmp_path / "p3.xml").open("wb") as stream:
        stream.truncate(50_000_000)
    assert measure("extract") == small + 1300
    assert measure("examples") >= small + 1300


def test_trainer_declares_its_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory, time and GPU of a trainer are those of its entry, whichever package it is from."""
    config = resources(rules={"study": {"gpu": 1}})
    before = Estimator(config).needs("study", STUDY | {"system": "tpe"})
    entry = replace(TRAINERS["pytorch"], memory_mb=9000, seconds_per_sample=0.5, gpu=False)
    monkeypatch.setitem(TRAINERS.entries, "pytorch", entry)
    after = Estimator(config).needs("study", STUDY | {"system": "tpe"})
    assert after.mem_mb == before.mem_mb + 8200 and after.runtime > before.runtime
    assert (before.gpu, after.gpu) == (1, 0)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"near": {"gpu": 1}}, "resources.systems.near.gpu: its trainer on toy (knn) computes on the CPU alone"),
        ({"nearr": {"mem_mb": 500}}, "'nearr' is not in systems: did you mean 'near'?"),
    ],
)
def test_check_requests_refuses_what_no_job_can_be_given(entries: dict[str, Any], message: str) -> None:
    """A GPU for neighbours, and a system that does not exist, are refused by name."""
    with pytest.raises(UserError) as refused:
        check_requests(resources(systems=entries), "mine.yaml")
    assert str(refused.value).startswith("mine.yaml: resources.systems")
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ({"rules": {"studdy": {"mem_mb": 500}}}, "resources.rules"),
        ({"rules": {"study": {"mem_mb": 100}}}, "resources.rules.study.mem_mb"),
        ({"rules": {"study": {"mem_mb": 10_000_001}}}, "resources.rules.study.mem_mb"),
        ({"rules": {"study": {"runtime": 0}}}, "resources.rules.study.runtime"),
        ({"rules": {"study": {"runtime": 86_401}}}, "resources.rules.study.runtime"),
        ({"systems": {"near": {"gpu": -1}}}, "resources.systems.near.gpu"),
        ({"systems": {"near": {"gpu": 65}}}, "resources.systems.near.gpu"),
        ({"systems": {"near": {"memory": 500}}}, "resources.systems.near.memory"),
    ],
)
def test_read_refuses_wrong_requests(content: dict[str, Any], place: str) -> None:
    """A rule that does not exist, a wrong key and a number out of its bounds are named by their path."""
    with pytest.raises(UserError) as refused:
        read_config(resources=content)
    assert place in str(refused.value)


def test_a_decode_asks_for_the_windows_of_whole_recordings(tmp_path: Path) -> None:
    """Event-based scores need time and memory by the sizes of the eval recordings; a long decode is not light."""
    for name in ("a", "b", "c"):
        path = tmp_path / f"{name}_1.edf"
        path.write_bytes(b"0")
        with path.open("r+b") as stream:
            stream.truncate(400_000_000)
        path.with_suffix(".tse").write_text("version = tse_v1.0.0\n")
    sizes = {"train": 40, "dev": 20, "eval": 20}
    eeg = {"source": "eeg", "folder": str(tmp_path), "patient": "(.)_", "split": "patients", "sizes": sizes}
    found = {}
    for step in (None, 10.0, 0.1):
        content = merged(TINY, {}) | {"datasets": {"toy": eeg | ({} if step is None else {"event_step": step})}}
        estimator = Estimator(read(content, "a test"))
        needs = {
            rule: estimator.needs(rule, STUDY | {"system": name})
            for rule, name in (("study", "expert"), ("decode", "expert"), ("post_mortem", "limit"))
        }
        found[step] = (needs, estimator.is_light("decode", STUDY | {"system": "expert"}))
    plain, some, many = found.values()
    assert plain[0]["study"] == many[0]["study"] and plain[0]["post_mortem"] == many[0]["post_mortem"]
    assert plain[0]["decode"].mem_mb + 500 < some[0]["decode"].mem_mb < many[0]["decode"].mem_mb
    assert plain[0]["decode"].runtime <= some[0]["decode"].runtime < many[0]["decode"].runtime
    assert plain[1] and not many[1]


@pytest.mark.parametrize("suffix", [".edf", ".edf.gz"])
def test_whole_recordings_are_as_long_as_their_headers_say(tmp_path: Path, suffix: str) -> None:
    """A recording of 33 channels at 250 Hz is not taken for one of 19 at 50 Hz, which would be 8 times longer."""
    labels = [f"EEG {name}-REF" for name in ELECTRODES] + [f"EXTRA{number}" for number in range(12)]
    for name in ("a", "b", "c"):
        path = write_edf(tmp_path / f"{name}_1.edf", noise(40, 250, rows=33), 250, labels)
        path.with_suffix(".tse").write_text("version = tse_v1.0.0\n")
        if suffix == ".edf.gz":
            (tmp_path / f"{name}_1.edf.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()

    def count_windows() -> int:
        source = eeg_corpus(folder=str(tmp_path), patient="(.)_", split="patients", event_step=1.0)
        size = estimate_recordings(source)
        assert size is not None
        return size.windows

    assert count_windows() == 41
    for path in tmp_path.glob("*.edf"):
        patch(path, 244, "1e9", 8)  # seconds of a record: no file of this size has so many
    assert (41 < count_windows() < 1000) == (suffix == ".edf")


def test_a_decode_of_a_simulated_corpus_asks_for_its_length() -> None:
    """The recordings of a simulated corpus are not there while the workflow is planned."""
    found = []
    for seconds in (60, 86_400):
        simulate: dict[str, Any] = {"patients": 6, "recordings": 9, "seconds": seconds, "faults": []}
        eeg = {"source": "eeg", "stand_in": True, "simulate": simulate, "event_step": 1.0}
        content = merged(TINY, {}) | {"datasets": {"toy": eeg | {"sizes": {"train": 40, "dev": 20, "eval": 20}}}}
        found.append(Estimator(read(content, "a test")).needs("decode", STUDY | {"system": "expert"}))
    assert found[1].mem_mb > found[0].mem_mb and found[1].runtime > found[0].runtime + 60


def test_features_ask_for_the_weights_and_a_gpu(tmp_path: Path) -> None:
    """Features of a user's code need memory for its weights, in the decode too, and a GPU if the config gives one."""
    view = write_extractor(tmp_path).model_dump(mode="json")
    changes: dict[str, Any] = {
        "systems": {"near": {"view": view}},
        "resources": {"rules": {rule: {"gpu": 1} for rule in ("features", "decode", "study")}},
    }
    place = {"dataset": "toy", "features": "0" * 16}
    small = Estimator(read_config(**changes))
    before, decode = small.needs("features", place), small.needs("decode", STUDY | {"system": "near"})
    assert before.gpu == decode.gpu == 1 and before.mem_mb > 1500
    assert small.needs("study", STUDY | {"system": "near"}).gpu == 0
    assert decode.mem_mb > mem_mb(read_config(), "near", "decode") + 1000
    with (tmp_path / "backbone.json").open("ab") as file:
        file.truncate(500_000_000)
    large = Estimator(read_config(**changes))
    assert large.needs("features", place).mem_mb > before.mem_mb + 500
    assert large.needs("decode", STUDY | {"system": "near"}).mem_mb > decode.mem_mb + 500
