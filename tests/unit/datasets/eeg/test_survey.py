"""The survey of a recording, and the segments that are cut from it."""

import re
import shutil
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blindtune.core.errors import UserError
from blindtune.core.files import digest_file
from blindtune.datasets.corpus import survey as surveys
from blindtune.datasets.corpus.survey import Candidate, Survey, fold_group
from blindtune.datasets.eeg import discovery
from blindtune.datasets.eeg.annotations.registry import READERS
from blindtune.datasets.eeg.config import EegConfig, EegCorruption, SimulatedEegConfig
from blindtune.datasets.eeg.edf_header import Stretch
from blindtune.datasets.eeg.errors import UnusableRecording
from blindtune.datasets.eeg.montages import ELECTRODES
from blindtune.datasets.eeg.simulated.corpus import list_pieces
from blindtune.datasets.eeg.survey import OpenRecording
from support.eeg_files import (
    ABSENT,
    REAL,
    csv,
    eeg_config,
    noise,
    open_recording,
    patch,
    tse,
    write_edf,
    write_simulated,
)

#: What `list_bad_files` returns of a corpus with every fault, by fault.
GOLDEN = {
    "annotated_past_the_end": "is annotated up to 160.0000 s (FILE.csv_bi, line ROW) but ends at 60.0000 s",
    "cut_header": "is cut in its header",
    "double_channel": "has 2 channels O2 (EEG O2-LE and EEG O2-LE)",
    "empty": "is empty",
    "interrupted": "is an interrupted recording (EDF+D) without a time stamp in any record, since it has no channel of "
    "annotations",
    "malformed_annotation": "FILE.csv_bi, line 10: has 2 fields; the head has 5",
    "missing_channel": "has no channel C4, which tcp20 needs; its channels are LABELS",
    "no_annotation": "has no annotations next to it (.csv_bi, .tse_bi, .csv, .tse)",
    "no_data": "holds no data",
    "no_digital_range": "has channel EEG C3-REF with a digital range of zero or less",
    "no_physical_range": "has channel EEG C3-REF with a physical range of zero",
    "no_unit": "has channel EEG F3-LE in '', which is not a known voltage (uV, mV, V)",
    "too_many_records": "is truncated: the header says 120 records, the file holds 60.00",
    "truncated": "is truncated: the header says 60 records, the file holds 39.80",
    "twin": "is the same recording as edf/train/aaaaaaac/s001_2015/01_tcp_ar/aaaaaaac_s001_t000.edf",
    "unknown_unit": "has channel EEG F3-REF in 'microV', which is not a known voltage (uV, mV, V)",
    "web_page": "is not an EDF or BDF file",
    "wrong_unit": "has a median amplitude of AMPLITUDE uV, outside 1 to 500: its unit or scale must be wrong",
}
#: Faults that are accepted, and their notes.
ACCEPTED = {
    "annotated_to_the_full_second": "annotated up to 60.4000 s, cut to the recording",
    "colon_date": "date of the start '01:01:85' is not valid; not used",
    "new_names": None,
    "open_records": "number of records left open; the size gives 60",
    "unlike_rates": "needed channels at different rates: 200 Hz, 400 Hz",
    "wrong_time": "time of the start '24.61.00' is not valid; not used",
}


def survey_all(folder: Path, settings: EegConfig) -> list[Survey]:
    found = discovery.find_recordings(folder, settings)
    splits = discovery.assign_splits(found, settings)
    return [OpenRecording(folder, one, splits[one.file], settings).survey() for one in found]


def lone(folder: Path, settings: EegConfig | None = None) -> Survey:
    """Return the survey of the only recording of a folder."""
    settings = settings or eeg_config(patient="(a)")
    (one,) = discovery.find_recordings(folder, settings)
    return OpenRecording(folder, one, "train", settings).survey()


def write(
    folder: Path, rows: list[tuple[float, float, str]], seconds: int = 120, suffix: str = ".tse", **more: Any
) -> Path:
    path = write_edf(folder / "a.edf", noise(seconds, 100), 100, **more)
    path.with_suffix(suffix).write_text(tse(rows) if suffix.startswith(".tse") else csv(rows))
    return path


def starts(found: Survey, label: str) -> list[float]:
    return [float(one.place["start"]) for one in found.candidates if one.label == label]


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SimulatedEegConfig]:
    made = SimulatedEegConfig(patients=8, recordings=1, seconds=120, faults=list(get_args(EegCorruption)))
    folder = tmp_path_factory.mktemp("corpus")
    write_simulated(made, folder)
    return folder, made


def test_survey_of_every_fault(faulty: tuple[Path, SimulatedEegConfig]) -> None:
    """Each deliberate fault gives its reason or is accepted, and the corpus is never written to."""
    folder, made = faulty
    before = {path: digest_file(path) for path in folder.rglob("*.*") if path.is_file()}
    found = {one.file: one for one in survey_all(folder, eeg_config())}
    files = {piece.fault: piece.file for piece in list_pieces(made) if piece.fault}
    assert set(files) == {*GOLDEN, *ACCEPTED}
    bad = surveys.list_bad_files(list(found.values()))
    expected = []
    for fault, reason in GOLDEN.items():
        expected.append((files[fault], reason.replace("FILE", Path(files[fault]).stem)))
    reasons = [
        (file, re.sub(r"(?<=channels are ).+", "LABELS", re.sub(r"(?<=amplitude of )\S+", "AMPLITUDE", reason)))
        for file, reason in bad
    ]
    reasons = [(file, re.sub(r"line \d+\) but", "line ROW) but", reason)) for file, reason in reasons]
    assert reasons == sorted(expected)
    assert 1e3 < float((found[files["wrong_unit"]].bad or "").split()[5]) < 1e6
    for fault, note in ACCEPTED.items():
        one = found[files[fault]]
        assert one.candidates
        assert note is None or note in one.facts["notes"]
    assert all(not one.candidates and not one.left_out for one in found.values() if one.bad)
    surveys.check_groups(list(found.values()))
    # The corpus is never written to.
    assert {path: digest_file(path) for path in folder.rglob("*.*") if path.is_file()} == before


@pytest.mark.parametrize("layout", ["v1", "v2"])
def test_survey_of_either_layout(tmp_path: Path, layout: str) -> None:
    """A corpus of either layout gives samples for every split."""
    made = SimulatedEegConfig(layout=layout, patients=12, recordings=1, seconds=180, faults=[])
    write_simulated(made, tmp_path)
    settings = eeg_config(sizes={"train": 20, "dev": 4, "eval": 4})
    found = survey_all(tmp_path, settings)
    surveys.check_groups(found)
    assert not surveys.list_bad_files(found)
    drawn = surveys.draw_samples(found, ["background", "seizure"], settings.sizes, 1)
    assert sum(len(candidates) for candidates in drawn.values()) == 28
    file, candidates = next(iter(drawn.items()))
    x = open_recording(tmp_path, file, settings).cut(candidates)
    assert (x.shape, x.dtype) == ((len(candidates), 20, 500), np.float32)
    suffixes = {"v1": (".tse_bi", ".tse"), "v2": (".csv_bi", ".csv")}[layout]
    assert {one.facts["annotations"] for one in found} == {", ".join(suffixes)}
    for one in found:
        base = one.file.removesuffix(".edf")
        names = (one.file, *(base + suffix for suffix in suffixes))
        assert one.sha256 == {name: digest_file(tmp_path / name) for name in names}


@pytest.mark.parametrize("suffix", [".tse", ".tse_bi", ".csv", ".csv_bi"])
def test_survey_of_other_recordings(tmp_path: Path, suffix: str) -> None:
    """A folder of other recordings is surveyed, with annotations of any kind."""
    write(tmp_path, [(40, 75, "seiz")], suffix=suffix)
    found = lone(tmp_path)
    assert found.bad is None
    assert starts(found, "seizure") == [40, 50, 60]
    assert starts(found, "background") == [0, 10, 20, 85, 95, 105]
    assert found.left_out == {
        "seconds at the ends of intervals": {"background": 5, "seizure": 5},
        "seconds in the seizure margin": {"background": 20},
    }
    assert found.facts["rate"] == 100 and found.facts["seconds"] == 120


@pytest.mark.skipif(not REAL.is_file(), reason=ABSENT)
def test_survey_and_cut_of_a_real_recording(tmp_path: Path) -> None:
    """A real recording is surveyed and cut."""
    shutil.copy(REAL, tmp_path / REAL.name)
    settings = eeg_config(patient="(S\\d+)R")
    assert lone(tmp_path, settings).bad == "has no annotations next to it (.csv_bi, .tse_bi, .csv, .tse)"
    (tmp_path / REAL.name).with_suffix(".csv_bi").write_text(csv([]))
    found = lone(tmp_path, settings)
    assert (found.bad, found.group) == (None, "S001")
    assert starts(found, "background") == [0, 10, 20, 30, 40, 50]
    x = open_recording(tmp_path, found.file, settings).cut(found.candidates)
    assert x.shape == (6, 20, 500)
    assert 5 < np.median(x.std(axis=2)) < 60


def test_cut_keeps_the_order_of_candidates(tmp_path: Path) -> None:
    """Segments are cut from the filtered recording, in the order of the candidates."""
    write(tmp_path, [(40, 75, "seiz")])
    settings = eeg_config(patient="(a)")
    candidates = lone(tmp_path).candidates
    x = open_recording(tmp_path, "a.edf", settings).cut(candidates)
    np.testing.assert_array_equal(open_recording(tmp_path, "a.edf", settings).cut(candidates[::-1]), x[::-1])
    half = [Candidate(label="seizure", place={"start": 45.0})]
    np.testing.assert_array_equal(
        open_recording(tmp_path, "a.edf", settings).cut(half)[0, :, :250],
        x[candidates.index(Candidate(label="seizure", place={"start": 40.0})), :, 250:],
    )


def test_survey_leaves_out_bad_segments(tmp_path: Path) -> None:
    """Clipped, loud and flat segments are left out and counted."""
    x = noise(120, 100)
    x[8, 2000:3000] = x[10, 2000:3000]  # O1 and F7, which no channel joins
    x[0, 500:520] = 5000  # FP1, at its limit
    x[4, 4100:4200] += 700  # C3, loud
    x[3, 8500:10_500] = x[1, 8500:10_500]  # FP2-F4 is flat
    path = write_edf(tmp_path / "a.edf", np.clip(x, -1000, 1000), 100)
    path.with_suffix(".tse").write_text(tse([(40, 75, "seiz")]))
    found = lone(tmp_path, eeg_config(patient="(a)", reject=900))
    assert starts(found, "background") == [10, 20, 105]
    assert starts(found, "seizure") == [50, 60]
    assert {rule: counts for rule, counts in found.left_out.items() if rule.endswith("segments")} == {
        "clipped segments": {"background": 1, "seizure": 0},
        "loud segments": {"background": 0, "seizure": 1},
        "flat segments": {"background": 2, "seizure": 0},
    }


def test_survey_notes_one_flat_electrode_and_leaves_out_several(tmp_path: Path) -> None:
    """An electrode that is always flat may be the reference, with a note; a second one has no contact."""
    x = noise(120, 100)
    for dead in (["T3"], ["T3", "P4"]):
        for name in dead:
            x[ELECTRODES.index(name)] = 0
        write_edf(tmp_path / "a.edf", x, 100).with_suffix(".tse").write_text(tse([(40, 75, "seiz")]))
        found = lone(tmp_path)
        assert found.bad is None
        if len(dead) == 1:
            assert len(starts(found, "background")) == 6
            note = "T3 flat in all segments; taken as the reference of the recording"
            assert found.facts["notes"] == [note]
        else:
            assert found.candidates == [] and found.left_out["flat segments"] == {"background": 6, "seizure": 3}


def test_survey_counts_what_times_leave_out(tmp_path: Path) -> None:
    """What the rules about times leave out is counted."""
    write(tmp_path, [(10, 22, "fnsz"), (60, 72, "nesz"), (100, 115.5, "gnsz")], seconds=200)
    found = lone(tmp_path)
    assert starts(found, "seizure") == [100]
    assert starts(found, "background") == [32, 125.5, 135.5, 145.5, 155.5, 165.5, 175.5, 185.5]
    assert found.left_out == {
        "intervals that are too short": {"background": 1, "seizure": 1},
        "seconds at the ends of intervals": {"background": 12, "seizure": 6},
        "seconds in the seizure margin": {"background": 60},
        "seconds labelled nesz": {"seizure": 12},
    }


def test_survey_of_an_unknown_label_is_one_bad_file(tmp_path: Path) -> None:
    """An unknown label makes its recording bad, and the reason says where it is and which labels were met."""
    write(tmp_path, [(10, 30, "artifact"), (30, 40, "seiz")])
    reason = "a.tse, line 3: label 'artifact' is unknown; correct it, or say what it is in event_labels. Met: "
    assert (lone(tmp_path).bad or "").startswith(f"{reason}artifact (1), seiz (1). Known: ")
    settings = eeg_config(patient="(a)", event_labels={"other": ["Arti*"]})
    assert lone(tmp_path, settings).bad is None


def test_survey_keeps_nesz_of_all_types(tmp_path: Path) -> None:
    """A seizure that the file with all types says is not epileptic is not one, though two classes say seiz."""
    path = write(tmp_path, [(40, 75, "seiz")], suffix=".csv_bi")
    path.with_suffix(".csv").write_text(csv([(40, 75, "nesz")], "FP1-F7"))
    found = lone(tmp_path)
    assert starts(found, "seizure") == [] and found.facts["events"] == {"nesz": 1}
    assert found.left_out["seconds labelled nesz"] == {"seizure": 35}
    assert starts(lone(tmp_path, eeg_config(patient="(a)", nesz="seizure")), "seizure") == [40, 50, 60]
    path.with_suffix(".csv").write_text(csv([(40, 60, "fnsz")], "FP1-F7"))
    note = "a.csv_bi and a.csv differ by 15.0 s in when there was a seizure; the first counts"
    assert note in lone(tmp_path).facts["notes"]


@pytest.mark.parametrize(
    ("unannotated", "bad", "skipped", "n_candidates"),
    [("reject", True, False, 0), ("skip", False, True, 0), ("background", False, False, 12)],
)
def test_survey_of_an_unannotated_recording(
    tmp_path: Path, unannotated: str, bad: bool, skipped: bool, n_candidates: int
) -> None:
    """A recording without an annotation is bad, not used, or background, as the config says."""
    write(tmp_path, []).with_suffix(".tse").unlink()
    found = lone(tmp_path, eeg_config(patient="(a)", unannotated=unannotated))
    assert (found.bad is not None, found.skipped is not None, len(found.candidates)) == (bad, skipped, n_candidates)
    assert surveys.list_skipped_files([found]) == ([("a.edf", found.skipped)] if skipped else [])


def test_survey_of_a_short_recording_is_not_bad(tmp_path: Path) -> None:
    """A recording without segments is not bad."""
    write(tmp_path, [], seconds=12)
    found = lone(tmp_path)
    assert (found.bad, found.candidates, found.left_out) == (
        None,
        [],
        {"intervals that are too short": {"background": 1}},
    )


def test_survey_refuses_a_wrong_scale(tmp_path: Path) -> None:
    """Values that are a million times too large make the recording bad."""
    path = write(tmp_path, [])
    for number in range(21):
        patch(path, 256 + 96 * 21 + 8 * number, "V", 8)
    assert (lone(tmp_path).bad or "").startswith("has a median amplitude of 4.2")


def test_a_flat_recording_is_called_flat(tmp_path: Path) -> None:
    """A recording without any signal is not said to have a wrong unit."""
    write_edf(tmp_path / "a.edf", np.zeros((21, 3000)), 100).with_suffix(".tse").write_text(tse([(5, 8, "bckg")]))
    assert lone(tmp_path).bad == "has a median amplitude of 0 uV: most of its channels are flat most of the time"


def test_survey_refuses_the_code_of_another_patient(tmp_path: Path) -> None:
    """A header with the code of another patient of the corpus makes the recording bad; any other code is not used."""
    path = write(tmp_path, [])
    config = eeg_config(patient="(a)")
    (one,) = discovery.find_recordings(tmp_path, config)
    for code, patients, bad in (
        ("P07 F X X", {"a", "P07"}, "is of the patient P07 by its header, of a by its path"),
        ("P07 F X X", {"a", "P08"}, None),
        ("p07 F X X", {"a", "P07"}, "is of the patient p07 by its header, of a by its path"),
        ("A07 F X X", {"a", "a07"}, "is of the patient A07 by its header, of a by its path"),
        ("07 F X X", {"a", "07"}, None),
        ("X F X P07 more", {"a", "P07"}, "is of the patient P07 by its header, of a by its path"),
        ("a F P07 Someone", {"a", "P07"}, None),
        ("", {"a"}, None),
    ):
        patch(path, 8, code, 80)
        folded = {fold_group(patient) for patient in patients}
        assert OpenRecording(tmp_path, one, "train", config, patients=folded).survey().bad == bad
    patch(path, 8, "P07 F X X", 80)
    found = OpenRecording(tmp_path, one, "train", eeg_config(patient="(a)", leaks="report"), patients={"p07"}).survey()
    assert found.bad is None and found.facts["notes"] == ["is of the patient P07 by its header, of a by its path"]


@pytest.mark.parametrize(
    ("name", "lost", "text"),
    [
        ("a_1.edf", "a_01.csv_bi", ""),
        ("a_1.edf", "a_01.csv", csv([])),
        ("sub-a_eeg.edf", "sub-a_task-x_events.tsv", ""),
    ],
)
def test_background_is_no_recording_next_to_a_lost_annotation(tmp_path: Path, name: str, lost: str, text: str) -> None:
    """A recording without an annotation is not background if one of no recording, maybe its own, is next to it."""
    layout = "bids" if lost.endswith(".tsv") else "tusz"
    config = eeg_config(patient="(a)", unannotated="background", annotations=layout)
    write_edf(tmp_path / "x" / name, noise(30, 100), 100)
    tree = [f"x/{name}", "x/a_2.edf", f"y/{lost}", "x/a_2.csv_bi", "x/sub-a_run-2_eeg.edf", "x/people.csv"]
    (tmp_path / "x" / "people.csv").write_text("name,age\n")
    (tmp_path / "x" / lost).write_text(text)
    for files, bad in ((tree, False), ([*tree, f"x/{lost}"], True)):
        one = discovery.Recording(f"x/{name}", "a", None, None)
        found = OpenRecording(tmp_path, one, "train", config, READERS[layout](tmp_path, files, config)).survey()
        assert (f"but {lost} is there, which is of no recording; correct its name" in (found.bad or "")) == bad
        assert bad or found.facts["annotations"] == "none"


def test_a_disk_that_fails_makes_one_bad_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot be read, and so not digested, is bad; the others go on."""
    write(tmp_path, [])

    def fail_to_read(*_: object) -> None:
        raise UnusableRecording("cannot be read (Input/output error)")

    def fail_to_digest(path: Path) -> None:
        raise UserError(f"{path}: cannot be read (Input/output error).")

    monkeypatch.setattr("blindtune.datasets.eeg.survey.RecordingFile", fail_to_read)
    monkeypatch.setattr("blindtune.datasets.eeg.survey.digest_file", fail_to_digest)
    found = lone(tmp_path)
    assert found.bad == "cannot be read (Input/output error)" and found.sha256 == {}


def test_cut_finds_the_stretch_of_each_candidate_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Candidates of thousands of stretches are cut in one pass, each from its own."""
    write(tmp_path, [])
    cut: dict[float, dict[int, int]] = {}
    stretches = [Stretch(at, at + 1, 30.0 * at, 20.0) for at in range(5_000)]
    opened = open_recording(tmp_path, "a.edf", eeg_config(montage=["FP1-F7"]))
    monkeypatch.setattr(opened, "_gaps", (stretches, []))
    monkeypatch.setattr(opened, "_cut_stretch", lambda stretch, starts, out: cut.update({stretch.start: starts}))
    opened.cut([Candidate(label="seizure", place={"start": one.start + 5}) for one in stretches])
    assert cut == {one.start: {row: 250} for row, one in enumerate(stretches)}


def test_cut_refuses_a_changed_recording(tmp_path: Path) -> None:
    """A recording that is not the surveyed one is refused."""
    path = write(tmp_path, [])
    candidates = lone(tmp_path).candidates
    with pytest.raises(UserError, match=r"a\.edf: has no segment at 500.0 s"):
        open_recording(tmp_path, "a.edf", eeg_config()).cut([Candidate(label="background", place={"start": 500.0})])
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(UserError, match=r"a\.edf: is truncated: .* It was good when it was surveyed"):
        open_recording(tmp_path, "a.edf", eeg_config()).cut(candidates)


def test_open_recording_refuses_a_missing_file(tmp_path: Path) -> None:
    """A recording that is gone stops the run by its name."""
    with pytest.raises(UserError, match=r"none\.edf: cannot be read \(No such file or directory\)"):
        open_recording(tmp_path, "none.edf", eeg_config())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.integers(0, 256 * 22 - 1), st.binary(min_size=1, max_size=16), st.one_of(st.none(), st.integers(0, 60_000)))
def test_survey_of_any_damaged_header_gives_a_reason(tmp_path: Path, at: int, change: bytes, size: int | None) -> None:
    """Any damage of a header gives a reason or finite samples, never a traceback."""
    path = tmp_path / "a.edf"
    if not path.exists():
        write(tmp_path, [], seconds=20)
        shutil.copy(path, tmp_path / "good")
    content = bytearray((tmp_path / "good").read_bytes())
    content[at : at + len(change)] = change
    path.write_bytes(content[:size])
    found = lone(tmp_path)
    assert bool(found.candidates or found.left_out) == (found.bad is None)
    for one in found.candidates:
        assert np.isfinite(open_recording(tmp_path, "a.edf", eeg_config(patient="(a)")).cut([one])).all()
