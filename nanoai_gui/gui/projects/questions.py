"""What a person is asked and told about projects: ways out, where to put one, and that it takes a while."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QFileDialog, QMessageBox, QWidget

from nanoai_gui.gui.projects.places import SUFFIX
from nanoai_gui.gui.widgets.notice import Kind, NoticeArea

Choice = tuple[str, Callable[[], object]]
SLOW_MS = 500
MOST_TOLD = 3
FILTER = f"NanoAI projects (*{SUFFIX})"


class Slow:
    """Says what is being done, if it takes longer than a moment."""

    def __init__(self, notices: NoticeArea, text: str) -> None:
        self._notices = notices
        self._text = text
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(lambda: notices.show(text))
        self._timer.start(SLOW_MS)

    def ended(self) -> None:
        """Say no more: it is done."""
        self._timer.stop()
        self._notices.remove(self._text)


def ask(window: QWidget, title: str, sentence: str, advice: str, choices: list[Choice]) -> QMessageBox:
    """Ask without holding up the window; every question can also be left by Cancel, which changes nothing.

    Parameters
    ----------
    choices
        What can be done, the safest first: text of its button, and what it does.
    """
    box = QMessageBox(QMessageBox.Icon.Warning, title, sentence, QMessageBox.StandardButton.Cancel, window)
    box.setInformativeText(advice)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    actions = {}
    for text, act in choices:
        actions[box.addButton(text, QMessageBox.ButtonRole.AcceptRole)] = act
    box.setDefaultButton(next(iter(actions)))

    def finished() -> None:
        act = actions.get(box.clickedButton())  # type: ignore[call-overload]
        if act is not None:
            act()

    box.finished.connect(finished)
    box.open()
    return box


def tell_problems(notices: NoticeArea, problems: Sequence[str], more: str = "") -> None:
    """Say what could not be read; of many only the first, and how many there are."""
    if not problems:
        return
    told = list(problems[:MOST_TOLD])
    if len(problems) > MOST_TOLD:
        told.append(f"So it is in {len(problems) - MOST_TOLD} more places.")
    notices.show(" ".join([*told, more]).strip(), Kind.WARNING)


def ask_for_project(window: QWidget, folder: str) -> Path | None:
    """Let a person choose a project to open."""
    file, _ = QFileDialog.getOpenFileName(window, "Open a project", folder, f"{FILTER};;All files (*)")
    return Path(file) if file else None


def ask_for_place(window: QWidget, title: str, proposal: Path) -> Path | None:
    """Let a person say where to put a project."""
    file, _ = QFileDialog.getSaveFileName(window, title, str(proposal), FILTER)
    if not file:
        return None
    path = Path(file)
    return path if path.suffix.lower() == SUFFIX else path.with_name(path.name + SUFFIX)
