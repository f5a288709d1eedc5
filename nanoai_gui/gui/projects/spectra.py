"""The Spectra tab in the project: sets with labels and regions, predictions, preprocessing, model.

The intensities stay in their files and are read again; what a person made of them is put on once they are
there. What cannot be put on, since the file holds other spectra now, is kept in the project under another
name.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer

from nanoai_gui.core.errors import NanoAIError
from nanoai_gui.core.jobs import Priority
from nanoai_gui.core.project.sources import Fingerprint, take_fingerprints
from nanoai_gui.core.spectra.state import (
    model_from_bytes,
    model_to_bytes,
    pipeline_from_bytes,
    pipeline_to_bytes,
    predictions_from_bytes,
    predictions_to_bytes,
    rois_from_bytes,
    rois_to_bytes,
    set_from_bytes,
    set_to_bytes,
)
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.spectra.entries import SetContent, SetEntry, SetState
from nanoai_gui.gui.spectra.session import SpectraSession
from nanoai_gui.gui.widgets.notice import Kind, NoticeArea

if TYPE_CHECKING:
    from nanoai_gui.core.project.store import ProjectStore
    from nanoai_gui.core.project.writer import Write

DELAY_MS = 250
LIST = "list"
KEPT = "kept/"
"""Before the name of a part that could not be put on."""
Place = tuple[str, int]
"""Path of a file, and which map of it."""
MOST = 2**30
"""No key and no number of a map is larger."""
ALL = -1
"""In the place of the number of a map: whichever maps a file turns out to hold, which was not read yet."""
Line = tuple[int, str, int, str, float | None]
"""Of the list: key, path, number, title, wavelength of the laser in nm."""


class SpectraRecorder(QObject):
    """Follows the session of the Spectra tab, and fills it again.

    Parameters
    ----------
    hand_over
        Takes what is to be written, and whether that is work.
    project
        Gives the path of the project.
    runner
        Takes checksums of the files.
    """

    def __init__(
        self,
        session: SpectraSession,
        hand_over: Callable[[Write, bool], bool],
        project: Callable[[], str],
        runner: JobRunner,
        notices: NoticeArea,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._hand_over = hand_over
        self._project = project
        self._runner = runner
        self._files: dict[str, Fingerprint] = {}
        self._before: dict[str, Fingerprint] = {}
        self._asked: set[str] = set()
        self._notices = notices
        self._is_muted = False
        self._waiting: dict[Place, dict[str, bytes]] = {}
        self._titles: dict[Place, str] = {}
        self._stored: dict[str, object] = {}
        self._came: dict[str, object] = {}
        self._places: frozenset[Place] = frozenset()
        self._kept: dict[str, bytes | None] = {}
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(DELAY_MS)
        self._timer.timeout.connect(self.flush)
        session.sets_removed.connect(self._drop)
        session.set_changed.connect(self._put_on)
        session.set_changed.connect(self._take_fingerprint)
        for signal in (
            session.sets_added, session.sets_removed, session.set_changed, session.wanted_changed,
            session.pipeline_changed, session.model_changed, session.predictions_changed,
        ):  # fmt: skip
            signal.connect(self._begin)

    def _begin(self) -> None:
        if not self._is_muted and not self._timer.isActive():
            self._timer.start()

    def _drop(self) -> None:
        """Forget files that were taken off the list before they could be read, or else they come back."""
        if self._is_muted:
            return
        here = {str(entry.path) for entry in self._session.entries()}
        for place in [place for place in self._waiting if place[0] not in here]:
            del self._waiting[place]
            for name in _names(place):
                self._stored.pop(name, None)

    # ------------------------------------------------------------------ handing over

    def flush(self) -> None:
        """Hand over now what has changed."""
        self._timer.stop()
        before, places = dict(self._stored), self._places
        write, is_work = self._write()
        if write is not None and not self._hand_over(write, is_work and self.has_sets):
            # Of no project yet: all of it again with the first work.
            self._stored, self._places = before, places

    @property
    def has_sets(self) -> bool:
        """Whether there are spectra."""
        return len(self._session) > 0

    def _write(self) -> tuple[Write | None, bool]:
        """Give what brings the project up to date, and whether a person has done any of it."""
        session = self._session
        new: dict[str, Callable[[], bytes]] = {}
        listed: list[Line] = []
        order = [LIST, "pipeline", "model"]
        for entry in session.entries():
            place = str(entry.path), entry.number
            if entry.content is None:
                # Not read yet, or it cannot be just now: the maps it was left with, and no others.
                left = [waiting for waiting in self._waiting if waiting[0] == place[0]] or [(place[0], ALL)]
                for one in left:
                    title = self._titles.get(one, entry.title)
                    listed.append((entry.key, *one, title, entry.laser_nm))
                continue
            listed.append((entry.key, *place, entry.title, entry.laser_nm))
            order += _names(place)
            of_set, of_rois, of_predictions = _names(place)
            spectra, rois = entry.content.spectra, entry.content.rois
            self._note(new, of_set, spectra, partial(set_to_bytes, spectra, with_intensities=False))
            self._note(new, of_rois, rois, partial(rois_to_bytes, rois))
            found = session.predictions(entry.key)
            if found is not None:
                self._note(new, of_predictions, found, partial(predictions_to_bytes, found))
            elif self._stored.pop(of_predictions, None) is not None:
                order.remove(of_predictions)
        for place, kept in self._waiting.items():
            if place not in {line[1:3] for line in listed}:
                listed.append((0, *place, self._titles.get(place, ""), None))
            order += _names(place)
            for name in _names(place):
                if name in kept and name not in self._stored:
                    self._note(new, name, kept[name], partial(bytes, kept[name]))
        for name, data in self._kept.items():
            if data is not None:
                self._note(new, name, data, partial(bytes, data))
        pipeline, model = session.pipeline, session.model
        self._note(new, "pipeline", pipeline, lambda: pipeline_to_bytes(pipeline))
        if model is not None:
            self._note(new, "model", model, lambda: model_to_bytes(model))
        else:
            self._stored.pop("model", None)
            order.remove("model")
        # With the place of the project: where both were moved together, the files are found from there.
        files = {**self._before, **self._files}
        head = json.dumps({
            "sets": listed, "shown": session.wanted, "project": self._project(),
            "files": {path: [f.size, f.mtime_ns, f.sha256] for path, f in sorted(files.items())},
        }).encode()  # fmt: skip
        if head != self._stored.get(LIST):
            self._stored[LIST] = head
            new[LIST] = lambda: head
        places = {name: i for i, name in enumerate([*order, *self._kept])}
        is_order_new = self._stored.get("order") != tuple(places)
        if not new and not is_order_new:
            return None, False
        self._stored["order"] = tuple(places)
        here = frozenset(line[1:3] for line in listed)
        is_work = any(self._came.get(name) is not self._stored[name] for name in new if name != LIST)
        # Files that came or went, and maps that went; which maps a file holds is no work.
        gone = {place for place in self._places - here if place[1] != ALL}
        is_work = is_work or bool(gone) or {path for path, _ in here} != {path for path, _ in self._places}
        self._places = here

        def write(store: ProjectStore) -> None:
            store.put_spectra({name: make() for name, make in new.items()}, places)

        return write, is_work

    def _note(
        self, new: dict[str, Callable[[], bytes]], name: str, value: object, make: Callable[[], bytes]
    ) -> None:
        # By identity: what is changed is replaced by another.
        if self._stored.get(name) is not value:
            self._stored[name] = value
            new[name] = make

    def everything(self) -> Write | None:
        """Give what writes all there is into an empty project."""
        self._stored.clear()
        return self._write()[0]

    # ------------------------------------------------------------------ what comes from the file

    def clear(self) -> None:
        """Empty the tab."""
        self._is_muted = True
        try:
            for known in (
                self._waiting, self._titles, self._kept, self._files, self._before, self._asked, self._came,
            ):  # fmt: skip
                known.clear()
            self._places = frozenset()
            self._session.set_model(None)
            self._session.remove(self._session.keys())
            self._session.set_pipeline(type(self._session.pipeline)())
        finally:
            self._timer.stop()
            self._stored.clear()
            self._is_muted = False

    def install(self, parts: Mapping[str, bytes], project: Path) -> None:
        """Fill the (empty) tab with what a project holds."""
        self._is_muted = True
        try:
            head = _head(parts.get(LIST))
            for text, known in _files(parts.get(LIST)).items():
                self._before[str(_find(Path(text), head[2], project))] = known
            self._kept = {name: None for name in parts if name.startswith(KEPT)}
            session = self._session
            if "pipeline" in parts and self._try(
                "preprocessing", lambda: session.set_pipeline(pipeline_from_bytes(parts["pipeline"]))
            ):
                self._stored["pipeline"] = session.pipeline
            if "model" in parts and self._try(
                "model", lambda: session.set_model(model_from_bytes(parts["model"]))
            ):
                self._stored["model"] = session.model
            self._came = {"pipeline": session.pipeline, "model": session.model}
            entries: dict[str, SetEntry] = {}
            places = set()
            for key, text, number, title, laser_nm in head[0]:
                path = _find(Path(text), head[2], project)
                place = str(path), number
                places.add(place)
                if number != ALL:
                    # Under the names of the place where the file is now.
                    self._waiting[place] = {
                        now: parts[then]
                        for now, then in zip(_names(place), _names((text, number)), strict=True)
                        if then in parts
                    }
                    self._titles[place] = title
                    self._came |= self._waiting[place]
                    if path == Path(text):
                        self._stored.update(self._waiting[place])
                # One entry reads the file, and its further maps come by themselves.
                if str(path) not in entries:
                    entries[str(path)] = SetEntry(
                        key, path, SetState.READING, title if number == 0 else "", laser_nm=laser_nm
                    )
            session.restore_entries(entries.values(), {}, head[1])
            self._places = frozenset(places)
        finally:
            self._is_muted = False

    # ------------------------------------------------------------------ whether a file is what it was

    def _take_fingerprint(self, key: int) -> None:
        entry = self._session.entry(key) if key in self._session else None
        if entry is None or entry.content is None or str(entry.path) in self._asked:
            return
        path = str(entry.path)
        self._asked.add(path)
        self._runner.run(
            take_fingerprints, [entry.path], priority=Priority.BACKGROUND,
            on_done=lambda taken: self._compare(path, taken.get(Path(path))),
        )  # fmt: skip

    def _compare(self, path: str, now: Fingerprint | None) -> None:
        if now is None or path not in self._asked:
            return
        before = self._before.pop(path, None)
        self._files[path] = now
        if before is not None and before.sha256 != now.sha256:
            self._notices.show(
                f"{Path(path).name} has changed since the project was saved. Labels and regions are on the "
                "spectra as they are now; predictions are those of before.",
                Kind.WARNING,
            )
        self._begin()

    # ------------------------------------------------------------------ what was made of the spectra

    def _put_on(self, key: int) -> None:
        """Put labels, regions and predictions on a set that was just read."""
        entry = self._session.entry(key) if key in self._session else None
        if entry is None or entry.content is None or not self._waiting:
            return
        path = str(entry.path)
        # All at once: putting one on tells of a change, which leads here again.
        kept = {place[1]: self._waiting.pop(place) for place in [*self._waiting] if place[0] == path}
        if not kept and (path, ALL) not in self._places:
            return
        unwanted = []
        for one in self._session.entries():
            if str(one.path) != path or one.content is None:
                continue
            # As it was read, which is nothing that a person has done.
            self._came |= zip(
                _names((path, one.number)), (one.content.spectra, one.content.rois), strict=False
            )
            if one.number in kept:
                self._put_on_one(one, kept.pop(one.number))
            elif (path, ALL) not in self._places:
                unwanted.append(one.key)
        self._places -= {(path, number) for number in kept}  # gone with the file, and not by a person
        lost = {name: data for parts in kept.values() for name, data in parts.items()}
        if lost:
            self._keep(lost)
            self._notices.show(
                f"{entry.path.name} holds fewer maps than before. What you had marked in the others is kept "
                "in the project.",
                Kind.WARNING,
            )
        if unwanted:
            self._session.remove(unwanted)

    def _put_on_one(self, entry: SetEntry, kept: Mapping[str, bytes]) -> None:
        content = entry.content
        assert content is not None
        of_set, of_rois, of_predictions = names = _names((str(entry.path), entry.number))
        try:
            spectra, rois = content.spectra, content.rois
            if of_set in kept:
                spectra = set_from_bytes(kept[of_set], spectra)
            if of_rois in kept:
                rois = rois_from_bytes(kept[of_rois], spectra.n_spectra)
            self._session.restore({entry.key: SetContent(spectra, rois)})
            if of_predictions in kept:
                data = kept[of_predictions]
                self._session.set_predictions(entry.key, predictions_from_bytes(data, spectra.n_spectra))
            for name, value in zip(names, (spectra, rois, self._session.predictions(entry.key)), strict=True):
                if name in kept:
                    self._came[name] = value
                    if self._stored.get(name) is kept[name]:
                        self._stored[name] = value
        except (NanoAIError, ValueError) as error:
            self._keep(kept)
            self._notices.show(
                f"{entry.name} is not as it was: {error} What you had marked in it is kept in the project.",
                Kind.WARNING,
            )

    def _keep(self, parts: Mapping[str, bytes]) -> None:
        named = {f"{KEPT}{name}": data for name, data in parts.items()}
        self._kept.update(named)
        self._came.update(named)
        self._begin()

    def _try(self, what: str, do: Callable[[], object]) -> bool:
        try:
            do()
        except NanoAIError as error:
            self._notices.show(f"The {what} of the project could not be read. {error}", Kind.WARNING)
            return False
        return True


def _names(place: Place) -> tuple[str, str, str]:
    """Name the parts of a set: what is known of its spectra, its regions, its predictions."""
    path, number = place
    # A name that is no text on this system is written so that it is one.
    path = path.encode("utf-8", "surrogatepass").decode("utf-8", "backslashreplace")
    return f"set/{number}/{path}", f"rois/{number}/{path}", f"predictions/{number}/{path}"


def _find(path: Path, before: str, project: Path) -> Path:
    """Look for a file where it was, or as seen from where the project was and is now."""
    try:
        if path.exists() or not before:
            return path
        beside = project.parent / os.path.relpath(path, Path(before).parent)
        return Path(os.path.normpath(beside)) if beside.exists() else path
    except (ValueError, OSError):  # from one drive to another; a name that cannot be
        return path


def _files(data: bytes | None) -> dict[str, Fingerprint]:
    """Read what the files were like; what cannot be is passed over."""
    found: dict[str, Fingerprint] = {}
    try:
        listed = json.loads(data or b"{}").get("files", {})
        for path, known in listed.items():
            match known:
                case [int() as size, int() as mtime_ns, str() as sha256]:
                    found[str(path)] = Fingerprint(size, mtime_ns, sha256)
    except (ValueError, AttributeError, RecursionError):
        return {}
    return found


def _head(data: bytes | None) -> tuple[list[Line], int | None, str]:
    """Read the list of sets, which is shown, and where the project was; what cannot be is passed over."""
    if data is None:
        return [], None, ""
    try:
        head = json.loads(data)
        lines, shown, project = list(head["sets"]), head["shown"], str(head["project"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return [], None, ""
    good = []
    for line in lines:
        match line:
            case [int() as key, str() as path, int() as number, str() as title, laser] if (
                0 <= key < MOST and ALL <= number < MOST and "\0" not in path
            ):
                known = float(laser) if isinstance(laser, int | float) and 0 < laser < MOST else None
                good.append((key, path, number, title, known))
    return good, shown if isinstance(shown, int) else None, project
