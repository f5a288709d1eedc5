"""Results and settings as bytes, and back: only the kinds of things listed here can come back.

A value is written by what it is: numbers, texts and lists as in JSON, and everything else as an object with
one key that starts with ``!``: ``!d`` one of our dataclasses, ``!e`` a member of an enumeration, ``!q`` the
parameters of a sizing method, ``!a`` an array, ``!r`` a tuple of arrays that differ only in length, ``!t`` a
tuple, ``!s`` a set, ``!m`` a mapping, ``!p`` a path, ``!b`` bytes.

Reading checks every value against the type its field is declared with. A field that is not known (of a newer
version) is passed over, one that is missing takes its default.
"""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.errors import NanoAIError
from nanoai_gui.core.packing import LARGEST_BYTES, Allowance, PackingError, pack, unpack
from nanoai_gui.core.parameters import from_mapping, to_mapping
from nanoai_gui.core.soundness import is_sound
from nanoai_gui.core.tem.agglomerates import Agglomerates, PackedLabels, Polarity
from nanoai_gui.core.tem.analysis import AnalysisSettings, ImageAnalysis, ImageRequest
from nanoai_gui.core.tem.calibration import Calibration, CalibrationSource
from nanoai_gui.core.tem.particles import Particles
from nanoai_gui.core.tem.segmentation import SegmentationParameters
from nanoai_gui.core.tem.sizing import Description, SizingResult, get_method

T = TypeVar("T")

KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        Agglomerates, AnalysisSettings, Calibration, Description, ImageAnalysis, ImageRequest,
        PackedLabels, Particles, SizingResult,
    )
}  # fmt: skip
"""The dataclasses that can be written, by the name they have in the file; see :func:`_complete`."""
ENUMERATIONS: dict[str, type[enum.Enum]] = {kind.__name__: kind for kind in (CalibrationSource, Polarity)}
_SEGMENTATION = "segmentation"
_DEEPEST = 30
MOST_PIECES = 2**20
"""Pieces of a joined array: each takes a hundred bytes of memory, and none in a file."""


@cache
def _complete() -> None:
    """Add the kinds whose modules the window does not need when it starts."""
    from nanoai_gui.core.tem.background import Background
    from nanoai_gui.core.tem.features import FeatureTable
    from nanoai_gui.core.tem.features.sets import Feature, FeatureSet
    from nanoai_gui.core.tem.fitting.report import FitReport

    for kind in (Background, Feature, FeatureSet, FeatureTable, FitReport):
        KINDS[kind.__name__] = kind


def to_bytes(value: object) -> bytes:
    """Write a value.

    Raises
    ------
    TypeError
        If it holds something that is not listed here.
    """
    _complete()
    arrays: dict[str, NDArray[Any]] = {}
    return pack(_encode(value, arrays), arrays)


def from_bytes(
    kind: type[T], data: bytes, largest: int = LARGEST_BYTES, allowance: Allowance | None = None
) -> T:
    """Read a value that must be of a certain kind.

    Parameters
    ----------
    kind
        What it must be.
    data
        From anywhere.
    largest
        Bytes that it may unpack to.
    allowance
        Bytes that it and others of the same file may unpack to.

    Raises
    ------
    PackingError
        If the bytes are damaged, or hold something else.
    """
    _complete()
    meta, arrays = unpack(data, largest, allowance)
    return _as(kind, _decode(meta, arrays, 0))


def to_json(value: object) -> Any:  # noqa: ANN401 - any JSON value
    """Write a value without arrays as JSON values.

    Raises
    ------
    TypeError
        If it holds arrays, or something that is not listed here.
    """
    _complete()
    arrays: dict[str, NDArray[Any]] = {}
    made = _encode(value, arrays)
    if arrays:
        raise TypeError("an array cannot be written as JSON")
    return made


def from_json(kind: type[T], value: object) -> T:
    """Read a value of a certain kind from what :func:`to_json` gave.

    Raises
    ------
    PackingError
        If it is something else.
    """
    _complete()
    return _as(kind, _decode(value, {}, 0))


def _as(kind: type[T], value: object) -> T:
    if not isinstance(value, kind):
        raise PackingError(f"holds a {type(value).__name__} and not a {kind.__name__}")
    return value


# ---------------------------------------------------------------------- writing


def _encode(value: Any, arrays: dict[str, NDArray[Any]]) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, enum.Enum):
        return {"!e": [_registered(type(value), ENUMERATIONS), value.value]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return {"!a": _keep(value, arrays)}
    if isinstance(value, Path):
        return {"!p": str(value)}
    if isinstance(value, bytes):
        return {"!b": _keep(np.frombuffer(value, np.uint8), arrays)}
    if isinstance(value, tuple) and _is_ragged(value):
        lengths = np.array([len(array) for array in value], dtype=np.int64)
        return {"!r": [_keep(np.concatenate(value), arrays), _keep(lengths, arrays)]}
    if isinstance(value, tuple):
        return {"!t": [_encode(item, arrays) for item in value]}
    if isinstance(value, frozenset):
        return {"!s": [_encode(item, arrays) for item in sorted(value)]}
    if isinstance(value, list):
        return [_encode(item, arrays) for item in value]
    if isinstance(value, Mapping):
        return {"!m": {str(key): _encode(item, arrays) for key, item in value.items()}}
    if isinstance(value, SegmentationParameters):
        return {"!q": [_SEGMENTATION, to_mapping(value)]}
    if isinstance(value, AnalysisSettings):
        return _encode_settings(value, arrays)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: _encode(getattr(value, f.name), arrays) for f in dataclasses.fields(value)}
        return {"!d": [_registered(type(value), KINDS), fields]}
    raise TypeError(f"a project cannot hold a {type(value).__name__}")


def _encode_settings(settings: AnalysisSettings, arrays: dict[str, NDArray[Any]]) -> Any:  # noqa: ANN401
    fields = {
        f.name: _encode(getattr(settings, f.name), arrays)
        for f in dataclasses.fields(settings)
        if f.name != "method_parameters"
    }
    chosen = {name: {"!q": [name, to_mapping(p)]} for name, p in settings.method_parameters.items()}
    return {"!d": ["AnalysisSettings", fields | {"method_parameters": {"!m": chosen}}]}


def _registered(kind: type, known: Mapping[str, type]) -> str:
    if known.get(kind.__name__) is not kind:
        raise TypeError(f"a project cannot hold a {kind.__name__}")
    return kind.__name__


def _keep(array: NDArray[Any], arrays: dict[str, NDArray[Any]]) -> str:
    name = str(len(arrays))
    arrays[name] = array
    return name


def _is_ragged(value: tuple[Any, ...]) -> bool:
    if not value or not isinstance(value[0], np.ndarray) or value[0].ndim < 1:
        return False
    first = value[0]
    return all(
        isinstance(item, np.ndarray) and item.dtype == first.dtype and item.shape[1:] == first.shape[1:]
        for item in value
    )


# ---------------------------------------------------------------------- reading


def _decode(value: Any, arrays: Mapping[str, NDArray[Any]], depth: int) -> Any:  # noqa: ANN401
    if depth > _DEEPEST:
        raise PackingError("nested too deep")
    if isinstance(value, list):
        return [_decode(item, arrays, depth + 1) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) != 1:
        raise PackingError("an object of an unknown form")
    ((tag, inner),) = value.items()
    try:
        return _decode_tagged(tag, inner, arrays, depth)
    except PackingError:
        raise
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, NanoAIError) as error:
        raise PackingError(f"a value of the form {tag} that cannot be") from error


def _decode_tagged(tag: str, inner: Any, arrays: Mapping[str, NDArray[Any]], depth: int) -> Any:  # noqa: ANN401
    match tag:
        case "!a":
            return arrays[inner]
        case "!r":
            return _split(arrays[inner[0]], arrays[inner[1]])
        case "!t":
            return tuple(_decode(item, arrays, depth + 1) for item in inner)
        case "!s":
            return frozenset(_decode(item, arrays, depth + 1) for item in inner)
        case "!m":
            return {key: _decode(item, arrays, depth + 1) for key, item in inner.items()}
        case "!p":
            return Path(inner)
        case "!b":
            return arrays[inner].tobytes()
        case "!e":
            return ENUMERATIONS[inner[0]](inner[1])
        case "!q":
            owner, chosen = inner
            kind = SegmentationParameters if owner == _SEGMENTATION else get_method(owner).Parameters
            return from_mapping(kind, chosen)
        case "!d":
            name, fields = inner
            return _make(KINDS[name], {key: _decode(item, arrays, depth + 1) for key, item in fields.items()})
    raise PackingError(f"an unknown form {tag!r}")


def _split(joined: NDArray[Any], lengths: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    if lengths.dtype != np.int64 or lengths.ndim != 1 or len(lengths) > MOST_PIECES:
        raise PackingError("more pieces than there may be")
    # Each by itself first: so large ones that their sum wraps round add up to anything.
    if ((lengths < 0) | (lengths > len(joined))).any() or lengths.sum() != len(joined):
        raise PackingError("pieces that do not add up to the whole")
    return tuple(np.split(joined, np.cumsum(lengths)[:-1])) if len(lengths) else ()


def _make(kind: type[Any], values: Mapping[str, Any]) -> Any:  # noqa: ANN401
    hints = _hints(kind.__name__)
    known = {f.name: values[f.name] for f in dataclasses.fields(kind) if f.name in values}
    for name, value in known.items():
        if not _fits(value, hints[name]):
            raise PackingError(f"{kind.__name__}.{name} cannot be a {type(value).__name__}")
    made = kind(**known)
    if not is_sound(made):
        raise PackingError(f"a {kind.__name__} whose parts do not belong together")
    return made


@cache
def _hints(name: str) -> dict[str, Any]:
    # Some modules import the types of their fields only for the type checker.
    return typing.get_type_hints(KINDS[name], localns=KINDS)


def _fits(value: Any, hint: Any) -> bool:  # noqa: ANN401
    """Whether a value is what a field is declared to hold."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return True
    if origin in (types.UnionType, typing.Union):
        return any(_fits(value, one) for one in arguments)
    if origin is np.ndarray:
        kinds = typing.get_args(arguments[1])
        return isinstance(value, np.ndarray) and (kinds[0] is Any or value.dtype.type is kinds[0])
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return all(_fits(item, arguments[0]) for item in value)
        return len(value) == len(arguments) and all(map(_fits, value, arguments))
    if origin is frozenset:
        return isinstance(value, frozenset) and all(_fits(item, arguments[0]) for item in value)
    if origin is not None:
        return isinstance(value, origin) and (
            not isinstance(value, Mapping) or all(_fits(item, arguments[1]) for item in value.values())
        )
    if hint is float:
        return isinstance(value, float | int) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint is type(None):
        return value is None
    if getattr(hint, "_is_protocol", False):
        return type(value) in KINDS.values()
    return isinstance(value, hint)
