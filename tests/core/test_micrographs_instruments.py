"""Every real instrument file is opened or refused knowingly (skips where the files are absent)."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import numpy as np
import pytest

from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.files.micrographs import list_frames, read_micrograph, read_thumbnail
from nanoai_gui.core.tem.calibration import CalibrationSource
from tests.core.instrument_files import FILES, Opens, Refused
from tests.shared_data import shared_data

FOLDER = "tem/instrument_files"


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the contents of every archive, each in a folder of the archive's name."""
    target = tmp_path_factory.mktemp("archives")
    for archive in shared_data(FOLDER).rglob("*.zip"):
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(target / archive.name)
    for archive in shared_data(FOLDER).rglob("*.gz"):
        (target / archive.stem).write_bytes(gzip.decompress(archive.read_bytes()))
    return target


def _path(name: str, unpacked: Path) -> Path:
    archive, _, member = name.partition("!")
    if "!" not in name:
        return shared_data(f"{FOLDER}/{name}")
    return unpacked / Path(archive).name / member if member else unpacked / Path(archive).stem


@pytest.mark.parametrize("name", sorted(FILES))
def test_file_is_opened_or_refused_knowingly(name: str, unpacked: Path) -> None:
    path, expected = _path(name, unpacked), FILES[name]
    if isinstance(expected, Refused):
        for read in (read_micrograph, list_frames):
            with pytest.raises(ReadError) as caught:
                read(path)
            assert expected.because in caught.value.message
            assert path.name in caught.value.message
            assert caught.value.advice
        return
    micrograph, frames = read_micrograph(path), list_frames(path)
    assert micrograph.shape == expected.shape
    assert micrograph.pixels.dtype == expected.dtype
    assert np.isfinite(micrograph.pixels).all()
    assert micrograph.n_frames == len(frames) == expected.frames
    assert frames[micrograph.frame].recommended
    assert all(frame.shape == expected.shape or expected.frames > 1 for frame in frames)
    assert micrograph.data_bar_top == expected.data_bar_top
    _check_calibration(micrograph.calibration, expected)
    small = read_thumbnail(path, 48)
    assert small.dtype == np.uint8
    assert max(small.shape) <= 48


def _check_calibration(calibration: object, expected: Opens) -> None:
    from nanoai_gui.core.tem.calibration import Calibration

    assert isinstance(calibration, Calibration)
    if expected.nm_per_px is None:
        assert not calibration.is_known
        assert expected.doubt
        assert any(expected.doubt in warning for warning in calibration.warnings)
    else:
        assert calibration.source is CalibrationSource.METADATA
        assert calibration.nm_per_px == pytest.approx(expected.nm_per_px, rel=1e-6)
        assert expected.source in calibration.detail


def test_table_covers_every_file() -> None:
    folder = shared_data(FOLDER)
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert present == {name for name in FILES if "!" not in name}


def test_table_covers_every_member_of_the_archives() -> None:
    folder = shared_data(FOLDER)
    members = set()
    for archive in folder.rglob("*.zip"):
        with zipfile.ZipFile(archive) as packed:
            prefix = archive.relative_to(folder).as_posix()
            members |= {f"{prefix}!{entry.filename}" for entry in packed.infolist() if not entry.is_dir()}
    members |= {f"{path.relative_to(folder).as_posix()}!" for path in folder.rglob("*.gz")}
    assert members == {name for name in FILES if "!" in name}


def test_every_frame_of_a_stack_can_be_read() -> None:
    path = shared_data(f"{FOLDER}/rosettasciio/tia/old/03_Scanning Preview_1.ser")
    images = [read_micrograph(path, frame=i) for i in range(5)]
    assert [image.frame for image in images] == list(range(5))
    assert len({image.pixels.tobytes() for image in images}) == 5
    with pytest.raises(ReadError, match="no image 6"):
        read_micrograph(path, frame=5)


def test_rows_of_an_ncem_image_run_along_y() -> None:
    """NCEM names the first axis of the array Y; the reader in between turns the image around."""
    import h5py

    path = shared_data(f"{FOLDER}/ncempy/Acquisition_18.emd")
    with h5py.File(path) as file:
        assert file["data/single/dim1"].attrs["name"] == b"Y"
        stored = file["data/single/data"][:]
    np.testing.assert_array_equal(read_micrograph(path).pixels, stored)


def test_tio2_images_have_their_bar_and_pixel_size() -> None:
    for path in sorted(shared_data("tem/tio2_tsem").glob("*sem/*.tif")):
        micrograph = read_micrograph(path)
        assert micrograph.data_bar_top == 712, path.name
        assert micrograph.calibration.nm_per_px == pytest.approx(7.34375)
        assert not micrograph.calibration.warnings
        assert micrograph.annotations == ()
