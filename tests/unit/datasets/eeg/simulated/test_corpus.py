"""The simulated corpus: byte-identical in any order, with the layouts of TUSZ and deliberate faults."""

import re
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from blindtune.core.errors import UserError
from blindtune.core.files import digest_file
from blindtune.datasets.eeg import discovery, edf_header
from blindtune.datasets.eeg.config import EegCorruption, SimulatedEegConfig
from blindtune.datasets.eeg.simulated import corpus as simulated
from blindtune.datasets.eeg.simulated.corpus import EegSimulator, list_annotations, list_pieces
from blindtune.datasets.eeg.simulated.corruptions import CHANGES
from support.eeg_files import eeg_config, write_simulated

FAULTS = list(get_args(EegCorruption))
LAYOUTS = {
    "v1": r"edf/(train|dev_test)/0[123]_tcp_\w+/\d{3}/(\d{8})/s\d{3}_\d{4}_\d\d_\d\d/\2_s\d{3}_t\d{3}\.edf",
    "v2": r"edf/(train|dev|eval)/([a-z]{8})/s\d{3}_\d{4}/0[123]_tcp_\w+/\2_s\d{3}_t\d{3}\.edf",
}


def small(**changes: Any) -> SimulatedEegConfig:
    return SimulatedEegConfig(**{"patients": 6, "recordings": 1, "seconds": 60, "faults": []} | changes)


def make(settings: SimulatedEegConfig, folder: Path, files: list[str] | None = None) -> dict[str, str]:
    """Write the corpus; return the sha256 of each file."""
    write_simulated(settings, folder, files)
    return {path.relative_to(folder).as_posix(): digest_file(path) for path in folder.rglob("*") if path.is_file()}


def test_corpus_is_byte_identical_in_any_order(tmp_path: Path) -> None:
    """A simulated corpus is byte-identical for any order in which its files are written."""
    settings = small(faults=["truncated", "twin", "new_names"])
    files = sorted(EegSimulator(settings).list_files())
    first = make(settings, tmp_path / "a")
    assert make(settings, tmp_path / "b", files[::-1]) == first
    assert make(settings, tmp_path / "b", files[2:3]) == first
    alone = make(settings, tmp_path / "c", files[4:5])
    assert alone.items() <= first.items()
    assert set(first) == {
        *files,
        *(name for piece in list_pieces(settings) for name in list_annotations(piece, settings)),
    }
    other = make(settings.model_copy(update={"seed": 2}), tmp_path / "d")
    assert set(other) == set(first)
    assert not any(other[file] == first[file] for file in files)


def test_more_files_change_no_other_file(tmp_path: Path) -> None:
    """More recordings or faults change no other file."""
    few, many = small(), small(recordings=2, faults=["colon_date"])
    shared = [
        file for file in sorted(EegSimulator(many).list_files()) if file in sorted(EegSimulator(few).list_files())
    ]
    # Patients with a session for each recording keep their first; the split of nobody moves.
    assert len(shared) == 6
    assert make(few, tmp_path / "a", shared) == make(many, tmp_path / "b", shared)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_paths_are_those_of_tusz(layout: str) -> None:
    """The paths have the layouts of TUSZ, and all splits and montages."""
    settings = small(layout=layout, patients=12, recordings=3, faults=FAULTS)
    files = sorted(EegSimulator(settings).list_files())
    assert len(set(files)) == len(files) == 36 + len(FAULTS)
    assert all(re.fullmatch(LAYOUTS[layout], file) for file in files)
    found = discovery.parse_paths(files, eeg_config())
    assert {one.montage for one in found} == set(discovery.MONTAGES[:3])
    # Of the two files of a twin, the one that comes first by name is used.
    (twin,) = [one for one in found if one.twin]
    (made,) = [piece.file for piece in list_pieces(settings) if piece.fault == "twin"]
    assert made in (twin.file, twin.twin)
    assert set(discovery.assign_splits(found, eeg_config()).values()) == {"train", "dev", "eval"}


def test_recordings_are_like_those_of_tusz(tmp_path: Path) -> None:
    """Recordings have the rates, channels and annotation texts of TUSZ."""
    settings = small(patients=12)
    make(settings, tmp_path)
    rates, labels, listed = set(), set(), set()
    for piece in list_pieces(settings):
        header = edf_header.parse_header((tmp_path / piece.file).read_bytes())
        assert header.seconds == 60
        assert header.labels[-3:] == ["IBI", "BURSTS", "SUPPR"]
        assert {header.rate(signal) for signal in header.signals[-3:]} == {1}
        eegs = [label for label in header.labels if label.startswith("EEG ")]
        assert len(eegs) == (20 if piece.montage == "03_tcp_ar_a" else 22)
        assert all(label.endswith("-LE" if piece.montage == "02_tcp_le" else "-REF") for label in eegs)
        labels.add(tuple(eegs))
        rates.add(int(header.rate(header.signals[0])))
        text = (tmp_path / piece.file).with_suffix(".csv_bi").read_text()
        assert text.startswith(f"# version = csv_v1.0.0\n# bname = {Path(piece.file).stem}\n# duration = 60.00 secs\n")
        listed.add("bckg" in text)
    assert rates == {250, 256, 400}
    assert listed == {True, False}
    assert len(labels) > 6


def test_each_fault_changes_one_recording(tmp_path: Path) -> None:
    """Each fault is in one recording and changes what its name says."""
    settings = small(faults=FAULTS)
    pieces = {piece.fault: piece for piece in list_pieces(settings)}
    assert set(pieces) == {None, *FAULTS}
    for fault in CHANGES:
        piece = pieces[fault]
        EegSimulator(settings).write(piece.file, tmp_path)
        broken = (tmp_path / piece.file).read_bytes()
        x, _, rate = simulated._signal(piece, settings)
        good = simulated._edf(simulated.Piece(**vars(piece) | {"fault": None}), x, rate, settings)
        assert broken == CHANGES[fault](good) != good
    assert list_annotations(pieces["no_annotation"], settings) == []


def test_write_refuses_another_file(tmp_path: Path) -> None:
    """A file that is not part of the simulated corpus is refused."""
    with pytest.raises(UserError, match="is not a file of this simulated corpus"):
        EegSimulator(small()).write("../a.edf", tmp_path)


def test_annotations_of_all_kinds_agree(tmp_path: Path) -> None:
    """The four kinds of annotations of a recording have the same seizures."""
    from blindtune.datasets.eeg.annotations.nedc import read_file

    for layout in LAYOUTS:
        settings = small(layout=layout, seconds=180, patients=8)
        make(settings, tmp_path / layout)
    for piece in list_pieces(small(layout="v2", seconds=180, patients=8)):
        other = next(one for one in list_pieces(small(layout="v1", patients=8)) if one.patient == piece.patient)
        paths = [(tmp_path / "v2" / piece.file).with_suffix(suffix) for suffix in (".csv", ".csv_bi")]
        paths += [(tmp_path / "v1" / other.file).with_suffix(suffix) for suffix in (".tse", ".tse_bi")]
        seizures = [read_file(path).seizures for path in paths]
        assert seizures[0] == seizures[1] == seizures[2] == seizures[3]
        assert all(0 <= start < stop <= 180 for start, stop in seizures[0])


def test_record_has_seizures_that_are_louder() -> None:
    """A seizure is louder at its focus, and no recording is silent."""
    from blindtune.datasets.eeg.simulated import signals

    ratios = []
    for seed in range(30):
        random = np.random.default_rng(seed)
        x, seizures = signals.record(signals.draw_person(random), random, 120, 250)
        assert x.shape == (21, 30_000) and x.dtype == np.float32
        assert np.isfinite(x).all() and x.std(axis=1).min() > 1
        for start, stop in seizures:
            within = x[:, round(start * 250) : round(stop * 250)]
            ratios.append(float((within.std(axis=1) / x.std(axis=1)).max()))
    assert len(ratios) > 15
    assert np.median(ratios) > 1.1
