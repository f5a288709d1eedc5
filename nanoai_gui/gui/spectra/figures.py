"""Asks where a chart is to go, and has it written outside of the window's thread."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFileDialog, QToolButton, QWidget

from nanoai_gui.core.files.spectra_figures import Chart, write_chart
from nanoai_gui.core.jobs import Failure
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.widgets.layout import flat_button

KINDS = {"PNG (*.png)": ".png", "SVG (*.svg)": ".svg", "Numbers as CSV (*.csv)": ".csv"}


class Figures(QObject):
    """The one place where charts of the Spectra tab become files."""

    said = Signal(str, bool)
    """What came of it in a sentence, and whether it failed."""

    def __init__(self, jobs: JobRunner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self.folder = ""
        """Where the dialog opens."""

    def ask(self, parent: QWidget, name: str, chart: Chart | None) -> None:
        """Let a person say where a chart is to go, and in which format; ``name`` is offered."""
        if chart is None:
            return
        file, kind = QFileDialog.getSaveFileName(
            parent, "Export figure", str(Path(self.folder) / f"{name}.png"), ";;".join(KINDS)
        )
        if file:
            path = Path(file)
            self.folder = str(path.parent)
            self.write(path if path.suffix else path.with_suffix(KINDS.get(kind, ".png")), chart)

    def write(self, path: Path, chart: Chart) -> None:
        """Write a chart in a thread."""

        def failed(failure: Failure) -> None:
            self.said.emit(str(failure), True)
            if not failure.is_known:
                self._jobs.failed.emit(failure)

        self._jobs.run_in_thread(
            write_chart, path, chart,
            on_done=lambda _: self.said.emit(f"Written to {path.name}.", False), on_error=failed,
        )  # fmt: skip


def figure_button(what: str, name: str) -> QToolButton:
    """Make the button for it."""
    return flat_button("Figure…", f"{what} as PNG or SVG, or its numbers as CSV", name=name)
