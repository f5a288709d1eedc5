"""Settings never block the start, and are written whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nanoai_gui.gui.settings import MOST_RECENT, Settings, SettingsStore, default_path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sub" / "settings.json"


def test_a_first_start_has_defaults_and_no_warning(path: Path) -> None:
    store = SettingsStore(path)
    assert store.values == Settings()
    assert store.warnings == []


def test_what_is_saved_comes_back(path: Path) -> None:
    store = SettingsStore(path)
    store.values.theme = "dark"
    store.values.layout = {"across": "AAA="}
    store.remember_recent(Path("/images/ü 中 1.tif"))
    store.remember_recent(Path("/images/gr\udcf6sse.tif"))  # not UTF-8 on the disk
    assert store.save()
    assert SettingsStore(path).values == store.values
    assert [file.name for file in path.parent.iterdir()] == ["settings.json"]


@pytest.mark.parametrize("text", ["", "not JSON", "[1, 2]", "null", '{"theme": ', "[" * 100_000, "\x00\xff"])
def test_a_file_that_makes_no_sense_counts_as_empty(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text, encoding="latin-1")
    store = SettingsStore(path)
    assert store.values == Settings()
    assert len(store.warnings) == 1
    assert store.save()


def test_bad_values_are_dropped_one_by_one(path: Path) -> None:
    path.parent.mkdir()
    good = {"geometry": "AAAA", "show_masks": False, "methods": ["hough"]}
    bad = {
        "theme": "pink",
        "recent": [1, 2],
        "layout": {"a": "A"},  # no base64: a window cannot be laid out by it
        "show_outlines": "yes",
        "contrast_kept": 1,
        "open_folder": None,
        "last_project": "a\0b",
        "recent_projects": ["a", "b\0"],
    }
    path.write_text(json.dumps({**good, **bad}))
    store = SettingsStore(path)
    assert store.values == Settings(geometry="AAAA", show_masks=False, methods=["hough"])
    assert len(store.warnings) == len(bad)
    assert all(any(repr(name) in sentence for sentence in store.warnings) for name in bad)


def test_keys_of_a_newer_version_are_kept(path: Path) -> None:
    path.parent.mkdir()
    path.write_text(json.dumps({"theme": "light", "from_the_future": {"a": [1]}}))
    store = SettingsStore(path)
    assert store.warnings == []
    store.values.theme = "dark"
    store.save()
    assert json.loads(path.read_text())["from_the_future"] == {"a": [1]}
    assert json.loads(path.read_text())["theme"] == "dark"


def test_a_failed_save_keeps_the_last_good_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SettingsStore(path)
    store.values.theme = "light"
    store.save()
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nanoai_gui.gui.settings.os.fsync", full)
    store.values.theme = "dark"
    assert not store.save()
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["settings.json"]


def test_a_folder_in_the_place_of_the_file_is_survived(path: Path) -> None:
    path.mkdir(parents=True)
    store = SettingsStore(path)
    assert store.values == Settings()
    assert not store.save()


def test_recent_files_are_unique_newest_first_and_bounded(path: Path) -> None:
    store = SettingsStore(path)
    for i in range(MOST_RECENT + 5):
        store.remember_recent(Path(f"/images/{i}.tif"))
    store.remember_recent(Path("/images/10.tif"))
    assert store.values.recent[0] == "/images/10.tif"
    assert len(store.values.recent) == len(set(store.values.recent)) == MOST_RECENT


def test_stores_share_nothing(path: Path) -> None:
    one, other = SettingsStore(path), SettingsStore(path)
    one.remember_recent(Path("/a"))
    assert other.values.recent == []


def test_the_users_file_lies_in_the_configuration_folder(user_folders: Path) -> None:
    assert default_path().is_relative_to(user_folders)
