"""Results as bytes and back (:mod:`nanoai_gui.core.packing`): for edits and for the project file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core import parameters
from nanoai_gui.core.packing import PackingError, pack, unpack
from nanoai_gui.core.tem.agglomerates import Agglomerates, PackedLabels, Polarity
from nanoai_gui.core.tem.analysis import AnalysisSettings, ImageAnalysis, ImageRequest
from nanoai_gui.core.tem.calibration import Calibration, CalibrationSource
from nanoai_gui.core.tem.particles import Particles
from nanoai_gui.core.tem.segmentation import SegmentationParameters
from nanoai_gui.core.tem.sizing import METHOD_MODULES, Description, SizingResult, count_particles, get_method

Arrays = dict[str, NDArray[Any]]
_PARTICLE_COLUMNS = {
    "ids": np.int32, "agglomerate": np.int32, "x": np.float64, "y": np.float64, "area_px": np.float64,
    "score": np.float64, "uncertainty_px": np.float64, "status": np.int8,
}  # fmt: skip
_TABLE_COLUMNS = {"ids": np.int32, "x": np.float64, "y": np.float64, "area_px": np.int64, "boxes": np.int32}


# ---------------------------------------------------------------------- pieces


def put_particles(arrays: Arrays, prefix: str, particles: Particles) -> None:
    """Add the columns of a particle table to ``arrays``."""
    for name in _PARTICLE_COLUMNS:
        arrays[prefix + name] = getattr(particles, name)
    if particles.flagged.any():
        arrays[prefix + "flagged"] = particles.flagged
    lengths = np.array([len(outline) for outline in particles.outlines], dtype=np.int32)
    arrays[prefix + "outline_lengths"] = lengths
    points = [outline for outline in particles.outlines if len(outline)]
    arrays[prefix + "outline_points"] = (
        np.concatenate(points).astype(np.float32) if points else np.empty((0, 2), dtype=np.float32)
    )


def get_particles(arrays: Mapping[str, NDArray[Any]], prefix: str) -> Particles:
    """Read them back."""
    columns: dict[str, NDArray[Any]] = {
        name: arrays[prefix + name].astype(kind) for name, kind in _PARTICLE_COLUMNS.items()
    }
    if prefix + "flagged" in arrays:
        columns["flagged"] = arrays[prefix + "flagged"].astype(bool)
    lengths = arrays[prefix + "outline_lengths"]
    points = arrays[prefix + "outline_points"].astype(np.float32).reshape(-1, 2)
    if lengths.min(initial=0) < 0 or int(lengths.sum()) != len(points):
        raise PackingError("outlines that do not fit their particles")
    outlines = np.split(points, np.cumsum(lengths)[:-1]) if len(lengths) else []
    return Particles(**columns, outlines=tuple(outlines))


def put_agglomerates(arrays: Arrays, prefix: str, table: Agglomerates) -> dict[str, Any]:
    """Add the rows of an agglomerate table (not its images) to ``arrays``; gives the rest as JSON."""
    for name in _TABLE_COLUMNS:
        arrays[prefix + name] = getattr(table, name)
    if table.status is not None:
        arrays[prefix + "status"] = table.status
    return {
        "excluded": list(table.excluded),
        "polarity": str(table.polarity),
        "threshold": None if math.isnan(table.threshold) else table.threshold,
    }


def get_agglomerates(
    arrays: Mapping[str, NDArray[Any]], prefix: str, meta: Mapping[str, Any]
) -> Agglomerates:
    """Read them back, with an empty label image."""
    columns: dict[str, Any] = {
        name: arrays[prefix + name].astype(kind) for name, kind in _TABLE_COLUMNS.items()
    }
    n = len(columns["ids"])
    status = arrays.get(prefix + "status")
    if any(len(column) != n for column in columns.values()) or len(meta["excluded"]) != n:
        raise PackingError("the columns of an agglomerate table must have one length")
    threshold = meta["threshold"]
    return Agglomerates(
        labels=np.zeros((0, 0), dtype=np.int32),
        excluded=tuple(str(reason) for reason in meta["excluded"]),
        polarity=Polarity(meta["polarity"]),
        threshold=math.nan if threshold is None else float(threshold),
        status=None if status is None else status.astype(np.int8),
        **columns,
    )


def put_result(arrays: Arrays, prefix: str, result: SizingResult) -> dict[str, Any]:
    """Add what a method found (or some rows of it) to ``arrays``; gives the rest as JSON."""
    put_particles(arrays, prefix + "particles.", result.particles)
    arrays[prefix + "agglomerate_ids"] = result.agglomerate_ids
    arrays[prefix + "probabilities"] = result.probabilities
    meta: dict[str, Any] = {
        "method": result.method,
        "excluded": list(result.excluded),
        "model": result.model,
        "stale": sorted(result.stale),
    }
    if result.description is not None:
        table = result.description.table
        arrays[prefix + "described"] = table.ids
        arrays[prefix + "features"] = table.values
        arrays[prefix + "scale_px"] = table.scale_px
        arrays[prefix + "low"], arrays[prefix + "high"] = result.description.low, result.description.high
        meta["features"] = {"name": table.feature_set.name, "version": table.feature_set.version}
    return meta


def get_result(arrays: Mapping[str, NDArray[Any]], prefix: str, meta: Mapping[str, Any]) -> SizingResult:
    """Read it back."""
    ids = arrays[prefix + "agglomerate_ids"].astype(np.int32)
    particles = get_particles(arrays, prefix + "particles.")
    return SizingResult(
        method=str(meta["method"]),
        particles=particles,
        agglomerate_ids=ids,
        n_particles=count_particles(ids, particles),
        probabilities=arrays[prefix + "probabilities"].astype(np.float64).reshape(len(ids), 5),
        excluded=tuple(str(reason) for reason in meta["excluded"]),
        model=str(meta["model"]),
        description=_get_description(arrays, prefix, meta.get("features")),
        stale=frozenset(int(i) for i in meta["stale"]),
    )


def _get_description(
    arrays: Mapping[str, NDArray[Any]], prefix: str, meta: Mapping[str, Any] | None
) -> Description | None:
    if meta is None:
        return None
    from nanoai_gui.core.tem.features import FEATURE_SETS, FeatureTable

    feature_set = FEATURE_SETS.get(str(meta["name"]))
    if feature_set is None or feature_set.version != meta["version"]:
        return None  # of another version of NanoAI: the numbers are kept, their names are not known
    ids = arrays[prefix + "described"].astype(np.int32)
    values = arrays[prefix + "features"].astype(np.float64).reshape(len(ids), len(feature_set.features))
    table: FeatureTable = FeatureTable(
        ids, values, arrays[prefix + "scale_px"].astype(np.float64), feature_set
    )
    return Description(table, arrays[prefix + "low"], arrays[prefix + "high"])


# ---------------------------------------------------------------------- settings and calibration


def settings_to_json(settings: AnalysisSettings) -> dict[str, Any]:
    """Write settings as JSON values."""
    return {
        "segmentation": parameters.to_mapping(settings.segmentation),
        "methods": list(settings.methods),
        "parameters": {
            name: parameters.to_mapping(values) for name, values in settings.method_parameters.items()
        },
    }


def settings_from_json(values: Mapping[str, Any]) -> AnalysisSettings:
    """Read settings back; methods that this NanoAI does not have are left out.

    Raises
    ------
    ParameterError
        If a value is of the wrong kind or outside its limits.
    """
    methods = tuple(name for name in values["methods"] if name in METHOD_MODULES)
    return AnalysisSettings(
        segmentation=parameters.from_mapping(SegmentationParameters, values["segmentation"]),
        methods=methods or AnalysisSettings().methods,
        method_parameters={
            name: parameters.from_mapping(get_method(name).Parameters, given)
            for name, given in values["parameters"].items()
            if name in METHOD_MODULES
        },
    )


def calibration_to_json(calibration: Calibration | None) -> dict[str, Any] | None:
    """Write a calibration as JSON values."""
    if calibration is None:
        return None
    return {
        "nm_per_px": calibration.nm_per_px,
        "source": str(calibration.source),
        "detail": calibration.detail,
        "warnings": list(calibration.warnings),
    }


def calibration_from_json(values: Mapping[str, Any] | None) -> Calibration | None:
    """Read a calibration back."""
    if values is None:
        return None
    nm_per_px = values["nm_per_px"]
    return Calibration(
        None if nm_per_px is None else float(nm_per_px),
        CalibrationSource(values["source"]),
        str(values["detail"]),
        tuple(str(text) for text in values["warnings"]),
    )


# ---------------------------------------------------------------------- a whole analysis


def put_analysis(arrays: Arrays, prefix: str, analysis: ImageAnalysis, with_labels: bool) -> dict[str, Any]:
    """Add an analysis to ``arrays``; gives the rest as JSON."""
    request = analysis.request
    results = {}
    for name, result in analysis.results.items():
        results[name] = put_result(arrays, f"{prefix}{name}.", result)
    if with_labels:
        arrays[prefix + "labels"] = np.frombuffer(analysis.labels.data, dtype=np.uint8)
    return {
        "request": {
            "path": str(request.path),
            "frame": request.frame,
            "calibration": calibration_to_json(request.calibration),
            "data_bar_top": request.data_bar_top,
            "generation": request.generation,
        },
        "settings": settings_to_json(analysis.settings),
        "version": analysis.version,
        "name": analysis.name,
        "shape": list(analysis.shape),
        "calibration": calibration_to_json(analysis.calibration),
        "data_bar_top": analysis.data_bar_top,
        "agglomerates": put_agglomerates(arrays, f"{prefix}agglomerates.", analysis.agglomerates),
        "results": results,
        "seconds": dict(analysis.seconds),
        "warnings": list(analysis.warnings),
    }


def get_analysis(arrays: Mapping[str, NDArray[Any]], prefix: str, meta: Mapping[str, Any]) -> ImageAnalysis:
    """Read it back; its labels are empty if they were not written."""
    asked = meta["request"]
    shape = (int(meta["shape"][0]), int(meta["shape"][1]))
    packed = arrays.get(prefix + "labels")
    if packed is None:
        labels = PackedLabels.pack(np.zeros((0, 0), dtype=np.int32))
    else:
        labels = PackedLabels(shape, packed.astype(np.uint8).tobytes())
    calibration = calibration_from_json(meta["calibration"])
    assert calibration is not None
    return ImageAnalysis(
        request=ImageRequest(
            Path(asked["path"]),
            asked["frame"],
            calibration_from_json(asked["calibration"]),
            asked["data_bar_top"],
            int(asked["generation"]),
        ),
        settings=settings_from_json(meta["settings"]),
        version=str(meta["version"]),
        name=str(meta["name"]),
        shape=shape,
        calibration=calibration,
        data_bar_top=meta["data_bar_top"],
        agglomerates=get_agglomerates(arrays, f"{prefix}agglomerates.", meta["agglomerates"]),
        labels=labels,
        results={
            name: get_result(arrays, f"{prefix}{name}.", given) for name, given in meta["results"].items()
        },
        seconds={name: float(value) for name, value in meta["seconds"].items()},
        warnings=tuple(str(text) for text in meta["warnings"]),
    )


def analysis_to_bytes(analysis: ImageAnalysis, with_labels: bool = True) -> bytes:
    """Write an analysis; labels may be kept elsewhere."""
    arrays: Arrays = {}
    meta = put_analysis(arrays, "", analysis, with_labels)
    return pack(meta, arrays)


def analysis_from_bytes(data: bytes) -> ImageAnalysis:
    """Read an analysis back.

    Raises
    ------
    PackingError
        If the bytes are not those of an analysis.
    """
    meta, arrays = unpack(data)
    try:
        return get_analysis(arrays, "", meta)
    except (KeyError, TypeError, ValueError, AssertionError) as error:
        raise PackingError("not an analysis") from error
