"""Make the files of the standalone program smaller without taking anything from it (Linux).

Called by the recipe, ``nanoai.spec``, on what PyInstaller collected. Three things weigh most: tables of
symbols for debuggers, which a self-compiled Python and some libraries carry along; the data of ICU, of which
Qt needs a small part; and libraries that only a file left out needed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

Entry = tuple[str, str, str]
"""Name in the bundle, source, kind: a line of PyInstaller's tables."""

_LOAD, _DYNAMIC, _STACK = 1, 2, 0x6474E551
_ICU_DATA = re.compile(r"libicudata\.so\.(\d+)$")
_ICU_UNUSED = re.compile(
    # Names of currencies, languages, regions, time zones and units in all languages, spelled-out numbers,
    # transliteration, code pages, and dictionaries to break Thai or Japanese into words.
    r"(curr|lang|region|zone|unit|rbnf|translit)/|.*\.(cnv|dict|lstm)$|brkitr/|.*/?unames\.icu$|confusables\.cfu$"
)


def slim(entries: Sequence[Entry], folder: Path) -> list[Entry]:
    """Give smaller files for the same names; what is written anew goes to ``folder``."""
    if not sys.platform.startswith("linux"):
        return list(entries)
    shutil.rmtree(folder, ignore_errors=True)
    slimmer: list[Entry] = []
    first_of: dict[bytes, str] = {}
    for name, source, kind in entries:
        made = folder / name
        if kind == "BINARY":
            # NumPy and SciPy each bring the same compiler's library.
            digest = hashlib.sha256(Path(source).read_bytes()).digest()
            first = first_of.setdefault(digest, name)
            if first != name:
                slimmer.append((name, os.path.relpath(first, Path(name).parent), "SYMLINK"))
                continue
        icu = _ICU_DATA.search(name)
        if kind in ("BINARY", "EXTENSION"):
            made.parent.mkdir(parents=True, exist_ok=True)
            if icu is not None:
                made.write_bytes(slim_icu(Path(source).read_bytes(), int(icu[1])))
                source = str(made)
            elif strip(Path(source), made):
                source = str(made)
        slimmer.append((name, source, kind))
    return slimmer


def without_orphans(entries: Sequence[Entry]) -> list[Entry]:
    """Leave out system libraries that nothing in the bundle asks for any more."""
    if not sys.platform.startswith("linux"):
        return list(entries)
    from PyInstaller.depend.bindepend import get_imports

    by_name = {Path(name).name: (name, source, kind) for name, source, kind in entries}
    open_ends = [entry for entry in entries if not _is_system_library(entry)]
    wanted = {entry[0] for entry in open_ends}
    while open_ends:
        _, source, kind = open_ends.pop()
        if kind not in ("BINARY", "EXTENSION"):
            continue
        for asked, _ in get_imports(source):
            found = by_name.get(Path(asked).name)
            if found is not None and found[0] not in wanted:
                wanted.add(found[0])
                open_ends.append(found)
    return [entry for entry in entries if entry[0] in wanted or entry[2] == "SYMLINK"]


def _is_system_library(entry: Entry) -> bool:
    """Whether it is there only because another file asked for it: of the system, or one of Qt's own."""
    name, _, kind = entry
    of_qt = name.startswith("PySide6/Qt/lib/")
    of_system = "/" not in name and ".so" in name and not name.startswith("libpython")
    return kind == "BINARY" and (of_qt or of_system)


def strip(source: Path, made: Path) -> bool:
    """Write a copy without symbols for debuggers; false if it could not be made or would not load.

    Files whose segments were moved once (by auditwheel) may come out of ``strip`` with segments that no
    loader takes; these are left as they are.
    """
    tool = shutil.which("strip")
    if tool is None:
        return False
    done = subprocess.run([tool, "--strip-unneeded", "-o", made, source], capture_output=True, check=False)
    return done.returncode == 0 and _can_be_loaded(made.read_bytes())


def _can_be_loaded(data: bytes) -> bool:
    """Whether every segment of a 64-bit ELF file lies at the same place within a page as in memory."""
    if data[:6] != b"\x7fELF\x02\x01":
        return False
    (table,) = struct.unpack_from("<Q", data, 32)
    (count,) = struct.unpack_from("<H", data, 56)
    for i in range(count):
        kind, _, offset, address, _, _, _, align = struct.unpack_from("<IIQQQQQQ", data, table + 56 * i)
        if kind == _LOAD and align > 1 and (offset - address) % align:
            return False
    return True


# ------------------------------------------------------------------------------------------ ICU


def slim_icu(library: bytes, version: int) -> bytes:
    """Make libicudata anew with the parts that Qt uses: comparing, normalising, numbers and dates.

    The library is nothing but one block of data under one name; ICU's description of the block: a header of
    its own length, a table of (name, place) pairs, then the parts, each at a multiple of 16 bytes.
    """
    symbol = f"icudt{version}_dat"
    data = _symbol_data(library, symbol)
    head_size = struct.unpack_from("<H", data, 0)[0]
    (count,) = struct.unpack_from("<I", data, head_size)
    pairs = [struct.unpack_from("<II", data, head_size + 4 + 8 * i) for i in range(count)]
    parts = []
    for i, (name_at, data_at) in enumerate(pairs):
        start = head_size + name_at
        name = data[start : data.index(b"\0", start)]
        end = head_size + pairs[i + 1][1] if i + 1 < count else len(data)
        if not _ICU_UNUSED.match(name.decode("ascii").split("/", 1)[1]):
            parts.append((name, data[head_size + data_at : end]))
    names = b"".join(name + b"\0" for name, _ in parts)
    place = 4 + 8 * len(parts)
    first = -(-(place + len(names)) // 16) * 16
    table, body = struct.pack("<I", len(parts)), b""
    blocks = []
    at = first
    for name, block in parts:
        table += struct.pack("<II", place, at)
        place += len(name) + 1
        padded = block.ljust(-(-len(block) // 16) * 16, b"\0")
        blocks.append(padded)
        at += len(padded)
    body = (table + names).ljust(first, b"\0") + b"".join(blocks)
    return _library_of(symbol, f"libicudata.so.{version}", data[:head_size] + body)


def _symbol_data(library: bytes, symbol: str) -> bytes:
    """Find the bytes of a symbol in a 64-bit ELF library, by its section of dynamic symbols."""
    (table,) = struct.unpack_from("<Q", library, 40)
    size, count = struct.unpack_from("<HH", library, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", library, table + size * i) for i in range(count)]
    symbols = next(section for section in sections if section[1] == 11)  # SHT_DYNSYM
    strings = sections[symbols[6]]
    for at in range(symbols[4], symbols[4] + symbols[5], 24):
        name_at, _, _, section, address, length = struct.unpack_from("<IBBHQQ", library, at)
        start = strings[4] + name_at
        if section and library[start : library.index(b"\0", start)] == symbol.encode():
            holder = sections[section]
            offset = holder[4] + address - holder[3]
            return library[offset : offset + (length or holder[3] + holder[5] - address)]
    raise ValueError(f"there is no {symbol} in the library")


def _library_of(symbol: str, soname: str, data: bytes) -> bytes:
    """Write an ELF library (x86-64) that holds one block of data under one name."""
    page = 4096
    strings = b"\0" + symbol.encode() + b"\0" + soname.encode() + b"\0"
    soname_at = len(symbol) + 2
    heads = 64 + 4 * 56
    strings_at = heads
    symbols_at = -(-(strings_at + len(strings)) // 8) * 8
    hash_at = symbols_at + 48
    dynamic_at = hash_at + 24
    data_at = -(-(dynamic_at + 7 * 16) // page) * page
    # The dynamic table is written to by the loader, so that it lies in a page of its own in memory.
    shift = -(-(data_at + len(data)) // page) * page
    symbols = bytes(24) + struct.pack("<IBBHQQ", 1, 0x11, 0, 1, data_at, len(data))
    hashes = struct.pack("<IIIII", 1, 2, 1, 0, 0)  # one bucket, which holds the one symbol
    dynamic = b"".join(
        struct.pack("<QQ", tag, value)
        for tag, value in (
            (14, soname_at),
            (4, hash_at),
            (5, strings_at),
            (6, symbols_at),
            (10, len(strings)),
            (11, 24),
            (0, 0),
        )
    )
    head = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack(
        "<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 4, 0, 0, 0
    )
    end = data_at + len(data)

    def segment(kind: int, flags: int, offset: int, address: int, size: int, align: int) -> bytes:
        return struct.pack("<IIQQQQQQ", kind, flags, offset, address, address, size, size, align)

    head += segment(_LOAD, 4, 0, 0, end, page)
    head += segment(_LOAD, 6, 0, shift, dynamic_at + len(dynamic), page)
    head += segment(_DYNAMIC, 6, dynamic_at, shift + dynamic_at, len(dynamic), 8)
    head += segment(_STACK, 6, 0, 0, 0, 16)
    body = head + strings
    body = body.ljust(symbols_at, b"\0") + symbols + hashes
    body = body.ljust(dynamic_at, b"\0") + dynamic
    return body.ljust(data_at, b"\0") + data
