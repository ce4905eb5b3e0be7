"""EDF files and annotations that are not the stand-in's, for the tests of EEG."""

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from edfio import Edf, EdfSignal, Recording
from numpy.typing import NDArray

from blindtune.core.validation import parse
from blindtune.datasets.eeg.config import EegConfig
from blindtune.datasets.eeg.montages import ELECTRODES
from support.builders import ROOT

#: A real recording of 64 channels (PhysioNet eegmmidb, ODC-BY), no seizure.
REAL = ROOT.parent / "shared" / "data" / "eeg" / "S001R01.edf"
ABSENT = f"the real recording is not here ({REAL.parent.name}/{REAL.name} of the shared data)"


def eeg(**changes: Any) -> EegConfig:
    """The config of a corpus, with ``changes``."""
    content = {"source": "eeg", "folder": "corpus", "sizes": {"train": 4, "dev": 2, "eval": 2}}
    return parse(EegConfig, content | changes, "config.yaml")


def noise(seconds: int, rate: int, seed: int = 0, rows: int = 21) -> NDArray[np.float64]:
    """White noise of 30 uV, (rows, samples)."""
    return np.random.default_rng(seed).normal(0, 30, (rows, seconds * rate))


def write_edf(
    path: Path,
    x: NDArray[np.float64],
    rate: int,
    labels: Sequence[str] | None = None,
    units: Mapping[str, str] | None = None,
    rates: Mapping[str, int] | None = None,
) -> Path:
    """Write ``x`` (channels, samples) as plain EDF; ``units`` and ``rates`` give single channels others."""
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
    recording = Recording(startdate=datetime.date(2001, 2, 3))
    Edf(signals, recording=recording, starttime=datetime.time(4, 5, 6), data_record_duration=1).write(path)
    return path


def patch(path: Path, at: int, text: str, width: int) -> None:
    """Overwrite a field of a file."""
    content = bytearray(path.read_bytes())
    content[at : at + width] = text.encode("latin-1").ljust(width)
    path.write_bytes(content)


def tse(rows: Sequence[tuple[float, float, str]]) -> str:
    """The text of a ``.tse`` file."""
    return "version = tse_v1.0.0\n\n" + "".join(
        f"{start:.4f} {stop:.4f} {label} 1.0000\n" for start, stop, label in rows
    )


def csv(rows: Sequence[tuple[float, float, str]], channel: str = "TERM") -> str:
    """The text of a ``.csv`` file."""
    head = "# version = csv_v1.0.0\n# duration = 60.00 secs\n#\nchannel,start_time,stop_time,label,confidence\n"
    return head + "".join(f"{channel},{start:.4f},{stop:.4f},{label},1.0000\n" for start, stop, label in rows)
