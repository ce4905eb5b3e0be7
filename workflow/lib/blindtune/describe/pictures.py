"""What a folder of pictures holds, and the config that runs it."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from blindtune.config.defaults import DEFAULT
from blindtune.config.schema import merge, read
from blindtune.core.arrays import UNREADABLE
from blindtune.core.errors import UserError
from blindtune.core.validation import parse
from blindtune.datasets.base import SPLITS
from blindtune.datasets.images import ImagesConfig, ImagesSource
from blindtune.datasets.leaks import find_equal_samples
from blindtune.datasets.picture_files import FoundPictures, find_in_folders, find_in_table
from blindtune.describe.config import (
    Description,
    choose_neighbors,
    count_repeated,
    name_study,
    show_classes,
    write_as_yaml,
)

#: The most rows and columns that are proposed; larger pictures are scaled down, so that a first study is quick.
MAX_SIDE = 32
#: Kinds of pixels without colours, in Pillow's terms.
_GREY = frozenset({"1", "L", "LA", "F", "I", "I;16", "I;16B", "I;16L", "I;16N"})


def describe(folder: Path, keys: Mapping[str, Any], named: Path, labels: Path | None = None) -> Description:
    """Return what a folder of pictures holds, and a config that runs it.

    Args:
        folder: of pictures: a folder for each class, or train, val and test with such folders in them.
        keys: keys of a table that are given; none of them is used for pictures.
        named: the folder that names the config.
        labels: table of the files and their labels, if the folders do not say them.

    Raises:
        UserError: a key is given, or the pictures cannot be read or split.
    """
    if keys:
        options = ", ".join(f"--{key.replace('_', '-')}" for key in keys)
        raise UserError(
            f"{folder}: holds pictures; {options} is for tables. Leave it out; docs/data/pictures.md has the keys."
        )
    found = find_in_folders(folder, "auto") if labels is None else find_in_table(folder, labels, {})
    settings: dict[str, Any] = {"folder": str(folder)} | ({} if labels is None else {"labels": str(labels)})
    lines, size = _look(folder, found, labels)
    settings |= size
    source = ImagesSource(parse(ImagesConfig, {"source": "images", **settings, "corrupt": "leave_out"}, str(folder)))
    loaded = source.load(source.user_files())
    unreadable = set(loaded.parameters["bad_files"]) - {str(path) for path in found.unused}
    if unreadable:
        settings["corrupt"] = "leave_out"
        lines += [f"cannot be read, left out: {name}" for name in sorted(unreadable)[:10]]
        lines += [f"... and {len(unreadable) - 10:,} more"] if len(unreadable) > 10 else []
    lines += ["", f"{len(loaded.classes)} classes", *show_classes(loaded, "pictures"), *loaded.notes]
    repeated = count_repeated(loaded)
    if repeated:
        lines.append(f"{repeated:,} pictures are equal to another one in this size")
    if find_equal_samples(loaded).shared("eval", "train", "dev").any():
        settings["leaks"] = "remove"
        lines.append("pictures of eval are equal to others of train or dev: leaks: remove takes them out of these")
    content = _config(name_study(named, "pictures"), settings, len(loaded.splits["train"].y))
    read(merge(DEFAULT, content), "the config")
    head = [f"Written by `blindtune describe {named}`.", "It is merged into config.yaml. Change it as you like."]
    comments = {
        "compare": "Two reference models, an expert's network and a tuner; config.yaml has more systems.",
        "datasets": "rows, columns: size that pictures are scaled to; docs/data/pictures.md describes every key.",
    }
    return Description(lines, write_as_yaml(content, head, comments))


def _look(folder: Path, found: FoundPictures, labels: Path | None) -> tuple[list[str], dict[str, int]]:
    """Return lines on the files, and the size and channels that are proposed."""
    from PIL import Image

    sizes: Counter[tuple[int, int]] = Counter()
    formats: Counter[str] = Counter()
    modes: Counter[str] = Counter()
    for picture in found.pictures:
        try:
            with Image.open(picture.path) as image:
                sizes[image.size] += 1
                formats[str(image.format)] += 1
                modes[image.mode] += 1
        except (*UNREADABLE, Image.DecompressionBombError):
            continue
    named = {picture.split for picture in found.pictures}
    splits = [split for split in SPLITS if split in named]
    how = f"labels in {labels.name}" if labels is not None else "in folders of their class"
    how += f", splits {', '.join(splits)}" if splits else ""
    lines = [f"{folder}: {len(found.pictures):,} pictures, {how}"]
    if found.unused:
        shown = ", ".join(f"{path.name} ({reason})" for path, reason in sorted(found.unused.items())[:5])
        lines.append(f"files that are not used: {len(found.unused):,}: {shown}")
    if not sizes:
        raise UserError(f"{folder}: none of its {len(found.pictures):,} pictures can be read. Give other files.")
    width, height = _middle([size[0] for size in sizes.elements()]), _middle([size[1] for size in sizes.elements()])
    low = " x ".join(str(min(size[axis] for size in sizes)) for axis in (0, 1))
    high = " x ".join(str(max(size[axis] for size in sizes)) for axis in (0, 1))
    span = (
        f"{width} x {height} pixels"
        if len(sizes) == 1
        else f"{low} to {high} pixels, half of them to {width} x {height}"
    )
    lines.append(f"{span}; {_list(formats)}; kinds of pixels {_list(modes)}")
    size = {"rows": min(MAX_SIDE, height), "columns": min(MAX_SIDE, width), "channels": 1 if set(modes) <= _GREY else 3}
    colours = "grey" if size["channels"] == 1 else "in colours"
    lines.append(f"in the config: scaled to {size['columns']} x {size['rows']}, {colours}")
    return lines, size


def _middle(values: list[int]) -> int:
    return sorted(values)[(len(values) - 1) // 2]


def _list(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({count:,})" for name, count in sorted(counts.items()))


def _config(name: str, settings: Mapping[str, Any], n_train: int) -> dict[str, Any]:
    """Return the config that is merged into config.yaml."""
    return {
        "name": name,
        "seeds": [1, 2, 3],
        "compare": [
            {
                "dataset": name,
                "systems": ["knn", "rnf", "convnet_m", "op_tpe_median"],
                "budget": {"trials": 20},
                "tuner_overrides": {
                    "space": "convnet",
                    "family": "convnet",
                    "trainer": "pytorch",
                    "training": {"batch_size": 32, "epochs": 9},
                },
            }
        ],
        "datasets": {name: {"source": "images", **settings}},
        "systems": {"knn": {"n_neighbors": choose_neighbors(n_train)}},
    }
