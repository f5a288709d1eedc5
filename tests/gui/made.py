"""Analyses made in memory, so that window tests need neither files nor workers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nanoai_gui.core.jobs import WorkerPool
from nanoai_gui.core.tem.agglomerates import TOUCHES_BORDER, Agglomerates, PackedLabels, Polarity
from nanoai_gui.core.tem.analysis import AnalysisSettings, ImageAnalysis, ImageRequest
from nanoai_gui.core.tem.calibration import Calibration, CalibrationSource
from nanoai_gui.core.tem.micrograph import Micrograph
from nanoai_gui.core.tem.particles import Particles
from nanoai_gui.core.tem.sizing import SizingResult
from nanoai_gui.gui.settings import SettingsStore
from nanoai_gui.gui.tem.session import TemSession

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication
    from pytestqt.qtbot import QtBot

    from nanoai_gui.gui.app import Application

SHAPE = (256, 320)
IN_FILE = Calibration(0.5, CalibrationSource.METADATA, "Zeiss tag 34118")


def quick_settings(path: Path) -> SettingsStore:
    """Settings of a person who measures with watershed, which is quick, unless the file says otherwise."""
    store = SettingsStore(path)
    store.values.methods = store.values.methods or ["watershed"]
    return store


@contextmanager
def running(
    qapp: QApplication, qtbot: QtBot, store: SettingsStore, pool: WorkerPool | None = None
) -> Iterator[Application]:
    """Run the program with its window on show; what it changed of the application is put back."""
    # Workers import this module too, and need no window.
    from nanoai_gui.gui.app import create_app
    from nanoai_gui.gui.jobs import JobRunner

    palette = qapp.palette()
    application = create_app(
        store=store,
        runner=JobRunner(pool or WorkerPool(2, reserve=1)),
        install_hooks=False,
        with_log=False,
    )
    try:
        application.window.show()
        qtbot.waitExposed(application.window)
        yield application
    finally:
        application.window.close()
        application.close()
        application.theme.deleteLater()
        application.window.deleteLater()
        qapp.setPalette(palette)


def made_micrograph(name: str = "a.tif", calibration: Calibration = IN_FILE) -> Micrograph:
    """An image of noise."""
    pixels = np.random.default_rng(1).normal(120, 8, SHAPE).clip(0, 255).astype(np.uint8)
    return Micrograph(pixels, name, Path("/images") / name, calibration)


def made_agglomerates(n: int) -> Agglomerates:
    """Squares of 16 px in rows; the last one is left out because it touches the border."""
    labels = np.zeros(SHAPE, dtype=np.int32)
    ids = np.arange(1, n + 1, dtype=np.int32)
    per_row = SHAPE[1] // 20
    y0, x0 = 20 * ((ids - 1) // per_row), 20 * ((ids - 1) % per_row)
    for i, y, x in zip(ids, y0, x0, strict=True):
        labels[y : y + 16, x : x + 16] = i
    return Agglomerates(
        labels=labels,
        ids=ids,
        x=(x0 + 7.5).astype(np.float64),
        y=(y0 + 7.5).astype(np.float64),
        area_px=np.full(n, 256, dtype=np.int64),
        boxes=np.stack([y0, x0, y0 + 16, x0 + 16], axis=1).astype(np.int32),
        excluded=("",) * (n - 1) + (TOUCHES_BORDER,),
        polarity=Polarity.DARK,
        threshold=0.25,
    )


def made_result(method: str, agglomerates: Agglomerates, gmd: float, seed: int) -> SizingResult:
    """Two particles in each agglomerate that is measured, lognormal with GSD 1.3."""
    rng = np.random.default_rng(seed)
    measured = agglomerates.ids[agglomerates.measured]
    owner = np.repeat(measured, 2)
    rows = np.searchsorted(agglomerates.ids, owner)
    radius = 0.5 * gmd * np.exp(rng.normal(0, np.log(1.3), len(owner)))
    x = agglomerates.x[rows] + np.tile([-3.0, 3.0], len(measured))
    particles = Particles.from_circles(owner, x, agglomerates.y[rows], radius, np.linspace(0, 1, len(owner)))
    return SizingResult.from_particles(method, agglomerates, particles)


def made_analysis(
    request: ImageRequest,
    settings: AnalysisSettings,
    calibration: Calibration = IN_FILE,
    n: int = 41,
    seed: int = 0,
) -> ImageAnalysis:
    """Measure nothing, but give what measuring gives."""
    agglomerates = made_agglomerates(n)
    results = {
        method: made_result(method, agglomerates, 10.0 + 2.0 * i, seed)
        for i, method in enumerate(settings.methods)
    }
    return ImageAnalysis(
        request=request,
        settings=settings,
        version="0",
        name=request.path.name,
        shape=SHAPE,
        calibration=calibration,
        data_bar_top=None,
        agglomerates=dataclasses.replace(agglomerates, labels=np.zeros((0, 0), dtype=np.int32)),
        labels=PackedLabels.pack(agglomerates.labels),
        results=results,
        seconds=dict.fromkeys(results, 0.5),
        warnings=(),
    )


def show_image(session: TemSession, name: str = "a.tif", calibration: Calibration = IN_FILE) -> int:
    """Add an image to a session and show it, as if a worker had read it."""
    (key,) = session.add_paths([Path("/images") / name])
    session.set_current(key)
    session.accept_micrograph(key, made_micrograph(name, calibration))
    return key


def analyse_image(session: TemSession, key: int, n: int = 41, seed: int = 0) -> ImageAnalysis:
    """Hand a session the analysis of an image, as if a worker had made it."""
    entry = session.entry(key)
    calibration = entry.known_calibration or Calibration.unknown()
    analysis = made_analysis(entry.request(), session.settings, calibration, n, seed)
    assert session.accept_analysis(key, analysis, analysis.labels.unpack())
    return analysis
