"""The set-up script: what it finds missing, what it says, and when it has nothing to do."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "packaging" / "bootstrap.py"
ABSENT = {"libnanoai-has-no-such-library.so.1": "no-such-package"}


@pytest.fixture
def bootstrap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The script as a module, its environment in a folder of the test."""
    spec = importlib.util.spec_from_file_location("bootstrap", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "STAMP", tmp_path / "stamp.json")
    return module


def forbid(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError(f"{name} must not be called")

    monkeypatch.setattr(module, name, refuse)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux leaves Qt's libraries to the system")
def test_a_library_that_the_loader_does_not_find_is_named(bootstrap: ModuleType) -> None:
    found = bootstrap.missing_packages({"libc.so.6": "libc6", **ABSENT})
    assert set(found) - {bootstrap.FONT_PACKAGE} == {"no-such-package"}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux leaves Qt's libraries to the system")
def test_who_may_not_install_is_told_the_command(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    sentence = bootstrap.provide_libraries(ABSENT)
    assert "sudo apt-get update && sudo apt-get install --yes no-such-package" in sentence


def test_a_system_without_fonts_is_noticed(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(bootstrap, "FONT_FOLDERS", (str(tmp_path),))
    assert bootstrap.missing_packages({}) == ["fonts-dejavu-core"]
    (tmp_path / "truetype").mkdir()
    (tmp_path / "truetype" / "some.ttf").touch()
    assert bootstrap.missing_packages({}) == []


def test_nothing_is_installed_twice(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "venv_version", platform.python_version)
    forbid(monkeypatch, bootstrap, "call")
    forbid(monkeypatch, bootstrap, "make_venv")
    stamp = {"fingerprint": bootstrap.fingerprint(), "extras": ["test"]}
    bootstrap.STAMP.write_text(json.dumps(stamp), encoding="utf-8")
    bootstrap.install("test")
    bootstrap.install("")


@pytest.mark.parametrize(
    "stamp", ["", "not json", '{"fingerprint": "other", "extras": ["test"]}', '{"extras": []}']
)
def test_other_pins_are_installed(stamp: str, bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[list[object]] = []
    monkeypatch.setattr(bootstrap, "venv_version", platform.python_version)

    def succeed(command: list[object]) -> int:
        called.append(command)
        return 0

    monkeypatch.setattr(bootstrap, "call", succeed)
    bootstrap.STAMP.write_text(stamp, encoding="utf-8")
    bootstrap.install("test")
    assert called[-1][-2:] == ["--editable", ".[test]"]
    assert all(bootstrap.CONSTRAINTS in command for command in called)
    assert json.loads(bootstrap.STAMP.read_text(encoding="utf-8"))["fingerprint"] == bootstrap.fingerprint()


def test_a_failed_installation_is_not_taken_for_a_done_one(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "venv_version", platform.python_version)
    monkeypatch.setattr(bootstrap, "call", lambda command: 1)
    bootstrap.STAMP.write_text('{"fingerprint": "other", "extras": []}', encoding="utf-8")
    with pytest.raises(bootstrap.SetupError):
        bootstrap.install("")
    assert not bootstrap.STAMP.exists()


def test_an_older_python_is_told_so(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 12))
    assert bootstrap.main() == 1
    assert "NanoAI needs Python 3.11 or newer" in capsys.readouterr().err


def test_a_wrong_command_is_wrong_usage() -> None:
    done = subprocess.run([sys.executable, SCRIPT, "fly"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "usage" in done.stderr


def test_the_histogram_counts_every_value(bootstrap: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    bootstrap.print_histogram([1.0, 1.0, 1.5, 9.0], "Sizes", n_bins=4, width=10)
    lines = capsys.readouterr().out.strip().splitlines()
    assert lines[0] == "Sizes"
    assert [line.split()[3] for line in lines[1:]] == ["75.0", "0.0", "0.0", "25.0"]
    assert [line.count("#") for line in lines[1:]] == [10, 0, 0, 3]
    bootstrap.print_histogram([2.0, 2.0], "Equal sizes")
    assert "100.0 %" in capsys.readouterr().out


def test_headless_run_measures_the_samples_and_prints_the_truth(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "PYTHON", Path(sys.executable))
    assert bootstrap.measure([bootstrap.SAMPLES]) == 0
    printed = capfd.readouterr().out
    truth = re.search(r"All (\d+) particles .* GMD ([\d.]+) nm, GSD ([\d.]+)\.", printed)
    assert truth is not None
    assert int(truth[1]) > 300
    for method in bootstrap.METHODS:
        row = re.search(rf"^{method} .* ([\d.]+) nm .* ([\d.]+)  [\d.]+\.\.", printed, re.MULTILINE)
        assert row is not None, printed
        # The promise for single images is kept elsewhere; this is about three pooled ones.
        assert float(row[1]) == pytest.approx(float(truth[2]), rel=0.1)
        assert float(row[2]) == pytest.approx(float(truth[3]), rel=0.1)
    assert printed.count("#") > 100
