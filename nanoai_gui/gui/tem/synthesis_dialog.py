"""The dialog that makes synthetic micrographs: what they look like, seen at once, and where they go."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QFileDialog,
    QFrame,
    QGridLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSpinBox,
    QWidget,
)

from nanoai_gui.core.jobs import Failure, Priority
from nanoai_gui.core.tem.analysis import ImageRequest
from nanoai_gui.core.tem.segmentation import SegmentationParameters
from nanoai_gui.core.tem.synthesis.look import LARGEST_LOOK_PX, Look, look, resemble
from nanoai_gui.core.tem.synthesis.presets import PRESETS
from nanoai_gui.core.tem.synthesis.spec import Shape, SynthesisSpec
from nanoai_gui.core.tem.synthesis.write import TRUTH_FILE, write_images
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.widgets.layout import GRID, HALF, column, flat_button, keep_room, row
from nanoai_gui.gui.widgets.numbers import count
from nanoai_gui.gui.widgets.parameter_form import ParameterForm, Rule
from nanoai_gui.gui.widgets.picture import Picture
from nanoai_gui.gui.widgets.warning import set_warning

DEBOUNCE_MS = 200
MOST_IMAGES = 100_000
SIDE_WIDTH = 456


def _rules() -> dict[str, Rule]:
    """Say which values matter only together with others."""

    def fixed_population(spec: SynthesisSpec) -> bool:
        return not spec.vary_population

    def fixed_look(spec: SynthesisSpec) -> bool:
        return not spec.vary_look

    population = ("gsd", "aggregation", "overlap", "flatness", "shape", "roughness")
    appearance = (
        "contrast_kind", "contrast", "defocused", "halo_percent", "brightness", "gradient_percent",
        "film_percent", "film_grain_px", "blur_px", "dose", "read_noise", "detector_blur_px",
    )  # fmt: skip
    rules: dict[str, Rule] = dict.fromkeys(population, fixed_population)
    rules |= dict.fromkeys(appearance, fixed_look)
    rules["aspect_ratio"] = lambda spec: not spec.vary_population and spec.shape is not Shape.SPHERE
    rules["fringe_px"] = lambda spec: not spec.vary_look and spec.has_fringes
    return rules


@dataclasses.dataclass(frozen=True)
class Model:
    """The image to resemble: its name, how to read it, and how its agglomerates are found."""

    name: str
    request: ImageRequest
    segmentation: SegmentationParameters


class SynthesisDialog(QDialog):
    """Shows what the settings give, and makes as many images as wanted.

    It does not block the window; closing it stops what it does.

    Parameters
    ----------
    runner
        Runs everything that computes.
    folder
        Where to offer to put the images.
    """

    images_written = Signal(list, bool)
    """Paths of the images, and whether they should be opened."""

    def __init__(self, runner: JobRunner, folder: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runner = runner
        self._model: Model | None = None
        self._index = 0
        self._is_valid = True
        self._busy = ""
        self.setWindowTitle("Make synthetic images")
        # A window of its own, beside which the main window can be used.
        self.setWindowFlag(Qt.WindowType.WindowMinMaxButtonsHint, True)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(DEBOUNCE_MS)
        self._timer.timeout.connect(self._look)
        across = row(self, spacing=2 * GRID, margin=2 * GRID)
        across.addLayout(self._make_preview(), 1)
        across.addLayout(self._make_side(folder))
        self.resize(1084, 660)
        self._show_state()

    # ------------------------------------------------------------------ what is chosen

    @property
    def spec(self) -> SynthesisSpec:
        """What the images are like."""
        spec = self.form.values()
        assert isinstance(spec, SynthesisSpec)
        return spec

    def set_spec(self, spec: SynthesisSpec) -> None:
        """Show other settings, and what they give."""
        self.form.set_values(spec)
        self._refresh()

    def set_model(self, model: Model | None) -> None:
        """Offer an image to resemble, or none."""
        self._model = model
        self._show_state()

    # ------------------------------------------------------------------ how it is put together

    def _make_preview(self) -> QGridLayout:
        self.picture = Picture()
        self.facts = QLabel()
        self.back = flat_button("‹", "The image before this one", name="previousLook")
        self.forth = flat_button("›", "The next image of the series", name="nextLook")
        self.back.clicked.connect(lambda: self._step(-1))
        self.forth.clicked.connect(lambda: self._step(1))
        grid = QGridLayout()
        grid.setSpacing(GRID)
        grid.setColumnStretch(2, 1)
        grid.addWidget(self.picture, 0, 0, 1, 3)
        grid.addWidget(self.back, 1, 0)
        grid.addWidget(self.forth, 1, 1)
        grid.addWidget(self.facts, 1, 2)
        grid.setRowStretch(0, 1)
        return grid

    def _make_side(self, folder: Path) -> QGridLayout:
        self.preset = QComboBox()
        self.preset.setObjectName("preset")
        self.preset.setPlaceholderText("Own settings")
        self.preset.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        for preset in PRESETS:
            self.preset.addItem(preset.title, preset.name)
        self.preset.activated.connect(lambda i: self.set_spec(PRESETS[i].spec))
        self.resemble_button = QPushButton("Make it look like the image shown")
        self.resemble_button.setAutoDefault(False)
        self.resemble_button.setToolTip(
            "Take background, noise, blur, contrast and sizes from the image in the main window; shapes and "
            "aggregation have to be chosen by eye"
        )
        self.resemble_button.clicked.connect(self._resemble)
        self.form = ParameterForm(SynthesisSpec, _rules())
        self.form.values_changed.connect(lambda _: self._refresh())
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        inside = QWidget()
        layout = column(inside)
        layout.setContentsMargins(0, 0, GRID, 0)
        layout.addWidget(self.form)
        layout.addStretch(1)
        scroll.setWidget(inside)
        scroll.setFixedWidth(SIDE_WIDTH)

        grid = QGridLayout()
        grid.setHorizontalSpacing(GRID)
        grid.setVerticalSpacing(GRID)
        grid.setColumnStretch(1, 1)
        grid.addWidget(QLabel("Start from"), 0, 0)
        grid.addWidget(self.preset, 0, 1)
        grid.addWidget(self.resemble_button, 1, 0, 1, 2)
        grid.addWidget(scroll, 2, 0, 1, 2)
        grid.setRowStretch(2, 1)
        self._add_output(grid, 3, folder)
        return grid

    def _add_output(self, grid: QGridLayout, at: int, folder: Path) -> None:
        self.number = _spin(1, MOST_IMAGES, 10, "Images")
        self.seed = _spin(0, 2**31 - 1, 1, "Seed")
        self.seed.setToolTip("The same settings and seed give the same images")
        self.seed.valueChanged.connect(self._refresh)
        self.single = QCheckBox("One agglomerate per image")
        self.single.setToolTip("In an image just large enough, as networks are trained on")
        self.single.toggled.connect(self._refresh)
        self.folder = QLineEdit(str(folder))
        self.folder.setAccessibleName("Folder")
        self.folder.textChanged.connect(self._show_state)
        browse = QPushButton("Browse…")
        browse.setAutoDefault(False)
        browse.clicked.connect(self._browse)
        self.open_after = QCheckBox("Open them in the list when done")
        self.open_after.setChecked(True)
        numbers = row()
        numbers.addWidget(self.number, 1)
        numbers.addWidget(QLabel("Seed"))
        numbers.addWidget(self.seed, 1)
        place = row(spacing=HALF)
        place.addWidget(self.folder, 1)
        place.addWidget(browse)
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(12)
        keep_room(self.bar)
        self.state = QLabel()
        self.state.setWordWrap(True)
        self.state.setMinimumHeight(2 * self.fontMetrics().lineSpacing())
        self.state.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.make_button = QPushButton("Make images")
        self.make_button.setDefault(True)
        self.make_button.clicked.connect(self._make_or_stop)
        close = QPushButton("Close")
        close.setAutoDefault(False)
        close.clicked.connect(self.close)
        buttons = row()
        buttons.addWidget(self.bar, 1)
        buttons.addWidget(close)
        buttons.addWidget(self.make_button)
        grid.addWidget(QLabel("Images"), at, 0)
        grid.addLayout(numbers, at, 1)
        grid.addWidget(QLabel("Folder"), at + 1, 0)
        grid.addLayout(place, at + 1, 1)
        # As wide as their words: a click beside those does nothing.
        grid.addWidget(self.single, at + 2, 1, Qt.AlignmentFlag.AlignLeft)
        grid.addWidget(self.open_after, at + 3, 1, Qt.AlignmentFlag.AlignLeft)
        grid.addWidget(self.state, at + 4, 0, 1, 2)
        grid.addLayout(buttons, at + 5, 0, 1, 2)

    # ------------------------------------------------------------------ the preview

    def _refresh(self) -> None:
        """Show anew what the settings give, once a person pauses."""
        place = next((i for i, p in enumerate(PRESETS) if p.spec == self.spec), -1)
        self.preset.setCurrentIndex(place)
        self.picture.set_stale()
        self._timer.start()

    def _step(self, by: int) -> None:
        self._index = max(self._index + by, 0)
        self._refresh()

    def _look(self) -> None:
        self.back.setEnabled(self._index > 0)
        self._runner.run(
            look, self.spec, self.seed.value(), self._index, self.single.isChecked(),
            on_done=self._show_look, on_error=self._show_problem, key=(self, "look"),
        )  # fmt: skip

    def _show_look(self, made: Look) -> None:
        self._is_valid = True
        self.picture.set_grey(made.grey)
        spec = self.spec
        whole = self.single.isChecked() or max(spec.width_px, spec.height_px) <= LARGEST_LOOK_PX
        size = "" if whole else f", {made.grey.shape[1]} × {made.grey.shape[0]} px of it"
        self.facts.setText(
            f"Image {self._index + 1}{size}: {count(made.n_agglomerates, 'agglomerate')}, "
            f"{count(made.n_particles, 'particle')}"
        )
        self._show_state()

    def _show_problem(self, failure: Failure) -> None:
        self._is_valid = False
        self.facts.clear()
        self.picture.set_message(str(failure))
        self._show_state()
        if not failure.is_known:
            self._runner.failed.emit(failure)

    # ------------------------------------------------------------------ resembling

    def _resemble(self) -> None:
        if self._model is None:
            return
        self._start(f"Looking at {self._model.name}")
        size = self.spec.width_px, self.spec.height_px

        def done(spec: SynthesisSpec) -> None:
            # Images of the size that was chosen: the real one may be many times larger than a look takes.
            self._end("Shapes and aggregation are not in the image's numbers: choose them by eye.")
            self.set_spec(dataclasses.replace(spec, width_px=size[0], height_px=size[1]))

        self._run(resemble, self._model.request, self._model.segmentation, on_done=done)

    # ------------------------------------------------------------------ making

    def _make_or_stop(self) -> None:
        if self._busy:
            self._runner.cancel((self, "work"))
            self._end("Stopped. Images already made are in the folder.")
            return
        folder = Path(self.folder.text().strip()).expanduser()
        self._start("Making images")
        write = partial(write_images, single_agglomerates=self.single.isChecked())

        def done(paths: tuple[Path, ...]) -> None:
            self._end(f"{count(len(paths), 'image')} and {TRUTH_FILE} are in {folder}.")
            self.images_written.emit(list(paths), self.open_after.isChecked())

        self._run(write, self.spec, self.number.value(), self.seed.value(), folder, on_done=done)

    def _run(self, task: Callable[..., object], *args: object, on_done: Callable[..., None]) -> None:
        def failed(failure: Failure) -> None:
            self._end(str(failure), is_problem=True)
            if not failure.is_known:
                self._runner.failed.emit(failure)

        self._runner.run(
            task, *args, on_done=on_done, on_error=failed, on_progress=self._show_progress,
            key=(self, "work"), priority=Priority.BATCH,
        )  # fmt: skip

    def _start(self, text: str) -> None:
        self._busy = text
        self.bar.setValue(0)
        self._say(f"{text} …")
        self._show_state()

    def _end(self, text: str, is_problem: bool = False) -> None:
        self._busy = ""
        self.bar.setValue(0)
        self._say(text, is_problem)
        self._show_state()

    def _show_progress(self, fraction: float, message: str) -> None:
        self.bar.setValue(round(1000 * fraction))
        self._say(f"{message} …")

    def _say(self, text: str, is_problem: bool = False) -> None:
        self.state.setText(text)
        set_warning(self.state, is_problem)

    def _browse(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Put the images into", self.folder.text())
        if folder:
            self.folder.setText(folder)

    def _show_state(self) -> None:
        is_busy = bool(self._busy)
        self.make_button.setText("Stop" if is_busy else "Make images")
        self.make_button.setEnabled(is_busy or (self._is_valid and bool(self.folder.text().strip())))
        self.resemble_button.setEnabled(self._model is not None and not is_busy)
        for widget in (self.number, self.seed, self.folder, self.single, self.form, self.preset):
            widget.setEnabled(not is_busy)
        self.bar.setVisible(is_busy)

    def showEvent(self, event: object) -> None:
        """Begin with a look."""
        super().showEvent(event)  # type: ignore[arg-type]
        if self.picture.image is None:
            self._refresh()

    def reject(self) -> None:
        """Stop what is going on (closing the window and Escape lead here)."""
        self.shut_down()
        super().reject()

    def shut_down(self) -> None:
        """Stop what is going on; nothing comes back after."""
        self._timer.stop()
        self._runner.cancel((self, "look"))
        self._runner.cancel((self, "work"))
        if self._busy:
            self._end("Stopped.")


def _spin(low: int, high: int, value: int, name: str) -> QSpinBox:
    box = QSpinBox()
    box.setRange(low, high)
    box.setValue(value)
    box.setKeyboardTracking(False)
    box.setAlignment(Qt.AlignmentFlag.AlignRight)
    box.setAccessibleName(name)
    return box
