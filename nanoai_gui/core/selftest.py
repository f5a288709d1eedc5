"""Does this installation work? Every part is tried on data that ships with it, and each answers in a line.

What there is to try is taken from the program's own lists: shipped models, readable endings, sizing methods,
preprocessing steps. What is added there is tried here without another word, and a new kind of file without a
sample counts as a failure.
"""

from __future__ import annotations

import importlib
import json
import math
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.resources import resource

if TYPE_CHECKING:
    from nanoai_gui.core.tem.analysis import ImageAnalysis, ImageRequest

SAMPLE_IMAGE = ("samples", "tem", "synthetic_0001.tif")
SAMPLE_SPECTRA = ("samples", "raman", "spectra.csv")
SAMPLE_MAP = ("samples", "raman", "map_6h.csv")
SAMPLE_FILES = "selftest"
"""Folder of the files that the bundle's recipe makes, one of each kind."""
LARGEST_BIAS = 0.35
"""A method whose mean diameter is further off the truth than this is broken, not only inexact."""
WORKER_SECONDS = 120.0
"""Starting a process takes half a second; on a machine that is starting itself up much longer."""


class CheckFailed(Exception):
    """Something is not as it should be; the message says what."""


class Skipped(Exception):
    """There is nothing to try here; the message says why."""


@dataclass(frozen=True)
class Check:
    """One thing to try: ``run`` is given an empty folder, and says in a few words what it found."""

    title: str
    run: Callable[[Path], str]


def core_checks() -> Iterator[Check]:
    """List everything that needs no screen."""
    from nanoai_gui.core.files.micrographs import READABLE_SUFFIXES
    from nanoai_gui.core.files.spectra import SPECTRA_SUFFIXES
    from nanoai_gui.core.spectra.preprocessing.steps import STEP_MODULES
    from nanoai_gui.core.tem.sizing import METHOD_MODULES

    for path in sorted(resource("models").iterdir()):
        yield Check(f"model {path.name}", partial(_model, path))
    if _has_samples():
        for suffix in sorted(READABLE_SUFFIXES | SPECTRA_SUFFIXES):
            yield Check(f"read {suffix}", partial(_read, suffix))
    else:
        yield Check("read files of every kind", _no_samples)
    for method in METHOD_MODULES:
        yield Check(f"measure with {method}", partial(_size, method))
    for step in STEP_MODULES:
        yield Check(f"preprocess: {step}", partial(_preprocess, step))
    yield Check("train on spectra, classify the sample map", _classify)
    yield Check("measure in a worker process", _worker)
    yield Check("write results and pictures", _write_results)
    yield Check("write a project and open it again", _project)


def run(checks: Sequence[Check], say: Callable[[str], object]) -> int:
    """Run checks, a line each, and give the number of those that failed."""
    failed = 0
    started = time.monotonic()
    for check in checks:
        begun = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="nanoai-selftest-", ignore_cleanup_errors=True) as folder:
            try:
                found, state = check.run(Path(folder)), "ok"
            except Skipped as reason:
                found, state = str(reason), "skipped"
            except Exception as error:
                failed += 1
                found, state = _describe(error), "FAILED"
        say(f"{state:<8}{check.title}: {found} ({time.monotonic() - begun:.2f} s)")
    total = f"{len(checks)} checks in {time.monotonic() - started:.1f} s"
    say(f"self-test FAILED: {failed} of {total}" if failed else f"self-test passed: {total}")
    return failed


def _describe(error: Exception) -> str:
    if isinstance(error, CheckFailed):
        return str(error)
    cause = error.__cause__ or error
    place = traceback.extract_tb(cause.__traceback__)[-1]
    return f"{error} [{type(cause).__name__}: {cause}, {Path(place.filename).name} line {place.lineno}]"


def expect(holds: bool, otherwise: str) -> None:
    """Fail with a sentence unless something holds."""
    if not holds:
        raise CheckFailed(otherwise)


# ------------------------------------------------------------------------------------------ models


def _model(path: Path, _: Path) -> str:
    if path.suffix == ".json":
        card = json.loads(path.read_text(encoding="utf-8"))
        return f"card with {len(card)} entries"
    if path.suffix == ".onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        return ", ".join(f"{node.name} {node.shape}" for node in session.get_inputs())
    expect(path.suffix == ".zip", "there is no way to load this kind of model")
    return _zip_model(path)


def _zip_model(path: Path) -> str:
    import zipfile

    from nanoai_gui.core.spectra.model import load_spectra_model
    from nanoai_gui.core.tem.networks.model import load_tem_model

    with zipfile.ZipFile(path) as archive:
        kind = str(json.loads(archive.read("card.json"))["kind"])
    loaders: dict[str, Callable[[Path], Any]] = {"tem-ann": load_tem_model, "spectra": load_spectra_model}
    expect(kind in loaders, f"there is no way to load a model of the kind {kind}")
    return f"{kind}, {len(loaders[kind](path).card)} entries on its card"


# ------------------------------------------------------------------------------------------ files


def _has_samples() -> bool:
    try:
        resource(SAMPLE_FILES)
    except ReadError:
        return False
    return True


def _no_samples(_: Path) -> str:
    raise Skipped("one of each comes with the standalone program only")


def _read(suffix: str, _: Path) -> str:
    folder = resource(SAMPLE_FILES)
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    names = [name for name in expected if Path(name).suffix == suffix]
    expect(bool(names), "no file of this kind was made to try it on")
    readers = {"image": _read_image, "spectra": _read_spectra}
    return "; ".join(readers[expected[name]["kind"]](folder / name, expected[name]) for name in names)


def _read_image(path: Path, expected: dict[str, Any]) -> str:
    from nanoai_gui.core.files.micrographs import read_micrograph

    found = read_micrograph(path)
    expect(list(found.shape) == expected["shape"], f"an image of {found.shape} px was read")
    size, wanted = found.calibration.nm_per_px, expected["nm_per_px"]
    is_right = size is wanted if size is None or wanted is None else math.isclose(size, wanted, rel_tol=1e-3)
    expect(is_right, f"a pixel size of {size} instead of {wanted} nm was read")
    expect(float(found.pixels.std()) > 0, "the image is empty")
    return f"{found.shape[1]} x {found.shape[0]} px, " + (
        "no scale" if size is None else f"{size:g} nm per px"
    )


def _read_spectra(path: Path, expected: dict[str, Any]) -> str:
    from nanoai_gui.core.files.spectra import read_spectra

    found = read_spectra(path)[0]
    shape = (found.n_spectra, len(found.axis))
    expect(shape == (expected["n_spectra"], expected["n_points"]), f"{shape} spectra and points were read")
    ends = (float(found.axis[0]), float(found.axis[-1]))
    is_right = all(math.isclose(a, b, abs_tol=0.1) for a, b in zip(ends, expected["axis"], strict=True))
    expect(is_right, f"an axis from {ends[0]} to {ends[1]} was read")
    expect(float(found.intensities.std()) > 0, "the spectrum is empty")
    return f"{shape[0]} x {shape[1]} points from {ends[0]:g} to {ends[1]:g} cm-1"


# ------------------------------------------------------------------------------------------ measuring


def _size(method: str, _: Path) -> str:
    from nanoai_gui.core.tem.sizing import get_method

    if getattr(get_method(method), "BY_HAND", False):
        raise Skipped("a person places these particles")
    return _judge(method, measure_sample(method))


def measure_sample(method: str) -> ImageAnalysis:
    """Measure the sample image with one method; what the worker process is asked to do as well."""
    from nanoai_gui.core.tem.analysis import AnalysisSettings, analyse

    return analyse(_request(), AnalysisSettings(methods=(method,)))


def _request() -> ImageRequest:
    from nanoai_gui.core.tem.analysis import ImageRequest

    return ImageRequest(resource(*SAMPLE_IMAGE))


def _judge(method: str, analysis: ImageAnalysis) -> str:
    """Compare the geometric mean diameter with that of the particles that are really there."""
    import csv

    import numpy as np

    diameters = np.asarray(analysis.results[method].particles.diameter_px, dtype=np.float64)
    expect(diameters.size > 0, "no particle was found")
    with resource("samples", "tem", "truth.csv").open(encoding="utf-8", newline="") as table:
        truth = [
            float(row["diameter_px"]) for row in csv.DictReader(table) if row["image"] == SAMPLE_IMAGE[-1]
        ]
    found, true = (float(np.exp(np.log(values).mean())) for values in (diameters, np.asarray(truth)))
    seen = f"{diameters.size} particles, GMD {found:.1f} px where {true:.1f} px is true"
    expect(abs(math.log(found / true)) < math.log1p(LARGEST_BIAS), seen)
    return seen


def _worker(_: Path) -> str:
    import os

    from nanoai_gui.core.jobs import WorkerPool
    from nanoai_gui.core.tem.sizing import METHOD_MODULES

    method = next(iter(METHOD_MODULES))
    with WorkerPool(1) as pool:
        job = pool.submit(measure_sample, method)
        analysis = job.result(WORKER_SECONDS)
        expect(job.pid not in (None, os.getpid()), "it ran in the same process")
    return _judge(method, analysis)


def _write_results(folder: Path) -> str:
    from nanoai_gui.core.files.figures import write_histogram
    from nanoai_gui.core.files.micrographs import read_micrograph
    from nanoai_gui.core.files.overlay import write_overlay
    from nanoai_gui.core.files.tables import SizeTables
    from nanoai_gui.core.tem.distribution import pool
    from nanoai_gui.core.tem.sizing import METHOD_MODULES

    method = next(iter(METHOD_MODULES))
    analysis = measure_sample(method)
    with SizeTables(folder, analysis.settings) as tables:
        tables.add(analysis.name, analysis)
    write_overlay(folder / "overlay.png", read_micrograph(_request().path), analysis, method)
    sample = pool([analysis], method, "px")
    for suffix in (".png", ".svg"):
        write_histogram(folder / f"histogram{suffix}", [sample])
    sizes = {file.name: file.stat().st_size for file in sorted(folder.iterdir())}
    expect(len(sizes) >= 6 and all(sizes.values()), f"only these were written: {sizes}")
    return ", ".join(f"{name} {size / 1000:.1f} kB" for name, size in sizes.items())


def _project(folder: Path) -> str:
    from nanoai_gui.core.project.opening import open_project
    from nanoai_gui.core.project.records import ImageFacts
    from nanoai_gui.core.project.store import ProjectStore
    from nanoai_gui.core.tem.sizing import METHOD_MODULES

    method = next(iter(METHOD_MODULES))
    analysis = measure_sample(method)
    path = folder / "self-test.nanoai"
    store = ProjectStore.create(path)
    with store.transaction():
        store.put_image(1, 1, ImageFacts(_request().path, shape=analysis.shape), False)
        store.put_analysis(1, analysis)
        store.put_labels(1, analysis.labels)
    store.close()
    size = path.stat().st_size
    opened = open_project(path)
    try:
        (image,) = opened.content.images
        expect(image.analysis is not None, "what was measured did not come back")
        assert image.analysis is not None
        before, after = (len(found.results[method].particles) for found in (analysis, image.analysis))
        expect(before == after, f"{after} of {before} particles came back")
        expect(image.analysis.labels == analysis.labels, "other agglomerates came back")
    finally:
        if opened.store is not None:
            opened.store.close()
    return f"{after} particles in {size / 1000:.0f} kB"


# ------------------------------------------------------------------------------------------ spectra


def _preprocess(step: str, _: Path) -> str:
    import numpy as np

    from nanoai_gui.core.files.spectra import read_spectra
    from nanoai_gui.core.spectra.preprocessing.steps import get_step

    spectra = read_spectra(resource(*SAMPLE_SPECTRA))[0]
    module = get_step(step)
    rows = np.ascontiguousarray(spectra.intensities[:8], dtype=np.float32)
    values, axis = module.apply(rows, spectra.axis, module.Parameters())
    expect(bool(np.isfinite(values).all()) and values.shape == (len(rows), len(axis)), "bad values came out")
    return f"{len(rows)} spectra of {values.shape[1]} points"


def _classify(folder: Path) -> str:
    from nanoai_gui.core.files.predictions import write_predictions_csv
    from nanoai_gui.core.files.spectra import read_spectra
    from nanoai_gui.core.spectra.classifier import ClassifierSettings
    from nanoai_gui.core.spectra.model import load_spectra_model, save_spectra_model
    from nanoai_gui.core.spectra.spectral_set import concatenate
    from nanoai_gui.core.spectra.training import (
        TrainingSettings,
        ValidationSettings,
        default_preset,
        gather,
        pipelines_by_name,
        train_spectra,
    )

    spectra = concatenate(read_spectra(resource(*SAMPLE_SPECTRA)))
    settings = TrainingSettings(
        pipelines_by_name([default_preset(spectra.axis)]),
        ClassifierSettings(n_components=8, members=1, epochs=20),
        validation=ValidationSettings(n_folds=2, n_permutations=0, baselines=False),
    )
    trained = train_spectra(gather(spectra, "label", "cell"), settings)
    path = folder / "model.zip"
    save_spectra_model(path, trained.model)
    (measured,) = read_spectra(resource(*SAMPLE_MAP))
    predictions = load_spectra_model(path).predict(measured)
    write_predictions_csv(folder / "predictions.csv", measured, predictions)
    expect(predictions.probabilities.shape[0] == measured.n_spectra, "spectra of the map are missing")
    named = int((~predictions.rejected).sum())
    folds = trained.report["grouped_folds"]["balanced_accuracy"]
    expect(named > 0 and folds > 0.5, f"{named} spectra were classified, balanced accuracy {folds:.2f}")
    return f"{named} of {measured.n_spectra} spectra classified, balanced accuracy {folds:.2f} between cells"


def versions() -> str:
    """Name the versions of what the program is made of."""
    names = (
        "numpy",
        "scipy",
        "skimage",
        "sklearn",
        "onnxruntime",
        "rsciio",
        "tifffile",
        "h5py",
        "matplotlib",
    )
    found = {name: getattr(importlib.import_module(name), "__version__", "?") for name in names}
    return ", ".join(f"{name} {version}" for name, version in found.items())
