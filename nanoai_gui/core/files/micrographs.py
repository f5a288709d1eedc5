"""Electron micrographs from any instrument's files, read by well-kept libraries and judged here."""

from __future__ import annotations

from pathlib import Path

from nanoai_gui.core.tem.micrograph import Micrograph


def read_micrograph(path: Path, frame: int | None = None) -> Micrograph:
    """Read one micrograph."""
    raise NotImplementedError
