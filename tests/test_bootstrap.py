"""The set-up script: what it finds missing, what it says, and when it has nothing to do."""

from __future__ import annotations

import importlib
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "packaging" / "bootstrap.py"
ABSENT = {"libnanoai-has-no-such-library.so.1": "no-such-package"}


@pytest.fixture
def bootstrap(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module."""
    return _module("bootstrap", monkeypatch)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """What it builds upon."""
    return _module("environment", monkeypatch)


def _module(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    return importlib.import_module(name)


@pytest.fixture
def installed(environment: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A virtual environment that seems to be there, with the stamp in a folder of the test."""
    found = environment.Environment(tmp_path, "here")
    monkeypatch.setattr(found, "version", platform.python_version)
    monkeypatch.setattr(found, "pip_command", lambda: ["pip"])
    return found


def refuse(*arguments: object, **options: object) -> None:
    raise AssertionError("this must not be called")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux leaves Qt's libraries to the system")
def test_a_library_that_the_loader_does_not_find_is_named(environment: ModuleType) -> None:
    found = environment.missing_packages({"libc.so.6": "libc6", **ABSENT})
    assert set(found) - {environment.FONT_PACKAGE} == {"no-such-package"}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux leaves Qt's libraries to the system")
def test_who_may_not_install_is_told_the_command(
    environment: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    sentence = environment.provide_libraries(ABSENT)
    assert "sudo apt-get update && sudo apt-get install --yes no-such-package" in sentence


def test_a_system_without_fonts_is_noticed(
    environment: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(environment, "FONT_FOLDERS", (str(tmp_path),))
    assert environment.missing_packages({}) == ["fonts-dejavu-core"]
    (tmp_path / "truetype").mkdir()
    (tmp_path / "truetype" / "some.ttf").touch()
    assert environment.missing_packages({}) == []


def test_nothing_is_installed_twice(
    environment: ModuleType, installed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "call", refuse)
    monkeypatch.setattr(installed, "make", refuse)
    stamp = {"fingerprint": environment.fingerprint(), "extras": ["test"]}
    installed.stamp.write_text(json.dumps(stamp), encoding="utf-8")
    installed.install("test")
    installed.install("")


@pytest.mark.parametrize(
    "stamp", ["", "not json", '{"fingerprint": "other", "extras": ["test"]}', '{"extras": []}']
)
def test_other_pins_are_installed(
    stamp: str, environment: ModuleType, installed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[list[object]] = []

    def succeed(command: list[object]) -> int:
        called.append(command)
        return 0

    monkeypatch.setattr(environment, "call", succeed)
    installed.stamp.write_text(stamp, encoding="utf-8")
    installed.install("test")
    assert called[-1][-2:] == ["--editable", ".[test]"]
    assert all(environment.CONSTRAINTS in command for command in called)
    assert json.loads(installed.stamp.read_text(encoding="utf-8"))["fingerprint"] == environment.fingerprint()


def test_a_failed_installation_is_not_taken_for_a_done_one(
    environment: ModuleType, installed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "call", lambda command: 1)
    installed.stamp.write_text('{"fingerprint": "other", "extras": []}', encoding="utf-8")
    with pytest.raises(environment.SetupError):
        installed.install("")
    assert not installed.stamp.exists()


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
