"""Classifies sets of the session in a helper thread, one after the other."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QObject, Signal

from nanoai_gui.core.errors import NanoAIError
from nanoai_gui.core.jobs import Failure
from nanoai_gui.core.spectra.model import Predictions, SpectraModel
from nanoai_gui.gui.jobs import JobRunner, Task
from nanoai_gui.gui.spectra.session import SpectraSession


class Classification(QObject):
    """One run at a time; what the model says goes into the session, set by set."""

    progressed = Signal(float, str)
    ended = Signal(str, bool)
    """What came of it in a sentence or more, and whether something could not be classified."""

    def __init__(self, session: SpectraSession, jobs: JobRunner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session, self._jobs = session, jobs
        self._waiting: list[int] = []
        self._total = 0
        self._n_spectra = 0
        self._problems: list[str] = []
        self._task: Task | None = None
        self._model: SpectraModel | None = None
        session.model_changed.connect(self.cancel)

    @property
    def is_running(self) -> bool:
        """Whether sets are being classified."""
        return self._task is not None

    def start(self, keys: Iterable[int]) -> None:
        """Classify sets by the session's model; a run that is under way is given up."""
        self.cancel()
        self._model = self._session.model
        self._waiting = [
            key for key in keys if key in self._session and self._session.entry(key).content is not None
        ]
        self._total, self._n_spectra, self._problems = len(self._waiting), 0, []
        if self._model is not None and self._waiting:
            self._next()

    def cancel(self) -> None:
        """Stop; sets that are done keep their classes."""
        if self._task is not None:
            self._task.cancel()
            self._finish("Stopped.")

    def _next(self) -> None:
        while self._waiting and self._waiting[0] not in self._session:
            self._waiting.pop(0)
        if not self._waiting:
            n = self._total - len(self._problems)
            done = f"{self._n_spectra} spectra of {n} {'set' if n == 1 else 'sets'} classified."
            self._finish("\n".join([*([done] if n else []), *self._problems]))
            return
        key = self._waiting.pop(0)
        entry = self._session.entry(key)
        spectra = entry.spectra
        assert spectra is not None and self._model is not None
        try:
            self._model.check_range(spectra.axis)
        except NanoAIError as error:
            self._problems.append(f"{entry.name}: {error}")
            self._next()
            return
        self._tell(0.0, entry.name)
        # Here and not in a worker: 100 000 spectra take longer to travel than to be classified, and NumPy
        # lets the window run meanwhile.
        self._task = self._jobs.run_in_thread(
            self._model.predict, spectra,
            on_done=lambda found: self._take(key, found),
            on_error=lambda failure: self._fail(key, failure),
            on_progress=self._tell,
        )  # fmt: skip

    def _tell(self, fraction: float, message: str) -> None:
        before = self._total - len(self._waiting) - 1
        self.progressed.emit((before + fraction) / max(self._total, 1), message)

    def _take(self, key: int, found: Predictions) -> None:
        model = self._session.model
        if key in self._session and model is not None:
            # The limits may have been moved meanwhile.
            self._session.set_predictions(key, found.with_thresholds(model.thresholds))
            self._n_spectra += found.reason.size
        self._next()

    def _fail(self, key: int, failure: Failure) -> None:
        if not failure.is_known:
            self._jobs.failed.emit(failure)
        name = self._session.entry(key).name if key in self._session else "A removed set"
        self._problems.append(f"{name}: {failure}")
        self._next()

    def _finish(self, words: str) -> None:
        self._task = None
        self._waiting = []
        self.ended.emit(words, bool(self._problems))
