"""One prepared dataset, one ledger and frozen models, to test decode with."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from blindtune.config.systems import Knn
from blindtune.core.job_log import JobLog
from blindtune.decoding.decode import decode, decode_to_files
from blindtune.decoding.frozen_model import FrozenModel
from blindtune.decoding.ledger import Ledger
from blindtune.records.decode_result import DecodeResult
from blindtune.records.model_card import read_card
from blindtune.study.run import run_study
from support.builders import Places, prepare_toy, study
from support.extractors import compute_features


class DecodeLab:
    """One dataset, one ledger, and frozen models.

    Attributes:
        folder: holds everything.
        places: where the dataset is.
        ledger: folder of the ledger.
        lines: what decode reported.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.places: Places = prepare_toy(folder)
        self.ledger = folder / "ledger"
        self.lines: list[str] = []

    def freeze(self, n_neighbors: int = 3, **changes: Any) -> Path:
        """Run a study, of k-nearest neighbours unless ``changes`` has other settings; return its folder.

        Args:
            n_neighbors: k.
            **changes: other arguments of `support.builders.study`, and ``files`` of the system.
        """
        settings = changes.pop("settings", Knn(kind="knn", n_neighbors=[n_neighbors]))
        files = changes.pop("files", {})
        it = study(settings, **changes)
        folder = self.folder / "studies" / f"{n_neighbors}-{it.system}-{it.settings.kind}"
        compute_features(settings.extractor, self.places.open())
        run_study(it, self.places.open(), files=files, code="code", folder=folder, job_log=JobLog())
        return folder

    def model(self, folder: Path, workers: int = 1) -> FrozenModel:
        """Return the frozen model of a study's folder."""
        return FrozenModel(read_card(folder / "card.json"), folder, self.places.open(), workers)

    def decode(self, folder: Path, allow_repeats: bool = False) -> tuple[DecodeResult, Any]:
        """Decode the frozen model of a study's folder."""
        return decode(
            self.model(folder),
            self.places.seal,
            Ledger(self.ledger),
            allow_repeats=allow_repeats,
            report=self.lines.append,
        )

    def decode_to_files(self, folder: Path, out: Path, root: Path | None = None) -> None:
        """Decode the frozen model of a study's folder into the files of ``out``, below the results of ``root``."""
        decode_to_files(
            card=folder / "card.json",
            manifest=self.places.manifest,
            sealed=self.places.seal,
            ledger=self.ledger,
            allow_repeats=False,
            points=5,
            folder=out,
            report=self.lines.append,
            root=root,
        )

    def events(self) -> list[str]:
        """Return the events of the ledger, in order."""
        return [entry["event"] for entry in Ledger(self.ledger).entries()]

    def hide_eval(self) -> None:
        """Move the sealed data away, so that opening them fails."""
        (self.places.seal.parent / "eval").rename(self.places.seal.parent / "away")

    def change_ledger(self, change: Callable[[str], str]) -> None:
        """Replace the text of the ledger."""
        path = self.ledger / "ledger.jsonl"
        path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")

    def forget_chain(self, change: Callable[[str], str] = str) -> None:
        """Make the ledger one of before it was a chain, and replace its text."""
        self.change_ledger(lambda text: change(unchained(text)))
        (self.ledger / "head.json").unlink()
        for path in self.folder.rglob("ledger_head.json"):
            path.unlink()


def unchained(text: str) -> str:
    """Return the text of a ledger without what makes it a chain and without the content of eval."""
    new = ("number", "previous", "eval_content_sha256")
    entries = [json.loads(line) for line in text.splitlines()]
    return "".join(
        json.dumps({name: value for name, value in entry.items() if name not in new}) + "\n" for entry in entries
    )
