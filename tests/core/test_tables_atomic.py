"""Writing to places that do not want it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nanoai_gui.core.errors import WriteError
from nanoai_gui.core.files.atomic import atomic_file, make_folder, write_bytes
from nanoai_gui.core.files.tables import write_tables
from tests.core.test_tables import SETTINGS, calibrated

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a file system of 64 KiB."""
    if sys.platform != "linux" or not IS_ROOT:
        pytest.skip("only root can mount a small disk")
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let us mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_file_appears_only_when_complete(tmp_path: Path) -> None:
    path = tmp_path / "result.csv"
    path.write_text("old")
    with atomic_file(path) as stream:
        stream.write(b"new")
        stream.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_half_way_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "result.csv"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_file(path) as stream:
        stream.write(b"half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_told_and_the_old_file_stays(small_disk: Path) -> None:
    path = small_disk / "result.csv"
    write_bytes(path, b"old")
    with pytest.raises(WriteError, match="disk is full"):
        write_bytes(path, b"x" * 200_000)
    assert path.read_bytes() == b"old"
    assert list(small_disk.iterdir()) == [path]
    write_bytes(path, b"new")


def test_tables_on_a_full_disk_leave_the_last_ones(small_disk: Path) -> None:
    write_tables(small_disk, [calibrated()], SETTINGS)
    before = {path.name: path.read_bytes() for path in small_disk.iterdir()}
    analyses = [calibrated(f"images/{i}.tif") for i in range(400)]
    with pytest.raises(WriteError, match="disk is full"):
        write_tables(small_disk, analyses, SETTINGS)
    assert {path.name: path.read_bytes() for path in small_disk.iterdir()} == before


def test_a_disk_that_fills_at_the_last_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "result.csv"
    path.write_text("old")
    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(WriteError, match="disk is full"):
        write_bytes(path, b"new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(IS_ROOT or os.name == "nt", reason="root may write anywhere")
def test_a_read_only_folder_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(WriteError, match="may not be written"):
            write_bytes(tmp_path / "a.csv", b"x")
    finally:
        tmp_path.chmod(0o700)


def test_a_read_only_disk_is_told(small_disk: Path) -> None:
    write_bytes(small_disk / "a.csv", b"old")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(WriteError, match="may not be written") as caught:
        write_bytes(small_disk / "a.csv", b"new")
    assert "\n" not in str(caught.value)
    with pytest.raises(WriteError, match="may not be written"):
        make_folder(small_disk / "sub")
    assert (small_disk / "a.csv").read_bytes() == b"old"


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="does not exist"):
        write_bytes(tmp_path / "no" / "a.csv", b"x")


def test_the_longest_possible_name_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 251 + ".csv")
    write_bytes(path, b"x")
    assert path.read_bytes() == b"x"


@pytest.mark.skipif(os.name == "nt", reason="links and file modes are different there")
def test_links_and_modes_are_respected(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    write_bytes(tmp_path / "link.csv", b"new")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text() == "new"
    mask = os.umask(0)
    os.umask(mask)
    write_bytes(tmp_path / "fresh.csv", b"x")
    assert (tmp_path / "fresh.csv").stat().st_mode & 0o777 == 0o666 & ~mask
