"""Finding every primary particle with a convolutional network, whatever its outline."""

from __future__ import annotations

from nanoai_gui.core.tem.detection.detections import DetectionParameters, Detections
from nanoai_gui.core.tem.detection.search import detect

__all__ = ["DetectionParameters", "Detections", "detect"]
