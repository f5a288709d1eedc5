"""Model files: whole or not at all, and whatever is in one, loading it runs nothing and fills no memory."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nanoai_gui.core import models
from nanoai_gui.core.errors import ReadError, WriteError
from nanoai_gui.core.models import StoredModel, load_model, save_model

ARRAYS = {"a": np.arange(6.0).reshape(2, 3), "b": np.array([1, 2], dtype=np.int32)}
MODEL = StoredModel("thing", {"name": "Größe 1", "n": 3}, ARRAYS)


def npy(array: Any, allow_pickle: bool = False) -> bytes:
    raw = io.BytesIO()
    np.save(raw, array, allow_pickle=allow_pickle)
    return raw.getvalue()


def written(path: Path, card: object, **entries: bytes) -> Path:
    """Put a model file together by hand."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("card.json", card if isinstance(card, str) else json.dumps(card))
        for name, content in entries.items():
            archive.writestr(f"arrays/{name}.npy", content)
    return path


HEAD = {"format": "nanoai-model", "format_version": 1, "kind": "thing"}


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    save_model(tmp_path / "m.zip", MODEL)
    loaded = load_model(tmp_path / "m.zip", "thing")
    assert loaded.kind == "thing" and loaded.card == MODEL.card
    assert set(loaded.arrays) == {"a", "b"}
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(loaded.arrays[name], array)
        assert loaded.arrays[name].dtype == array.dtype


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    save_model(tmp_path / "one.zip", MODEL)
    save_model(tmp_path / "two.zip", MODEL)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_the_card_alone(tmp_path: Path) -> None:
    save_model(tmp_path / "m.zip", MODEL)
    card = load_model(tmp_path / "m.zip", "thing", card_only=True)
    assert card.card == MODEL.card and not card.arrays


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_model(tmp_path / "m.zip", MODEL)
    before = (tmp_path / "m.zip").read_bytes()
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(WriteError, match="disk is full"):
        save_model(tmp_path / "m.zip", StoredModel("thing", {}, {}))
    assert (tmp_path / "m.zip").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m.zip"]


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"The model m\.zip is not there"):
        load_model(tmp_path / "m.zip", "thing")
    with pytest.raises(ReadError):
        load_model(tmp_path, "thing")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_file_that_is_cut_off(tmp_path: Path, share: float) -> None:
    path = tmp_path / "m.zip"
    save_model(path, MODEL)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(ReadError, match="damaged"):
        load_model(path, "thing")


def test_flipped_bytes_are_found_or_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "m.zip"
    save_model(path, MODEL)
    whole = path.read_bytes()
    n_found = 0
    for place in range(0, len(whole), 3):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x40]) + whole[place + 1 :])
        try:
            load_model(path, "thing")
        except ReadError:
            n_found += 1
    assert n_found > 0.5 * len(whole) / 3


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ({}, "not a NanoAI model"),
        ([1], "not a NanoAI model"),
        ({**HEAD, "format_version": 2}, "another version"),
        ({**HEAD, "kind": "other"}, r"something else \(other, not thing\)"),
        ("{", "damaged"),
        ("\udcff".encode("utf-8", "surrogatepass").decode("latin-1"), "damaged"),
        ("[" * 100_000, "damaged"),
    ],
)
def test_cards_that_are_none(tmp_path: Path, card: object, message: str) -> None:
    with pytest.raises(ReadError, match=message):
        load_model(written(tmp_path / "m.zip", card), "thing")


@pytest.mark.parametrize("damage", [b"\0\0", b"((", b"'''", b"\xff\xff", b"\\\n"])
def test_heads_of_arrays_that_are_none(tmp_path: Path, damage: bytes) -> None:
    """Found by fuzzing: NumPy takes them apart as Python's words, whose errors are many."""
    whole = npy(np.ones(3))
    for place in range(10, 62, 4):
        content = whole[:place] + damage + whole[place + len(damage) :]
        with pytest.raises(ReadError, match="damaged"):
            load_model(written(tmp_path / "m.zip", HEAD, a=content), "thing")


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_loading_runs_no_code(tmp_path: Path) -> None:
    mark = tmp_path / "it ran"
    array = np.array([Bomb(mark)], dtype=object)
    for content in (npy(array, allow_pickle=True), pickle.dumps(Bomb(mark))):
        with pytest.raises(ReadError, match="damaged"):
            load_model(written(tmp_path / "m.zip", HEAD, a=content), "thing")
    assert not mark.exists()


@pytest.mark.parametrize(
    "bad", [np.array([1.0, np.nan]), np.array([np.inf]), np.array(["text"]), np.array([1j])]
)
def test_arrays_that_are_no_numbers(tmp_path: Path, bad: Any) -> None:
    with pytest.raises(ReadError, match="damaged"):
        load_model(written(tmp_path / "m.zip", HEAD, a=npy(bad)), "thing")


def test_what_would_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("card.json", json.dumps(HEAD))
        archive.writestr("arrays/a.npy", npy(np.zeros(300_000)))
    assert path.stat().st_size < 20_000
    monkeypatch.setattr(models, "LARGEST_BYTES", 1_000_000)
    with pytest.raises(ReadError, match="claims to hold more"):
        load_model(path, "thing")


def test_an_array_that_claims_to_be_huge(tmp_path: Path) -> None:
    """The header of the array lies, the file is small."""
    content = npy(np.zeros(4)).replace(b"(4,)", b"(4000000000,)").replace(b"          \n", b" \n", 1)
    with pytest.raises(ReadError, match="damaged"):
        load_model(written(tmp_path / "m.zip", HEAD, a=content), "thing")


def test_other_entries_and_paths_are_not_unpacked(tmp_path: Path) -> None:
    path = written(tmp_path / "m.zip", HEAD, a=npy(np.ones(2)))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../evil.txt", "no")
        archive.writestr("/etc/evil", "no")
    assert set(load_model(path, "thing").arrays) == {"a"}
    assert [p.name for p in tmp_path.iterdir()] == ["m.zip"]
