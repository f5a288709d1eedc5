"""Is an image still the file that was measured? By size and time first, by checksum where these differ."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from nanoai_gui.core.callbacks import Cancelled, Progress, checkpoint, never_cancelled, no_progress

_PIECE = 2**20


@dataclass(frozen=True)
class Fingerprint:
    """What tells a file from another: bytes, time of its last change, SHA-256 (empty: not taken yet)."""

    size: int
    mtime_ns: int
    sha256: str = ""


class SourceState(Enum):
    """How a file stands to what is remembered of it."""

    SAME = "same"
    MOVED = "moved"
    CHANGED = "changed"
    MISSING = "missing"


@dataclass(frozen=True)
class Source:
    """A file that a project refers to.

    ``relative`` is its path as seen from the project, where there is one: a project that is moved together
    with its images finds them so.
    """

    path: Path
    relative: str | None = None
    fingerprint: Fingerprint | None = None


@dataclass(frozen=True)
class SourceCheck:
    """What became of a file: where it is now, and what it is like now (``None`` if it is missing)."""

    state: SourceState
    path: Path
    fingerprint: Fingerprint | None = None


def take_fingerprint(path: Path, cancelled: Cancelled = never_cancelled) -> Fingerprint:
    """Read a file to its end and remember what it is.

    Raises
    ------
    OSError
        If it cannot be read.
    OperationCancelled
        If ``cancelled()`` became true.
    """
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        # Before reading: a file that changes meanwhile must not pass for the one that was read.
        facts = os.fstat(stream.fileno())
        while piece := stream.read(_PIECE):
            digest.update(piece)
            checkpoint(cancelled)
    return Fingerprint(facts.st_size, facts.st_mtime_ns, digest.hexdigest())


def take_fingerprints(
    paths: Iterable[Path], progress: Progress = no_progress, cancelled: Cancelled = never_cancelled
) -> dict[Path, Fingerprint]:
    """Take the fingerprints of files; those that cannot be read are left out."""
    taken = {}
    wanted = list(paths)
    for i, path in enumerate(wanted):
        progress(i / len(wanted), "Taking checksums")
        try:
            taken[path] = take_fingerprint(path, cancelled)
        except (OSError, ValueError):
            continue
    return taken


def check_source(source: Source, project: Path, cancelled: Cancelled = never_cancelled) -> SourceCheck:
    """Find a file again: where it was, or at the same place beside the project.

    The whole file is read only where size or time differ from what is remembered.
    """
    at_home = _compare(source.path, source.fingerprint, cancelled)
    if at_home.state is SourceState.SAME:
        return at_home
    if source.relative is not None:
        beside = Path(os.path.normpath(project.parent / source.relative))
        if beside != source.path:
            found = _compare(beside, source.fingerprint, cancelled)
            if found.state is SourceState.SAME or (
                at_home.state is SourceState.MISSING and found.state is SourceState.CHANGED
            ):
                state = SourceState.MOVED if found.state is SourceState.SAME else SourceState.CHANGED
                return SourceCheck(state, beside, found.fingerprint)
    return at_home


def locate(source: Source, project: Path) -> Source:
    """Look quickly where a file is now, by its size; the bytes are compared later."""
    with contextlib.suppress(OSError, ValueError):  # a name that cannot be
        if source.relative is None or source.path.exists():
            return source
        beside = Path(os.path.normpath(project.parent / source.relative))
        if source.fingerprint is None or beside.stat().st_size == source.fingerprint.size:
            return replace(source, path=beside) if beside.is_file() else source
    return source


def check_sources(
    sources: Mapping[int, Source],
    project: Path,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
) -> dict[int, SourceCheck]:
    """Do that for many files, by any number that names them. What a worker runs."""
    found = {}
    for i, (key, source) in enumerate(sources.items()):
        progress(i / len(sources), "Looking for the images")
        found[key] = check_source(source, project, cancelled)
    return found


def find_again(
    sources: Mapping[int, Source],
    folder: Path,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
) -> dict[int, SourceCheck]:
    """Look for missing files by name in a folder and all below it; same bytes come before same name."""
    wanted: dict[str, list[int]] = {}
    for key, source in sources.items():
        wanted.setdefault(os.path.normcase(source.path.name), []).append(key)
    found: dict[int, SourceCheck] = {}
    for path in _walk(folder):
        checkpoint(cancelled)
        for key in wanted.get(os.path.normcase(path.name), ()):
            if key in found and found[key].state is SourceState.MOVED:
                continue
            check = _compare(path, sources[key].fingerprint, cancelled)
            if check.state is SourceState.SAME:
                found[key] = SourceCheck(SourceState.MOVED, path, check.fingerprint)
                progress(len(found) / len(sources), f"Found {path.name}")
            elif check.state is SourceState.CHANGED:
                found.setdefault(key, check)
    return found


def relative_to(project: Path, path: Path) -> str | None:
    """Write a path as seen from a project, with ``/`` on every system; ``None`` if that cannot be."""
    try:
        relative = Path(os.path.relpath(path, project.parent)).as_posix()
        relative.encode()  # a name that is no text can only be found where it was
    except ValueError:
        return None
    return relative


def _walk(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            yield Path(root, name)


def _compare(path: Path, known: Fingerprint | None, cancelled: Cancelled) -> SourceCheck:
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            # A folder, or a device that could be read for ever.
            return SourceCheck(SourceState.MISSING, path)
        now = Fingerprint(facts.st_size, facts.st_mtime_ns)
        if known is None:
            return SourceCheck(SourceState.SAME, path, now)
        if (now.size, now.mtime_ns) == (known.size, known.mtime_ns):
            return SourceCheck(SourceState.SAME, path, known)
        if known.sha256 and now.size == known.size:
            # Copied or touched, perhaps: the bytes tell.
            taken = take_fingerprint(path, cancelled)
            same = taken.sha256 == known.sha256
            return SourceCheck(SourceState.SAME if same else SourceState.CHANGED, path, taken)
    except (OSError, ValueError):  # a name that cannot be
        return SourceCheck(SourceState.MISSING, path)
    return SourceCheck(SourceState.CHANGED, path, now)
