"""Labels in, spectra out: the files beside those that are opened, read and written in a helper thread."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject

from nanoai_gui.core.files.spectra_labels import Labelling, fill_in, read_labels
from nanoai_gui.core.files.spectra_table import write_table
from nanoai_gui.core.jobs import Failure
from nanoai_gui.core.spectra.preprocessing import Pipeline
from nanoai_gui.core.spectra.spectral_set import SpectralSet, concatenate
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.spectra.session import SpectraSession
from nanoai_gui.gui.widgets.notice import Kind, NoticeArea
from nanoai_gui.gui.widgets.numbers import count


class Transfer(QObject):
    """Fills labels from tables into all sets, and writes sets with their labels.

    Parameters
    ----------
    notices
        Says what came of it.
    """

    def __init__(
        self, session: SpectraSession, jobs: JobRunner, notices: NoticeArea, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._jobs = jobs
        self._notices = notices

    def import_labels(self, path: Path) -> None:
        """Fill the columns of a table into every set it fits, as one step that can be undone."""
        sets = {e.key: e.spectra for e in self._session.ready() if e.spectra is not None}
        self._jobs.run_in_thread(
            lambda: _fill(path, sets),
            on_done=lambda found: self._filled(path, sets, found),
            on_error=self._failed,
            key=self,
        )

    def export(self, keys: list[int], path: Path) -> None:
        """Write sets, preprocessed, with labels and names of regions, to one table."""
        contents = [content for key in keys if (content := self._session.entry(key).content) is not None]
        pipeline = self._session.pipeline
        self._jobs.run_in_thread(
            lambda: _write(path, [content.with_region_columns() for content in contents], pipeline),
            on_done=lambda n: self._written(path, n),
            on_error=self._failed,
        )

    def _filled(self, path: Path, asked: dict[int, SpectralSet], found: dict[int, Labelling]) -> None:
        session = self._session
        here = [key for key in found if key in session]
        if any(session.entry(key).spectra is not asked[key] for key in here):
            # What a person edited meanwhile is not overwritten by what was read before.
            self.import_labels(path)
            return
        n = sum(found[key].n_filled for key in here)
        if not n:
            self._notices.show(
                f"{path.name} fits none of the spectra that are open: its sources, maps or places differ.",
                Kind.WARNING,
            )
            return
        changed = {key: found[key].spectra for key in here if found[key].n_filled}
        session.replace_spectra(changed, "Import labels")
        self._notices.show(f"{count(n, 'spectrum', 'spectra')} found in {path.name} and filled in.")

    def _written(self, path: Path, n: int) -> None:
        self._notices.show(f"{count(n, 'spectrum', 'spectra')} written to {path.name}.")

    def _failed(self, failure: Failure) -> None:
        self._notices.show(str(failure), Kind.WARNING)


def _fill(path: Path, sets: dict[int, SpectralSet]) -> dict[int, Labelling]:
    table = read_labels(path)
    return {key: fill_in(spectra, table) for key, spectra in sets.items()}


def _write(path: Path, sets: list[SpectralSet], pipeline: Pipeline) -> int:
    treated = [pipeline.apply(spectra) if len(pipeline) else spectra for spectra in sets]
    joined = concatenate(treated)
    write_table(path, joined)
    return joined.n_spectra
