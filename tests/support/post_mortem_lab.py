"""The results of one config with a search, a reference model and a manual model, to test post-mortems with."""

from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from blindtune.config.systems import System
from blindtune.core.job_log import JobLog
from blindtune.core.paths import ResultPaths
from blindtune.core.post_mortem_paths import post_mortem_file
from blindtune.decoding.decode import decode_to_files
from blindtune.decoding.ledger import Ledger
from blindtune.decoding.post_mortem import Looks, write_post_mortem_of
from blindtune.records.post_mortem import PostMortem
from blindtune.study.run import run_study
from support.builders import Places, prepare_toy, study
from support.extractors import compute_features

SYSTEMS: dict[str, dict[str, Any]] = {
    "near": {"kind": "knn", "n_neighbors": [1, 5, 9]},
    "expert": {"kind": "manual", "model": "mlp_m1", "trainer": "fused", "training": {"epochs": 2}},
    "search": {
        "kind": "tuner",
        "tuner": {"library": "keras-tuner", "algorithm": "random"},
        "space": "mlp",
        "trainer": "fused",
        "training": {"epochs": 2},
    },
}


class PostMortemLab:
    """One dataset, its studies and decodes, below ``results/test``, and a ledger.

    Attributes:
        root: ``results/test``.
        paths: its layout.
        places: where the dataset is.
        ledger: folder of the ledger.
        lines: what was reported.
    """

    def __init__(self, folder: Path, systems: dict[str, dict[str, Any]] | None = None) -> None:
        self.root = folder / "results" / "test"
        self.paths = ResultPaths(str(self.root))
        self.places = Places(Path(self.paths.manifest("toy")), Path(self.paths.seal("toy")))
        if not self.places.manifest.exists():  # unless it is a copy of results
            prepare_toy(self.root)
        self.ledger = folder / "results" / "ledger"
        self.systems = SYSTEMS if systems is None else systems
        self.lines: list[str] = []

    def run(self, *names: str, **changes: Any) -> None:
        """Run the studies of systems, all of them by default."""
        for name in names or self.systems:
            self.run_study(name, self.systems[name], **changes)

    def run_study(self, name: str, content: dict[str, Any], **changes: Any) -> None:
        """Run the study of one system."""
        settings: Any = TypeAdapter[Any](System).validate_python(content)
        budget = {"trials": 4} if content["kind"] == "tuner" else None
        it = study(settings, **({"system": name, "budget": budget} | changes))
        folder = Path(self.paths.study("toy", name, it.seed))
        compute_features(settings.extractor, self.places.open())
        run_study(it, self.places.open(), files=settings.files(), code="code", folder=folder, job_log=JobLog())

    def decode(self, *names: str, seed: int = 42) -> None:
        """Decode the frozen models of systems, all of them by default."""
        for name in names or self.systems:
            decode_to_files(
                card=Path(self.paths.card("toy", name, seed)),
                manifest=self.places.manifest,
                sealed=self.places.seal,
                ledger=self.ledger,
                allow_repeats=False,
                points=5,
                folder=Path(self.paths.decode("toy", name, seed)),
                report=self.lines.append,
                root=self.root,
            )

    def analyse(self, system: str = "search", systems: list[str] | None = None, workers: int = 1) -> PostMortem:
        """Make the post-mortem of a search."""
        looks = Looks(self.root, "toy", list(self.systems) if systems is None else systems, [42])
        return write_post_mortem_of(looks, system, 42, ledger=self.ledger, report=self.lines.append, workers=workers)

    def file(self, system: str = "search") -> Path:
        """Return the file of the post-mortem of a search."""
        return Path(post_mortem_file(self.paths, "toy", system, 42))

    def result(self, system: str = "search") -> Path:
        """Return the file of the decode of a system."""
        return Path(self.paths.decode("toy", system, 42)) / "result.json"

    def events(self) -> list[str]:
        """Return the events of the ledger, in order."""
        return [entry["event"] for entry in Ledger(self.ledger).entries()]

    def hide_eval(self) -> None:
        """Move the sealed data away, so that opening them fails."""
        (self.places.seal.parent / "eval").rename(self.places.seal.parent / "away")
