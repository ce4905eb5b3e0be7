"""Every reader of files from outside, with valid files to change.

A reader may raise `UserError`, or the exception that its callers turn into a bad file; anything else is a finding.
"""

import bz2
import gzip
import io
import lzma
import random
import re
import shutil
import signal
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from blindtune.config.schema import read
from blindtune.config.systems import ManualModel, read_space
from blindtune.core.arrays import open_array, read_npz
from blindtune.core.errors import UserError
from blindtune.core.files import read_json
from blindtune.core.validation import load, parse
from blindtune.core.weights import load_weights
from blindtune.core.yaml_files import check_duplicate_keys, read_yaml
from blindtune.datasets.corpus.provenance import read_origins
from blindtune.datasets.corpus.splits import read_extract
from blindtune.datasets.csv_rows import read_csv
from blindtune.datasets.drawing import Drawing
from blindtune.datasets.drawing import sample as sample_drawing
from blindtune.datasets.eeg.annotations import nedc
from blindtune.datasets.eeg.edf_header import check_header, parse_header
from blindtune.datasets.eeg.errors import UnusableRecording
from blindtune.datasets.eeg.montages import create_montage, find_derivation
from blindtune.datasets.registry import create_source
from blindtune.datasets.slides import annotations as slide_annotations
from blindtune.datasets.slides.polygons import compute_areas
from blindtune.datasets.slides.split_list import read_split_list
from blindtune.datasets.table.config import TableConfig
from blindtune.decoding.ledger import Ledger
from blindtune.decoding.sealed_split import read_seal
from blindtune.exports.stored_study import read_study
from blindtune.records.decode_result import parse_decode_result
from blindtune.records.model_card import read_card
from blindtune.records.trial import TrialLog
from blindtune.report.manifests import ReportManifest
from fuzz.mutate import mutate

HERE = Path(__file__).parent
#: CPU seconds that one file may take.
LIMIT = 10
#: Seconds that one file may take in all: a reader may wait for nothing.
_WAITING_LIMIT = 600
_ALLOWED = (UserError, UnusableRecording)


class TooSlowError(Exception):
    """A reader took longer than `LIMIT`."""


@dataclass(frozen=True)
class Target:
    """One reader.

    Attributes:
        file: the name under which it gets its file.
        read: reads the file.
        seeds: returns valid files.
        structured: whether they are YAML or JSON.
        allowed: what it may raise.
    """

    file: str
    read: Callable[[Path], Any]
    seeds: Callable[[], list[bytes]]
    structured: bool = False
    allowed: tuple[type[Exception], ...] = _ALLOWED


def files(*names: str) -> Callable[[], list[bytes]]:
    """Return a function that returns the content of files of ``seeds/``."""
    return lambda: [(HERE / "seeds" / name).read_bytes() for name in names]


def _plan(path: Path) -> None:
    check_duplicate_keys([path])
    content = read_yaml(path)
    if isinstance(content, dict):
        read(content, str(path))


def _draw(path: Path) -> None:
    try:
        space = read_space(path, "mlp")
    except ValueError as error:
        # The check of a system names the system and turns this into a UserError.
        raise UserError(str(error)) from error
    for seed in range(3):
        values = space.draw(np.random.default_rng(seed))
        assert space.snap(values) == values


def _sample(path: Path) -> None:
    drawing = load(Drawing, path)
    for split in ("train", "eval"):
        sample_drawing(drawing, split, 2 * len(drawing.classes), 1)


def _header(path: Path) -> None:
    header = parse_header(path.read_bytes())
    found = find_derivation(header.signal_labels, create_montage("tcp20"))
    check_header(header, list(found.sources), 50.0)


def _annotation(path: Path) -> None:
    nedc.read_file(path).within(60.0)


@cache
def _npy() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        for name, array in (("a", np.arange(12, dtype=np.float32).reshape(3, 4)), ("b", np.zeros(3, np.int64))):
            np.save(Path(folder) / f"{name}.npy", array)
        return [path.read_bytes() for path in sorted(Path(folder).glob("*.npy"))]


@cache
def _npz() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.npz"
        np.savez(path, wrong=np.zeros(5, bool), label=np.arange(5))
        plain = path.read_bytes()
        np.savez_compressed(path, wrong=np.zeros(5, bool), label=np.arange(5))
        return [plain, path.read_bytes()]


@cache
def _safetensors() -> list[bytes]:
    from safetensors.numpy import save

    return [save({"1.kernel": np.zeros((2, 3), np.float32), "1.bias": np.ones(3, np.float64)})]


@cache
def _edf() -> list[bytes]:
    """Return the header of 21 channels, and the data of two seconds."""
    names = [f"EEG {name}-REF" for name in sorted(create_montage("mono21").electrodes)]
    count = len(names)
    fields = [
        "".join(name.ljust(16) for name in names),
        " " * 80 * count,
        *("".join(text.ljust(8) for _ in names) for text in ("uV", "-1000", "1000", "-32768", "32767")),
        " " * 80 * count,
        "".join("100".ljust(8) for _ in names),
        " " * 32 * count,
    ]
    head = "0".ljust(8) + "X X X X".ljust(80) + "Startdate 03-FEB-2001 X X X".ljust(80) + "03.02.0104.05.06"
    head += str(256 * (1 + count)).ljust(8) + " " * 44 + "2".ljust(8) + "1".ljust(8) + str(count).ljust(4)
    return [(head + "".join(fields)).encode("latin-1") + bytes(2 * 2 * 100 * count)]


_TABLE = "x,kind,who,label\n" + "".join(f"{n / 4},{'ab'[n % 3 // 2]},p{n},{'uv'[n % 2]}\n" for n in range(24))


def _read_table(path: Path) -> None:
    config = {"source": "table", "file": str(path), "missing": "median", "leaks": "report", "group": "who"}
    source = create_source(TableConfig.model_validate(config))
    loaded = source.load({"file": path})
    if loaded.fit is not None:
        loaded.fit(loaded)


def _texts() -> list[bytes]:
    head = "# filename:\n# classes: [u,v]\n"
    others = (_TABLE.replace(",", ";").replace(".", ","), re.sub(r"(p\d+)", r'"\1, x"', _TABLE), head + _TABLE)
    return [_TABLE.encode(), *(text.encode("utf-16") if text[0] == "#" else text.encode() for text in others)]


@cache
def _packed() -> list[bytes]:
    packers = (gzip.compress, bz2.compress, lzma.compress)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("t.csv", _TABLE)
    return [stream.getvalue(), *(pack(_TABLE.encode()) for pack in packers)]


@cache
def _binary_table(form: str) -> list[bytes]:
    import pandas as pd

    frame, stream = pd.read_csv(io.StringIO(_TABLE)), io.BytesIO()
    if form == "excel":
        frame.to_excel(stream, index=False)
    else:
        {"parquet": frame.to_parquet, "feather": frame.to_feather}[form](stream)
    return [stream.getvalue()]


def _shape(path: Path) -> None:
    """Read the annotation of a slide and compute the areas of its classes."""
    annotation = slide_annotations.read_annotation(path)
    compute_areas(annotation.regions, {"dcis": ["dcis"], "indc": ["indc"]}, (640, 640), annotation.unclear)


TARGETS: dict[str, Target] = {
    "table": Target("t.csv", _read_table, _texts),
    "table_packed": Target("t.csv", _read_table, _packed),
    "table_parquet": Target("t.parquet", _read_table, partial(_binary_table, "parquet")),
    "table_feather": Target("t.feather", _read_table, partial(_binary_table, "feather")),
    "table_excel": Target("t.xlsx", _read_table, partial(_binary_table, "excel")),
    "config": Target("mine.yaml", _plan, files("config.yaml"), structured=True),
    "space": Target("space.yaml", _draw, files("space.yaml"), structured=True),
    "model": Target("model.yaml", lambda path: load(ManualModel, path), files("model.yaml"), structured=True),
    "drawing": Target("drawing.yaml", _sample, files("drawing.yaml"), structured=True),
    "points": Target("train.csv", read_csv, files("points.csv")),
    "split_list": Target("splits.csv", read_split_list, files("splits.csv")),
    "origins": Target("origins.tsv", read_origins, files("origins.tsv")),
    "edf": Target("a.edf", _header, _edf),
    "eeg_csv": Target("a.csv_bi", _annotation, files("eeg.csv_bi")),
    "eeg_tse": Target("a.tse", _annotation, files("eeg.tse")),
    "slide_csv": Target("a.csv", _shape, files("slide.csv")),
    "slide_xml": Target("a.xml", _shape, files("slide.xml", "slide_halo.xml", "slide_asap.xml")),
    "slide_json": Target("a.json", _shape, files("slide.geojson", "slide_dsa.json"), structured=True),
    "card": Target("card.json", read_card, files("card.json", "card_bayes.json"), structured=True),
    "protocol": Target(
        "protocol.json",
        lambda path: read_study(path.parent),
        files("protocol.json", "protocol_manual.json"),
        structured=True,
    ),
    "trials": Target(
        "trials.jsonl",
        lambda path: TrialLog(path).read(),
        files("trials.jsonl", "trials_manual.jsonl"),
        structured=True,
    ),
    "ledger": Target(
        "ledger.jsonl", lambda path: Ledger(path.parent).entries(), files("ledger.jsonl"), structured=True
    ),
    "seal": Target("seal.json", read_seal, files("seal.json"), structured=True),
    "manifest": Target(
        "manifest.json",
        lambda path: parse(ReportManifest, read_json(path), str(path)),
        files("manifest.json"),
        structured=True,
    ),
    "result": Target(
        "result.json",
        lambda path: parse_decode_result(read_json(path), str(path)),
        files("result.json"),
        structured=True,
    ),
    "extract": Target("train-1.json", read_extract, files("extract.json"), structured=True),
    "npy": Target("x.npy", lambda path: open_array(path, "Remove it."), _npy),
    "npz": Target("a.npz", lambda path: read_npz(path, "Remove it."), _npz),
    "safetensors": Target("a.safetensors", lambda path: load_weights(path, "Remove it."), _safetensors),
}


def inputs(name: str, chance: random.Random) -> Iterator[bytes]:
    """Yield changed files for a target, without end."""
    target = TARGETS[name]
    seeds = target.seeds()
    while True:
        yield mutate(chance.choice(seeds), chance, target.structured)


def check(name: str, content: bytes, folder: Path) -> float:
    """Let a target read a file; an exception that it may not raise is raised on.

    Args:
        name: of the target.
        content: the file.
        folder: an empty folder, in which the file is written; it is empty again afterwards.

    Returns:
        The CPU seconds that it took.
    """
    target = TARGETS[name]
    path = folder / target.file
    path.write_bytes(content)
    begun = time.process_time()
    try:
        with _limited():
            target.read(path)
    except target.allowed as error:
        message = str(error)
        assert message.strip(), "a message without words"
        assert len(message) < 10_000, f"a message of {len(message)} letters"
        assert "Traceback" not in message
    finally:
        for left in folder.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
    return time.process_time() - begun


@contextmanager
def _limited() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TooSlowError(f"more than {LIMIT} s")

    # A busy machine makes no reader slow, and one that waits takes no CPU time.
    limits = {
        signal.SIGPROF: (signal.ITIMER_PROF, LIMIT),
        signal.SIGALRM: (signal.ITIMER_REAL, _WAITING_LIMIT),
    }
    before = {number: signal.signal(number, stop) for number in limits}
    try:
        for timer, seconds in limits.values():
            signal.setitimer(timer, seconds)
        yield
    finally:
        for timer, _ in limits.values():
            signal.setitimer(timer, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
