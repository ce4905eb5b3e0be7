"""Pictures in a folder of class folders: ``<folder>/<class>/<picture>.png`` (also JPEG and TIFF)."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from blindtune.core.errors import UserError
from blindtune.core.seeds import derive
from blindtune.datasets.base import SPLITS, DatasetConfig, LoadedDataset, Source, Split, check_pattern, check_shares

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff"}


class ImagesConfig(DatasetConfig):
    """The config of pictures of any size, scaled to one size, split at random within each class or by group."""

    source: Literal["images"]
    folder: str = Field(description="folder that holds one folder of pictures per class")
    rows: int = Field(default=32, gt=0, description="height that every picture is scaled to, in pixels")
    columns: int = Field(default=32, gt=0, description="width that every picture is scaled to, in pixels")
    channels: Literal[1, 3] = Field(default=3, description="1: grey, 3: red, green, blue")
    group: str | None = Field(
        default=None,
        description="a regular expression with one group in brackets; pictures whose names give the same text there "
        "(patient, specimen) stay in one split, e.g. '^(\\w+?)_'",
    )
    corrupt: Literal["leave_out", "stop"] = Field(
        default="stop", description="a picture that cannot be read is listed and left out, or stops the run"
    )
    dev: float = Field(default=0.2, gt=0, lt=1, description="share that goes to dev")
    eval: float = Field(default=0.2, gt=0, lt=1, description="share that goes to eval")
    seed: int = Field(default=1, description="another seed gives another split")

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
        """Every picture that is not hidden, so that a changed, new or removed one prepares the dataset again."""
        return {f"picture_{number}": path for number, path in enumerate(self._pictures())}

    def load(self, files: dict[str, Path]) -> LoadedDataset:
        """Pictures (samples, rows, columns, channels) scaled to 0..1, and their labels.

        Raises:
            UserError: no class or no picture is there, a picture cannot be read (unless these are left out), a
                name gives no group, or a class has too few groups for three splits.
        """
        pictures, unreadable = self._read(list(files.values()))
        if not pictures:
            raise UserError(f"{self.config.folder}: none of its {len(unreadable)} pictures can be read.")
        classes = sorted({picture.label for picture in pictures})
        part = self._assign(pictures, classes)
        groups = {group: number for number, group in enumerate(sorted({picture.group for picture in pictures}))}
        return LoadedDataset(
            splits={
                name: self._split([p for p, at in zip(pictures, part, strict=True) if at == number], classes, groups)
                for number, name in enumerate(SPLITS)
            },
            classes=classes,
            axes=["sample", "row", "column", "channel"],
            units="share of full brightness",
            files=[picture.path for picture in pictures],
            parameters={"bad_files": {str(path): reason for path, reason in unreadable.items()}}
            | ({} if self.config.group is None else {"groups": list(groups)}),
        )

    def _pictures(self) -> list[Path]:
        folder = Path(self.config.folder)
        if not folder.is_dir():
            raise UserError(f"{folder}: is no folder. Give the folder that holds one folder of pictures per class.")
        found = [
            path
            for path in folder.glob("*/*")
            if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.parent.name[0] != "."
        ]
        if not found:
            raise UserError(f"{folder}: holds no pictures ({', '.join(sorted(SUFFIXES))}) in folders of their class.")
        return sorted(found)

    def _read(self, paths: list[Path]) -> "tuple[list[_Picture], dict[Path, str]]":
        pictures: list[_Picture] = []
        unreadable: dict[Path, str] = {}
        for path in paths:
            try:
                pictures.append(_Picture(path, path.parent.name, self._group_of(path), self._pixels(path)))
            except (OSError, ValueError, SyntaxError) as error:
                if self.config.corrupt == "stop":
                    raise UserError(
                        f"{path}: cannot be read as a picture ({error}). Remove it, or set corrupt: leave_out."
                    ) from error
                unreadable[path] = str(error)
        return pictures, unreadable

    def _pixels(self, path: Path) -> NDArray[np.float32]:
        from PIL import Image

        try:
            image = Image.open(path)
        except Image.DecompressionBombError as error:
            raise ValueError(str(error)) from error
        with image:
            # Deep grey pictures would be cut at 255: bring them to eight bits by their own range of values.
            flat = _eight_bits(image) if image.mode.startswith(("I", "F")) else image
            flat = flat.convert("L" if self.config.channels == 1 else "RGB")
            scaled = flat.resize((self.config.columns, self.config.rows), Image.Resampling.BILINEAR)
        pixels = np.asarray(scaled, dtype=np.float32) / 255.0
        return pixels.reshape(self.config.rows, self.config.columns, self.config.channels)

    def _group_of(self, path: Path) -> str:
        if self.config.group is None:
            return str(path)
        found = re.search(self.config.group, path.stem)
        if found is None or found.group(1) is None:
            raise UserError(f"{path}: its name gives no group by {self.config.group!r}. Rename it or change group.")
        return found.group(1)

    def _assign(self, pictures: "list[_Picture]", classes: list[str]) -> list[int]:
        """The number of its split for each picture; whole groups, in shares of each class.

        A group that has pictures of several classes is placed with the first of them.
        """
        random = np.random.default_rng(derive("images", self.config.seed))
        place: dict[str, int] = {}
        for label in classes:
            groups = sorted({picture.group for picture in pictures if picture.label == label})
            if len(groups) < len(SPLITS):
                raise UserError(
                    f"{self.config.folder}: class {label} has {len(groups)} groups; three splits need three."
                )
            # Each split gets one at least, whatever its share rounds to.
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


def _eight_bits(image: "Image.Image") -> "Image.Image":
    from PIL import Image

    values = np.asarray(image, dtype=np.float64)
    low, high = float(values.min()), float(values.max())
    scaled = (values - low) / (high - low) * 255.0 if high > low else np.zeros_like(values)
    return Image.fromarray(scaled.astype(np.uint8))
