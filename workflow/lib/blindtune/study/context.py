"""What all steps of a study share: the study, its data, its folder and its output."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blindtune.config.study import Study
from blindtune.core.job_log import JobLog
from blindtune.datasets.prepared import Prepared


@dataclass(frozen=True, kw_only=True)
class StudyContext:
    """One study and where it works.

    Attributes:
        study: the config of the study.
        data: train and dev, with the view of the system applied.
        preprocessing: what the view took of the dataset besides samples, collected once, before it was applied.
        folder: the folder of the study, which holds its records.
        job_log: takes messages and progress.
        workers: number of cores to use; changes no record.
        on_nodes: whether its workers run on all nodes of its allocation of Slurm, ``workers`` on each; changes no
            record.
        part: which part of the study is trained, for messages, such as ``shard 1 of 4``; empty: all of it.
        check_claim: called before each write to the folder; raises an error if another process has taken it over.
    """

    study: Study
    data: Prepared
    preprocessing: dict[str, Any]
    folder: Path
    job_log: JobLog = field(default_factory=JobLog)
    workers: int = 1
    on_nodes: bool = False
    part: str = ""
    check_claim: Callable[[], None] = lambda: None

    @property
    def name(self) -> str:
        """The study, and the part of it, for messages."""
        return f"{self.study.id}, {self.part}" if self.part else self.study.id
