"""The source `images`: pictures in a folder of class folders, ``<folder>/<class>/<picture>.png`` (or JPEG, TIFF)."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from blindtune.core.arrays import UNREADABLE
from blindtune.core.bounds import MAX_PIXELS, MAX_SEED
from blindtune.core.errors import UserError
from blindtune.core.seeds import derive
from blindtune.core.validation import UserPath
from blindtune.datasets.base import SPLITS, DatasetConfig, LoadedDataset, Source, Split, check_pattern, check_shares
from blindtune.datasets.look_alikes import describe_look_alikes, hash_picture, list_sentences

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff"}


class ImagesConfig(DatasetConfig):
    """The config of pictures of any size, scaled to one size, split at random within each class or by group."""

    source: Literal["images"]
    folder: UserPath = Field(description="folder that has one folder of pictures for each class")
    rows: int = Field(default=32, gt=0, le=MAX_PIXELS, description="height that every picture is scaled to, in pixels")
    columns: int = Field(
        default=32, gt=0, le=MAX_PIXELS, description="width that every picture is scaled to, in pixels"
    )
    channels: Literal[1, 3] = Field(default=3, description="1: grey; 3: red, green and blue")
    group: str | None = Field(
        default=None,
        description="a regular expression with one group in brackets, e.g. '^(\\w+?)_'; pictures with the same text "
        "there (patient, specimen) stay in one split; null: each picture is its own group",
    )
    corrupt: Literal["leave_out", "stop"] = Field(
        default="stop",
        description="a picture that cannot be read: leave_out: it is listed and left out; stop: the run stops",
    )
    dev: float = Field(default=0.2, gt=0, lt=1, description="share of the groups of each class in dev")
    eval: float = Field(default=0.2, gt=0, lt=1, description="share of the groups of each class in eval")
    seed: int = Field(default=1, ge=0, le=MAX_SEED, description="seed of the assignment to splits")

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_shares(self.dev, self.eval)
        check_pattern("group", self.group)
        return self


class ImagesSource(Source):
    """Pictures from a folder of class folders."""

    config: ImagesConfig
    views: ClassVar[tuple[str, ...]] = ("samples", "crops")

    def user_files(self) -> dict[str, Path]:
        """Return every picture that is not hidden, so that any change of one prepares the dataset again.

        Raises:
            UserError: there is no such folder, or it has no pictures.
        """
        return {f"picture_{number}": path for number, path in enumerate(self._list_pictures())}

    def load(self, files: dict[str, Path]) -> LoadedDataset:
        """Return the pictures, (n_samples, n_rows, n_columns, n_channels) float32 from 0 to 1, and their labels.

        Args:
            files: the pictures.

        Raises:
            UserError: a picture cannot be read (unless these are left out), none can, a name has no group, or a class
                has too few groups for three splits.
        """
        pictures, unreadable = self._read_pictures(list(files.values()))
        if not pictures:
            raise UserError(f"{self.config.folder}: none of its {len(unreadable)} pictures can be read.")
        classes = sorted({picture.label for picture in pictures})
        part = self._assign_splits(pictures, classes)
        groups = {group: number for number, group in enumerate(sorted({picture.group for picture in pictures}))}
        members = {
            name: [picture for picture, at in zip(pictures, part, strict=True) if at == number]
            for number, name in enumerate(SPLITS)
        }
        alike = describe_look_alikes(
            {name: [picture.hash for picture in found] for name, found in members.items()},
            {name: [str(picture.path) for picture in found] for name, found in members.items()},
        )
        return LoadedDataset(
            splits={name: self._split(found, classes, groups) for name, found in members.items()},
            classes=classes,
            axes=["sample", "row", "column", "channel"],
            units="share of full brightness",
            files=[picture.path for picture in pictures],
            parameters={"bad_files": {str(path): reason for path, reason in unreadable.items()}}
            | ({"look_alikes": alike} if alike else {})
            | ({} if self.config.group is None else {"groups": list(groups)}),
            notes=list_sentences(alike),
            locate=lambda split, row: str(members[split][row].path),
        )

    def _list_pictures(self) -> list[Path]:
        folder = Path(self.config.folder)
        if not folder.is_dir():
            raise UserError(f"{folder}: is not a folder. Give the folder that holds one folder of pictures per class.")
        found = [
            path
            for path in folder.glob("*/*")
            if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.parent.name[0] != "."
        ]
        if not found:
            raise UserError(f"{folder}: holds no pictures ({', '.join(sorted(SUFFIXES))}) in folders of their class.")
        return sorted(found)

    def _read_pictures(self, paths: list[Path]) -> "tuple[list[_Picture], dict[Path, str]]":
        pictures: list[_Picture] = []
        unreadable: dict[Path, str] = {}
        for path in paths:
            try:
                pictures.append(_Picture(path, path.parent.name, self._group_of(path), *self._pixels(path)))
            except UNREADABLE as error:
                if self.config.corrupt == "stop":
                    raise UserError(
                        f"{path}: cannot be read as a picture ({error}). Remove it, or set corrupt: leave_out."
                    ) from error
                unreadable[path] = str(error)
        return pictures, unreadable

    def _pixels(self, path: Path) -> tuple[NDArray[np.float32], int]:
        """Return the pixels of a picture, scaled, and its perceptual hash, by which it is known in other sizes."""
        from PIL import Image

        try:
            image = Image.open(path)
        except Image.DecompressionBombError as error:
            raise ValueError(str(error)) from error
        with image:
            # Deep grey pictures would be clipped at 255: they are scaled to eight bits by their range of values.
            flat = _eight_bits(image) if image.mode.startswith(("I", "F")) else image
            flat = flat.convert("L" if self.config.channels == 1 else "RGB")
            looks = hash_picture(flat)
            scaled = flat.resize((self.config.columns, self.config.rows), Image.Resampling.BILINEAR)
        pixels = np.asarray(scaled, dtype=np.float32) / 255.0
        return pixels.reshape(self.config.rows, self.config.columns, self.config.channels), looks

    def _group_of(self, path: Path) -> str:
        if self.config.group is None:
            return str(path)
        found = re.search(self.config.group, path.stem)
        if found is None or found.group(1) is None:
            raise UserError(f"{path}: its name gives no group by {self.config.group!r}. Rename it or change group.")
        return found.group(1)

    def _assign_splits(self, pictures: "list[_Picture]", classes: list[str]) -> list[int]:
        """Return the number of the split of each picture; groups stay together, in shares of each class.

        A group with pictures of several classes is assigned with the first of them.
        """
        random = np.random.default_rng(derive("images", self.config.seed))
        place: dict[str, int] = {}
        for label in classes:
            groups = sorted({picture.group for picture in pictures if picture.label == label})
            if len(groups) < len(SPLITS):
                raise UserError(
                    f"{self.config.folder}: class {label} has {len(groups)} groups; three splits need three."
                )
            # Each split gets at least one group, even if its share rounds to none.
            dev = min(max(1, round(self.config.dev * len(groups))), len(groups) - 2)
            evaluation = min(max(1, round(self.config.eval * len(groups))), len(groups) - 1 - dev)
            waiting = [groups[index] for index in random.permutation(len(groups)) if groups[index] not in place]
            placed = [place[group] for group in groups if group in place]
            for number, wanted in ((1, dev), (2, evaluation)):
                missing = max(0, wanted - placed.count(number))
                place |= dict.fromkeys(waiting[:missing], number)
                waiting = waiting[missing:]
            place |= dict.fromkeys(waiting, 0)
        return [place[picture.group] for picture in pictures]

    def _split(self, pictures: "list[_Picture]", classes: list[str], groups: dict[str, int]) -> Split:
        return Split(
            x=np.stack([picture.pixels for picture in pictures]),
            y=np.array([classes.index(picture.label) for picture in pictures], dtype=np.int64),
            group=None
            if self.config.group is None
            else np.array([groups[picture.group] for picture in pictures], dtype=np.int64),
        )


@dataclass(frozen=True)
class _Picture:
    path: Path
    label: str
    group: str
    pixels: NDArray[np.float32]
    hash: int


def _eight_bits(image: "Image.Image") -> "Image.Image":
    from PIL import Image

    values = np.asarray(image, dtype=np.float64)
    low, high = float(values.min()), float(values.max())
    scaled = (values - low) / (high - low) * 255.0 if high > low else np.zeros_like(values)
    return Image.fromarray(scaled.astype(np.uint8))
