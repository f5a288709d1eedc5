"""One training, in processes of its own beside those of the window, told to the window as signals."""

from __future__ import annotations

import contextlib
import threading
import time

from PySide6.QtCore import QObject, Qt, Signal

from nanoai_gui.core.callbacks import OperationCancelled
from nanoai_gui.core.jobs import WorkerPool, usable_cores
from nanoai_gui.core.tem.networks.make import LossCurves, TrainingPlan, make_model
from nanoai_gui.gui.errors import failure_of

NICENESS = 10
"""Training gives way to everything else a person does meanwhile."""
SURE_AFTER = 0.02
"""Share of the work after which a guess of the time left is worth showing."""


class TrainingRun(QObject):
    """Trains once; a thread that mostly waits leads the processes and ends them with it.

    A pool of its own: training takes all cores for minutes, and the window's must stay free for clicks.
    """

    progressed = Signal(float, str, object)
    """Share done, what is being done, and the seconds left or ``None``."""
    curves_changed = Signal(object)
    """All :data:`LossCurves` so far."""
    succeeded = Signal(object, object)
    """The model and its report."""
    failed = Signal(object)
    """A :class:`Failure`."""
    stopped = Signal()
    _came = Signal(object, tuple)

    def __init__(self, plan: TrainingPlan, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._plan = plan
        self._cancel = threading.Event()
        self._began = time.monotonic()
        self._came.connect(self._tell, Qt.ConnectionType.QueuedConnection)
        self._thread = threading.Thread(target=self._work, name="nanoai-training", daemon=True)

    @property
    def is_running(self) -> bool:
        """Whether its processes still run."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def cancel(self) -> None:
        """Stop soon; ``stopped`` tells when it has."""
        self._cancel.set()

    def close(self) -> None:
        """Stop, and wait until its processes are gone (some tenths of a second)."""
        self._cancel.set()
        if self._thread.is_alive():
            self._thread.join()

    # ------------------------------------------------------------------ in its own thread

    def _work(self) -> None:
        try:
            with WorkerPool(usable_cores(), nice=NICENESS) as pool:
                outcome = make_model(
                    self._plan, "", pool, self._on_progress, self._cancel.is_set, self._on_curves
                )
        except OperationCancelled:
            self._post(self.stopped)
        except Exception as error:
            self._post(self.failed, failure_of(error))
        else:
            self._post(self.succeeded, *outcome)

    def _on_progress(self, fraction: float, message: str) -> None:
        elapsed = time.monotonic() - self._began
        left = elapsed / fraction * (1 - fraction) if fraction > SURE_AFTER else None
        self._post(self.progressed, fraction, message, left)

    def _on_curves(self, curves: LossCurves) -> None:
        self._post(self.curves_changed, {name: list(points) for name, points in curves.items()})

    def _post(self, signal: object, *args: object) -> None:
        with contextlib.suppress(RuntimeError):  # the window is gone
            self._came.emit(signal, args)

    def _tell(self, signal: object, args: tuple[object, ...]) -> None:
        if not self._cancel.is_set() or signal is self.stopped:
            signal.emit(*args)  # type: ignore[attr-defined]
