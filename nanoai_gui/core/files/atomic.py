"""Writing so that a file is either complete or untouched."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from nanoai_gui.core.errors import WriteError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open ``path`` for writing bytes; it appears under its name only once it is complete and on the disk.

    The bytes go to a new file in the same folder, which replaces ``path`` at the end (an atomic step on
    every system we run on). After an error, or when the program dies, what stood there still stands there.

    Raises
    ------
    WriteError
        If the folder cannot be written to, the disk is full, or another program holds the file.
    """
    # A link stays a link: what it points to is replaced.
    target = Path(os.path.realpath(path))
    # Short and ASCII, as the name of the target may already be as long as the file system allows.
    temporary = target.with_name(f".nanoai-{os.urandom(8).hex()}.tmp")
    try:
        with temporary.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)
        _sync_folder(target.parent)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file at once, see :func:`atomic_file`."""
    with atomic_file(path) as stream:
        stream.write(content)


def write_with(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let ``write(stream)`` fill the file, see :func:`atomic_file`."""
    with atomic_file(path) as stream:
        write(stream)


def make_folder(path: Path) -> Path:
    """Make a folder and those above it, where they are missing.

    Raises
    ------
    WriteError
        If that is not possible.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise WriteError(
            f"{path} is a file, so results cannot be put into it.", "Choose a folder."
        ) from error
    except OSError as error:
        raise write_error(path, error) from error
    return path


def write_error(path: Path, error: OSError) -> WriteError:
    """Say in one sentence why ``path`` could not be written, and what to do."""
    if error.errno in _FULL:
        return WriteError(
            f"The disk is full, so {path} was not written.", "Free some space or choose another folder."
        )
    if error.errno == errno.ENOENT:
        return WriteError(f"The folder {path.parent} does not exist.", "Choose another folder.")
    if error.errno in _FORBIDDEN:
        # Windows says so too while a spreadsheet has the file open.
        return WriteError(
            f"{path} may not be written.",
            "Choose a folder that is yours, or close the program that has the file open.",
        )
    return WriteError(f"{path} could not be written ({error.strerror or error}).", "Choose another folder.")


def _sync_folder(folder: Path) -> None:
    """Make the new name survive a power cut too, where the system offers that."""
    if os.name == "nt":
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
