"""What is known of the particle under the mouse, in a few lines."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from PySide6.QtCore import QEvent, QObject, QPointF
from PySide6.QtGui import QHelpEvent
from PySide6.QtWidgets import QToolTip

from nanoai_gui.core.tem.particles import Particles, Status
from nanoai_gui.gui.tem.canvas import MicrographCanvas
from nanoai_gui.gui.widgets.numbers import significant

DOUBTFUL = "To check: the fit does not describe this particle, so the network's outline is shown."


def describe(particles: Particles, ident: int, nm_per_px: float | None) -> str:
    """Write the lines for one particle; empty if it is not among them."""
    rows = np.flatnonzero(particles.ids == ident)
    if not len(rows):
        return ""
    row = int(rows[0])
    scale, unit = (1.0, "px") if nm_per_px is None else (nm_per_px, "nm")
    diameter, error = float(particles.diameter_px[row]), float(particles.uncertainty_px[row])
    size = f"d = {significant(diameter * scale, 4)} {unit}"
    by_hand = particles.status[row] != Status.AUTO
    if math.isfinite(error) and not by_hand:
        size = f"d = {significant(diameter * scale, 4)} ± {significant(error * scale, 2)} {unit}"
    if nm_per_px is not None:
        size += f" ({significant(diameter, 4)} px)"
    lines = [f"Particle {ident} of agglomerate {particles.agglomerate[row]}", size]
    score = float(particles.score[row])
    if math.isfinite(score) and not by_hand:
        lines.append(f"Score {score:.2f}")
    if by_hand:
        lines.append("Placed by hand" if particles.status[row] == Status.ADDED else "Changed by hand")
    elif particles.flagged[row]:
        lines.append(DOUBTFUL)
    return "\n".join(lines)


class ParticleHint(QObject):
    """Answers the canvas's wish for a tooltip.

    Parameters
    ----------
    particles
        Gives the particles on show and the pixel size in nm, if known.
    """

    def __init__(
        self, canvas: MicrographCanvas, particles: Callable[[], tuple[Particles, float | None]]
    ) -> None:
        super().__init__(canvas)
        self._canvas = canvas
        self._particles = particles
        canvas.installEventFilter(self)

    def text_at(self, at: QPointF) -> str:
        """Write what is known of the particle at a position of the canvas."""
        picture = self._canvas.picture
        if picture is None or self._canvas.is_peeking:
            return ""
        hit = picture.hit(*self._canvas.to_image(at))
        return describe(self._particles()[0], hit.particle, self._particles()[1]) if hit.particle else ""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Show the tooltip."""
        if event.type() != QEvent.Type.ToolTip or not isinstance(event, QHelpEvent):
            return False
        text = self.text_at(event.pos().toPointF())
        if text:
            QToolTip.showText(event.globalPos(), text, self._canvas)
        else:
            QToolTip.hideText()
        return True
