"""The same recording or slide, saved again for another patient, is found by what it holds."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blindtune.core.errors import UserError
from blindtune.core.paths import ResultPaths
from blindtune.datasets.base import LoadedDataset
from blindtune.datasets.corpus.base import Corpus
from blindtune.datasets.corpus.extraction import extract_batch
from blindtune.datasets.corpus.survey import (
    Survey,
    find_equal_files,
    mark_copies,
    refuse_equal_files,
    remove_equal_files,
)
from support.eeg_files import eeg_config, eeg_corpus, noise, open_recording, write_edf
from support.slide_files import rectangle, slides_corpus, tissue, write_csv, write_slide


def surveyed(file: str, content: str | None, **changes: Any) -> Survey:
    """Return a survey of a file of the split that its path begins with; other bytes than any other file."""
    split = file.split("/", maxsplit=1)[0]
    return Survey(**{"file": file, "sha256": {file: file}, "group": file, "split": split, "content": content} | changes)


def test_equal_files_are_found_in_all_splits() -> None:
    """A file is paired with the first by name in eval, else in dev, else in train, by content or by bytes."""
    same = {"sha256": {"train/e": "bytes", "eval/e": "bytes"}}
    surveys = [
        surveyed("train/a", "1"),
        surveyed("dev/a", "1"),
        surveyed("eval/a", "1"),
        surveyed("train/b", "2"),
        surveyed("dev/c", "2"),
        surveyed("dev/b", "2"),
        surveyed("train/c", "3", bad="is bad"),
        surveyed("eval/c", "3"),
        surveyed("train/d", None),
        surveyed("eval/d", None),
        surveyed("train/e", None, **same),
        surveyed("eval/e", None, **same),
    ]
    found = [(one.file, other.file) for one, other in find_equal_files(surveys)]
    assert found == [
        ("train/a", "eval/a"),
        ("dev/a", "eval/a"),
        ("train/b", "dev/b"),
        ("dev/c", "dev/b"),
        ("train/e", "eval/e"),
    ]


def test_equal_files_are_refused_or_removed() -> None:
    """The message says what is equal to what; what is removed is a bad file with its reason, never that in eval."""
    surveys = [surveyed("train/a", "1"), surveyed("eval/b", "1"), surveyed("dev/c", "2")]
    pairs = find_equal_files(surveys)
    with pytest.raises(
        UserError, match=r"eval/b in eval holds the same data, with other metadata, as train/a in train\. Remove one"
    ):
        refuse_equal_files(pairs)
    refuse_equal_files([])
    reasons = [one.bad for one in remove_equal_files(surveys, pairs)]
    assert reasons == ["holds the same data, with other metadata, as eval/b in eval", None, None]


def test_long_lists_of_equal_files_are_shortened() -> None:
    """Ten pairs are named, the others counted."""
    surveys = [surveyed(f"{split}/{number:02}", str(number)) for split in ("train", "eval") for number in range(13)]
    with pytest.raises(UserError, match=r"eval/09 .* as train/09 in train; and 3 more\. Remove") as caught:
        refuse_equal_files(find_equal_files(surveys))
    assert "train/10" not in str(caught.value)


def test_copies_in_one_split_count_once() -> None:
    """Within a split the first by name is kept, whoever the patient is."""
    surveys = [surveyed("train/b", "1"), surveyed("train/a", "1"), surveyed("dev/a", "1")]
    reasons = [one.bad for one in mark_copies(surveys)]
    assert reasons == ["holds the same data, with other metadata, as train/a", None, None]
    assert [one.bad for one in mark_copies(surveys, by_bytes=True)] == [None] * 3


PATIENTS = {"train/P00": 0, "train/P01": 1, "dev/P02": 2, "eval/P03": 3, "eval/P04": 0}


def write_recordings(folder: Path) -> None:
    """Write a recording of each patient; P04 has that of P00, with another date and another label."""
    for name, seed in PATIENTS.items():
        path = write_edf(folder / f"{name}_r1.edf", noise(80, 64, seed), 64)
        if name == "eval/P04":
            content = bytearray(path.read_bytes())
            content[168:176] = b"02.02.16"
            content[256 : 256 + 16] = b"EEG Fp1 - REF".ljust(16)
            path.write_bytes(content)
        path.with_suffix(".csv_bi").write_text(
            "# version = csv_v1.0.0\n# duration = 80.0000 secs\n#\nchannel,start_time,stop_time,label,confidence\n"
            "TERM,0.0,50.0,bckg,1.0\nTERM,50.0,72.0,seiz,1.0\nTERM,72.0,80.0,bckg,1.0\n",
            encoding="utf-8",
        )


def write_slides(folder: Path) -> None:
    """Write a slide of each patient; P04 has that of P00, with another resolution in its metadata."""
    regions = [("dcis", rectangle(60, 60, 400, 600)), ("indc", rectangle(560, 60, 400, 600))]
    for name, seed in PATIENTS.items():
        path = write_slide(folder / f"{name}_r1.svs", tissue(1024, 768, seed), 0.5 if name != "eval/P04" else 0.501)
        write_csv(path.with_suffix(".csv"), regions)


def load(source: Corpus, folder: Path, results: Path) -> LoadedDataset:
    layout = ResultPaths(str(results))
    files = source.inputs(layout, "it")
    for batch, path in files.items():
        if not path.exists():
            extract_batch(source, batch, folder, path)
    return source.load(files)


SIZES = {"train": 2, "dev": 2, "eval": 2}
KINDS: dict[str, Any] = {
    "eeg": (write_recordings, eeg_corpus, {"patient": r"(P\d\d)_"}, "edf"),
    "slides": (write_slides, slides_corpus, {"patient": r"(P\d\d)_", "patch": 128}, "svs"),
}


@pytest.mark.parametrize(("write", "corpus", "keys", "suffix"), KINDS.values(), ids=KINDS)
def test_file_saved_again_for_another_patient(tmp_path: Path, write: Any, corpus: Any, keys: Any, suffix: str) -> None:
    """The file is refused by default; each choice that the message names works and is recorded."""
    folder, results = tmp_path / "raw", tmp_path / "results"
    write(folder)
    given = {"folder": str(folder), "sizes": SIZES, "files_per_job": 8, **keys}
    again, first = f"eval/P04_r1.{suffix}", f"train/P00_r1.{suffix}"
    with pytest.raises(UserError, match=f"{again} in eval holds the same data, with other metadata, as {first} in t"):
        load(corpus(**given), folder, results)
    removed = load(corpus(**given, leaks="remove"), folder, results)
    reason = f"holds the same data, with other metadata, as {again} in eval"
    assert removed.parameters["bad_files"] == {first: reason}
    assert first not in {row[3] for row in removed.splits["train"].origins.rows}  # type: ignore[union-attr]
    reported = load(corpus(**given, leaks="report"), folder, results)
    assert reported.parameters["bad_files"] == {}
    for loaded in (removed, reported):
        assert loaded.parameters["equal_files"] == [[first, "train", again, "eval"]]


def test_gain_is_part_of_the_signal(tmp_path: Path) -> None:
    """The same stored numbers with another physical range are another signal; the same range in mV is not."""

    def content_of(unit: str, low: str, high: str) -> str | None:
        path = write_edf(tmp_path / "train/a_1.edf", noise(80, 64), 64)
        content = bytearray(path.read_bytes())
        for place, text in ((96, unit), (104, low), (112, high)):
            start, width = 256 + 21 * place, 8
            for channel in range(21):
                content[start + channel * width : start + (channel + 1) * width] = text.encode().ljust(width)
        path.write_bytes(content)
        path.with_suffix(".tse").write_text("version = tse_v1.0.0\n\n0.0 80.0 bckg 1.0\n", encoding="utf-8")
        survey = open_recording(tmp_path, "train/a_1.edf", eeg_config()).survey()
        assert survey.bad is None, survey.bad
        return survey.content

    plain = content_of("uV", "-1000", "1000")
    assert plain is not None and content_of("mV", "-1", "1") == plain
    assert content_of("uV", "-900", "900") != plain


def test_slides_of_one_color_are_not_taken_for_one(tmp_path: Path) -> None:
    """Slides that show almost nothing are told apart by their bytes alone, and a slide is known without its levels."""
    from blindtune.datasets.slides.reader import SlideReader

    def digest(name: str, pixels: Any, mpp: float = 0.5) -> str | None:
        reader = SlideReader(write_slide(tmp_path / f"{name}.svs", pixels, mpp))
        try:
            return reader.digest_pixels()
        finally:
            reader.close()

    white = np.full((768, 1024, 3), 255, np.uint8)
    assert digest("white", white) is None
    one, same, other = (digest(str(seed), tissue(1024, 768, seed % 2), 0.5 + seed / 1000) for seed in (0, 2, 1))
    assert one is not None and one == same != other


def test_extracts_of_before_are_read(tmp_path: Path) -> None:
    """A survey that was written without a digest of its content is compared by its bytes."""
    old = surveyed("train/a", None).model_dump(mode="json")
    del old["content"]
    assert Survey.model_validate_json(json.dumps(old)).content is None


@pytest.mark.parametrize(
    ("kind", "other"),
    [("eeg", {"montage": "mono19", "segment": 2.0}), ("slides", {"patch": 64})],
    ids=["another montage and length", "other patches"],
)
def test_origins_are_the_files_in_whatever_way_they_are_cut(tmp_path: Path, kind: str, other: dict[str, Any]) -> None:
    """Each good file of a split is one origin, known by all that it holds, not by what the config takes of it."""
    write, corpus, keys, _ = KINDS[kind]
    write(tmp_path / "raw")
    given = {"folder": str(tmp_path / "raw"), "sizes": SIZES, "files_per_job": 8, "leaks": "report", **keys}
    one = load(corpus(**given), tmp_path / "raw", tmp_path / "one")
    two = load(corpus(**given | other), tmp_path / "raw", tmp_path / "two")
    assert one.splits["eval"].x.shape[1:] != two.splits["eval"].x.shape[1:]
    assert one.origin_digests is not None and two.origin_digests is not None
    for split, count in (("train", 2), ("dev", 1), ("eval", 2)):
        assert sorted(one.origin_digests[split]) == sorted(two.origin_digests[split]), split
        assert len(set(one.origin_digests[split])) == count
    # The recording or slide of P00 was saved again for P04.
    assert set(one.origin_digests["train"]) & set(one.origin_digests["eval"])
