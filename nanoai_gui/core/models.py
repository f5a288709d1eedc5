"""Trained models on disk: plain arrays and one JSON card (:mod:`nanoai_gui.core.archive`), which run no code.

The card says what the model is, what it was trained on and how well it did.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from numpy.typing import NDArray

from nanoai_gui.core.archive import DAMAGE, TooLargeError, read_archive, write_archive
from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.files.atomic import write_bytes

FORMAT = "nanoai-model"
FORMAT_VERSION = 1
LARGEST_BYTES = 256 * 2**20
"""Nothing in a model file may unpack to more than this: a damaged or hostile file cannot fill the memory."""


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
    write_bytes(path, pack_model(model))


def pack_model(model: StoredModel) -> bytes:
    """Give the bytes of a model file."""
    head = {"format": FORMAT, "format_version": FORMAT_VERSION, "kind": model.kind, **model.card}
    return write_archive(head, model.arrays)


def load_model(path: Path, kind: str, *, card_only: bool = False) -> StoredModel:
    """Read a model file of a certain kind, or only its card, to list it.

    Raises
    ------
    ReadError
        If it is missing, damaged, of another kind, or of a newer NanoAI.
    """
    return _read(path, path.name, kind, card_only)


def unpack_model(data: bytes, kind: str, name: str = "The model") -> StoredModel:
    """Read what :func:`pack_model` gave; ``name`` is for the sentence, should it be damaged.

    Raises
    ------
    ReadError
        As :func:`load_model`.
    """
    return _read(io.BytesIO(data), name, kind, card_only=False)


def _read(source: Path | BinaryIO, name: str, kind: str, card_only: bool) -> StoredModel:
    advice = "Choose a model that NanoAI has saved, or train a new one."
    try:
        card, arrays = read_archive(source, LARGEST_BYTES, card_only=card_only)
    except TooLargeError as error:
        raise ReadError(f"{name} claims to hold more than a model can.", advice) from error
    except FileNotFoundError as error:
        raise ReadError(f"The model {name} is not there.", advice) from error
    except DAMAGE as error:
        raise ReadError(f"{name} is not a NanoAI model, or it is damaged.", advice) from error
    if card.pop("format", None) != FORMAT:
        raise ReadError(f"{name} is not a NanoAI model.", advice)
    if card.pop("format_version", 0) != FORMAT_VERSION:
        raise ReadError(f"{name} was made by another version of NanoAI.", "Update NanoAI, or train it again.")
    found = card.pop("kind", "")
    if found != kind:
        raise ReadError(f"{name} is a model for something else ({found}, not {kind}).", advice)
    return StoredModel(kind, card, arrays)
