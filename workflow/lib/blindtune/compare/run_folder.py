"""Read the folder of a run for a comparison, finished or not, without a config and without changing a file."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from blindtune.core.arrays import read_npz
from blindtune.core.errors import UserError
from blindtune.core.files import read_json, read_regular_file
from blindtune.core.paths import ResultPaths
from blindtune.core.post_mortem_paths import FOLDER, post_mortem_file
from blindtune.core.validation import parse
from blindtune.datasets.verification import read_manifest
from blindtune.exports.stored_study import check_unsealed
from blindtune.records.decode_result import DecodeResult, check_result, parse_decode_result
from blindtune.records.model_card import ModelCard, read_card
from blindtune.records.post_mortem import PostMortem, read_post_mortem
from blindtune.records.trial import Trial, TrialLog
from blindtune.report.system_order import read_system_order

#: Dataset, system and seed of a study.
StudyKey = tuple[str, str, int]

#: The file of a decode in results of before its name was changed.
_FORMER_RESULT = "look.json"

#: What to do with a decode that contradicts itself.
_AGAIN = "Remove result.json next to it and run again."


@dataclass(frozen=True)
class StudyFolder:
    """What a run holds of one study.

    Attributes:
        protocol: what its records were made for; empty if there is none.
        trials: the recorded trials, in their order.
        card: the card of the frozen model; None: the study is not finished.
        result: the result on eval; None: the model was not decoded.
    """

    protocol: dict[str, Any]
    trials: list[Trial]
    card: ModelCard | None
    result: DecodeResult | None

    @property
    def state(self) -> str:
        """How far it has come."""
        if self.card is None:
            return f"{len(self.trials)} trials, not frozen"
        return "complete" if self.result is not None else "not decoded"


@dataclass(frozen=True)
class Unfinished:
    """A study that has no result on eval.

    Attributes:
        dataset: its dataset.
        system: its system.
        seed: its seed.
        state: how far it has come.
    """

    dataset: str
    system: str
    seed: int
    state: str


@dataclass(frozen=True)
class RunFolder:
    """What the folder of a run holds.

    Attributes:
        root: ``results/<config name>``.
        manifests: of the prepared datasets, by name.
        studies: sorted by dataset, system and seed.
        post_mortems: what all trials of a search score on eval, where that was made.
        order: of the systems by dataset, as in the config of its report; empty without a report.
    """

    root: Path
    manifests: dict[str, dict[str, Any]] = field(default_factory=dict)
    studies: dict[StudyKey, StudyFolder] = field(default_factory=dict)
    post_mortems: dict[StudyKey, PostMortem] = field(default_factory=dict)
    order: dict[str, list[str]] = field(default_factory=dict)

    @property
    def unfinished(self) -> list["Unfinished"]:
        """The studies that have no result on eval."""
        return [Unfinished(*key, study.state) for key, study in self.studies.items() if study.result is None]

    def systems(self, dataset: str) -> list[str]:
        """Return the systems of a dataset: those of the report in its order, then the others by name."""
        found = list(dict.fromkeys(system for name, system, _ in self.studies if name == dataset))
        ordered = [system for system in self.order.get(dataset, []) if system in found]
        return list(dict.fromkeys([*ordered, *found]))

    def complete_systems(self, dataset: str) -> list[str]:
        """Return the systems of a dataset that have a result on eval for every seed of the run."""
        seeds = self.seeds()
        return [
            system
            for system in self.systems(dataset)
            if all((study := self.studies.get((dataset, system, seed))) and study.result for seed in seeds)
        ]

    def seeds(self) -> list[int]:
        """Return the seeds of all studies, sorted."""
        return sorted({seed for _, _, seed in self.studies})


def read_run(root: Path) -> RunFolder:
    """Read the folder of a run.

    Args:
        root: ``results/<config name>``.

    Raises:
        UserError: it is not there or holds no run, a record is damaged, or another version wrote it.
    """
    if not check_unsealed(root).is_dir():
        raise UserError(f"{root}: is not a folder. Give the folder of a run, results/<name>.")
    manifests = {path.parent.name: _read_manifest(path) for path in sorted(root.glob("data/*/manifest.json"))}
    keys = {key for path in root.glob("studies/*/*/*") if (key := _parse_key(path)) is not None}
    if not manifests and not keys:
        raise UserError(f"{root}: holds no run.{_suggest(root)}")
    paths = ResultPaths(str(root))
    analysed = {key for path in root.glob(f"{FOLDER}/*/*/*") if (key := _parse_key(path)) is not None}
    post_mortems = {
        key: read_post_mortem(path, "Remove it and run again.")
        for key in sorted(analysed)
        if (path := Path(post_mortem_file(paths, *key))).exists()
    }
    studies = {key: _read_study(paths, key) for key in sorted(keys)}
    return RunFolder(root, manifests, studies, post_mortems, read_system_order(root))


class _Compared(BaseModel):
    """What is compared of a manifest, which is as the source wrote it otherwise."""

    source: dict[str, Any] = {}
    counts: dict[str, dict[str, int]] = {}
    versions: dict[str, str] = {}
    files: dict[str, str] = {}


def _read_manifest(path: Path) -> dict[str, Any]:
    content = read_manifest(path)
    parse(_Compared, content, str(path))
    return content


def _parse_key(path: Path) -> StudyKey | None:
    """Return the key of the study in a folder; None for one that was superseded, or for other files."""
    is_seed = path.name.isascii() and path.name.isdecimal()
    return (path.parts[-3], path.parts[-2], int(path.name)) if is_seed and path.is_dir() else None


def _suggest(root: Path) -> str:
    """Return where a run is, if not in the folder that was given."""
    below = sorted(path.parent for path in root.glob("*/studies") if path.is_dir())
    if below:
        return f" Give one of the folders in it: {', '.join(map(str, below[:5]))}."
    above = next((path for path in root.absolute().parents if (path / "studies").is_dir()), None)
    return " Give the folder of a run, results/<name>." if above is None else f" Give the folder of the run, {above}."


def _read_study(paths: ResultPaths, key: StudyKey) -> StudyFolder:
    folder, decode = Path(paths.study(*key)), Path(paths.decode(*key))
    card, protocol, result = folder / "card.json", folder / "protocol.json", decode / "result.json"
    if not result.exists() and (decode / _FORMER_RESULT).exists():
        raise UserError(
            f"{decode / _FORMER_RESULT}: was written by an early version of blindtune, whose records are not compared "
            "here. Run the config again with this version, into another folder."
        )
    return StudyFolder(
        _read_protocol(protocol) if protocol.exists() else {},
        _read_trials(folder / "trials.jsonl"),
        read_card(card) if card.exists() else None,
        _read_result(result) if result.exists() else None,
    )


def _read_trials(log: Path) -> list[Trial]:
    if log.exists() and not read_regular_file(log).endswith(b"\n"):
        raise UserError(
            f"{log}: its last record is incomplete. Wait until the run that writes it has ended, or run again: the "
            "study sets the record aside and continues."
        )
    return TrialLog(log).read()


def _read_result(path: Path) -> DecodeResult:
    """Return a result whose scores follow from the predictions next to it."""
    result, source = parse_decode_result(read_json(path), str(path)), path.with_name("predictions.npz")
    predictions = None if result.predictions_sha256 is None else read_npz(source, _AGAIN)
    return check_result(result, predictions, str(path), str(source), _AGAIN)


def _read_protocol(path: Path) -> dict[str, Any]:
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("study"), dict):
        raise UserError(f"{path}: is not a protocol of a study. Restore it, or move the study's folder away.")
    return content
