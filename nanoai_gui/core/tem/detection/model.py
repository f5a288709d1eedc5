"""The particle network on disk: an ONNX file, which is data and runs no code, and a JSON card beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.resources import resource
from nanoai_gui.core.tem.detection.grid import N_CHANNELS, STRIDE

FORMAT = "nanoai-particle-network"
FORMAT_VERSION = 1
LARGEST_BYTES = 32 * 2**20
THREADS = 2
"""Of one inference; more would take them from the rest of the program."""
_AGAIN = "Install NanoAI again, or measure with another method."
_ADVICE = "Install NanoAI again, or choose a particle network that NanoAI has made."
_STANDARD_DOMAINS = ("", "ai.onnx")
_SPARSE = "it holds sparse tensors, which particle networks have none of"


@dataclass(frozen=True, eq=False)
class ParticleNetwork:
    """A network that is ready to run, and its card.

    Parameters
    ----------
    session
        The ONNX Runtime session.
    card
        What it was trained on and how well it does.
    fingerprint
        SHA-256 of the file.
    """

    session: Any
    card: Mapping[str, Any]
    fingerprint: str

    def __call__(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Answer for one image.

        Parameters
        ----------
        image
            (h, w) contrast, 0 = background, about 1 = darkest; sides are multiples of
            :data:`~nanoai_gui.core.tem.detection.grid.ALIGNMENT`.

        Returns
        -------
        answer
            (channels, h / 2, w / 2), see :mod:`nanoai_gui.core.tem.detection.grid`.
        """
        (answer,) = self.session.run(None, {"image": image[None, None]})
        return np.asarray(answer[0], dtype=np.float32)


def shipped_network() -> ParticleNetwork:
    """Give the network that comes with NanoAI.

    Raises
    ------
    ReadError
        If it is missing or damaged.
    """
    return load_network(resource("models", "particles.onnx"))


def load_network(path: Path) -> ParticleNetwork:
    """Read a network and its card, the JSON file of the same name; a file read before is not read again.

    Raises
    ------
    ReadError
        If one is missing, they do not belong together, or the file is not a network of this kind that is
        whole in itself: without files beside it, and of standard operators only.
    """
    try:
        stamps = tuple((p.stat().st_mtime_ns, p.stat().st_size) for p in (path, path.with_suffix(".json")))
    except OSError as error:
        raise ReadError(f"The particle network {path.name} or its card is not there.", _ADVICE) from error
    return _load(path, stamps)


@lru_cache(maxsize=2)
def _load(path: Path, stamps: tuple[tuple[int, int], ...]) -> ParticleNetwork:
    name = path.name
    if stamps[0][1] > LARGEST_BYTES:
        raise ReadError(f"{name} is larger than a particle network can be.", _ADVICE)
    card = _read_card(path.with_suffix(".json"))
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ReadError(f"{name} cannot be read.", _ADVICE) from error
    fingerprint = hashlib.sha256(data).hexdigest()
    if card.get("sha256") != fingerprint:
        raise ReadError(f"{name} is damaged, or is not the network that its card describes.", _ADVICE)
    try:
        check_onnx(data)
    except ValueError as error:
        raise ReadError(f"{name} is not a particle network: {error}.", _ADVICE) from error
    return ParticleNetwork(_start(data, name), card, fingerprint)


def _read_card(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > 2**20:
            raise ValueError("too long")
        card = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ReadError(f"The card {path.name} cannot be read.", _ADVICE) from error
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise ReadError(f"{path.name} is not the card of a particle network.", _ADVICE)
    if card.get("format_version") != FORMAT_VERSION:
        raise ReadError(f"{path.name} was made by another version of NanoAI.", "Update NanoAI.")
    return card


def _start(data: bytes, name: str) -> Any:  # noqa: ANN401 - ONNX Runtime has no types
    try:
        import onnxruntime
    except ImportError as error:
        # Not there, or it lacks something of the system's.
        raise ReadError("ONNX Runtime, which runs the particle network, cannot be loaded.", _AGAIN) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.inter_op_num_threads = 1
    # Without spinning, waiting threads leave the processor to the window.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    # Memory goes back after every tile instead of being kept for the largest ever seen.
    options.enable_cpu_mem_arena = False
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        (answer,) = session.run(None, {"image": np.zeros((1, 1, 32, 48), dtype=np.float32)})
        fits = answer.shape == (1, N_CHANNELS, 32 // STRIDE, 48 // STRIDE) and np.isfinite(answer).all()
    except Exception as error:
        # ONNX Runtime's errors share no base class of their own.
        raise ReadError(f"{name} cannot be run as a particle network.", _ADVICE) from error
    if not fits:
        raise ReadError(f"{name} does not answer as a particle network does.", _ADVICE)
    return session


def check_onnx(data: bytes) -> None:
    """Look through an ONNX file without running it.

    The file is a protocol buffer (onnx.proto3): a model holds operator sets (field 8), graphs for training
    (20), functions (25) and a graph (7) of nodes (1, with domain 7 and attributes 5) and initial tensors (5,
    with external data 13 and location 14; sparse ones 15).

    Raises
    ------
    ValueError
        If it is damaged, asks for other files, or for operators outside of the standard.
    """
    graphs = 0
    for number, value in _fields(data):
        if number == 8:
            for inner, domain in _fields(_bytes(value)):
                if inner == 1 and _bytes(domain).decode() not in _STANDARD_DOMAINS:
                    raise ValueError("it needs operators that are not standard")
        elif number == 20:
            raise ValueError("it holds more than a trained network")
        elif number == 25:
            raise ValueError("it defines operators of its own")
        elif number == 7:
            graphs += 1
            _check_graph(_bytes(value))
    if graphs != 1:
        raise ValueError("it holds no network")


def _check_graph(data: bytes, depth: int = 0) -> None:
    if depth > 4:
        raise ValueError("it is nested too deeply")
    for number, value in _fields(data):
        if number == 5:
            _check_tensor(_bytes(value))
        elif number == 15:
            raise ValueError(_SPARSE)
        elif number == 1:
            for inner, part in _fields(_bytes(value)):
                if inner == 7 and _bytes(part).decode() not in _STANDARD_DOMAINS:
                    raise ValueError("it needs operators that are not standard")
                if inner == 5:
                    # An attribute may hold tensors (5, 10; sparse 22, 23) or graphs (6, 11).
                    for kind, held in _fields(_bytes(part)):
                        if kind in (5, 10):
                            _check_tensor(_bytes(held))
                        elif kind in (22, 23):
                            raise ValueError(_SPARSE)
                        elif kind in (6, 11):
                            _check_graph(_bytes(held), depth + 1)


def _check_tensor(data: bytes) -> None:
    for number, value in _fields(data):
        if number == 13 or (number == 14 and value != 0):
            raise ValueError("it wants to read other files")


def _bytes(value: bytes | int) -> bytes:
    if isinstance(value, int):
        raise ValueError("it is damaged")
    return value


def _fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Split a protocol buffer message into field numbers and values."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        if kind == 2:
            length, at = _varint(data, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError("it is damaged")
        if at + length > len(data):
            raise ValueError("it is cut off")
        yield number, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("it is cut off")
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def describe_network(network: ParticleNetwork) -> str:
    """Name a network in one line, for results: origin and fingerprint."""
    return f"particles ({network.card.get('date', 'no date')}, {network.fingerprint[:12]})"
