"""The self-test: it must pass here, tell what fails, and leave nothing out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from nanoai_gui.core import selftest
from nanoai_gui.core.files.micrographs import READABLE_SUFFIXES
from nanoai_gui.core.files.spectra import SPECTRA_SUFFIXES
from nanoai_gui.core.resources import resource
from nanoai_gui.core.selftest import Check, CheckFailed, Skipped
from nanoai_gui.core.tem.sizing import METHOD_MODULES

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the bundle's recipe makes."""
    folder = tmp_path_factory.mktemp("selftest")
    script = ROOT / "packaging" / "selftest_files.py"
    subprocess.run([sys.executable, script, folder], check=True, timeout=250)
    return folder


@pytest.fixture
def with_samples(samples: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(selftest, "resource", lambda *p: samples if p == ("selftest",) else resource(*p))
    return samples


def run_those(*titles: str) -> tuple[int, list[str]]:
    lines: list[str] = []
    checks = [check for check in selftest.core_checks() if check.title.startswith(titles)]
    return selftest.run(checks, lines.append), lines


def test_every_kind_of_file_has_a_sample_that_is_read(with_samples: Path) -> None:
    failed, lines = run_those("read ")
    assert failed == 0, lines
    assert len(lines) == len(READABLE_SUFFIXES | SPECTRA_SUFFIXES) + 1
    assert any("read .dm3: 64 x 48 px, 2 nm per px" in line for line in lines)
    assert all(line.startswith("ok ") for line in lines[:-1])


def test_a_kind_without_a_sample_fails(with_samples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nanoai_gui.core.files.spectra.SPECTRA_SUFFIXES", frozenset({".new"}))
    failed, lines = run_those("read .new")
    assert failed == 1
    assert "no file of this kind was made" in lines[0]


def test_a_wrong_scale_and_an_unreadable_file_fail(
    with_samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = json.loads((with_samples / "expected.json").read_text(encoding="utf-8"))
    wrong = {"image.mrc": {**expected["image.mrc"], "nm_per_px": 3.0}, "image.dm4": expected["image.dm4"]}
    (tmp_path / "expected.json").write_text(json.dumps(wrong), encoding="utf-8")
    (tmp_path / "image.mrc").write_bytes((with_samples / "image.mrc").read_bytes())
    (tmp_path / "image.dm4").write_bytes((with_samples / "image.dm4").read_bytes()[:-4000])
    monkeypatch.setattr(selftest, "resource", lambda *p: tmp_path)
    lines: list[str] = []
    checks = [Check(suffix, partial(selftest._read, suffix)) for suffix in (".mrc", ".dm4")]
    assert selftest.run(checks, lines.append) == 2
    assert "2.0 instead of 3.0 nm" in lines[0]
    assert "image.dm4" in lines[1]


def test_models_projects_and_results(monkeypatch: pytest.MonkeyPatch) -> None:
    failed, lines = run_those("model ", "write ")
    assert failed == 0, lines
    assert any(line.startswith("ok      model tem-ann.zip: tem-ann") for line in lines)
    assert any("particles in" in line and "write a project" in line for line in lines)


def test_every_method_and_step_is_on_the_list() -> None:
    titles = {check.title for check in selftest.core_checks()}
    assert {f"measure with {name}" for name in METHOD_MODULES} <= titles
    assert {"measure in a worker process", "preprocess: baseline"} <= titles


def test_a_method_far_off_the_truth_fails() -> None:
    analysis = selftest.measure_sample("watershed")
    assert "is true" in selftest._judge("watershed", analysis)
    result = analysis.results["watershed"]
    larger = replace(result.particles, area_px=2.2 * result.particles.area_px)
    wrong = replace(analysis, results={"watershed": replace(result, particles=larger)})
    with pytest.raises(CheckFailed, match="is true"):
        selftest._judge("watershed", wrong)


def test_each_check_answers_in_a_line_and_has_a_folder_of_its_own() -> None:
    folders: list[Path] = []

    def good(folder: Path) -> str:
        folders.append(folder)
        (folder / "x").touch()
        return "fine"

    def bad(folder: Path) -> str:
        assert not any(folder.iterdir())
        raise ValueError("a defect")

    def skipped(_: Path) -> str:
        raise Skipped("nothing to do")

    lines: list[str] = []
    checks = [Check("one", good), Check("two", bad), Check("three", skipped)]
    assert selftest.run(checks, lines.append) == 1
    assert lines[0].startswith("ok      one: fine (")
    assert lines[1].startswith("FAILED  two: a defect [ValueError: a defect, test_selftest.py line")
    assert lines[2].startswith("skipped three: nothing to do")
    assert lines[3].startswith("self-test FAILED: 1 of 3 checks")
    assert not folders[0].exists()


def test_nothing_is_reported_to_the_maker_of_a_library(tmp_path: Path) -> None:
    """ONNX Runtime would write an id of this computer into the cache, and send what it is used for."""
    program = (
        "import nanoai_gui, onnxruntime, time\n"
        "from nanoai_gui.core.resources import resource\n"
        "for path in resource('models').glob('*.onnx'):\n"
        "    onnxruntime.InferenceSession(str(path))\n"
        "time.sleep(0.5)\n"
    )
    names = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "TMPDIR": str(tmp_path)}
    bare = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    subprocess.run([sys.executable, "-c", program], check=True, timeout=250, env={**bare, **names}, cwd=ROOT)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
