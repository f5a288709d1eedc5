"""The guide: pages of Markdown with pictures, shown by the program itself and without any network."""

from __future__ import annotations

import re
from pathlib import Path

from PySide6.QtCore import QEvent, Qt, QUrl
from PySide6.QtGui import (
    QColor,
    QDesktopServices,
    QImage,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
)
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QSplitter,
    QTextBrowser,
    QWidget,
)

from nanoai_gui.core.resources import resource
from nanoai_gui.gui.theme import tokens
from nanoai_gui.gui.widgets.layout import GRID

FOLDER = "guide"
LINE_HEIGHT = 125
"""Percent."""
OBJECT = "\N{OBJECT REPLACEMENT CHARACTER}"
"""What stands in a text for a picture."""
WIDEST_PICTURE = 640
"""Pictures are drawn no wider than this, in px that do not depend on the screen."""


def pages() -> list[tuple[str, Path]]:
    """Give title and file of every page, in order of their file names."""
    found = []
    for path in sorted(resource(FOLDER).glob("*.md")):
        heading = re.search(r"^# (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
        found.append((heading[1] if heading else path.stem, path))
    return found


class GuideBrowser(QTextBrowser):
    """Shows a page in the colours of the theme; ``NAME.png`` is taken as ``NAME_dark.png`` in the dark."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setOpenLinks(False)
        self.setFrameShape(QTextBrowser.Shape.NoFrame)
        self.page: Path | None = None

    def show_page(self, path: Path) -> None:
        """Show a page from its beginning."""
        self.page = path
        self.setMarkdown(path.read_text(encoding="utf-8"))
        self._set_type()
        self.verticalScrollBar().setValue(0)

    def _set_type(self) -> None:
        """Give the text air and the theme's colours, for which Qt's reader of Markdown has no means."""
        accent = QColor(tokens(self.palette()).accent)
        document = self.document()
        document.setDocumentMargin(2 * GRID)
        cursor = QTextCursor(document)
        block = document.begin()
        while block.isValid():
            cursor.setPosition(block.position())
            layout = QTextBlockFormat()
            # The height of a line with a picture in it is that of the picture.
            height = 100 if OBJECT in block.text() else LINE_HEIGHT
            layout.setLineHeight(height, QTextBlockFormat.LineHeightTypes.ProportionalHeight.value)
            level = block.blockFormat().headingLevel()
            in_table = cursor.currentTable() is not None
            layout.setTopMargin(2 * GRID if level > 1 else (GRID // 2 if in_table else 0))
            layout.setBottomMargin(GRID // 2 if level or in_table or block.textList() else GRID)
            cursor.mergeBlockFormat(layout)
            if level:
                cursor.movePosition(QTextCursor.MoveOperation.EndOfBlock, QTextCursor.MoveMode.KeepAnchor)
                colour = QTextCharFormat()
                colour.setForeground(accent)
                cursor.mergeCharFormat(colour)
            block = block.next()

    def loadResource(self, kind: int, name: QUrl | str) -> object:
        """Give the pictures of a page; nothing is ever fetched from elsewhere."""
        url = QUrl(name)
        if self.page is None or url.scheme() not in ("", "file"):
            return None
        path = self.page.parent / Path(url.path()).name
        if tokens(self.palette()).is_dark:
            dark = path.with_name(f"{path.stem}_dark{path.suffix}")
            path = dark if dark.exists() else path
        image = QImage(str(path))
        if image.width() > WIDEST_PICTURE:
            image.setDevicePixelRatio(image.width() / WIDEST_PICTURE)
        return image

    def changeEvent(self, event: QEvent) -> None:
        """Draw the page anew in the colours of a new theme."""
        super().changeEvent(event)
        if event.type() is QEvent.Type.PaletteChange and self.page is not None:
            self.show_page(self.page)


class GuideWindow(QDialog):
    """The pages by title, and the one at hand."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Guide to NanoAI")
        self.setWindowFlag(Qt.WindowType.WindowMaximizeButtonHint, True)
        self.contents = QListWidget()
        self.contents.setAccessibleName("Contents")
        self.contents.setSpacing(GRID // 4)
        self.browser = GuideBrowser()
        for title, path in pages():
            item = QListWidgetItem(title)
            item.setData(Qt.ItemDataRole.UserRole, str(path))
            self.contents.addItem(item)
        self.contents.currentItemChanged.connect(self._show)
        self.browser.anchorClicked.connect(self._follow)
        splitter = QSplitter()
        splitter.addWidget(self.contents)
        splitter.addWidget(self.browser)
        splitter.setStretchFactor(1, 1)
        splitter.setSizes([190, 710])
        splitter.setChildrenCollapsible(False)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(GRID, GRID, GRID, GRID)
        layout.addWidget(splitter)
        self.resize(940, 680)
        self.contents.setCurrentRow(0)

    def _show(self, item: QListWidgetItem | None) -> None:
        if item is not None:
            self.browser.show_page(Path(item.data(Qt.ItemDataRole.UserRole)))

    def _follow(self, link: QUrl) -> None:
        """Turn to another page; a web address is handed to the person's own browser."""
        if link.scheme() in ("http", "https"):
            QDesktopServices.openUrl(link)
            return
        for row in range(self.contents.count()):
            if Path(self.contents.item(row).data(Qt.ItemDataRole.UserRole)).name == link.path():
                self.contents.setCurrentRow(row)
