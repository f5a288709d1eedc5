"""What makes the standalone program small, complete and installable, on small examples."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parent.parent
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="this is how Linux is packed")


@pytest.fixture
def packaging_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "packaging"))


def module(name: str) -> ModuleType:
    return importlib.import_module(name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a finished program looks like: an executable, its licences, what a desktop needs."""
    made = tmp_path / "dist" / "NanoAI-9.8-linux-x86_64"
    shutil.copytree(ROOT / "packaging" / "linux" / "share", made / "share")
    icons = made / "share" / "icons" / "hicolor" / "16x16" / "apps"
    icons.mkdir(parents=True)
    (icons / "nanoai-gui.png").write_bytes(b"png")
    (made / "_internal").mkdir()
    (made / "nanoai-gui").write_text("#!/bin/sh\necho started with: $*\n", encoding="utf-8")
    (made / "nanoai-gui").chmod(0o755)
    (made / "nanoai").symlink_to("nanoai-gui")
    (made / "NOTICES.txt").write_text("all licences", encoding="utf-8")
    for name in ("install.sh", "uninstall.sh"):
        shutil.copy(ROOT / "packaging" / "linux" / name, made)
    return made


# ------------------------------------------------------------------------------------------ slimming


@linux_only
def test_data_of_icu_is_a_library_still_and_keeps_what_qt_uses(
    packaging_modules: None, tmp_path: Path
) -> None:
    import PySide6

    whole = next((Path(PySide6.__file__).parent / "Qt" / "lib").glob("libicudata.so.*"))
    version = int(whole.name.rsplit(".", 1)[1])
    small = module("slimming").slim_icu(whole.read_bytes(), version)
    assert len(small) < whole.stat().st_size / 3
    path = tmp_path / whole.name
    path.write_bytes(small)
    program = (
        "from PySide6.QtCore import QCollator, QDate, QLocale\n"
        "collator = QCollator(QLocale('sv_SE')); collator.setNumericMode(True)\n"
        "print(sorted(['z', 'ö', 'a', 'i 10', 'i 9'], key=collator.sortKey))\n"
        "print(QLocale('de_DE').toString(QDate(2026, 3, 4), QLocale.FormatType.LongFormat))\n"
        "print([line.split()[-1] for line in open('/proc/self/maps') if 'icudata' in line][0])\n"
    )
    answers = [
        subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, "LD_PRELOAD": preload},
            capture_output=True, text=True, check=True, timeout=250,
        ).stdout.splitlines()
        for preload in ("", str(path))
    ]  # fmt: skip
    assert answers[0][:2] == answers[1][:2]
    assert answers[1][2] == str(path)


@linux_only
def test_needs_of_a_library_are_read_from_it(packaging_modules: None, tmp_path: Path) -> None:
    import PySide6

    installers = module("installers")
    shutil.copy(next((Path(PySide6.__file__).parent / "Qt" / "lib").glob("libQt6Gui.so.6")), tmp_path)
    libraries, glibc = installers.system_needs(tmp_path)
    assert {"libGL.so.1", "libEGL.so.1", "libQt6Core.so.6"} <= libraries
    assert "libc.so.6" not in libraries and "libQt6Gui.so.6" not in libraries
    major, minor = (int(part) for part in glibc.split("."))
    assert major == 2 and 17 <= minor < 60


@linux_only
def test_a_library_that_would_not_load_is_not_stripped(packaging_modules: None, tmp_path: Path) -> None:
    slimming = module("slimming")
    text = tmp_path / "liba.so"
    text.write_text("no library", encoding="utf-8")
    assert not slimming.strip(text, tmp_path / "libb.so")
    assert not slimming._can_be_loaded(b"\x7fELF\x01")


# ------------------------------------------------------------------------------------------ notices


def test_notices_and_bill_name_what_was_collected_and_nothing_else(
    packaging_modules: None, tmp_path: Path
) -> None:
    import h5py
    import numpy
    import packaging.version as another
    import PySide6

    notices = module("notices")
    sources = [numpy.__file__, h5py.__file__, another.__file__, PySide6.__file__, ""]
    parts = notices.write(sources, tmp_path, "9.8")
    names = {part.name.lower() for part in parts}
    assert {"numpy", "h5py", "python"} <= names and "scipy" not in names
    text = (tmp_path / "NOTICES.txt").read_text(encoding="utf-8")
    assert "NumPy Developers" in text and f"numpy {numpy.__version__}: " in text
    assert "HarfBuzz" in text and "Unicode, Inc." in text, "Qt holds works of others in turn"
    # A library of ours has a module called licenses.
    assert "import " not in {line[:7] for line in text.splitlines()} and "\0" not in text
    bill = json.loads((tmp_path / "sbom.cdx.json").read_text(encoding="utf-8"))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["version"] == "9.8"
    by_name = {part["name"].lower(): part for part in bill["components"]}
    assert by_name["numpy"]["purl"] == f"pkg:pypi/numpy@{numpy.__version__}"
    refs = {part["bom-ref"] for part in bill["components"]}
    needs = {entry["ref"]: entry["dependsOn"] for entry in bill["dependencies"]}
    assert by_name["numpy"]["bom-ref"] in needs[by_name["h5py"]["bom-ref"]]
    assert all(set(entries) <= refs for entries in needs.values())
    assert "://" not in json.dumps([part["purl"] for part in bill["components"]])


def test_licences_are_named_as_spdx_where_they_are(packaging_modules: None) -> None:
    entry = module("notices")._licence_entry
    assert entry("BSD-3-Clause") == {"license": {"id": "BSD-3-Clause"}}
    assert entry("BSD-3-Clause AND MIT") == {"expression": "BSD-3-Clause AND MIT"}
    assert entry("some words; GPL-2") == {"license": {"name": "some words; GPL-2"}}


# ------------------------------------------------------------------------------------------ installers


@linux_only
def test_installing_for_one_person_and_removing(folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "home with space"
    home.mkdir()
    given = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
    (folder / "portable").touch()
    subprocess.run([folder / "install.sh"], env=given, check=True, stdout=subprocess.DEVNULL)
    target = home / ".local" / "lib" / "nanoai" / folder.name
    assert not (target / "portable").exists()
    for name in ("nanoai", "nanoai-gui"):
        done = subprocess.run(
            [home / ".local" / "bin" / name, "x"], capture_output=True, text=True, check=True
        )
        assert done.stdout == "started with: x\n"
    entry = (home / ".local" / "share" / "applications" / "nanoai-gui.desktop").read_text(encoding="utf-8")
    assert f'Exec="{target}/nanoai-gui" %F' in entry
    # A second version takes over the name; the first one stays.
    other = folder.with_name("NanoAI-9.9-linux-x86_64")
    shutil.copytree(folder, other, symlinks=True)
    subprocess.run([other / "install.sh"], env=given, check=True, stdout=subprocess.DEVNULL)
    assert (home / ".local" / "bin" / "nanoai").resolve().parent.name == other.name
    subprocess.run([target / "uninstall.sh"], env=given, check=True, stdout=subprocess.DEVNULL)
    assert not target.exists() and (home / ".local" / "bin" / "nanoai").exists()
    last = target.with_name(other.name)
    # Who removes the version in the menu is told how another one comes there.
    subprocess.run([folder / "install.sh"], env=given, check=True, stdout=subprocess.DEVNULL)
    done = subprocess.run([target / "uninstall.sh"], env=given, check=True, capture_output=True, text=True)
    assert f"{last / 'install.sh'} puts it into the menu" in done.stdout
    subprocess.run([last / "install.sh"], env=given, check=True, stdout=subprocess.DEVNULL)
    subprocess.run([last / "uninstall.sh"], env=given, check=True, stdout=subprocess.DEVNULL)
    # The system's own tools may have left their lists of all programs and kinds of files, empty ones.
    lists = ("mimeinfo.cache", "share/mime/")
    left = [path for path in home.rglob("*") if path.is_file() or path.is_symlink()]
    assert [path for path in left if not any(part in str(path) for part in lists)] == []
    assert not [path for path in left if "nanoai" in path.name]


@linux_only
def test_uninstalling_elsewhere_is_refused(folder: Path) -> None:
    done = subprocess.run([folder / "uninstall.sh"], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "not where install.sh puts NanoAI" in done.stderr
    assert folder.exists()


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="there is no dpkg-deb")
def test_debian_package(packaging_modules: None, folder: Path, tmp_path: Path) -> None:
    package = module("installers").make_deb(folder, tmp_path, tmp_path / "build")
    listing = subprocess.run(["dpkg-deb", "-c", package], capture_output=True, text=True, check=True).stdout
    assert "/usr/bin/nanoai -> /opt/nanoai/nanoai-gui" in listing
    for name in ("opt/nanoai/nanoai-gui", "usr/share/applications/nanoai-gui.desktop"):
        assert f" ./{name}" in listing
    assert "usr/share/doc/nanoai/copyright" in listing
    assert "install.sh" not in listing and "root/root" in listing
    fields = subprocess.run(["dpkg-deb", "-f", package], capture_output=True, text=True, check=True).stdout
    assert "Version: 9.8\n" in fields and "libgl1" in fields


@linux_only
def test_archive_names_nobody(packaging_modules: None, folder: Path, tmp_path: Path) -> None:
    import tarfile

    archive = module("installers").make_tar(folder, tmp_path, 0)
    with tarfile.open(archive) as packed:
        entries = packed.getmembers()
    assert {(entry.uname, entry.uid) for entry in entries} == {("root", 0)}
    assert all(entry.name.startswith(folder.name) for entry in entries)
    assert any(entry.issym() for entry in entries)


def test_icons_for_windows_and_macos(packaging_modules: None) -> None:
    icons = module("make_icons")
    ico, icns = icons.ico({16: b"abc", 256: b"defgh"}), icons.icns({16: b"abc"})
    assert ico[:6] == b"\0\0\1\0\2\0" and ico.endswith(b"abcdefgh")
    assert (ico[6], ico[22]) == (16, 0)  # 256 is written as 0
    assert int.from_bytes(ico[18:22], "little") == 38
    assert icns == b"icns\0\0\0\x13icp4\0\0\0\x0babc"


def test_version_resource_is_what_pyinstaller_evaluates(packaging_modules: None, tmp_path: Path) -> None:
    module("installers").write_windows_version(tmp_path / "v.txt", "1.2.3")
    text = (tmp_path / "v.txt").read_text(encoding="utf-8")
    assert "filevers=(1, 2, 3, 0)" in text and "StringStruct('ProductVersion', '1.2.3')" in text
    compile(text, "v.txt", "eval")


def test_the_recipe_is_python_and_names_what_exists() -> None:
    recipe = (ROOT / "packaging" / "nanoai.spec").read_text(encoding="utf-8")
    compile(recipe, "nanoai.spec", "exec")
    assert (ROOT / "packaging" / "windows" / "nanoai.manifest").exists()


# ------------------------------------------------------------------------------------------ testing it


def test_what_cannot_be_tested_is_not_even_made(
    packaging_modules: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bundling = module("bundling")
    monkeypatch.setattr(bundling, "build", lambda folder: pytest.fail("this takes minutes"))
    monkeypatch.setattr(bundling, "why_not_test", lambda: "no moon")
    assert bundling.main(["--test", "--if-possible"]) == 0
    assert "SKIPPED: the standalone program cannot be tested here: no moon" in capsys.readouterr().out


def test_why_a_machine_cannot_test_it(
    packaging_modules: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bundling = module("bundling")
    monkeypatch.setattr(bundling, "ROOM", 1e18)
    assert "the disk has room for" in bundling.why_not_test()
    monkeypatch.setattr(bundling, "ROOM", 0)
    monkeypatch.setattr(bundling, "install_packages", lambda packages: False)
    made = SimpleNamespace(python=tmp_path / "python")
    monkeypatch.setattr(bundling, "environment_of_tests", lambda: made)
    for status, reason in ((3, "no network"), (0, "")):
        made.python.write_text(f"#!/bin/sh\necho no network >&2\nexit {status}\n", encoding="utf-8")
        made.python.chmod(0o755)
        assert bundling.why_not_test() == reason
    # An error of our own is no lack of a tool.
    made.python.write_text("#!/bin/sh\necho Traceback >&2\nexit 1\n", encoding="utf-8")
    with pytest.raises(module("environment").SetupError, match="Traceback"):
        bundling.why_not_test()


@pytest.mark.parametrize(("answers", "status"), [([0], 0), ([1, 0], 0), ([1, 1], 1), ([2], 2)])
def test_only_what_failed_is_tried_again(
    answers: list[int], status: int, packaging_modules: None, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    bundling = module("bundling")
    commands: list[list[object]] = []

    def call(command: list[object], **names: str) -> int:
        commands.append(command)
        return answers[len(commands) - 1]

    monkeypatch.setattr(bundling, "call", call)
    monkeypatch.setattr(bundling, "environment_of_tests", lambda: SimpleNamespace(python="python"))
    assert bundling.test(folder, []) == status
    assert [("--last-failed" in command) for command in commands] == [False, True][: len(answers)]


def test_a_clean_root_needs_root_a_mirror_and_room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from tests.bundle import clean_root

    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(clean_root.NotPossible, match="only root"):
        clean_root.CleanRoot(tmp_path / "root")
    monkeypatch.setattr(clean_root, "MIRROR", "http://127.0.0.1:9")
    assert "cannot be reached" in clean_root._why_not_make(tmp_path / "root")
    monkeypatch.setattr(clean_root, "ROOM", 1e18)
    assert "the disk has room for" in clean_root._why_not_make(tmp_path / "root")
