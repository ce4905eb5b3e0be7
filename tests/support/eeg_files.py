"""Builders of EDF files, annotations and sources for the tests of EEG."""

import datetime
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from edfio import Edf, EdfSignal
from edfio import Recording as EdfRecording
from numpy.typing import NDArray

from blindtune.core.validation import parse
from blindtune.datasets.corpus.base import Corpus
from blindtune.datasets.eeg.config import EegConfig, SimulatedEegConfig
from blindtune.datasets.eeg.discovery import Recording
from blindtune.datasets.eeg.edf_header import Stretch
from blindtune.datasets.eeg.montages import ELECTRODES, Derivation, create_montage, find_derivation
from blindtune.datasets.eeg.preprocessing import Signals
from blindtune.datasets.eeg.recording_file import RecordingFile
from blindtune.datasets.eeg.simulated.corpus import EegSimulator
from blindtune.datasets.eeg.survey import OpenRecording
from blindtune.datasets.registry import create_corpus
from support.builders import ROOT

#: A real recording of 64 channels (PhysioNet eegmmidb, ODC-BY), no seizure.
REAL = ROOT.parent / "shared" / "data" / "eeg" / "S001R01.edf"
ABSENT = f"the real recording is not here ({REAL.parent.name}/{REAL.name} of the shared data)"


def eeg_config(**changes: Any) -> EegConfig:
    """Return the config of a corpus, with some keys changed."""
    content = {"source": "eeg", "folder": "corpus", "sizes": {"train": 4, "dev": 2, "eval": 2}}
    return parse(EegConfig, content | changes, "config.yaml")


def eeg_corpus(**changes: Any) -> Corpus:
    """Return the source of `eeg_config`."""
    return create_corpus(eeg_config(**changes))


def open_recording(folder: Path, file: str, config: EegConfig) -> OpenRecording:
    """Return one open recording of train, as a job opens it."""
    return OpenRecording(folder, Recording(file, "a", None, None), "train", config)


def open_signals(path: Path, montage: str | list[str] = "tcp20") -> tuple[Signals, Derivation, Stretch]:
    """Return the channels of a recording, how those of a montage are derived from them, and all its time."""
    file = RecordingFile(path)
    derivation = find_derivation(file.header.signal_labels, create_montage(montage))
    whole = Stretch(0, file.header.n_complete_records, 0.0, float(file.header.seconds))
    return Signals(file, derivation.sources), derivation, whole


def write_simulated(config: SimulatedEegConfig, folder: Path, files: Iterable[str] | None = None) -> None:
    """Write a simulated corpus, or some of its recordings."""
    simulator = EegSimulator(config)
    for file in sorted(simulator.list_files()) if files is None else files:
        simulator.write(file, folder)


def noise(seconds: int, rate: int, seed: int = 0, rows: int = 21) -> NDArray[np.float64]:
    """Return white noise of 30 uV, (rows, seconds * rate)."""
    return np.random.default_rng(seed).normal(0, 30, (rows, seconds * rate))


def write_edf(
    path: Path,
    x: NDArray[np.float64],
    rate: int,
    labels: Sequence[str] | None = None,
    units: Mapping[str, str] | None = None,
    rates: Mapping[str, int] | None = None,
) -> Path:
    """Write ``x`` (n_channels, n_samples) as plain EDF; ``units`` and ``rates`` replace those of single channels."""
    labels = labels or [f"EEG {name}-REF" for name in ELECTRODES[: len(x)]]
    signals = [
        EdfSignal(
            row[: len(row) * (rates or {}).get(label, rate) // rate],
            (rates or {}).get(label, rate),
            label=label,
            physical_dimension=(units or {}).get(label, "uV"),
            physical_range=(-1000, 1000),
            digital_range=(-32768, 32767),
        )
        for label, row in zip(labels, x, strict=True)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    recording = EdfRecording(startdate=datetime.date(2001, 2, 3))
    Edf(signals, recording=recording, starttime=datetime.time(4, 5, 6), data_record_duration=1).write(path)
    return path


def patch(path: Path, at: int, text: str, width: int) -> None:
    """Overwrite a field of a file."""
    content = bytearray(path.read_bytes())
    content[at : at + width] = text.encode("latin-1").ljust(width)
    path.write_bytes(content)


def tse(rows: Sequence[tuple[float, float, str]]) -> str:
    """Return the text of a ``.tse`` file."""
    return "version = tse_v1.0.0\n\n" + "".join(
        f"{start:.4f} {stop:.4f} {label} 1.0000\n" for start, stop, label in rows
    )


def csv(rows: Sequence[tuple[float, float, str]], channel: str = "TERM") -> str:
    """Return the text of a ``.csv`` file that does not say how long its recording is."""
    head = "# version = csv_v1.0.0\n# montage_file = x\n#\nchannel,start_time,stop_time,label,confidence\n"
    return head + "".join(f"{channel},{start:.4f},{stop:.4f},{label},1.0000\n" for start, stop, label in rows)
