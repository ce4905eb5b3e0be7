"""A corpus of files of numbers, for the tests of what every corpus does."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from blindtune.core.files import digest_file
from blindtune.datasets.corpus.config import Corpus, RawFile
from blindtune.datasets.corpus.survey import Candidate, Survey

SIZES = {"train": 8, "dev": 4, "eval": 4}


class Numbers(Corpus):
    """Files of one line of numbers; the even and the odd ones are the classes."""

    source: Literal["numbers"] = "numbers"
    _looked: int = 0

    def names(self) -> list[str]:
        return ["even", "odd"]

    def list_files(self) -> list[RawFile]:
        self._looked += 1
        return [RawFile(f"{split}/{name}.txt", (), split) for split in SIZES for name in "abc"]

    def is_simulated(self) -> bool:
        return self.folder is None

    def simulate(self, file: str, folder: Path) -> None:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        first = 100 * sum(map(ord, file))
        (folder / file).write_text(" ".join(str(first + number) for number in range(12)), encoding="utf-8")

    def survey(self, folder: Path, raw: RawFile) -> Survey:
        sha256 = {raw.file: digest_file(folder / raw.file)}
        found = Survey(file=raw.file, sha256=sha256, group=raw.file, split=raw.split)
        text = (folder / raw.file).read_text(encoding="utf-8")
        if text == "bad":
            return found.model_copy(update={"bad": "is bad"})
        label = {0: "even", 1: "odd"}
        offered = [Candidate(label=label[int(number) % 2], place={"number": int(number)}) for number in text.split()]
        return found.model_copy(update={"candidates": offered, "left_out": {"none": {"odd": 1}}})

    def cut(self, folder: Path, survey: Survey, candidates: list[Candidate]) -> NDArray[Any]:
        return np.array([[candidate.place["number"]] for candidate in candidates], dtype=np.float32)

    def describe(self, surveys: list[Survey]) -> dict[str, Any]:
        return {"axes": ["sample", "number"], "units": "none", "good": len(surveys)}
