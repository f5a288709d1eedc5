"""Reading the image that is wanted, and not the one that is shown already."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from pytestqt.qtbot import QtBot

from nanoai_gui.core.jobs import WorkerPool
from nanoai_gui.gui.jobs import JobRunner
from nanoai_gui.gui.tem.loading import ImageLoader
from nanoai_gui.gui.tem.session import TemSession

SOON = 20_000


@pytest.fixture
def runner(qtbot: QtBot) -> Iterator[JobRunner]:
    made = JobRunner(WorkerPool(1))
    yield made
    made.close()


def test_going_there_and_back_leaves_the_image_as_it_is(
    runner: JobRunner, qtbot: QtBot, tmp_path: Path
) -> None:
    session = TemSession()
    loader = ImageLoader(session, runner)
    for i, name in enumerate("ab"):
        pixels = np.random.default_rng(i).integers(0, 255, (3, 64, 80)).astype(np.uint8)
        tifffile.imwrite(tmp_path / f"{name}.tif", pixels, photometric="minisblack")
    first, second = session.add_paths([tmp_path / "a.tif", tmp_path / "b.tif"])
    qtbot.waitUntil(lambda: session.current == first, timeout=SOON)
    shown = session.micrograph
    told: list[None] = []
    session.current_changed.connect(lambda: told.append(None))
    busy: list[bool] = []
    loader.busy_changed.connect(busy.append)
    session.set_current(second)
    session.set_current(first)
    assert busy == [True, False]
    qtbot.wait(300)
    assert session.micrograph is shown and not told
    # Another image of the same file is one to be read.
    session.set_frame(first, 2)
    qtbot.waitUntil(lambda: session.micrograph is not shown, timeout=SOON)
    assert session.micrograph is not None and session.micrograph.frame == 2
    session.set_current(second)
    qtbot.waitUntil(lambda: session.current == second, timeout=SOON)
