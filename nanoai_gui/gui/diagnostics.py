"""What a person sends along with a question: versions, folders, screens and the end of the log."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import sys
from pathlib import Path

from PySide6.QtGui import QGuiApplication

from nanoai_gui.core.folders import cache_folder, config_folder, data_folder, log_folder, portable_folder
from nanoai_gui.gui.errors import environment

PARTS = (
    "numpy", "scipy", "scikit-image", "scikit-learn", "onnxruntime", "rosettasciio", "tifffile",
    "imagecodecs", "h5py", "pillow", "matplotlib", "openpyxl", "PySide6_Essentials", "pyqtgraph",
)  # fmt: skip
LOG_LINES = 60


def versions() -> dict[str, str]:
    """Give the versions of the libraries that matter, without loading any of them."""
    listed = _bill_of_materials()
    found = {}
    for name in PARTS:
        version = listed.get(_plain(name), "")
        if not version:
            try:
                version = importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                version = "?"
        found[name.replace("_Essentials", "")] = version
    return found


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")


def _bill_of_materials() -> dict[str, str]:
    """Read what the standalone program is made of; it carries no metadata of its own about libraries."""
    bundle = getattr(sys, "_MEIPASS", None)
    if bundle is None:
        return {}
    try:
        bill = json.loads((Path(bundle) / "sbom.cdx.json").read_text(encoding="utf-8"))
        return {_plain(part["name"]): str(part["version"]) for part in bill["components"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def licence_notices() -> str:
    """Give the licences of all that is inside the standalone program; empty elsewhere."""
    bundle = getattr(sys, "_MEIPASS", None)
    if bundle is None:
        return ""
    try:
        return (Path(bundle) / "NOTICES.txt").read_text(encoding="utf-8")
    except OSError:
        return ""


def folders() -> dict[str, Path]:
    """Name the folders of what NanoAI keeps."""
    return {
        "Settings": config_folder(), "Models": data_folder(), "Log": log_folder(), "Cache": cache_folder(),
    }  # fmt: skip


def diagnostics(settings: Path, log: Path) -> str:
    """Put together what helps to answer a question; it holds names of files, but none of their contents."""
    kind = "standalone program" if getattr(sys, "frozen", False) else "Python package"
    portable = " in portable mode" if portable_folder() is not None else ""
    screens = [
        f"{screen.geometry().width()} x {screen.geometry().height()} at {screen.devicePixelRatio():g}"
        for screen in QGuiApplication.screens()
    ]
    lines = [
        environment(),
        f"{kind}{portable}, {platform.machine()}, {sys.executable}",
        ", ".join(f"{name} {version}" for name, version in versions().items()),
        f"Screens ({QGuiApplication.platformName()}): {'; '.join(screens)}",
        f"Settings file: {settings}",
        *(f"{name}: {folder}" for name, folder in folders().items()),
        "",
        f"Last lines of {log}:",
        *(_last_lines(log) or ["(empty)"]),
    ]
    return "\n".join(lines)


def _last_lines(log: Path) -> list[str]:
    try:
        return log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
    except OSError:
        return []
