"""The source `eeg`: segments of EEG recordings."""

from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from blindtune.core.errors import UserError
from blindtune.datasets.corpus.base import Corpus, RawFile
from blindtune.datasets.corpus.filetree import check_annotated
from blindtune.datasets.corpus.survey import Survey, check_files_by_group
from blindtune.datasets.eeg import annotations, montages, preprocessing
from blindtune.datasets.eeg.config import EegConfig
from blindtune.datasets.eeg.discovery import Recording, assign_splits, find_recordings, parse_paths
from blindtune.datasets.eeg.recording_file import without_compression
from blindtune.datasets.eeg.survey import OpenRecording


class EegSource(Corpus):
    """Segments of EEG recordings, by whether there was a seizure."""

    config: EegConfig
    views: ClassVar[tuple[str, ...]] = ("samples", "features", "frames")
    split_keys: ClassVar[tuple[str, ...]] = ("split", "dev", "eval")

    def list_files(self) -> list[RawFile]:
        """Return the recordings, each with the annotations that are known.

        Raises:
            UserError: as `blindtune.datasets.eeg.discovery`, a patient is in two splits, or no recording is annotated.
        """
        found = list(self._recordings.values())
        splits = assign_splits(found, self.config)
        if self.simulator is not None:
            companions = self.simulator.list_files()
        else:
            folder = Path(str(self.config.folder))
            companions = {
                one.file: annotations.list_annotations(folder, without_compression(one.file)) for one in found
            }
            check_annotated(companions.values(), annotations.SUFFIXES)
        check_files_by_group((one.file, one.patient, splits[one.file]) for one in found)
        return [RawFile(one.file, tuple(companions[one.file]), splits[one.file]) for one in found]

    def open_file(self, folder: Path, raw: RawFile) -> OpenRecording:
        """Read a recording.

        Args:
            folder: folder of the corpus.
            raw: one of `list_files`.

        Raises:
            UserError: the recording is gone.
        """
        return OpenRecording(folder, self._recordings[raw.file], raw.split, self.config, self._patients)

    def describe(self, surveys: list[Survey]) -> dict[str, Any]:
        """Return axes, unit, the exact filter, and how many recordings have which sampling rate, in Hz.

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

    @cached_property
    def _patients(self) -> frozenset[str]:
        return frozenset(one.patient for one in self._recordings.values())

    @cached_property
    def _recordings(self) -> dict[str, Recording]:
        """The recordings, by their paths."""
        if self.simulator is not None:
            found = parse_paths(list(self.simulator.list_files()), self.config)
        else:
            found = find_recordings(Path(str(self.config.folder)), self.config)
        return {one.file: one for one in found}
