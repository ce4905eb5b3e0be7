"""Whole recordings of eval, for event-based scores: the signal, the events in it, and the windows that are answered.

They are sealed with eval: written by the jobs that extract its files, listed by the preparation, and opened by decode
alone, when a frozen model is decoded. ``eval/recordings.json`` lists them, and its digest is in ``seal.json`` and
in the manifest.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from blindtune.core.arrays import open_array
from blindtune.core.errors import UserError
from blindtune.core.files import digest_file, digest_json, read_json
from blindtune.core.validation import parse_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: The list of the sealed recordings, in the folder of eval.
RECORDINGS = "recordings.json"
#: Windows that are answered at once.
WINDOWS_AT_ONCE = 256


class WrittenStretch(BaseModel):
    """A part of a recording without a gap."""

    model_config = ConfigDict(extra="forbid")

    first: int = Field(ge=0, description="its first sample in the array")
    samples: int = Field(ge=0, description="number of its samples")
    start: float = Field(ge=0, allow_inf_nan=False, description="seconds from the start of the recording")


class WholeRecording(BaseModel):
    """A whole recording, as it was written for event-based scores."""

    model_config = ConfigDict(extra="forbid")

    rate: int = Field(gt=0, description="samples per second")
    window: int = Field(gt=0, description="samples of a window, which is as long as a sample of the dataset")
    step: int = Field(gt=0, description="samples from one window to the next")
    label: int = Field(ge=0, description="the class of the events")
    end: float = Field(gt=0, allow_inf_nan=False, description="its end in seconds from its start, gaps included")
    stretches: list[WrittenStretch] = Field(min_length=1)
    events: list[tuple[float, float]] = Field(description="start and stop of each event in seconds, in order")
    sha256: str = Field(description="of the file of the array, (n_samples, n_channels)")

    @property
    def seconds(self) -> float:
        """The seconds that windows cover: without gaps, and without stretches shorter than a window."""
        return sum(stretch.samples for stretch in self.stretches if stretch.samples >= self.window) / self.rate

    def windows(self) -> "tuple[NDArray[np.int64], NDArray[np.float64]]":
        """Return the windows: first samples in the array, and starts in seconds from the start of the recording.

        They are ``step`` apart in each stretch; one more ends where the stretch does, so that no sample is left out. A
        stretch that is shorter than a window has none.
        """
        import numpy as np

        firsts, seconds = [np.empty(0, np.int64)], [np.empty(0)]
        for stretch in self.stretches:
            last = stretch.samples - self.window
            starts = np.arange(0, last + 1, self.step, dtype=np.int64)
            if len(starts) and starts[-1] < last:
                starts = np.append(starts, last)
            firsts.append(stretch.first + starts)
            seconds.append(stretch.start + starts / self.rate)
        return np.concatenate(firsts), np.concatenate(seconds)


class SealedRecording(WholeRecording):
    """A whole recording of eval: what it is, and where its array is."""

    file: str = Field(description="path below the folder of the corpus")
    patient: int = Field(ge=0, description="number of the patient in the list of them")
    array: str = Field(description="path of the array below the folder of the seal")


class SealedRecordings(BaseModel):
    """All whole recordings of eval."""

    model_config = ConfigDict(extra="forbid")

    patients: list[str] = Field(description="names of the patients, sorted")
    recordings: list[SealedRecording] = Field(min_length=1)


def whole_path(samples: Path) -> Path:
    """Return the path of the array of a whole recording.

    Args:
        samples: path of the samples of the same file.
    """
    return samples.with_name(f"{samples.stem}.whole.npy")


def digest_recordings(found: SealedRecordings) -> str:
    """Return the digest of a list of recordings, with those of their arrays."""
    return digest_json(found.model_dump(mode="json"))


def read_recordings(folder: Path, sha256: str) -> tuple[SealedRecordings, dict[str, list[int]]]:
    """Return the recordings of an eval, after all their files were compared with their digests.

    Args:
        folder: folder of the seal.
        sha256: digest of the list.

    Returns:
        The recordings, and what the file system said of each array before it was read, by its path.

    Raises:
        UserError: a file is missing, or is not what was sealed.
    """
    # Needs NumPy, which is not imported while the workflow is planned.
    from blindtune.datasets.verification import describe_file

    path = folder / "eval" / RECORDINGS
    if not path.is_file():
        raise _refusal(folder, path)
    found = parse_json(SealedRecordings, read_json(path), str(path))
    if digest_recordings(found) != sha256:
        raise _refusal(folder, path)
    seen = {}
    for one in found.recordings:
        array = folder / one.array
        if ".." in Path(one.array).parts or not array.is_file():
            raise _refusal(folder, array)
        seen[one.array] = describe_file(array)
        if digest_file(array) != one.sha256:
            raise _refusal(folder, array)
    return found, seen


def check_unchanged(recording: SealedRecording, folder: Path, seen: list[int]) -> None:
    """Refuse an array that was changed after `read_recordings` verified it; it is digested again if that is not clear.

    Args:
        recording: of `read_recordings`.
        folder: folder of the seal.
        seen: what the file system said of the array then.

    Raises:
        UserError: it is missing, or not what was sealed.
    """
    from blindtune.datasets.verification import describe_file, is_settled

    array = folder / recording.array
    if not array.is_file():
        raise _refusal(folder, array)
    is_known = describe_file(array) == seen and is_settled({recording.array: seen})
    if not is_known and digest_file(array) != recording.sha256:
        raise _refusal(folder, array)


def iterate_windows(
    recording: SealedRecording, folder: Path, chunk: int
) -> "Iterator[tuple[NDArray[np.float64], NDArray[np.float32]]]":
    """Return the windows of a recording, some at a time.

    Args:
        recording: of `read_recordings`.
        folder: folder of the seal.
        chunk: number of windows at a time.

    Yields:
        Their starts in seconds, (n_windows,), and the windows as samples are stored, (n_windows, n_channels, n_times)
        float32.

    Raises:
        UserError: the array cannot be read.
    """
    import numpy as np

    signal = open_array(folder / recording.array, f"Remove {folder / 'seal.json'} and run again.")
    firsts, starts = recording.windows()
    for at in range(0, len(firsts), chunk):
        some = slice(at, at + chunk)
        x = np.stack([signal[first : first + recording.window].T for first in firsts[some].tolist()])
        yield starts[some], np.ascontiguousarray(x, dtype=np.float32)


def _refusal(folder: Path, path: Path) -> UserError:
    return UserError(
        f"{path}: is missing or not what was sealed with eval. Put back the file, or remove {folder / 'seal.json'} and "
        "run again, which prepares the dataset again."
    )
