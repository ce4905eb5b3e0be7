"""Example samples of a corpus for the report."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blindtune.config.schema import read_dataset
from blindtune.core.errors import UserError
from blindtune.core.paths import ResultPaths
from blindtune.datasets.corpus.base import Corpus
from blindtune.datasets.corpus.examples import SAMPLES_PER_CLASS, choose_origins, write_examples
from blindtune.datasets.corpus.extraction import extract_batch, simulate_batch
from blindtune.datasets.corpus.provenance import Origin, read_origins
from blindtune.datasets.prepared import open_split, prepare
from support.number_corpus import numbers_corpus


def prepare_corpus(source: Corpus, layout: ResultPaths) -> list[Path]:
    """Simulate, extract and prepare the dataset ``it``, as the workflow does; return the extracts of train."""
    folder = source.find_folder(layout, "it")
    files = source.inputs(layout, "it")
    for batch, path in files.items():
        simulate_batch(source, batch, folder, Path(layout.simulated("it", batch)))
        extract_batch(source, batch, folder, path)
    prepare("it", source, files, Path(layout.manifest("it")), Path(layout.seal("it")))
    return [path for batch, path in files.items() if batch.startswith("train-")]


def examples(source: Corpus, layout: ResultPaths, extracts: list[Path]) -> dict[str, Any]:
    path = Path(layout.examples("it"))
    write_examples(source, Path(layout.manifest("it")), extracts, source.find_folder(layout, "it"), path)
    with np.load(path, allow_pickle=False) as stored:
        return dict(stored)


@pytest.fixture
def layout(tmp_path: Path) -> ResultPaths:
    return ResultPaths(str(tmp_path / "results"))


def test_write_examples_takes_samples_of_train(layout: ResultPaths) -> None:
    """Examples are samples of train, with their files, places and patients."""
    source = numbers_corpus(sizes={"train": 12, "dev": 4, "eval": 4})
    extracts = prepare_corpus(source, layout)
    sealed = Path(layout.seal("it")).parent
    sealed.rename(sealed.with_name("away"))
    found = examples(source, layout, extracts)
    train = open_split(Path(layout.manifest("it")).parent / "train")
    known = set(train.x[:, 0].tolist())
    assert found["y"].tolist() == [0] * SAMPLES_PER_CLASS + [1] * SAMPLES_PER_CLASS
    for (number,), label, raw, place in zip(found["x"], found["y"], found["raw"], found["place"], strict=True):
        assert number in known and number % 2 == label
        assert number // 100 == sum(map(ord, raw)) and place == f"number {number:g}"
    assert not any(name.startswith("located") for name in found)
    assert set(Counter(found["group"][:SAMPLES_PER_CLASS].tolist()).values()) <= {1, 2}, "as many patients as there are"


def test_write_examples_adds_pictures_of_slides(layout: ResultPaths) -> None:
    """Examples of slides include pictures of slides with their patches."""
    content = {
        "source": "slides",
        "stand_in": True,
        "simulate": {"patients": {"train": 2, "dev": 2, "eval": 2}, "side": 1024, "faults": []},
        "sizes": {"train": 4, "dev": 2, "eval": 2},
        "patch": 128,
        "max_per_file": 4,
    }
    source = read_dataset(content)
    found = examples(source, layout, prepare_corpus(source, layout))
    assert found["x"].shape == (4, 128, 128, 3) and found["x"].dtype == np.uint8
    for label in (0, 1):
        picture, raw = found[f"located_{label}"], str(found[f"located_{label}_raw"])
        assert picture.shape[2] == 3 and max(picture.shape) <= 440
        assert raw in found["raw"][found["y"] == label] and "/train/" in raw


def test_write_examples_refuses_wrong_origins(layout: ResultPaths) -> None:
    """Origins that do not fit the data are refused, with their file."""
    source = numbers_corpus(files_per_job=8)
    extracts = prepare_corpus(source, layout)
    path = Path(layout.manifest("it")).parent / "train" / "origins.tsv"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:-1]), encoding="utf-8")
    with pytest.raises(UserError, match="train has 8 samples and 7 origins"):
        examples(source, layout, extracts)
    for text in ("sample\tclass\n0\teven\n", lines[0] + "first\teven\tg\tf\t1\n"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(UserError, match=r"origins\.tsv: cannot be read"):
            read_origins(path)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(["yes", "no"])), max_size=40), st.randoms())
def test_choose_origins_takes_many_patients(owners: list[tuple[str, str]], random: Any) -> None:
    """As many patients as possible are chosen, and the order of the origins does not matter."""
    origins = [
        Origin(row, label, group, f"{group}.edf", {"start": 10.0 * row}) for row, (group, label) in enumerate(owners)
    ]
    chosen = choose_origins(origins, "yes")
    patients = {origin.group for origin in origins if origin.label == "yes"}
    assert len(chosen) == min(SAMPLES_PER_CLASS, sum(origin.label == "yes" for origin in origins))
    assert len({origin.group for origin in chosen}) == min(SAMPLES_PER_CLASS, len(patients))
    shuffled = list(origins)
    random.shuffle(shuffled)
    assert choose_origins(shuffled, "yes") == chosen


def test_write_examples_goes_on_without_a_picture(layout: ResultPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture that cannot be drawn stops nothing, and is said."""
    source = numbers_corpus(files_per_job=8)
    extracts = prepare_corpus(source, layout)

    def refuse(*_: object) -> None:
        raise UserError("a.svs: is damaged.")

    monkeypatch.setattr(type(source), "locate_samples", refuse)
    path = Path(layout.examples("it"))
    said = write_examples(source, Path(layout.manifest("it")), extracts, source.find_folder(layout, "it"), path)
    assert len(said) == 2 and all(line.endswith("a.svs: is damaged.") for line in said)
    with np.load(path, allow_pickle=False) as stored:
        assert "x" in stored and not any(name.startswith("located") for name in stored)
