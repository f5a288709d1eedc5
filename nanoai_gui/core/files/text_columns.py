"""Numbers in text files: encodings, delimiters and decimal commas of all countries, header lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from nanoai_gui.core.errors import ReadError

HEAD_BYTES = 1 << 16
MOST_TEXT_BYTES = 1 << 29
"""Column text beyond 512 MB is refused: a map of that size has a table or an instrument's own format."""


@dataclass(frozen=True)
class Dialect:
    """How numbers are set apart from each other.

    Parameters
    ----------
    delimiter
        One character, or ``None`` for any white space.
    decimal_comma
        Whether ``0,5`` is a half.
    """

    delimiter: str | None
    decimal_comma: bool = False

    def split(self, line: str) -> list[str]:
        """Give the cells of a line without the spaces around them; a delimiter at its end adds none."""
        cells = [cell.strip() for cell in line.strip("\r\n").split(self.delimiter)]
        if len(cells) > 1 and not cells[-1]:
            cells.pop()
        return cells

    def numbers(self, cells: Sequence[str]) -> list[float] | None:
        """Read all cells; ``None`` if one is no number."""
        if "_" in "".join(cells):  # Python would read 1_000, no instrument writes it
            return None
        if self.decimal_comma:
            cells = [cell.replace(",", ".") for cell in cells]
        try:
            return list(map(float, cells))
        except ValueError:
            return None

    def row(self, line: str) -> list[float] | None:
        """Read a line of at least two numbers; ``None`` if it is something else."""
        cells = self.split(line)
        return self.numbers(cells) if len(cells) > 1 else None


def dialect_of(line: str) -> Dialect:
    """Find out how the cells of a line are set apart."""
    if "\t" in line or ";" in line:
        delimiter: str | None = "\t" if "\t" in line else ";"
    elif "," in line and not re.search(r"\d,\d+\s+[-+]?\d+,\d", line):
        return Dialect(",")
    else:
        delimiter = None
    return Dialect(delimiter, bool(re.search(r"\d,\d", line)) and not re.search(r"\d\.\d", line))


def encoding_of(path: Path) -> str:
    """Tell the encoding of a text file from its beginning.

    Raises
    ------
    ReadError
        If the file is empty or no text.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head.strip():
        raise ReadError(f"{path.name} is empty.", "Choose another file.")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if b"\0" in head:
        raise ReadError(
            f"{path.name} is not text, and of no binary format that NanoAI reads.",
            "Export the spectra as text, CSV, SPC or JCAMP-DX from the instrument's software.",
        )
    try:
        head[: head.rfind(b"\n") + 1].decode("utf-8")
    except UnicodeDecodeError:
        return "latin-1"  # decodes anything; the units in question (degrees, micro, squared) come out right
    return "utf-8-sig"


def open_text(path: Path) -> TextIO:
    """Open a text file for reading in its encoding, line ends of all systems as line feeds."""
    return path.open(encoding=encoding_of(path), errors="replace")


def read_lines(path: Path) -> list[str]:
    """Read all lines of a file of a reasonable size.

    Raises
    ------
    ReadError
        If it is larger than 512 MB, empty or no text.
    """
    if path.stat().st_size > MOST_TEXT_BYTES:
        raise ReadError(
            f"{path.name} is too large for a text file of spectra.",
            "Export it as a spectra table or in the instrument's own format.",
        )
    with open_text(path) as file:
        return file.read().splitlines()


def first_lines(path: Path) -> list[str]:
    """Read the lines of the first 64 kB."""
    with open_text(path) as file:
        return file.read(HEAD_BYTES).splitlines()


def find_block(lines: Sequence[str], path: Path) -> tuple[int, Dialect]:
    """Find the first of at least two lines of numbers, of as many columns each.

    Raises
    ------
    ReadError
        If there is none.
    """
    previous = 0
    for i, line in enumerate(lines):
        row = dialect_of(line).row(line)
        width = 0 if row is None else len(row)
        if width and width == previous:
            return i - 1, dialect_of(line)
        previous = width
    # One line of numbers is a spectrum of one point.
    if previous or any(dialect_of(line).row(line) for line in lines[-3:]):
        raise ReadError(f"{path.name} holds a single point, not a spectrum.", "Choose another file.")
    if sum(_is_number(line) for line in lines[-10:]) > 1:
        raise ReadError(
            f"{path.name} holds one column of numbers: Raman shifts or intensities are missing.",
            "Export both into one file.",
        )
    raise ReadError(
        f"{path.name} holds no columns of numbers.",
        "Export the spectra with their Raman shift in the first column.",
    )


def _is_number(line: str) -> bool:
    return Dialect(None).numbers([line.strip()]) is not None


def header_facts(lines: Iterable[str]) -> dict[str, str]:
    """Read ``#key=value``, ``##key=value``, ``key;value``, ``key,value`` and ``key<tab>value`` lines."""
    facts: dict[str, str] = {}
    for line in lines:
        text = line.strip().lstrip("#").strip()
        found = re.match(r"([^=;,\t]{1,60}?)\s*[=;,\t]\s*(.*)", text)
        if found and found[1]:
            facts.setdefault(found[1].strip(), found[2].strip().strip("\t;,"))
    return facts
