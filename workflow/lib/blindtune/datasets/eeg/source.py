"""The source `eeg`: segments of EEG recordings."""

from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from blindtune.core.errors import UserError
from blindtune.datasets.corpus.base import Corpus, RawFile
from blindtune.datasets.corpus.filetree import Nameless, is_broken_link
from blindtune.datasets.corpus.survey import MAX_LISTED, Survey, check_files_by_group, fold_group
from blindtune.datasets.eeg import montages, preprocessing
from blindtune.datasets.eeg.annotations.base import AnnotationReader, count_labels
from blindtune.datasets.eeg.annotations.labels import list_unmet
from blindtune.datasets.eeg.annotations.registry import create_reader, name_of_reader
from blindtune.datasets.eeg.config import EegConfig
from blindtune.datasets.eeg.discovery import (
    FileTree,
    Recording,
    assign_splits,
    find_files,
    list_same_patients,
    parse_paths,
)
from blindtune.datasets.eeg.survey import OpenRecording

#: Labels of events that the manifest counts one by one: free texts inside of recordings may be thousands.
MAX_COUNTED = 50


class EegSource(Corpus):
    """Segments of EEG recordings, by whether there was a seizure."""

    config: EegConfig
    views: ClassVar[tuple[str, ...]] = ("samples", "features", "frames")
    split_keys: ClassVar[tuple[str, ...]] = (
        "split",
        "dev",
        "eval",
        "files",
        "same_patient",
        "annotations",
        "annotation_table",
        # Without them, annotations: edf_plus is refused.
        "event_labels",
    )

    eval_keys: ClassVar[tuple[str, ...]] = ("event_step",)

    def list_files(self) -> list[RawFile]:
        """Return the recordings, each with the annotations that are known.

        Raises:
            UserError: as `blindtune.datasets.eeg.discovery`, a patient is in two splits, no recording is annotated, or
                it is not clear how.
        """
        found = list(self._recordings.values())
        splits = assign_splits(found, self.config)
        companions = {one.file: self._reader.companions(one.file) for one in found}
        check_files_by_group((one.file, one.patient, splits[one.file]) for one in found)
        return [RawFile(one.file, tuple(companions[one.file]), splits[one.file], one.patient) for one in found]

    def open_file(self, folder: Path, raw: RawFile) -> OpenRecording:
        """Read a recording.

        Args:
            folder: folder of the corpus.
            raw: one of `list_files`.

        Raises:
            UserError: the recording is gone.
        """
        reader = self._reader_below(folder)
        return OpenRecording(folder, self._recordings[raw.file], raw.split, self.config, reader, self._patients)

    def list_ignored(self) -> list[tuple[str, str]] | None:
        """Return the files below the folder that are neither recordings nor annotations of them, and why."""
        if self.simulator is not None:
            return None
        tree, reader = self._tree, self._reader
        used = self._used
        layout = f"is neither a recording nor an annotation of one ({name_of_reader(reader)})"
        reasons = {
            one: f"is an annotation of {file}, which has no patient"
            for file in tree.nameless
            for one in reader.companions(file)
        }
        reasons |= dict.fromkeys(self._broken_links, "is a broken link, which may lead to a folder") | tree.ignored
        return [(file, reasons.get(file, layout)) for file in tree.files if file not in used]

    def list_nameless(self) -> Nameless:
        """Return the recordings whose paths give no patient."""
        return self._tree.list_nameless()

    def take_notes(self, surveys: list[Survey]) -> list[str]:
        """Return how annotations were found, and which labels were met.

        Args:
            surveys: surveys of the recordings that are used.
        """
        name = name_of_reader(self._reader)
        how = " (auto)" if self.config.annotations == "auto" else ""
        labels = self._count_events(surveys)
        notes = [f"annotations: {name}{how}, labels {count_labels(labels) if labels else 'none'}"]
        if self.config.event_labels is not None:
            for label, near in list_unmet(self.config.event_labels, labels):
                hint = f"; the nearest of those that were met is {near!r}" if near else ""
                notes.append(f"event_labels: {label!r} was met in no recording that is used{hint}")
        bare = sum(survey.facts.get("annotations") == "none" for survey in surveys)
        if bare:
            notes.append(f"{bare} recordings without an annotation count as background (unannotated)")
        if empty := [survey for survey in surveys if not survey.candidates]:
            named = [f"{survey.file} ({survey.explain_empty()})" for survey in empty[:MAX_LISTED]]
            more = [f"and {len(empty) - MAX_LISTED} more"] if len(empty) > MAX_LISTED else []
            notes.append(f"{len(empty)} recordings offer no segment: {', '.join([*named, *more])}")
        if links := self._broken_links:
            notes.append(
                f"{len(links)} broken links that are neither recordings nor annotations, such as {links[0]}; one to a "
                "folder hides all recordings in it"
            )
        same = list_same_patients(self._recordings.values(), self.config)
        notes += [f"patient {other} is {first}" for other, first in same.items()]
        return notes

    def describe(self, surveys: list[Survey]) -> dict[str, Any]:
        """Return axes, unit, the exact filter, labels of annotations, and how many recordings have which rate, in Hz.

        Args:
            surveys: surveys of the recordings that are not bad.

        Raises:
            UserError: the montage is ``as_recorded``, and recordings have different channels.
        """
        return {
            "axes": ["sample", "channel", "time"],
            "units": "uV",
            "channels": self._channels(surveys),
            "filter": preprocessing.describe(self.config),
            "annotations": name_of_reader(self._reader),
            "events": _limit(self._count_events(surveys)),
            "same_patient": list_same_patients(self._recordings.values(), self.config),
            "rates": dict(sorted(Counter(f"{survey.facts['rate']:g}" for survey in surveys).items())),
        }

    def _channels(self, surveys: list[Survey]) -> list[str]:
        """Return the names of the channels of a sample."""
        if self.config.montage != montages.AS_RECORDED:
            return list(montages.create_montage(self.config.montage).channels)
        used = [survey for survey in surveys if survey.candidates]
        for survey in used[1:]:
            names, others = survey.facts["channels"], used[0].facts["channels"]
            if names != others:
                unlike = sorted({*names} ^ {*others})
                raise UserError(
                    f"montage: as_recorded needs the same channels in all recordings; {survey.file} and "
                    f"{used[0].file} differ in {', '.join(unlike[:10])}. Give a list of channels that all have."
                )
        return [name for survey in used[:1] for name in survey.facts["channels"]]

    @staticmethod
    def _count_events(surveys: list[Survey]) -> Counter[str]:
        total = Counter[str]()
        for survey in surveys:
            total.update(survey.facts.get("events", {}))
        return total

    @cached_property
    def _patients(self) -> frozenset[str]:
        return frozenset(fold_group(one.patient) for one in self._recordings.values())

    @cached_property
    def _used(self) -> set[str]:
        """The recordings and their annotations."""
        return {name for file in self._tree.recordings for name in (file, *self._reader.companions(file))}

    @cached_property
    def _broken_links(self) -> list[str]:
        """Broken links among the files that are not used by their names: what one leads to may have been a folder."""
        if self.simulator is not None:
            return []
        folder, known = Path(str(self.config.folder)), {*self._used, *self._tree.ignored}
        return [file for file in self._tree.files if file not in known and is_broken_link(folder / file)]

    @cached_property
    def _recordings(self) -> dict[str, Recording]:
        """The recordings, by their paths."""
        return {one.file: one for one in parse_paths(self._tree.recordings, self.config)}

    @cached_property
    def _tree(self) -> FileTree:
        """The files of the corpus; of a simulated one those that it will have."""
        if self.simulator is None:
            return find_files(Path(str(self.config.folder)), self.config)
        listed = self.simulator.list_files()
        return FileTree([*listed, *(name for names in listed.values() for name in names)], sorted(listed), {})

    @cached_property
    def _reader(self) -> AnnotationReader:
        """What reads the annotations."""
        # Of a simulated corpus, whose folder is not known here, only the names matter.
        return self._create_reader(Path(self.config.folder or "."))

    def _reader_below(self, folder: Path) -> AnnotationReader:
        """Return what reads the annotations below a folder, which a simulated corpus has only in a job."""
        return self._reader if self.simulator is None else self._create_reader(folder)

    def _create_reader(self, folder: Path) -> AnnotationReader:
        return create_reader(folder, self._tree.files, self._tree.recordings, self.config)


def _limit(events: Counter[str]) -> dict[str, int]:
    """Return the most frequent labels with their numbers, sorted, and the rest as one."""
    ranked = sorted(events.items(), key=lambda one: (-one[1], one[0]))
    rest = sum(count for _, count in ranked[MAX_COUNTED:])
    return dict(sorted(ranked[:MAX_COUNTED])) | ({"(other labels)": rest} if rest else {})
