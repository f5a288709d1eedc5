"""Zip archives from elsewhere: read into memory within limits, and never unpacked to the disk."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from nanoai_gui.core.errors import ReadError

LARGEST_COUNT = 100_000
LARGEST_ENTRY = 16 * 2**20
LARGEST_TOTAL = 512 * 2**20
_ADVICE = "Save it again with the program it comes from."


def entries(path: Path, suffix: str) -> Iterator[tuple[str, bytes]]:
    """Give name and content of every file of an archive that ends with ``suffix`` (lower case).

    Raises
    ------
    ReadError
        If the archive holds too much, an entry says less than it holds, a name leads out of the archive,
        or an entry is encrypted. What is damaged raises what :mod:`zipfile` raises.
    """
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        wanted = [i for i in infos if not i.is_dir() and i.filename.lower().endswith(suffix)]
        if len(infos) > LARGEST_COUNT or sum(info.file_size for info in wanted) > LARGEST_TOTAL:
            raise ReadError(f"{path.name} claims to hold more than NanoAI takes from one archive.", _ADVICE)
        for info in wanted:
            name = PurePosixPath(info.filename.replace("\\", "/"))
            if name.is_absolute() or ".." in name.parts or ":" in info.filename:
                raise ReadError(
                    f"{path.name} holds an entry whose name leads out of the archive.",
                    "Do not trust this file; ask where it comes from.",
                )
            if info.flag_bits & 1:
                raise ReadError(f"{path.name} is protected by a password.", "Save it without one.")
            if info.file_size > LARGEST_ENTRY:
                raise ReadError(f"{path.name} holds an entry that is too large for an outline.", _ADVICE)
            with archive.open(info) as stream:
                # Not read(): the stated size may be a lie, and a small archive can unpack to gigabytes.
                content = stream.read(LARGEST_ENTRY + 1)
            if len(content) > LARGEST_ENTRY:
                raise ReadError(f"{path.name} holds an entry that is too large for an outline.", _ADVICE)
            yield info.filename, content
