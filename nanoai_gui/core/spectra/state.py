"""What a person made of spectra as bytes, and back: sets, labels, regions, predictions. Reading runs no code.

For the project file. Everything is a zip of plain arrays and one JSON card (:mod:`nanoai_gui.core.archive`),
except regions, which are JSON. A set can be kept whole, or without its intensities (small, for saving after
every edit), to be put on the set that is read again from its source.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.archive import DAMAGE, read_archive, write_archive
from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.models import pack_model, unpack_model
from nanoai_gui.core.spectra.model import KIND, Predictions, SpectraModel, model_from_stored, stored_model
from nanoai_gui.core.spectra.preprocessing import Pipeline
from nanoai_gui.core.spectra.rejection import REASONS, Measures
from nanoai_gui.core.spectra.rois import Rois
from nanoai_gui.core.spectra.spectral_set import MapGrid, SpectralSet, WhiteLight, code_texts, same_axis

VERSION = 1
SET_FORMAT, PREDICTIONS_FORMAT = "nanoai-spectral-set", "nanoai-predictions"
LARGEST_BYTES = 4 * 2**30
"""No set unpacks to more than this."""
_ADVICE = "Open the original file of the spectra again."
_MEASURES = ("t2", "q", "signal", "probability")


def set_to_bytes(spectra: SpectralSet, *, with_intensities: bool = True) -> bytes:
    """Keep a set: axis, columns (labels, dishes, places ...), map, white-light image, facts.

    Parameters
    ----------
    with_intensities
        Without them and the image (see :func:`set_from_bytes`), 100 000 spectra take about 1 MB.
    """
    arrays: dict[str, NDArray[Any]] = {"axis": spectra.axis}
    texts = {}
    for number, (name, values) in enumerate(spectra.columns.items()):
        if values.dtype.kind == "U":
            texts[name], codes = code_texts(values)
            arrays[f"column{number}"] = codes.astype(np.uint32)
        else:
            arrays[f"column{number}"] = values
    if spectra.grid is not None:
        arrays["pixels"] = spectra.grid.index
    if with_intensities:
        arrays["intensities"] = spectra.intensities
        if spectra.image is not None:
            arrays["image"] = spectra.image.rgb
    grid, image = spectra.grid, spectra.image
    card = {
        "format": SET_FORMAT,
        "version": VERSION,
        "n_spectra": spectra.n_spectra,
        "columns": list(spectra.columns),
        "texts": texts,
        "grid": None if grid is None else [
            grid.n_rows, grid.n_columns, grid.x0, grid.y0, grid.dx, grid.dy
        ],
        "image": None if image is None else [image.x0, image.y0, image.x1, image.y1],
        "laser_nm": spectra.laser_nm,
        "warnings": list(spectra.warnings),
        "metadata": dict(spectra.metadata),
    }  # fmt: skip
    # Noise hardly shrinks, and takes seconds to try.
    return write_archive(card, arrays, uncompressed=("intensities", "image"))


def set_from_bytes(data: bytes, source: SpectralSet | None = None) -> SpectralSet:
    """Give back what :func:`set_to_bytes` kept.

    Parameters
    ----------
    source
        The set as read again from its file: needed for bytes without intensities, which are taken from it.

    Raises
    ------
    ReadError
        If the bytes are something else, damaged or of a newer NanoAI, or the source holds other spectra now.
    """
    card, a = _read(data, SET_FORMAT, "This set of spectra")
    try:
        columns: dict[str, NDArray[Any]] = {}
        for number, name in enumerate(card["columns"]):
            values = a[f"column{number}"]
            columns[str(name)] = (
                np.array(card["texts"][name], np.str_)[values] if name in card["texts"] else values
            )
        pixels, image = card["grid"], card["image"]
        grid = None
        if pixels is not None:
            steps = [float(value) for value in pixels[2:]]
            grid = MapGrid(int(pixels[0]), int(pixels[1]), a["pixels"].astype(np.int64), *steps)
        made = SpectralSet(
            _intensities(a, int(card["n_spectra"]), source),
            a["axis"].astype(np.float64),
            columns,
            grid,
            None,
            None if card["laser_nm"] is None else float(card["laser_nm"]),
            tuple(str(sentence) for sentence in card["warnings"]),
            {str(key): str(value) for key, value in card["metadata"].items()},
        )
        if image is not None and "image" in a:
            rgb = a["image"]
            if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
                raise ValueError("this is no picture")
            made = replace(made, image=WhiteLight(rgb, *(float(value) for value in image)))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise _damaged("This set of spectra") from error
    if source is not None and "intensities" not in a:
        if not same_axis(made.axis, source.axis):
            raise _changed()
        made = replace(made, axis=source.axis, image=source.image)
    return made


def _intensities(a: Mapping[str, NDArray[Any]], n: int, source: SpectralSet | None) -> NDArray[np.float32]:
    if "intensities" in a:
        if a["intensities"].shape != (n, a["axis"].size):
            raise ValueError("the intensities do not fit")
        return a["intensities"]
    if source is None:
        raise ReadError("The spectra are not kept here, only what is known of them.", _ADVICE)
    if source.intensities.shape != (n, a["axis"].size):
        raise _changed()
    return source.intensities


def rois_to_bytes(rois: Rois) -> bytes:
    """Keep the regions of a set."""
    return json.dumps(rois.to_mapping(), ensure_ascii=False, separators=(",", ":")).encode()


def rois_from_bytes(data: bytes, n_spectra: int) -> Rois:
    """Give back what :func:`rois_to_bytes` kept, for a set of ``n_spectra``.

    Raises
    ------
    ReadError
        As :meth:`~nanoai_gui.core.spectra.rois.Rois.from_mapping`.
    """
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ReadError("This is no list of regions.", _ADVICE) from error
    return Rois.from_mapping(content, n_spectra)


def predictions_to_bytes(predictions: Predictions) -> bytes:
    """Keep what a model said of a set."""
    measures = predictions.measures
    arrays = {name: np.asarray(getattr(measures, name)) for name in _MEASURES}
    arrays |= {"probabilities": predictions.probabilities, "reason": predictions.reason}
    card = {"format": PREDICTIONS_FORMAT, "version": VERSION, "classes": list(predictions.classes)}
    return write_archive(card, arrays)


def predictions_from_bytes(data: bytes, n_spectra: int) -> Predictions:
    """Give back what :func:`predictions_to_bytes` kept, for a set of ``n_spectra``.

    Raises
    ------
    ReadError
        If the bytes are something else, damaged, of a newer NanoAI, or belong to another set.
    """
    what = "These predictions"
    card, a = _read(data, PREDICTIONS_FORMAT, what)
    try:
        classes = tuple(str(name) for name in card["classes"])
        measures = Measures(**{name: a[name].astype(np.float64) for name in _MEASURES})
        probabilities, reason = a["probabilities"].astype(np.float64), a["reason"]
        shapes = {a[name].shape for name in (*_MEASURES, "reason")} | {probabilities.shape[:1]}
        if len(shapes) != 1 or probabilities.shape[1:] != (len(classes),) or reason.dtype != np.uint8:
            raise ValueError("the arrays do not fit each other")
        if reason.size and int(reason.max()) >= len(REASONS):
            raise ValueError("an unknown reason")
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(what) from error
    if reason.shape != (n_spectra,):
        raise _changed()
    return Predictions(classes, probabilities, measures, reason)


def model_to_bytes(model: SpectraModel) -> bytes:
    """Keep a model; the bytes are those of a model file."""
    return pack_model(stored_model(model))


def model_from_bytes(data: bytes) -> SpectraModel:
    """Give back what :func:`model_to_bytes` kept.

    Raises
    ------
    ReadError
        As :func:`~nanoai_gui.core.spectra.model.load_spectra_model`.
    """
    name = "The model in the project"
    return model_from_stored(unpack_model(data, KIND, name), name)


def pipeline_to_bytes(pipeline: Pipeline) -> bytes:
    """Keep a list of preprocessing steps."""
    return json.dumps(pipeline.to_mapping(), ensure_ascii=False).encode()


def pipeline_from_bytes(data: bytes) -> Pipeline:
    """Give back what :func:`pipeline_to_bytes` kept.

    Raises
    ------
    ReadError
        If the bytes are something else, damaged or of a newer NanoAI.
    """
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _damaged("This list of preprocessing steps") from error
    return Pipeline.from_mapping(content)


def _read(data: bytes, kind: str, what: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    try:
        card, arrays = read_archive(io.BytesIO(data), LARGEST_BYTES, finite=False)
    except (*DAMAGE, MemoryError) as error:
        raise _damaged(what) from error
    if card.get("format") != kind:
        raise _damaged(what)
    if card.get("version") != VERSION:
        raise ReadError(f"{what} was saved by another version of NanoAI.", "Update NanoAI.")
    return card, arrays


def _damaged(what: str) -> ReadError:
    return ReadError(f"{what} cannot be read: the data are damaged.", _ADVICE)


def _changed() -> ReadError:
    return ReadError(
        "The source holds other spectra than when they were saved.",
        "Put the file back that was there then, or open it anew and mark it again.",
    )
