"""The dialog that asks what the outlines of a file are, and where they go."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtGui import QPalette
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QLabel,
    QWidget,
)

from nanoai_gui.core.exchange.reading import Choice, Outlines
from nanoai_gui.core.exchange.shapes import Role
from nanoai_gui.core.tem.sizing import HAND_MODULES, get_method
from nanoai_gui.gui.widgets.layout import GRID, column, row
from nanoai_gui.gui.widgets.numbers import count

MANUAL = next(iter(HAND_MODULES))
WIDTH = 460


class ImportDialog(QDialog):
    """Offers what a file holds; nothing changes before Import is pressed, and all of it is one step.

    Parameters
    ----------
    outlines
        What was read.
    image
        Name of the image it goes into.
    methods
        Methods that have measured this image.
    """

    def __init__(
        self, outlines: Outlines, image: str, methods: Sequence[str], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._outlines = outlines
        self.setWindowTitle("Import outlines")
        self.setMinimumWidth(WIDTH)
        n_agglomerates = outlines.count(Role.AGGLOMERATE)
        n_particles = outlines.count(Role.PARTICLE)
        n_unnamed = outlines.count(None)
        head = QLabel(f"{outlines.path.name}, for {image}")
        head.setWordWrap(True)
        grid = QGridLayout()
        grid.setHorizontalSpacing(GRID)
        grid.setVerticalSpacing(GRID)
        grid.setColumnStretch(1, 1)
        self.role = QComboBox()
        self.role.setObjectName("role")
        self.role.addItem("agglomerates", Role.AGGLOMERATE)
        self.role.addItem("primary particles", Role.PARTICLE)
        self._role_label = QLabel(f"The {count(n_unnamed, 'outline')} are" if n_unnamed else "")
        if n_unnamed:
            grid.addWidget(self._role_label, 0, 0)
            grid.addWidget(self.role, 0, 1)
        # Circles are rarely agglomerates; outlines along pixels rarely single particles.
        circles = sum(shape.circle is not None for shape in outlines.shapes)
        self.role.setCurrentIndex(1 if circles * 2 > max(len(outlines.shapes), 1) else 0)
        self.agglomerates = QCheckBox(f"Take {count(n_agglomerates, 'agglomerate')}")
        self.agglomerates.setToolTip("They take the place of all agglomerates of the image")
        self.agglomerates.setChecked(n_agglomerates > 0)
        self.particles = QCheckBox(f"Take {count(n_particles, 'primary particle')}")
        self.particles.setChecked(n_particles > 0)
        if n_agglomerates:
            grid.addWidget(self.agglomerates, 1, 0, 1, 2)
        if n_particles:
            grid.addWidget(self.particles, 2, 0, 1, 2)
        self.method = QComboBox()
        self.method.setObjectName("method")
        for name in dict.fromkeys((MANUAL, *methods)):
            self.method.addItem(get_method(name).TITLE, name)
        self.method.setCurrentIndex(max(self.method.findData(outlines.method), 0))
        self.method.setToolTip("The sizing method under which the particles stand in tables and histograms")
        self.replaces = QCheckBox("in the place of those that are there")
        self.replaces.setChecked(True)
        self._under = QLabel("Particles go to")
        grid.addWidget(self._under, 3, 0)
        beside = row(spacing=GRID)
        beside.addWidget(self.method)
        beside.addWidget(self.replaces, 1)
        grid.addLayout(beside, 3, 1)
        self.notes = QLabel("\n".join(outlines.notes))
        self.notes.setWordWrap(True)
        self.notes.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self.notes.setVisible(bool(outlines.notes))
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.accept_button = self.buttons.addButton("Import", QDialogButtonBox.ButtonRole.AcceptRole)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        layout = column(self, spacing=GRID, margin=2 * GRID)
        layout.addWidget(head)
        layout.addLayout(grid)
        layout.addWidget(self.notes)
        layout.addStretch(1)
        layout.addWidget(self.buttons)
        # Only now, as a part of the dialog, can it be the default.
        self.accept_button.setDefault(True)
        for box in (self.agglomerates, self.particles):
            box.toggled.connect(self._update)
        self.role.currentIndexChanged.connect(self._update)
        self._update()

    @property
    def choice(self) -> Choice:
        """What a person wants."""
        unnamed = self._outlines.count(None) > 0
        # Qt gives the bare text back.
        default = Role(self.role.currentData())
        return Choice(
            agglomerates=self.agglomerates.isChecked() or (unnamed and default is Role.AGGLOMERATE),
            particles=self.particles.isChecked() or (unnamed and default is Role.PARTICLE),
            default=default,
            method=str(self.method.currentData()),
            replaces=self.replaces.isChecked(),
        )

    def _update(self) -> None:
        choice = self.choice
        for widget in (self._under, self.method, self.replaces):
            widget.setEnabled(choice.particles)
        self.accept_button.setEnabled(choice.agglomerates or choice.particles)
