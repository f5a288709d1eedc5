"""What is kept of spectra in a project, byte for byte back again; other bytes are refused in a sentence."""

from __future__ import annotations

import io
import pickle
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.spectra.classifier import ClassifierSettings, fit_classifier
from nanoai_gui.core.spectra.model import Predictions, SpectraModel
from nanoai_gui.core.spectra.preprocessing import Pipeline
from nanoai_gui.core.spectra.rejection import Measures, Thresholds
from nanoai_gui.core.spectra.spectral_set import MapGrid, SpectralSet, WhiteLight
from nanoai_gui.core.spectra.state import (
    model_from_bytes,
    model_to_bytes,
    pipeline_from_bytes,
    pipeline_to_bytes,
    predictions_from_bytes,
    predictions_to_bytes,
    rois_from_bytes,
    set_from_bytes,
    set_to_bytes,
)

N, K = 6, 12
AXIS = np.linspace(400.0, 1800.0, K)


def spectra() -> SpectralSet:
    rng = np.random.default_rng(0)
    columns = {
        "label": np.array(["früh", "", "late", "late", "", "früh"]),
        "x_um": np.array([0.0, 1, 2, 0, 1, np.nan]),
        "hours": np.array([0.0, 6, 24, 0, 6, np.nan]),
    }
    grid = MapGrid(2, 4, np.array([0, 1, 2, 4, 5, 7]), 1.5, -2.0, 0.5, -0.25)
    image = WhiteLight(rng.integers(0, 255, (5, 7, 3)).astype(np.uint8), 0, 1, 2, -3)
    values = rng.normal(size=(N, K)).astype(np.float32)
    return SpectralSet(values, AXIS, columns, grid, image, 785.0, ("one bad pixel",), {"title": "Zelle"})


def assert_same(a: SpectralSet, b: SpectralSet) -> None:
    assert np.array_equal(a.intensities, b.intensities) and np.array_equal(a.axis, b.axis)
    assert list(a.columns) == list(b.columns)
    for name in a.columns:
        assert a.columns[name].dtype.kind == b.columns[name].dtype.kind
        assert np.array_equal(a.columns[name], b.columns[name], equal_nan=a.columns[name].dtype.kind == "f")
    assert a.grid is not None and b.grid is not None and a.image is not None and b.image is not None
    assert a.grid.extent == b.grid.extent and np.array_equal(a.grid.index, b.grid.index)
    assert np.array_equal(a.image.rgb, b.image.rgb) and (a.image.x0, a.image.y1) == (b.image.x0, b.image.y1)
    assert (a.laser_nm, a.warnings, a.metadata) == (b.laser_nm, b.warnings, b.metadata)


def predictions() -> Predictions:
    p = np.random.default_rng(1).dirichlet(np.ones(3), N)
    infinite = np.array([np.inf, 1, 2, 3, 4, 5])
    measures = Measures(infinite, np.arange(N, dtype=np.float64), np.ones(N), p.max(axis=1))
    return Predictions(("a", "b", "ü"), p, measures, np.array([0, 0, 3, 0, 0, 1], np.uint8))


def small_model(values: NDArray[np.float32] | None = None) -> SpectraModel:
    """Give a model of two classes that were drawn by lot."""
    if values is None:
        values = np.random.default_rng(2).normal(size=(30, K)).astype(np.float32)
    classifier = fit_classifier(values, np.arange(30) % 2, ("a", "b"), ClassifierSettings(epochs=2))
    return SpectraModel(("a", "b"), AXIS, Pipeline(), AXIS, classifier, Thresholds(t2=3.0))


def test_sets_come_back_whole() -> None:
    made = spectra()
    assert_same(set_from_bytes(set_to_bytes(made)), made)
    assert set_to_bytes(made) == set_to_bytes(made)


def test_sets_come_back_on_their_source() -> None:
    made = spectra()
    small = set_to_bytes(made, with_intensities=False)
    source = replace(made, columns={}, grid=None)
    assert_same(set_from_bytes(small, source), made)
    with pytest.raises(ReadError, match="not kept here"):
        set_from_bytes(small)
    with pytest.raises(ReadError, match="other spectra"):
        set_from_bytes(small, made.select(np.arange(3)))
    with pytest.raises(ReadError, match="other spectra"):
        set_from_bytes(small, replace(made, axis=AXIS + 300))


def test_a_hundred_thousand_spectra_without_intensities_are_small() -> None:
    n = 100_000
    labels = np.array(["early", "late", ""])[np.arange(n) // 1000 % 3]
    many = SpectralSet(np.zeros((n, 2), np.float32), np.array([1.0, 2.0]), {"label": labels})
    assert len(set_to_bytes(many, with_intensities=False)) < 500_000


def test_predictions_models_and_steps_come_back() -> None:
    made = predictions()
    again = predictions_from_bytes(predictions_to_bytes(made), N)
    assert again.classes == made.classes and np.array_equal(again.probabilities, made.probabilities)
    assert np.array_equal(again.reason, made.reason) and np.array_equal(again.measures.t2, made.measures.t2)
    with pytest.raises(ReadError, match="other spectra"):
        predictions_from_bytes(predictions_to_bytes(made), N + 1)
    pipeline = Pipeline.of("despike", ("crop", {"low": 500, "high": 1700}))
    assert pipeline_from_bytes(pipeline_to_bytes(pipeline)) == pipeline
    rng = np.random.default_rng(2)
    values = rng.normal(size=(30, K)).astype(np.float32)
    model = small_model(values)
    same = model_from_bytes(model_to_bytes(model))
    first, second = (m.predict(SpectralSet(values, AXIS)).probabilities for m in (model, same))
    assert np.array_equal(first, second) and same.thresholds == model.thresholds


@pytest.mark.parametrize("kind", ["empty", "text", "pickle", "other kind", "newer", "cut", "flipped"])
def test_other_bytes_are_refused(kind: str) -> None:
    good = set_to_bytes(spectra())
    bad = {
        "empty": b"",
        "text": b"not at all",
        "pickle": pickle.dumps({"format": "nanoai-spectral-set"}),
        "other kind": predictions_to_bytes(predictions()),
        "newer": _changed_card(good, b'"version": 1', b'"version": 2'),
        "cut": good[: len(good) // 2],
        "flipped": _changed_card(good, b'"n_spectra": 6', b'"n_spectra": 7'),
    }[kind]
    for read in (
        set_from_bytes, lambda data: predictions_from_bytes(data, N), lambda data: rois_from_bytes(data, N),
        model_from_bytes, pipeline_from_bytes,
    ):  # fmt: skip
        if kind == "other kind" and read is not set_from_bytes:
            continue
        with pytest.raises(ReadError) as caught:
            read(bad)
        assert caught.value.message and caught.value.advice


def _changed_card(data: bytes, old: bytes, new: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w") as target:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename == "card.json":
                assert old in content
                content = content.replace(old, new)
            target.writestr(entry.filename, content)
    return out.getvalue()
