"""The numbers beside the histogram: GMD and GSD with their intervals, and how far to trust them."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QDoubleSpinBox, QFrame, QGridLayout, QLabel, QScrollArea, QWidget

from nanoai_gui.core.tem.distribution import SizeDistribution
from nanoai_gui.gui.widgets.layout import GRID, HALF, column, row
from nanoai_gui.gui.widgets.numbers import DASH, count, grouped, interval, significant
from nanoai_gui.gui.widgets.warning import set_warning

VOLUME_CAUTION = "⚠ Too few particles for volume-weighted means: a few of the largest ones decide them."
INTERVAL_CAUTION = "⚠ Too few agglomerates for a trustworthy interval: the true value may well lie outside."


class StatisticsPanel(QScrollArea):
    """Every statistic of one distribution."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._distribution: SizeDistribution | None = None
        content = QWidget()
        layout = column(content, spacing=HALF, margin=HALF)
        grid = QGridLayout()
        grid.setHorizontalSpacing(GRID)
        grid.setVerticalSpacing(2)
        grid.setColumnStretch(1, 1)
        self._title = QLabel()
        self._title.setObjectName("title")
        self._title.hide()
        layout.addWidget(self._title)
        self._caution = QLabel()
        self._caution.setObjectName("caution")
        self._caution.setWordWrap(True)
        set_warning(self._caution, True)
        self._caution.hide()
        layout.addWidget(self._caution)
        layout.addLayout(grid)
        self._values: dict[str, QLabel] = {}
        for i, (key, title, tip) in enumerate(_ROWS):
            name = QLabel(title)
            name.setToolTip(tip)
            value = QLabel(DASH)
            value.setObjectName(key)
            value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            value.setToolTip(tip)
            if key in ("gmd", "gsd"):
                font = value.font()
                font.setBold(True)
                value.setFont(font)
                name.setFont(font)
            else:
                name.setForegroundRole(QPalette.ColorRole.PlaceholderText)
            grid.addWidget(name, i, 0)
            grid.addWidget(value, i, 1)
            self._values[key] = value
        layout.addLayout(self._make_planner())
        self._excluded = QLabel()
        self._excluded.setObjectName("excluded")
        self._excluded.setWordWrap(True)
        layout.addWidget(self._excluded)
        self.by_hand = QLabel()
        self.by_hand.setObjectName("byHand")
        self.by_hand.setWordWrap(True)
        self.by_hand.hide()
        layout.addWidget(self.by_hand)
        layout.addStretch(1)
        self.setWidget(content)
        # Wide enough for usual numbers, so that the plot does not change its width with every result.
        names = max(self.fontMetrics().horizontalAdvance(title) for _, title, _ in _ROWS)
        values = self._values["gmd"].fontMetrics().horizontalAdvance("888.8 nm  (888.8 … 888.8)")
        self.setMinimumWidth(names + values + 5 * GRID)

    @property
    def precision(self) -> QDoubleSpinBox:
        """The half-width of the interval, in percent, that a person wants to reach."""
        return self._precision

    def value(self, key: str) -> QLabel:
        """Give the label that shows a statistic."""
        return self._values[key]

    @property
    def needed(self) -> QLabel:
        """Say how many particles would reach the precision wanted."""
        return self._needed

    @property
    def excluded(self) -> QLabel:
        """Say what was left out, and why."""
        return self._excluded

    @property
    def caution(self) -> QLabel:
        """Say what is doubtful about the results pooled."""
        return self._caution

    def show_caution(self, text: str) -> None:
        """Show a doubt about the results pooled, or none."""
        self._caution.setText(text)
        self._caution.setVisible(bool(text))

    def set_provisional(self, is_provisional: bool) -> None:
        """Show the numbers faint while something is measured again that they rest on."""
        for label in self._values.values():
            label.setEnabled(not is_provisional)

    def show_distribution(self, distribution: SizeDistribution | None, title: str = "") -> None:
        """Show the statistics of a distribution, or dashes; ``title`` says whose, where it is not plain."""
        self._title.setText(title)
        self._title.setVisible(bool(title))
        self._distribution = distribution
        texts = {} if distribution is None else _texts(distribution)
        for key, label in self._values.items():
            label.setText(texts.get(key, DASH))
        doubts = {} if distribution is None else _doubts(distribution)
        for key, _, tip in _ROWS:
            self._values[key].setToolTip(f"{tip}\n\n{doubts[key]}" if key in doubts else tip)
        self._excluded.setText("" if distribution is None else excluded_text(distribution))
        self._excluded.setVisible(bool(self._excluded.text()))
        self._show_needed()

    def show_corrections(self, n: int, n_images: int) -> None:
        """Say how many corrections by hand the numbers rest on, and in how many images."""
        of = count(n_images, "image")
        self.by_hand.setText(f"Corrected by hand: {count(n, 'step')} in {of}" if n else "")
        self.by_hand.setVisible(n > 0)

    def _make_planner(self) -> QGridLayout:
        """One line: particles for ± [5 %]: 340."""
        line = QGridLayout()
        line.setHorizontalSpacing(GRID)
        line.setColumnStretch(1, 1)
        self._precision = QDoubleSpinBox()
        self._precision.setRange(0.1, 50)
        self._precision.setDecimals(1)
        self._precision.setSingleStep(1)
        self._precision.setValue(5)
        self._precision.setPrefix("± ")
        self._precision.setSuffix(" %")
        self._precision.setObjectName("precision")
        self._precision.valueChanged.connect(self._show_needed)
        tip = (
            "How many particles like these give a GMD within this range of the true one, with 95 %\n"
            "probability. Particles of one agglomerate resemble each other, which is taken into account."
        )
        name = QLabel("Needed for")
        name.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        self._needed = QLabel(DASH)
        self._needed.setObjectName("needed")
        self._needed.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        for widget in (name, self._precision, self._needed):
            widget.setToolTip(tip)
        pair = row(spacing=GRID)
        pair.addWidget(name)
        pair.addWidget(self._precision)
        line.addLayout(pair, 0, 0)
        line.addWidget(self._needed, 0, 1)
        return line

    def _show_needed(self) -> None:
        d = self._distribution
        needed = None if d is None else d.particles_needed(self._precision.value() / 100)
        if d is None or needed is None:
            self._needed.setText(DASH)
        elif d.n_particles >= needed:
            self._needed.setText(f"{grouped(needed)} ✓")
        else:
            self._needed.setText(grouped(needed))


_ROWS = (
    ("gmd", "GMD", "Geometric mean diameter, with its 95 % interval (bootstrap over agglomerates)"),
    ("gsd", "GSD", "Geometric standard deviation, with its 95 % interval (bootstrap over agglomerates)"),
    ("n", "n", "Particles, agglomerates and images measured"),
    ("quantiles", "D10 / Median / D90", "Number-weighted: 10, 50 and 90 % of the particles are smaller"),
    ("mean", "Mean ± SD", "Arithmetic mean and sample standard deviation"),
    ("volume", "D32 / D43", "Means weighted by surface (Sauter) and by volume (De Brouckere)"),
    ("fit", "Lognormal fit", "Largest gap between the measured and the fitted cumulative curve"),
)


def _texts(d: SizeDistribution) -> dict[str, str]:
    if d.n_particles == 0:
        return {"n": _counts(d)}
    doubt = "" if d.volume_statistics_reliable else " ⚠"
    unsure = "" if d.intervals_reliable or d.gmd_ci95 is None else " ⚠"
    return {
        "gmd": f"{significant(d.gmd)} {d.unit}{_range(d.gmd_ci95)}{unsure}",
        "gsd": f"{significant(d.gsd)}{_range(d.gsd_ci95)}{unsure}",
        "n": _counts(d),
        "quantiles": f"{significant(d.d10)} / {significant(d.d50)} / {significant(d.d90)} {d.unit}",
        "mean": f"{significant(d.mean)} ± {significant(d.sd, 2)} {d.unit}",
        "volume": f"{significant(d.d32)} / {significant(d.d43)} {d.unit}{doubt}",
        "fit": DASH if d.fit is None else f"off by {significant(100 * d.fit.largest_gap, 2)} %",
    }


def _doubts(d: SizeDistribution) -> dict[str, str]:
    """Give what the tooltip of a value adds to what it means."""
    texts = {}
    if d.n_particles and not d.volume_statistics_reliable:
        texts["volume"] = VOLUME_CAUTION
    if d.gmd_ci95 is not None and not d.intervals_reliable:
        texts["gmd"] = texts["gsd"] = INTERVAL_CAUTION
    if d.fit is not None:
        p = "p < 0.001" if d.fit.p_value < 0.001 else f"p = {d.fit.p_value:.3f}"
        texts["fit"] = (
            f"Anderson-Darling A*² = {significant(d.fit.anderson_darling)}, {p}.\n"
            "With thousands of particles any real sample is told from a lognormal one: judge by the gap."
        )
    return texts


def _range(ends: tuple[float, float] | None) -> str:
    return "" if ends is None else f"  ({interval(*ends)})"


def _counts(d: SizeDistribution) -> str:
    return f"{grouped(d.n_particles)} in {grouped(d.n_agglomerates)} aggl., {count(d.n_images, 'image')}"


def excluded_text(d: SizeDistribution) -> str:
    """Say which share of the agglomerates was left out and why; empty if none was."""
    if d.n_excluded == 0:
        return ""
    found = d.n_agglomerates + d.n_excluded
    reasons = ", ".join(f"{grouped(n)} {reason}" for reason, n in d.excluded_reasons.items())
    area = significant(100 * d.excluded_area_fraction, 2)
    return f"Left out: {grouped(d.n_excluded)} of {grouped(found)} agglomerates ({area} % of area): {reasons}"
