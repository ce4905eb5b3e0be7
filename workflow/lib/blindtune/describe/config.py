"""What every description has: lines for people, and a config as YAML with comments."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from blindtune.config.defaults import DEFAULT
from blindtune.core.errors import UserError
from blindtune.core.files import write_text
from blindtune.core.paths import RESERVED_NAMES
from blindtune.datasets.base import SPLITS, LoadedDataset
from blindtune.datasets.content import digest_samples

#: The most classes that are shown one by one.
MAX_CLASSES_SHOWN = 60


@dataclass(frozen=True)
class Description:
    """What data hold, and the config that runs them.

    Attributes:
        lines: what is shown, for people.
        config: the config as YAML with comments.
    """

    lines: list[str]
    config: str


def name_study(path: Path, kind: str) -> str:
    """Return a name for config and dataset from that of a file or a folder.

    Args:
        path: of the data.
        kind: what the data are, such as ``table``; it comes first where the name alone cannot be used.
    """
    stem = path.absolute().name.split(".")[0].lower()
    name = re.sub(r"[^a-z0-9_]+", "_", stem).strip("_")[:40]
    if not name or not name[0].isalpha() or name in RESERVED_NAMES or name in DEFAULT["datasets"]:
        name = f"{kind}_{name}".rstrip("_")
    return name


def write_as_yaml(content: Mapping[str, Any], head: Sequence[str], comments: Mapping[str, str]) -> str:
    """Return a config as YAML.

    Args:
        content: the config.
        head: comments at the beginning, without ``#``.
        comments: comments before keys, without ``#``.
    """
    lines = [f"# {line}" for line in head]
    for key, value in content.items():
        if key in comments:
            lines.append(f"# {comments[key]}")
        style = None if isinstance(value, dict | list) else False
        dumped = yaml.safe_dump({key: value}, sort_keys=False, allow_unicode=True, default_flow_style=style, width=110)
        lines.append(dumped.rstrip())
    return "\n".join(lines) + "\n"


def show_classes(loaded: LoadedDataset, samples: str) -> list[str]:
    """Return a line for each class with its number of samples in each split, and one on samples that are repeated.

    Args:
        loaded: the dataset.
        samples: what samples are called.
    """
    counts = np.stack([np.bincount(loaded.splits[split].y, minlength=len(loaded.classes)) for split in SPLITS])
    lines = []
    for number, name in enumerate(loaded.classes[:MAX_CLASSES_SHOWN]):
        parts = " / ".join(f"{int(count):,}" for count in counts[:, number])
        lines.append(f"  {name}: {int(counts[:, number].sum()):,} {samples}, {parts} in train / dev / eval")
    if len(loaded.classes) > MAX_CLASSES_SHOWN:
        lines.append(f"  ... and {len(loaded.classes) - MAX_CLASSES_SHOWN:,} more classes")
    return lines


def count_repeated(loaded: LoadedDataset) -> int:
    """Return how many samples repeat another one."""
    digests = np.concatenate([digest_samples(part.x) for part in loaded.splits.values()])
    return len(digests) - len(np.unique(digests))


def choose_neighbors(n_train: int) -> list[int]:
    """Return numbers of neighbours that train allows."""
    return [k for k in (1, 5, 20, 100) if k <= n_train]


def write_config(path: Path, text: str, *, replace: bool) -> None:
    """Write a config.

    Args:
        path: of the config.
        text: the config.
        replace: whether a file that is there is replaced.

    Raises:
        UserError: there is a file, or it cannot be written.
    """
    if path.exists() and not replace:
        raise UserError(f"{path}: exists and is left as it is. Give another name, or add --replace.")
    write_text(path, text)
