"""Killed at any moment, a window leaves a whole project with the work of no more than two seconds before."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nanoai_gui.core.project.opening import read_project
from tests.killing import EVERY_MS, N_IMAGES, Killer

MOMENTS = ((0.0, 0.1), (0.3, 0.8), (1.0, 2.0), (0.0, 1.0), (0.5, 2.5))


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such signal there")
def test_a_killed_window_loses_no_more_than_two_seconds(tmp_path: Path) -> None:
    killer = Killer(tmp_path, seed=3)
    kept = 0
    for shortest, longest in MOMENTS:
        kill = killer.kill_one(shortest, longest)
        assert kill.check == "ok"
        assert not kill.never_shown
        assert not kill.forgotten
        assert kill.lost_ticks * EVERY_MS <= 2000, kill
        kept += kill.n_states
    assert kept > len(MOMENTS)
    assert killer.project is not None
    assert len(read_project(killer.project).content.images) == N_IMAGES
