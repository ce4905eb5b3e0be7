"""The interface of a corpus: batches, simulators, and files that are opened once."""

import builtins
import io
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from blindtune.datasets.corpus.base import Corpus
from blindtune.datasets.corpus.extraction import extract_batch, simulate_batch
from blindtune.datasets.registry import create_corpus
from support.eeg_files import eeg_config
from support.number_corpus import NumbersCorpus, NumbersSimulator, SimulatedNumbersConfig, numbers_config
from support.slide_files import slides_config


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file is opened by Python or by OpenSlide, by its name."""
    import openslide

    count: Counter[str] = Counter()
    plain, slide = io.open, openslide.OpenSlide.__init__

    def open_plain(file: Any, *args: Any, **more: Any) -> Any:
        count[Path(str(file)).name] += 1
        return plain(file, *args, **more)

    def open_slide(self: Any, file: Any) -> None:
        count[f"OpenSlide {Path(str(file)).name}"] += 1
        slide(self, file)

    # pathlib calls the one of io, all others that of builtins.
    monkeypatch.setattr(io, "open", open_plain)
    monkeypatch.setattr(builtins, "open", open_plain)
    monkeypatch.setattr(openslide.OpenSlide, "__init__", open_slide)
    return count


def extract(source: Corpus, folder: Path) -> list[str]:
    """Write and extract the first batch of train; return the names of its raw files."""
    batch = next(iter(source.batches()))
    simulate_batch(source, batch, folder / "corpus", folder / "marker.json")
    return [Path(raw.file).name for raw in source.batches()[batch]]


def test_each_recording_is_opened_once(tmp_path: Path, opened: Counter[str]) -> None:
    """Survey and segments of a recording come from one read of its file."""
    simulate = {"patients": 6, "recordings": 1, "seconds": 120, "faults": []}
    source = create_corpus(eeg_config(folder=None, stand_in=True, simulate=simulate))
    names = extract(source, tmp_path)
    opened.clear()
    extract_batch(source, next(iter(source.batches())), tmp_path / "corpus", tmp_path / "extract.json")
    assert len(names) > 1 and {name: opened[name] for name in names} == dict.fromkeys(names, 1)
    cut = [path.name.removesuffix(".npy") for path in tmp_path.rglob("*.npy")]
    assert sorted(cut) == sorted(names), "each file gave samples"


def test_each_slide_is_opened_once(tmp_path: Path, opened: Counter[str]) -> None:
    """Survey and patches of a slide come from one handle of OpenSlide; its digest reads the file once more."""
    simulate = {"patients": {"train": 2, "dev": 2, "eval": 2}, "side": 1024, "faults": []}
    source = create_corpus(slides_config(folder=None, stand_in=True, simulate=simulate, patch=128, max_per_file=3))
    names = extract(source, tmp_path)
    opened.clear()
    extract_batch(source, next(iter(source.batches())), tmp_path / "corpus", tmp_path / "extract.json")
    assert len(names) > 1
    assert {name: (opened[f"OpenSlide {name}"], opened[name]) for name in names} == dict.fromkeys(names, (1, 1))
    cut = [path.name.removesuffix(".npy") for path in tmp_path.rglob("*.npy")]
    assert sorted(cut) == sorted(names), "each slide gave samples"


def test_corpus_takes_a_simulator_only_if_simulated() -> None:
    """A simulated corpus without a simulator, and one of the user's own with one, are mistakes of the caller."""
    simulator = NumbersSimulator(SimulatedNumbersConfig())
    for config, given in ((numbers_config(), None), (numbers_config(folder="x"), simulator)):
        with pytest.raises(TypeError, match="a simulator if and only if it is simulated"):
            NumbersCorpus(config, given)


def test_simulate_refuses_the_users_own_corpus(tmp_path: Path) -> None:
    """Nothing is ever written into the user's own corpus."""
    with pytest.raises(TypeError, match="user's own"):
        NumbersCorpus(numbers_config(folder="x")).simulate("train/a.txt", tmp_path)
