"""The tables people and their scripts read: ``particles.csv``, ``agglomerates.csv``, ``summary.json``.

Comma-separated, UTF-8, decimal point, one header line, lines end with a line feed. Numbers carry 10
significant digits. Columns and their order are a promise.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO

from nanoai_gui.core.files.atomic import atomic_file, make_folder, write_bytes, write_error
from nanoai_gui.core.tem.particles import Status
from nanoai_gui.core.tem.report import ImageRecord, ItemError, summarise

if TYPE_CHECKING:
    from nanoai_gui.core.tem.analysis import AnalysisSettings, ImageAnalysis

PARTICLE_COLUMNS = (
    "image", "method", "agglomerate", "particle", "x_px", "y_px", "area_px", "diameter_px", "diameter_nm",
    "score", "status",
)  # fmt: skip
AGGLOMERATE_COLUMNS = (
    "image", "method", "agglomerate", "x_px", "y_px", "area_px", "area_nm2", "n_particles",
    "p1", "p2", "p3", "p4", "p5", "excluded",
)  # fmt: skip
PARTICLES_FILE, AGGLOMERATES_FILE, SUMMARY_FILE = "particles.csv", "agglomerates.csv", "summary.json"

Row = Sequence[str | int]


class SizeTables:
    """The three files of a run, filled image by image; on leaving the ``with`` block they appear together.

    Nothing of an image is kept in memory but its diameters. If the block is left by an exception, none of
    the three is touched.

    Parameters
    ----------
    folder
        Made if missing.
    settings
        What every image was analysed with; written into the summary.

    Raises
    ------
    WriteError
        If the folder cannot be written to or the disk is full (also by :meth:`add` and on leaving).
    """

    def __init__(self, folder: Path, settings: AnalysisSettings) -> None:
        self.folder = folder
        self.settings = settings
        self.records: list[ImageRecord] = []
        self.errors: list[ItemError] = []
        self.summary: dict[str, Any] = {}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> SizeTables:
        make_folder(self.folder)
        with contextlib.ExitStack() as stack:
            # Left in reverse order: the summary appears last of all, as the sign that all is complete.
            self._summary = stack.enter_context(atomic_file(self.folder / SUMMARY_FILE))
            self._agglomerates = stack.enter_context(atomic_file(self.folder / AGGLOMERATES_FILE))
            self._particles = stack.enter_context(atomic_file(self.folder / PARTICLES_FILE))
            _append(self._agglomerates, [AGGLOMERATE_COLUMNS])
            _append(self._particles, [PARTICLE_COLUMNS])
            self._stack = stack.pop_all()
        return self

    def add(self, name: str, analysis: ImageAnalysis) -> None:
        """Append the rows of one image, called ``name`` in every file: all of them or, after Ctrl+C, none."""
        record = ImageRecord.of(name, analysis)
        streams = (self._agglomerates, self._particles)
        starts = [stream.tell() for stream in streams]
        try:
            _append(self._agglomerates, agglomerate_rows(name, analysis))
            _append(self._particles, particle_rows(name, analysis))
        except OSError as error:
            raise write_error(self.folder / PARTICLES_FILE, error) from error
        except KeyboardInterrupt:
            for stream, start in zip(streams, starts, strict=True):
                stream.seek(start)
                stream.truncate()
            raise
        self.records.append(record)

    def fail(self, item: str, message: str) -> None:
        """Note that an item could not be done."""
        self.errors.append(ItemError(item, message))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            with contextlib.suppress(_AbandonedError), self._stack:
                raise _AbandonedError
            return
        with self._stack:
            self.summary = summarise(self.records, self.errors, self.settings)
            self._summary.write(_json(self.summary))
            # A disk that is full should say so before the first of the three is replaced.
            for stream in (self._summary, self._agglomerates, self._particles):
                stream.flush()


class _AbandonedError(Exception):
    """Tells the open files that they are not wanted; what really happened is not theirs to judge."""


def write_tables(
    folder: Path,
    analyses: Iterable[ImageAnalysis],
    settings: AnalysisSettings,
    errors: Iterable[ItemError] = (),
) -> dict[str, Any]:
    """Write all three files of analyses that are in memory; return the content of the summary."""
    analyses = list(analyses)
    names = image_names(analyses)
    with SizeTables(folder, settings) as tables:
        for name, analysis in zip(names, analyses, strict=True):
            tables.add(name, analysis)
        tables.errors.extend(errors)
    return tables.summary


def write_particles_csv(path: Path, analyses: Sequence[ImageAnalysis]) -> None:
    """Write one row for every primary particle of every image and method."""
    with atomic_file(path) as stream:
        _append(stream, [PARTICLE_COLUMNS])
        for name, analysis in zip(image_names(analyses), analyses, strict=True):
            _append(stream, particle_rows(name, analysis))


def write_agglomerates_csv(path: Path, analyses: Sequence[ImageAnalysis]) -> None:
    """Write one row for every agglomerate, measured or not, of every image and method."""
    with atomic_file(path) as stream:
        _append(stream, [AGGLOMERATE_COLUMNS])
        for name, analysis in zip(image_names(analyses), analyses, strict=True):
            _append(stream, agglomerate_rows(name, analysis))


def write_summary(
    path: Path,
    analyses: Sequence[ImageAnalysis],
    settings: AnalysisSettings,
    errors: Iterable[ItemError] = (),
) -> dict[str, Any]:
    """Write the statistics of every method, pooled and per image; return what was written."""
    names = image_names(analyses)
    records = [ImageRecord.of(name, analysis) for name, analysis in zip(names, analyses, strict=True)]
    summary = summarise(records, errors, settings)
    write_bytes(path, _json(summary))
    return summary


def particle_rows(name: str, analysis: ImageAnalysis) -> Iterable[Row]:
    """Give the rows of ``particles.csv`` for one image, method by method."""
    nm_per_px = analysis.calibration.nm_per_px
    image = cell(name)
    words = {int(status): status.name.lower() for status in Status}
    for method, result in analysis.results.items():
        p = result.particles
        columns = (
            p.agglomerate.tolist(), p.ids.tolist(), p.x.tolist(), p.y.tolist(), p.area_px.tolist(),
            p.diameter_px.tolist(), p.score.tolist(), p.status.tolist(),
        )  # fmt: skip
        for agglomerate, particle, x, y, area, diameter, score, status in zip(*columns, strict=True):
            yield (
                image, method, agglomerate, particle, number(x), number(y), number(area), number(diameter),
                "" if nm_per_px is None else number(diameter * nm_per_px), number(score), words[status],
            )  # fmt: skip


def agglomerate_rows(name: str, analysis: ImageAnalysis) -> Iterable[Row]:
    """Give the rows of ``agglomerates.csv`` for one image, method by method."""
    nm_per_px = analysis.calibration.nm_per_px
    image = cell(name)
    a = analysis.agglomerates
    facts = zip(a.x.tolist(), a.y.tolist(), a.area_px.tolist(), strict=True)
    where = dict(zip(a.ids.tolist(), facts, strict=True))
    for method, result in analysis.results.items():
        columns = (
            result.agglomerate_ids.tolist(), result.n_particles.tolist(), result.probabilities.tolist(),
            result.excluded,
        )  # fmt: skip
        for agglomerate, n_particles, probabilities, excluded in zip(*columns, strict=True):
            x, y, area = where[agglomerate]
            yield (
                image, method, agglomerate, number(x), number(y), area,
                "" if nm_per_px is None else number(area * nm_per_px**2), n_particles,
                *(number(p) for p in probabilities), cell(excluded),
            )  # fmt: skip


def number(value: float) -> str:
    """Write a number with 10 significant digits; nothing for NaN."""
    return "" if math.isnan(value) else f"{value:.10g}"


def cell(text: str) -> str:
    """Make a text safe for a spreadsheet, which would run one that starts like a formula.

    An image called ``=1+1.tif`` becomes ``./=1+1.tif``: as a path still the same file.
    """
    return f"./{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def image_names(analyses: Iterable[ImageAnalysis]) -> list[str]:
    """Name images so that every name is unique: the file's name, with folders where files share it."""
    analyses = list(analyses)
    prefixes = folder_prefixes(a.request.path for a in analyses)
    return [prefixes[a.request.path] + a.name for a in analyses]


def folder_prefixes(paths: Iterable[Path]) -> dict[Path, str]:
    """Tell files of the same name apart.

    Returns
    -------
    For every path the folders (``a/b/``) to put before its file's name: as few as make it unique, and
    none if its name already is.
    """
    unique = list(dict.fromkeys(paths))
    depth = dict.fromkeys(unique, 1)
    while True:
        shown = {path: PurePath(*path.parts[-depth[path] :]).as_posix() for path in unique}
        uses = Counter(shown.values())
        longer = [p for p in unique if uses[shown[p]] > 1 and depth[p] < len(p.parts)]
        if not longer:
            return {path: shown[path].removesuffix(path.name) for path in unique}
        for path in longer:
            depth[path] += 1


def _append(stream: BinaryIO, rows: Iterable[Row]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    stream.write(_utf8(text.getvalue()))


def _json(content: Mapping[str, Any]) -> bytes:
    return _utf8(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _utf8(text: str) -> bytes:
    """Encode; bytes of a file name that are no UTF-8 (possible on Linux) become replacement characters."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").encode("utf-8")
