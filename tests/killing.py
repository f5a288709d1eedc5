"""Kills a working window at random moments, and looks at what its project holds then.

The window (:func:`work`) is the real one with real workers: it edits without a pause, undoes, redoes, and
has images analysed, one after the other. After every change it writes down what its images are like now, in a
file of its own that the project knows nothing of. What the project holds after the kill must be one of these
states to the last bit, and not one that was left more than two seconds before.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from nanoai_gui.core.editing.edit import Edit
    from nanoai_gui.gui.app import Application
    from nanoai_gui.gui.tem.entries import ImageEntry

N_IMAGES = 4
EVERY_MS = 40
LONGEST_START = 180.0
"""Seconds: on a machine that has other things to do, a window may take a while."""
XDG = ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")


@dataclass(frozen=True)
class Kill:
    """What one kill showed: seconds of work that were not in the file, and in how many states it had been.

    ``lost_ticks`` counts how often the window's timer had come round meanwhile (every 40 ms at best): seconds
    say on a busy machine how busy it is, and not how long the window had the time to write and did not.
    ``never_shown`` names the images that the project holds as the window never had them (or says that it
    never had them all so at one time); ``forgotten`` those that waited to be measured, and wait no longer.
    """

    lost_seconds: float
    n_states: int
    n_edits: int = 0
    n_pending: int = 0
    lost_ticks: int = 0
    check: str = "ok"
    never_shown: str = ""
    forgotten: str = ""

    @property
    def is_right(self) -> bool:
        """Whether the project is what the window had."""
        return not self.never_shown and not self.forgotten


def digest_of(entry: ImageEntry) -> str:
    """Say in a few bytes what an image is like, its history included."""
    history = entry.history
    steps = [edit.to_bytes() for edit in history.edits]
    whole = hashlib.sha256(entry.document.state_bytes())
    for step in steps:
        whole.update(hashlib.sha256(step).digest())
    whole.update(str((history.position, entry.frame, entry.generation)).encode())
    return whole.hexdigest()[:16]


# ---------------------------------------------------------------------- the window that is killed


class Work:
    """What goes on in the window that is going to be killed."""

    def __init__(self, application: Application, witness: Path, seed: int) -> None:
        from PySide6.QtCore import QTimer

        self.window = application.window
        self.session = self.window.session
        self.random = random.Random(seed)
        self.file = os.open(witness, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.states: dict[int, str] = {}
        self.has_asked = False
        self.n_ticks = 0
        self.window.batch.started.connect(self._asked)
        self.session.entries_added.connect(self.note)
        self.session.entry_changed.connect(lambda key: self.note([key]))
        self.session.edited.connect(lambda key, edit, direction: self.note([key]))
        self.timer = QTimer()
        self.timer.setInterval(EVERY_MS)
        self.timer.timeout.connect(self.step)
        self.timer.start()

    def note(self, keys: list[int]) -> None:
        """Write down what images are like now."""
        from nanoai_gui.gui.tem.entries import ImageState

        for key in keys:
            self.states[key] = digest_of(self.session.entry(key))
        waiting = [
            e.key for e in self.session.entries() if e.state in (ImageState.QUEUED, ImageState.RUNNING)
        ]
        line = json.dumps({
            "time": time.time(), "tick": self.n_ticks, "states": {str(k): v for k, v in self.states.items()},
            # Before, those of the killed window wait, which are only asked for again.
            "waiting": waiting if self.has_asked else None,
        })  # fmt: skip
        os.write(self.file, line.encode() + b"\n")

    def _asked(self) -> None:
        self.has_asked = True
        self.note([])

    def step(self) -> None:
        """Do something a person might do."""
        self.n_ticks += 1
        keys = self.session.keys()
        if len(keys) < N_IMAGES:
            return
        if not self.window.batch.is_running:
            if self.session.current is None and self.random.random() < 0.8:
                return  # more often than not the first image is on show, and settings are a step of it
            # The last images are measured again and again, with other settings each time.
            from dataclasses import replace

            settings = self.session.settings
            denoise = self.random.choice((0.5, 1.0, 1.5, 2.0))
            self.session.set_settings(
                replace(settings, segmentation=replace(settings.segmentation, denoise_px=denoise))
            )
            missing = [k for k in keys if self.session.entry(k).analysis is None]
            self.window.batch.start([*missing, *keys[-2:]])
        measured = [key for key in keys[:2] if self.session.entry(key).analysis is not None]
        if not measured:
            if self.random.random() < 0.05:
                key = self.random.choice(keys)
                self.session.set_data_bar(key, self.random.randrange(200, 290))
                self.session.undo(self.random.choice(keys))
            return
        key, what = self.random.choice(measured), self.random.random()
        if what < 0.2:
            self.session.undo(key)
        elif what < 0.3:
            self.session.redo(key)
        elif what < 0.32:
            self.session.jump(key, self.session.history(key).position - 4)
        else:
            self.session.commit(key, self.edit(self.session.entry(key)))

    def edit(self, entry: ImageEntry) -> Edit | None:
        """Make some edit."""
        from nanoai_gui.core.editing import circles, labels
        from nanoai_gui.core.editing.edit import Edit
        from nanoai_gui.core.editing.patches import ValuePatch
        from nanoai_gui.core.tem.calibration import Calibration

        document, rng = entry.document, np.random.default_rng(self.random.getrandbits(32))
        height, width = document.labels.shape
        x, y = float(rng.uniform(0, width)), float(rng.uniform(0, height))
        ids = document.table.ids.tolist()
        some = [int(i) for i in rng.choice(ids, min(2, len(ids)), replace=False)] if ids else []
        kind = int(rng.integers(0, 7))
        if kind == 0 and len(ids) > 5:
            return labels.delete(document, some[:1])
        if kind == 1:
            return labels.add_polygon(document, np.array([x, y]) + rng.normal(0, 15, (7, 2)))
        if kind == 2:
            return labels.grow(document, some)
        if kind == 3:
            return labels.merge(document, some)
        if kind == 4:
            return circles.add(document, "watershed", circles.Ellipse(x, y, 6.0, 6.0, 0.0))
        if kind == 5:
            new = Calibration.typed(round(float(rng.uniform(0.1, 2)), 3))
            return Edit("Calibrate", (ValuePatch("calibration", entry.calibration, new),), is_by_hand=False)
        return labels.split_by_line(document, np.array([x, y]) + rng.normal(0, 25, (2, 2)))


def work(witness: Path, seed: int, files: list[Path]) -> None:
    """Open a window as the program does, on files or on the work of last time, and work until killed."""
    from nanoai_gui.core.jobs import WorkerPool
    from nanoai_gui.gui.app import create_app
    from nanoai_gui.gui.jobs import JobRunner
    from nanoai_gui.gui.settings import SettingsStore

    store = SettingsStore()
    store.values.methods = ["watershed"]
    application = create_app(store=store, runner=JobRunner(WorkerPool(2, reserve=1)))
    busy = Work(application, witness, seed)
    application.show(files)
    application.qt.exec()
    busy.timer.stop()


# ---------------------------------------------------------------------- the one who kills


class Killer:
    """Starts windows on one and the same project, and kills them.

    Parameters
    ----------
    home
        An empty folder: the user folders of the windows, and their images.
    """

    def __init__(self, home: Path, seed: int) -> None:
        self.home = home
        self.random = random.Random(seed)
        self.n_started = 0
        self.is_begun = False
        self.files = make_images(home / "images")
        self.environment = {
            **os.environ,
            **{name: str(home / name.lower()) for name in XDG},
            "QT_QPA_PLATFORM": "offscreen",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }

    @property
    def unnamed(self) -> Path:
        """The folder of projects that have no name yet."""
        return self.home / "xdg_data_home" / "nanoai-gui" / "unnamed"

    @property
    def project(self) -> Path | None:
        """The project of the windows, in the user's data folder; ``None`` if none had come to be yet."""
        found = list(self.unnamed.glob("*.nanoai"))
        assert len(found) <= 1, f"a window has not gone on where the one before it was killed: {found}"
        return found[0] if found else None

    def kill_one(self, shortest: float, longest: float) -> Kill:
        """Start a window, let it work for a while, kill it, and look at the project."""
        self.n_started += 1
        witness = self.home / f"witness {self.n_started}.jsonl"
        files = [] if self.is_begun else self.files
        if not self.is_begun:
            # A project without images is nothing to go on with, and files open one of their own.
            shutil.rmtree(self.unnamed, ignore_errors=True)
        command = [sys.executable, "-m", "tests.killing", str(witness), str(self.random.getrandbits(30))]
        process = subprocess.Popen([*command, *map(str, files)], env=self.environment, start_new_session=True)
        try:
            deadline = time.monotonic() + LONGEST_START
            while not _lines(witness):
                if process.poll() is not None:
                    raise AssertionError(f"the window has ended by itself ({process.returncode})")
                if time.monotonic() > deadline:
                    raise AssertionError(f"the window shows no images: {list(self.unnamed.iterdir())}")
                time.sleep(0.02)
            time.sleep(self.random.uniform(shortest, longest))
        finally:
            # Its workers belong to the group and go with it, as they do when their window is gone.
            killed = time.time()
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return self.look(witness, killed)

    def look(self, witness: Path, killed: float) -> Kill:
        """Compare the project with what the window was like."""
        from nanoai_gui.core.project.opening import read_histories, read_project
        from nanoai_gui.gui.projects.recorder import entry_of

        states, project = _lines(witness), self.project
        if project is None:
            return Kill(killed - states[0]["time"], len(states), lost_ticks=states[-1]["tick"])
        opened = read_project(project)
        assert not opened.content.problems, opened.content.problems
        images = opened.content.images
        histories = read_histories(images)
        entries = [entry_of(image, histories[image.number]) for image in images]
        held = {str(entry.key): digest_of(entry) for entry in entries}
        self.is_begun = self.is_begun or bool(held)
        if not held:
            # Begun, and killed before the first images were in it: all that was done is lost.
            return Kill(
                killed - states[0]["time"],
                len(states),
                lost_ticks=states[-1]["tick"],
                check=check_copy(project),
            )
        matching = [i for i, state in enumerate(states) if state["states"] == held]
        lost, lost_ticks, never_shown, forgotten = 0.0, 0, "", ""
        if matching and matching[-1] + 1 < len(states):
            # What came after it is lost, and it began with the next change.
            first = states[matching[-1] + 1]
            lost, lost_ticks = killed - first["time"], states[-1]["tick"] - first["tick"]
        if not matching:
            shown = {(key, digest) for state in states for key, digest in state["states"].items()}
            never_shown = ", ".join(sorted(key for key, digest in held.items() if (key, digest) not in shown))
            never_shown = never_shown or "not all of them at one time"
        pending = [image.number for image in images if image.is_pending]
        waiting = [states[i]["waiting"] for i in matching]
        if matching and None not in waiting and pending not in waiting:
            forgotten = f"waiting {waiting[-1]}, of which the project knows {pending}"
        n_edits = sum(len(entry.history.edits) for entry in entries)
        check = check_copy(project)
        return Kill(lost, len(states), n_edits, len(pending), lost_ticks, check, never_shown, forgotten)


def check_copy(project: Path) -> str:
    """Have SQLite look through a copy of the files as they are: the next window finds them so."""
    with tempfile.TemporaryDirectory() as folder:
        for part in project.parent.glob(f"{project.name}*"):
            shutil.copy(part, folder)
        connection = sqlite3.connect(Path(folder) / project.name)
        try:
            return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
        finally:
            connection.close()


def make_images(folder: Path) -> list[Path]:
    """Make small images of particles."""
    import tifffile

    from nanoai_gui.core.tem.synthesis import SynthesisSpec, make_image

    folder.mkdir(parents=True)
    made = []
    for i in range(N_IMAGES):
        pixels = make_image(SynthesisSpec(width_px=300, height_px=300, gmd_px=14), i).micrograph.pixels
        made.append(folder / f"field {i + 1}.tif")
        tifffile.imwrite(made[-1], pixels, resolution=(2e7, 2e7), resolutionunit=3)
    return made


def _lines(witness: Path) -> list[dict[str, Any]]:
    try:
        lines = witness.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines]


if __name__ == "__main__":
    work(Path(sys.argv[1]), int(sys.argv[2]), [Path(text) for text in sys.argv[3:]])
