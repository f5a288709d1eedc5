"""Where what ships with NanoAI lies: trained models and samples."""

from __future__ import annotations

import sys
from pathlib import Path

from nanoai_gui.core.errors import ReadError


def resource(*parts: str) -> Path:
    """Give the path of a shipped file or folder, in a checkout, an installation or a bundle.

    Raises
    ------
    ReadError
        If it is not there: the installation is incomplete.
    """
    bundle = getattr(sys, "_MEIPASS", None)
    places = [Path(bundle)] if bundle else []
    places += [Path(__file__).resolve().parents[2], Path(sys.prefix) / "share" / "nanoai-gui"]
    for place in places:
        path = place.joinpath("resources", *parts)
        if path.exists():
            return path
    raise ReadError(f"A part of NanoAI is missing: {'/'.join(parts)}.", "Install NanoAI again.")
