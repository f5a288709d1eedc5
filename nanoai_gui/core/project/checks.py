"""What a project may claim of an image: a file from elsewhere can say anything, and is believed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nanoai_gui.core.packing import PackingError
from nanoai_gui.core.project.records import ImageFacts
from nanoai_gui.core.soundness import is_size
from nanoai_gui.core.tem.analysis import AnalysisSettings
from nanoai_gui.core.tem.calibration import Calibration

if TYPE_CHECKING:
    from nanoai_gui.core.editing.edit import Edit

LARGEST_NUMBER = 2**30
"""Of an image, a frame, a particle ...: the next one must fit into 32 bits too."""
LONGEST_TEXT = 10_000
LARGEST_EDIT = 2**28
"""Bytes that one step may unpack to."""
LARGEST_FACTS = 2**26
"""Bytes that what is known of an image may unpack to."""


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_NUMBER


def _is_row(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -1 <= value <= LARGEST_NUMBER


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and 0 <= value < 1e9


_ALONE: Mapping[str, Callable[[object], bool]] = {
    "calibration": lambda value: isinstance(value, Calibration),
    "data_bar_top": _is_row,
    "settings": lambda value: isinstance(value, AnalysisSettings),
}
"""Values of a whole image."""
_BY_ID: Mapping[str, tuple[int, Callable[[object], bool]]] = {
    "count": (2, _is_count),
    "excluded": (2, lambda value: isinstance(value, str) and len(value) <= LONGEST_TEXT),
    "reviewed": (2, lambda value: value is True),
    "accepted": (3, lambda value: value is True),
    "seconds": (3, _is_time),
}
"""Values of an agglomerate or of a particle of a method: how many parts their names have, the id last."""


def is_value(name: str, value: object) -> bool:
    """Whether a document may have a value of this name; ``None`` is one that is not set."""
    if name in _ALONE:
        return value is None or _ALONE[name](value)
    parts = name.split("/")
    if parts[0] not in _BY_ID:
        return len(name) <= LONGEST_TEXT  # of a newer version
    n_parts, is_right = _BY_ID[parts[0]]
    ident = parts[-1]
    is_named = len(parts) == n_parts and ident.isascii() and ident.isdecimal() and len(ident) <= 10
    return is_named and (value is None or is_right(value))


def checked_facts(facts: ImageFacts) -> tuple[ImageFacts, list[str]]:
    """Leave out what cannot be said of an image; gives the names of what was left out too.

    Raises
    ------
    PackingError
        If it is no image at all.
    """
    numbers = (facts.generation, facts.frame or 0, facts.n_frames or 0)
    texts = (str(facts.path), facts.title, facts.error)
    if not all(map(_is_count, numbers)) or max(map(len, texts)) > LONGEST_TEXT or "\0" in texts[0]:
        raise PackingError("numbers or names that cannot be")
    bad = [name for name, value in facts.values.items() if not is_value(name, value)]
    changes: dict[str, Any] = (
        {"values": {n: v for n, v in facts.values.items() if n not in bad}} if bad else {}
    )
    for name, is_right in (("data_bar_top", _is_row), ("file_data_bar_top", _is_row)):
        if getattr(facts, name) is not None and not is_right(getattr(facts, name)):
            bad.append(name)
            changes[name] = None
    if facts.shape is not None and not is_size(facts.shape):
        bad.append("shape")
        changes["shape"] = None
    given = {name: last for name, last in facts.given_ids.items() if _is_count(last)}
    return replace(facts, given_ids=given, **changes), bad


def check_edits(edits: Iterable[Edit], is_measured: bool) -> None:
    """See that steps can be shown, done and undone, as far as that can be told without doing so.

    Raises
    ------
    PackingError
        If not.
    """
    from nanoai_gui.core.editing.patches import ValuePatch

    steps = list(edits)
    if len({edit.uid for edit in steps}) < len(steps):
        raise PackingError("the same step twice")
    for edit in steps:
        if not _is_moment(edit.time) or max(len(edit.title), len(edit.group), len(edit.uid)) > LONGEST_TEXT:
            raise PackingError("a step of no time or name")
        for patch in edit.patches:
            if not isinstance(patch, ValuePatch):
                if not is_measured:
                    raise PackingError("the results they were made on are gone")
            elif not (is_value(patch.what, patch.before) and is_value(patch.what, patch.after)):
                raise PackingError(f"{patch.what[:40]} cannot be set so")


def _is_moment(time: object) -> bool:
    """Whether a time (seconds since 1970) is one that a calendar knows."""
    return isinstance(time, int | float) and math.isfinite(time) and 0 <= time < 3e10
