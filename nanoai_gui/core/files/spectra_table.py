"""Spectra tables: CSV or XLSX, one spectrum a row.

Columns whose header is a number are the axis (Raman shift in cm-1), all others are metadata: ``label, dish,
cell, map, roi, x_um, y_um`` and any other name, which is kept. A column ``laser_nm`` with one value is the
laser.
"""

from __future__ import annotations

import csv
import io
import math
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import (
    Cancelled,
    OperationCancelled,
    Progress,
    checkpoint,
    never_cancelled,
    no_progress,
)
from nanoai_gui.core.errors import ReadError, WriteError
from nanoai_gui.core.files.atomic import atomic_file
from nanoai_gui.core.files.frames import reading
from nanoai_gui.core.files.raw_spectra import AxisUnit, RawSpectra, Rows, finish, plausible_laser
from nanoai_gui.core.files.tables import cell
from nanoai_gui.core.files.text_columns import encoding_of, open_text
from nanoai_gui.core.spectra.spectral_set import NUMBER_COLUMNS, TEXT_COLUMNS, SpectralSet

TABLE_SUFFIXES = (".csv", ".xlsx")
MOST_UNPACKED_BYTES = 1 << 31
"""A workbook that unpacks to more than 2 GB is refused: it is damaged, or made to harm."""
LEAST_BARE_HEADER = 10
"""A first line of numbers only is taken for an axis from this many on."""
XLSX_MOST_COLUMNS, XLSX_MOST_ROWS = 16_384, 1_048_576
ADVICE = "See the table of an exported set for the form."

Cells = Sequence[Any]


def read_table(
    path: Path, progress: Progress = no_progress, cancelled: Cancelled = never_cancelled
) -> SpectralSet:
    """Read all spectra of a table as one set, in the order of its rows.

    Parameters
    ----------
    path
        CSV (comma, semicolon or tab; decimal point or, with semicolon or tab, comma; any encoding) or XLSX
        (first sheet that holds anything).

    Returns
    -------
    The set. Rows with missing or non-finite intensities are left out with a warning; ``index`` keeps
    counting them. A falling axis is turned. No grid is made, as a table may hold many maps: see
    :func:`~nanoai_gui.core.files.spectra.read_spectra`.

    Raises
    ------
    ReadError
        If there is no axis, a column is headed twice, text stands where a number belongs (with row and
        column), or the file is damaged.
    """
    with reading(path, READ_ADVICE):
        return finish_table(read_raw_table(path, progress, cancelled), path)


READ_ADVICE = "Copy it again, or export the spectra as a table (CSV) from the instrument's software."


def finish_table(raw: RawSpectra, path: Path) -> SpectralSet:
    """Bring a table as it was read into shape; columns named by it stand in place of the defaults."""
    if "source" in raw.columns and not (raw.columns["source"] != "").all():
        raw.columns.pop("source")
    return finish(raw, path)


def read_raw_table(path: Path, progress: Progress, cancelled: Cancelled) -> RawSpectra:
    """Read a table without turning its axis or leaving anything out."""
    with open_rows(path) as (total, rows):
        header = [_text(value) for value in next(rows, ())]
        while header and not header[-1]:
            header.pop()
        layout = _Layout.of(header, path)
        spectra = Rows(len(layout.axis_at))
        metadata: list[tuple[str, ...]] = []
        for number, row in enumerate(rows, 2):
            if number % 64 == 0:
                checkpoint(cancelled)
                progress(min(number / total, 1.0), f"{path.name}: {number} rows")
            if not any(value is not None and _text(value) for value in row):
                continue
            spectra.append(layout.intensities(row, number, path))
            metadata.append(layout.metadata(row))
    if not spectra.count:
        raise ReadError(f"{path.name} holds a header but no spectra.", ADVICE)
    columns = {
        name: _column(name, [texts[i] for texts in metadata], path, layout.decimal_comma)
        for i, name in enumerate(layout.names)
    }
    lasers = columns.get("laser_nm")
    laser = None
    if lasers is not None and lasers.dtype.kind == "f" and np.unique(lasers).size == 1:
        laser = plausible_laser(float(columns.pop("laser_nm")[0]))
    if "index" in columns:
        columns["index"] = _whole(columns["index"], path)
    return RawSpectra(
        spectra.array(), np.array(layout.axis), AxisUnit.RAMAN_SHIFT, columns=columns, laser_nm=laser
    )


def looks_like_table(path: Path) -> bool:
    """Whether the first line of a text file is the header of a spectra table and not that of columns."""
    with open_text(path) as file:
        first, second = file.readline(), file.readline()
    delimiter = _delimiter(first)
    header = [text.strip() for text in next(csv.reader([first], delimiter=delimiter), [])]
    comma = delimiter != ","
    values = [_axis_value(text, comma) for text in header]
    numbers = [value for value in values if value is not None]
    if delimiter == "\t" and header and not header[0]:
        return False  # LabSpec leaves the cells above the places empty
    if len(numbers) < len(header):
        named = set(header) & {*TEXT_COLUMNS, *NUMBER_COLUMNS}
        return len(numbers) >= 3 or (bool(named) and len(numbers) >= 1)
    # Only numbers: a row of the axis, or, with an axis down the first column, spectra side by side?
    # A dozen intensities side by side do not ascend by chance.
    if len(numbers) < LEAST_BARE_HEADER or len(second.split(delimiter)) != len(first.split(delimiter)):
        return False
    steps = np.diff(numbers)
    return bool((steps > 0).all() or (steps < 0).all())


def write_table(
    path: Path,
    spectra: SpectralSet,
    columns: Iterable[str] | None = None,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
) -> None:
    """Write a spectra table, CSV or XLSX after the ending of ``path``.

    Numbers of the axis carry 10 significant digits, intensities 7 (all that float32 holds).

    Parameters
    ----------
    columns
        Names of the metadata to write; ``None``: all that are not empty, ``source`` and ``index`` first.

    Raises
    ------
    WriteError
        If the file cannot be written or a spreadsheet cannot hold that many columns or rows.
    """
    names = list(_filled(spectra) if columns is None else columns)
    header = [*names, *(f"{value:.10g}" for value in spectra.axis.tolist())]
    texts = [spectra.text(name) for name in names]
    if spectra.laser_nm is not None and "laser_nm" not in names:
        names.append("laser_nm")
        header.insert(len(names) - 1, "laser_nm")
        texts.append(np.full(spectra.n_spectra, f"{spectra.laser_nm:.10g}"))
    if path.suffix.lower() == ".xlsx":
        _write_xlsx(path, spectra, header, names, texts, cancelled)
        return
    numbers = ",".join(["%.7g"] * spectra.n_points) + "\n"
    with atomic_file(path) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8", errors="replace", newline="")
        csv.writer(text, lineterminator="\n").writerow(
            [cell(name) for name in header[: len(names)]] + header[len(names) :]
        )
        # The numbers, nearly all of a table, are formatted a row at a time, without the csv module.
        before = csv.writer(text, lineterminator="," if names else "")
        for i in range(spectra.n_spectra):
            if i % 64 == 0:
                checkpoint(cancelled)
                progress(i / spectra.n_spectra, f"{path.name}: {i} spectra")
            before.writerow([_safe(column[i]) for column in texts])
            text.write(numbers % tuple(spectra.intensities[i].tolist()))
        text.flush()
        text.detach()


def _write_xlsx(
    path: Path,
    spectra: SpectralSet,
    header: list[str],
    names: list[str],
    texts: list[NDArray[np.str_]],
    cancelled: Cancelled,
) -> None:
    if len(header) > XLSX_MOST_COLUMNS or spectra.n_spectra >= XLSX_MOST_ROWS:
        raise WriteError(
            f"A spreadsheet has at most {XLSX_MOST_COLUMNS} columns and {XLSX_MOST_ROWS} rows;"
            f" {path.name} would need {len(header)} and {spectra.n_spectra + 1}.",
            "Write it as CSV.",
        )
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell

    book = Workbook(write_only=True)
    sheet = book.create_sheet("spectra")

    def text_cell(text: str) -> Any:  # noqa: ANN401 - openpyxl has no types
        made = WriteOnlyCell(sheet, text)
        made.data_type = "s"  # a text that begins like a formula stays a text
        return made

    sheet.append([*(text_cell(name) for name in names), *(float(value) for value in header[len(names) :])])
    numeric = [name == "laser_nm" or spectra.columns[name].dtype.kind in "iuf" for name in names]
    try:
        for i in range(spectra.n_spectra):
            if i % 64 == 0:
                checkpoint(cancelled)
            cells = [
                (float(column[i]) if column[i] else None) if number else text_cell(str(column[i]))
                for column, number in zip(texts, numeric, strict=True)
            ]
            values = (float(f"{value:.7g}") for value in spectra.intensities[i].tolist())
            sheet.append([*cells, *values])
    except OperationCancelled:
        sheet.close()  # ends the generator that openpyxl writes through
        raise
    with atomic_file(path) as stream:
        book.save(stream)


class _Layout:
    """Which columns are the axis, which metadata."""

    def __init__(self, axis: list[float], axis_at: list[int], names: list[str], names_at: list[int]) -> None:
        self.axis, self.axis_at, self.names, self.names_at = axis, axis_at, names, names_at
        self.decimal_comma = False

    @classmethod
    def of(cls, header: Sequence[str], path: Path) -> _Layout:
        comma = not any("." in text for text in header)
        values = [_axis_value(text, comma) for text in header]
        axis_at = [i for i, value in enumerate(values) if value is not None]
        if not axis_at:
            raise ReadError(
                f"No column of {path.name} is headed by a Raman shift (a number in cm⁻¹).", ADVICE
            )
        axis = [value for value in values if value is not None]
        names_at = [i for i, value in enumerate(values) if value is None]
        names = [header[i] or f"unnamed {i + 1}" for i in names_at]
        twice = [name for name, count in Counter([*names, *axis]).items() if count > 1]
        if twice:
            shown = f"{twice[0]:g}" if isinstance(twice[0], float) else twice[0]
            raise ReadError(
                f"Two columns of {path.name} are headed {shown!r}.", "Rename or delete one of them."
            )
        layout = cls(axis, axis_at, names, names_at)
        layout.decimal_comma = comma
        return layout

    def intensities(self, row: Cells, number: int, path: Path) -> list[float]:
        """Read the numbers of a row; nothing where a cell is empty."""
        if len(row) > self.axis_at[-1]:
            try:
                return [float(row[i]) for i in self.axis_at]
            except (TypeError, ValueError):
                pass  # empty cells or decimal commas: look closer
        values = []
        for at, position in enumerate(self.axis_at):
            value = row[position] if position < len(row) else None
            try:
                values.append(_number(value, self.decimal_comma))
            except ValueError:
                raise ReadError(
                    f"Row {number}, column {self.axis[at]:g} of {path.name} holds the text"
                    f" {str(value)[:40]!r} where a number belongs.",
                    "Correct the table and open it again.",
                ) from None
        return values

    def metadata(self, row: Cells) -> tuple[str, ...]:
        return tuple(_text(row[i]) if i < len(row) else "" for i in self.names_at)


def _column(name: str, texts: Sequence[str], path: Path, decimal_comma: bool) -> NDArray[Any]:
    """Make a column of numbers if all its entries are some, else one of text (always for names)."""
    if name in TEXT_COLUMNS:
        return np.array(texts, dtype=np.str_)
    try:
        values = np.array([_number(text, decimal_comma) for text in texts])
    except ValueError:
        if name not in (*NUMBER_COLUMNS, "index"):
            return np.array(texts, dtype=np.str_)
        row = next(i for i, text in enumerate(texts) if _is_text(text, decimal_comma))
        raise ReadError(
            f"Row {row + 2}, column {name} of {path.name} holds the text {texts[row][:40]!r} where a number"
            " belongs.",
            "Correct the table and open it again.",
        ) from None
    if name not in NUMBER_COLUMNS and np.isnan(values).all():
        return np.array(texts, dtype=np.str_)
    return values


def _whole(values: NDArray[Any], path: Path) -> NDArray[np.int64]:
    if values.dtype.kind != "f" or not (np.isfinite(values).all() and (values == np.rint(values)).all()):
        raise ReadError(
            f"The column index of {path.name} holds more than whole numbers.", "Delete the column."
        )
    return values.astype(np.int64)


def _is_text(text: str, decimal_comma: bool) -> bool:
    try:
        _number(text, decimal_comma)
    except ValueError:
        return True
    return False


def _number(value: Any, decimal_comma: bool) -> float:  # noqa: ANN401 - whatever a cell holds
    if value is None:
        return math.nan
    if isinstance(value, str):
        text = value.strip()
        if not text or text.lower() in ("na", "n/a", "#n/a", "nan"):
            return math.nan
        if "_" in text:
            raise ValueError(text)
        return float(text.replace(",", ".") if decimal_comma else text)
    if isinstance(value, int | float):
        return float(value)
    raise ValueError(value)


def _axis_value(text: str, decimal_comma: bool) -> float | None:
    try:
        value = _number(text, decimal_comma)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _text(value: Any) -> str:  # noqa: ANN401 - whatever a cell holds
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _delimiter(line: str) -> str:
    return max(",;\t", key=line.count)


@contextmanager
def open_rows(path: Path) -> Iterator[tuple[int, Iterator[Cells]]]:
    """Open a table: about how many rows it has, and the rows."""
    if path.suffix.lower() == ".xlsx":
        with _sheet(path) as (total, rows):
            yield total, rows
        return
    encoding = encoding_of(path)
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        first = file.readline()
        delimiter = _delimiter(first)
        total = max(1, path.stat().st_size // max(len(first), 1))
        file.seek(0)
        limit = csv.field_size_limit(1 << 20)
        try:
            yield total, csv.reader(file, delimiter=delimiter)
        except csv.Error as error:
            raise ReadError(f"{path.name} is no table: {error}.", "Export it again.") from error
        finally:
            csv.field_size_limit(limit)


@contextmanager
def _sheet(path: Path) -> Iterator[tuple[int, Iterator[Cells]]]:
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except zipfile.BadZipFile as error:
        raise ReadError(f"{path.name} is no XLSX workbook, or incomplete.", "Save it again.") from error
    if unpacked > MOST_UNPACKED_BYTES:
        raise ReadError(
            f"{path.name} claims to hold {unpacked / 2**30:.0f} GB: it is damaged.", "Save the table as CSV."
        )
    from openpyxl import load_workbook

    book = load_workbook(path, read_only=True, data_only=True)
    try:
        for sheet in book.worksheets:
            # The size a sheet claims is often wrong, and padding to it would fill the memory.
            sheet.reset_dimensions()
            rows = sheet.iter_rows(values_only=True)
            first = next(rows, None)
            if first is not None and any(value is not None for value in first):
                yield 10_000, _chain(first, rows)
                return
        raise ReadError(f"{path.name} holds no spectra.", ADVICE)
    finally:
        book.close()


def _chain(first: Cells, rows: Iterator[Cells]) -> Iterator[Cells]:
    yield first
    yield from rows


def _filled(spectra: SpectralSet) -> list[str]:
    """Names of the columns that hold anything, those that identify a spectrum first."""
    empty = {
        name
        for name, values in spectra.columns.items()
        if (values.dtype.kind == "U" and not (values != "").any())
        or (values.dtype.kind == "f" and np.isnan(values).all())
    }
    ordered = dict.fromkeys(("source", "index", *spectra.columns))
    return [name for name in ordered if name not in empty]


def _safe(text: Mapping[Any, Any] | Any) -> str:  # noqa: ANN401 - numpy's str_
    """Make a metadata cell safe for a spreadsheet; numbers, negative ones too, stay what they are."""
    plain = str(text)
    return plain if not _is_text(plain, decimal_comma=False) else cell(plain)
