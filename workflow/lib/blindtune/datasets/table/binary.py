"""Reads Parquet, Feather and Excel files, row by row as texts or as numbers, like `blindtune.datasets.table.text`."""

import io
import math
import zipfile
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blindtune.core.bounds import MAX_SAMPLES
from blindtune.core.errors import UserError
from blindtune.core.files import check_regular_file, open_regular_file
from blindtune.datasets.content import digest_rows
from blindtune.datasets.table.compressed import FREE_BYTES, MAX_RATIO
from blindtune.datasets.table.config import MAX_COLUMNS, TableConfig
from blindtune.datasets.table.text import CELLS_PER_CHUNK, Chunk, check_names, has_header

if TYPE_CHECKING:
    import pandas as pd


class ArrowTable:
    """A Parquet or Feather file as chunks of rows.

    Attributes:
        path: of the file.
        names: the names of its columns.
        n_columns: their number.
    """

    def __init__(self, path: Path, file_format: str) -> None:
        """Open a file and read its schema.

        Args:
            path: of the file.
            file_format: parquet or feather.

        Raises:
            UserError: the file is missing, damaged, or has columns that cannot be read.
        """
        check_regular_file(path)
        self.path = path
        self._format = file_format
        with open_regular_file(path) as stream:
            opened = self._open(stream)
            schema = opened.schema_arrow if file_format == "parquet" else opened.schema
            n_rows = opened.metadata.num_rows if file_format == "parquet" else 0
        if len(schema) == 0 or len(schema) > MAX_COLUMNS:
            raise UserError(f"{path}: has {len(schema):,} columns; from 1 to {MAX_COLUMNS:,} are read.")
        if n_rows > MAX_SAMPLES:
            raise UserError(f"{path}: has {n_rows:,} rows; at most {MAX_SAMPLES:,} are read.")
        try:
            names = list(schema.names)
        except UnicodeDecodeError as error:
            raise self._damaged(error) from error
        self.names = check_names(path, names)
        self.n_columns = len(schema)

    def chunks(self, numbers: Sequence[int] = ()) -> Iterator[Chunk]:
        """Yield the rows in chunks, with the number of each row from 1.

        Args:
            numbers: columns that are read as float64, where they hold numbers; others are texts. They may change while
                the chunks are read.

        Raises:
            UserError: the file is damaged.
        """
        import pyarrow as pa

        first = 1
        with open_regular_file(self.path) as stream:
            batches = self._batches(self._open(stream))
            while True:
                try:
                    batch = next(batches, None)
                    if batch is not None:
                        # A damaged file may have offsets outside of its buffers, which would end the process.
                        batch.validate(full=True)
                except (pa.ArrowException, OSError, ValueError) as error:
                    raise self._damaged(error) from error
                if batch is None:
                    return
                if first + batch.num_rows > MAX_SAMPLES:
                    raise UserError(f"{self.path}: has more than {MAX_SAMPLES:,} rows, the most that are read.")
                if batch.num_rows:
                    texts = [self._column(batch.column(place), place, False) for place in range(self.n_columns)]
                    origins = digest_rows(zip(*texts, strict=True))
                    yield Chunk(self._frame(batch, set(numbers)), list(range(first, first + batch.num_rows)), origins)
                first += batch.num_rows

    def _open(self, stream: io.BufferedReader) -> Any:
        import pyarrow as pa

        try:
            if self._format == "parquet":
                from pyarrow import parquet

                return parquet.ParquetFile(stream)
            return pa.ipc.open_file(stream)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise self._damaged(error) from error

    def _batches(self, opened: Any) -> Iterator[Any]:
        if self._format == "parquet":
            yield from opened.iter_batches(max(100, CELLS_PER_CHUNK // self.n_columns))
        else:
            for number in range(opened.num_record_batches):
                yield opened.get_batch(number)

    def _frame(self, batch: Any, numbers: set[int]) -> "pd.DataFrame":
        import pandas as pd

        columns = [self._column(batch.column(place), place, place in numbers) for place in range(self.n_columns)]
        return pd.DataFrame(dict(enumerate(columns)))

    def _column(self, values: Any, place: int, as_number: bool) -> Any:
        import pyarrow as pa
        import pyarrow.compute as pc

        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        kind = values.type
        is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
        try:
            if as_number and is_number:
                return values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
            if pa.types.is_floating(kind):
                values = pc.if_else(pc.is_nan(values), pa.scalar(None, kind), values)
            texts = values.cast(pa.large_string())
        except (pa.ArrowException, NotImplementedError) as error:
            raise UserError(
                f"{self.path}, column {self.names[place]!r}: holds {kind}, which is neither a number nor a text. Leave "
                "it out of the file, or convert it."
            ) from error
        return pc.fill_null(texts, "").to_pandas()

    def _damaged(self, error: Exception) -> UserError:
        reason = " ".join(str(error).split())[:200]
        return UserError(f"{self.path}: cannot be read as {self._format} ({reason}). Write the file again.")


class ExcelTable:
    """One sheet of an Excel file (.xlsx) as one chunk of rows.

    Attributes:
        path: of the file.
        names: the names of its columns; None if the first row is a sample.
        n_columns: their number.
    """

    def __init__(self, path: Path, config: TableConfig) -> None:
        """Read the sheet.

        Args:
            path: of the file.
            config: the sheet, and whether there is a header.

        Raises:
            UserError: the file cannot be read, or which sheet is meant is not clear.
        """
        self.path = path
        self._rows = _read_sheet(path, config.sheet)
        if not self._rows:
            raise UserError(f"{path}: the sheet is empty. It must hold one row for each sample.")
        texts = [row for _, row in self._rows]
        header = config.header
        if header is None:
            header = has_header(path, texts[:200], ".", set(config.missing_values))
        self.names = check_names(path, texts[0]) if header else None
        self.n_columns = len(texts[0])
        if header:
            self._rows = self._rows[1:]
        if not self._rows:
            raise UserError(f"{path}: has a header and no row. It must hold one row for each sample.")

    def chunks(self, numbers: Sequence[int] = ()) -> Iterator[Chunk]:
        """Yield all rows, as texts, in one chunk.

        Args:
            numbers: not used; all cells are texts.
        """
        import pandas as pd

        texts = [row for _, row in self._rows]
        yield Chunk(pd.DataFrame(texts, dtype="str"), [number for number, _ in self._rows], digest_rows(texts))


def _read_sheet(path: Path, sheet: str | None) -> list[tuple[int, list[str]]]:
    """Return number and cells of each row that is not empty, all rows of the same length."""
    try:
        from openpyxl import load_workbook
    except ImportError as error:
        raise UserError(f"{path}: Excel files need openpyxl. Install it, or save the sheet as CSV.") from error
    _check_size(path)
    try:
        with open_regular_file(path) as stream:
            book = load_workbook(stream, read_only=True, data_only=True, keep_links=False)
            chosen = _choose_sheet(path, book, sheet)
            found = [
                (number, [_text(cell) for cell in row])
                for number, row in enumerate(chosen.iter_rows(values_only=True), 1)
            ]
    except UserError:
        raise
    except Exception as error:  # openpyxl raises what the XML below raises
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{path}: cannot be read as an Excel file ({reason}). Save it again, or as CSV.") from error
    rows = [(number, row) for number, row in found if any(row)]
    width = max((place for _, row in rows for place, cell in enumerate(row, 1) if cell), default=0)
    return [(number, (row + [""] * width)[:width]) for number, row in rows]


def _choose_sheet(path: Path, book: Any, sheet: str | None) -> Any:
    names = book.sheetnames
    if sheet is None and len(names) == 1:
        return book[names[0]]
    if sheet is None or sheet not in names:
        known = ", ".join(repr(name) for name in names[:20])
        what = "has several sheets" if sheet is None else f"has no sheet {sheet!r}"
        raise UserError(f"{path}: {what}: {known}. Name one of them: sheet: ...")
    return book[sheet]


def _check_size(path: Path) -> None:
    """Refuse a file that unpacks to much more than it is."""
    check_regular_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise UserError(f"{path}: cannot be read as an Excel file ({error}). Save it again, or as CSV.") from error
    limit = max(FREE_BYTES, MAX_RATIO * path.stat().st_size)
    if size > limit:
        raise UserError(f"{path}: unpacks to {size:,} bytes, more than a sheet should. Save the sheet as CSV.")


def _text(cell: Any) -> str:
    """Return a cell as text; numbers with all their digits."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell)
    if isinstance(cell, float):
        return "" if math.isnan(cell) else repr(cell)
    if isinstance(cell, datetime | date):
        return cell.isoformat()
    return str(cell).strip()
