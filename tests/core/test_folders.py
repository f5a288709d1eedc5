"""Where settings, models and logs are kept, and the portable mode that keeps all of them in one place."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nanoai_gui.core import folders
from nanoai_gui.core.tem.networks.library import models_folder


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The executable of a standalone program."""
    path = tmp_path / "NanoAI 1.0" / "nanoai-gui"
    path.parent.mkdir()
    path.touch()
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "executable", str(path))
    return path


ALL = (folders.config_folder, folders.data_folder, folders.log_folder, folders.cache_folder)


def test_everything_lies_in_the_users_folders(user_folders: Path, program: Path) -> None:
    for folder in ALL:
        assert folder().is_relative_to(user_folders)
    assert len({folder() for folder in ALL}) == 4
    assert models_folder().is_relative_to(folders.data_folder())


def test_a_marker_beside_the_program_keeps_everything_there(program: Path, user_folders: Path) -> None:
    (program.parent / folders.MARKER).touch()
    for folder in ALL:
        assert folder().is_relative_to(program.parent / "data")
    assert not any(user_folders.rglob("nanoai-gui"))


def test_a_link_to_the_program_finds_the_marker(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (program.parent / folders.MARKER).touch()
    link = tmp_path / "nanoai-gui"
    try:
        link.symlink_to(program)
    except OSError:
        pytest.skip("links cannot be made here")
    monkeypatch.setattr(sys, "executable", str(link))
    assert folders.portable_folder() == program.parent / "data"


def test_the_marker_lies_beside_an_app_of_macos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = tmp_path / "NanoAI.app" / "Contents" / "MacOS"
    inside.mkdir(parents=True)
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "executable", str(inside / "nanoai-gui"))
    assert folders.program_folder() == tmp_path


def test_a_variable_names_a_folder_for_everything(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (program.parent / folders.MARKER).touch()
    monkeypatch.setenv(folders.HOME_VARIABLE, str(tmp_path / "elsewhere"))
    assert all(folder().is_relative_to(tmp_path / "elsewhere") for folder in ALL)


def test_a_package_of_python_is_never_portable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / folders.MARKER).touch()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert folders.portable_folder() is None
