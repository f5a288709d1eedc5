"""The standalone program where nothing of this machine is seen: neither Python nor libraries of Qt.

Run by ``packaging/bootstrap.py bundle --test``, which prints what is measured here.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.bundle.clean_root import HOME, USER_ID, CleanRoot, stop
from tests.bundle.conftest import PROGRAM, ROOT
from tests.bundle.screen import Screen, wait_for

FIRST_PAINT = f"{HOME}/first-paint"
MEMORY_LIMIT = 300e6
SAMPLES = f"{PROGRAM}/_internal/resources/samples"


def test_there_is_no_python_but_that_inside(root: CleanRoot) -> None:
    status, output = root.run(["sh", "-c", "which python python3 pip; ls /usr/lib | grep -i python; true"])
    assert (status, output.strip()) == (0, "")
    status, output = root.run(["sh", "-c", "ls /work /root/.pyenv 2>/dev/null; env | sort"])
    assert "LD_" not in output and "PYTHON" not in output


def test_everything_works_without_a_screen(root: CleanRoot) -> None:
    status, output = root.run([f"{PROGRAM}/nanoai-gui", "--selftest"], timeout=600)
    print(f"\n{output}")
    assert status == 0, output
    assert "Traceback" not in output
    assert "read .dm3" in output and "measure with ann" in output and "skipped read" not in output


def test_everything_works_on_a_screen(root: CleanRoot, display: Screen) -> None:
    status, output = root.run([f"{PROGRAM}/nanoai", "--selftest"], {"DISPLAY": display.name}, timeout=600)
    assert status == 0, output
    assert "on xcb" in output and "Traceback" not in output


def test_nothing_is_left_but_in_the_users_folders(root: CleanRoot) -> None:
    """The program folder is read-only here, and nothing of a library's maker may appear."""
    # Folders too: a worker that is ended must not leave an empty one behind each time.
    _, output = root.run(["sh", "-c", f"find {HOME} -type f; find /tmp -mindepth 1 -user lab"])
    ours = re.compile(rf"{HOME}/(\.(config|local/share|local/state|cache)/nanoai-gui|\.cache/fontconfig)/")
    foreign = [line for line in output.split() if not ours.match(line)]
    assert foreign == []


def test_the_command_line_measures(root: CleanRoot) -> None:
    status, output = root.run(
        [f"{PROGRAM}/nanoai", "size", f"{SAMPLES}/tem", "--out", f"{HOME}/results", "--jobs", "2"]
    )
    assert status == 0, output
    assert "watershed" in output
    with root.path(f"{HOME}/results/particles.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) > 200


# ------------------------------------------------------------------------------------------ by hand


def test_a_person_opens_analyses_corrects_exports_and_quits(root: CleanRoot, display: Screen) -> None:
    work = root.path(f"{HOME}/work")
    shutil.copytree(ROOT / "resources" / "samples" / "tem", work, dirs_exist_ok=True)
    (work / "out").mkdir(exist_ok=True)
    for path in (work, *work.rglob("*")):
        os.chown(path, USER_ID, USER_ID)
    log = ROOT / "build" / "bundle-pictures" / "program.log"
    program = root.start([f"{PROGRAM}/nanoai-gui"], {"DISPLAY": display.name}, log=log)
    try:
        display.window("NanoAI")
        time.sleep(3)
        display.picture("1-started")
        display.key("ctrl+o")
        display.window("Open")
        display.type(f"{HOME}/work/synthetic_0001.tif")
        display.picture("2-open")
        display.key("Return")
        display.window("synthetic_0001.tif")
        time.sleep(2)
        display.key("ctrl+Return")
        before = _export(display, root, "before")
        display.picture("3-measured")
        largest = max(before, key=lambda row: float(row["area_px"]))
        _click_on(display, largest)
        display.picture("4-selected")
        display.key("shift+Delete")  # the whole of it, though one particle was clicked
        time.sleep(2)
        display.picture("5-corrected")
        after = _export(display, root, "after")
        assert {row["agglomerate"] for row in before} - {row["agglomerate"] for row in after} == {
            largest["agglomerate"]
        }
        display.key("shift+F1")
        display.window("Guide")
        time.sleep(1)
        display.picture("6-guide")
        display.key("Escape")
        display.window("synthetic_0001.tif")
        display.key("ctrl+q")
        if display.has_window("Save"):
            display.picture("7-asked")
        assert program.wait(120) == 0, log.read_text()
    finally:
        display.picture("9-last")
        stop(program)
    assert "Traceback" not in log.read_text()


def _export(display: Screen, root: CleanRoot, name: str) -> list[dict[str, str]]:
    """Export the results and read the table of agglomerates; tried until there is something to export."""
    folder = f"{HOME}/work/out/{name}"
    root.path(folder).mkdir()
    os.chown(root.path(folder), USER_ID, USER_ID)

    def ask() -> bool:
        display.window("synthetic_0001.tif")
        display.key("ctrl+e")
        time.sleep(1)
        return display.has_window("Export")

    wait_for(ask, "the dialog to export")
    display.window("Export")
    display.type(folder)
    display.key("Return")
    table = root.path(f"{folder}/agglomerates.csv")
    wait_for(lambda: root.path(f"{folder}/summary.json").exists(), "the exported tables")
    display.window("synthetic_0001.tif")
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _click_on(display: Screen, row: dict[str, str]) -> None:
    """Click on an agglomerate: the image is 1024 x 768 px and fits the canvas."""
    left, top, width, height = display.area_of_image()
    x = left + width * float(row["x_px"]) / 1024
    y = top + height * float(row["y_px"]) / 768
    display.click(round(x), round(y))
    time.sleep(1)


def test_a_crash_is_written_down_and_told_of_at_the_next_start(root: CleanRoot, display: Screen) -> None:
    program = _start_as_child(root, display)
    try:
        display.window("NanoAI")
        time.sleep(1)
        (window,) = [process for process in _processes(program) if "multiprocessing" not in process.command]
        os.kill(window.number, signal.SIGSEGV)
        assert program.wait(120) != 0
        stop(program)
        program = _start_as_child(root, display)
        display.window("NanoAI")
        wait_for(lambda: bool(list(root.path(HOME).rglob("crash-*.txt"))), "the report of the crash")
        (report,) = root.path(HOME).rglob("crash-*.txt")
        text = report.read_text(encoding="utf-8")
        assert "Segmentation fault" in text and "NanoAI" in text
        time.sleep(2)
        display.picture("8-after-a-crash")
    finally:
        stop(program)


def _start_as_child(root: CleanRoot, display: Screen) -> subprocess.Popen[str]:
    """Start the program, not as the first process of its system: that one cannot crash by a signal."""
    command = ["sh", "-c", f"{PROGRAM}/nanoai-gui; exit $?"]
    return root.start(command, {"DISPLAY": display.name})


# ------------------------------------------------------------------------------------------ figures


def test_start_and_memory(root: CleanRoot, display: Screen) -> None:
    """Printed, not judged: other work on the machine would be judged with it. Memory is judged."""
    display.go_first()
    cold, busy_cold, _ = _start(root, display, cold=True)
    warm = [_start(root, display)[:2] for _ in range(5)]
    _, _, memory = _start(root, display, idle_seconds=12)
    best, busy = (min(values) for values in zip(*warm, strict=True))
    print(f"\nfirst painted window, cold: {cold:.2f} s, of which {busy_cold:.2f} s at work")
    print(f"first painted window, warm: {best:.2f} s, of which {busy:.2f} s at work (best of {len(warm)})")
    print(f"load of the machine meanwhile: {os.getloadavg()[0]:.1f}")
    for name, (resident, peak, own) in memory.items():
        shares = f"at most {peak / 1e6:.0f} MB, {own / 1e6:.0f} MB its own share"
        print(f"{name} when idle: {resident / 1e6:.0f} MB resident, {shares}")
    assert max(peak for name, (_, peak, _) in memory.items() if name == "window") < MEMORY_LIMIT


def _start(
    root: CleanRoot, display: Screen, cold: bool = False, idle_seconds: float = 0.0
) -> tuple[float, float, dict[str, tuple[float, float, float]]]:
    """Start the program, wait for its first paint, and end it.

    Returns
    -------
    Seconds from before the start; those in which the processor worked for it; memory when idle.
    """
    if cold:
        for file in root.path(PROGRAM).rglob("*"):
            if file.is_file():
                with file.open("rb") as stream:
                    os.fsync(stream.fileno())  # what is not on the disk yet is not forgotten either
                    os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    paint = root.path(FIRST_PAINT)
    paint.unlink(missing_ok=True)
    begun = time.time()
    program = root.start(
        [f"{PROGRAM}/nanoai-gui"],
        {"DISPLAY": display.name, "NANOAI_FIRST_PAINT": FIRST_PAINT},
        goes_first=True,
    )
    try:
        wait_for(lambda: paint.exists() and len(paint.read_text().split()) == 2, "the first paint")
        painted, busy = (float(word) for word in paint.read_text().split())
        time.sleep(idle_seconds)
        memory = _memory(program) if idle_seconds else {}
    finally:
        stop(program)
    return painted - begun, busy, memory


def _memory(program: subprocess.Popen[str]) -> dict[str, tuple[float, float, float]]:
    """Bytes of the window's process and of its workers: resident, the most so far, and its share (PSS)."""
    found: dict[str, tuple[float, float, float]] = {}
    for process in _processes(program):
        values = [
            1024.0 * int(match[1])
            for where, key in ((process.status, "VmRSS"), (process.status, "VmHWM"), (process.share, "Pss"))
            if (match := re.search(rf"^{key}:\s+(\d+) kB", where, re.MULTILINE))
        ]
        name = "worker" if "multiprocessing" in process.command else "window"
        name = name if name not in found else f"{name} {len(found)}"
        found[name] = (values[0], values[1], values[2])
    return found


class _Process(NamedTuple):
    """One of the program's: its number outside, its command, and what the system says of it."""

    number: int
    command: str
    status: str
    share: str


def _processes(program: subprocess.Popen[str]) -> list[_Process]:
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        number = int(status.parent.name)
        try:
            text = status.read_text()
            if re.search(r"^Name:\s+nanoai", text, re.MULTILINE) and os.getsid(number) == program.pid:
                share = (status.parent / "smaps_rollup").read_text()
                found.append(_Process(number, (status.parent / "cmdline").read_text(), text, share))
        except (OSError, ProcessLookupError):
            continue
    return found


# ------------------------------------------------------------------------------------------ installing


def test_a_person_installs_and_removes_it_without_rights(root: CleanRoot, archives: list[Path]) -> None:
    archive = next((path for path in archives if path.name.endswith(".tar.xz")), None)
    if archive is None:
        pytest.skip("there is no .tar.xz")
    inside = root.path(f"{HOME}/download")
    shutil.rmtree(inside, ignore_errors=True)
    inside.mkdir()
    subprocess.run(["tar", "-xf", archive, "-C", inside], check=True)
    name = next(inside.iterdir()).name
    subprocess.run(["chown", "-R", f"{USER_ID}:{USER_ID}", inside], check=True)
    status, output = root.run([f"{HOME}/download/{name}/install.sh"])
    assert status == 0, output
    shutil.rmtree(inside)
    installed = f"{HOME}/.local/lib/nanoai/{name}"
    status, output = root.run([f"{HOME}/.local/bin/nanoai-gui", "--version"])
    assert (status, output.split()[0]) == (0, "nanoai-gui")
    entry = root.path(f"{HOME}/.local/share/applications/nanoai-gui.desktop").read_text(encoding="utf-8")
    assert f'Exec="{installed}/nanoai-gui" %F' in entry
    assert "MimeType=application/x-nanoai-project;" in entry
    assert root.path(f"{HOME}/.local/share/mime/packages/nanoai.xml").exists()
    assert root.path(f"{HOME}/.local/share/icons/hicolor/256x256/apps/nanoai-gui.png").exists()
    status, output = root.run([f"{installed}/uninstall.sh"])
    assert status == 0, output
    left = [
        path for path in root.path(f"{HOME}/.local").rglob("*") if "nanoai" in path.name and path.is_file()
    ]
    # What a person made with it, and the log, stay.
    assert not [path for path in left if "nanoai-gui" not in path.parent.parts]


def test_portable_mode_leaves_nothing_at_home(root: CleanRoot, bundle: Path) -> None:
    place = root.path(f"{HOME}/stick")
    shutil.rmtree(root.path(f"{HOME}/.config"), ignore_errors=True)
    shutil.rmtree(root.path(f"{HOME}/.cache"), ignore_errors=True)
    shutil.copytree(bundle, place, symlinks=True, dirs_exist_ok=True)
    (place / "portable").touch()
    subprocess.run(["chown", "-R", f"{USER_ID}:{USER_ID}", place], check=True)
    command = [f"{HOME}/stick/nanoai-gui", "size", f"{SAMPLES}/tem/synthetic_0001.tif", "--out", f"{HOME}/o"]
    status, output = root.run([*command, "--overlay"])
    assert status == 0, output
    assert (place / "data" / "cache" / "matplotlib").exists() or not root.path(f"{HOME}/.cache").exists()
    assert not list(root.path(HOME).glob(".*/nanoai*"))
    shutil.rmtree(place)


def test_the_debian_package_installs_runs_and_goes(
    root: CleanRoot, archives: list[Path], tmp_path: Path
) -> None:
    package = next((path for path in archives if path.suffix == ".deb"), None)
    if package is None:
        pytest.skip("there is no .deb")
    shutil.copy(package, root.path("/root/nanoai.deb"))
    status, output = root.run(["dpkg", "-i", "/root/nanoai.deb"], as_root=True)
    try:
        assert status == 0, output
        status, output = root.run(
            ["nanoai", "size", f"{SAMPLES}/tem/synthetic_0001.tif", "--out", f"{HOME}/deb"]
        )
        assert status == 0, output
        summary = json.loads(root.path(f"{HOME}/deb/summary.json").read_text(encoding="utf-8"))
        assert summary["methods"]["watershed"]["pooled"]["n_particles"] > 50
        assert root.path("/usr/share/applications/nanoai-gui.desktop").exists()
    finally:
        status, output = root.run(["dpkg", "-r", "nanoai"], as_root=True)
        root.path("/root/nanoai.deb").unlink()
    assert status == 0, output
    assert not root.path("/opt/nanoai").exists() and not root.path("/usr/bin/nanoai").exists()
