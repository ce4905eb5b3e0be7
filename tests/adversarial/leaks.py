"""Samples of eval in train or dev, in another order, form, file or class.

The adversary wants an error on eval that is not that of unseen data. The preparation must refuse such data; where the
config says `remove` or `report`, every such sample must be removed or counted.
"""

import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from adversarial.attack import Attack, Family, KnownLimit, Outcome
from adversarial.bench import Bench
from blindtune.core.files import read_json
from blindtune.datasets.prepared import open_split
from support.builders import write_csv_folder

#: How a row may be written so that it is the same sample.
FORMS: dict[str, Callable[[str, str, str], str]] = {
    "as it is": lambda label, a, b: f"{label},{a},{b}",
    "more digits": lambda label, a, b: f"{label},{a}000,{b}000",
    "exponent": lambda label, a, b: f"{label},{float(a):.12e},{float(b):.12e}",
    "full precision": lambda label, a, b: f"{label},{np.float32(a):.9g},{np.float32(b):.9g}",
    "plus sign": lambda label, a, b: f"{label},{_plus(a)},{_plus(b)}",
    "below float32": lambda label, a, b: (
        f"{label},{np.float64(np.float32(a)) * (1 + 1e-9)!r},{np.float64(np.float32(b)) * (1 - 1e-9)!r}"
    ),
    "other label": lambda label, a, b: f"{1 - int(label)},{a},{b}",
    "label as float": lambda label, a, b: f"{float(label)},{a},{b}",
    "spaces": lambda label, a, b: f"{label}, {a}, {b}",
    "sign of zero": lambda label, a, b: f"{label},-0.0,{b}",
}


def _plus(number: str) -> str:
    return number if number.startswith("-") else f"+{number}"


def write_leak(form: str, split: str, count: int, where: str, seed: int, scene: Path) -> None:
    """Write CSV files of which `split` holds rows of eval."""
    files = write_csv_folder(scene / "csv", train=40, dev=20, eval=24, seed=seed)
    chance = random.Random(seed)  # noqa: S311
    sealed = files["eval"].read_text(encoding="utf-8").splitlines()
    if form == "sign of zero":
        sealed = [f"{line.split(',')[0]},0.0,{line.split(',')[2]}" for line in sealed]
        files["eval"].write_text("\n".join(sealed) + "\n", encoding="utf-8")
    rows = [FORMS[form](*line.split(",")) for line in chance.sample(sealed, count)]
    own = files[split].read_text(encoding="utf-8").splitlines()
    match where:
        case "at the end":
            own += rows
        case "at the start":
            own = rows + own
        case "in the place of others":
            own = own[: len(own) - count] + rows
        case "shuffled":
            own += rows
            chance.shuffle(own)
    files[split].write_text("\n".join(own) + "\n", encoding="utf-8")


def judge_leak(rule: str, split: str, scene: Path) -> Outcome:
    """Prepare the data: no sample of eval may be in a split unless it is counted."""
    bench = Bench(scene)
    files = {name: scene / "csv" / f"{name}.csv" for name in ("train", "dev", "eval")}
    bench.prepare_csv(files, leaks=rule)
    return count_leaks(bench, split)


def count_leaks(bench: Bench, split: str) -> Outcome:
    """Compare what the manifest counts with samples that are equal, found by other means than the preparation."""
    sealed = {_plain(row) for row in open_split(bench.split("eval")).x}
    left = sum(_plain(row) in sealed for row in open_split(bench.split(split)).x)
    leaks = read_json(bench.manifest)["leaks"]
    counted, removed = leaks["shared"][split]["eval"], leaks["removed"][split]
    if leaks["rule"] == "remove":
        if left or removed < counted:
            return Outcome("lost", f"{left} samples of {split} are in eval, {removed} of {counted} were removed")
        return Outcome("shown", f"{removed} of {split} were removed")
    if left != counted:
        return Outcome("lost", f"{left} samples of {split} are in eval, {counted} are counted")
    return Outcome("shown", f"{counted} of {split} are counted")


def _plain(row: np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) + 0.0 for value in np.asarray(row, np.float32).ravel())


def table_attacks() -> list[Attack]:
    """Rows of CSV files."""
    found = []
    for form in FORMS:
        for split in ("train", "dev"):
            for count in (1, 5):
                for where in ("at the end", "at the start", "in the place of others", "shuffled"):
                    for rule in ("refuse", "remove", "report"):
                        seed = len(found)
                        found.append(
                            Attack(
                                f"rows of eval, {rule}/{form} {split} {count} {where}",
                                None,
                                partial(write_leak, form, split, count, where, seed),
                                partial(judge_leak, rule, split),
                            )
                        )
    return found


#: How a picture may be stored so that it has the same pixels.
PICTURES = ("same file", "other name", "compressed again", "bitmap", "colour", "with text", "other class", "tiff")


def write_pictures(how: str, seed: int, scene: Path) -> None:
    """Write pictures of which some are there twice, in other files; the split by files puts them apart."""
    from PIL import Image, PngImagePlugin

    chance = np.random.default_rng(seed)
    for label in ("a", "b"):
        folder = scene / "pictures" / label
        folder.mkdir(parents=True)
        for number in range(16):
            Image.fromarray(chance.integers(0, 256, (6, 6), dtype=np.uint8)).save(folder / f"{number:02}.png")
    for number in range(0, 16, 2):
        source = scene / "pictures" / "a" / f"{number:02}.png"
        image = Image.open(source)
        target = scene / "pictures" / ("b" if how == "other class" else "a") / f"copy{number:02}.png"
        match how:
            case "same file" | "other name" | "other class":
                target.write_bytes(source.read_bytes())
            case "compressed again":
                image.save(target, compress_level=seed % 9)
            case "bitmap":
                image.save(target.with_suffix(".bmp"))
            case "tiff":
                image.save(target.with_suffix(".tif"))
            case "colour":
                image.convert("RGB").save(target)
            case "with text":
                text = PngImagePlugin.PngInfo()
                text.add_text("note", str(number))
                image.save(target, pnginfo=text)


def judge_pictures(rule: str, scene: Path) -> Outcome:
    """Prepare the pictures: as `judge_leak`."""
    bench = Bench(scene)
    bench.prepare_images(scene / "pictures", leaks=rule)
    first = count_leaks(bench, "train")
    return first if not first.survived else count_leaks(bench, "dev")


def picture_attacks() -> list[Attack]:
    """The same picture in two files."""
    return [
        Attack(
            f"pictures twice, {rule}/{how} {seed}",
            None,
            partial(write_pictures, how, seed),
            partial(judge_pictures, rule),
        )
        for how in PICTURES
        for seed in range(2)
        for rule in ("refuse", "remove", "report")
    ]


FAMILY = Family(
    "leaks",
    "samples of eval in train or dev, in any order, form, file or class",
    table_attacks() + picture_attacks(),
    [
        KnownLimit(
            "A sample of eval is in train with another value in the last digits that float32 keeps.",
            "It is another sample then. How near is too near depends on the data.",
        ),
        KnownLimit(
            "The files of eval are read by other programs, or prepared again as train or dev below other results.",
            "The seal is around what blindtune prepares; who has the raw files can score on them anywhere.",
        ),
    ],
)
