"""Training as one call, for a worker process of the window."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nanoai_gui.core.callbacks import Cancelled, Progress
from nanoai_gui.core.spectra.spectral_set import SpectralSet
from nanoai_gui.core.spectra.training import TrainedSpectra, TrainingSettings, gather, train_spectra
from nanoai_gui.core.worker import Packed, unpack

TELL_SECONDS = 0.1
LossCurve = list[float]
"""Cross-entropy of one network, epoch by epoch."""


@dataclass(frozen=True)
class LiveMessage:
    """What a training says while it runs: a sentence, which network learns, and its losses so far."""

    text: str
    network: int
    curve: LossCurve


def train_task(
    packed: Packed | SpectralSet,
    label: str,
    group: str | None,
    settings: TrainingSettings,
    progress: Progress,
    cancelled: Cancelled,
) -> TrainedSpectra:
    """Train, with the loss curve told within the messages of the progress (see :func:`read_message`).

    Raises
    ------
    NanoAIError
        As :func:`~nanoai_gui.core.spectra.training.gather` and
        :func:`~nanoai_gui.core.spectra.training.train_spectra`.
    """
    spectra: SpectralSet = unpack(packed) if isinstance(packed, Packed) else packed
    live = _Live(progress)
    trained = train_spectra(gather(spectra, label, group), settings, live.progress, cancelled, live.loss)
    live.flush()
    return trained


def as_training_spectra(spectra: SpectralSet) -> SpectralSet:
    """Leave out of a set what training does not look at (picture and map), before it travels."""
    return SpectralSet(
        np.ascontiguousarray(spectra.intensities), spectra.axis, spectra.columns, laser_nm=spectra.laser_nm
    )


@dataclass
class _Live:
    """Puts the newest loss curve into messages, which may get lost on the way: so each holds it whole."""

    tell: Progress
    fraction: float = 0.0
    text: str = ""
    network: int = -1
    curve: LossCurve = field(default_factory=list)
    last: float = 0.0
    untold: bool = False

    def progress(self, fraction: float, message: str) -> None:
        self.fraction, self.text = fraction, message
        self._tell()

    def loss(self, member: int, epoch: int, value: float) -> None:
        if epoch == 0:
            self.flush()
            self.network, self.curve = self.network + 1, []
        self.curve.append(round(value, 6))
        self.untold = True
        self._tell()

    def flush(self) -> None:
        """Tell the end of a curve too, however fast the network was trained."""
        if self.untold:
            self._say()

    def _tell(self) -> None:
        if time.monotonic() - self.last >= TELL_SECONDS:
            self._say()

    def _say(self) -> None:
        self.last, self.untold = time.monotonic(), False
        content = {"text": self.text, "network": self.network, "curve": self.curve}
        self.tell(self.fraction, json.dumps(content))


def read_message(message: str) -> LiveMessage:
    """Take a message of :func:`train_task` apart."""
    content: dict[str, Any] = json.loads(message)
    return LiveMessage(str(content["text"]), int(content["network"]), [float(v) for v in content["curve"]])
