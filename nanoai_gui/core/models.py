"""Trained models on disk: a zip of plain arrays and one JSON card. Loading runs no code.

Layout of the zip: ``card.json`` (UTF-8) and ``arrays/NAME.npy`` (NumPy format, never with pickled
objects). The card says what the model is, what it was trained on and how well it did.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.files.atomic import write_bytes

FORMAT = "nanoai-model"
FORMAT_VERSION = 1
LARGEST_BYTES = 256 * 2**20
"""Nothing in a model file may unpack to more than this: a damaged or hostile file cannot fill the memory."""
_CARD = "card.json"
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, KeyError, ValueError, EOFError, OSError, RecursionError, SyntaxError,
    TypeError, RuntimeError,
)  # fmt: skip
"""What the readers of zip, JSON and arrays raise on other bytes (RuntimeError if encrypted)."""
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, eq=False)
class StoredModel:
    """What a model file holds.

    Parameters
    ----------
    kind
        What it is for, such as ``tem-ann`` or ``spectra``.
    card
        JSON values: training data (generator, seed, size), feature set and version, date, versions,
        measured accuracy.
    arrays
        Named arrays of numbers.
    """

    kind: str
    card: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]


def save_model(path: Path, model: StoredModel) -> None:
    """Write a model file, whole or not at all; the same model gives the same bytes.

    Raises
    ------
    WriteError
        If the file cannot be written; what stood there still stands there.
    """
    head = {"format": FORMAT, "format_version": FORMAT_VERSION, "kind": model.kind, **model.card}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        text = json.dumps(head, indent=1, ensure_ascii=False, sort_keys=True)
        archive.writestr(_entry(_CARD), text.encode())
        for name in sorted(model.arrays):
            raw = io.BytesIO()
            np.save(raw, np.ascontiguousarray(model.arrays[name]), allow_pickle=False)
            archive.writestr(_entry(f"arrays/{name}.npy"), raw.getvalue())
    write_bytes(path, packed.getvalue())


def _entry(name: str) -> zipfile.ZipInfo:
    # A fixed date: the same model gives the same bytes.
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def load_model(path: Path, kind: str, *, card_only: bool = False) -> StoredModel:
    """Read a model file of a certain kind, or only its card, to list it.

    Raises
    ------
    ReadError
        If it is missing, damaged, of another kind, or of a newer NanoAI.
    """
    name = path.name
    advice = "Choose a model that NanoAI has saved, or train a new one."
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > LARGEST_BYTES:
                raise ReadError(f"{name} claims to hold more than a model can.", advice)
            card = json.loads(archive.read(_CARD))
            if not isinstance(card, dict) or card.pop("format", None) != FORMAT:
                raise ReadError(f"{name} is not a NanoAI model.", advice)
            if card.pop("format_version", 0) != FORMAT_VERSION:
                raise ReadError(
                    f"{name} was made by another version of NanoAI.", "Update NanoAI, or train it again."
                )
            found = card.pop("kind", "")
            if found != kind:
                raise ReadError(f"{name} is a model for something else ({found}, not {kind}).", advice)
            arrays = {
                entry.filename[len("arrays/") : -len(".npy")]: _read_array(archive.read(entry))
                for entry in archive.infolist()
                if entry.filename.startswith("arrays/") and entry.filename.endswith(".npy") and not card_only
            }
    except FileNotFoundError as error:
        raise ReadError(f"The model {name} is not there.", advice) from error
    except _DAMAGE as error:
        raise ReadError(f"{name} is not a NanoAI model, or it is damaged.", advice) from error
    return StoredModel(kind, card, arrays)


def _read_array(raw: bytes) -> NDArray[Any]:
    stream = io.BytesIO(raw)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("an unknown version of the array format")
    shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    # Before any memory is taken for it: the header may lie.
    if dtype.kind not in "fiub" or math.prod(shape) * dtype.itemsize != len(raw) - stream.tell():
        raise ValueError("not an array of numbers of the stated size")
    array: NDArray[Any] = np.load(io.BytesIO(raw), allow_pickle=False)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError("not an array of finite numbers")
    return array
