"""The window: menus, toolbar, the tabs and the status bar, and what leads from one to the other.

The Spectra tab, with all it needs, is made when it is first shown (:mod:`nanoai_gui.gui.spectra.part`): the
window must be there at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, QUrl
from PySide6.QtGui import (
    QCloseEvent,
    QDesktopServices,
    QDragEnterEvent,
    QDragMoveEvent,
    QDropEvent,
)
from PySide6.QtWidgets import QMainWindow, QMenu, QToolBar, QWidget

from nanoai_gui.core.jobs import Failure
from nanoai_gui.gui.action_info import When
from nanoai_gui.gui.actions import (
    SHARED,
    SPECTRA_MENUS,
    TEM_MENUS,
    fill_menus,
    fill_toolbar,
    fill_tools,
    fit_separators,
    make_actions,
    set_icons,
    show_for_tab,
    update_enabled,
)
from nanoai_gui.gui.errors import ErrorDialog, ErrorReporter, default_log_path
from nanoai_gui.gui.exchange.exchange import Exchange
from nanoai_gui.gui.exports import Exports
from nanoai_gui.gui.helping import Helping
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.opening import Opening
from nanoai_gui.gui.projects.projects import Projects
from nanoai_gui.gui.projects.starting import go_on
from nanoai_gui.gui.remembering import Remembering, restore_methods
from nanoai_gui.gui.settings import SettingsStore
from nanoai_gui.gui.status import make_status_bar
from nanoai_gui.gui.tabs import SPECTRA, TEM, Tabs, Undoing, Zooming
from nanoai_gui.gui.tem.batch import Batch, BatchSummary, batch_messages
from nanoai_gui.gui.tem.entries import ImageState
from nanoai_gui.gui.tem.loading import ImageLoader
from nanoai_gui.gui.tem.methods import MethodCheck
from nanoai_gui.gui.tem.model_tools import ModelTools
from nanoai_gui.gui.tem.session import TemSession
from nanoai_gui.gui.tem.tem_tab import TemTab
from nanoai_gui.gui.tem.thumbnails import Thumbnails
from nanoai_gui.gui.theme import Theme
from nanoai_gui.gui.widgets.notice import Kind, NoticeArea
from nanoai_gui.gui.widgets.numbers import count

if TYPE_CHECKING:
    from nanoai_gui.core.files.opening import Opened
    from nanoai_gui.gui.spectra.part import SpectraPart

BUSY_MS = 300
"""Reading, or measuring again, that takes longer than this is shown in the status bar."""


class MainWindow(QMainWindow):
    """The window of NanoAI.

    Parameters
    ----------
    store, runner, theme, reporter
        What the application lends it; the window closes ``runner`` when it is closed.
    """

    def __init__(
        self, store: SettingsStore, runner: JobRunner, theme: Theme, reporter: ErrorReporter
    ) -> None:
        super().__init__()
        self.setWindowTitle("NanoAI")
        self.setAcceptDrops(True)
        self._store = store
        self._runner = runner
        self._theme = theme
        self._reporter = reporter
        self._error_dialog: ErrorDialog | None = None
        self.session = TemSession(self)
        restore_methods(self.session, store.values)
        self.loader = ImageLoader(self.session, runner, self)
        self.batch = Batch(self.session, runner, self)
        self.method_check = MethodCheck(self.session, runner, self)
        self.tab = TemTab(self.session, runner, Thumbnails(runner, parent=self))
        self.spectra: SpectraPart | None = None
        self.tabs = Tabs(self.tab, self._make_spectra)
        self.setCentralWidget(self.tabs)
        self.notices = NoticeArea(self.tabs.stack)
        self.helping = Helping(store, self.notices, self)
        self.opening = Opening(store, runner, lambda: self.tabs.is_spectra, self)
        self.projects = Projects(self.session, self.batch, runner, store, self.notices, reporter, self)
        self.exports = Exports(self.session, runner, store, self.notices, self)
        self.exchange = Exchange(self.session, runner, store, self.notices, self)
        self.model_tools = ModelTools(self.session, runner, store, self.notices, self.open_paths, self)
        bar, self.readout, self.busy = make_status_bar(self.session)
        self.setStatusBar(bar)
        self.actions_by_key = make_actions(self, self._handlers())
        self._build_menus_and_toolbar()
        self._enable_timer = self._single_shot(0, self._update_enabled)
        self._busy_timer = self._single_shot(BUSY_MS, self._show_busy)
        self._unreadable = ""
        self._connect()
        self._apply_theme()
        self._remembering = Remembering(store, self.session, self.tab, self)
        self._remembering.restore()
        self.actions_by_key["show_masks"].setChecked(self.tab.canvas.masks_visible)
        self.actions_by_key["show_outlines"].setChecked(self.tab.canvas.outlines_visible)
        self._on_tab()
        # Not the filter, which would swallow the letters that are shortcuts.
        self.tab.file_strip.view.setFocus()

    # ------------------------------------------------------------------ building

    def _handlers(self) -> dict[str, Callable[..., object]]:
        canvas = self.tab.canvas
        return {
            "open": self.opening.ask_for_files,
            "open_folder": self.opening.ask_for_folder,
            **self.projects.naming.handlers(),
            "export_tables": self.exports.ask_for_tables,
            "export_overlay": self.exports.ask_for_overlay,
            "export_histogram": self.exports.ask_for_histogram,
            **self.exchange.handlers,
            "quit": self.close,
            "previous": lambda: self._step(-1),
            "next": lambda: self._step(1),
            "calibrate": self.tab.calibrate,
            "choose_frame": self.tab.choose_frame,
            "show_in_folder": self._show_in_folder,
            "remove": self._remove,
            "analyse_current": self._analyse_current,
            "analyse_chosen": lambda: self.batch.start(self.tab.file_strip.chosen_keys()),
            "analyse_all": self._analyse_all,
            "measure_by_hand": self.tab.measuring.start,
            "review": self.tab.show_review,
            "cancel": self.batch.cancel,
            "synthesize": self.model_tools.open_synthesis,
            "train": self.model_tools.open_training,
            **self.tab.editing.handlers(),
            "undo": lambda: self._history.undo(),
            "redo": lambda: self._history.redo(),
            "import_labels": lambda: self._spectra.ask_for_labels(),
            "export_spectra": lambda: self._spectra.ask_for_export(),
            "zoom_fit": lambda: self._view.fit(),
            "zoom_actual": canvas.zoom_to_pixels,
            "zoom_in": lambda: self._view.zoom(1.25),
            "zoom_out": lambda: self._view.zoom(0.8),
            "show_masks": canvas.set_masks_visible,
            "show_outlines": canvas.set_outlines_visible,
            "show_residual": self.tab.residual.set_on,
            "theme_system": lambda _: self._set_theme("system"),
            "theme_light": lambda _: self._set_theme("light"),
            "theme_dark": lambda _: self._set_theme("dark"),
            "guide": self.helping.show_guide,
            "open_samples": self.opening.open_samples,
            "shortcuts": self.helping.show_shortcuts,
            "log": self.helping.show_log,
            "about": self.helping.show_about,
        }

    def _build_menus_and_toolbar(self) -> None:
        menus = self._menus = fill_menus(self.menuBar(), self.actions_by_key)
        first = menus["spectra"].actions()[0]
        menus["spectra"].insertActions(first, [self.actions_by_key[key] for key in SHARED])
        menus["spectra"].insertSeparator(first)
        menus["file"].insertMenu(self.actions_by_key["new_project"], self.opening.recent_menu)
        menus["file"].insertSeparator(self.actions_by_key["new_project"])
        menus["file"].insertMenu(self.actions_by_key["save_project"], self.projects.recent.menu)
        toolbar = self._toolbar = QToolBar("Commands", self)
        toolbar.setObjectName("toolbar")
        toolbar.setMovable(False)
        toolbar.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
        toolbar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        fill_toolbar(toolbar, self.actions_by_key)
        self.addToolBar(toolbar)
        fill_tools(self.tab.editing.bar.tools, self.actions_by_key)
        self.tab.editing.use_actions(self.actions_by_key)
        strip_menu = ("analyse_chosen", "choose_frame", "show_in_folder", "remove")
        self.tab.file_strip.set_menu_actions([self.actions_by_key[key] for key in strip_menu])

    def _single_shot(self, milliseconds: int, slot: Callable[[], object]) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(milliseconds)
        timer.timeout.connect(slot)
        return timer

    def _connect(self) -> None:
        session, batch, canvas = self.session, self.batch, self.tab.canvas
        for signal in (
            session.entries_added, session.entries_removed, session.entry_changed, session.current_changed,
            self.tab.file_strip.chosen_changed, batch.started, session.edited, session.selection_changed,
        ):  # fmt: skip
            signal.connect(self._enable_timer.start)
        batch.progress_changed.connect(self.busy.show_progress)
        batch.finished.connect(self._on_batch_finished)
        self.busy.stop_wanted.connect(batch.cancel)
        self.tab.editing.told.connect(self.notices.show)
        self.loader.failed.connect(self._on_unreadable)
        self.loader.busy_changed.connect(self._on_busy)
        self.tab.editing.remeasuring.under_way_changed.connect(self._on_busy)
        self.method_check.told.connect(lambda text: self.notices.show(text, Kind.WARNING))
        session.wanted_changed.connect(lambda: self.notices.remove(self._unreadable))
        session.current_changed.connect(self._update_title)
        canvas.cursor_moved.connect(self.readout.set_place)
        canvas.masks_toggled.connect(self.actions_by_key["show_masks"].setChecked)
        canvas.outlines_toggled.connect(self.actions_by_key["show_outlines"].setChecked)
        self.tab.residual.toggled.connect(self.actions_by_key["show_residual"].setChecked)
        self.tab.score.changed.connect(self.exports.set_least_score)
        self._reporter.reported.connect(self._on_failure)
        self._runner.failed.connect(self._reporter.report)
        self._theme.changed.connect(self._apply_theme)
        self.tabs.changed.connect(self._on_tab)
        self.opening.opened.connect(self._take_opened)
        self.opening.project_wanted.connect(
            lambda path, others: self.projects.open(path, then=lambda: self.open_paths(others))
        )
        self.projects.changed.connect(self._update_title)
        self.projects.opened.connect(
            lambda content: self.tabs.show_page(SPECTRA if content.is_only_spectra else TEM)
        )
        self.opening.remembered.connect(lambda: self._remembering.save_soon())

    # ------------------------------------------------------------------ the two tabs

    @property
    def _spectra(self) -> SpectraPart:
        """The spectra half; made now, if it was never shown."""
        if self.spectra is None:
            from nanoai_gui.gui.spectra.part import SpectraPart

            self.spectra = SpectraPart(self._store, self._runner, self._reporter, self.notices, self)
            self.spectra.changed.connect(self._enable_timer.start)
            self.spectra.session.current_changed.connect(self._update_title)
            self.spectra.loader.busy_changed.connect(self._on_busy)
            self._remembering.attach(self.spectra.tab)
            self.projects.attach_spectra(self.spectra.session)
            self.statusBar().insertWidget(1, self.spectra.tab.readout, 3)
        return self.spectra

    def _make_spectra(self) -> QWidget:
        return self._spectra.tab

    @property
    def _view(self) -> Zooming:
        """What the zoom commands are about."""
        return self._spectra.tab.map if self.tabs.is_spectra else self.tab.canvas

    def _on_tab(self) -> None:
        is_spectra = self.tabs.is_spectra
        show_for_tab(self.actions_by_key, is_spectra)
        for keys, shown in ((TEM_MENUS, not is_spectra), (SPECTRA_MENUS, is_spectra)):
            for key in keys:
                self._menus[key].menuAction().setVisible(shown)
        fit_separators(self._toolbar)
        self.readout.setVisible(not is_spectra)
        if self.spectra is not None:
            self.spectra.tab.readout.setVisible(is_spectra)
        self.notices.bring_to_front()
        self._update_title()
        self._update_enabled()

    @property
    def _history(self) -> Undoing:
        """What undo and redo are about."""
        return self._spectra.session.undo_stack if self.tabs.is_spectra else self.tab.editing.editor

    def _step(self, by: int) -> None:
        (self._spectra.session if self.tabs.is_spectra else self.session).step(by)

    def _remove(self) -> None:
        if self.tabs.is_spectra:
            self._spectra.remove_chosen()
        else:
            self.session.remove(self.tab.file_strip.chosen_keys())

    # ------------------------------------------------------------------ opening

    def open_paths(self, paths: Iterable[Path]) -> None:
        """Add files, and what folders hold, to the lists: images to the one, spectra to the other."""
        self.opening.open(paths)

    def begin(self, files: Iterable[Path]) -> None:
        """Open what the program was started with, or go on with the work of last time."""
        go_on(self.projects, self._store, self.notices, files, self.open_paths)

    def _take_opened(self, wanted: list[Path], found: Opened) -> None:
        for sentence in found.problems:
            self.notices.show(sentence, Kind.WARNING)
        if found.spectra:
            self._spectra.open(found)
        if found.images:
            keys = self.session.add_paths(found.images)
            if len(wanted) == 1 and len(keys) == 1:
                self.session.set_current(keys[0])
        if found.spectra and not found.images:
            self.tabs.show_page(SPECTRA)
        elif found.images and not found.spectra:
            self.tabs.show_page(TEM)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take files and folders, wherever on the window."""
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        """Keep taking them while they move."""
        event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open what was dropped."""
        event.acceptProposedAction()
        self.open_paths(Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile())

    def _on_unreadable(self, key: int, failure: Failure) -> None:
        if self.session.current is None:
            self._go_past(key)
        if failure.is_known:
            self._unreadable = str(failure)
            self.notices.show(self._unreadable, Kind.WARNING)
        else:
            self._reporter.report(failure)

    def _go_past(self, key: int) -> None:
        """Show the next image that may be readable: a broken first file must not leave the window empty."""
        keys = self.session.keys()
        for other in keys[keys.index(key) + 1 :] + keys[: keys.index(key)]:
            if not self.session.entry(other).is_unreadable:
                self.session.set_current(other)
                return

    def _busy_text(self) -> str:
        """Say what is under way that is short mostly; nothing if nothing is."""
        n = self.tab.editing.remeasuring.n_under_way
        if n:
            return f"Measuring {count(n, 'agglomerate')} again"
        if self.spectra is not None and self.spectra.loader.is_busy:
            return "Reading spectra"
        wanted = self.session.wanted
        if self.loader.is_busy and wanted is not None and wanted in self.session:
            return f"Reading {self.session.entry(wanted).name}"
        return ""

    def _on_busy(self, *_: object) -> None:
        """Follow what is short mostly, and is shown only where it is not."""
        if not self._busy_text():
            self._busy_timer.stop()
            if not self.batch.is_running:
                self.busy.hide()
        elif not self.busy.isHidden():
            self._show_busy()  # the end of one may leave another
        elif not self._busy_timer.isActive():
            self._busy_timer.start()

    def _show_busy(self) -> None:
        text = self._busy_text()
        if text and not self.batch.is_running:
            self.busy.show_busy(text)

    def _show_in_folder(self) -> None:
        if self.tabs.is_spectra:
            self._spectra.show_in_folder()
            return
        keys = self.tab.file_strip.chosen_keys()
        if keys:
            folder = self.session.entry(keys[0]).path.parent
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))

    # ------------------------------------------------------------------ analysing

    def _analyse_current(self) -> None:
        if self.session.current is not None:
            self.batch.start([self.session.current])

    def _analyse_all(self) -> None:
        keys = [entry.key for entry in self.session.entries() if entry.state is not ImageState.DONE]
        if keys:
            self.batch.start(keys)
        else:
            self.notices.show("Every image is measured with these settings already.")

    def _on_batch_finished(self, summary: BatchSummary) -> None:
        self.busy.hide()
        self._enable_timer.start()
        for text, kind in batch_messages(summary):
            self.notices.show(text, kind)
        self._on_busy()

    # ------------------------------------------------------------------ state of the window

    def _conditions(self) -> set[When]:
        if self.tabs.is_spectra:
            return self._spectra.conditions()
        session = self.session
        held = {
            When.ALWAYS: True,
            When.IMAGES: len(session) > 0,
            When.CHOSEN: bool(self.tab.file_strip.chosen_keys()),
            When.SHOWN: session.current is not None,
            When.MEASURED: any(entry.analysis is not None for entry in session.entries()),
            When.SHOWN_MEASURED: session.current_analysis is not None,
            When.RUNNING: self.batch.is_running,
        }
        return {condition for condition, holds in held.items() if holds} | self.tab.editing.conditions()

    def _update_enabled(self) -> None:
        update_enabled(self.actions_by_key, self._conditions())

    def _update_title(self) -> None:
        is_spectra = self.tabs.is_spectra
        entry = self._spectra.session.current_entry if is_spectra else self.session.current_entry
        parts = ("" if entry is None else entry.name, self.projects.title, "NanoAI")
        self.setWindowTitle(" - ".join(part for part in parts if part))

    def _set_theme(self, mode: str) -> None:
        self._store.values.theme = mode
        self._theme.set_mode(mode)
        self._remembering.save_soon()

    def _apply_theme(self) -> None:
        set_icons(self.actions_by_key, self._theme.tokens)
        self.actions_by_key[f"theme_{self._theme.mode}"].setChecked(True)

    def _on_failure(self, failure: Failure) -> None:
        if failure.is_known:
            self.notices.show(str(failure), Kind.WARNING)
            return
        if self._error_dialog is None:
            self._error_dialog = ErrorDialog(default_log_path(), self)
        self._error_dialog.add(failure)

    # ------------------------------------------------------------------ the end

    def closeEvent(self, event: QCloseEvent) -> None:
        """Stop the work, remember the window, and leave no process behind."""
        if not self.projects.may_close():
            event.ignore()
            return
        self.batch.cancel()
        for timer in (self._enable_timer, self._busy_timer):
            timer.stop()
        self.method_check.stop()
        self._remembering.save()
        self.notices.clear()
        self.model_tools.shut_down()
        self.tab.shut_down()
        if self.spectra is not None:
            self.spectra.shut_down()
        self._runner.close()
        self.projects.shut_down()
        self._store.save()
        event.accept()

    def createPopupMenu(self) -> QMenu | None:
        """Offer no menu to hide the toolbar with: nobody would find it again."""
        return None
