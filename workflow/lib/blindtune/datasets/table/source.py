"""The source `table`: one sample per row of a CSV, TSV, Parquet, Feather or Excel file, or of a bundled table.

1. `blindtune.datasets.table.content` reads all rows; nothing is left out silently.
2. Rows are dealt to the splits, by the files, by a column, or by what they hold.
3. After leaks were removed, imputation, one-hot encoding and scaling are fitted on train alone. The first two are
   applied here, the last one by the view ``standardized``. The manifest holds all of them.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from blindtune.core.errors import UserError
from blindtune.datasets.base import SPLITS, LoadedDataset, NewSamples, Source, Split, TsvTable, list_some
from blindtune.datasets.table.bundled import load_bundled
from blindtune.datasets.table.config import TableConfig
from blindtune.datasets.table.content import TableContent, read_new_rows, read_tables
from blindtune.datasets.table.encoding import TableEncoding
from blindtune.datasets.table.labels import find_classes, refuse_absent_classes
from blindtune.datasets.table.scaling import Scaling
from blindtune.datasets.table.splits import (
    Part,
    deal_by_share,
    deal_by_time,
    deal_folds,
    digest_rows,
    order_rows,
)

if TYPE_CHECKING:
    from blindtune.views.config import ViewConfig


class TableSource(Source):
    """Samples from the rows of a table."""

    config: TableConfig
    views: ClassVar[tuple[str, ...]] = ("samples", "standardized")

    @property
    def has_sample_weights(self) -> bool:
        """Whether a column has the weights of the rows."""
        return self.config.weight is not None

    def user_files(self) -> dict[str, Path]:
        """Return the file, or the file of each split; nothing for a bundled table."""
        config = self.config
        if config.file is not None:
            return {"file": Path(config.file)}
        if config.files is None:
            return {}
        return {split: Path(path) for split, path in config.files if path is not None}

    def default_view(self, *, depends_on_scale: bool) -> "ViewConfig":
        """Return the view ``standardized`` for systems to which the unit of a feature matters, else ``samples``.

        Args:
            depends_on_scale: whether it does.
        """
        from blindtune.views.config import StandardizedView

        if depends_on_scale:
            return StandardizedView(kind="standardized")
        return super().default_view(depends_on_scale=depends_on_scale)

    def is_other_fold(self, source: Mapping[str, Any]) -> bool:
        """Return whether another dataset is another fold of this table: nothing but the number of the fold differs."""
        own = self.config.model_dump(mode="json")
        if own["splitting"]["by"] != "fold" or source.get("source") != own["source"]:
            return False
        return _without_fold(own) == _without_fold(source)

    def load(self, files: dict[str, Path]) -> LoadedDataset:
        """Return the rows of each split; categories are still numbers of texts, and missing values NaN.

        Args:
            files: the file, or the file of each split.

        Raises:
            UserError: a file cannot be read, a value is wrong, or the splits cannot be made.
        """
        bundled = self.config.bundled
        content = read_tables(self.config, files.values()) if bundled is None else load_bundled(bundled)
        classes, labels = find_classes(content)
        part = self._deal(content, classes, labels, list(files))
        self._check_splits(content, classes, labels, part)
        rows = self._rows_of(content, labels, part)
        splits = {
            split: Split(
                content.values[chosen],
                labels[chosen],
                None if content.groups is None else content.groups[chosen],
                _origins(content, classes, labels, chosen),
                None if content.weights is None or split != "train" else content.weights[chosen],
            )
            for split, chosen in rows.items()
        }
        unused = [f"not used: the columns {', '.join(content.unused)}"] if content.unused else []
        return LoadedDataset(
            splits=splits,
            classes=classes,
            axes=["sample", "feature"],
            units="as in the table",
            files=list(files.values()),
            parameters={"left_out_columns": content.unused, "written": content.notes}
            | ({} if content.groups is None else {"groups": content.group_texts}),
            notes=[*content.notes, *unused],
            origin_digests={split: content.origins[chosen] for split, chosen in rows.items()},
            fit=partial(_fit, self.config, replace(content, values=np.empty((0, len(content.columns)), np.float32))),
        )

    def read_new(self, path: Path, manifest: Mapping[str, Any]) -> NewSamples:
        """Return new rows with the imputation and the encoding that were fitted on train.

        Columns are found by their names; where the table has none, all columns or the features alone are in its order.

        Args:
            path: the file, of any format that the config can read.
            manifest: has what was fitted.

        Raises:
            UserError: the file cannot be read, lacks a feature, or a value is wrong.
        """
        config, fitted = self.config, manifest["fitted"]
        features = [(one["name"], one["kind"]) for one in fitted["columns"]]
        others = [key for key in (config.group, config.time, config.split, config.weight) if key is not None]
        # The label is one column more.
        width = len(features) + 1 + len(others) + len(manifest["parameters"]["left_out_columns"])
        new = read_new_rows(config, path, features, width)
        encoding = TableEncoding.from_plain(fitted["encoding"])
        notes = [f"not used: the columns {list_some(new.unused)}"] if new.unused else []
        filled = int(np.isnan(new.values).sum())
        if filled:
            notes.append(f"{filled:,} missing values, filled in by train ({config.missing})")
        unknown = encoding.count_unknown(new.columns, new.values)
        if unknown:
            notes.append(f"{_list(unknown)} with a category that train does not have")
        return NewSamples(encoding.apply(new.columns, new.values), "row", new.row, notes, new.origins)

    def _deal(self, content: TableContent, classes: list[str], labels: NDArray[np.int64], names: list[str]) -> Part:
        """Return the split of each row: 0 for train, 1 for dev, 2 for eval."""
        config = self.config
        if content.splits is not None:
            return self._by_column(content)
        if config.files is not None:
            part = np.array([SPLITS.index(name) for name in names], np.int8)[content.file]
            return part if config.files.dev is not None else self._take_dev(content, classes, labels, part)
        if config.splitting.by == "time":
            return deal_by_time(config.splitting, content)
        digests = digest_rows(content.values, content.columns)
        deal = deal_folds if config.splitting.by == "fold" else deal_by_share
        return deal(config.splitting, content, digests, labels, classes)

    def _take_dev(self, content: TableContent, classes: list[str], labels: NDArray[np.int64], part: Part) -> Part:
        """Return the splits with a share of train as dev."""
        is_open = part == 0
        some = _select(content, is_open)
        if self.config.splitting.by == "time":
            dealt = deal_by_time(self.config.splitting, some, with_eval=False)
        else:
            digests = digest_rows(some.values, some.columns)
            dealt = deal_by_share(self.config.splitting, some, digests, labels[is_open], classes, with_eval=False)
        part = part.copy()
        part[is_open] = dealt
        return part

    def _by_column(self, content: TableContent) -> Part:
        values = self.config.split_values
        split_of = {value.casefold(): number for number, split in enumerate(SPLITS) for value in getattr(values, split)}
        for number, text in enumerate(content.split_texts):
            if text.casefold() not in split_of:
                at = int(np.argmax(content.splits == number))
                raise UserError(
                    f"{content.locate(at)}: the split {text[:40]!r} is none of those of split_values. Fix the row, or "
                    "say under split_values which values are train, dev and eval."
                )
        return np.array([split_of[text.casefold()] for text in content.split_texts], np.int8)[content.splits]

    def _check_splits(self, content: TableContent, classes: list[str], labels: NDArray[np.int64], part: Part) -> None:
        counts = np.stack(
            [np.bincount(labels[part == number], minlength=len(classes)) for number in range(len(SPLITS))]
        )
        if self.config.files is None and content.splits is None:
            advice = "give more rows of it, take another splitting.seed, or leave out its rows."
        else:
            advice = "move some there, leave out its rows, or give one file without splits and let splitting deal them."
        refuse_absent_classes(content.paths, SPLITS, classes, counts, advice)
        self._check_groups(content, part)

    def _check_groups(self, content: TableContent, part: Part) -> None:
        if content.groups is None:
            return
        pairs = np.unique(np.stack([content.groups, part]), axis=1)
        groups, counts = np.unique(pairs[0], return_counts=True)
        for group in groups[counts > 1]:
            members = content.groups == group
            first = int(np.argmax(members))
            other = int(np.argmax(members & (part != part[first])))
            raise UserError(
                f"{content.locate(first)} is in {SPLITS[part[first]]} and {content.locate(other)} in "
                f"{SPLITS[part[other]]}, but both are of group {content.group_texts[group]!r}. A group belongs to one "
                "split only: move its rows, or let splitting deal them."
            )

    def _rows_of(self, content: TableContent, labels: NDArray[np.int64], part: Part) -> dict[str, NDArray[np.int64]]:
        """Return the rows of each split: as in the files that say the splits, else by what they hold."""
        order = np.arange(len(labels))
        if content.splits is None and (self.config.files is None or self.config.files.dev is None):
            order = order_rows(digest_rows(content.values, content.columns), labels, content.weights)
        return {split: order[part[order] == number] for number, split in enumerate(SPLITS)}


def _origins(
    content: TableContent, classes: list[str], labels: NDArray[np.int64], chosen: NDArray[np.int64]
) -> TsvTable:
    """Return the file and the row of each sample of a split."""
    names = [str(path) for path in content.paths]
    group = [""] * len(chosen)
    if content.groups is not None:
        group = [content.group_texts[number] for number in content.groups[chosen]]
    columns = (
        range(len(chosen)),
        [classes[label] for label in labels[chosen]],
        group,
        [names[number] for number in content.file[chosen]],
        content.row[chosen].tolist(),
    )
    return TsvTable(("sample", "class", "group", "file", "row"), list(zip(*columns, strict=True)))


def _select(content: TableContent, rows: NDArray[np.bool_]) -> TableContent:
    """Return some rows of a table."""
    chosen = np.flatnonzero(rows)
    return replace(
        content,
        values=content.values[rows],
        labels=content.labels[rows],
        groups=None if content.groups is None else content.groups[rows],
        times=None if content.times is None else [content.times[row] for row in chosen],
        file=content.file[rows],
        row=content.row[rows],
        origins=content.origins[rows],
        weights=None if content.weights is None else content.weights[rows],
    )


def _fit(config: TableConfig, content: TableContent, loaded: LoadedDataset) -> LoadedDataset:
    """Return the samples as models get them, after imputation, encoding and scaling were fitted on train alone."""
    columns = content.columns
    raw: dict[str, NDArray[np.float32]] = {split: np.asarray(part.x) for split, part in loaded.splits.items()}
    encoding = TableEncoding.fit(columns, raw["train"], config.missing, config.min_frequency)
    x = {split: encoding.apply(columns, values) for split, values in raw.items()}
    splits = {split: replace(cast("Split", part), x=x[split]) for split, part in loaded.splits.items()}
    scaling = Scaling.fit(x["train"], len(encoding.numbers))
    unknown = {split: encoding.count_unknown(columns, raw[split]) for split in ("dev", "eval")}
    absent = {split: _count_missing(content, values) for split, values in raw.items()}
    fitted = {
        "columns": [{"name": column.name, "kind": column.kind} for column in columns],
        "features": encoding.names,
        "encoding": encoding.to_plain(),
        "scaling": scaling.to_plain(),
    }
    # The report shows the parameters: what was filled in, merged or not known in train is no secret of the manifest.
    counted = {
        "missing_values": {split: counts for split, counts in absent.items() if counts},
        "rare_categories": {name: list(one.rare) for name, one in encoding.categories.items() if one.rare},
        "unknown_categories": {split: counts for split, counts in unknown.items() if counts},
    }
    notes = [*loaded.notes, *_sentences(config, encoding, unknown, absent)]
    parameters = loaded.parameters | counted
    return replace(loaded, splits=dict(splits), fit=None, fitted=fitted, parameters=parameters, notes=notes)


def _count_missing(content: TableContent, values: NDArray[np.float32]) -> dict[str, int]:
    counts = [int(np.isnan(values[:, at]).sum()) for at in range(values.shape[1])]
    return {column.name: count for column, count in zip(content.columns, counts, strict=True) if count}


def _sentences(
    config: TableConfig,
    encoding: TableEncoding,
    unknown: Mapping[str, Mapping[str, int]],
    absent: Mapping[str, Mapping[str, int]],
) -> list[str]:
    """Return what the log and the report say of the preprocessing."""
    found = []
    for split, counts in absent.items():
        if counts:
            found.append(f"{split}: {_list(counts)} missing, filled in by train ({config.missing})")
    for name, category in encoding.categories.items():
        if category.rare:
            found.append(f"{name}: {len(category.rare)} rare categories are one feature together")
    for split, counts in unknown.items():
        if counts:
            found.append(f"{split}: {_list(counts)} with a category that train does not have")
    return found


def _list(counts: Mapping[str, int]) -> str:
    shown = [f"{count:,} values of {name}" for name, count in list(counts.items())[:5]]
    return ", ".join(shown) + (f" and {len(counts) - 5} more columns" if len(counts) > 5 else "")


def _without_fold(source: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config of a table without the number of its fold."""
    return {**source, "splitting": {**source.get("splitting", {}), "fold": None}}
