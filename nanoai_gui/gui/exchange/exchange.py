"""Outlines in and out: asks for files, has them read and written elsewhere, and commits one edit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog

from nanoai_gui.core.editing.corrected import put_right
from nanoai_gui.core.editing.document import ImageDocument, rerun_edit
from nanoai_gui.core.editing.edit import Edit
from nanoai_gui.core.tem.analysis import ImageAnalysis
from nanoai_gui.gui.commands import Commands
from nanoai_gui.gui.widgets.numbers import count

if TYPE_CHECKING:
    from nanoai_gui.core.exchange.reading import Choice, Outlines, Taken
    from nanoai_gui.core.tem.networks.corrections import Source
    from nanoai_gui.gui.exchange.export_dialog import ExportChoice
    from nanoai_gui.gui.tem.entries import ImageEntry


class Exchange(Commands):
    """Import and export of outlines, and of corrected agglomerates as training samples."""

    @property
    def handlers(self) -> dict[str, Callable[[], None]]:
        """What each command of the menus leads to."""
        return {
            "import_outlines": self.ask_for_import,
            "export_outlines": self.ask_for_export,
            "export_corrections": self.ask_for_corrections,
        }

    # ------------------------------------------------------------------ import

    def ask_for_import(self) -> None:
        """Ask for a file with outlines for the image shown."""
        from nanoai_gui.core.exchange.reading import SUFFIXES

        kinds = " ".join(f"*{suffix}" for suffix in SUFFIXES)
        chosen, _ = QFileDialog.getOpenFileName(
            self._window,
            "Import outlines",
            self._store.values.export_folder,
            f"Label images, ImageJ regions, COCO annotations ({kinds});;All files (*)",
        )
        if chosen:
            self._store.values.export_folder = str(Path(chosen).parent)
            self.read(Path(chosen))

    def read(self, path: Path) -> None:
        """Read outlines for the image shown, then ask what they are."""
        from nanoai_gui.core.exchange.reading import read_outlines

        micrograph, entry = self._session.micrograph, self._session.current_entry
        if micrograph is None or entry is None:
            return
        self._runner.run(
            read_outlines, path, micrograph.name, micrograph.shape, micrograph.data_bar_top, micrograph.frame,
            on_done=lambda outlines: self._offer(entry, outlines), key="outlines",
        )  # fmt: skip

    def _offer(self, entry: ImageEntry, outlines: Outlines) -> None:
        from nanoai_gui.gui.exchange.import_dialog import ImportDialog

        if entry is not self._session.current_entry:
            return
        dialog = ImportDialog(outlines, entry.name, list(entry.document.results), self._window)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.accepted.connect(lambda: self.take(entry.key, outlines, dialog.choice))
        dialog.open()

    def take(self, key: int, outlines: Outlines, choice: Choice) -> None:
        """Put what was chosen into the image, as one edit."""
        if key not in self._session:
            return
        document = self._session.entry(key).document
        revision = document.revision

        def done(made: tuple[Taken, Edit | None]) -> None:
            # Another project may have an image of that number.
            if key in self._session and self._session.entry(key).document is document:
                self._commit(key, outlines, choice, revision, made)

        # In a thread, on a copy: filling outlines is NumPy's work, and label images are large to send about.
        self._runner.run_in_thread(_work_out, outlines, choice, document.copy(), on_done=done)

    def _commit(
        self, key: int, outlines: Outlines, choice: Choice, revision: int, made: tuple[Taken, Edit | None]
    ) -> None:
        session = self._session
        document = session.entry(key).document
        taken, edit = made
        if document.revision != revision:
            # What a particle lies on may have changed meanwhile.
            self.take(key, outlines, choice)
            return
        if not document.is_measured:
            self._measure(key, outlines, choice, taken)
            return
        if edit is None:
            self._tell(f"{outlines.path.name} holds what is there already.")
            return
        session.commit(key, edit)
        self._finish(outlines, choice, taken)

    def _measure(self, key: int, outlines: Outlines, choice: Choice, taken: Taken) -> None:
        """Make the first analysis of an image, of the agglomerates that were given or of none."""
        entry = self._session.entry(key)
        request, settings = entry.request(), self._session.settings
        if taken.labels is None:
            from nanoai_gui.core.tem.given import blank_analysis

            micrograph = self._session.micrograph
            if key == self._session.current and micrograph is not None:
                self._first(key, outlines, choice, taken, blank_analysis(micrograph, request, settings))
            return
        from nanoai_gui.core.tem.given import analyse_given

        self._runner.run(
            analyse_given, request, settings, taken.labels,
            on_done=lambda analysis: self._first(key, outlines, choice, taken, analysis), key="outlines",
        )  # fmt: skip

    def _first(
        self, key: int, outlines: Outlines, choice: Choice, taken: Taken, analysis: ImageAnalysis
    ) -> None:
        from nanoai_gui.core.editing.importing import import_particles

        session = self._session
        if key not in session or analysis.request.generation != session.entry(key).generation:
            return
        document = session.entry(key).document
        if document.is_measured:
            self.take(key, outlines, choice)
            return
        if taken.particles is not None:
            made = ImageDocument(analysis)
            edit = import_particles(made, choice.method, taken.particles, choice.replaces)
            if edit is not None:
                made.apply(edit)
            assert made.analysis is not None
            analysis = replace(made.analysis, labels=analysis.labels)
        session.commit(key, rerun_edit(document, analysis, "Import outlines"))
        self._finish(outlines, choice, taken)

    def _finish(self, outlines: Outlines, choice: Choice, taken: Taken) -> None:
        if taken.particles is not None:
            self._session.set_shown_method(choice.method)
        what = []
        if taken.labels is not None:
            what.append(count(int(np.count_nonzero(np.unique(taken.labels))), "agglomerate"))
        if taken.particles is not None:
            what.append(count(len(taken.particles), "primary particle"))
        text = f"{' and '.join(what)} imported from {outlines.path.name}."
        self._tell(" ".join((text, *taken.notes)))

    # ------------------------------------------------------------------ export

    def ask_for_export(self) -> None:
        """Ask what is to be written of the image shown, or of all."""
        from nanoai_gui.gui.exchange.export_dialog import ExportDialog

        entry = self._session.current_entry
        if entry is None or entry.analysis is None:
            return
        shown = self._session.shown_method
        names = sorted(entry.analysis.results, key=lambda name: name != shown)
        dialog = ExportDialog(names, len(self._session.analyses()), self._window)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.accepted.connect(lambda: self._ask_where(dialog.choice))
        dialog.open()

    def _ask_where(self, choice: ExportChoice) -> None:
        from nanoai_gui.core.exchange.export import Format

        folder = self._store.values.export_folder
        entry = self._session.current_entry
        if entry is None:
            return
        if choice.all_images and choice.format.format is not Format.COCO:
            chosen = QFileDialog.getExistingDirectory(self._window, "Export outlines to a folder", folder)
        else:
            stem = "annotations" if choice.all_images else f"{entry.path.stem} outlines"
            suffix = choice.format.suffix
            chosen, _ = QFileDialog.getSaveFileName(
                self._window, "Export outlines", str(Path(folder) / f"{stem}{suffix}"),
                f"{choice.format.title.partition(' (')[0]} (*{suffix})",
            )  # fmt: skip
            if chosen and Path(chosen).suffix.lower() != suffix:
                chosen += suffix
        if chosen:
            self.write(Path(chosen), choice)

    def write(self, path: Path, choice: ExportChoice) -> None:
        """Write outlines to a file, or to the files of a folder."""
        from nanoai_gui.core.exchange.export import export_outlines
        from nanoai_gui.core.files.tables import image_names

        session = self._session
        current = session.current_analysis
        analyses = session.analyses() if choice.all_images else [current] if current is not None else []
        images = [
            (name, replace(a, results={m: r for m, r in a.results.items() if m == choice.method}))
            for name, a in zip(image_names(analyses), analyses, strict=True)
        ]
        is_folder = path.is_dir()
        folder = path if is_folder else path.parent
        where = f"{count(len(images), 'image')} written to {path.name or path}." if is_folder else (
            f"{path.name} written."
        )  # fmt: skip
        self._runner.run(
            export_outlines, path, choice.format.format, images, choice.agglomerates, choice.method or None,
            choice.format.suffix, on_done=lambda notes: self._tell(" ".join((where, *notes)), folder),
        )  # fmt: skip
        self._store.values.export_folder = str(folder)

    # ------------------------------------------------------------------ corrections

    def corrected(self) -> list[Source]:
        """Give the images in which agglomerates were put right, and which ones."""
        from nanoai_gui.core.files.tables import image_names

        method = self._session.shown_method
        found = []
        for entry in self._session.entries():
            ids = put_right(entry.document, method)
            if ids and entry.analysis is not None:
                found.append((entry.analysis, ids))
        names = image_names(analysis for analysis, _ in found)
        return [(name, analysis, ids) for name, (analysis, ids) in zip(names, found, strict=True)]

    def ask_for_corrections(self) -> None:
        """Ask for a file and write the corrected agglomerates of all images as training samples."""
        sources = self.corrected()
        if not sources:
            self._notices.show(
                "Nothing has been put right yet with this method: correct or accept agglomerates first "
                "(Analyse, What to correct next)."
            )
            return
        start = str(Path(self._store.values.export_folder) / "corrections.npz")
        chosen, _ = QFileDialog.getSaveFileName(
            self._window, "Export corrected agglomerates", start, "Corrected agglomerates (*.npz)"
        )
        if chosen:
            path = Path(chosen)
            self.write_corrections(path if path.suffix else path.with_suffix(".npz"), sources)

    def write_corrections(self, path: Path, sources: Sequence[Source]) -> None:
        """Write the corrected agglomerates."""
        from nanoai_gui.core.tem.networks.corrections import write_corrections

        n = count(sum(len(ids) for *_, ids in sources), "corrected agglomerate")
        text = f"{n} written to {path.name}. Train with them: Analyse, Train networks."
        self._runner.run(
            write_corrections, path, self._session.shown_method, list(sources),
            on_done=lambda _: self._tell(text, path.parent),
        )  # fmt: skip
        self._store.values.export_folder = str(path.parent)


def _work_out(outlines: Outlines, choice: Choice, document: ImageDocument) -> tuple[Taken, Edit | None]:
    """Make one edit of agglomerates and particles; the document is a copy that may be changed on the way."""
    from nanoai_gui.core.editing.importing import import_labels, import_particles
    from nanoai_gui.core.exchange.reading import take

    if not document.is_measured:
        return take(outlines, choice, None), None
    taken = take(outlines, choice, document.labels)
    first = None if taken.labels is None else import_labels(document, taken.labels)
    if taken.particles is None:
        return taken, first
    if first is not None:
        # Particles start from the state after that.
        document.apply(first)
    second = import_particles(document, choice.method, taken.particles, choice.replaces)
    if first is None or second is None:
        return taken, first or second
    return taken, Edit("Import outlines", (*first.patches, *second.patches))
