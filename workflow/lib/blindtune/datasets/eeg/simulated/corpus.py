"""A simulated corpus with the layout and the file formats of TUSZ.

The config alone decides which files there are. Each file is a function of the seed and of its patient, session and
piece, so that files can be written in any order and in parallel, and are byte-identical.
"""

import datetime
import io
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from blindtune.core.errors import UserError
from blindtune.core.files import write_bytes, write_text
from blindtune.core.seeds import derive
from blindtune.datasets.corpus.base import Simulator
from blindtune.datasets.eeg.config import SimulatedEegConfig
from blindtune.datasets.eeg.discovery import MONTAGES
from blindtune.datasets.eeg.montages import ELECTRODES, TCP
from blindtune.datasets.eeg.simulated import signals
from blindtune.datasets.eeg.simulated.corruptions import CHANGES

if TYPE_CHECKING:
    from edfio import EdfSignal

#: Sampling rates in Hz, which alternate over the sessions.
RATES = (250, 256, 250, 400)
#: Length of a recording with a fault, in seconds.
FAULTY_SECONDS = 60
#: The ranges of real headers: steps of 0.1 uV.
_PHYSICAL, _DIGITAL = (-3276.7, 3276.7), (-32767, 32767)
_SIDECARS = {"v1": (".tse", ".tse_bi"), "v2": (".csv", ".csv_bi")}


@dataclass(frozen=True)
class Piece:
    """One recording of the corpus.

    Attributes:
        file: path below the folder of the corpus.
        patient: number of the patient.
        session: number of the session.
        token: number of the recording within the session.
        montage: its montage, as TUSZ names it.
        fault: its deliberate fault, or None.
    """

    file: str
    patient: int
    session: int
    token: int
    montage: str
    fault: str | None = None


class EegSimulator(Simulator):
    """Writes the recordings of a simulated corpus."""

    def __init__(self, config: SimulatedEegConfig) -> None:
        """Keep the config of the simulated corpus; nothing is written yet."""
        self.config = config

    def list_files(self) -> dict[str, list[str]]:
        """Return the annotations of each recording, by the recording; paths are below the folder of the corpus."""
        return {piece.file: list_annotations(piece, self.config) for piece in list_pieces(self.config)}

    def write(self, file: str, folder: Path) -> None:
        """Write one recording, and its annotations before it.

        Args:
            file: one of `list_files`.
            folder: folder of the corpus.

        Raises:
            UserError: the corpus has no such file, or the disk refuses.
        """
        piece = _find_piece(file, self.config)
        x, annotated, rate = _signal(piece, self.config)
        end = x.shape[1] / rate
        for name in list_annotations(piece, self.config):
            text = _annotations(piece, Path(name).suffix, annotated, end, self.config)
            write_text(folder / name, text)
        write_bytes(folder / file, _edf(piece, x, rate, self.config))


def list_pieces(config: SimulatedEegConfig) -> list[Piece]:
    """Return all recordings of the corpus: the good ones, and one for each fault."""
    found = []
    for patient in range(config.patients):
        for number in range(config.recordings):
            # Every second patient has all recordings in one session, the others have one session for each.
            session, token = (1, number) if patient % 2 else (1 + number, 0)
            found.append(_piece(config, patient, session, token))
    for number, fault in enumerate(config.faults):
        patient = number % config.patients
        if fault == "twin":
            original = found[patient * config.recordings]
            found.append(_piece(config, patient, original.session, original.token, fault, original.montage))
        else:
            found.append(_piece(config, patient, config.recordings + 1 + number, 0, fault))
    return found


def list_annotations(piece: Piece, config: SimulatedEegConfig) -> list[str]:
    """Return the annotation files of one recording, as paths below the folder of the corpus.

    Args:
        piece: the recording.
        config: the config of the simulated corpus.
    """
    if piece.fault == "no_annotation":
        return []
    return [PurePosixPath(piece.file).with_suffix(suffix).as_posix() for suffix in _SIDECARS[config.layout]]


def _find_piece(file: str, config: SimulatedEegConfig) -> Piece:
    for piece in list_pieces(config):
        if piece.file == file:
            return piece
    raise UserError(f"{file}: is not a file of this simulated corpus.")


def _piece(
    config: SimulatedEegConfig,
    patient: int,
    session: int,
    token: int,
    fault: str | None = None,
    not_this: str | None = None,
) -> Piece:
    choice = [name for name in MONTAGES[:3] if name != not_this]
    montage = choice[(patient + session) % len(choice)]
    name = _name(patient, config.layout)
    stem = f"{name}_s{session:03}_t{token:03}.edf"
    split = _split(patient, config)
    if config.layout == "v1":
        path = f"edf/{split}/{montage}/{name[3:6]}/{name}/s{session:03}_2010_{1 + patient % 12:02}_01/{stem}"
    else:
        path = f"edf/{split}/{name}/s{session:03}_2015/{montage}/{stem}"
    return Piece(path, patient, session, token, montage, fault)


def _name(patient: int, layout: str) -> str:
    if layout == "v1":
        return f"{100 + 7 * patient:08}"
    letters = ""
    for _ in range(8):
        letters = chr(ord("a") + patient % 26) + letters
        patient //= 26
    return letters


def _split(patient: int, config: SimulatedEegConfig) -> str:
    """Return the folder of a patient: train has three fifths; version 1 has no eval but a larger dev."""
    share = (patient + 0.5) / config.patients
    if share < 0.6:
        return "train"
    if config.layout == "v1":
        return "dev_test"
    return "dev" if share < 0.8 else "eval"


def _signal(piece: Piece, config: SimulatedEegConfig) -> tuple[NDArray[np.float32], list[tuple[float, float]], int]:
    """Return electrodes, seizures and sampling rate of a recording."""
    person = signals.draw_person(np.random.default_rng(derive("eeg", "person", config.seed, piece.patient)))
    random = np.random.default_rng(derive("eeg", "recording", config.seed, piece.patient, piece.session, piece.token))
    rate = RATES[(piece.patient + 2 * piece.session) % len(RATES)]
    seconds = config.seconds if piece.fault in (None, "twin") else FAULTY_SECONDS
    return *signals.record(person, random, seconds, rate), rate


def _edf(piece: Piece, x: NDArray[np.float32], rate: int, config: SimulatedEegConfig) -> bytes:
    from edfio import Edf, Patient, Recording

    names = [name for name in ELECTRODES if piece.montage != "03_tcp_ar_a" or name not in ("A1", "A2")]
    # Files differ in the order of their channels.
    order = np.random.default_rng(derive("eeg", "order", config.seed, piece.patient, piece.session)).permutation(names)
    linked = piece.montage == "02_tcp_le"
    ears = [ELECTRODES.index("A1"), ELECTRODES.index("A2")]
    reference = x[ears].mean(axis=0) if linked else x[:19].mean(axis=0)
    channels = []
    for name in order:
        series, channel_rate = x[ELECTRODES.index(name)] - reference, rate
        if piece.fault == "unlike_rates" and name == "O1":
            series, channel_rate = series[::2], rate // 2
        channels.append(_channel(f"EEG {name}-{'LE' if linked else 'REF'}", series, channel_rate))
    edf = Edf(
        [*channels, *_other_channels(x, rate, linked)],
        patient=Patient(code=_name(piece.patient, config.layout)),
        recording=Recording(startdate=datetime.date(2015, 1, 1)),
        starttime=datetime.time(12, piece.token % 60, 0),
        data_record_duration=1,
    )
    stream = io.BytesIO()
    edf.write(stream)
    change = CHANGES.get(piece.fault or "")
    return change(stream.getvalue()) if change else stream.getvalue()


def _channel(label: str, x: NDArray[np.floating], rate: float, unit: str = "uV") -> "EdfSignal":
    from edfio import EdfSignal

    return EdfSignal(
        np.clip(x, *_PHYSICAL).astype(np.float64),
        rate,
        label=label,
        physical_dimension=unit,
        physical_range=_PHYSICAL,
        digital_range=_DIGITAL,
        prefiltering="HP:0.000 Hz LP:0.0 Hz N:0.0",
    )


def _other_channels(x: NDArray[np.float32], rate: int, linked: bool) -> "list[EdfSignal]":
    """Return channels other than EEG, some with another rate, as in every file of the corpus."""
    seconds = x.shape[1] // rate
    beat = 600 * np.exp(-(((np.arange(x.shape[1]) / rate) % 0.83 - 0.1) ** 2) / 2e-4)
    still = np.zeros(seconds)
    return [
        _channel(f"EEG EKG1-{'LE' if linked else 'REF'}", beat, rate),
        _channel("PHOTIC-REF", np.zeros(x.shape[1]), rate),
        _channel("IBI", still, 1, "sec"),
        _channel("BURSTS", still, 1, "brst/min"),
        _channel("SUPPR", still + 100, 1, "%"),
    ]


def _annotations(
    piece: Piece, suffix: str, annotated: list[tuple[float, float]], end: float, config: SimulatedEegConfig
) -> str:
    """Return the text of one annotation file; every second recording lists only seizures, as some real ones do."""
    binary = suffix.endswith("_bi")
    person = signals.draw_person(np.random.default_rng(derive("eeg", "person", config.seed, piece.patient)))
    label = "seiz" if binary else "gnsz" if person.generalised else "fnsz"
    rows = [(start, stop, label) for start, stop in annotated]
    if (piece.patient + piece.session + piece.token) % 2 == 0:
        rows = _with_background(rows, end)
    if piece.fault == "annotated_past_the_end":
        rows.append((end + 40, end + 100, label))
    if piece.fault == "annotated_to_the_full_second":
        rows.append((end - 20, end + 0.4, label))
    if suffix.startswith(".tse"):
        lines = ["version = tse_v1.0.0", "", *(f"{start:.4f} {stop:.4f} {what} 1.0000" for start, stop, what in rows)]
    else:
        name = PurePosixPath(piece.file).stem
        channels = ["TERM"] if binary else [one for one in TCP if piece.montage != "03_tcp_ar_a" or "A" not in one]
        lines = [
            "# version = csv_v1.0.0",
            f"# bname = {name}",
            f"# duration = {end:.2f} secs",
            "# montage_file = $NEDC_NFC/lib/nedc_eas_default_montage.txt",
            "#",
            "channel,start_time,stop_time,label,confidence",
            *(f"{one},{start:.4f},{stop:.4f},{what},1.0000" for one in channels for start, stop, what in rows),
        ]
    if piece.fault == "malformed_annotation":
        lines.append("12.0000" if suffix.startswith(".tse") else "TERM,12.0000")
    return "\n".join(lines) + "\n"


def _with_background(rows: list[tuple[float, float, str]], end: float) -> list[tuple[float, float, str]]:
    filled, at = [], 0.0
    for start, stop, label in rows:
        filled += [(at, start, "bckg"), (start, stop, label)]
        at = stop
    return [row for row in [*filled, (at, end, "bckg")] if row[1] > row[0]]
