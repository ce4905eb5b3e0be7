"""One search, run whole and in shards: what both leave must be the same but for times and hosts."""

import json
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from blindtune.config.rungs import plan_system_rungs
from blindtune.config.systems import Tuned
from blindtune.core.arrays import digest_arrays
from blindtune.core.job_log import JobLog
from blindtune.core.shards import Shard
from blindtune.core.weights import load_weights
from blindtune.datasets.prepared import Prepared
from blindtune.study import setup
from blindtune.study.run import run_study
from blindtune.study.shard_run import run_shard
from blindtune.training.base import Trainer
from support.builders import RecordingConsole, study

SPACE = """\
layers: {type: int, low: 1, high: 1}
units: {type: int, low: 4, high: 12, step: 4}
dropout_rate: {type: float, low: 0.0, high: 1.0, step: 0.5}
learning_rate: {type: float, low: 0.005, high: 0.05, step: 0.005}
"""

#: The text of what differs from run to run, at the end of a record.
_VARYING = re.compile(r',"seconds":\{.*\},"started":"[^"]*","host":"[^"]*"(?=,"versions":)')


def tuned(space: Path, library: str = "optuna", algorithm: str = "random", **changes: Any) -> Tuned:
    """Return a tuned system."""
    tuner = {"library": library, "algorithm": algorithm}
    parts = {"kind": "tuner", "space": str(space), "training": {"epochs": 3, "batch_size": 20}, "trainer": "pytorch"}
    return Tuned.model_validate(parts | {"tuner": tuner} | changes)


class ShardLab:
    """Runs one study in one folder, with shards or without.

    Attributes:
        said: what its jobs have said.
    """

    def __init__(self, data: Prepared, root: Path, system: Any, code: str = "code", **changes: Any) -> None:
        self.data, self.root, self.system, self.code = data, root, system, code
        self.study = study(system, **changes)
        self.job_log = RecordingConsole()
        self.said = self.job_log.said

    @property
    def folder(self) -> Path:
        """The folder of the study."""
        return self.root / "studies" / "toy" / "it" / "42"

    def shard_file(self, number: int, n_shards: int, rung: int | None = None) -> Path:
        """The file of a shard."""
        return self.root / "shards" / "toy" / "it" / "42" / f"{Shard(number, n_shards, rung).name}.jsonl"

    def run_shard(
        self,
        number: int,
        n_shards: int,
        job_log: JobLog | None = None,
        rung: int | None = None,
        earlier: Sequence[Path] = (),
    ) -> Path:
        """Run one shard; return its file, which is removed before, as Snakemake does."""
        output = self.shard_file(number, n_shards, rung)
        output.unlink(missing_ok=True)
        output.parent.mkdir(parents=True, exist_ok=True)
        run_shard(
            self.study,
            self.data,
            shard=Shard(number, n_shards, rung),
            files=self.system.files(),
            code=self.code,
            output=output,
            study_folder=self.folder,
            job_log=job_log or self.job_log,
            earlier=earlier,
        )
        return output

    def run_shards(self, n_shards: int) -> list[Path]:
        """Run all shards."""
        return [self.run_shard(number, n_shards) for number in range(1, n_shards + 1)]

    def run_rungs(self, n_shards: int) -> list[list[Path]]:
        """Run the shards of each rung, as the workflow plans them; the files of each rung."""
        plan = plan_system_rungs(self.study.settings, self.study.budget, self.system.files())
        assert plan is not None
        rungs: list[list[Path]] = []
        for rung, trials in enumerate(plan.trials, 1):
            n_of_rung, earlier = min(n_shards, len(trials)), list(chain.from_iterable(rungs))
            rungs.append([self.run_shard(one + 1, n_of_rung, None, rung, earlier) for one in range(n_of_rung)])
        return rungs

    def run(self, shards: Iterable[Path] = (), workers: int = 1) -> dict[str, Any]:
        """Run the study, and return what it left."""
        run_study(
            self.study,
            self.data,
            files=self.system.files(),
            code=self.code,
            folder=self.folder,
            job_log=self.job_log,
            workers=workers,
            shards=list(shards),
        )
        return left(self.folder)

    def forget(self) -> None:
        """Remove the study and its shards."""
        for name in ("studies", "shards"):
            shutil.rmtree(self.root / name, ignore_errors=True)
        self.said.clear()


def left(folder: Path) -> dict[str, Any]:
    """Return what a study left, but for times and hosts: the text of its records, its weights and its card."""
    lines = (folder / "trials.jsonl").read_text(encoding="utf-8").splitlines()
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    card["spent"].pop("seconds")
    for digest in ("card_sha256", "trials_sha256"):  # of the seconds too
        card.pop(digest)
    return {
        "trials": [strip_varying(line) for line in lines],
        "weights": {
            path.name: digest_arrays(load_weights(path, "")) for path in (folder / "weights").glob("*.safetensors")
        },
        "card": card,
    }


def strip_varying(line: str) -> str:
    """Return a record as it is written, without the text of what differs from run to run."""
    stripped, found = _VARYING.subn("", line)
    assert found == 1, f"is no record: {line}"
    return stripped


@contextmanager
def training_with(trainer: Trainer) -> Iterator[None]:
    """Let studies train with ``trainer``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setup, "create_trainer", lambda name, workers: trainer)
        yield
