"""Results to files: asks where, has them written outside of the window's thread, says what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QFileDialog

from nanoai_gui.core.callbacks import Cancelled
from nanoai_gui.core.tem.by_hand import TIMES_FILE, seconds_of, write_times
from nanoai_gui.gui.commands import Commands

if TYPE_CHECKING:
    from nanoai_gui.core.tem.analysis import AnalysisSettings, ImageAnalysis
    from nanoai_gui.core.tem.distribution import Unit


class Exports(Commands):
    """The three exports of the TEM tab."""

    _least_score = 0.0

    def set_least_score(self, least: float) -> None:
        """Leave particles of which a method is less sure out of pictures, as on the screen."""
        self._least_score = least

    def ask_for_tables(self) -> None:
        """Ask for a folder and write the three tables there."""
        folder = QFileDialog.getExistingDirectory(
            self._window, "Export results to a folder", self._store.values.export_folder or str(Path.home())
        )
        if folder:
            self.write_tables(Path(folder))

    def write_tables(self, folder: Path) -> None:
        """Write particles.csv, agglomerates.csv and summary.json."""
        session = self._session
        errors = [(str(entry.path), entry.error) for entry in session.entries() if entry.error]
        least = self._least_score
        whole = f" All particles are in them, also those of a score below {least:.2f}." if least > 0 else ""
        # In a thread, not a worker: the results are here, and sending all of them away takes longer.
        self._runner.run_in_thread(
            _write_tables, folder, session.analyses(), session.settings, errors, self._hand_seconds(),
            on_done=lambda n: self._tell(f"{_results(n)} written to {folder.name or folder}.{whole}", folder),
        )  # fmt: skip
        self._remember(folder)

    def _hand_seconds(self) -> list[Mapping[int, float]]:
        """Give for each measured image the seconds that particles measured by hand took."""
        measured = (entry for entry in self._session.entries() if entry.analysis is not None)
        return [seconds_of(entry.document.values, "manual") for entry in measured]

    def ask_for_overlay(self) -> None:
        """Ask for a file and save the overlay of the image shown."""
        entry = self._session.current_entry
        if entry is not None:
            path = self._ask_for_file(f"{entry.path.stem} overlay.png", "PNG (*.png);;TIFF (*.tif)")
            if path is not None:
                self.write_overlay(path)

    def write_overlay(self, path: Path) -> None:
        """Save the overlay of the image shown at full resolution."""
        analysis = self._session.current_analysis
        if analysis is not None:
            self._run(path, _write_overlay, path, analysis, self._session.shown_method)

    def ask_for_histogram(self) -> None:
        """Ask for a file and save the size distribution of all images."""
        path = self._ask_for_file("size distribution.png", "PNG (*.png);;SVG (*.svg)")
        if path is not None:
            self.write_histogram(path)

    def write_histogram(self, path: Path) -> None:
        """Save the size distribution of all images and every method measured."""
        from nanoai_gui.core.tem.distribution import pool

        analyses = self._session.analyses()
        methods = dict.fromkeys(name for analysis in analyses for name in analysis.results)
        # As on the screen: in nm as soon as one image is calibrated; the others are left out there too.
        known = any(analysis.calibration.is_known for analysis in analyses)
        unit: Unit = "nm" if known else "px"
        samples = [pool(analyses, m, unit, minimum_score=self._least_score) for m in methods]
        self._run(path, _write_histogram, path, samples)

    def _run(self, path: Path, task: Callable[..., None], *args: object) -> None:
        self._runner.run(task, *args, on_done=lambda _: self._tell(f"{path.name} written.", path.parent))
        self._remember(path.parent)

    def _ask_for_file(self, name: str, kinds: str) -> Path | None:
        start = str(Path(self._store.values.export_folder) / name)
        chosen, kind = QFileDialog.getSaveFileName(self._window, "Export", start, kinds)
        if not chosen:
            return None
        path = Path(chosen)
        return path if path.suffix else path.with_suffix("." + kind.partition("*.")[2].rstrip(")"))

    def _remember(self, folder: Path) -> None:
        self._store.values.export_folder = str(folder)


def _results(n: int) -> str:
    return "Results of 1 image" if n == 1 else f"Results of {n} images"


def _write_tables(
    folder: Path,
    analyses: Sequence[ImageAnalysis],
    settings: AnalysisSettings,
    errors: Sequence[tuple[str, str]],
    hand_seconds: Sequence[Mapping[int, float]],
) -> int:
    from nanoai_gui.core.files.tables import image_names, write_tables
    from nanoai_gui.core.tem.report import ItemError

    write_tables(folder, analyses, settings, [ItemError(image, sentence) for image, sentence in errors])
    times = [
        (name, particle, seconds)
        for name, own in zip(image_names(analyses), hand_seconds, strict=True)
        for particle, seconds in own.items()
    ]
    if times:
        write_times(folder / TIMES_FILE, times)
    return len(analyses)


def _write_overlay(path: Path, analysis: ImageAnalysis, method: str, cancelled: Cancelled) -> None:
    from nanoai_gui.core.files.overlay import write_overlay
    from nanoai_gui.core.tem.analysis import load

    write_overlay(path, load(analysis.request), analysis, method, cancelled)


def _write_histogram(path: Path, samples: Sequence[object]) -> None:
    from nanoai_gui.core.files.figures import write_histogram

    write_histogram(path, samples)  # type: ignore[arg-type]
