"""The two dialogs of trained methods, each opened once and kept: synthetic images, and networks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QWidget

from nanoai_gui.core.tem.sizing import get_method
from nanoai_gui.gui.commands import Commands
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.settings import SettingsStore
from nanoai_gui.gui.tem.session import TemSession
from nanoai_gui.gui.widgets.notice import NoticeArea

if TYPE_CHECKING:
    from nanoai_gui.gui.tem.synthesis_dialog import SynthesisDialog
    from nanoai_gui.gui.tem.training_dialog import TrainingDialog

OUT_FOLDER = "synthetic images"


class ModelTools(Commands):
    """Opens the dialogs and does in the session what they lead to.

    Parameters
    ----------
    open_paths
        Adds images to the list.
    """

    def __init__(
        self,
        session: TemSession,
        runner: JobRunner,
        store: SettingsStore,
        notices: NoticeArea,
        open_paths: Callable[[Iterable[Path]], None],
        window: QWidget,
    ) -> None:
        super().__init__(session, runner, store, notices, window)
        self._open_paths = open_paths
        self.synthesis: SynthesisDialog | None = None
        self.training: TrainingDialog | None = None
        session.current_changed.connect(self._offer_image)

    def open_synthesis(self) -> None:
        """Show the dialog that makes images."""
        if self.synthesis is None:
            from nanoai_gui.gui.tem.synthesis_dialog import SynthesisDialog

            base = Path(self._store.values.export_folder or Path.home())
            self.synthesis = SynthesisDialog(self._runner, base / OUT_FOLDER, self._window)
            self.synthesis.images_written.connect(self._made)
            self._offer_image()
        _bring_up(self.synthesis)

    def open_training(self) -> None:
        """Show the dialog that trains networks."""
        if self.training is None:
            from nanoai_gui.gui.tem.training_dialog import TrainingDialog

            self.training = TrainingDialog(self._runner, self._window)
            self.training.model_saved.connect(self._saved)
            self.training.finished_training.connect(self._trained)
        _bring_up(self.training)

    def shut_down(self) -> None:
        """Stop whatever goes on."""
        if self.synthesis is not None:
            self.synthesis.close()
        if self.training is not None:
            self.training.shut_down()
            self.training.close()

    def use_model(self, name: str, feature_set: str) -> None:
        """Measure with a model of the user from now on."""
        from nanoai_gui.core.tem.networks.library import METHOD_OF_FEATURES

        method = METHOD_OF_FEATURES[feature_set]
        settings = self._session.settings
        parameters = settings.method_parameters.get(method) or get_method(method).Parameters()
        chosen = {**settings.method_parameters, method: replace(parameters, model=name)}
        methods = settings.methods if method in settings.methods else (*settings.methods, method)
        self._session.set_settings(replace(settings, methods=methods, method_parameters=chosen))

    def _offer_image(self) -> None:
        if self.synthesis is None:
            return
        from nanoai_gui.gui.tem.synthesis_dialog import Model

        entry = self._session.current_entry
        self.synthesis.set_model(
            None if entry is None else Model(entry.name, entry.request(), self._session.settings.segmentation)
        )

    def _made(self, paths: list[Path], are_wanted: bool) -> None:
        self._store.values.export_folder = str(paths[0].parent.parent)
        if are_wanted:
            self._open_paths(paths)

    def _saved(self, name: str, feature_set: str, is_wanted: bool) -> None:
        from nanoai_gui.core.tem.networks.library import METHOD_OF_FEATURES

        method = METHOD_OF_FEATURES[feature_set]
        if is_wanted:
            self.use_model(name, feature_set)
            self._notices.show(f"The method {method} measures with “{name}” from now on.")

    def _trained(self, sentence: str) -> None:
        if self.training is not None and not self.training.isVisible():
            self._notices.show(sentence, command=("Show", self.open_training))


def _bring_up(dialog: QWidget) -> None:
    dialog.show()
    dialog.raise_()
    dialog.activateWindow()
