"""Datasets of many raw files: batches, what each gives, and the draw from all of them."""

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import TypeAdapter

from blindtune.config import Dataset
from blindtune.datasets.corpora import Corpus, Raw, extract_batch, make_batch
from blindtune.datasets.store import open_prepared, open_split, prepare
from blindtune.datasets.surveys import Candidate, Survey
from blindtune.errors import UserError
from blindtune.layout import Layout

SIZES = {"train": 8, "dev": 4, "eval": 4}


class Numbers(Corpus):
    """Files of one line of numbers; the even and the odd ones are the classes."""

    source: Literal["numbers"] = "numbers"

    def names(self) -> list[str]:
        return ["even", "odd"]

    def raws(self) -> list[Raw]:
        return [Raw(f"{split}/{name}.txt", (), split) for split in SIZES for name in "abc"]

    def is_made(self) -> bool:
        return self.folder is None

    def make(self, file: str, folder: Path) -> None:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        first = 100 * sum(map(ord, file))
        (folder / file).write_text(" ".join(str(first + number) for number in range(12)), encoding="utf-8")

    def survey(self, folder: Path, raw: Raw) -> Survey:
        found = Survey(file=raw.file, sha256={}, group=raw.file, split=raw.split)
        text = (folder / raw.file).read_text(encoding="utf-8")
        if text == "bad":
            return found.model_copy(update={"bad": "is bad"})
        label = {0: "even", 1: "odd"}
        offered = [Candidate(label=label[int(number) % 2], place={"number": int(number)}) for number in text.split()]
        return found.model_copy(update={"candidates": offered, "left_out": {"none": {"odd": 1}}})

    def cut(self, folder: Path, survey: Survey, candidates: list[Candidate]) -> NDArray[Any]:
        return np.array([[candidate.place["number"]] for candidate in candidates], dtype=np.float32)

    def describe(self) -> dict[str, Any]:
        return {"axes": ["sample", "number"], "units": "none", "said": "so"}


def numbers(**changes: Any) -> Numbers:
    return Numbers.model_validate({"sizes": SIZES, "files_per_job": 2} | changes)


def extracted(source: Corpus, layout: Layout) -> dict[str, Path]:
    """Every batch, made and extracted, as the workflow does it."""
    folder = source.place(layout, "it")
    for batch, path in source.inputs(layout, "it").items():
        if source.is_made():
            make_batch(source, batch, folder, Path(layout.made("it", batch)))
        extract_batch(source, batch, folder, path)
    return source.inputs(layout, "it")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(str(tmp_path / "results"))


def test_a_batch_holds_files_of_one_split_and_eval_lies_under_the_seal(layout: Layout) -> None:
    source = numbers()
    assert {batch: [raw.file for raw in raws] for batch, raws in source.batches().items()} == {
        f"{split}-{number:04d}": [f"{split}/{name}.txt" for name in names]
        for split in SIZES
        for number, names in enumerate(("ab", "c"))
    }
    for batch, path in source.inputs(layout, "it").items():
        assert ("sealed" in path.parts) == batch.startswith("eval")


def test_samples_are_drawn_from_all_files_evenly_by_class(layout: Layout) -> None:
    source = numbers()
    loaded = source.load(extracted(source, layout))
    for split, size in SIZES.items():
        part = loaded.splits[split]
        assert len(part.y) == size and part.y.sum() * 2 == size
        np.testing.assert_array_equal(part.x[:, 0] % 2, part.y)
        assert len(np.unique(part.x)) == size, "none twice"
        assert part.group is not None
        owners = [f"{split}/{name}.txt" for name in "abc"]
        for value, group in zip(part.x[:, 0], part.group, strict=True):
            own = loaded.parameters["groups"][group]
            assert own in owners and value // 100 == sum(map(ord, own))
    assert loaded.axes == ["sample", "number"] and loaded.parameters["said"] == "so"
    assert loaded.parameters["left_out"] == [[split, "none", "odd", 3] for split in sorted(SIZES)]


def test_what_is_drawn_does_not_depend_on_the_batches(tmp_path: Path) -> None:
    one, other = numbers(), numbers(files_per_job=1)
    first = one.load(extracted(one, Layout(str(tmp_path / "one"))))
    second = other.load(extracted(other, Layout(str(tmp_path / "other"))))
    for split in SIZES:
        np.testing.assert_array_equal(first.splits[split].x, second.splits[split].x)
    again = numbers(seed=2)
    third = again.load(extracted(again, Layout(str(tmp_path / "third"))))
    assert any(not np.array_equal(first.splits[s].x, third.splits[s].x) for s in SIZES)


def test_no_more_than_so_many_samples_are_cut_from_a_file(layout: Layout) -> None:
    source = numbers(candidates=2)
    for path in extracted(source, layout).values():
        for survey in json.loads(path.read_text(encoding="utf-8"))["surveys"]:
            assert len(survey["candidates"]) == 4
    with pytest.raises(UserError, match=r"sizes\.train: 7 samples of even are wanted, its files offer 6"):
        greedy = source.model_copy(update={"sizes": source.sizes.model_copy(update={"train": 14})})
        greedy.load(source.inputs(layout, "it"))


def test_bad_files_are_listed_or_stop_the_run(layout: Layout) -> None:
    source = numbers(most_bad=0.2)
    files = extracted(source, layout)
    folder = source.place(layout, "it")
    (folder / "train/a.txt").write_text("bad", encoding="utf-8")
    extract_batch(source, "train-0000", folder, files["train-0000"])
    assert source.load(files).parameters["bad_files"] == {"train/a.txt": "is bad"}
    for stricter in ({"strict": True}, {"most_bad": 0.1}):
        with pytest.raises(UserError, match=r"1 of 9 files are bad; .* The first is train/a\.txt: is bad"):
            numbers(**stricter).load(files)


def test_a_path_out_of_the_corpus_is_refused(layout: Layout) -> None:
    source = numbers()
    files = extracted(source, layout)
    content = files["train-0000"].read_text(encoding="utf-8").replace("train/a.txt", "../../a.txt")
    files["train-0000"].write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match="no path below the corpus"):
        source.load(files)


def test_a_made_corpus_of_recordings_becomes_a_dataset(tmp_path: Path, layout: Layout) -> None:
    """The real thing, small: EDF files, surveyed and cut, to a prepared dataset with its eval under the seal."""
    content = {
        "source": "eeg",
        "stand_in": True,
        "made": {"patients": 6, "seconds": 120, "faults": ["truncated"]},
        "sizes": {"train": 8, "dev": 2, "eval": 2},
        "seed": 3,
    }
    source = TypeAdapter[Any](Dataset).validate_python(content)
    files = extracted(source, layout)
    manifest, seal = Path(layout.manifest("it")), Path(layout.seal("it"))
    prepare("it", source, files, manifest, seal)
    data = open_prepared(manifest)
    assert data.train.x.shape == (8, 20, 500) and data.classes == ["background", "seizure"]
    assert data.manifest["units"] == "uV" and data.manifest["parameters"]["filter"]
    [(file, reason)] = data.manifest["parameters"]["bad_files"].items()
    assert file.endswith(".edf") and reason.startswith("is truncated")
    assert open_split(seal.parent / "eval").x.shape == (2, 20, 500)
