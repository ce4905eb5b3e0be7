"""Corpora: batches, their extracts, and the draw from all of them."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from blindtune.config.schema import read_dataset
from blindtune.core.errors import UserError
from blindtune.core.paths import ResultPaths
from blindtune.datasets.base import LoadedDataset
from blindtune.datasets.chunked import iterate_chunks
from blindtune.datasets.corpus.base import Corpus, RawFile
from blindtune.datasets.corpus.extraction import extract_batch, simulate_batch
from blindtune.datasets.corpus.survey import Survey, check_bad_fraction, draw_samples
from blindtune.datasets.prepared import open_prepared, open_split, prepare
from support.eeg_files import eeg_corpus
from support.number_corpus import FILES, SIZES, NumbersCorpus, numbers_corpus


def extracted(source: Corpus, layout: ResultPaths) -> dict[str, Path]:
    """Simulate and extract every batch, as the workflow does; return the extracts."""
    folder = source.find_folder(layout, "it")
    for batch, path in source.inputs(layout, "it").items():
        if source.is_simulated():
            simulate_batch(source, batch, folder, Path(layout.simulated("it", batch)))
        extract_batch(source, batch, folder, path)
    return source.inputs(layout, "it")


def batch_of(source: Corpus, file: str) -> str:
    """Return the batch that a raw file is in."""
    return next(batch for batch, raws in source.batches().items() if file in [raw.file for raw in raws])


def extract_again(source: Corpus, layout: ResultPaths, file: str) -> None:
    """Extract the batch of a raw file once more."""
    batch = batch_of(source, file)
    extract_batch(source, batch, source.find_folder(layout, "it"), source.inputs(layout, "it")[batch])


def x_of(loaded: LoadedDataset, split: str) -> NDArray[Any]:
    return np.concatenate(list(iterate_chunks(loaded.splits[split].x)))


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


@pytest.fixture
def layout(tmp_path: Path) -> ResultPaths:
    return ResultPaths(str(tmp_path / "results"))


def test_batches_hold_one_split_and_eval_is_sealed(layout: ResultPaths) -> None:
    """A batch has files of one split, and extracts of eval are in the sealed folder."""
    source = numbers_corpus()
    found = {batch: [raw.file for raw in raws] for batch, raws in source.batches().items()}
    assert sorted(file for files in found.values() for file in files) == sorted(FILES)
    for batch, files in found.items():
        assert 1 <= len(files) <= 2 and all(file.startswith(batch.split("-")[0]) for file in files)
        assert [raw.file for raw in source.select_batch(batch)] == files, "a job finds the same files"
    for batch, path in source.inputs(layout, "it").items():
        assert ("sealed" in path.parts) == batch.startswith("eval")


def test_load_draws_from_all_files_evenly_by_class(layout: ResultPaths) -> None:
    """Samples are drawn from all files, the same number of each class."""
    source = numbers_corpus()
    loaded = source.load(extracted(source, layout))
    for split, size in SIZES.items():
        part = loaded.splits[split]
        assert len(part.y) == size and part.y.sum() * 2 == size
        x = x_of(loaded, split)
        np.testing.assert_array_equal(x[:, 0] % 2, part.y)
        assert len(np.unique(x)) == size, "none twice"
        assert part.group is not None
        owners = [f"{split}/{name}.txt" for name in "abc"]
        for value, group in zip(x[:, 0], part.group, strict=True):
            own = loaded.parameters["groups"][group]
            assert own in owners and value // 100 == sum(map(ord, own))
    assert loaded.axes == ["sample", "number"] and loaded.parameters["good"] == 9
    assert loaded.parameters["left_out"] == [[split, "none", "odd", 3] for split in sorted(SIZES)]


def test_load_does_not_depend_on_batches(tmp_path: Path) -> None:
    """How files are divided into batches changes nothing of what is drawn, of its order and of what is recorded of it;
    another seed does."""

    def load(name: str, **changes: Any) -> LoadedDataset:
        source = numbers_corpus(**changes)
        return source.load(extracted(source, ResultPaths(str(tmp_path / name))))

    first = load("0")
    for number, files_per_job in enumerate((1, 3, 9), 1):
        other = load(f"{number}", files_per_job=files_per_job)
        for split in SIZES:
            np.testing.assert_array_equal(x_of(first, split), x_of(other, split))
            np.testing.assert_array_equal(first.origin_digests[split], other.origin_digests[split])
            for name in ("y", "group", "origins"):
                before, after = (getattr(loaded.splits[split], name) for loaded in (first, other))
                assert (before == after).all() if isinstance(before, np.ndarray) else before == after
        assert json.dumps(other.parameters) == json.dumps(first.parameters), "in the same order"
        assert other.bad_files == first.bad_files
    # The order before batches followed from the paths: by split, then by file.
    assert list(first.parameters["raw_sha256"]) == FILES
    third = load("other", seed=2)
    assert any(not np.array_equal(x_of(first, s), x_of(third, s)) for s in SIZES)


def test_a_job_reads_more_files_where_they_are_small(tmp_path: Path) -> None:
    """Up to 256 files that are small together, 12 that are not; a large one makes its own batch smaller."""
    for number in range(40):
        for split in SIZES:
            path = tmp_path / split / f"{number:02}.edf"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(bytes(20))
            path.with_suffix(".tse").touch()
    given = {"folder": str(tmp_path), "patient": r"(\w+/\d+)"}
    source = eeg_corpus(**given)
    assert len(source.batches()) == 3
    (tmp_path / "train/00.edf").open("r+b").truncate(120 * 3 * 2**20)
    source = eeg_corpus(**given)
    batches = source.batches()
    assert len(batches[batch_of(source, "train/00.edf")]) <= 12
    assert {"dev-0000", "eval-0000"} < set(batches) and 1 < len([one for one in batches if "train" in one]) <= 4
    assert len(eeg_corpus(**given, files_per_job=40).batches()) == 3
    assert "files_per_job" not in source.extraction_config(), "how many read a file does not change what is cut"


def test_a_new_file_changes_the_batch_that_it_is_in_alone(tmp_path: Path) -> None:
    """A new recording, also one that sorts first, belongs to one batch; all others keep their names and files."""
    for number in range(60):
        path = tmp_path / ("train", "dev", "eval")[number % 3] / f"{number:02}.edf"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(20))
        path.with_suffix(".tse").touch()
    given = {"folder": str(tmp_path), "patient": r"(\w+/\S+)", "files_per_job": 4}
    before = eeg_corpus(**given).batches()
    for name in ("train/!first.edf", "train/30x.edf", "train/zz.edf"):
        (tmp_path / name).write_bytes(bytes(20))
        source = eeg_corpus(**given)
        own = batch_of(source, name)
        after = source.batches()
        gone = {batch for batch, raws in before.items() if after.get(batch) != raws}
        assert len(gone) <= 1, "the one that it joined or divided"
        assert len(set(after) - set(before)) <= 2 and own in after
        (tmp_path / name).unlink()


def test_extract_batch_cuts_at_most_max_per_file(layout: ResultPaths) -> None:
    """At most max_per_file samples of a class are cut from a file."""
    source = numbers_corpus(max_per_file=2)
    for path in extracted(source, layout).values():
        for survey in json.loads(path.read_text(encoding="utf-8"))["surveys"]:
            assert len(survey["candidates"]) == 4
    with pytest.raises(UserError, match=r"sizes\.train: 7 samples of even are wanted, its files offer 6\. Lower it"):
        greedy = numbers_corpus(max_per_file=2, sizes=SIZES | {"train": 14})
        greedy.load(source.inputs(layout, "it"))


def test_bad_files_are_listed_or_stop_the_run(layout: ResultPaths) -> None:
    """Bad files are listed, or stop the run if there are too many or strict is true."""
    source = numbers_corpus(max_bad_fraction=0.2)
    files = extracted(source, layout)
    folder = source.find_folder(layout, "it")
    (folder / "train/a.txt").write_text("bad", encoding="utf-8")
    extract_again(source, layout, "train/a.txt")
    loaded = source.load(files)
    assert loaded.parameters["bad_files"] == {"train/a.txt": "is bad"}
    assert loaded.parameters["good"] == 8
    for stricter in ({"strict": True}, {"max_bad_fraction": 0.1}):
        with pytest.raises(UserError, match=r"1 of 9 files are bad; .*\n  - train/a\.txt: is bad$"):
            numbers_corpus(**stricter).load(files)
    with pytest.raises(UserError, match="dataset it: 1 of 9 files are bad"):
        prepare("it", numbers_corpus(), files, Path(layout.manifest("it")), Path(layout.seal("it")))
    with pytest.raises(UserError, match=r"train/a\.txt: is bad\. strict: true stops"):
        extract_again(numbers_corpus(strict=True), layout, "train/a.txt")


def test_draw_samples_explains_a_shortage() -> None:
    """The message about missing samples names what was left out and which labels there are."""
    found = Survey(file="a", sha256={}, group="a", split="train", left_out={"blur": {"odd": 2}, "white": {"even": 1}})
    found.facts["regions"] = {"od": 3, "null": 1}
    said = r"0; left out: 2 blur; labels of their regions: null \(1\), od \(3\)\. Lower it"
    with pytest.raises(UserError, match=said):
        draw_samples([found], ["odd", "even"], numbers_corpus().config.sizes, 1)


def test_draw_samples_names_bad_and_skipped_files_of_a_short_split() -> None:
    """The message about missing samples says how many files of the split are bad or skipped, with a reason of each."""
    plain: dict[str, Any] = {"sha256": {}, "group": "a", "split": "train"}
    found = [Survey(file=name, bad="is empty", **plain) for name in ("b", "a")]
    found += [Survey(file="c", skipped="is not listed", **plain), Survey(**plain | {"file": "d", "split": "dev"})]
    said = (
        r"offer 0; 2 of its 3 files are bad, such as a: is empty; 1 of its 3 files are skipped, such as c: is not "
        r"listed\. Lower it"
    )
    with pytest.raises(UserError, match=said):
        draw_samples(found, ["odd", "even"], numbers_corpus().config.sizes, 1)


def test_check_bad_fraction_shortens_a_long_list() -> None:
    """A long list of bad files is shortened."""
    found = [Survey(file=f"{at:02}.txt", sha256={}, group="a", split="train", bad="is bad") for at in range(13)]
    with pytest.raises(UserError, match=r"13 of 13 files are bad") as caught:
        check_bad_fraction(found, 0.5, strict=False)
    lines = str(caught.value).splitlines()
    assert lines[1] == "  - 00.txt: is bad" and lines[-2:] == ["  - 09.txt: is bad", "  - and 3 more"]


def test_sizes_must_be_multiples_of_the_classes() -> None:
    """Each size must be a multiple of the number of classes."""
    with pytest.raises(ValueError, match=r"sizes\.dev: 5 is not a multiple of 2, the classes"):
        numbers_corpus(sizes=SIZES | {"dev": 5})


def test_copies_count_once_and_never_in_two_splits(layout: ResultPaths) -> None:
    """Files with the same bytes count once in a split and are refused in two."""
    source = numbers_corpus(max_bad_fraction=0.2)
    files = extracted(source, layout)
    folder = source.find_folder(layout, "it")
    (folder / "train/b.txt").write_bytes((folder / "train/a.txt").read_bytes())
    extract_again(source, layout, "train/b.txt")
    loaded = source.load(files)
    assert loaded.parameters["bad_files"] == {"train/b.txt": "holds the same bytes as train/a.txt"}
    assert loaded.parameters["left_out"][-1] == ["train", "none", "odd", 2]
    (folder / "eval/c.txt").write_bytes((folder / "train/b.txt").read_bytes())
    extract_again(source, layout, "eval/c.txt")
    with pytest.raises(UserError, match=r"eval/c\.txt in eval holds the same bytes as train/a\.txt in train"):
        source.load(files)
    # Files that give no sample leak nothing.
    for file in ("train/c.txt", "eval/c.txt"):
        (folder / file).write_text("bad", encoding="utf-8")
        extract_again(source, layout, file)
    assert len(numbers_corpus(max_bad_fraction=0.4).load(files).parameters["bad_files"]) == 3


def test_prepare_lists_each_sample_with_its_origin(tmp_path: Path, layout: ResultPaths) -> None:
    """Each sample of a corpus is listed with its file and place, and bad files with their reasons."""
    source = numbers_corpus()
    files = extracted(source, layout)
    manifest, seal = Path(layout.manifest("it")), Path(layout.seal("it"))
    assert "bad" not in prepare("it", source, files, manifest, seal)
    for split, folder in (("train", manifest.parent), ("dev", manifest.parent), ("eval", seal.parent)):
        part = open_split(folder / split)
        rows = table(folder / split / "origins.tsv")
        assert list(rows[0]) == ["sample", "class", "group", "file", "number"]
        assert [int(row["sample"]) for row in rows] == list(range(SIZES[split]))
        assert [float(row["number"]) for row in rows] == part.x[:, 0].tolist()
        assert [source.config.class_names.index(row["class"]) for row in rows] == part.y.tolist()
        assert all(row["group"] == row["file"] and row["file"].startswith(split) for row in rows)
    assert (manifest.parent / "bad_files.tsv").read_text(encoding="utf-8") == "file\treason\n"
    (source.find_folder(layout, "it") / "eval/b.txt").write_text("bad", encoding="utf-8")
    extract_again(source, layout, "eval/b.txt")
    said = prepare("it", numbers_corpus(max_bad_fraction=0.2), files, manifest, seal)
    assert said.startswith("it: 8 / 4 / 4 samples of 2 classes") and "bad files: 1, listed in" in said
    assert table(manifest.parent / "bad_files.tsv") == [{"file": "eval/b.txt", "reason": "is bad"}]


def test_extract_batch_writes_and_removes_tables(layout: ResultPaths) -> None:
    """The table of where samples were cut is next to their array, and is removed with it."""
    source = numbers_corpus(files_per_job=3)
    path = extracted(source, layout)["dev-0000"]
    cut = np.load(path.parent / "dev-0000/dev/a.txt.npy")
    rows = table(path.parent / "dev-0000/dev/a.txt.tsv")
    assert [(row["sample"], float(row["number"])) for row in rows] == [(str(n), x) for n, [x] in enumerate(cut)]
    assert {row["class"] for row in rows} == {"even", "odd"}
    (source.find_folder(layout, "it") / "dev/a.txt").write_text("bad", encoding="utf-8")
    extract_batch(source, "dev-0000", source.find_folder(layout, "it"), path)
    left = {one.name for one in path.with_suffix("").rglob("*") if one.is_file()}
    assert left == {f"{name}.txt.{suffix}" for name in "bc" for suffix in ("npy", "tsv")}


def test_batches_are_searched_once_per_source() -> None:
    """Files are searched once for each source."""
    source = numbers_corpus()
    assert source.batches() is source.batches() and source.searches == 1
    other = numbers_corpus(files_per_job=9)
    assert len(other.batches()) == 3 and len(source.batches()) == 6
    assert source.config == numbers_corpus().config


def test_a_file_that_cannot_be_read_is_a_bad_file(layout: ResultPaths, tmp_path: Path) -> None:
    """What planning cannot read is no input of a job, which does not open it; the others give the samples."""
    folder, lost = tmp_path / "own", "train/b.txt"
    for file in FILES:
        numbers_corpus().simulate(file, folder)
    (folder / lost).unlink()
    (folder / lost).symlink_to("gone.txt")
    with pytest.raises(UserError, match=r"train/b\.txt cannot be read: broken link"):
        numbers_corpus(folder=str(folder), max_bad_fraction=0.1).user_files()
    source = numbers_corpus(folder=str(folder), max_bad_fraction=0.2)
    planned = {batch: source.list_unusable(batch) for batch in source.batches()}
    assert {file for batch in planned for file in source.list_inputs(batch)} == {*FILES} - {lost}
    for batch, path in source.inputs(layout, "it").items():
        extract_batch(source, batch, folder, path, unusable=planned[batch])
    loaded = source.load(source.inputs(layout, "it"))
    assert loaded.bad_files.rows == [(lost, "cannot be read: broken link")]
    again = batch_of(source, lost)
    with pytest.raises((UserError, OSError)):
        extract_batch(source, again, folder, source.inputs(layout, "it")[again])


def test_select_batch_says_that_the_folder_changed() -> None:
    """A job whose files are gone since the run was planned says so."""
    with pytest.raises(UserError, match=r"belongs to train-0099 any more\. Start the run again"):
        numbers_corpus().select_batch("train-0099")


def test_user_files_refuses_a_split_without_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """A split without files is refused while the workflow is planned."""
    monkeypatch.setattr(
        NumbersCorpus, "list_files", lambda self: [RawFile("a.txt", (), "train"), RawFile("b.txt", (), "dev")]
    )
    with pytest.raises(UserError, match="folder: none of the 2 files of x is in eval"):
        numbers_corpus(folder="x").user_files()


def test_corpus_config_refuses_wrong_keys() -> None:
    """A simulated corpus must be a stand-in, and patient must be a regular expression with one group."""
    for changes in ({"stand_in": False}, {"patient": "("}, {"patient": "a"}):
        with pytest.raises(ValueError, match=r"stand_in: must be true|patient: "):
            numbers_corpus(**changes)


def test_load_refuses_a_path_out_of_the_corpus(layout: ResultPaths) -> None:
    """An extract that names a path out of the corpus is refused."""
    source = numbers_corpus()
    files = extracted(source, layout)
    extract = files[batch_of(source, "train/a.txt")]
    content = extract.read_text(encoding="utf-8").replace("train/a.txt", "../../a.txt")
    extract.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match="not a path below the corpus"):
        source.load(files)


def test_simulated_recordings_become_a_dataset(tmp_path: Path, layout: ResultPaths) -> None:
    """The real thing, small: EDF files, surveyed and cut, to a prepared dataset with its eval under the seal."""
    content = {
        "source": "eeg",
        "stand_in": True,
        "simulate": {"patients": 6, "seconds": 120, "faults": ["truncated"]},
        "sizes": {"train": 8, "dev": 2, "eval": 2},
        "seed": 3,
    }
    source = read_dataset(content)
    files = extracted(source, layout)
    manifest, seal = Path(layout.manifest("it")), Path(layout.seal("it"))
    prepare("it", source, files, manifest, seal)
    data = open_prepared(manifest)
    assert data.train.x.shape == (8, 20, 500) and data.classes == ["background", "seizure"]
    assert data.manifest["units"] == "uV" and data.manifest["parameters"]["filter"]
    [(file, reason)] = data.manifest["parameters"]["bad_files"].items()
    assert file.endswith(".edf") and reason.startswith("is truncated")
    assert open_split(seal.parent / "eval").x.shape == (2, 20, 500)
