"""The dialog that asks what is to be written for other programs, and in which format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QLabel,
    QWidget,
)

from nanoai_gui.core.exchange.export import Format
from nanoai_gui.core.tem.sizing import get_method
from nanoai_gui.gui.widgets.layout import GRID, HALF, column, row
from nanoai_gui.gui.widgets.numbers import count

WIDTH = 460


@dataclass(frozen=True, slots=True)
class OutlineFormat:
    """One entry of the list of formats: its name, the suffix of its files and what it is good for."""

    title: str
    format: Format
    suffix: str
    hint: str


FORMATS = (
    OutlineFormat(
        "ImageJ regions (.zip)", Format.IMAGEJ, ".zip",
        "For the ROI Manager of ImageJ and Fiji. Names carry the ids: A12, P3-A12.",
    ),
    OutlineFormat(
        "COCO annotations (.json)", Format.COCO, ".json",
        "For annotation tools and for training networks. Polygons, one file for all images.",
    ),
    OutlineFormat(
        "Label image, TIFF (.tif)", Format.LABELS, ".tif",
        "Every pixel holds its id; 16 bits, or 32 where an id is above 65535.",
    ),
    OutlineFormat(
        "Label image, PNG (.png)", Format.LABELS, ".png", "Every pixel holds its id, up to 65535."
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ExportChoice:
    """What a person wants written; ``method`` is empty without particles."""

    format: OutlineFormat
    agglomerates: bool
    method: str
    all_images: bool


class ExportDialog(QDialog):
    """Asks for format, content and images.

    Parameters
    ----------
    methods
        Those that measured the image shown; the first is proposed.
    n_images
        How many images were measured.
    """

    def __init__(self, methods: Sequence[str], n_images: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export outlines")
        self.setMinimumWidth(WIDTH)
        self.format = QComboBox()
        self.format.setObjectName("format")
        for entry in FORMATS:
            self.format.addItem(entry.title, entry)
        self.hint = QLabel()
        self.hint.setWordWrap(True)
        self.agglomerates = QCheckBox("Agglomerates")
        self.agglomerates.setChecked(True)
        self.particles = QCheckBox("Primary particles of")
        self.particles.setChecked(bool(methods))
        self.method = QComboBox()
        self.method.setObjectName("method")
        for name in methods:
            self.method.addItem(get_method(name).TITLE, name)
        self.images = QComboBox()
        self.images.setObjectName("images")
        self.images.addItem("this image", False)
        if n_images > 1:
            self.images.addItem(f"all measured images ({count(n_images, 'image')})", True)
        grid = QGridLayout()
        grid.setHorizontalSpacing(GRID)
        grid.setVerticalSpacing(GRID)
        grid.setColumnStretch(1, 1)
        grid.addWidget(QLabel("Format"), 0, 0)
        grid.addWidget(self.format, 0, 1)
        grid.addWidget(self.hint, 1, 1)
        grid.addWidget(QLabel("Write"), 2, 0)
        grid.addWidget(self.agglomerates, 2, 1)
        beside = row(spacing=HALF)
        beside.addWidget(self.particles)
        beside.addWidget(self.method, 1)
        grid.addLayout(beside, 3, 1)
        grid.addWidget(QLabel("Of"), 4, 0)
        grid.addWidget(self.images, 4, 1)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.accept_button = self.buttons.addButton("Export...", QDialogButtonBox.ButtonRole.AcceptRole)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        layout = column(self, spacing=2 * GRID, margin=2 * GRID)
        layout.addLayout(grid)
        layout.addStretch(1)
        layout.addWidget(self.buttons)
        # Only now, as a part of the dialog, can it be the default.
        self.accept_button.setDefault(True)
        self.format.currentIndexChanged.connect(self._update)
        self.agglomerates.toggled.connect(self._update)
        self.particles.toggled.connect(self._update)
        self._update()

    @property
    def choice(self) -> ExportChoice:
        """What a person wants."""
        has_particles = self.particles.isChecked() and self.method.count() > 0
        return ExportChoice(
            self.format.currentData(),
            self.agglomerates.isChecked(),
            str(self.method.currentData()) if has_particles else "",
            bool(self.images.currentData()),
        )

    def _update(self) -> None:
        choice = self.choice
        both = choice.agglomerates and choice.method and choice.format.format is Format.LABELS
        self.hint.setText(
            choice.format.hint + (" Agglomerates and particles go to files of their own." if both else "")
        )
        self.particles.setEnabled(self.method.count() > 0)
        self.method.setEnabled(bool(choice.method))
        self.accept_button.setEnabled(choice.agglomerates or bool(choice.method))
