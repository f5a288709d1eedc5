"""The spectra half of the window: made when its tab is first shown, and asked by the window's commands."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, Qt, QTimer, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QFileDialog, QInputDialog, QWidget

from nanoai_gui.core.files.opening import Opened
from nanoai_gui.core.jobs import Failure
from nanoai_gui.gui.action_info import When
from nanoai_gui.gui.errors import ErrorReporter
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.settings import SettingsStore
from nanoai_gui.gui.spectra.entries import SetState
from nanoai_gui.gui.spectra.loading import SpectraLoader
from nanoai_gui.gui.spectra.session import SpectraSession
from nanoai_gui.gui.spectra.spectra_tab import SpectraTab
from nanoai_gui.gui.spectra.transfer import Transfer
from nanoai_gui.gui.widgets.notice import Kind, NoticeArea

USUAL_LASERS = ("488", "514.5", "532", "632.8", "785", "830", "1064")


class SpectraPart(QObject):
    """Session, loader and tab, and what leads from one to the other.

    Parameters
    ----------
    store, runner, reporter, notices
        What the window lends it.
    """

    changed = Signal()
    """What can be done now may have changed."""

    def __init__(
        self,
        store: SettingsStore,
        runner: JobRunner,
        reporter: ErrorReporter,
        notices: NoticeArea,
        window: QWidget,
    ) -> None:
        super().__init__(window)
        self._store = store
        self._window = window
        self._reporter = reporter
        self._notices = notices
        self.session = SpectraSession(self)
        self.loader = SpectraLoader(self.session, runner, self)
        self.tab = SpectraTab(self.session, runner)
        self.transfer = Transfer(self.session, runner, notices, self)
        self._changed_timer = QTimer(self)
        self._changed_timer.setSingleShot(True)
        self._changed_timer.setInterval(0)
        self._changed_timer.timeout.connect(self.changed)
        session = self.session
        for signal in (
            session.sets_added, session.sets_removed, session.set_changed, session.current_changed,
            session.undo_stack.indexChanged, self.tab.list.chosen_changed,
        ):  # fmt: skip
            signal.connect(self._changed_timer.start)
        self.loader.failed.connect(self._on_failed)
        self.loader.warned.connect(lambda key, sentence: self._warn(key, sentence))
        self.tab.laser_wanted.connect(self.ask_for_laser)
        self.tab.labels_wanted.connect(self.ask_for_labels)
        self.tab.problem.connect(lambda sentence: notices.show(sentence, Kind.WARNING))
        self.tab.figures.folder = store.values.export_folder
        self.tab.figures.said.connect(
            lambda sentence, failed: notices.show(sentence, Kind.WARNING if failed else Kind.INFORMATION)
        )

    # ------------------------------------------------------------------ what the window asks

    def open(self, found: Opened) -> None:
        """Add files to the list; a single new one is shown."""
        keys = self.session.add_paths(found.spectra)
        if len(keys) == 1:
            self.session.set_current(keys[0])

    def conditions(self) -> set[When]:
        """Say what can be done now."""
        session = self.session
        held = {
            When.ALWAYS: True,
            When.IMAGES: len(session) > 0,
            When.CHOSEN: bool(self.tab.list.chosen_keys()),
            When.SHOWN: session.current is not None,
            When.SPECTRA: bool(session.ready()),
            When.UNDO: session.undo_stack.canUndo(),
            When.REDO: session.undo_stack.canRedo(),
        }
        return {condition for condition, holds in held.items() if holds}

    def remove_chosen(self) -> None:
        """Take the chosen entries off the list."""
        self.session.remove(self.tab.list.chosen_keys())

    def show_in_folder(self) -> None:
        """Open the folder of the first chosen file."""
        keys = self.tab.list.chosen_keys()
        if keys:
            folder = self.session.entry(keys[0]).path.parent
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))

    def ask_for_labels(self) -> None:
        """Let a person choose a table of labels, and fill it in."""
        file, _ = QFileDialog.getOpenFileName(
            self._window,
            "Import labels",
            self._store.values.open_folder,
            "Tables (*.csv *.tsv *.txt *.xlsx);;All files (*)",
        )
        if file:
            self.transfer.import_labels(Path(file))

    def ask_for_export(self) -> None:
        """Let a person say where to write the chosen sets."""
        keys = [k for k in self.tab.list.chosen_keys() if self.session.entry(k).content is not None]
        keys = keys or ([] if self.session.current is None else [self.session.current])
        if not keys:
            return
        name = f"{self.session.entry(keys[0]).path.stem}_spectra.csv"
        file, _ = QFileDialog.getSaveFileName(
            self._window,
            "Export spectra",
            str(Path(self._store.values.export_folder) / name),
            "Table as CSV (*.csv);;Table as XLSX (*.xlsx)",
        )
        if file:
            path = Path(file)
            self._store.values.export_folder = str(path.parent)
            self.transfer.export(keys, path if path.suffix else path.with_suffix(".csv"))

    def ask_for_laser(self, key: int) -> None:
        """Ask for the wavelength that a file does not name, and read it again."""
        entry = self.session.entry(key)
        dialog = QInputDialog(self._window)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setWindowTitle("Laser wavelength")
        dialog.setLabelText(f"{entry.error}\nWavelength of the laser in nm:")
        dialog.setComboBoxItems(USUAL_LASERS)
        dialog.setComboBoxEditable(True)
        dialog.setTextValue("532")
        dialog.textValueSelected.connect(lambda text: self._take_laser(key, text))
        dialog.open()

    def shut_down(self) -> None:
        """Stop what runs; nothing may be shown after this."""
        self._changed_timer.stop()
        self.tab.shut_down()

    # ------------------------------------------------------------------ what came

    def _take_laser(self, key: int, text: str) -> None:
        try:
            wavelength = float(text.replace(",", ".").removesuffix("nm").strip())
        except ValueError:
            wavelength = 0.0
        if not 150 <= wavelength <= 3000:
            self._notices.show(f"{text!r} is no wavelength between 150 and 3000 nm.", Kind.WARNING)
            return
        if key in self.session:
            same = self.session.entry(key).path.parent
            for entry in self.session.entries():
                # One person's files of one folder came from one instrument.
                if entry.state is SetState.NEEDS_LASER and entry.path.parent == same:
                    self.session.set_laser(entry.key, wavelength)

    def _on_failed(self, key: int, failure: Failure) -> None:
        if not failure.is_known:
            self._reporter.report(failure)
        else:
            self._notices.show(str(failure), Kind.WARNING)
        self._go_past(key)

    def _go_past(self, key: int) -> None:
        """Show another map while nothing is shown: a broken first file must not leave the tab empty."""
        session = self.session
        if session.current is None and session.wanted == key:
            for entry in session.entries():
                if entry.content is not None or entry.state is SetState.READING:
                    session.set_current(entry.key)
                    return

    def _warn(self, key: int, sentence: str) -> None:
        if key in self.session:
            self._notices.show(f"{self.session.entry(key).path.name}: {sentence}", Kind.INFORMATION)
