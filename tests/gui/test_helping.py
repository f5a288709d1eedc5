"""The guide, About with its diagnostics, reports of crashes, and the part of the self-test with a window."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QGuiApplication, QImage, QTextDocument
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from nanoai_gui.core.resources import resource
from nanoai_gui.gui import crash, diagnostics, guide
from nanoai_gui.gui.guide import GuideWindow
from nanoai_gui.gui.help import AboutDialog
from nanoai_gui.gui.theme import Theme, window_icon

PAGES = sorted(resource("guide").glob("*.md"))


def test_pages_have_titles_pictures_and_pages_they_lead_to() -> None:
    assert len(guide.pages()) >= 5
    assert all(title and not title.endswith(".md") for title, _ in guide.pages())
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for name in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text):
            assert (page.parent / name).exists(), f"{page.name}: {name}"
            assert (page.parent / name.replace(".png", "_dark.png")).exists(), f"{page.name}: {name}"
        for name in re.findall(r"(?<!!)\[[^\]]+\]\(([^)]+)\)", text):
            assert (page.parent / name).exists(), f"{page.name}: {name}"


def test_guide_is_leafed_through(qtbot: QtBot) -> None:
    window = GuideWindow()
    qtbot.addWidget(window)
    window.show()
    assert window.contents.count() == len(PAGES)
    assert window.browser.toPlainText().startswith("First steps")
    row = window.contents.visualItemRect(window.contents.item(1)).center()
    QTest.mouseClick(window.contents.viewport(), Qt.MouseButton.LeftButton, pos=row)
    assert window.browser.toPlainText().startswith("Measuring particles")
    window.browser.anchorClicked.emit("4_spectra.md")
    assert window.browser.toPlainText().startswith("Raman spectra")


def test_pictures_follow_the_theme_and_come_from_the_folder_only(qtbot: QtBot, qapp: QApplication) -> None:
    from PySide6.QtCore import QUrl

    window = GuideWindow()
    qtbot.addWidget(window)
    window.show()
    kind = int(QTextDocument.ResourceType.ImageResource.value)
    theme = Theme(qapp, "light")
    light = window.browser.loadResource(kind, QUrl("window.png"))
    theme.set_mode("dark")
    qapp.processEvents()
    dark = window.browser.loadResource(kind, QUrl("window.png"))
    theme.set_mode("light")
    assert isinstance(light, QImage) and isinstance(dark, QImage)
    assert not light.isNull() and light != dark
    assert window.browser.loadResource(kind, QUrl("https://example.org/window.png")) is None


def test_about_names_versions_and_copies_diagnostics(qtbot: QtBot, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text("".join(f"line {i}\n" for i in range(100)), encoding="utf-8")
    dialog = AboutDialog(tmp_path / "settings.json", log)
    qtbot.addWidget(dialog)
    dialog.show()
    assert not dialog.notices_button.isVisible()  # only the standalone program holds others' works
    QTest.mouseClick(dialog.copy_button, Qt.MouseButton.LeftButton)
    text = QGuiApplication.clipboard().text()
    assert re.search(r"NanoAI \d+\.\d+.*, Python 3\.\d+.*, Qt 6\.", text)
    assert re.search(r"numpy \d+\.\d+.*onnxruntime \d+\.\d+", text)
    assert "line 99" in text and "line 20" not in text
    assert str(tmp_path / "settings.json") in text


def test_versions_in_the_standalone_program_come_from_its_bill_of_materials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bill = '{"components": [{"name": "numpy", "version": "9.9"}, {"name": "scikit-image", "version": "8"}]}'
    (tmp_path / "sbom.cdx.json").write_text(bill, encoding="utf-8")
    (tmp_path / "NOTICES.txt").write_text("all licences", encoding="utf-8")
    monkeypatch.setattr(sys, "_MEIPASS", str(tmp_path), raising=False)
    found = diagnostics.versions()
    assert (found["numpy"], found["scikit-image"]) == ("9.9", "8")
    assert diagnostics.licence_notices() == "all licences"


def test_window_has_its_icon_in_every_size(qapp: QApplication) -> None:
    sizes = {size.width() for size in window_icon().availableSizes()}
    assert {16, 32, 64, 256} <= sizes


# ------------------------------------------------------------------------------------------ crashes


def test_a_crash_leaves_a_report_that_is_told_of_once(tmp_path: Path) -> None:
    program = (
        "import ctypes, sys, pathlib\n"
        "from nanoai_gui.gui.crash import watch_for_crashes\n"
        "watch_for_crashes(pathlib.Path(sys.argv[1]))\n"
        "ctypes.string_at(0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path], capture_output=True, check=False, timeout=250
    )
    assert done.returncode != 0
    (report,) = crash.reports_of_crashes(tmp_path)
    text = report.read_text(encoding="utf-8")
    assert "NanoAI" in text and "string_at" in text
    assert report.name.startswith("crash-")
    assert crash.reports_of_crashes(tmp_path) == []
    assert report.exists()


def test_a_crash_of_one_with_the_same_number_is_told_of(tmp_path: Path) -> None:
    """In a container each start may be process number 7."""
    before = tmp_path / f"running-20260101-000000-{os.getpid()}.txt"
    before.write_text("started\n\nFatal Python error: Segmentation fault\n", encoding="utf-8")
    assert [path.name for path in crash.reports_of_crashes(tmp_path)] == [
        before.name.replace("running", "crash")
    ]


def test_nothing_is_left_after_a_good_end_or_a_kill(tmp_path: Path) -> None:
    import faulthandler

    was_on = faulthandler.is_enabled()
    stop = crash.watch_for_crashes(tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    stop()
    assert list(tmp_path.iterdir()) == []
    other = tmp_path / f"running-20260101-000000-{os.getppid()}.txt"
    other.write_text("started\n", encoding="utf-8")
    assert crash.reports_of_crashes(tmp_path) == []  # that process lives: its file stays
    assert list(tmp_path.iterdir()) == [other]
    other.unlink()
    gone = tmp_path / f"running-20260101-000000-{2**22 + 5}.txt"
    gone.write_text("started\n", encoding="utf-8")
    assert crash.reports_of_crashes(tmp_path) == []
    assert not gone.exists()
    if was_on:
        faulthandler.enable()


def test_only_the_newest_reports_are_kept(tmp_path: Path) -> None:
    for i in range(15):
        (tmp_path / f"crash-2026010{i // 10}-00000{i % 10}-1.txt").write_text("x", encoding="utf-8")
    crash.reports_of_crashes(tmp_path)
    assert len(list(tmp_path.iterdir())) == crash.MOST_REPORTS
    assert not (tmp_path / "crash-20260100-000000-1.txt").exists()


def test_a_folder_that_cannot_be_written_keeps_nobody_from_working(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    crash.watch_for_crashes(tmp_path / "file" / "log")()
    assert crash.reports_of_crashes(tmp_path / "file" / "log") == []


# ------------------------------------------------------------------------------------------ self-test


def test_frames_are_drawn(tmp_path: Path, user_folders: Path) -> None:
    """In a process of its own, as a person would run it: the checks end the application's workers."""
    program = (
        "import sys\n"
        "from nanoai_gui.core import selftest\n"
        "from nanoai_gui.gui.selftest import window_checks\n"
        "if __name__ == '__main__':\n"
        "    sys.exit(selftest.run(list(window_checks()), print))\n"
    )
    script = tmp_path / "script.py"
    script.write_text(program, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, script],
        capture_output=True, text=True, check=False, timeout=250,
        env={**os.environ, "PYTHONPATH": str(resource("guide").parents[1]), "QT_QPA_PLATFORM": "offscreen"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert not [path for path in user_folders.rglob("*") if path.is_file()]  # nothing among the person's own
    assert "draw a frame with the sample image" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_running_program_opens_what_the_system_asks_for(tmp_path: Path) -> None:
    """As macOS does after a double click on a file; in a process of its own, which has one application."""
    program = (
        "import sys\n"
        "from PySide6.QtCore import QUrl\n"
        "from PySide6.QtGui import QFileOpenEvent\n"
        "from nanoai_gui.gui.app import QtApplication\n"
        "qt = QtApplication(['x', '-platform', 'offscreen'])\n"
        "qt.file_wanted.connect(print)\n"
        "qt.sendEvent(qt, QFileOpenEvent(QUrl.fromLocalFile('/a/b.nanoai')))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=250
    )
    assert done.stdout.strip() == "/a/b.nanoai"


@pytest.mark.parametrize("arguments", [["--no"], ["a", "b"]])
def test_wrong_usage_of_the_self_test(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    from nanoai_gui.gui.selftest import main

    assert main(arguments) == 2
    assert "usage" in capsys.readouterr().err


def test_a_window_tells_of_a_crash(qtbot: QtBot, tmp_path: Path) -> None:
    from nanoai_gui.gui.app import create_app
    from nanoai_gui.gui.settings import SettingsStore

    application = create_app(store=SettingsStore(tmp_path / "s.json"), install_hooks=False, with_log=False)
    qtbot.addWidget(application.window)
    application.window.show()
    application.window.helping.tell_of_crash(tmp_path / "crash-1.txt")
    assert any("crash-1.txt" in text for text in application.window.notices.texts)
    application.window.close()
    application.close()
    QCoreApplication.processEvents()
