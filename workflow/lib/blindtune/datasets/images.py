"""The source `images`: pictures in folders of their classes, with or without folders of splits, or named by a table."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from blindtune.core.arrays import UNREADABLE
from blindtune.core.bounds import MAX_FLOAT, MAX_PIXELS, MAX_SEED
from blindtune.core.errors import UserError
from blindtune.core.paths import check_letters, is_expanded
from blindtune.core.seeds import derive
from blindtune.core.validation import UserPath
from blindtune.datasets.base import (
    SPLITS,
    DatasetConfig,
    LoadedDataset,
    NewSamples,
    Source,
    Split,
    TsvTable,
    check_pattern,
    check_shares,
    list_some,
)
from blindtune.datasets.content import concatenate_digests, digest_pieces
from blindtune.datasets.look_alikes import describe_look_alikes, hash_picture, list_sentences
from blindtune.datasets.picture_files import (
    FoundPictures,
    PictureFile,
    find_any,
    find_in_folders,
    find_in_table,
    readable_formats,
)

if TYPE_CHECKING:
    from PIL import Image

#: The value of full brightness of a picture with 16 bits a pixel.
_BRIGHTEST_16_BIT = 2**16 - 1


class ImagesConfig(DatasetConfig):
    """The config of pictures of any size, scaled to one size; without splits, they are split at random by group."""

    source: Literal["images"]
    folder: UserPath = Field(
        description="folder that has one folder of pictures for each class, or folders train, val and test with such "
        "folders in them"
    )
    layout: Literal["auto", "classes", "splits"] = Field(
        default="auto",
        description="what the folders are: classes; splits with classes in them; auto: as their names say",
    )
    labels: UserPath | None = Field(
        default=None,
        description="a CSV or TSV file with a header and a row for each picture: file, label, and split and group if "
        "there are such columns; null: the folders are the labels",
    )
    label_columns: dict[Literal["file", "label", "split", "group"], str] = Field(
        default={},
        description="names of the columns of labels that have other than common names, e.g. {file: image_id}",
    )
    rows: int = Field(default=32, gt=0, le=MAX_PIXELS, description="height that every picture is scaled to, in pixels")
    columns: int = Field(
        default=32, gt=0, le=MAX_PIXELS, description="width that every picture is scaled to, in pixels"
    )
    channels: Literal[1, 3] = Field(default=3, description="1: grey; 3: red, green and blue")
    brightest: float | None = Field(
        default=None,
        gt=0,
        le=MAX_FLOAT,
        description="value of full brightness of pictures of more than 8 bits, the same for all; null: 65535 for 16 "
        "bits, and the largest value of train for 32 bits and floats",
    )
    group: str | None = Field(
        default=None,
        description="a regular expression with one group in brackets, e.g. '^(\\w+?)_'; pictures with the same text "
        "there (patient, specimen) stay in one split; null: each picture is its own group",
    )
    corrupt: Literal["leave_out", "stop"] = Field(
        default="stop",
        description="a picture that cannot be read: leave_out: it is listed and left out; stop: the run stops",
    )
    dev: float = Field(
        default=0.2, gt=0, lt=1, description="share of the groups of each class in dev, unless there is a dev already"
    )
    eval: float = Field(
        default=0.2,
        gt=0,
        lt=1,
        description="share of the groups of each class in eval, unless there is an eval already",
    )
    seed: int = Field(default=1, ge=0, le=MAX_SEED, description="seed of the assignment to splits")

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_shares(self.dev, self.eval)
        check_pattern("group", self.group)
        if self.label_columns and self.labels is None:
            raise ValueError("label_columns: are columns of labels; give labels, the table, too")
        if self.group is not None and "group" in self.label_columns:
            raise ValueError("group: is given by a pattern and by a column of labels; give one of the two")
        return self


class ImagesSource(Source):
    """Pictures from a folder."""

    config: ImagesConfig
    views: ClassVar[tuple[str, ...]] = ("samples", "crops", "augmented")

    def user_files(self) -> dict[str, Path]:
        """Return the pictures that are not hidden, so that any change of one prepares the dataset again.

        Pictures with names that Snakemake would expand are not among them, see `unwatched_files`.

        Raises:
            UserError: there is no such folder, it has no pictures, a class has none, or the table of labels is wrong.
        """
        listed = {} if self.config.labels is None else {"labels": Path(self.config.labels)}
        for path in self.unwatched_files().values():
            check_letters("folder", path)
            if not path.is_file():
                raise UserError(f"{path}: is not a file. Remove it, or put a picture there.")
        paths = [one.path for one in self._found.pictures if not is_expanded(one.path)]
        return listed | {f"picture_{number}": path for number, path in enumerate(paths)}

    def unwatched_files(self) -> dict[str, Path]:
        """Return the pictures with paths that Snakemake would expand, by their names in the folder."""
        paths = [one.path for one in self._found.pictures if is_expanded(one.path)]
        return {path.relative_to(self.config.folder).as_posix(): path for path in paths}

    def load(self, files: dict[str, Path]) -> LoadedDataset:
        """Return the pictures, (n_samples, n_rows, n_columns, n_channels) float32, and their labels.

        A picture of 8 bits has values from 0 to 1. Deeper pictures are scaled by one value for all of them.

        Args:
            files: the pictures that have names for Snakemake; all pictures are read.

        Raises:
            UserError: a picture cannot be read (unless these are left out), none can, a name has no group, or a class
                has too few groups for three splits.
        """
        found = self._found
        pictures, unreadable = self._read_pictures(found.pictures)
        if not pictures:
            raise UserError(f"{self.config.folder}: none of its {len(unreadable)} pictures can be read.")
        classes = sorted({picture.label for picture in pictures})
        self._check_vanished(found, classes)
        if len(classes) < 2:
            raise UserError(
                f"{self.config.folder}: all pictures are of the class {classes[0]}. A classifier needs two classes or "
                "more: give the folder that holds a folder for each class."
            )
        part = self._assign_splits(pictures, classes)
        groups = {group: number for number, group in enumerate(sorted({picture.group for picture in pictures}))}
        members = {
            name: [picture for picture, at in zip(pictures, part, strict=True) if at == number]
            for number, name in enumerate(SPLITS)
        }
        for name, chosen in members.items():
            if not chosen:
                raise UserError(f"{self.config.folder}: no picture is left for {name}. Give it pictures of each class.")
        brightness = self._find_brightness(members["train"], pictures)
        alike = describe_look_alikes(
            {name: [picture.hash for picture in chosen] for name, chosen in members.items()},
            {name: [str(picture.path) for picture in chosen] for name, chosen in members.items()},
        )
        bad = {str(path): reason for path, reason in sorted((found.unused | unreadable).items())}
        return LoadedDataset(
            splits={name: self._split(chosen, classes, groups, brightness) for name, chosen in members.items()},
            classes=classes,
            axes=["sample", "row", "column", "channel"],
            units="share of full brightness",
            files=[picture.path for picture in pictures],
            parameters={"bad_files": bad}
            | ({"look_alikes": alike} if alike else {})
            | ({"brightness": dict(brightness)} if brightness else {})
            | ({"groups": list(groups)} if self._has_groups(pictures) else {}),
            bad_files=TsvTable(("file", "reason"), [*bad.items()]),
            notes=[*self._notes(found, pictures, brightness), *list_sentences(alike)],
            locate=lambda split, row: str(members[split][row].path),
            origin_digests={
                name: concatenate_digests([picture.origin for picture in chosen]) for name, chosen in members.items()
            },
        )

    def read_new(self, path: Path, manifest: Mapping[str, Any]) -> NewSamples:
        """Return new pictures in the size, the channels and the brightness of the dataset.

        Args:
            path: folder of pictures, in folders of any names or not; or one picture.
            manifest: its parameters have the full brightness of each kind of deep pictures.

        Raises:
            UserError: there is no picture, one cannot be read (unless these are left out), or train has no picture of
                its kind, so that its full brightness is not known.
        """
        paths, unused = find_any(path)
        folder = path if path.is_dir() else path.parent
        pictures, unreadable = self._read_pictures([PictureFile(one, "", group="") for one in paths])
        if not pictures:
            raise UserError(f"{path}: none of its {len(unreadable)} pictures can be read.")
        brightness = dict(manifest["parameters"].get("brightness", {}))
        for picture in pictures:
            if picture.is_deep and picture.mode not in brightness:
                if self.config.brightest is None and not picture.mode.startswith("I;16"):
                    raise UserError(
                        f"{picture.path}: is of the kind {picture.mode}, but the dataset has no picture of this kind, "
                        "so that full brightness is not known. Convert it to the kind of the others."
                    )
                brightness[picture.mode] = self.config.brightest or _BRIGHTEST_16_BIT
        left_out = sorted(one.relative_to(folder).as_posix() for one in (*unused, *unreadable))
        notes = [f"files that are not used: {len(left_out):,} ({list_some(left_out)})"] if left_out else []
        if any(one.parent != folder for one in paths):
            notes.append("the names of folders are not used")
        return NewSamples(
            self._stack(pictures, brightness),
            "file",
            [picture.path.relative_to(folder).as_posix() for picture in pictures],
            notes,
            concatenate_digests([picture.origin for picture in pictures]),
        )

    @cached_property
    def _found(self) -> FoundPictures:
        """What the folder holds, listed once."""
        folder, labels = Path(self.config.folder), self.config.labels
        if labels is None:
            return find_in_folders(folder, self.config.layout)
        return find_in_table(folder, Path(labels), dict(self.config.label_columns))

    def _read_pictures(self, files: list[PictureFile]) -> "tuple[list[_Picture], dict[Path, str]]":
        pictures: list[_Picture] = []
        unreadable: dict[Path, str] = {}
        for file in files:
            try:
                pixels = self._pixels(file.path)
            except UNREADABLE as error:
                if self.config.corrupt == "stop":
                    raise UserError(
                        f"{file.path}: cannot be read as a picture ({error}). Remove it, or set corrupt: leave_out."
                    ) from error
                unreadable[file.path] = str(error)
                continue
            pictures.append(_Picture(file.path, file.label, self._group_of(file), file.split, *pixels))
        return pictures, unreadable

    def _pixels(self, path: Path) -> "tuple[NDArray[np.float32], str, int, int, NDArray[np.bytes_]]":
        """Return the pixels of a picture, scaled to the size, and what `_Picture` has of it after them."""
        from PIL import Image, ImageOps

        try:
            image = Image.open(path, formats=sorted(set(readable_formats().values())))
        except Image.DecompressionBombError as error:
            raise ValueError(str(error)) from error
        size = (self.config.columns, self.config.rows)
        with image:
            mode, frames = image.mode, getattr(image, "n_frames", 1)
            stored = image.convert("RGBA") if mode == "P" else image
            origin = digest_pieces([f"{mode}|{image.size}|".encode() + stored.tobytes()])
            upright = ImageOps.exif_transpose(image)
            if _is_deep(mode):
                # Deep grey pictures keep their values; a conversion to 8 bits would clip them at 255.
                deep = Image.fromarray(np.asarray(upright, dtype=np.float32))
                if not np.isfinite(np.asarray(deep)).all():
                    raise ValueError("holds values that are not finite")
                looks = hash_picture(_eight_bits(deep))
                values = np.asarray(deep.resize(size, Image.Resampling.BILINEAR), dtype=np.float32)
                return np.repeat(values[..., None], self.config.channels, axis=2), mode, frames, looks, origin
            flat = upright.convert("L" if self.config.channels == 1 else "RGB")
            looks = hash_picture(flat)
            scaled = flat.resize(size, Image.Resampling.BILINEAR)
        pixels = np.asarray(scaled, dtype=np.float32) / 255.0
        return pixels.reshape(self.config.rows, self.config.columns, self.config.channels), mode, frames, looks, origin

    def _find_brightness(self, train: "list[_Picture]", pictures: "list[_Picture]") -> dict[str, float]:
        """Return the value of full brightness of each mode of deep pictures: one for all pictures of the mode."""
        brightness: dict[str, float] = {}
        for mode in sorted({picture.mode for picture in pictures if picture.is_deep}):
            if self.config.brightest is not None:
                brightness[mode] = self.config.brightest
            elif mode.startswith("I;16"):
                brightness[mode] = _BRIGHTEST_16_BIT
            else:
                largest = max((float(one.pixels.max()) for one in train if one.mode == mode), default=0.0)
                if largest <= 0:
                    raise UserError(
                        f"{self.config.folder}: no picture of train of the kind {mode} has a value above 0, so full "
                        "brightness is not known. Give it as brightest."
                    )
                brightness[mode] = largest
        return brightness

    def _notes(self, found: FoundPictures, pictures: "list[_Picture]", brightness: Mapping[str, float]) -> list[str]:
        """Return what a user should know of how the pictures were read."""
        notes = []
        frames = sum(picture.frames > 1 for picture in pictures)
        if frames:
            notes.append(f"pictures with several frames or pages, of which the first was read: {frames:,}")
        for mode, value in brightness.items():
            of_mode = [picture for picture in pictures if picture.mode == mode]
            notes.append(f"{len(of_mode):,} pictures of kind {mode}: {value:g} is full brightness")
            largest = max(float(picture.pixels.max()) for picture in of_mode)
            if self.config.brightest is None and largest < value / 4:
                notes.append(f"none of them is brighter than {largest:g}; if they hold fewer bits, give brightest")
        drawn = {one.split for one in found.pictures}
        missing = [name for name in ("dev", "eval") if name not in drawn]
        if drawn != {None} and missing:
            notes.append(f"there is no {' and no '.join(missing)}; drawn from train")
        return notes

    def _group_of(self, file: PictureFile) -> str:
        if file.group is not None:
            return file.group
        if self.config.group is None:
            return str(file.path)
        found = re.search(self.config.group, file.path.stem)
        if found is None or found.group(1) is None:
            raise UserError(
                f"{file.path}: its name gives no group by {self.config.group!r}. Rename it or change group."
            )
        return found.group(1)

    def _has_groups(self, pictures: "list[_Picture]") -> bool:
        return any(picture.group != str(picture.path) for picture in pictures)

    def _check_vanished(self, found: FoundPictures, classes: list[str]) -> None:
        """Refuse a class all of whose pictures were left out."""
        vanished = sorted({one.label for one in found.pictures} - set(classes))
        if vanished:
            raise UserError(
                f"{self.config.folder}: no picture of class {', '.join(vanished)} can be read. Give it pictures, or "
                "remove the class."
            )

    def _assign_splits(self, pictures: "list[_Picture]", classes: list[str]) -> list[int]:
        """Return the number of the split of each picture; groups stay together, in shares of each class.

        Splits that folders or the table name are kept; what is missing is drawn from train, or from all pictures if no
        split is named. A group with pictures of several classes is assigned with the first of them.
        """
        random = np.random.default_rng(derive("images", self.config.seed))
        named = {one.split for one in pictures} - {None}
        drawn = [one for one in pictures if one.split in (None, "train")]
        wanted = {name: getattr(self.config, name) for name in ("dev", "eval") if name not in named}
        place: dict[str, int] = {}
        for label in classes if wanted else ():
            groups = sorted({picture.group for picture in drawn if picture.label == label})
            if len(groups) < len(wanted) + 1:
                raise UserError(
                    f"{self.config.folder}: class {label} has {len(groups)} groups; {_COUNTS[len(wanted)]}."
                )
            # Each split gets at least one group, even if its share rounds to none.
            counts: dict[int, int] = {}
            for left, (name, share) in enumerate(wanted.items()):
                room = len(groups) - sum(counts.values()) - (len(wanted) - left)
                counts[SPLITS.index(name)] = min(max(1, round(share * len(groups))), room)
            waiting = [groups[index] for index in random.permutation(len(groups)) if groups[index] not in place]
            placed = [place[group] for group in groups if group in place]
            for number, count in counts.items():
                missing = max(0, count - placed.count(number))
                place |= dict.fromkeys(waiting[:missing], number)
                waiting = waiting[missing:]
            place |= dict.fromkeys(waiting, 0)
        return [
            SPLITS.index(one.split) if one.split not in (None, "train") else place.get(one.group, 0) for one in pictures
        ]

    def _split(
        self, pictures: "list[_Picture]", classes: list[str], groups: dict[str, int], brightness: Mapping[str, float]
    ) -> Split:
        folder, has_groups = Path(self.config.folder), self._has_groups(pictures)
        rows: list[tuple[Any, ...]] = [
            (
                number,
                picture.label,
                picture.group if has_groups else "",
                picture.path.relative_to(folder).as_posix(),
            )
            for number, picture in enumerate(pictures)
        ]
        return Split(
            x=self._stack(pictures, brightness),
            y=np.array([classes.index(picture.label) for picture in pictures], dtype=np.int64),
            group=np.array([groups[picture.group] for picture in pictures], dtype=np.int64) if has_groups else None,
            origins=TsvTable(("sample", "class", "group", "file"), rows),
        )

    def _stack(self, pictures: "list[_Picture]", brightness: Mapping[str, float]) -> NDArray[np.float32]:
        """Return the pixels of pictures as shares of full brightness, (n_samples, n_rows, n_columns, n_channels)."""
        shares = [one.pixels / np.float32(brightness[one.mode]) if one.is_deep else one.pixels for one in pictures]
        return np.stack(shares)


#: What a class needs, by the number of splits that are drawn.
_COUNTS = {1: "two splits need two", 2: "three splits need three"}


@dataclass(frozen=True)
class _Picture:
    """A picture that was read.

    Attributes:
        path: of the file.
        label: name of its class.
        group: the group, which is its path if it has none.
        split: the split that was named; None: it is drawn.
        pixels: (n_rows, n_columns, n_channels), of a deep picture as stored, else from 0 to 1.
        mode: the kind of its pixels in Pillow's terms.
        frames: number of its frames or pages.
        hash: by which it is known in other sizes.
        origin: digest of its pixels as they are stored, (1,).
    """

    path: Path
    label: str
    group: str
    split: str | None
    pixels: NDArray[np.float32]
    mode: str
    frames: int
    hash: int
    origin: NDArray[np.bytes_]

    @property
    def is_deep(self) -> bool:
        """Whether it has more than 8 bits a pixel."""
        return _is_deep(self.mode)


def _is_deep(mode: str) -> bool:
    """Return whether pictures of a kind, in Pillow's terms, have more than 8 bits a pixel."""
    return mode.startswith(("I", "F"))


def _eight_bits(image: "Image.Image") -> "Image.Image":
    """Return a deep picture by its own range of values, for its perceptual hash alone."""
    from PIL import Image

    values = np.asarray(image, dtype=np.float64)
    low, high = float(values.min()), float(values.max())
    scaled = (values - low) / (high - low) * 255.0 if high > low else np.zeros_like(values)
    return Image.fromarray(scaled.astype(np.uint8))
