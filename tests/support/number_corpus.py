"""A corpus of files of numbers, for the tests of what every corpus does."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from blindtune.core.files import digest_file
from blindtune.core.validation import Strict
from blindtune.datasets.corpus.base import Corpus, OpenRawFile, RawFile, Simulator
from blindtune.datasets.corpus.config import CorpusConfig
from blindtune.datasets.corpus.survey import Candidate, Survey

SIZES = {"train": 8, "dev": 4, "eval": 4}
FILES = [f"{split}/{name}.txt" for split in SIZES for name in "abc"]


class SimulatedNumbersConfig(Strict):
    """The config of simulated numbers."""

    count: int = Field(default=12, description="numbers of each file")


class NumbersConfig(CorpusConfig):
    """Files of one line of numbers; the even and the odd ones are the classes."""

    source: Literal["numbers"] = "numbers"
    simulate: SimulatedNumbersConfig | None = None

    @property
    def class_names(self) -> list[str]:
        return ["even", "odd"]


class NumbersSimulator(Simulator):
    """Writes numbers that follow from the name of the file."""

    def __init__(self, config: SimulatedNumbersConfig) -> None:
        self.config = config

    def list_files(self) -> dict[str, list[str]]:
        return {file: [] for file in FILES}

    def write(self, file: str, folder: Path) -> None:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        first = 100 * sum(map(ord, file))
        numbers = range(first, first + self.config.count)
        (folder / file).write_text(" ".join(map(str, numbers)), encoding="utf-8")


class OpenNumbers(OpenRawFile):
    """One file of numbers."""

    def __init__(self, folder: Path, raw: RawFile) -> None:
        self.path, self.raw = folder / raw.file, raw

    def survey(self) -> Survey:
        sha256 = {self.raw.file: digest_file(self.path)}
        found = Survey(file=self.raw.file, sha256=sha256, group=self.raw.file, split=self.raw.split)
        text = self.path.read_text(encoding="utf-8")
        if text == "bad":
            return found.model_copy(update={"bad": "is bad"})
        label = {0: "even", 1: "odd"}
        offered = [Candidate(label=label[int(number) % 2], place={"number": int(number)}) for number in text.split()]
        return found.model_copy(update={"candidates": offered, "left_out": {"none": {"odd": 1}}})

    def cut(self, candidates: list[Candidate]) -> NDArray[Any]:
        return np.array([[candidate.place["number"]] for candidate in candidates], dtype=np.float32)


class NumbersCorpus(Corpus):
    """A corpus of numbers that counts how often its files are searched."""

    searches: int = 0

    def list_files(self) -> list[RawFile]:
        self.searches += 1
        return [RawFile(file, (), file.split("/")[0]) for file in FILES]

    def open_file(self, folder: Path, raw: RawFile) -> OpenNumbers:
        return OpenNumbers(folder, raw)

    def describe(self, surveys: list[Survey]) -> dict[str, Any]:
        return {"axes": ["sample", "number"], "units": "none", "good": len(surveys)}


def numbers_config(**changes: Any) -> NumbersConfig:
    """Return the config of a corpus of numbers; it is simulated unless a folder is given."""
    given = {} if "folder" in changes else {"simulate": {}, "stand_in": True}
    return NumbersConfig.model_validate({"sizes": SIZES, "files_per_job": 2} | given | changes)


def numbers_corpus(**changes: Any) -> NumbersCorpus:
    """Return the source of `numbers_config`."""
    config = numbers_config(**changes)
    return NumbersCorpus(config, None if config.simulate is None else NumbersSimulator(config.simulate))
