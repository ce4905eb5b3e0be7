"""Opens a file of any format as a table of rows."""

import codecs
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from blindtune.core.errors import UserError
from blindtune.core.files import open_regular_file
from blindtune.datasets.table.binary import ArrowTable, ExcelTable
from blindtune.datasets.table.config import TableConfig
from blindtune.datasets.table.text import Chunk, TextTable

_SUFFIXES = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".feather": "feather",
    ".arrow": "feather",
    ".ipc": "feather",
    ".xlsx": "excel",
    ".xlsm": "excel",
}
#: What other files begin with, and what to say of them.
_OTHERS = (
    (b"\xd0\xcf\x11\xe0", "is an Excel file of the old form (.xls). Save it as .xlsx or CSV"),
    (b"\x89HDF", "is an HDF5 file. Save the table as CSV or Parquet"),
    (b"\x93NUMPY", "is a NumPy array. Save it as CSV or Parquet, with the label as a column"),
    (b"SQLite format 3", "is a database. Export the table as CSV"),
    (b"%PDF", "is a PDF. Give the table as CSV"),
    (b"{", "is JSON. Save the table as CSV, with one row for each sample"),
    (b"[{", "is JSON. Save the table as CSV, with one row for each sample"),
    (b"<", "is HTML or XML. Save the table as CSV"),
    (b"@relation", "is an ARFF file of Weka. Save it as CSV"),
    (b"\x80", "is not a text; if it is a pickle, it is never opened, since it may run code. Save the table as CSV"),
)
_LIBSVM = re.compile(rb"[+-]?[\d.]+(\s+\d+:[-+.\deE]+)+")


class RowTable(Protocol):
    """A file as chunks of rows; a text, Parquet, Feather or Excel file.

    Attributes:
        path: of the file.
    """

    path: Path

    @property
    def names(self) -> list[str] | None:
        """The names of the columns; None if the file has no header."""

    @property
    def n_columns(self) -> int:
        """Number of columns."""

    def chunks(self, numbers: Sequence[int] = ()) -> Iterator[Chunk]:
        """Yield the rows in chunks.

        Args:
            numbers: columns that are float64 where all their values in a chunk are numbers; others are texts.
        """


def open_table(path: Path, config: TableConfig) -> RowTable:
    """Open a file as a table.

    Args:
        path: of the file.
        config: what is given of the way it is written.

    Raises:
        UserError: the file cannot be read as a table; the message has the reason and what to do.
    """
    file_format = config.format or _SUFFIXES.get(path.suffix.lower(), "csv")
    _refuse_unused(path, file_format, config)
    if path.name.lower().endswith((".tgz", ".tar")) or ".tar." in path.name.lower():
        raise UserError(f"{path}: is a tar archive. Unpack it and give the file of the table.")
    if file_format == "excel":
        return ExcelTable(path, config)
    if file_format in ("parquet", "feather"):
        return ArrowTable(path, file_format)
    with open_regular_file(path) as stream:
        head = stream.peek(512)[:512]
    begin = head.removeprefix(codecs.BOM_UTF8).lstrip()
    for mark, what in _OTHERS:
        if head.startswith(mark) or begin.lower().startswith(mark):
            raise UserError(f"{path}: {what}.")
    if _LIBSVM.fullmatch(begin.partition(b"\n")[0].strip()):
        raise UserError(f"{path}: is in the format of LIBSVM (label index:value ...). Save it as CSV.")
    for mark, name in ((b"PAR1", "parquet"), (b"ARROW1", "feather")):
        if head.startswith(mark):
            raise UserError(f"{path}: is a file of another format. Set format: {name}.")
    return TextTable(path, config)


def _refuse_unused(path: Path, file_format: str, config: TableConfig) -> None:
    """Refuse keys that say how a file of another format is written."""
    given: dict[str, object] = {}
    if file_format != "csv":
        given = {key: getattr(config, key) for key in ("separator", "decimal", "encoding", "comment")}
    if file_format != "excel":
        given["sheet"] = config.sheet
    if file_format in ("parquet", "feather"):
        given["header"] = config.header
    for key, value in given.items():
        if value is not None:
            raise UserError(f"{path}: {key}: is not used for a file of the format {file_format}. Take it out.")
