"""The grid on which the particle network answers, and the meaning of its channels."""

from __future__ import annotations

from nanoai_gui.core.tem.synthesis.contours import N_ANGLES

STRIDE = 2
"""The network answers for every second px of what it sees, either way."""
ALIGNMENT = 16
"""Tiles start and end at multiples of this many px, so that every tile is pooled in the same blocks."""
LOWEST, HIGHEST = -0.6, 1.6
"""Contrast the network sees; beyond lie saturated holes and hot pixels."""
CENTRE, COVERED, SPREAD, SHIFT_X, SHIFT_Y = range(5)
"""Channels: logit of a particle's centre, logit of material, logarithm of the error of the logarithmic
radius, way from here to the centre in px of the network's image."""
RADIAL = 5
"""First of the channels that hold the logarithms of the distances from the centre to the outline."""
N_CHANNELS = RADIAL + N_ANGLES
