"""What the fuzzing script starts from is read, and what it makes of that is read or refused in a sentence."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from nanoai_gui.core.errors import NanoAIError
from tests.fuzz.__main__ import attempt, damaged
from tests.fuzz.targets import TARGETS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.mark.parametrize("name", TARGETS)
def test_every_reader_reads_good_files_and_survives_damaged_ones(
    name: str, folder: Path, tmp_path: Path
) -> None:
    target = TARGETS[name]
    seeds = target.seeds(folder)
    assert seeds
    readable = 0
    for seed in seeds:
        try:
            target.read(seed)
        except (NanoAIError, ValueError):
            continue
        readable += 1
    # Of measurements by hand the seconds are a file of their own, which is no table of particles.
    assert readable >= len(seeds) - (name == "manual")
    for number, seed in enumerate(seeds):
        path = tmp_path / f"{number}{seed.suffix}"
        for cut in (0.0, 0.37):
            path.write_bytes(damaged(seed.read_bytes(), [(1, cut, b"", 0.0)], number))
            attempt(target, path)


def test_one_file_of_an_archive_is_damaged_behind_its_checksum() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a", b"first")
        archive.writestr("b", b"second")
    made = damaged(packed.getvalue(), [(0, 0.0, b"S", 0.0)], 1)
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        assert archive.read("a") == b"first" and archive.read("b") == b"Second"
    assert damaged(b"plain", [(1, 0.5, b"", 0.0)], 1) == b"pl"
