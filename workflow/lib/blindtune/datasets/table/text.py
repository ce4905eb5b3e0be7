"""Reads delimited text: encoding, separator, decimal sign and header are given or found, and each row is checked.

Every row has a number, its line in the file from 1, and the same number of fields; a row that has not is refused.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blindtune.core.errors import UserError
from blindtune.datasets.content import digest_rows
from blindtune.datasets.table.compressed import open_bytes
from blindtune.datasets.table.config import MAX_COLUMNS, TableConfig

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

#: The longest row, in letters.
MAX_RECORD = 2**24
#: Number of rows from which separator, decimal sign and header are found.
N_SNIFFED = 200
#: Number of cells that are parsed at once.
CELLS_PER_CHUNK = 2_000_000

#: A first row that counts at least so many columns is rather their names than a sample.
FEW_COUNTED = 4

SEPARATORS = (",", ";", "\t", "|", ":", " ")
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", ":": "colon", " ": "white space"}

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_COMMA_NUMBER = re.compile(r"[+-]?(\d+(,\d*)?|,\d+)([eE][+-]?\d+)?", re.ASCII)
#: A comma and three digits, which a reader may take for a thousand or for a fraction.
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+", re.ASCII)
#: The first line by which Excel is told the separator.
_SEP_LINE = re.compile(r'"?sep=.?"?', re.IGNORECASE)
#: What comments begin with, longer ones first.
_COMMENT_SIGNS = ("//", "--", "#", "%", "!")
#: Quotes that are not the one of the config, and what to do.
_OTHER_QUOTES = {
    "'": 'Set quote: "\'".',
    "\u201c\u201d\u201e\u00ab\u00bb": "Replace these typographic quotes by plain ones.",
}
#: The line of an IMLD export that names the classes.
_CLASSES = re.compile(r"^#\s*classes\s*:\s*\[(.*)\]\s*$")

Record = tuple[int, str]


@dataclass(frozen=True)
class Chunk:
    """Some rows of a file.

    Attributes:
        frame: columns by their place from 0.
        rows: the number of each row in the file.
        origins: a digest of each row as the file has it, all columns, (n_rows,) of dtype S16.
    """

    frame: "pd.DataFrame"
    rows: list[int]
    origins: "NDArray[np.bytes_]"


@dataclass(frozen=True)
class Dialect:
    """How a file is written.

    Attributes:
        encoding: of the text.
        separator: between fields; " " means any white space.
        decimal: decimal sign.
        quote: sign around fields.
        header: the names of the columns; None if the first row is a sample.
        n_columns: number of fields of each row.
        comments: lines before the first row that are comments.
    """

    encoding: str
    separator: str
    decimal: str
    quote: str
    header: list[str] | None
    n_columns: int
    comments: list[str] = field(default_factory=list)

    @property
    def classes(self) -> list[str] | None:
        """The classes that a comment names, as the exports of IMLD do; None if none does."""
        for line in self.comments:
            found = _CLASSES.match(line)
            if found:
                return [name.strip() for name in found.group(1).split(",") if name.strip()]
        return None

    def describe(self) -> str:
        """Return what was found, for the log."""
        header = "no header" if self.header is None else "a header"
        comma = ", decimal comma" if self.decimal == "," else ""
        encoding = "utf-8" if self.encoding == "utf-8-sig" else self.encoding
        return f"{encoding}, separated by {_NAMES[self.separator]}{comma}, {header}"


def is_number(text: str, decimal: str = ".") -> bool:
    """Return whether a text is a plain finite decimal number."""
    return bool((_NUMBER if decimal == "." else _COMMA_NUMBER).fullmatch(text))


class TextTable:
    """A text file as chunks of rows.

    Attributes:
        path: of the file.
        dialect: how it is written.
        n_comments: number of comment lines, known after all chunks were read.
    """

    def __init__(self, path: Path, config: TableConfig) -> None:
        """Open a file and find how it is written.

        Args:
            path: of the file.
            config: what is given of the way it is written.

        Raises:
            UserError: the file is missing, empty, or not a table.
        """
        self.path = path
        self._config = config
        self.n_comments = 0
        self._comments: list[str] = []
        with open_bytes(path) as binary:
            self._encoding = config.encoding or _find_encoding(path, binary)
            records = self._records(binary)
            first = list(islice(records, N_SNIFFED))
        if not first:
            raise UserError(f"{path}: is empty. It must hold rows of fields.")
        self.dialect = self._find_dialect(first)

    @property
    def names(self) -> list[str] | None:
        """The names of the columns; None if the file has no header."""
        return self.dialect.header

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return self.dialect.n_columns

    def chunks(self, numbers: Sequence[int] = ()) -> Iterator[Chunk]:
        """Yield the rows in chunks.

        Args:
            numbers: columns that are parsed as float64, where all their values are numbers; others are texts. They may
                change while the chunks are read.

        Raises:
            UserError: a row has another number of fields, or cannot be decoded.
        """
        size = max(100, CELLS_PER_CHUNK // self.n_columns)
        with open_bytes(self.path) as binary:
            self.n_comments = 0
            records = self._checked(self._records(binary))
            if self.dialect.header is not None:
                next(records, None)
            while True:
                chunk = list(islice(records, size))
                if not chunk:
                    return
                separator, quote = self.dialect.separator, self._config.quote
                cells = (split_fields(self.path, line, text, separator, quote) for line, text in chunk)
                frame = self._parse([text for _, text in chunk], list(numbers))
                yield Chunk(frame, [line for line, _ in chunk], digest_rows(cells))

    def _parse(self, texts: list[str], numbers: list[int]) -> "pd.DataFrame":
        import pandas as pd

        dialect = self.dialect
        options: dict[str, Any] = {
            "sep": r"\s+" if dialect.separator == " " else dialect.separator,
            "header": None,
            "names": list(range(dialect.n_columns)),
            "index_col": False,
            "keep_default_na": False,
            "skipinitialspace": True,
            "skip_blank_lines": False,
            "quotechar": dialect.quote,
            "decimal": dialect.decimal,
            "low_memory": False,
        }
        text = "\n".join(texts) + "\n"
        kinds = dict.fromkeys(range(dialect.n_columns), "str") | dict.fromkeys(numbers, "float64")
        missing = dict.fromkeys(numbers, self._config.missing_values)
        try:
            return pd.read_csv(io.StringIO(text), dtype=kinds, na_values=missing, **options)
        except (ValueError, OverflowError):
            # A value is not a number: whoever looks at the texts names it.
            return pd.read_csv(io.StringIO(text), dtype="str", na_filter=False, **options)

    def _records(self, binary: io.BufferedReader) -> Iterator[Record]:
        """Yield line and text of each row; comments and empty lines are left out."""
        quote, comment = self._config.quote, self._config.comment
        begun, comments = False, []
        for line, text in self._joined(binary, quote):
            if not text.strip():
                continue
            if not begun and line == 1 and _SEP_LINE.fullmatch(text.strip()):
                continue
            is_comment = text.startswith(comment or "#") and (comment is not None or not begun)
            if is_comment:
                self.n_comments += 1
                if not begun:
                    comments.append(text.strip())
                continue
            if not begun:
                begun, self._comments = True, comments
            yield line, text

    def _joined(self, binary: io.BufferedReader, quote: str) -> Iterator[Record]:
        """Yield line and text of each row, which may go over several lines within quotes."""
        parts: list[str] = []
        first, is_open = 0, False
        for line, text in self._lines(binary):
            if not parts:
                first = line
            odd = text.count(quote) % 2 == 1
            # An apostrophe in a comment opens no field.
            if odd and not is_open and text.startswith(self._config.comment or "#"):
                odd = False
            is_open ^= odd
            parts.append(text)
            if not is_open:
                yield first, parts[0] if len(parts) == 1 else "\n".join(parts)
                parts = []
            elif sum(map(len, parts)) > MAX_RECORD or len(parts) > 1000:
                break
        if parts:
            raise UserError(
                f"{self.path}, row {first}: a quote {quote} is opened and not closed. Close it, or set quote: to the "
                "other kind of quotes."
            )

    def _lines(self, binary: io.BufferedReader) -> Iterator[Record]:
        errors = "surrogateescape" if self._encoding.startswith(("utf-8", "utf8", "ascii")) else "strict"
        # Universal newlines: \r\n and \r end a line too.
        stream = io.TextIOWrapper(binary, encoding=self._encoding, errors=errors, newline=None)
        line = 0
        while True:
            try:
                text = stream.readline(MAX_RECORD + 1)
            except UnicodeError as error:
                raise UserError(
                    f"{self.path}, after row {line}: cannot be decoded as {self._encoding} ({error}). Set encoding: to "
                    "that of the file."
                ) from error
            if not text:
                return
            line += 1
            if len(text) > MAX_RECORD:
                raise UserError(f"{self.path}, row {line}: has more than {MAX_RECORD:,} letters; this is not a table.")
            if not text.isascii() or "\0" in text:
                self._check_letters(line, text)
            yield line, text.rstrip("\n")

    def _check_letters(self, line: int, text: str) -> None:
        if "\0" in text:
            raise UserError(
                f"{self.path}, row {line}: holds NUL letters, so it is not a text file, or it is UTF-16 without a "
                "byte-order mark. For the latter set encoding: utf-16-le or utf-16-be."
            )
        wrong = next((letter for letter in text if 0xDC80 <= ord(letter) <= 0xDCFF), None)
        if wrong is not None:
            raise UserError(
                f"{self.path}, row {line}: holds the byte 0x{ord(wrong) - 0xDC00:02X}, which is not UTF-8. Set "
                "encoding: to that of the file, such as latin-1 or cp1252, or save it as UTF-8."
            )

    def _find_dialect(self, first: list[Record]) -> Dialect:
        config = self._config
        separator = config.separator or _find_separator(self.path, first, config.quote)
        rows = [self._split(record, separator) for record in first]
        lengths = [len(row) for row in rows]
        if max(lengths) > MAX_COLUMNS:
            raise UserError(f"{self.path}: has {max(lengths):,} columns; at most {MAX_COLUMNS:,} are read.")
        decimal = config.decimal or _find_decimal(self.path, rows, separator)
        missing = set(config.missing_values)
        width = max(set(lengths), key=lengths.count)
        same = [row for row in rows if len(row) == width]
        self._refuse_other_quotes(rows[0])
        header = config.header
        if header is None:
            if len(rows[0]) != width:
                raise self._uneven(first[0][0], len(rows[0]), width, first[0][1], is_first=True)
            header = has_header(self.path, same, decimal, missing)
        dialect = Dialect(
            self._encoding,
            separator,
            decimal,
            config.quote,
            rows[0] if header else None,
            width,
            self._comments,
        )
        if header and len(first) == 1:
            raise UserError(f"{self.path}: has a header and no row. It must hold one row for each sample.")
        return replace(dialect, header=check_names(self.path, rows[0])) if header else dialect

    def _refuse_other_quotes(self, fields: list[str]) -> None:
        filled = [text for text in fields if text]
        for signs, advice in _OTHER_QUOTES.items():
            if self._config.quote not in signs and all(
                len(text) > 1 and text[0] in signs and text[-1] in signs for text in filled
            ):
                raise UserError(f"{self.path}: its fields are in other quotes, such as {filled[0][:60]}. {advice}")

    def _split(self, record: Record, separator: str) -> list[str]:
        line, text = record
        return split_fields(self.path, line, text, separator, self._config.quote)

    def _checked(self, records: Iterator[Record]) -> Iterator[Record]:
        """Yield records after a check of their number of fields."""
        dialect = self.dialect
        separator, quote, expected = dialect.separator, dialect.quote, dialect.n_columns
        for place, (line, text) in enumerate(records):
            if quote in text:
                n_fields = len(self._split((line, text), separator))
            else:
                n_fields = len(text.split()) if separator == " " else text.count(separator) + 1
            if n_fields != expected:
                raise self._uneven(line, n_fields, expected, text, is_first=place == 0)
            yield line, text

    def _uneven(self, line: int, n_fields: int, expected: int, text: str, *, is_first: bool = False) -> UserError:
        """Return the error for a row with another number of fields than the others."""
        fields = "field" if n_fields == 1 else "fields"
        message = f"{self.path}, row {line}: has {n_fields} {fields}, the other rows have {expected}: {text[:60]!r}. "
        sign = next((sign for sign in _COMMENT_SIGNS if text.startswith(sign)), None)
        if sign is not None and self._config.comment is None:
            return UserError(f"{message}Fix or remove the row; if it is a comment, set comment: '{sign}'.")
        if is_first and n_fields == expected - 1:
            return UserError(
                f"{message}If it names the columns, one name is missing: of a column of row names, as R writes them, "
                "or of the empty column that a separator at the end of each row makes. Add the name to the row."
            )
        if is_first:
            return UserError(f"{message}If it is a title, remove it; the first row names the columns or is a sample.")
        return UserError(f"{message}Fix or remove the row.")


def split_fields(path: Path, line: int, text: str, separator: str, quote: str) -> list[str]:
    """Return the fields of a row, without white space around them.

    Args:
        path: of the file, for messages.
        line: of the row, for messages.
        text: of the row.
        separator: between the fields.
        quote: sign around fields.

    Raises:
        UserError: a quote is in a wrong place.
    """
    if quote not in text:
        return text.split() if separator == " " else [part.strip() for part in text.split(separator)]
    try:
        reader = csv.reader(
            io.StringIO(text, newline=""), delimiter=separator, quotechar=quote, skipinitialspace=True, strict=True
        )
        rows = list(reader)
    except csv.Error as error:
        raise UserError(f"{path}, row {line}: has a quote in a wrong place ({error}): {text[:60]!r}.") from error
    return [part.strip() for part in chain.from_iterable(rows)]


def _find_encoding(path: Path, binary: io.BufferedReader) -> str:
    head = binary.peek(4)[:4]
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name
    return "utf-8"


def _find_separator(path: Path, first: list[Record], quote: str) -> str:
    """Return the separator that gives all rows the same number of fields, and the most numbers."""
    found: list[tuple[float | str, ...]] = []
    for separator in SEPARATORS:
        rows = [_split_if_possible(path, record, separator, quote) for record in first]
        lengths = [len(row) for row in rows]
        width = max(set(lengths), key=lengths.count)
        # Rows with another number of fields are named later; many of them speak against the separator.
        regular = lengths.count(width) / len(lengths)
        if width < 2 or regular <= 0.5:
            continue
        cells = [cell for row in rows[1:] or rows for cell in row]
        share = sum(is_number(cell) or is_number(cell, ",") for cell in cells) / len(cells)
        # White space last: it also separates where a tab does, and then loses empty fields.
        found.append((separator != " ", round(regular, 2), round(share, 2), width, separator))
    if not found:
        line, text = first[0]
        raise UserError(
            f"{path}, row {line}: no separator is found that gives all rows the same number of fields: {text[:60]!r}. "
            "Set separator: , ; | or another one; a table needs a label and at least one feature."
        )
    return str(max(found)[-1])


def _split_if_possible(path: Path, record: Record, separator: str, quote: str) -> list[str]:
    """Return the fields of a row; none if a quote is in a wrong place, which is named later."""
    try:
        return split_fields(path, *record, separator, quote)
    except UserError:
        return []


def _find_decimal(path: Path, rows: list[list[str]], separator: str) -> str:
    if separator == ",":
        return "."
    cells = [cell for row in rows for cell in row]
    commas = [cell for cell in cells if "," in cell and is_number(cell, ",")]
    if not commas:
        return "."
    example = next((cell for cell in cells if "." in cell and is_number(cell)), None)
    if example is not None or all(_THOUSANDS.fullmatch(cell) for cell in commas):
        other = f" and others a point, such as {example!r}" if example else ", always before three digits"
        raise UserError(
            f"{path}: some numbers have a comma, such as {commas[0]!r}{other}. Set decimal: ',' if it is the decimal "
            "sign; if it separates thousands, take it out of the file."
        )
    return ","


def has_header(path: Path, rows: list[list[str]], decimal: str, missing: set[str]) -> bool:
    """Return whether the first row names the columns: it has texts where all other rows have numbers.

    Args:
        path: of the file, for messages.
        rows: the fields of the first rows.
        decimal: decimal sign of numbers.
        missing: texts that mean that a value is missing.

    Raises:
        UserError: it cannot be told.
    """
    first, others = rows[0], rows[1:]
    if not others:
        # A row of names alone; a sample of texts alone is no table to learn from.
        return all(text and text not in missing and not is_number(text, decimal) for text in first)
    numeric = [
        place
        for place in range(len(first))
        if _all_numbers([row[place] for row in others if row[place] not in missing], decimal)
    ]
    texts = [place for place in numeric if not is_number(first[place], decimal) and first[place] not in missing]
    if numeric and not texts:
        if len(first) >= FEW_COUNTED and all(map(str.isdecimal, first)) and _is_counted(first):
            raise UserError(
                f"{path}: it is not clear whether the first row names the columns: it counts them ({first[0]}, "
                f"{first[1]}, {first[2]}, ...). Set header: true or header: false."
            )
        return False
    if numeric and (len(texts) == len(numeric) or _is_counted(first)):
        return True
    if not numeric:
        seen = [{row[place] for row in others} for place in range(len(first))]
        again = [place for place, name in enumerate(first) if name in seen[place]]
        if not again and len(set(first)) == len(first) and all(first):
            return True
        if len(again) == len(first):
            return False
    place = texts[0] if texts else 0
    raise UserError(
        f"{path}: it is not clear whether the first row names the columns: its field {place + 1} is {first[place]!r}. "
        "Set header: true or header: false."
    )


def _all_numbers(cells: list[str], decimal: str) -> bool:
    return bool(cells) and all(is_number(cell, decimal) for cell in cells)


def _is_counted(names: list[str]) -> bool:
    """Return whether names are distinct, and those that are numbers count columns, as pandas writes them."""
    numbers = [int(name) for name in names if name.isascii() and name.isdigit()]
    return len(set(names)) == len(names) and numbers in (
        list(range(len(numbers))),
        list(range(1, len(numbers) + 1)),
    )


def check_names(path: Path, names: list[str]) -> list[str]:
    """Return the names of columns, ``column_<place>`` for those that have none.

    Args:
        path: of the file, for messages.
        names: the fields of the header.

    Raises:
        UserError: two columns have the same name, or a name is not printable.
    """
    named = [name or f"column_{place}" for place, name in enumerate(names, 1)]
    for place, name in enumerate(named, 1):
        if named.index(name) != place - 1:
            raise UserError(
                f"{path}: columns {named.index(name) + 1} and {place} are both called {name[:60]!r}. Rename one."
            )
        if len(name) > 200 or not name.isprintable():
            raise UserError(f"{path}: the name of column {place} is too long or not printable: {name[:60]!r}.")
    return named
