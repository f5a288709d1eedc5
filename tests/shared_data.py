"""Real data for measuring, which is not part of the project: tests that need it skip where it is absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("NANOAI_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


def shared_data(name: str) -> Path:
    """Give the folder or file ``name`` of the real data, or skip the test by name."""
    path = ROOT / name
    if not path.exists():
        pytest.skip(f"real data {name} is not on this machine")
    return path
