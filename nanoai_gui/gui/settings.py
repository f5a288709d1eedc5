"""What the window remembers between runs, as JSON in the user's configuration folder.

A settings file never keeps the program from starting: a file that cannot be read counts as empty, a value
that makes no sense is dropped with a warning, and a key this version does not know is kept for the one that
does.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nanoai_gui.core.folders import config_folder

log = logging.getLogger(__name__)

MOST_RECENT = 12
"""Number of recent files remembered."""


def _checked(is_valid: Callable[[Any], bool]) -> dict[str, Any]:
    """Attach to a field the check its value from a file must pass."""
    return {"is_valid": is_valid}


def _is_text(value: object) -> bool:
    # No system takes a file name with a zero in it: whoever asked for one would fail later.
    return isinstance(value, str) and "\0" not in value


def _is_base64(value: object) -> bool:
    try:
        return isinstance(value, str) and base64.b64decode(value, validate=True) is not None
    except ValueError:
        return False


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_list_of_text(value: object) -> bool:
    return isinstance(value, list) and all(_is_text(item) for item in value)


def _is_map_of_base64(value: object) -> bool:
    return isinstance(value, dict) and all(_is_base64(item) for item in value.values())


@dataclass
class Settings:
    """Everything remembered.

    ``theme`` is ``system``, ``light`` or ``dark``; ``geometry`` the window's place and ``layout`` that of its
    splitters by name (Qt's own bytes as base64); ``recent`` holds the files and folders opened last, newest
    first; ``contrast_colours`` (name of the colour map), ``contrast_inverted`` and ``contrast_kept`` (the
    same from image to image) are of the display, which no analysis sees; ``methods`` are those last ticked.
    ``last_project`` is the file that was worked on last (empty: none), ``recent_projects`` those with a name,
    newest first, and ``project_folder`` where they were put last.
    Parameters are not remembered: an odd threshold of last month must not go unseen into today's numbers.
    """

    theme: str = field(default="system", metadata=_checked(lambda v: v in ("system", "light", "dark")))
    geometry: str = field(default="", metadata=_checked(_is_base64))
    layout: dict[str, str] = field(default_factory=dict, metadata=_checked(_is_map_of_base64))
    recent: list[str] = field(default_factory=list, metadata=_checked(_is_list_of_text))
    open_folder: str = field(default="", metadata=_checked(_is_text))
    export_folder: str = field(default="", metadata=_checked(_is_text))
    show_masks: bool = field(default=True, metadata=_checked(_is_flag))
    show_outlines: bool = field(default=True, metadata=_checked(_is_flag))
    contrast_colours: str = field(default="", metadata=_checked(_is_text))
    contrast_inverted: bool = field(default=False, metadata=_checked(_is_flag))
    contrast_kept: bool = field(default=False, metadata=_checked(_is_flag))
    methods: list[str] = field(default_factory=list, metadata=_checked(_is_list_of_text))
    last_project: str = field(default="", metadata=_checked(_is_text))
    recent_projects: list[str] = field(default_factory=list, metadata=_checked(_is_list_of_text))
    project_folder: str = field(default="", metadata=_checked(_is_text))


class SettingsStore:
    """The settings and the file they live in.

    Parameters
    ----------
    path
        The JSON file; ``None`` takes the user's configuration folder.

    Attributes
    ----------
    values
        The settings, free to be changed; :meth:`save` writes them.
    warnings
        Sentences about what was dropped while reading.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = default_path() if path is None else path
        self.warnings: list[str] = []
        self._unknown: dict[str, Any] = {}
        self.values = self._read()

    def _read(self) -> Settings:
        try:
            raw = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return Settings()
        except (OSError, ValueError, RecursionError) as error:
            self._warn(f"The settings in {self.path} cannot be read ({error}); starting with the defaults.")
            return Settings()
        if not isinstance(raw, dict):
            self._warn(f"The settings in {self.path} are not a table; starting with the defaults.")
            return Settings()
        fields = {f.name: f for f in dataclasses.fields(Settings)}
        good = {}
        for name, value in raw.items():
            if name not in fields:
                self._unknown[name] = value
            elif fields[name].metadata["is_valid"](value):
                good[name] = value
            else:
                self._warn(f"The setting {name!r} cannot be {value!r}; its default is used.")
        return Settings(**good)

    def _warn(self, sentence: str) -> None:
        log.warning(sentence)
        self.warnings.append(sentence)

    def save(self) -> bool:
        """Write the settings whole or not at all; a failure is logged and returns false."""
        import tempfile

        # In ASCII: names of files may hold bytes that are no letters in any encoding.
        text = json.dumps({**self._unknown, **dataclasses.asdict(self.values)}, indent=2)
        temporary = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self.path.parent, prefix=".settings-")
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            Path(temporary).replace(self.path)
        except OSError as error:
            log.warning("The settings cannot be written to %s: %s", self.path, error)
            if temporary is not None:
                with contextlib.suppress(OSError):
                    Path(temporary).unlink()
            return False
        return True

    def remember_recent(self, path: Path) -> None:
        """Put a file or folder at the head of the recent ones."""
        text = str(path)
        others = [item for item in self.values.recent if item != text]
        self.values.recent = [text, *others][:MOST_RECENT]

    def remember_project(self, path: Path) -> None:
        """Put a project at the head of the recent ones."""
        text = str(path)
        others = [item for item in self.values.recent_projects if item != text]
        self.values.recent_projects = [text, *others][:MOST_RECENT]


def default_path() -> Path:
    """Name the settings file of this user."""
    return config_folder() / "settings.json"
