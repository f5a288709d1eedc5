"""Results and settings come back from bytes to the last digit, and nothing else does."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nanoai_gui.core.packing import PackingError, pack, unpack
from nanoai_gui.core.plain import from_bytes, to_bytes
from nanoai_gui.core.tem.agglomerates import PackedLabels
from nanoai_gui.core.tem.analysis import AnalysisSettings, ImageAnalysis, ImageRequest, analyse_micrograph
from nanoai_gui.core.tem.calibration import Calibration
from nanoai_gui.core.tem.particles import Particles
from nanoai_gui.core.tem.segmentation import SegmentationParameters, ThresholdKind
from nanoai_gui.core.tem.sizing import METHOD_MODULES, get_method
from nanoai_gui.core.tem.synthesis import SynthesisSpec, make_image
from tests.core.analyses import Disc, make_analysis


def assert_same(one: Any, other: Any) -> None:
    """Compare every field of every part, arrays bit for bit."""
    assert type(one) is type(other)
    if isinstance(one, np.ndarray):
        assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
    elif dataclasses.is_dataclass(one):
        for field in dataclasses.fields(one):
            assert_same(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(one, Mapping):
        assert list(one) == list(other)
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, tuple | list):
        assert len(one) == len(other)
        for first, second in zip(one, other, strict=True):
            assert_same(first, second)
    elif isinstance(one, float) and one != one:
        assert other != other
    else:
        assert one == other


@pytest.fixture(scope="module")
def analysis() -> ImageAnalysis:
    """Every method at work on an image, with settings that are not the defaults."""
    micrograph = make_image(SynthesisSpec(width_px=256, height_px=256, gmd_px=16), 3).micrograph
    settings = AnalysisSettings(
        SegmentationParameters(threshold=ThresholdKind.LOCAL, denoise_px=1.5),
        tuple(name for name in METHOD_MODULES if name != "fit"),
        {"watershed": get_method("watershed").Parameters()},
    )
    request = ImageRequest(Path("Bilder ü/field 1.tif"), 2, Calibration.typed(0.7), -1, 5)
    return analyse_micrograph(micrograph.with_calibration(Calibration.typed(0.7)), request, settings)


def test_an_analysis_comes_back_to_the_last_bit(analysis: ImageAnalysis) -> None:
    data = to_bytes(analysis)
    assert_same(from_bytes(ImageAnalysis, data), analysis)
    assert to_bytes(from_bytes(ImageAnalysis, data)) == data
    assert any(len(result.particles) for result in analysis.results.values())


def test_an_image_without_particles_comes_back() -> None:
    empty = make_analysis([])
    assert_same(from_bytes(ImageAnalysis, to_bytes(empty)), empty)


def test_outlines_keep_their_lengths() -> None:
    outlines = [np.zeros((k, 2), np.float32) + k for k in (0, 3, 0, 7)]
    particles = Particles.from_areas([1] * 4, [0.1] * 4, [1 / 3] * 4, [2.0] * 4, outlines=outlines)
    assert_same(from_bytes(Particles, to_bytes(particles)), particles)


def test_another_kind_is_refused() -> None:
    with pytest.raises(PackingError, match="holds a Calibration and not a Particles"):
        from_bytes(Particles, to_bytes(Calibration.typed(2.0)))


def test_what_is_not_listed_cannot_be_written() -> None:
    class Colour(enum.Enum):
        RED = 1

    for value in (Colour.RED, object(), {1, 2}, type("Calibration", (), {})()):
        with pytest.raises(TypeError):
            to_bytes(value)


def altered(value: object, change: Any) -> bytes:
    meta, arrays = unpack(to_bytes(value))
    change(meta, arrays)
    return pack(meta, arrays)


def fields(meta: Any) -> Any:
    return meta["!d"][1]


@pytest.mark.parametrize(
    "change",
    [
        lambda m, a: fields(m).pop("nm_per_px"),
        lambda m, a: fields(m).update(nm_per_px="2"),
        lambda m, a: fields(m).update(nm_per_px=True),
        lambda m, a: fields(m).update(nm_per_px=-1.0),
        lambda m, a: fields(m).update(nm_per_px=None),
        lambda m, a: fields(m).update(source="typed"),
        lambda m, a: fields(m).update(source={"!e": ["CalibrationSource", "guessed"]}),
        lambda m, a: fields(m).update(source={"!e": ["Path", "typed"]}),
        lambda m, a: fields(m).update(warnings={"!t": [1]}),
        lambda m, a: fields(m).update(detail={"!x": 1}),
        lambda m, a: fields(m).update(detail={"!a": "7"}),
        lambda m, a: fields(m).update(detail={"a": 1, "b": 2}),
        lambda m, a: m.update({"!d": ["Popen", {"args": "true"}]}),
        lambda m, a: m.update({"!d": ["Calibration"]}),
    ],
)
def test_a_value_that_cannot_be_is_refused(change: Any) -> None:
    with pytest.raises(PackingError):
        from_bytes(Calibration, altered(Calibration.typed(2.0), change))


def test_tables_whose_columns_differ_are_refused() -> None:
    made = make_analysis([Disc(1, 20, 20, 8, (5.0,)), Disc(4, 60, 60, 9, (6.0, 7.0))])
    arrays = unpack(to_bytes(made))[1]
    for name, array in arrays.items():
        if array.size and array.dtype != np.uint8:  # packed labels are checked when unpacked

            def shorten(_: Any, found: Any, name: str = name) -> None:
                found[name] = found[name][:-1]

            with pytest.raises(PackingError):
                from_bytes(ImageAnalysis, altered(made, shorten))


def test_a_field_of_a_newer_version_is_passed_over_and_a_missing_one_has_its_default() -> None:
    settings = AnalysisSettings(methods=("hough",))
    data = altered(settings, lambda m, a: (fields(m).update(hue=1), fields(m).pop("method_parameters")))
    assert from_bytes(AnalysisSettings, data) == settings


@pytest.mark.parametrize("form", ["!r", "!e", "!q", "!d"])
@pytest.mark.parametrize("inner", [[], ["Polarity"], 3, None, "x"])
def test_forms_without_their_parts_are_refused(form: str, inner: Any) -> None:
    with pytest.raises(PackingError):
        from_bytes(object, pack({form: inner}))


def test_nesting_has_an_end() -> None:
    value: Any = 1
    for _ in range(200):
        value = [value]
    with pytest.raises(PackingError):
        from_bytes(list, pack(value))


def test_labels_come_back_packed() -> None:
    packed = PackedLabels.pack(np.arange(12, dtype=np.int32).reshape(3, 4))
    found = from_bytes(PackedLabels, to_bytes(packed))
    assert found == packed
    assert np.array_equal(found.unpack(), packed.unpack())
