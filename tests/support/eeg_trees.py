"""Trees of real recordings with the paths and annotations of the corpora."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from support.eeg_files import REAL

#: Labels of the real file whose electrodes have older names in the corpora.
OLD_NAMES = {"T7..": "T3", "T8..": "T4", "P7..": "T5", "P8..": "T6"}


@dataclass(frozen=True)
class Night:
    """One recording of a tree: path, patient, gain over the real one, and seizure in seconds, if any."""

    file: str
    patient: str
    gain: float
    seizure: tuple[float, float] | None

    @property
    def listed(self) -> list[tuple[float, float, str]]:
        """The rows of an annotation that lists background too."""
        if self.seizure is None:
            return [(0.0, 61.0, "bckg")]
        start, stop = self.seizure
        return [(0.0, start, "bckg"), (start, stop, "seiz"), (stop, 61.0, "bckg")]


def nights(paths: list[tuple[str, str]]) -> list[Night]:
    """Return different recordings at these paths, of these patients; every seventh has no seizure."""
    return [
        Night(path, patient, 0.6 + 0.05 * number, None if number % 7 == 4 else (3 + 0.25 * number, 28 + 0.5 * number))
        for number, (path, patient) in enumerate(paths)
    ]


def version_1() -> list[Night]:
    """Return a tree as TUSZ v1.5: split, montage, first digits, patient, session; no eval."""
    paths = []
    for number in range(8):
        patient, split = f"{258 + 311 * number:08}", "train" if number < 5 else "dev_test"
        for piece in range(1 + number % 2):
            folder = f"edf/{split}/01_tcp_ar/{patient[3:6]}/{patient}/s002_2003_07_21"
            paths.append((f"{folder}/{patient}_s002_t{piece:03}.edf", patient))
    return nights(paths)


def version_2() -> list[Night]:
    """Return a tree as TUSZ v2: split, patient, session, montage."""
    paths = []
    for number in range(7):
        patient = "aaaaa" + "acdfhmool"[number : number + 3]
        split = ("train", "train", "train", "dev", "eval", "train", "dev")[number]
        for session in range(1, 2 + number % 2):
            folder = f"edf/{split}/{patient}/s{session:03}_2013/02_tcp_le"
            paths.append((f"{folder}/{patient}_s{session:03}_t000.edf", patient))
    return nights(paths)


def plain() -> list[Night]:
    """Return a tree of other names, in folders that name no split."""
    paths = []
    for number in range(14):
        patient = f"{number // 2:02}"
        paths.append((f"ward {number % 3}/Subject-{patient}_night{number % 2 + 1}.EDF", patient))
    return nights(paths)


def write(folder: Path, tree: list[Night], annotate: dict[str, Callable[[Night], str]], reference: str | None) -> None:
    """Write a tree.

    Args:
        folder: folder of the corpus.
        tree: its recordings.
        annotate: the text of each annotation, by its suffix.
        reference: the reference in each label, ``REF`` or ``LE``; None keeps the labels of the real file.
    """
    for night in tree:
        path = folder / night.file
        path.parent.mkdir(parents=True, exist_ok=True)
        content = bytearray(REAL.read_bytes())
        content[8:88] = night.patient.encode("ascii").ljust(80)
        _amplify(content, night.gain)
        if reference is not None:
            _relabel(content, reference)
        path.write_bytes(content)
        for suffix, text in annotate.items():
            path.with_suffix(suffix).write_text(text(night), encoding="utf-8")


def write_wards(folder: Path) -> None:
    """Write what the dataset wards of BASE names: recordings without content, which are enough to plan, and tables."""
    (folder / "seven").mkdir()
    for patient in range(10):
        (folder / "seven" / f"P{patient}.edf").touch()
    for name in ("marks.csv", "more_marks.csv"):
        (folder / name).write_text("file,start,stop,label\nP1.edf,1,2,fit\n", encoding="utf-8")


def tse_bi(night: Night) -> str:
    """Return an annotation of v1 with two classes."""
    rows = [f"{start:.4f} {stop:.4f} {label} 1.0000" for start, stop, label in night.listed]
    return "\n".join(["version = tse_v1.0.0", "", *rows, ""])


def tse(night: Night) -> str:
    """Return the same with the type of the seizure, tabs and a comment, as NEDC's tools write it."""
    rows = [f"{start:.4f}\t{stop:.4f}\t{label.replace('seiz', 'cpsz')}\t1.0000" for start, stop, label in night.listed]
    return "\n".join(["# made by hand", "version = tse_v1.0.0", "", *rows, ""])


def csv_bi(night: Night) -> str:
    """Return an annotation of v2 with two classes that only lists seizures."""
    rows = [f"TERM,{start:.4f},{stop:.4f},{label},1.0000" for start, stop, label in night.listed if label == "seiz"]
    return "\n".join([*_head(night), "channel,start_time,stop_time,label,confidence", *rows, ""])


def csv(night: Night) -> str:
    """Return an annotation of v2 with rows for each channel, on some of which the seizure begins later."""
    rows = []
    for channel, late in (("FP1-F7", 0.0), ("F7-T3", 1.5), ("T6-O2", 4.0)):
        for start, stop, label in night.listed:
            if label == "seiz":
                rows += [(channel, start + late, stop, "fnsz")]
            else:
                rows += [(channel, start, stop + late if start == 0 and night.seizure else stop, label)]
    lines = [f"{channel},{start:.4f},{stop:.4f},{label},1.0000" for channel, start, stop, label in rows]
    return "\n".join([*_head(night), "channel,start_time,stop_time,label,confidence", *lines, ""])


def _head(night: Night) -> list[str]:
    return [
        "# version = csv_v1.0.0",
        f"# bname = {Path(night.file).stem}",
        "# duration = 61.0000 secs",
        "# montage_file = $NEDC_NFC/lib/nedc_eas_default_montage.txt",
        "#",
    ]


def _amplify(content: bytearray, gain: float) -> None:
    """Scale the signal by the physical range in the header."""
    channels = int(content[252:256])
    for number in range(channels - 1):
        for offset, limit in ((104, -8092.0), (112, 8092.0)):
            at = 256 + offset * channels + 8 * number
            content[at : at + 8] = f"{limit * gain:.1f}".encode("ascii").ljust(8)


def _relabel(content: bytearray, reference: str) -> None:
    for at in range(256, 256 + 16 * (int(content[252:256]) - 1), 16):
        label = content[at : at + 16].decode("ascii").strip()
        name = f"EEG {OLD_NAMES.get(label, label.strip('.').upper())}-{reference}"
        content[at : at + 16] = name.encode("ascii").ljust(16)
